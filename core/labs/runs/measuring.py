"""Runs measured against judgements, compared by paired tests, and fused."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.comparison.comparison import by_measure, corrected, spread
from core.errors import WorkbenchError
from core.evaluation.judged import judge_rankings
from core.evaluation.metric import metric_values
from core.labs.runs.trec import Ranking, TrecRun, ordered
from core.records import Candidates, Corpus, Document, Query
from core.report.table import MEAN, P_VALUE, PERCENT, Column, Table, written
from core.retrieval.fusion import BOTH, Fusion
from core.retrieval.fusion import fused as fused_scores
from core.retrieval.pool import make_pool
from core.statistics.paired import Paired, paired_difference
from core.statistics.proportion import unit_intervals

METRICS = ("ndcg_linear@10", "map@1000", "mrr@10", "recall@100")
RETRIEVERS = BOTH  # what a fusion calls two rankings: its weight is the share of the second
SHOWN = 5
DEEPEST = 1_000_000  # documents of a ranking that are judged
BLOCK = 500_000  # ranked documents that are measured, or fused, together


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
    depth = int(k or 10) if re.fullmatch(r"\d{0,9}", k) else 0
    if not 1 <= depth <= DEEPEST:
        todo = "For example --metric ndcg_linear@10"
        raise WorkbenchError(f"'{words:.60}' has no depth from 1 to {DEEPEST:,}.", where="--metric", todo=todo)
    return Measure(name, depth)


def values(run: TrecRun, questions: Sequence[Query], measures: Sequence[Measure]) -> np.ndarray:
    """[questions, measures] float64 in the order of the questions; NaN without a relevant document, 0 where not ranked."""
    if not any(query.id in run.ranked for query in questions):
        theirs, ours = (", ".join(list(ids)[:3]) for ids in (run.ranked, (query.id for query in questions)))
        raise WorkbenchError(
            f"The run ranks none of the judged questions: it has {theirs}, …; judged are {ours}, ….",
            where=run.name,
            todo="Give the judgements of the run's own topics.",
        )
    depth = max(measure.k for measure in measures)
    sizes = [min(depth, len(run.ranked.get(query.id, ()))) for query in questions]
    return np.concatenate([_values(run, questions[a:b], measures, depth) for a, b in blocks(sizes)])


def blocks(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Bounds of neighbours that have BLOCK documents together, or are one question."""
    start = held = 0
    for place, size in enumerate(sizes):
        if place > start and held + size > BLOCK:
            yield start, place
            start, held = place, 0
        held += size
    yield start, len(sizes)


def _values(run: TrecRun, questions: Sequence[Query], measures: Sequence[Measure], depth: int) -> np.ndarray:
    listed = [[(document, 0, 1) for document, _ in run.ranked.get(query.id, ())[:depth]] for query in questions]
    names = {document for ranking in listed for document, _, _ in ranking} | {g.document_id for q in questions for g in q.gold}
    # a document is one character long, and its ranking is of such characters: nothing but the ids decides
    asked = tuple(query._replace(gold=tuple(gold._replace(start=0, end=1) for gold in query.gold)) for query in questions)
    corpus = Corpus(run.name, tuple(Document(name, "") for name in sorted(names)), asked)
    judged = judge_rankings(corpus, listed, 1.0, depth)
    return np.column_stack([metric_values(judged, measure.k, [measure.metric])[measure.metric] for measure in measures])


def notes(run: TrecRun, questions: Sequence[Query], measures: Sequence[Measure] = ()) -> list[str]:
    """What of a run is not measured, or measured as 0."""
    judged, every = {query.id for query in questions if query.relevant}, {q.id for q in questions}
    unknown = [question for question in run.ranked if question not in every]
    missing = [question for question in judged if question not in run.ranked]
    first = {question: [score for _, score in run.ranked[question][:11]] for question in judged & run.ranked.keys()}
    tied = [question for question, scores in first.items() if len(set(scores)) < len(scores)]
    listed = (
        (unknown, "ranked questions have no judgements and are not measured"),
        (missing, "judged questions are not ranked and count as 0"),
        (tied, "questions have equal scores among the first 11, whose order the rule for equal scores gives and not the run"),
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
    listed = []
    for query in questions:
        documents = {gold.document_id for gold in query.gold}
        listed += [document in documents for document, _ in run.ranked.get(query.id, ())[:k]]
    return float(np.mean(listed)) if listed else None


def fuse(runs: Sequence[TrecRun], fusion: Fusion) -> TrecRun:
    """One run of several. Two are the lexical and the dense ranking of the fusion; of more, each counts alike."""
    if len(runs) < 2:
        raise WorkbenchError("One run cannot be fused.", where="--fuse", todo="Give two files or more.")
    if set(fusion.needs()) != set(RETRIEVERS):
        raise WorkbenchError(f"'{fusion.part}' takes one ranking as it is.", where="--fuse", todo="Choose rrf or comb_mnz.")
    questions = list(dict.fromkeys(question for run in runs for question in run.ranked))
    sizes = [sum(len(run.ranked.get(question, ())) for run in runs) for question in questions]
    ranked = {}
    for a, b in blocks(sizes):
        ranked |= _fused(runs, fusion, questions[a:b])
    return TrecRun(f"{fusion.part} of {' and '.join(run.name for run in runs) if len(runs) == 2 else f'all {len(runs)}'}", ranked)


def _fused(runs: Sequence[TrecRun], fusion: Fusion, questions: Sequence[str]) -> dict[str, Ranking]:
    listed = [[run.ranked.get(question, ()) for question in questions] for run in runs]
    documents = sorted({document for rankings in listed for ranking in rankings for document, _ in ranking})
    number = {document: place for place, document in enumerate(documents)}
    names = RETRIEVERS if len(runs) == 2 else [f"run {place}" for place in range(len(runs))]
    candidates = {name: _candidates(rankings, number) for name, rankings in zip(names, listed, strict=True)}
    pool = make_pool(candidates, np.arange(len(documents), dtype=np.int32))
    ranked = {}
    for question, chunks, scores in zip(questions, pool.chunk, fused_scores(fusion, pool), strict=True):
        there = chunks >= 0
        ranked[question] = Ranking(ordered(zip((documents[c] for c in chunks[there]), scores[there].tolist(), strict=True)))
    return ranked


def _candidates(rankings: Sequence[Sequence[tuple[str, float]]], number: dict[str, int]) -> Candidates:
    shape = len(rankings), max(1, *map(len, rankings))
    chunk, score = np.full(shape, -1, np.int32), np.full(shape, np.nan, np.float32)
    for row, ranking in enumerate(rankings):
        if ranking:
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
        "questions": sum(bool(query.relevant) for query in questions),
        "notes": " ".join(note for run in runs for note in notes(run, questions, measures)),
        "runs": [
            {
                "run": run.name,
                **{
                    name: value
                    for measure, interval in zip(measures, unit_intervals(mine), strict=True)
                    for name, value in spread(measure.label, interval).items()
                },
                "questions ranked": len(run.ranked),
                "judged of the first 10": judged_share(run, questions),
            }
            for run, mine in zip(every, table, strict=True)
        ],
        "compared": [
            {
                "metric": change.measure,
                "run": every[change.arm].name,
                "minus": every[change.base].name,
                **spread("difference", change.paired),
                "p": change.paired.p,
                "p (Holm)": change.p_holm,
                "won": change.paired.wins,
                "lost": change.paired.losses,
                "n": change.paired.n,
            }
            for change in corrected(_tests(table, pairs, measures), by_measure).values()
        ],
    }


def run_table(record: dict[str, Any], labels: Sequence[str], command: str) -> Table:
    """Of a report: the runs, each metric in one cell with its interval."""
    made = [row | {f"{label} in words": _cell(row, label) for label in labels} for row in record["runs"]]
    columns = (
        Column("run", width=200),
        *(Column(f"{label} in words", label, width=158) for label in labels),
        Column("questions ranked"),
        Column("judged of the first 10", "Judged", PERCENT, "Of the first 10 documents; the others count as not relevant."),
    )
    return Table("runs", columns, made, "Runs", f"Means with 95% intervals; n {record['questions']:,}", command)


def _cell(row: dict[str, Any], label: str) -> str:
    value, low, high = (row[name] for name in (label, f"{label} low", f"{label} high"))
    return (
        "" if value is None else written(value, MEAN) + ("" if low is None else f" [{written(low, MEAN)}, {written(high, MEAN)}]")
    )


def compared_table(record: dict[str, Any], metric: str, command: str) -> Table:
    columns = (
        Column("run"),
        Column("minus", width=160),
        *(Column(name, name.split()[-1].capitalize(), "%+.4f") for name in ("difference", "difference low", "difference high")),
        *(Column(name, name, P_VALUE) for name in ("p", "p (Holm)")),
        *(Column(name) for name in ("won", "lost")),
        Column("n", "n"),
    )
    rows = [row for row in record["compared"] if row["metric"] == metric]
    return Table("runs-compared", columns, rows, f"Paired differences in {metric}", "Holm's correction over all rows", command)


def _tests(table: Sequence[np.ndarray], pairs: Sequence[tuple[int, int]], measures: Sequence[Measure]) -> dict[Any, Paired]:
    """The paired differences of the runs at these places by every metric."""
    tests = {}
    for column, measure in enumerate(measures if pairs else ()):
        own, other = (np.column_stack([table[pair[side]][:, column] for pair in pairs]) for side in (0, 1))
        tests |= zip([(*pair, measure.label) for pair in pairs], paired_difference(own, other), strict=True)
    return tests
