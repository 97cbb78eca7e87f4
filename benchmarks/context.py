"""What settings of the context leave of the gold evidence, and what they and the prompt's form do to answers.

    python -m benchmarks.context [--quick]

Evidence: python-reference, BM25, no model. It is there where a gold span of the question stands whole in one excerpt of a
passage. Tokens are counted as words and signs, not as a model's.

Answers: the bundled generator, greedy, to questions whose evidence stands whole in the four passages that the defaults give,
so that what is measured is the reading and not the search. Right is what the judge by reference answers accepts; cited right,
what cites a passage that holds the evidence. Differences to the defaults are paired by question, p by Holm over the settings of
a corpus. --quick: every tenth question, and answers to 4.
"""

import json
import os
import re
import sys
import tempfile

import numpy as np

from benchmarks import DATASETS
from benchmarks._options import options
from core.config import ContextConfig, TrialConfig, with_settings
from core.context.citations import cited
from core.context.prompt import build
from core.generation.llama_engine import LlamaCpp
from core.judging.diversity import answer_f1
from core.judging.reference import accepts
from core.pipeline.provenance import source_of
from core.progress import drain
from core.records import Hit, Query
from core.statistics.corrections import holm
from core.statistics.paired import paired_difference
from core.workbench import Workbench

SETTINGS = {
    "defaults": {},
    "merged": {"hand_on": "merged"},
    "neighbours": {"hand_on": "neighbours"},
    "section": {"hand_on": "section"},
    "document": {"hand_on": "document"},
    "near copies dropped from 0.5": {"duplicates": 0.5},
    "half of the sentences": {"compress": 0.5},
    "a quarter of the sentences": {"compress": 0.25},
    "half of the sentences of 6": {"compress": 0.5, "passages": 6},
    "6 passages": {"passages": 6},
}
_TOKEN = re.compile(r"\w+|[^\w\s]")


def counted(text: str) -> int:
    return len(_TOKEN.findall(text))


def holds_evidence(query: Query, passages: tuple[Hit, ...]) -> bool:
    spans = [(hit.document_id, a, b) for hit in passages for a, b in hit.excerpts or ((hit.start, hit.end),)]
    return any(d == g.document_id and a <= g.start and g.end <= b for g in query.gold for d, a, b in spans)


CORPORA = ("xquad-en", "python-reference")
SMALL = {"fusion.part": "sparse_only", "chunking.size_tokens": 64, "chunking.overlap_tokens": 0, "context.passages": 4}
QUESTION_FIRST = "Question: $question\n\n$instructions\n\n$passages\n\n$reminder"
PROMPTS = {
    "defaults": {},
    "best last": {"order": "best_last"},
    "interleaved": {"order": "interleaved"},
    "parentheses": {"citations": "parentheses"},
    "footnotes": {"citations": "footnotes"},
    "titles": {"citations": "titles"},
    "template: question first": {"template": QUESTION_FIRST},
    "template: bare": {"template": "$passages\n\nQuestion: $question\nAnswer:"},
    "half of the sentences, by words": {"compress": 0.5},
    "half of the sentences, by the encoder": {"compress": 0.5, "nearest_by": "encoder"},
}
MEASURES = ("right", "f1", "cites", "cites_right")
ASKED, ANSWER_TOKENS, BATCH, DEADLINE_S = 100, 32, 16, 3600.0


def measure(step: int) -> dict[str, dict]:
    with tempfile.TemporaryDirectory() as home:
        bench, base = Workbench(home), with_settings(TrialConfig(), {"fusion.part": "sparse_only"})
        evaluation = drain(bench.evaluating(base))
        asked = [(q, bench.hits(evaluation, row)) for row, q in enumerate(evaluation.corpus.queries) if q.gold][::step]
        source, rows, tables = source_of(bench.pipeline, evaluation.run), [], []
        for settings in SETTINGS.values():
            prompts = [build(query.text, hits, set_to(base, settings), counted, source) for query, hits in asked]
            tables.append([holds_evidence(q, made.used) for (q, _), made in zip(asked, prompts, strict=True)])
            rows.append({"evidence": float(np.mean(tables[-1])), "tokens": float(np.mean([p.passage_tokens for p in prompts]))})
        told = zip(SETTINGS, rows, [{}, *against_first(np.array(tables, float))], strict=True)
        return {name: {"questions": len(asked), **row, **test} for name, row, test in told}


def answers(name: str, most: int) -> dict[str, dict]:
    """What each form of the prompt does to the answers on that corpus."""
    with tempfile.TemporaryDirectory() as home:
        bench, base = Workbench(home), with_settings(TrialConfig(), {"corpus.dataset": name, **SMALL})
        evaluation, part = drain(bench.evaluating(base)), LlamaCpp(adapter="", max_tokens=ANSWER_TOKENS)
        source, asked = source_of(bench.pipeline, evaluation.run), []
        queries = evaluation.corpus.queries
        for row in np.random.default_rng(0).permutation(len(queries)):
            hits = bench.hits(evaluation, int(row))
            if queries[row].answers and holds_evidence(queries[row], tuple(hits[: base.context.passages])):
                asked.append((queries[row], hits))
        asked = asked[:most]
        part.load()
        rows, values = [], []
        for settings in PROMPTS.values():
            context = set_to(base, settings)
            prompts = [build(query.text, hits, context, part.count_tokens, source, part.holds) for query, hits in asked]
            made = drain(part.generate_many([each.messages for each in prompts], [0] * len(asked), DEADLINE_S, BATCH))
            judged = zip(asked, prompts, made, strict=True)
            values.append([judge(query, prompt.used, text.text, context) for (query, _), prompt, text in judged])
            means = dict(zip(MEASURES, np.mean(values[-1], axis=0).tolist(), strict=True))
            rows.append({"prompt_tokens": float(np.mean([text.prompt_tokens for text in made])), **means})
            print(f"{name}, {len(rows)} of {len(PROMPTS)}: {rows[-1]}", file=sys.stderr, flush=True)
        table = np.array(values)  # [settings, questions, measures]
        told = {setting: {"questions": len(asked), **row} for setting, row in zip(PROMPTS, rows, strict=True)}
        for at, measured in enumerate(MEASURES):
            for setting, test in zip(list(PROMPTS)[1:], against_first(table[:, :, at]), strict=True):
                told[setting][f"{measured} minus defaults"] = test
        return told


def judge(query: Query, used: tuple[Hit, ...], text: str, context: ContextConfig) -> list[float]:
    """The answer by each of MEASURES."""
    numbers = cited(text, used, context.citations)
    right = accepts(text, query.answers, context.citations)
    cites = any(holds_evidence(query, (used[number - 1],)) for number in numbers)
    return [right, answer_f1(text, query.answers), bool(numbers), cites]


def set_to(base: TrialConfig, settings: dict) -> ContextConfig:
    return with_settings(base, {f"context.{name}": value for name, value in settings.items()}).context


def against_first(table: np.ndarray) -> list[dict]:
    """Of each row [settings, questions] but the first the paired difference to that; p by Holm over these rows."""
    others = table[1:].T
    tests = paired_difference(others, np.repeat(table[:1].T, others.shape[1], axis=1), 1000, 0.95, seed=0)
    corrected = holm(np.array([test.p for test in tests])).tolist()
    told = zip(tests, corrected, strict=True)
    return [{"difference": test.difference, "low": test.low, "high": test.high, "p_holm": p} for test, p in told]


if __name__ == "__main__":
    quick = options(__doc__, "--quick").quick
    os.environ.setdefault("GROUNDWORK_DATASETS", str(DATASETS))
    result = {"evidence_in_context": measure(10 if quick else 1)}
    result["answers"] = {name: answers(name, 4 if quick else ASKED) for name in CORPORA}
    print(json.dumps(result, indent=1))
