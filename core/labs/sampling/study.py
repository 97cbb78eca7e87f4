"""Diversity against quality of sampled answers: chains on the questions of a corpus, paired by question."""

import math
from collections.abc import Generator, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import Difference, by_arm, by_measure, corrected, rules_of, spread
from core.config import TrialConfig, code_version, fingerprint
from core.context.citations import BRACKETS, pattern
from core.context.prompt import build
from core.embedding.vectors import embed
from core.errors import PromptTooLong, WorkbenchError
from core.generation.loading import loaded
from core.generation.protocol import finished
from core.judging import diversity
from core.judging.judgement_models import EMBEDDED, Judgements, pair_text, read_judgement
from core.labs.sampling.chains import read_chain, write_chain
from core.labs.sampling.prompts import reading
from core.pipeline.stages import Resolved
from core.pipeline.trials import receipt
from core.progress import within
from core.records import Corpus, Progress, Query
from core.sampling.filters import chain
from core.sampling.search import beam_search
from core.sampling.writing import Memory, Written, write
from core.statistics.bootstrap import Interval
from core.workbench import Workbench

THRESHOLD = 0.9  # cosine from which two answers count as one cluster
MEASURES = {  # -> (in words, unit, +1: more is better or more diverse, what it is)
    "distinct_1": ("Distinct words", "", +1, "Distinct words over words, all samples of a question together (distinct-1)."),
    "distinct_2": ("Distinct word pairs", "", +1, "Distinct pairs of words over pairs (distinct-2)."),
    "self_bleu": ("Self-BLEU", "", -1, "BLEU of each sample with the others as references: high if all say the same."),
    "cluster_entropy": ("Embedding-cluster entropy", "nats", +1, "Entropy over clusters of similar embeddings. Not semantic entropy, "
                        "which asks an entailment model whether two answers mean the same."),
    "semantic_entropy": ("Semantic entropy", "nats", +1, "Entropy over clusters of samples that entail each other, by the embedded "
                         "model of entailment; each sample counts the same."),
    "f1": ("F1", "", +1, "SQuAD's F1 with the nearest gold answer, mean over the samples."),
    "em": ("Exact match", "", +1, "Share of samples equal to a gold answer, as SQuAD normalises them."),
    "tokens": ("Length", "tokens", 0, "Tokens of an answer, mean over the samples."),
}  # fmt: skip
OF_WORDS = [name for name in MEASURES if name not in ("semantic_entropy", "tokens")]
DIVERSITY, QUALITY = ("distinct_2", "distinct_1", "self_bleu", "semantic_entropy", "cluster_entropy"), ("f1", "em")


class ChainResult(NamedTuple):
    """What n samples a question gave under one chain; intervals over questions.

    changes: measure -> this chain minus the reference, paired by question, p corrected over all chains stored for the same questions;
    empty for the reference itself.
    """

    chain: str
    measures: dict[str, Interval]
    questions: int
    samples: int  # drawn
    failed: int  # of these, without an answer: left out of the measures
    tokens_per_s: float | None
    changes: dict[str, Difference] = {}


def asked(corpus: Corpus, questions: int) -> list[Query]:
    """So many questions that have a gold answer, spread evenly over the corpus."""
    there = [query for query in corpus.queries if query.answerable and query.answers]
    places = np.linspace(0, len(there) - 1, min(questions, len(there))).round().astype(int) if there else ()
    return [there[i] for i in places]


def study_key(run: Resolved, samples: int, questions: int) -> str:
    """Settings that share it answered the same questions over the same passages with the same model and code."""
    part, settings = run.config.generation, run.config.generation.model_dump()
    recipe = run.config.model_dump(mode="json", exclude={"evaluation": True, "answering": True, "generation": True})
    limits = [settings.get(name) for name in ("max_tokens", "context_tokens")]
    ids, code = [query.id for query in asked(run.corpus, questions)], code_version(part, build, chain, write, beam_search)
    return fingerprint(recipe, limits, part.identity(), run.corpus.fingerprint, run.ranking_key(), samples, ids, code)


def sample_study(
    workbench: Workbench, config: TrialConfig, chains: Sequence[str], samples: int = 5, questions: int = 20
) -> Generator[Progress, None, list[ChainResult]]:
    """Draws and stores `samples` answers a question and chain, then measures them, each chain against the first. What is
    stored already is not drawn again.

    Sample i of every chain has the same seed, so that chains differ only where they choose differently.
    """
    chains = list(dict.fromkeys(write_chain(read_chain(text)) for text in chains))
    if not chains or samples < 1 or questions < 1:
        raise WorkbenchError("An experiment needs a chain, a sample and a question at least.")
    run = yield from workbench.pipeline.resolve(config)
    queries = asked(run.corpus, questions)
    if not queries:
        raise WorkbenchError(
            f"'{run.corpus.name}' has no questions with gold answers, so quality cannot be measured.",
            todo="Add a questions file with answers, or compare chains side by side.",
        )
    yield from loaded(config.generation)
    ground = study_key(run, samples, questions)
    there = workbench.store.stored(
        "samples",
        "SELECT DISTINCT chain, query_id FROM samples WHERE ground = ?",
        [ground],
        lambda record: record.payload if record.payload.get("ground") == ground else None,
    )
    answered, total = {(row["chain"], row["query_id"]) for row in there}, len(queries) * len(chains)
    for number, query in enumerate(queries):
        memory: Memory = {}  # all chains on one question: its prompt is read once, and they share the logits of common starts
        for place, text in enumerate(chains):
            if (text, query.id) not in answered:
                step = Progress(number * len(chains) + place, total, query.text)
                yield step
                work = _drawn(workbench, run, query, text, samples, memory)
                workbench.store.add("samples", {"ground": ground, **(yield from within(work, step))})
    return (yield from results(workbench, config, samples, questions, chains[0]))


def _drawn(
    workbench: Workbench, run: Resolved, query: Query, text: str, samples: int, memory: Memory
) -> Generator[Progress, None, dict[str, Any]]:
    """The record of a question under a chain."""
    config, part = run.config, run.config.generation
    steps, seeds, made, asked_for = read_chain(text), range(config.seed, config.seed + samples), [], ""
    try:
        prompt = reading(workbench, config, query.text).prompt
        asked_for = prompt.text
        for seed in seeds:
            made.append(_sample((yield from write(part, prompt, memory, steps, seed=seed, max_tokens=part.max_tokens))))
    except PromptTooLong as error:
        made = [_sample(Written(tuple(steps), seed, (), (), f"failed: {error.what}", 0.0, 0.0, 0)) for seed in seeds]
    return {
        "dataset": run.corpus.name,
        "query_id": query.id,
        "question": query.text,
        "answers": list(query.answers),
        "chain": text,
        "steps": [each.model_dump(mode="json") for each in steps],
        "samples": made,
        "prompt": asked_for,
        "config": config.model_dump(mode="json"),
        **receipt(config, part, write),
        "fingerprints": {"corpus": run.corpus.fingerprint, "generator": part.identity()},
    }


def _sample(written: Written) -> dict[str, Any]:
    text, reason = finished(written.text, written.reason)
    return {
        "seed": written.seed,
        "text": text,
        "finish_reason": reason,
        "tokens": [pick.token for pick in written.picks],
        "logprob": sum(pick.logprob for pick in written.picks),
        "generation_ms": 1000 * written.seconds,
        "model_runs": written.ran,
    }


def results(
    workbench: Workbench, config: TrialConfig, samples: int = 5, questions: int = 20, reference: str = ""
) -> Generator[Progress, None, list[ChainResult]]:
    """What is stored of such a study, chain by chain, each against the reference (first; by default the first by name)."""
    run = yield from workbench.pipeline.resolve(config)
    rows = workbench.store.query(
        """SELECT chain, query_id, any_value(question) AS question, any_value(answers) AS answers, list(text ORDER BY number) AS texts,
           avg(answer_tokens) AS tokens, sum(model_runs) AS runs, sum(generation_ms) AS ms
           FROM (SELECT DISTINCT ON (chain, query_id, number) * FROM samples WHERE ground = ?) GROUP BY ALL
           ORDER BY chain, query_id""",
        [study_key(run, samples, questions)],
    )
    chains = sorted({row["chain"] for row in rows}, key=lambda text: (text != reference, text))
    key = fingerprint([(row["chain"], row["query_id"], row["texts"]) for row in rows], chains, config)
    if (memory := workbench.pipeline.remember("study", key, list)) or not rows:
        return list(memory)
    texts, style = sorted({text for row in rows for text in row["texts"] if text}), config.context.citations
    vectors = dict(zip(texts, (yield from _embedded(workbench, run, texts)), strict=True))
    alike = yield from _entailed(workbench, rows, style)
    tables: dict[str, dict[str, dict[str, float]]] = {text: {} for text in chains}
    for row in rows:
        worth = measures(row["texts"], row["answers"], row["tokens"], vectors, style)
        worth["semantic_entropy"] = semantic_entropy(row["question"], row["texts"], alike, style)
        tables[row["chain"]][row["query_id"]] = worth
    changes, outcomes = _changes(tables, chains, config), []
    for text in chains:
        mine = [row for row in rows if row["chain"] == text]
        drawn = [answer for row in mine for answer in row["texts"]]
        whole = diversity.summary(list(tables[text].values()), *rules_of(config))
        runs, ms = sum(row["runs"] for row in mine), sum(row["ms"] for row in mine)
        speed = 1000 * runs / ms if runs and ms else None
        outcomes.append(ChainResult(text, whole, len(mine), len(drawn), drawn.count(""), speed, changes.get(text, {})))
    memory[:] = outcomes
    return outcomes


def _changes(
    tables: dict[str, dict[str, dict[str, float]]], chains: Sequence[str], config: TrialConfig
) -> dict[str, dict[str, Difference]]:
    """chain -> measure -> its difference from the first by question."""
    tests, names = {}, [name for name in MEASURES if name != "tokens"]
    for text in chains[1:]:
        shared = sorted(tables[chains[0]].keys() & tables[text].keys())
        mine, first = ([[tables[side][query][name] for name in names] for query in shared] for side in (text, chains[0]))
        if shared:
            paired = rules_of(config).differences(np.array(mine), np.array(first))
            tests |= zip([(text, chains[0], name) for name in names], paired, strict=True)
    return by_arm(corrected(tests, by_measure))


def _embedded(workbench: Workbench, run: Resolved, texts: list[str]):
    if not texts:
        return []
    encoder = yield from workbench.pipeline.encoder(run)
    return (yield from embed(encoder, texts, workbench.pipeline.vectors_folder))


def _entailed(workbench: Workbench, rows: Sequence[dict[str, Any]], style: str):
    """(question, text, other text) where the text entails the other, of the samples of one question under one chain. Each is read
    behind its question, as Kuhn et al. 2023 have it."""
    told = {(row["question"], tuple(dict.fromkeys(_said(row["texts"], style)))) for row in rows}
    asked = sorted({(question, text, other) for question, texts in told for text in texts for other in texts if text != other})
    pairs = [pair_text(f"{question} {text}", f"{question} {other}") for question, text, other in asked]
    if not pairs:
        return set()
    vectors = yield from embed(Judgements(EMBEDDED), pairs, workbench.pipeline.vectors_folder)
    return {triple for triple, vector in zip(asked, vectors, strict=True) if np.argmax(read_judgement(vector).probabilities) == 0}


def semantic_entropy(question: str, texts: Sequence[str], alike: set[tuple[str, str, str]], style: str = BRACKETS) -> float:
    """In nats, of the samples of one question that have an answer; NaN of fewer than two."""
    said = _said(texts, style)
    entails = np.array([[text == other or (question, text, other) in alike for other in said] for text in said])
    return diversity.cluster_entropy_nats(diversity.meaning_clusters(entails)) if len(said) > 1 else math.nan


def _said(texts: Sequence[str], style: str) -> list[str]:
    return [pattern(style).sub(" ", text).strip() for text in texts if text]


def measures(
    texts: Sequence[str], answers: Sequence[str], tokens: float, vectors: dict[str, np.ndarray], style: str = BRACKETS
) -> dict[str, float]:
    """Of the samples of one question. "" is a sample without an answer, which is left out: NaN where too few are left.

    Citations are no part of an answer's words.
    """
    said, made = _said(texts, style), dict.fromkeys(OF_WORDS, math.nan)
    if len(said) > 1:
        made |= {"distinct_1": diversity.distinct_n(said, 1), "distinct_2": diversity.distinct_n(said, 2)}
        made["self_bleu"] = diversity.self_bleu(said)
        made["cluster_entropy"] = diversity.embedding_entropy_nats(np.array([vectors[text] for text in texts if text]), THRESHOLD)
    if said:
        made["f1"] = float(np.mean([diversity.answer_f1(text, answers) for text in said]))
        made["em"] = float(np.mean([diversity.answer_em(text, answers) for text in said]))
    return made | {"tokens": float(tokens) or math.nan}


def rows(settings: Iterable[ChainResult]) -> list[dict[str, Any]]:
    """Settings as plain rows, for tables and files."""
    table = []
    for result in settings:
        line: dict[str, Any] = {name: getattr(result, name) for name in ("chain", "questions", "samples", "failed")}
        for name, i in result.measures.items():
            line |= spread(name, i, "_") | {f"{name}_n": i.n}
            if change := result.changes.get(name):
                line |= spread(f"{name}_difference", change.paired, "_") | {f"{name}_p_holm": change.p_holm}
        table.append(line | {"tokens_per_s": result.tokens_per_s})
    return table
