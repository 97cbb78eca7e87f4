"""Runs measured against judgements, compared by paired tests, and fused."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.errors import WorkbenchError
from core.evaluation.judged import judge_rankings
from core.evaluation.metric import metric_values
from core.labs.runs.trec import TrecRun, ordered
from core.records import Candidates, Corpus, Document, Query
from core.retrieval.fusion import Fusion
from core.retrieval.fusion import fused as fused_scores
from core.retrieval.pool import make_pool
from core.statistics.corrections import holm
from core.statistics.paired import paired_difference
from core.statistics.proportion import unit_intervals

METRICS = ("ndcg_linear@10", "map@1000", "mrr@10", "recall@100")
RETRIEVERS = ("sparse", "dense")  # what a fusion calls two rankings: its weight is the share of the second
SHOWN = 5


class Measure(NamedTuple):
    """A metric at a depth."""

    metric: str
    k: int

    @property
    def label(self) -> str:
        return registry.find("metric", self.metric).label.format(k=self.k)


def measure_of(words: str) -> Measure:
    """From "map@1000"; without a depth 10."""
    name, _, k = words.partition("@")
    registry.find("metric", name)
    if not (k or "10").isdecimal() or not int(k or 10):
        raise WorkbenchError(f"'{words}' has no depth from 1.", where="--metric", todo="For example --metric ndcg_linear@10")
    return Measure(name, int(k or 10))


def values(run: TrecRun, questions: Sequence[Query], measures: Sequence[Measure]) -> np.ndarray:
    """[questions, measures] float64 in the order of the questions; NaN without a relevant document, 0 where not ranked."""
    depth = max(measure.k for measure in measures)
    listed = [[(document, 0, 1) for document, _ in run.ranked.get(query.id, ())[:depth]] for query in questions]
    if not any(listed):
        theirs, ours = (", ".join(list(ids)[:3]) for ids in (run.ranked, (query.id for query in questions)))
        raise WorkbenchError(
            f"The run ranks none of the judged questions: it has {theirs}, …; judged are {ours}, ….",
            where=run.name,
            todo="Give the judgements of the run's own topics.",
        )
    names = {document for ranking in listed for document, _, _ in ranking} | {g.document_id for q in questions for g in q.gold}
    # a document is one character long, and its ranking is of such characters: nothing but the ids decides
    asked = tuple(query._replace(gold=tuple(gold._replace(start=0, end=1) for gold in query.gold)) for query in questions)
    corpus = Corpus(run.name, tuple(Document(name, "") for name in sorted(names)), asked)
    judged = judge_rankings(corpus, listed, 1.0, depth)
    return np.column_stack([metric_values(judged, measure.k, [measure.metric])[measure.metric] for measure in measures])


def notes(run: TrecRun, questions: Sequence[Query], measures: Sequence[Measure] = ()) -> list[str]:
    """What of a run is not measured, or measured as 0."""
    judged = {query.id for query in questions if any(gold.grade for gold in query.gold)}
    unknown = [question for question in run.ranked if question not in {query.id for query in questions}]
    missing = [question for question in judged if question not in run.ranked]
    first = {question: [score for _, score in run.ranked[question][:11]] for question in judged & run.ranked.keys()}
    tied = [question for question, scores in first.items() if len(set(scores)) < len(scores)]
    listed = (
        (unknown, "ranked questions have no judgements and are not measured"),
        (missing, "judged questions are not ranked and count as 0"),
        (tied, "questions have equal scores among the first 11, whose order is a rule's (--ties) and not the run's"),
    )
    told = [
        f"{run.name}: {len(ids):,} {what} ({', '.join(sorted(ids)[:SHOWN])}{', …' if len(ids) > SHOWN else ''})."
        for ids, what in listed
        if ids
    ]
    longest = max(map(len, run.ranked.values()), default=0)
    if deeper := [measure.label for measure in measures if measure.k > longest]:
        told.append(f"{run.name}: no ranking is longer than {longest:,}; for {', '.join(deeper)} what is deeper was not found.")
    return told


def judged_share(run: TrecRun, questions: Sequence[Query], k: int = 10) -> float | None:
    """How many of the first k documents were judged at all, as a share: the others count as not relevant."""
    listed = [
        document in {gold.document_id for gold in query.gold}
        for query in questions
        for document, _ in run.ranked.get(query.id, ())[:k]
    ]
    return float(np.mean(listed)) if listed else None


def fuse(runs: Sequence[TrecRun], fusion: Fusion) -> TrecRun:
    """One run of several. Two are the lexical and the dense ranking of the fusion; of more, each counts alike."""
    if len(runs) < 2:
        raise WorkbenchError("One run cannot be fused.", where="--fuse", todo="Give two files or more.")
    if set(fusion.needs()) != set(RETRIEVERS):
        raise WorkbenchError(f"'{fusion.part}' takes one ranking as it is.", where="--fuse", todo="Choose rrf or comb_mnz.")
    questions = list(dict.fromkeys(question for run in runs for question in run.ranked))
    documents = sorted({document for run in runs for ranking in run.ranked.values() for document, _ in ranking})
    number = {document: place for place, document in enumerate(documents)}
    names = RETRIEVERS if len(runs) == 2 else [f"run {place}" for place in range(len(runs))]
    candidates = {name: _candidates(run, questions, number) for name, run in zip(names, runs, strict=True)}
    pool = make_pool(candidates, np.arange(len(documents), dtype=np.int32))
    ranked = {}
    for question, chunks, scores in zip(questions, pool.chunk, fused_scores(fusion, pool), strict=True):
        there = chunks >= 0
        ranked[question] = ordered(zip((documents[c] for c in chunks[there]), scores[there].tolist(), strict=True))
    return TrecRun(f"{fusion.part} of {' and '.join(run.name for run in runs) if len(runs) == 2 else f'all {len(runs)}'}", ranked)


def _candidates(run: TrecRun, questions: Sequence[str], number: dict[str, int]) -> Candidates:
    shape = len(questions), max(map(len, run.ranked.values()))
    chunk, score = np.full(shape, -1, np.int32), np.full(shape, np.nan, np.float32)
    for row, question in enumerate(questions):
        if ranking := run.ranked.get(question):
            chunk[row, : len(ranking)] = [number[document] for document, _ in ranking]
            score[row, : len(ranking)] = [value for _, value in ranking]
    return Candidates(chunk, score)


def report(
    runs: Sequence[TrecRun], fused: TrecRun | None, questions: Sequence[Query], measures: Sequence[Measure], against: int = 0
) -> dict[str, Any]:
    """Each run's metrics with intervals; each but the reference minus the reference, and the fused run minus each other."""
    every = [*runs, *([fused] if fused else [])]
    table = [values(run, questions, measures) for run in every]
    pairs = [(place, against) for place in range(len(every)) if place != against]
    pairs += [(len(runs), place) for place in range(len(runs)) if place != against] if fused else []
    return {
        "questions": sum(any(gold.grade for gold in query.gold) for query in questions),
        "notes": " ".join(note for run in runs for note in notes(run, questions, measures)),
        "runs": [
            {
                "run": run.name,
                **{
                    name: value
                    for measure, interval in zip(measures, unit_intervals(mine), strict=True)
                    for name, value in _cells(measure.label, interval.mean, interval.low, interval.high).items()
                },
                "questions ranked": len(run.ranked),
                "judged of the first 10": judged_share(run, questions),
            }
            for run, mine in zip(every, table, strict=True)
        ],
        "compared": [row for place, measure in enumerate(measures) for row in _compared(every, table, pairs, place, measure)],
    }


def _cells(name: str, value: float | None, low: float | None, high: float | None) -> dict[str, float | None]:
    return {name: value, f"{name} low": low, f"{name} high": high}


def _compared(
    runs: Sequence[TrecRun], table: Sequence[np.ndarray], pairs: Sequence[tuple[int, int]], column: int, measure: Measure
) -> list[dict[str, Any]]:
    """The paired differences of one metric, with p corrected over them."""
    if not pairs:
        return []
    own, reference = (np.column_stack([table[pair[side]][:, column] for pair in pairs]) for side in (0, 1))
    tests = paired_difference(own, reference)
    corrected = holm(np.array([test.p for test in tests]))
    return [
        {
            "metric": measure.label,
            "run": runs[a].name,
            "minus": runs[b].name,
            **_cells("difference", test.difference, test.low, test.high),
            "p": test.p,
            "p (Holm)": float(p),
            "won": test.wins,
            "lost": test.losses,
            "n": test.n,
        }
        for (a, b), test, p in zip(pairs, tests, corrected, strict=True)
    ]
