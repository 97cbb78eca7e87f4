"""Filtered search: what a filter by source, type or anything else does to recall and latency.

`before`: the index searches among the allowed chunks only; `after`: it searches as if there were no filter, deeper, and
what is not allowed is thrown away; `exact`: every allowed chunk is compared.
Source: the pre- and post-filtering of Gollapudi et al. 2023, "Filtered-DiskANN", section 1.
"""

import math
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import rules_of
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.index import reference
from core.labs.index.life import LIFE_QUERIES
from core.labs.index.measure import TIES, latencies_ms, recall
from core.labs.index.reference import exact_searcher
from core.records import Candidates, Chunks, Corpus, Progress
from core.report.table import COUNT, MEAN, Column, Table
from core.statistics.bootstrap import Interval
from core.statistics.proportion import unit_intervals
from core.workbench import Workbench

SELECTIVITIES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001)
STRATEGIES = ("before", "after", "exact")
OVERFETCH = 2.0  # so many times the depth at which k allowed chunks are expected; a subject's chunks lie together
DEEPEST = 2000  # candidates fetched at most by `after`
LATENCIES = 200


class Filtered(NamedTuple):
    """One filter searched in one way."""

    label: str
    selectivity: float  # share of the chunks that is allowed
    allowed: int
    strategy: str
    depth: int  # candidates fetched
    recall: np.ndarray  # [num_queries] float64, recall@k against exact search among the allowed
    short: int  # questions with fewer than k results, though there are k allowed (or all allowed, where they are fewer)
    p50_ms: float
    p95_ms: float


def by_selectivity(
    searcher: Any,
    exact: Any,
    queries: np.ndarray,
    k: int,
    *,
    groups: Sequence[Any] | np.ndarray | None = None,
    num_chunks: int | None = None,
    selectivities: Sequence[float] = SELECTIVITIES,
    settings: Any = None,
    strategies: Sequence[str] = STRATEGIES,
    overfetch: float = OVERFETCH,
    most_groups: int = 12,
    seed: int = 0,
) -> Generator[Progress, None, tuple[Filtered, ...]]:
    """Every filter in every way, widest filter first.

    groups [num_chunks]: label of each chunk; each of the `most_groups` largest labels is a filter. None: random chunks at
    `selectivities` of `num_chunks` (default: what the searcher holds). Random filters flatter `after`: real ones pick chunks
    that lie together.
    """
    wrong = [s for s in strategies if s not in STRATEGIES]
    if wrong:
        raise WorkbenchError(
            f"There is no way to filter '{wrong[0]}'.", where="strategies", todo=f"Allowed: {', '.join(STRATEGIES)}."
        )
    masks = _grouped(groups, most_groups) if groups is not None else _random(num_chunks or searcher.size, selectivities, seed)
    asked, results = min(LATENCIES, len(queries)), []
    for number, (label, mask) in enumerate(masks):
        yield Progress(number, len(masks), f"{label}: {mask.mean():.2%} of the chunks")
        truth = exact.search(queries, k + TIES, among=mask)
        for strategy in strategies:
            depth = k if strategy != "after" else deep(k, float(mask.mean()), len(mask), overfetch)

            def search(vectors: np.ndarray, strategy=strategy, mask=mask, depth=depth) -> Candidates:
                if strategy == "exact":
                    return exact.search(vectors, k, among=mask)
                if strategy == "before":
                    return searcher.search(vectors, k, settings=settings, among=mask)
                return only(searcher.search(vectors, depth, settings=settings), mask, k)

            candidates = search(queries)
            wanted = min(k, int(mask.sum()))
            ms = latencies_ms(lambda i, search=search: search(queries[i : i + 1]), asked)
            results.append(
                Filtered(
                    label,
                    float(mask.mean()),
                    int(mask.sum()),
                    strategy,
                    depth,
                    recall(candidates, truth, k),
                    int(((candidates.chunk >= 0).sum(axis=1) < wanted).sum()),
                    *np.percentile(ms, [50, 95]).tolist(),
                )
            )
    yield Progress(len(masks), len(masks), f"{len(masks)} filters searched")
    return tuple(results)


def only(candidates: Candidates, mask: np.ndarray, k: int) -> Candidates:
    """The first k allowed candidates of each row, in their order, padded."""
    keep = (candidates.chunk >= 0) & mask[candidates.chunk]
    first = np.argsort(~keep, axis=1, kind="stable")[:, :k]
    allowed = np.take_along_axis(keep, first, axis=1)
    return Candidates(
        np.where(allowed, np.take_along_axis(candidates.chunk, first, axis=1), -1).astype(np.int32),
        np.where(allowed, np.take_along_axis(candidates.score, first, axis=1), np.nan).astype(np.float32),
    )


def deep(k: int, selectivity: float, num_chunks: int, overfetch: float = OVERFETCH) -> int:
    """Candidates that `after` fetches for k allowed ones."""
    return int(min(num_chunks, DEEPEST, max(k, math.ceil(overfetch * k / max(selectivity, 1e-9)))))


def _grouped(groups: Sequence[Any] | np.ndarray, most: int) -> list[tuple[str, np.ndarray]]:
    labels, of, counts = np.unique(np.asarray([str(g) for g in groups]), return_inverse=True, return_counts=True)
    return [(str(labels[i]), of == i) for i in np.argsort(-counts, kind="stable")[:most]]


def _random(num_chunks: int, selectivities: Sequence[float], seed: int) -> list[tuple[str, np.ndarray]]:
    masks: dict[int, tuple[str, np.ndarray]] = {}
    for share in sorted(selectivities, reverse=True):
        if not 0 < share <= 1:
            raise WorkbenchError(
                f"A filter cannot allow {share:g} of the chunks.", where="selectivities", todo="Allowed: above 0, up to 1."
            )
        mask = np.zeros(num_chunks, bool)
        allowed = max(1, round(share * num_chunks))
        mask[np.random.default_rng([seed, allowed]).choice(num_chunks, allowed, replace=False)] = True
        masks[allowed] = f"random {allowed / num_chunks:.1%}", mask  # of few chunks several shares are the same ones
    return list(masks.values())


def groupings(corpus: Corpus, chunks: Chunks) -> dict[str, list[str]]:
    """What chunks can be filtered by -> the label of each chunk; only what tells documents apart."""
    type_of: dict[str, set[str]] = {}
    for query in corpus.queries:
        for gold in query.relevant:
            type_of.setdefault(gold.document_id, set()).add(query.group)
    titles = Counter(document.title for document in corpus.documents)
    labels = {
        "source": [d.id.partition("/")[0] if "/" in d.id else d.source for d in corpus.documents],
        "type of question": [min(type_of.get(d.id, {"none asked"})) for d in corpus.documents],
        "document": [
            d.title if d.title and titles[d.title] == 1 else " ".join(filter(None, (d.title, d.id))) for d in corpus.documents
        ],
    }
    if any(len(types) > 1 for types in type_of.values()):
        del labels["type of question"]  # a document answers questions of several types
    labels = {name: of for name, of in labels.items() if len(set(of)) > 1}
    return {name: [of[d] for d in chunks.document] for name, of in labels.items()}


def filters(
    workbench: Workbench, config: TrialConfig, groups: Sequence[str] | None
) -> Generator[Progress, None, tuple[Filtered, ...]]:
    """Recall and latency under filters by `groups` (None: random shares), in the three ways to filter."""
    ground = yield from reference.exact_reference(workbench, config)
    run = yield from workbench.pipeline.resolve(config)
    searcher = yield from workbench.pipeline.index(run)
    exact = yield from exact_searcher(workbench, run)
    return (
        yield from by_selectivity(
            searcher,
            exact,
            reference.drawn_of(ground.asked, LIFE_QUERIES),
            config.evaluation.k,
            groups=groups,
            num_chunks=ground.n,
            settings=config.index,
            seed=config.seed,
        )
    )


def mean_recalls(results: Sequence[Filtered], config: TrialConfig) -> list[Interval]:
    """The mean recall of each, with its interval."""
    return unit_intervals(np.column_stack([each.recall for each in results]), *rules_of(config))


def rows(results: Sequence[Filtered], recalls: Sequence[Interval]) -> list[dict[str, Any]]:
    """A row a filter and way; recalls as `mean_recalls` gives them."""
    return [
        {
            "filter": each.label,
            "share": each.selectivity,
            "allowed": each.allowed,
            "way": each.strategy,
            "recall": recall.mean,
            "recall low": recall.low,
            "recall high": recall.high,
            "too few results": each.short,
            "questions": len(each.recall),
            "p50_ms": each.p50_ms,
            "p95_ms": each.p95_ms,
        }
        for each, recall in zip(results, recalls, strict=True)
    ]


def table(results: Sequence[Filtered], recalls: Sequence[Interval], ways: Mapping[str, str], command: str) -> Table:
    """ways: the ways to filter in words."""
    made = [
        row | {"way": ways[row["way"]], "too few": f"{row['too few results']:,} of {row['questions']:,}"}
        for row in rows(results, recalls)
    ]
    columns = (
        Column("filter"),
        Column("allowed", "", COUNT),
        Column("way"),
        Column("recall", "Recall vs exact", MEAN, direction=1),
        Column("too few", help="Questions with fewer results than exist.", width=76),
        Column("p50_ms", "Median", "%.2f ms"),
    )
    return Table("filters", columns, made, "Recall under a filter", f"n {len(results[0].recall):,} questions a filter", command)
