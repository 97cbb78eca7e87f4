"""What the page Index shows beside the lab's points: the setting in use at a glance, the inside of its index, filters,
fallback and life. All of it follows from the recipe; long verbs are generators of Progress.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import yaml

from core import registry
from core.config import PartConfig, TrialConfig, code_version, fingerprint, with_settings
from core.embedding.vectors import embed
from core.errors import WorkbenchError
from core.index.common import checked
from core.index.exact import Exact
from core.labs.index import points as index_lab
from core.labs.index.churn import Churn, churn
from core.labs.index.fallback import RULES, Fallback, fallback_curve
from core.labs.index.filtered import Filtered, by_selectivity
from core.labs.index.measure import latencies_ms
from core.labs.index.points import ANSWER_METRICS, Cost, Point
from core.labs.index.shadow import Serving, SwitchReport, switch
from core.models import probes
from core.progress import drain
from core.records import Chunks, Corpus, Hit, Progress
from core.scratch.indexes.inside import Graph, Lists, from_faiss, from_faiss_ivf
from core.statistics.bootstrap import Interval
from core.statistics.proportion import unit_intervals
from core.workbench import Workbench

LIFE_VECTORS, LIFE_QUERIES = 4_000, 200  # an index is followed through its life on so many, drawn at random
SWITCH_TEXTS = 300  # documents of the encoder switch
TIMED = 50  # questions that exact search is timed on
GRIDS: dict[str, dict[str, list[Any]]] = {  # part -> a sweep that shows its trade-off
    "faiss_hnsw": {"m": [8, 16, 32], "ef_search": [10, 16, 32, 64, 128, 256]},
    "hnswlib": {"m": [8, 16, 32], "ef_search": [10, 16, 32, 64, 128, 256]},
    "chroma": {"ef_search": [10, 32, 100, 200]},
    "faiss_ivf": {"nlist": [0], "nprobe": [1, 2, 4, 8, 16, 32]},
    "faiss_ivf_pq": {"m": [16, 32, 64], "nprobe": [2, 4, 8, 16, 32], "rescore": [1, 4]},
    "faiss_sq": {"bits": ["8bit", "4bit", "fp16"], "rescore": [1, 2, 4]},
    "faiss_disk": {"storage": ["float32", "int8"], "nprobe": [1, 2, 4, 8, 16, 32]},
    "lancedb": {"nprobe": [1, 2, 4, 8, 16, 32], "refine": [1, 4]},
}  # fmt: skip
MAIN = ("ef_search", "nprobe", "rescore", "refine")  # query settings, the one that matters most first
INSIDE = {"faiss_hnsw": "graph", "faiss_ivf": "lists", "faiss_ivf_pq": "lists", "faiss_disk": "lists"}


# The setting in use --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Glance:
    """The recipe's index as measured a moment ago, and what it costs the answer."""

    point: Point
    recall: Interval
    cost: Cost
    cached: bool  # nothing was measured anew


def to_prepare(config: TrialConfig) -> TrialConfig:
    """The recipe with a fusion that asks the index: what has to be embedded for it."""
    return config if "dense" in config.fusion.needs() else with_settings(config, {"fusion": "dense_only"})


def glance(
    workbench: Workbench, config: TrialConfig, margin_points: float, metrics: Sequence[str] = ("ndcg_linear",)
) -> Generator[Progress, None, Glance]:
    """Measured in less than a second for 1,000 questions, and once for each setting; nothing is stored.

    metrics: of the answer. Each one takes a tenth of a second, so a slider asks for those that are seen.
    """
    pipeline, fresh = workbench.pipeline, []
    corpus = yield from pipeline.corpus(config)
    yield from pipeline.searcher("dense", config, corpus)
    yield from pipeline.dense(index_lab.exact_config(config), corpus)
    yield from pipeline.dense(config, corpus)
    yield Progress(0, 0, "Measuring this setting")

    def measured() -> Point:
        fresh.append(True)
        return drain(index_lab.measure_point(workbench, config, quick=True))

    key = fingerprint(pipeline.key("dense", config, corpus), config.evaluation.k)
    point = pipeline.remember("glance", key, measured)
    rules = config.evaluation
    [recall] = unit_intervals(point.raw.recall, rules.resamples, rules.confidence, config.seed)
    found = yield from cost(workbench, config, margin_points, metrics)
    return Glance(point, recall, found, not fresh)


def cost(
    workbench: Workbench, config: TrialConfig, margin_points: float, metrics: Sequence[str] = ANSWER_METRICS
) -> Generator[Progress, None, Cost]:
    """`index_lab.cost`, remembered."""
    corpus = yield from workbench.pipeline.corpus(config)
    needs = {"sparse", *config.fusion.needs()} - {"dense"}
    keys = [workbench.pipeline.key(name, config, corpus) for name in ("dense", "relevance", *sorted(needs))]
    key = fingerprint(keys, config.fusion, config.retrieval.top_k, config.evaluation, config.seed, margin_points, list(metrics))
    yield Progress(0, 0, "Comparing with exact search")
    return workbench.pipeline.remember("cost", key, lambda: drain(index_lab.cost(workbench, config, margin_points, metrics)))


def cost_points(
    workbench: Workbench, config: TrialConfig, values: Sequence[Any], margin_points: float
) -> Generator[Progress, None, list[Cost]]:
    """`cost` along the index's main query setting."""
    setting, found = f"index.{main_setting(config.index)}", []
    for done, value in enumerate(values):
        yield Progress(done, len(values), f"{setting} = {value}")
        found.append((yield from cost(workbench, with_settings(config, {setting: value}), margin_points)))
    return found


def main_setting(part: PartConfig) -> str:
    """The query setting that decides recall; "" where there is none."""
    return next((name for name in MAIN if name in part.query_settings), "")


def default_grid(part: PartConfig, num_vectors: int, dim: int) -> dict[str, list[Any]]:
    """Values for a sweep of the part that this many vectors of so many dimensions allow; the one in use is among them."""
    grid = {}
    for name, values in GRIDS.get(part.part, {}).items():
        kept = [v for v in values if name != "m" or "pq" not in part.part or dim % v == 0]
        kept = [v for v in kept if name != "nprobe" or v <= 4 * num_vectors**0.5]
        now = getattr(part, name)
        grid[name] = sorted({*kept, now}) if all(isinstance(v, int) for v in (*kept, now)) else kept
    return grid or {"metric": [part.metric]}


def grid_of(texts: dict[str, str]) -> dict[str, list[Any]]:
    """{"index.m": [8, 16]} from {"index.m": "8,16"}, as the command line reads it."""
    try:
        return {path: [yaml.safe_load(value) for value in text.split(",")] for path, text in texts.items()}
    except yaml.YAMLError:
        raise WorkbenchError("These values cannot be read.", todo="Give values with commas between them.") from None


# The questions -------------------------------------------------------------------------------------------------------


def measured_rows(num_queries: int) -> np.ndarray:
    """The questions that points are measured on, [n] int: all up to `index_lab.QUESTIONS`, else that many drawn once."""
    return np.sort(np.random.default_rng(0).permutation(num_queries)[: index_lab.QUESTIONS])


def by_question(found: Cost, corpus: Corpus, metric: str, fused: bool) -> dict[str, list[Any]]:
    """Columns of the table by question: share of exact search's first k that were found, change of the metric."""
    effect = (found.fused if fused else found.dense).effects[metric]
    change = effect.differences
    outcome = np.select([np.isnan(change), change > 1e-12, change < -1e-12], ["unmeasured", "better", "worse"], "equal")
    return {
        "question": [q.text for q in corpus.queries],
        "group": [q.group for q in corpus.queries],
        "recall": found.recalls.tolist(),
        "change": change.tolist(),
        "outcome": outcome.tolist(),
        "lost": (found.recalls < 1).tolist(),
    }


class Ranked(NamedTuple):
    """A chunk in a ranking by the vectors alone. elsewhere: its rank among the other's first k, None: not among them."""

    hit: Hit
    elsewhere: int | None


def side_by_side(
    workbench: Workbench, config: TrialConfig, row: int
) -> Generator[Progress, None, tuple[list[Ranked], list[Ranked]]]:
    """The first k chunks of exact search and of the recipe's index, for one question."""
    pipeline = workbench.pipeline
    corpus = yield from pipeline.corpus(config)
    chunks = yield from pipeline.chunks(config, corpus)
    k, both = config.evaluation.k, []
    for one in (index_lab.exact_config(config), config):
        found = yield from pipeline.dense(one, corpus)
        there = found.chunk[row, :k] >= 0
        both.append(list(zip(found.chunk[row, :k][there].tolist(), found.score[row, :k][there].tolist(), strict=True)))
    ranks = [{chunk: rank for rank, (chunk, _) in enumerate(listed, 1)} for listed in both]
    return tuple(
        [Ranked(_hit(corpus, chunks, rank, chunk, score), other.get(chunk)) for rank, (chunk, score) in enumerate(listed, 1)]
        for listed, other in zip(both, reversed(ranks), strict=True)
    )


def _hit(corpus: Corpus, chunks: Chunks, rank: int, chunk: int, score: float) -> Hit:
    document = corpus.documents[chunks.document[chunk]]
    start, end = int(chunks.start[chunk]), int(chunks.end[chunk])
    return Hit(rank, score, document.id, document.title, start, end, document.text[start:end])


# Inside --------------------------------------------------------------------------------------------------------------


class Inside(NamedTuple):
    """A structure read out of an index, with vectors [n, dim] and questions [q, dim] as the index compares them."""

    structure: Graph | Lists
    vectors: np.ndarray
    queries: np.ndarray


def inside(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, Inside | None]:
    """The inside of the recipe's index; None where it cannot be read out."""
    if config.index.part not in INSIDE:
        return None
    pipeline = workbench.pipeline
    config = with_settings(config, {"transform.rescore": 1})  # rescoring wraps the index, it is no part of it
    corpus = yield from pipeline.corpus(config)
    searcher = yield from pipeline.searcher("dense", config, corpus)
    stored = yield from pipeline.transformed(config, corpus)
    asked = yield from pipeline.query_vectors(config, corpus)
    yield Progress(0, 0, "Reading out the index")
    return pipeline.remember(
        "inside",
        pipeline.key("index", config, corpus) + pipeline.queries_key(corpus),
        lambda: _read(searcher._index, config.index, stored.chunks, asked),
    )


def _read(index: Any, part: PartConfig, vectors: np.ndarray, queries: np.ndarray) -> Inside | None:
    import faiss

    vectors, queries = (checked(rows, part.metric) for rows in (vectors, queries))
    if isinstance(index, faiss.IndexPreTransform):  # OPQ compares what it has rotated
        rotation = faiss.downcast_VectorTransform(index.chain.at(0))
        vectors, queries, index = rotation.apply(vectors), rotation.apply(queries), faiss.downcast_index(index.index)
    if hasattr(index, "hnsw"):
        return Inside(from_faiss(index), vectors, queries)
    return Inside(from_faiss_ivf(index), vectors, queries) if hasattr(index, "invlists") else None


# Filters and fallback ------------------------------------------------------------------------------------------------


def groupings(corpus: Corpus, chunks: Chunks) -> dict[str, list[str]]:
    """What chunks can be filtered by -> the label of each chunk; only what tells documents apart."""
    type_of: dict[str, set[str]] = {}
    for query in corpus.queries:
        for gold in query.gold:
            type_of.setdefault(gold.document_id, set()).add(query.group)
    labels = {
        "source": [d.id.partition("/")[0] if "/" in d.id else d.source for d in corpus.documents],
        "type of question": [min(type_of.get(d.id, {""})) for d in corpus.documents],
        "document": [d.title or d.id for d in corpus.documents],
    }
    if any(len(types) > 1 for types in type_of.values()):
        del labels["type of question"]  # a document answers questions of several types
    kept = {name: of for name, of in labels.items() if len(set(of)) > 1}
    return {name: [of[d] for d in chunks.document] for name, of in kept.items()}


def filters(
    workbench: Workbench, config: TrialConfig, groups: Sequence[str] | None
) -> Generator[Progress, None, tuple[Filtered, ...]]:
    """Recall and latency under filters by `groups` (None: random shares), in the three ways to filter."""
    ground = yield from index_lab.ground_of(workbench, config)
    corpus = yield from workbench.pipeline.corpus(config)
    searcher = yield from workbench.pipeline.searcher("dense", config, corpus)
    exact = yield from _exact(workbench, config, corpus)
    return (
        yield from by_selectivity(
            searcher,
            exact,
            ground.asked[:LIFE_QUERIES],
            config.evaluation.k,
            groups=groups,
            num_chunks=ground.n,
            settings=config.index,
            seed=config.seed,
        )
    )


def fallback(
    workbench: Workbench, config: TrialConfig, rule: str, approximate_us: float
) -> Generator[Progress, None, tuple[Fallback, ...]]:
    """What sending the questions that `rule` calls unsafe to exact search gains and costs, by threshold."""
    pipeline, k = workbench.pipeline, config.evaluation.k
    ground = yield from index_lab.ground_of(workbench, config)
    corpus = yield from pipeline.corpus(config)
    searcher = yield from pipeline.searcher("dense", config, corpus)
    exact = yield from _exact(workbench, config, corpus)
    yield Progress(0, 0, "Timing exact search")
    exact_ms = pipeline.remember(
        "exact ms",
        fingerprint(ground.vectors, k),
        lambda: latencies_ms(lambda i: exact.search(ground.asked[i : i + 1], k), min(TIMED, len(ground.asked))),
    )
    key = fingerprint(pipeline.key("dense", config, corpus), k, rule)
    found = pipeline.remember("fallback", key, lambda: searcher.search(ground.asked, RULES[rule].fetch(k), settings=config.index))
    return fallback_curve(found, ground.truth, k, rule, approximate_ms=approximate_us / 1000, exact_ms=float(np.mean(exact_ms)))


def _exact(workbench: Workbench, config: TrialConfig, corpus: Corpus) -> Generator[Progress, None, Any]:
    """Exact search over the unquantised vectors: what every index is held against."""
    return (yield from workbench.pipeline.searcher("dense", index_lab.exact_config(config), corpus))


# Life ----------------------------------------------------------------------------------------------------------------


def life(workbench: Workbench, config: TrialConfig, mode: str, share: float, rounds: int) -> Generator[Progress, None, Churn]:
    """An index of the recipe's part through rounds of changes, on a sample of large corpora."""
    pipeline = workbench.pipeline
    corpus = yield from pipeline.corpus(config)
    stored = yield from pipeline.transformed(config, corpus)
    asked = yield from pipeline.query_vectors(config, corpus)
    rng = np.random.default_rng(config.seed)
    vectors, queries = (
        rows[np.sort(rng.permutation(len(rows))[:most])] for rows, most in ((stored.chunks, LIFE_VECTORS), (asked, LIFE_QUERIES))
    )
    folder = pipeline.cache.folder / "life" if _on_disk(config.index) else None
    probes.refuse(config.index.engine)  # it is built within the app, again and again
    return (
        yield from churn(
            config.index, vectors, queries, config.evaluation.k, rounds, share, mode, config.seed, asking=True, folder=folder
        )
    )


def _on_disk(part: PartConfig) -> bool:
    return part.part in ("chroma", "lancedb", "faiss_disk")


def switch_encoder(workbench: Workbench, config: TrialConfig, to: str) -> Generator[Progress, None, SwitchReport]:
    """Moves an index of some of the corpus's chunks to another encoder while questions keep coming."""
    from core.labs.index.measure import Asking

    pipeline = workbench.pipeline
    corpus = yield from pipeline.corpus(config)
    texts = (yield from pipeline.texts(config, corpus))[:SWITCH_TEXTS]
    old = yield from pipeline.encoder(config, corpus)
    new = registry.find("encoder", to)()
    if new.learns:
        key = fingerprint("switch", texts, new, code_version(new))
        new = yield from new.fit(texts, pipeline.cache.folder / "encoders" / key)

    def vectors(encoder: Any, some: list[str], query: bool) -> Generator[Progress, None, np.ndarray]:
        return embed(encoder, some, pipeline.vectors_folder, query=query)

    yield Progress(0, 4, "Building the index that serves")
    probes.refuse(config.index.engine)  # it is built within the app, again and again
    part = Exact(metric=config.index.metric) if _on_disk(config.index) else config.index  # it is built in memory
    serving = Serving(old, part.build((yield from vectors(old, texts, False)), None), texts, vectors)
    questions, k = [q.text for q in corpus.queries[:LIFE_QUERIES]], min(config.evaluation.k, len(texts))
    if not questions:
        return (yield from switch(serving, new, lambda rows: part.build(rows, None)))
    yield from vectors(old, questions, True)  # so that the questions meanwhile cost no encoding
    yield from vectors(new, questions, True)
    with Asking(lambda i: serving.search([questions[i % len(questions)]], k).candidates, pause_s=0.002):
        return (yield from switch(serving, new, lambda rows: part.build(rows, None), questions=questions, k=k))


def switch_words(report: SwitchReport) -> list[str]:
    """A switch in sentences."""
    lost = "none without results" if not report.without_results else f"{report.without_results:,} without results"
    failed = "none failed" if not report.failed else f"{report.failed:,} failed"
    words = [
        f"{report.documents:,} chunks moved from one encoder to the other."
        if report.switched
        else f"The old encoder stayed: {report.reason}.",
        f"{report.searches:,} searches were answered meanwhile, {report.by_old:,} by the old encoder and "
        f"{report.by_new:,} by the new one: {lost}, {failed}.",
    ]
    if report.p50_ms is not None:
        words.append(f"Half of them took less than {report.p50_ms:.1f} ms, the longest {report.longest_ms:.0f} ms.")
    words.append(
        f"Embedding took {report.embed_s:.1f} s and building {report.build_s:.1f} s beside the old index; "
        f"inserts and deletes waited {report.writers_waited_ms:.1f} ms."
    )
    if report.overlap is not None:
        words.append(
            f"Of the old encoder's first results the new one finds {report.overlap.mean():.0%} too: it ranks "
            "by another likeness, so this is a change of answers, not a loss."
        )
    return words
