"""The embedding lab's verbs: encoders side by side on one corpus, and what is done to their vectors.

Every encoder is measured alone: dense retrieval by exact search over its own transformed vectors, in the recipe's
chunking, on the same questions, with the same similarity. Chunk sizes are counted in each encoder's own tokens, so two
encoders may see other chunks; evidence is judged by characters, which makes them comparable all the same.
"""

import json
import shlex
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import PartConfig, TransformConfig, TrialConfig, fingerprint, valid, with_settings
from core.embedding.transform import Basis, Transform, fit, identity_transform, principal
from core.embedding.vectors import embed
from core.errors import WorkbenchError
from core.evaluation.judged import Relevance
from core.evaluation.metric import metric_names
from core.index.exact import Exact
from core.index.rescore import Rescored
from core.labs.encoders import diagnostics
from core.labs.encoders.maps import FlatMap, flat_map
from core.models.hub import trained_encoders
from core.progress import drain
from core.records import Chunks, Corpus, Progress
from core.retrieval.pool import make_pool, rankings
from core.statistics.bootstrap import Interval
from core.statistics.corrections import holm
from core.statistics.paired import Paired
from core.workbench import Evaluation, Plan, Workbench, evaluated

QUESTIONS = 500  # asked of a larger corpus, drawn once, so that a slider answers at once
DIMENSIONS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)  # a curve takes every second one
FORMATS = ("none", "int8", "binary")  # of a curve that is drawn at once
CODES = ("pq", "opq")
MORE_FORMATS = ("float16", *CODES)  # it loses next to nothing; they take long
CODE_BYTES = (4, 8, 16, 32, 64, 128)


class Offer(NamedTuple):
    """An encoder that can be compared."""

    id: str  # stands in the address
    name: str
    part: PartConfig


@dataclass(frozen=True)
class Row:
    """One encoder of the comparison: measured, or with what is still to be done, or with why it cannot be.

    paired, p_holm: metric -> its difference to the reference; p corrected over the encoders compared. Empty for the
    reference itself and where there is none.
    """

    offer: Offer
    config: TrialConfig
    plan: Plan | None = None
    error: WorkbenchError | None = None
    evaluation: Evaluation | None = None
    transform: Transform | None = None
    texts_per_s: float | None = None
    paired: dict[str, Paired] = field(default_factory=dict)
    p_holm: dict[str, float] = field(default_factory=dict)

    @property
    def intervals(self) -> dict[str, Interval]:
        return self.evaluation.intervals


class Point(NamedTuple):
    """One setting of a trade-off curve."""

    dimensions: int
    format: str
    bytes_per_vector: float
    intervals: dict[str, Interval]


class Ground(NamedTuple):
    """What every transform of one encoder's vectors is measured with."""

    key: str
    corpus: Corpus  # with the questions that are asked
    vectors: np.ndarray  # [num_chunks, dim] float32, as the encoder made them
    questions: np.ndarray  # [num_questions, dim] float32
    basis: Basis
    relevance: Relevance
    ties: np.ndarray


# Which encoders ------------------------------------------------------------------------------------------------------


def offers(config: TrialConfig) -> list[Offer]:
    """The encoders that can stand side by side; the recipe's own first where it is none of the others."""
    make = registry.parts("encoder")
    found = [
        Offer("minilm-mean", "MiniLM mean", make["minilm"]()),
        Offer("minilm-cls", "MiniLM CLS", make["minilm"](pooling="cls")),
        Offer("minilm-max", "MiniLM max", make["minilm"](pooling="max")),
        Offer("lsa", "LSA", make["lsa"]()),
        Offer("word2vec-idf", "Word2Vec IDF", make["word2vec"]()),
        Offer("word2vec-mean", "Word2Vec mean", make["word2vec"](weighting="mean")),
        Offer("generator-mean", "Generator mean", make["llm_hidden"]()),
        Offer("generator-last", "Generator last", make["llm_hidden"](pooling="last")),
        *(Offer(f"trained-{name}", name, make["trained"](name=name)) for name in trained_encoders()),
    ]
    if config.embedding in [offer.part for offer in found]:
        return found
    return [Offer("recipe", f"This recipe's {config.embedding.part.replace('_', ' ')}", config.embedding), *found]


def own(found: Sequence[Offer], config: TrialConfig) -> Offer:
    """The recipe's encoder among the offers."""
    return next(offer for offer in found if offer.part == config.embedding)


def variant(config: TrialConfig, part: PartConfig) -> TrialConfig:
    """The recipe with this encoder alone: dense retrieval, exact search, the recipe's similarity."""
    alone = {"embedding": part, "index": Exact(metric=config.index.metric), "fusion": registry.find("fusion", "dense_only")()}
    return config.model_copy(update=alone)


def prepared(config: TrialConfig) -> TrialConfig:
    """What a job has to compute before the variant can be measured at once, whatever its transform and its rules."""
    usual = TrialConfig()
    return config.model_copy(
        update={
            name: getattr(usual, name)
            for name in ("transform", "index", "retrieval", "evaluation", "context", "generation", "sparse")
        }
    )


# The comparison ------------------------------------------------------------------------------------------------------


def leaderboard(
    workbench: Workbench, config: TrialConfig, chosen: Sequence[Offer], reference: Offer, everything: bool = False
) -> Generator[Progress, None, list[Row]]:
    """A row for each encoder, in the order given. What is not embedded yet is not embedded here.

    everything: all questions are asked, not only QUESTIONS of them.
    """
    rows = []
    for done, offer in enumerate(chosen):
        yield Progress(done, len(chosen), f"Measuring {offer.name}")
        rows.append((yield from measured(workbench, config, offer, everything)))
    base = next((row.evaluation for row in rows if row.offer == reference), None)
    others = [row for row in rows if row.evaluation and row.offer != reference]
    if base is None or not others:
        return rows
    measured_by = [row.config for row in others], workbench.pipeline.key("dense", base.config, base.corpus)
    key = fingerprint(base.config, *measured_by)
    paired = workbench.pipeline.remember("encoder differences", key, lambda: _differences(workbench, others, base))
    return [
        replace(row, paired=paired[row.offer.id][0], p_holm=paired[row.offer.id][1]) if row.offer.id in paired else row
        for row in rows
    ]


def measured(workbench: Workbench, config: TrialConfig, offer: Offer, everything: bool) -> Generator[Progress, None, Row]:
    """One encoder's row, without differences."""
    row, pipeline = Row(offer, variant(config, offer.part)), workbench.pipeline
    try:
        plan = workbench.plan(prepared(row.config))
        if not plan.live:
            return replace(row, plan=plan)
        whole = yield from pipeline.corpus(row.config)
        corpus = whole if everything else asked(workbench, whole, config.seed)
        transform = yield from pipeline.transformed(row.config, corpus)
        key = fingerprint(row.config, pipeline.key("dense", row.config, corpus))
        work = partial(_measuring, workbench, row.config, corpus)
        found = yield from _once(workbench, "encoder evaluation", key, work)
        return replace(row, evaluation=found, transform=transform, texts_per_s=pipeline.encoding_speed(row.config))
    except WorkbenchError as error:
        return replace(row, error=error)


def asked(workbench: Workbench, corpus: Corpus, seed: int) -> Corpus:
    """The corpus; one with more than QUESTIONS measurable questions with so many of them, drawn by the seed."""
    rows = [row for row, query in enumerate(corpus.queries) if query.gold]
    if len(rows) <= QUESTIONS:
        return corpus

    def drawn() -> Corpus:
        kept = np.sort(np.random.default_rng(seed).choice(rows, QUESTIONS, replace=False))
        return replace(corpus, queries=tuple(corpus.queries[row] for row in kept))

    key = fingerprint(corpus.fingerprint, workbench.pipeline.queries_key(corpus), seed)
    return workbench.pipeline.remember("asked questions", key, drawn)


def _measuring(workbench: Workbench, config: TrialConfig, corpus: Corpus) -> Generator[Progress, None, Evaluation]:
    pool = yield from workbench.pipeline.pool(config, corpus)
    return evaluated(config, corpus, pool, (yield from workbench.pipeline.relevance(config, corpus)))


def _differences(
    workbench: Workbench, others: list[Row], base: Evaluation
) -> dict[str, tuple[dict[str, Paired], dict[str, float]]]:
    """offer -> (metric -> difference to the base, metric -> p after Holm's correction over the encoders)."""
    found = {row.offer.id: workbench.differences(row.evaluation, base) for row in others}
    corrected: dict[str, dict[str, float]] = {id: {} for id in found}
    for metric in metric_names():
        tested = [id for id, differences in found.items() if differences[metric].p is not None]
        values = holm(np.array([found[id][metric].p for id in tested])) if tested else []
        for id, p in zip(tested, values, strict=True):
            corrected[id][metric] = float(p)
    return {id: (found[id], corrected[id]) for id in found}


def verdict(row: Row, metric: str) -> str:
    """better, worse or not distinguishable, by the corrected p at the level of the intervals; "" for the reference."""
    p = row.p_holm.get(metric)
    if p is None:
        return ""
    if p >= 1 - row.config.evaluation.confidence:
        return "not distinguishable"
    return "better" if row.paired[metric].difference * registry.find("metric", metric).direction > 0 else "worse"


def table(rows: Sequence[Row], metrics: Sequence[str], reference: Offer) -> list[dict[str, Any]]:
    """The leaderboard as plain rows, for export."""
    found = []
    for row in rows:
        line: dict[str, Any] = {"encoder": row.offer.name, "reference": row.offer == reference}
        if row.evaluation is None:
            found.append({**line, "to do": row.plan.what if row.plan else row.error.what})
            continue
        line |= {
            "dimensions": row.transform.dim,
            "bytes_per_vector": row.transform.bytes_per_vector,
            "bytes_once": row.transform.bytes_fixed,
            "texts_per_s": row.texts_per_s,
            "n": row.intervals[metrics[0]].n,
            "of": row.intervals[metrics[0]].total,
        }
        for metric in metrics:
            one, paired = row.intervals[metric], row.paired.get(metric)
            line |= {metric: one.mean, f"{metric}_low": one.low, f"{metric}_high": one.high}
            if paired:
                line |= {
                    f"{metric}_difference": paired.difference,
                    f"{metric}_difference_low": paired.low,
                    f"{metric}_difference_high": paired.high,
                    f"{metric}_p_holm": row.p_holm.get(metric),
                }
        found.append(line)
    return found


# Dimension and bytes -------------------------------------------------------------------------------------------------


def ground(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, Ground]:
    """Vectors, questions and judgements of an encoder that is prepared."""
    pipeline = workbench.pipeline
    corpus = asked(workbench, (yield from pipeline.corpus(config)), config.seed)
    key = fingerprint(pipeline.key("relevance", config, corpus), config.embedding.prefix(True))

    def make() -> Generator[Progress, None, Ground]:
        encoder = yield from pipeline.encoder(config, corpus)
        vectors = yield from pipeline.vectors(config, corpus)
        questions = yield from embed(encoder, [q.text for q in corpus.queries], pipeline.vectors_folder, query=True)
        found = yield from pipeline.relevance(config, corpus)
        ties = yield from pipeline.tie_order(config, corpus)
        yield Progress(0, 0, "Principal directions of the vectors")
        return Ground(key, corpus, vectors, questions, principal(vectors), found, ties)

    return (yield from _once(workbench, "ground", key, make))


def grid(basis: Basis, formats: Sequence[str], transform: TransformConfig) -> list[TransformConfig]:
    """The settings of a trade-off curve: the recipe's other steps with each dimension in each number format; codes with
    each number of bytes that divides the recipe's dimension, or the largest of DIMENSIONS that the vectors have."""
    most = basis.rank - transform.remove_top
    kept = transform.dimensions if transform.projection != "none" and transform.dimensions <= most else 0
    sizes = sorted({*(d for d in DIMENSIONS[::2] if d < most), most, *([kept] if kept else [])})
    step = {"projection": transform.projection if transform.projection != "none" else "pca", "cut": 0}
    whole = kept or max((d for d in DIMENSIONS if d <= most), default=most)
    found = []
    for name in formats:
        if name in CODES:
            points = [{"dimensions": whole, "code_bytes": b} for b in CODE_BYTES if whole % b == 0]
        else:
            points = [{"dimensions": size} for size in sizes]
        found += [transform.model_copy(update={**step, **one, "quantise": name}) for one in points]
    return found


def trade_off(
    workbench: Workbench, config: TrialConfig, formats: Sequence[str] = FORMATS
) -> Generator[Progress, None, tuple[Point, list[Point]]]:
    """(the recipe's own transform, every point of the grid): one encoder's metrics over the bytes of a vector."""
    base = yield from ground(workbench, config)
    found, settings = [], [config.transform, *grid(base.basis, formats, config.transform)]
    for done, one in enumerate(settings):
        yield Progress(done, len(settings), f"{one.dimensions} dimensions, {format_name(one.quantise)}")
        kept = _kept(workbench, config, base, one)
        kept += [] if kept else [_point(config, base, one)]
        found += kept
    return found[0], found[1:]


def points_left(workbench: Workbench, config: TrialConfig, formats: Sequence[str]) -> Generator[Progress, None, int]:
    """How many points of the trade-off have not been measured yet."""
    base = yield from ground(workbench, config)
    settings = [config.transform, *grid(base.basis, formats, config.transform)]
    return len({acting(one) for one in settings if not _kept(workbench, config, base, one)})


def _kept(workbench: Workbench, config: TrialConfig, base: Ground, transform: TransformConfig) -> list[Point]:
    """The point of this transform, in a list that is empty until it is measured."""
    rules = config.index.metric, config.evaluation, config.retrieval.top_k, config.seed
    return workbench.pipeline.remember("point", fingerprint(base.key, acting(transform), *rules), list)


def _point(config: TrialConfig, base: Ground, transform: TransformConfig) -> Point:
    """One transform's metrics by exact search: the numbers of `Workbench.evaluate` on the same questions."""
    depth, metric = min(config.evaluation.k, config.retrieval.top_k), config.index.metric
    fitted = fit(transform, base.vectors, base.basis)
    searcher = Exact(metric=metric).build(fitted.chunks, None)
    if transform.quantise != "none" and transform.rescore > 1:
        searcher = Rescored(searcher, fitted.full, transform.rescore, metric)
    found = searcher.search(fitted.queries(base.questions), depth, base.ties)
    judged = evaluated(config, base.corpus, make_pool({"dense": found}, base.ties), base.relevance)
    return Point(fitted.dim, transform.quantise, fitted.bytes_per_vector, judged.intervals)


def acting(transform: TransformConfig) -> TransformConfig:
    """The same transform with the settings that do nothing at their defaults, so that moving them computes nothing."""
    return transform.model_copy(update={name: getattr(TransformConfig(), name) for name in idle(transform)})


def idle(transform: TransformConfig) -> set[str]:
    """Settings that only serve a step that is not taken."""
    unused = {
        "code_bytes": transform.quantise not in CODES,
        "rescore": transform.quantise == "none",
        "dimensions": transform.projection == "none",
    }
    return {name for name, yes in unused.items() if yes}


def format_name(quantise: str) -> str:
    return {"none": "float32", "pq": "PQ", "opq": "OPQ"}.get(quantise, quantise)


def dimension(workbench: Workbench, config: TrialConfig) -> int:
    """Dimensions that a projection of the recipe's encoder can keep, at most; 0 where its vectors are not at hand."""
    one = variant(config, config.embedding)
    try:
        if not workbench.plan(prepared(one)).live:
            return 0
        vectors = drain(workbench.pipeline.vectors(one, workbench.corpus(one)))
    except WorkbenchError:  # told in the encoder's row
        return 0
    return max(1, min(vectors.shape[1], len(vectors) - 1) - config.transform.remove_top)


# Geometry, gold pairs, map -------------------------------------------------------------------------------------------


class Shape(NamedTuple):
    """The geometry of one encoder's vectors as they come, and transformed; `after` None: nothing is done to them."""

    before: diagnostics.Diagnosis
    after: diagnostics.Diagnosis | None


def geometry(workbench: Workbench, row: Row) -> Generator[Progress, None, Shape]:
    config, pipeline = row.config, workbench.pipeline
    corpus = yield from pipeline.corpus(config)
    key = pipeline.key("chunks", config, corpus)
    vectors = yield from pipeline.vectors(config, corpus)
    yield Progress(0, 2, f"Geometry of {row.offer.name}")
    before = pipeline.remember("diagnosis", fingerprint(key, config.seed), lambda: diagnostics.diagnose(vectors, config.seed))
    if identity_transform(config.transform):
        return Shape(before, None)
    yield Progress(1, 2, f"Geometry of {row.offer.name} after the transform")
    stored = fingerprint(key, config.transform.model_copy(update={"rescore": 1}), config.seed)
    after = pipeline.remember("diagnosis", stored, lambda: diagnostics.diagnose(row.transform.chunks, config.seed))
    return Shape(before, after)


def separation(workbench: Workbench, row: Row) -> Generator[Progress, None, diagnostics.Separation]:
    """Similarity of questions with their evidence against random chunks, after the transform."""
    config, pipeline = row.config, workbench.pipeline
    corpus = row.evaluation.corpus
    found = yield from pipeline.relevance(config, corpus)
    questions = yield from _questions(workbench, row)
    key = fingerprint(pipeline.key("dense", config, corpus), pipeline.key("relevance", config, corpus), config.seed)
    pairs = np.stack([found.pair_row, found.pair_chunk], axis=1)
    return pipeline.remember(
        "separation", key, lambda: diagnostics.separation(questions, row.transform.chunks, pairs, config.seed)
    )


def _questions(workbench: Workbench, row: Row) -> Generator[Progress, None, np.ndarray]:
    """The questions' transformed vectors [num_queries, d] float32, remembered."""
    key = workbench.pipeline.key("dense", row.config, row.evaluation.corpus)
    return (
        yield from _once(
            workbench, "transformed questions", key, lambda: workbench.pipeline.query_vectors(row.config, row.evaluation.corpus)
        )
    )


@dataclass(frozen=True)
class Map:
    """Chunks and questions in the plane, with what colours them."""

    flat: FlatMap
    chunks: Chunks
    found: np.ndarray  # [num_queries] bool: a relevant chunk among the first k
    measured: np.ndarray  # [num_queries] bool: has evidence
    evidence: np.ndarray  # [num_chunks] int8: 0 of no question, 1 of some that miss it, 2 among the first k of one


def corpus_map(workbench: Workbench, row: Row, method: str) -> Generator[Progress, None, Map]:
    config, pipeline, evaluation = row.config, workbench.pipeline, row.evaluation
    corpus = evaluation.corpus
    chunks = yield from pipeline.chunks(config, corpus)
    judged, k = evaluation.judged, config.evaluation.k
    pairs = judged.relevance
    evidence = np.zeros(len(chunks), np.int8)
    evidence[pairs.pair_chunk] = 1
    ranked = rankings(evaluation.pool, evaluation.scores, k).chunk  # [num_queries, k]
    hit = (ranked[pairs.pair_row] == pairs.pair_chunk[:, None]).any(axis=1)
    evidence[pairs.pair_chunk[hit]] = 2
    questions = yield from _questions(workbench, row)
    flat = yield from _once(
        workbench,
        "map",
        _map_key(workbench, row, method),
        lambda: flat_map(row.transform.chunks, questions, method, np.flatnonzero(evidence), config.seed),
    )
    return Map(flat, chunks, judged.first_rank <= k, judged.measured, evidence)


def _map_key(workbench: Workbench, row: Row, method: str) -> str:
    dense = workbench.pipeline.key("dense", row.config, row.evaluation.corpus)
    return fingerprint(dense, row.config.evaluation, method, row.config.seed)


def map_ready(workbench: Workbench, row: Row, method: str) -> bool:
    """Whether this map has been drawn before, so that it takes no time."""
    return bool(workbench.pipeline.remember("map", _map_key(workbench, row, method), list))


# Training ------------------------------------------------------------------------------------------------------------


class Trained(NamedTuple):
    """An encoder trained here, with what is known of its training."""

    name: str
    record: dict[str, Any]  # training.json; {} where it has none

    @property
    def verdict(self) -> str:
        """better, worse, equal (it is its start), or not distinguishable, by the metric that training watched."""
        if not self.record:
            return "unknown"
        return self.change(self.record["config"]["watch"]) if self.record["best_step"] else "equal"

    def change(self, metric: str) -> str:
        one = self.paired(metric)
        if one.p is None or one.p >= 1 - self.record["evaluation"]["confidence"]:
            return "not distinguishable"
        return "better" if one.difference > 0 else "worse"

    def paired(self, metric: str) -> Paired:
        """After minus before on the test questions."""
        one = self.record["comparison"][metric]
        return Paired(**{name: one[name] for name in Paired._fields})


def trained(workbench: Workbench) -> list[Trained]:
    """The trained encoders, newest first."""
    found = []
    for name in trained_encoders():
        file = workbench.home / "encoders" / name / "training.json"
        try:
            record = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError):
            record = {}
        found.append(Trained(name, record))
    return sorted(found, key=lambda one: one.record.get("created", ""), reverse=True)


def training_arguments(workbench: Workbench, config: TrialConfig, name: str, settings: dict[str, Any]) -> list[str]:
    """The verb train-encoder as a job takes it: what differs from the defaults. Raises where a setting is not valid."""
    from core.training.encoders import TrainConfig

    usual, asked = TrainConfig().model_dump(), valid(TrainConfig, settings).model_dump()
    changed = [f"{field}={value}" for field, value in asked.items() if value != usual[field]]
    recipe = TrialConfig(
        corpus=config.corpus, chunking=config.chunking, embedding=config.embedding, evaluation=config.evaluation, seed=config.seed
    )
    recipe = with_settings(recipe, {"corpus.questions": "all"})  # it makes its own splits
    options = [word for one in changed for word in ("--train", one)]
    return ["train-encoder", name, *options, *workbench.arguments(recipe)]


def command(arguments: Sequence[str]) -> str:
    return f"python -m core {shlex.join(arguments)}"


def training_log(workbench: Workbench, name: str) -> list[dict[str, Any]]:
    from core.training.encoders import read_log

    return read_log(workbench.home / "encoders" / name)


def free_name(workbench: Workbench, dataset: str) -> str:
    """A name for the next encoder trained on this corpus."""
    folder = workbench.home / "encoders"
    number = next(n for n in range(1, 10_000) if not (folder / f"{dataset}-{n}").exists())
    return f"{dataset}-{number}"


def learnt_from(row: Row, found: Sequence[Trained]) -> bool:
    """Whether this encoder, or a trained one that it started from, learnt from questions that it is now asked."""
    records, corpora = {one.name: one.record for one in found}, set()
    record = records.pop(getattr(row.offer.part, "name", ""), None)
    while record:
        corpora.add(record["corpus"]["name"])
        record = records.pop(record["config"]["base"], None)
    return row.config.corpus.dataset in corpora and row.config.corpus.questions != "test"


def _once(workbench: Workbench, stage: str, key: str, work: Callable[[], Generator]) -> Generator[Progress, None, Any]:
    """The result of `work`, remembered; its progress is told while it is made."""
    kept = workbench.pipeline.remember(stage, key, list)
    if not kept:
        kept.append((yield from work()))
    return kept[0]
