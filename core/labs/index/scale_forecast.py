"""What a recipe's index will be on the whole corpus, told from samples of its documents, and held against the whole once that is measured.

A sample of a corpus is a corpus: it goes the recipe's own way through chunks, vectors, index and ranking. The samples of smaller shares
lie within the largest, so that only its texts are embedded. Each measures, by the same questions everywhere, the recall of the index and
its latency; by the questions whose evidence lies in one document that is in the sample, the ranking (in a smaller corpus evidence is
easier to find: that is the curve); and what building takes and the index holds. The ranking is carried to the whole by
`core/statistics/thinning.py`; what the machine does by `core/statistics/growth.py`, each share's mean one observation: samples measured
one after the other are no independent witnesses of how it goes on.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.config import TrialConfig, code_version, fingerprint
from core.corpus.assemble import fingerprint_of
from core.embedding.vectors import missing
from core.errors import WorkbenchError
from core.evaluation.metric import MAIN
from core.index.exact import Exact
from core.labs.index import timing
from core.labs.index.measure import TIES
from core.labs.index.measuring import at_hand_bytes, facts_of
from core.labs.index.points import about_setting, point_of
from core.labs.trials.comparison import label
from core.models.hardware import machine
from core.pipeline.forecast import Forecast, Phase, one_phase
from core.pipeline.stages import Resolved
from core.progress import drain, told_within
from core.records import Corpus, Progress, Query, plain
from core.report.table import Column, Table, between, written
from core.statistics.growth import FAMILY, FEWEST, Growth, grown
from core.statistics.proportion import wilson
from core.statistics.thinning import PARAMETERS, thinned
from core.store.batches import batches
from core.workbench import Workbench

SHARES = (1.0, 2.0, 5.0, 10.0, 20.0)  # percent of the documents
LEAST_DOCUMENTS = 10  # of a sample
LEAST_SAMPLED = 5 * LEAST_DOCUMENTS  # documents of a corpus of which there may be samples
MOST_DRAWS = 6  # samples of a share, which have no document in common
ASKED = 500  # questions by which recall of the index and latency are measured, drawn once
WHOLE = 100.0


class ForecastQuantity(NamedTuple):
    """What is forecast. relative: it scatters in proportion to itself; most: it cannot be more. gain: of rank r, of a metric of the
    ranking."""

    label: str
    pattern: str
    relative: bool = False
    most: float = np.inf
    gain: Callable[[np.ndarray], np.ndarray] | None = None


RANKING = {
    "ndcg": ForecastQuantity("{metric}", "%.3f", most=1.0, gain=lambda rank: 1 / np.log2(1 + rank)),
    "evidence": ForecastQuantity("{evidence}", "%.3f", most=1.0, gain=np.ones_like),
}
QUANTITIES = {
    "recall": ForecastQuantity("Recall@{k} vs exact", "%.4f", most=1.0),
    **RANKING,
    "p50_us": ForecastQuantity("Latency p50", "%.0f µs", relative=True),
    "p95_us": ForecastQuantity("Latency p95", "%.0f µs", relative=True),
    "memory_mb": ForecastQuantity("Memory", "%.1f MB", relative=True),
    "build_s": ForecastQuantity("Build", "%.2f s", relative=True),
}


class Sample(NamedTuple):
    """share: percent of the documents; places: theirs in the corpus."""

    share: float
    draw: int
    places: np.ndarray


def usual_shares(documents: int) -> tuple[float, ...]:
    """1, 5 and 20%, or larger ones where 1% would be fewer documents than a sample needs."""
    least = -(-100 * LEAST_DOCUMENTS // max(documents, 1))
    return SHARES if least <= SHARES[0] else tuple(least * factor for factor in (1.0, 1.5, 2.0, 3.0, 4.0))


def samples(documents: int, shares: Sequence[float], seed: int) -> list[Sample]:
    """The smallest first. Those of a share have no document in common, and all lie within that of the largest share."""
    if documents < (least := LEAST_DOCUMENTS + FEWEST):
        todo = f"Choose a corpus of {least} or more: of fewer there are no {FEWEST} sizes of samples."
        raise WorkbenchError(f"So few documents ({documents:,}) make no forecast.", todo=todo)
    shares = sorted(set(shares or usual_shares(documents)))
    sizes = [round(share / 100 * documents) for share in shares]
    if not all(0 < share < WHOLE for share in shares) or len(set(sizes)) < FEWEST or sizes[0] < LEAST_DOCUMENTS:
        raise WorkbenchError(
            f"{', '.join(f'{share:g}' for share in shares)}% of {documents:,} documents make no forecast.",
            where="--shares",
            todo=f"Give {FEWEST} shares below 100% or more, the least of {LEAST_DOCUMENTS} documents: "
            f"{100 * LEAST_DOCUMENTS / max(documents, 1):.3g}% here.",
        )
    order = np.random.default_rng(seed).permutation(documents)
    made = []
    for share, size in zip(shares, sizes, strict=True):
        draws = min(MOST_DRAWS, sizes[-1] // size)
        made += [Sample(share, draw, np.sort(order[draw * size : (draw + 1) * size])) for draw in range(draws)]
    return made


def sampled(workbench: Workbench, run: Resolved, places: np.ndarray) -> tuple[Resolved, np.ndarray]:
    """The recipe over these documents alone, and the rows of the questions that are asked at each size. Gold is kept of those whose
    evidence lies in one document that is among them."""
    corpus, rows = run.corpus, set(_asked(len(run.corpus.queries)).tolist())
    documents = tuple(corpus.documents[place] for place in places)
    inside, queries, asked = {document.id for document in documents}, [], []
    for row, query in enumerate(corpus.queries):
        evident = _evidence(query) in inside
        if row in rows:
            asked.append(len(queries))
        if evident or row in rows:
            queries.append(query if evident else query._replace(gold=()))
    made = Corpus(corpus.name, documents, tuple(queries), (), fingerprint_of(documents))
    return run.asking(made, workbench.pipeline.questions_key(made)), np.array(asked, np.int64)


def _asked(questions: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(questions)[:ASKED])


def _evidence(query: Query) -> str | None:
    """The one document that holds all its evidence: it is in a sample as often as any other, whatever else is asked."""
    documents = {gold.document_id for gold in query.relevant}
    return next(iter(documents)) if len(documents) == 1 else None


# Measuring -----------------------------------------------------------------------------------------------------------


def measure(
    workbench: Workbench, config: TrialConfig, shares: Sequence[float] = (), whole: bool = False
) -> Generator[Progress, None, list[dict[str, Any]]]:
    """Rows of all samples, and of the whole where it is asked for. What is recorded is not measured again, so that what was cancelled or
    killed goes on where it was."""
    run = yield from workbench.pipeline.resolve(config)
    documents = len(run.corpus.documents)
    if not run.corpus.queries:
        raise WorkbenchError(f"'{run.corpus.name}' has no questions to measure with.", todo="Choose a corpus with questions.")
    wanted = samples(documents, shares, config.seed)
    wanted += [Sample(WHOLE, 0, np.arange(documents))] if whole else []
    records, key = batches(workbench.home), _subject(run)
    for done, sample in enumerate(wanted):
        name = fingerprint(key, sample.share, sample.draw, documents)
        if records.read("index_scales", [name]):
            continue
        step = Progress(done, len(wanted), f"{sample.share:g}% of the documents, sample {sample.draw + 1}")
        yield step
        row = yield from told_within(_measured(workbench, run, sample), step)
        about = {"subject": key, "dataset": run.corpus.name, "machine": machine(), "k": config.evaluation.k}
        records.keep("index_scales", {name: row}, setting=point_of(about_setting(config, None)).label, **about)
    return recorded(workbench, run)


def _measured(workbench: Workbench, run: Resolved, sample: Sample) -> Generator[Progress, None, dict[str, Any]]:
    pipeline, config = workbench.pipeline, run.config
    part, rows = sampled(workbench, run, sample.places)
    searcher = yield from pipeline.index(part)
    stored = yield from pipeline.transformed(part)
    asked = (yield from pipeline.query_vectors(part))[rows]
    truth = Exact(metric=config.index.metric).build(stored.full, None).search(asked, config.evaluation.k + TIES)
    [timed] = yield from timing.measure(searcher, [config.index], asked, config.evaluation.k, truth, seed=config.seed)
    if isinstance(timed, Exception):
        raise timed
    facts = yield from facts_of(pipeline, part, searcher)
    made = yield from workbench.evaluating(part)
    values, evidence = made.values[MAIN], made.values["recall"]
    evident = ~np.isnan(values)
    memory = facts["memory_bytes"] + at_hand_bytes(config, *stored.full.shape)
    means = {"ndcg": values, "evidence": evidence} if evident.any() else {}
    return plain(
        {
            "share": sample.share,
            "draw": sample.draw,
            "documents": len(sample.places),
            "of_documents": len(run.corpus.documents),
            "chunks": len(stored.full),
            "of_chunks": len((yield from pipeline.chunks(run))),
            "questions": int(evident.sum()),
            "of_questions": sum(_evidence(query) is not None for query in run.corpus.queries),
            **{name: timed.numbers()[name] for name in ("recall", "p50_us", "p95_us")},
            **{name: float(np.nanmean(each)) for name, each in means.items()},
            "memory_mb": memory / 1e6,
            "build_s": facts["build_s"],
            "result": {
                "recalls": timed.recall.tolist(),
                "single_us": timed.single_us.tolist(),
                "ndcg": values[evident].tolist(),
                "evidence": evidence[evident].tolist(),
            },
        }
    )


def _subject(run: Resolved) -> str:
    """Identity of what is forecast: the index and the ranking of this recipe on this machine, by this code."""
    config = run.config
    keys = run.key("index"), run.ranking_key(), run.questions
    return fingerprint(keys, config.index, config.evaluation, config.seed, machine(), code_version(config.index))


def recorded(workbench: Workbench, run: Resolved) -> list[dict[str, Any]]:
    """What was measured of the recipe's samples and of its whole, the smallest first."""
    sql = "SELECT key FROM index_scales WHERE subject = ? ORDER BY share, draw"
    keys = [row["key"] for row in workbench.store.query(sql, [_subject(run)])]
    return list(batches(workbench.home).read("index_scales", keys).values())


def rough_price(documents: int) -> Forecast:
    """What measuring takes where the corpus is not cut into chunks yet."""
    wanted = samples(documents, (), 0)
    share = wanted[-1].share
    told = f"{len(wanted)} samples of up to {share:g}% of {documents:,} documents embedded and measured"
    return one_phase(told, units=1 + int(documents * share / 100))


def price(workbench: Workbench, run: Resolved, shares: Sequence[float], whole: bool) -> Forecast:
    """What measuring takes: texts of the largest sample, or of the whole, that were never embedded, and the samples."""
    texts, chunks = drain(workbench.pipeline.texts(run)), drain(workbench.pipeline.chunks(run))
    wanted = samples(len(run.corpus.documents), shares, run.config.seed)
    some = texts
    if not whole:
        inside = np.concatenate([sample.places for sample in wanted if sample.share == wanted[-1].share])
        some = [texts[row] for row in np.flatnonzero(np.isin(chunks.document, inside))]
    encoder = run.config.embedding
    new = list(dict.fromkeys(some)) if encoder.learns else missing(encoder, some, workbench.pipeline.vectors_folder)
    count = len(wanted) + whole
    phases = [Phase(f"embedding {len(new):,} texts", workbench.pipeline.encoding_time(run.config, new))] if new else []
    return Forecast((*phases, Phase(f"{count} indexes built and measured")), units=len(some))


# Telling -------------------------------------------------------------------------------------------------------------


class WholeForecast(NamedTuple):
    """A quantity: its mean by share, what is expected of the whole, and what the whole measured (None: not yet)."""

    key: str
    by_share: dict[float, float]
    whole: Growth
    measured: float | None

    @property
    def inside(self) -> bool | None:
        return None if self.measured is None else bool(self.whole.low <= self.measured <= self.whole.high)


def forecast(rows: Sequence[dict[str, Any]], config: TrialConfig) -> list[WholeForecast]:
    """Of each quantity that was measured at FEWEST sizes, by the samples alone; whatever else is recorded decides nothing. The ranking is
    not forecast where the encoder learns from the corpus: that of a sample is another one than that of the whole."""
    told, small, large = [], [row for row in rows if row["share"] < WHOLE], [row for row in rows if row["share"] == WHOLE]
    ranked = [row for row in small if row.get("ndcg") is not None and not config.embedding.learns]
    ranking = _ranking(ranked, config.evaluation.k)
    for key, about in QUANTITIES.items():
        some = [row for row in small if row.get(key) is not None]
        by_share = {share: [row for row in some if row["share"] == share] for share in sorted({row["share"] for row in some})}
        if len(by_share) < FEWEST or (about.gain and key not in ranking):
            continue
        n, means = ([float(np.mean([row[name] for row in each])) for each in by_share.values()] for name in ("chunks", key))
        made = ranking.get(key) or grown(n, means, some[0]["of_chunks"], FAMILY, relative=about.relative)
        made = _of_questions(made, len(some[-1]["result"]["recalls"])) if key == "recall" else made
        bounds = {name: float(np.clip(getattr(made, name), 0.0, about.most)) for name in ("value", "low", "high")}
        measured = large[-1].get(key) if large else None
        told.append(WholeForecast(key, dict(zip(by_share, means, strict=True)), made._replace(**bounds), measured))
    return told


def _of_questions(made: Growth, asked: int) -> Growth:
    """A recall with the scatter of the questions it is measured by: samples in which nothing is missed show none."""
    value = min(max(made.value, 0.0), 1.0)
    share = wilson(value * asked, asked)
    low, high = value - np.hypot(value - made.low, value - share.low), value + np.hypot(made.high - value, share.high - value)
    return made._replace(value=value, low=float(low), high=float(high))


def _ranking(rows: Sequence[dict[str, Any]], k: int) -> dict[str, Growth]:
    """Metrics of the whole's ranking, fitted together; none where too few samples hold questions."""
    if len(rows) < FEWEST or len({row["share"] for row in rows}) < PARAMETERS:
        return {}
    ranks = np.arange(1, k + 1, dtype=np.float64)
    gains = np.stack([about.gain(ranks) for about in RANKING.values()])
    y = np.array([[row[key] for key in RANKING] for row in rows])
    shares = [row["chunks"] / row["of_chunks"] for row in rows]
    made = thinned(shares, y, [row["questions"] for row in rows], gains, rows[0]["of_questions"])
    return dict(zip(RANKING, made, strict=True))


def table(told: Sequence[WholeForecast], config: TrialConfig, command: str) -> Table:
    """A row a quantity; numbers are in their own units."""
    k = config.evaluation.k
    names = {"k": k, "metric": label(MAIN, k), "evidence": label("recall", k)}
    rows = []
    for each in told:
        about = QUANTITIES[each.key]
        shown = {f"{share:g}%": written(mean, about.pattern) for share, mean in each.by_share.items()}
        rows.append(
            {
                "quantity": about.label.format(**names),
                **shown,
                "forecast": written(each.whole.value, about.pattern),
                "interval": between(each.whole.low, each.whole.high, about.pattern),
                "measured": "" if each.measured is None else written(each.measured, about.pattern),
                "held": {None: "", True: "inside", False: "outside"}[each.inside],
                "curve": _curve(about, each.whole),
                "value": each.whole.value,
                "low": each.whole.low,
                "high": each.whole.high,
                "whole": each.measured,
            }
        )
    shares = dict.fromkeys(f"{share:g}%" for each in told for share in each.by_share)
    columns = (
        Column("quantity"),
        *(Column(share, share, help="Mean of the samples of this share of the documents") for share in shares),
        Column("forecast", "Whole, forecast"),
        Column("interval", "95% interval", help="Of one measurement of the whole"),
        Column("measured", "Whole, measured"),
        Column("held", "It lies"),
        Column("curve", help="With the number of chunks n, as the samples allow: n^0 is the logarithm, n^1 the line"),
    )
    learns = f". The ranking is not forecast: {config.embedding.title} learns from each sample anew" * config.embedding.learns
    return Table("scale_forecast", columns, rows, "The whole corpus, forecast from samples", words(told) + learns, command)


def _curve(about: ForecastQuantity, made: Growth) -> str:
    if about.gain:
        return "thinned ranks"
    low, high = made.powers
    return f"n^{low:.2g} to n^{high:.2g}" if low < high else f"n^{low:.2g}"


def words(told: Sequence[WholeForecast]) -> str:
    if not told:
        return "Nothing was forecast yet."
    held = [each.inside for each in told if each.inside is not None]
    checked = f"{sum(held)} of {len(held)} quantities of the whole lie inside" if held else "The whole is not measured yet"
    return f"95% intervals of one measurement of the whole, by regression over samples. {checked}"
