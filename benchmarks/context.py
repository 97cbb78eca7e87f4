"""What settings of the context leave of the gold evidence, and what they cost: python-reference, BM25, no model.

    python -m benchmarks.context [--quick]

Evidence is there where a gold span of the question stands whole in one excerpt of a passage. Tokens are counted as words and
signs, not as a model's. Differences to the defaults are paired by question. --quick: every tenth question.
"""

import json
import re
import sys
import tempfile

import numpy as np

from core.config import TrialConfig, with_settings
from core.context.prompt import build
from core.pipeline.provenance import source_of
from core.progress import drain
from core.records import Hit, Query
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


def measure(step: int) -> list[dict]:
    with tempfile.TemporaryDirectory() as home:
        bench, base = Workbench(home), with_settings(TrialConfig(), {"fusion.part": "sparse_only"})
        evaluation = drain(bench.evaluating(base))
        asked = [(q, bench.hits(evaluation, row)) for row, q in enumerate(evaluation.corpus.queries) if q.gold][::step]
        source, rows, tables = source_of(bench.pipeline, evaluation.run), [], []
        for settings in SETTINGS.values():
            context = with_settings(base, {f"context.{name}": value for name, value in settings.items()}).context
            prompts = [build(query.text, hits, context, counted, source) for query, hits in asked]
            tables.append([holds_evidence(q, made.used) for (q, _), made in zip(asked, prompts, strict=True)])
            rows.append({"evidence": float(np.mean(tables[-1])), "tokens": float(np.mean([p.passage_tokens for p in prompts]))})
        columns = np.array(tables, float).T
        tests = paired_difference(columns, np.repeat(columns[:, :1], columns.shape[1], axis=1), 1000, 0.95, seed=0)
        told = zip(SETTINGS, rows, tests, strict=True)
        return [{"context": name, "n": len(asked), **row, "difference": test._asdict()} for name, row, test in told]


if __name__ == "__main__":
    print(json.dumps({"evidence_in_context": measure(10 if "--quick" in sys.argv else 1)}, indent=1))
