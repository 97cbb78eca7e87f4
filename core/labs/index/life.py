"""The life of a recipe's index, followed on a sample of its corpus and recorded; and when it is to be built anew, by what it lost."""

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from core.config import TrialConfig, fingerprint
from core.embedding.transform import Transform
from core.embedding.vectors import encode_all
from core.errors import WorkbenchError
from core.files.ids import new_id
from core.labs.index.churn import Churn, Embed, Round, Unit, churn
from core.labs.index.points import about_setting, point_of
from core.models import probes
from core.models.hardware import machine
from core.pipeline.stages import Resolved
from core.records import Progress, plain
from core.report.table import MEAN, between, written
from core.statistics.bootstrap import Interval, intervals
from core.store.batches import batches
from core.workbench import Workbench

LIFE_VECTORS, LIFE_QUERIES = 4_000, 200  # an index is followed through its life on so many, drawn at random
DROPPED = 0.2  # share of the words that a changed document's chunks lose
CHURNED = {"grow": "added", "shrink": "removed", "update": "changed", "replace": "replaced"}  # else removed or changed


def life(
    workbench: Workbench,
    config: TrialConfig,
    mode: str,
    share: float,
    rounds: int,
    unit: Unit = "vectors",
    most: int = LIFE_VECTORS,
) -> Generator[Progress, None, Churn]:
    """An index of the recipe's part through rounds of changes, on a sample of `most` vectors of large corpora; recorded. unit: what a round
    changes a share of. A changed document's chunks lose some of their words, and are embedded again."""
    pipeline = workbench.pipeline
    run = yield from pipeline.resolve(config)
    stored = yield from pipeline.transformed(run)
    asked = yield from pipeline.query_vectors(run)
    rng, whole = np.random.default_rng(config.seed), unit == "documents"
    of = (yield from pipeline.chunks(run)).document if whole else np.arange(len(stored.chunks))
    rows, edited = _sample(of, most, rng), None
    queries = asked[np.sort(rng.permutation(len(asked))[:LIFE_QUERIES])]
    folder = pipeline.cache.folder / "life" if config.index.on_disk else None
    probes.refuse(config.index.engine)  # it is built within the app, again and again
    if whole:
        texts, encoder = (yield from pipeline.texts(run)), (yield from pipeline.encoder(run))
        edited = _edited([texts[row] for row in rows], stored, rows, encoder, rng)
    lived = yield from churn(
        config.index,
        stored.chunks[rows],
        queries,
        config.evaluation.k,
        rounds,
        share,
        mode,
        config.seed,
        asking=True,
        folder=folder,
        updated=edited,
        documents=of[rows] if whole else None,
    )
    _keep(workbench, run, lived)
    return lived


def _sample(of: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of whole units, drawn at random, `most` of them or the least more. of [n]: the unit of each row."""
    units, counts = np.unique(of, return_counts=True)
    order = rng.permutation(len(units))
    enough = int(np.searchsorted(np.cumsum(counts[order]), most)) + 1
    return np.flatnonzero(np.isin(of, units[order[:enough]]))


def _edited(texts: list[str], stored: Transform, rows: np.ndarray, encoder: Any, rng: np.random.Generator) -> Embed:
    """Embeds chunks again without some of their words; one that is taken to nothing stays as it was."""

    def shorter(text: str) -> str:
        return " ".join(word for word in text.split() if rng.random() >= DROPPED) or text

    def embed(some: np.ndarray) -> np.ndarray:
        new = stored.queries(encode_all(encoder, [shorter(texts[row]) for row in some]))
        return np.where(new.any(axis=1, keepdims=True), stored.stored(new), stored.chunks[rows[some]])

    return embed


# What was recorded ---------------------------------------------------------------------------------------------------


def _subject(run: Resolved) -> str:
    """Identity of the index: of these vectors, by these settings, at this depth."""
    return fingerprint(run.key("transformed"), run.config.index, run.config.evaluation.k)


def _keep(workbench: Workbench, run: Resolved, lived: Churn) -> None:
    name, rounds = new_id(), {}
    for each in lived.rounds:
        raw = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in each._asdict().items()}
        means = {
            key: None if (values := getattr(each, key)) is None else float(np.nanmean(values))
            for key in ("recall", "fresh_recall")
        }
        told = {key: raw[key] for key in ("churned", "live", "lost", "p50_ms", "rebuild_s")}
        rounds[f"{name}/{each.round}"] = plain({"number": each.round, **told, **means, "result": raw})
    about = {
        "run": name,
        "subject": _subject(run),
        "dataset": run.corpus.name,
        "setting": point_of(about_setting(run.config, None)).label,
        "machine": machine(),
        "seed": lived.seed,
        **{key: getattr(lived, key) for key in ("unit", "mode", "share", "k")},
    }
    batches(workbench.home).keep("index_lives", rounds, **about)


def recorded(workbench: Workbench, config: TrialConfig, unit: Unit) -> Generator[Progress, None, Churn]:
    """The newest life of the recipe's index."""
    run = yield from workbench.pipeline.resolve(config)
    sql = """SELECT key, mode, share, seed FROM index_lives WHERE subject = $subject AND unit = $unit AND run = (
        SELECT max(run) FROM index_lives WHERE subject = $subject AND unit = $unit) ORDER BY number"""
    rows = workbench.store.recorded("index_lives", sql, {"subject": _subject(run), "unit": unit})
    if not rows:
        raise WorkbenchError(
            f"No life of this index by {unit} is recorded.",
            todo=f"Follow it: python -m core index life --unit {unit}, with its recipe.",
        )
    rounds = tuple(_round(row["result"]) for row in rows)
    about = rows[0]
    return Churn(config.index, config.evaluation.k, about["mode"], about["share"], about["seed"], rounds, unit)


def _round(raw: dict[str, Any]) -> Round:
    arrays = {name: np.array(raw[name], np.float64) for name in ("recall", "fresh_recall") if raw[name] is not None}
    return Round(**raw | arrays | {"during_errors": tuple(raw["during_errors"])})


# When to rebuild -----------------------------------------------------------------------------------------------------


class Schedule(NamedTuple):
    """When what is tolerated is lost, by the measured decay. Shares are of the units, None: the decay gives no such bound."""

    decay: Interval  # recall lost by each 1% of the units that is churned; over questions
    tolerated: float  # recall
    share: float | None
    soonest: float | None
    latest: float | None
    tried: float  # share that was churned when it was measured
    rebuild_s: float
    unit: str
    mode: str
    k: int


def schedule(lived: Churn, tolerated: float) -> Schedule:
    """The decay is the slope through nothing of each question's loss, against a fresh build, over the share that is churned; its interval
    is a percentile bootstrap over questions. Source: least squares through the origin (Eisenhauer 2003, "Regression through the
    origin")."""
    if not tolerated > 0:
        raise WorkbenchError(
            f"{tolerated:g} is no loss to tolerate.", where="--lost", todo="Give the points of recall that may be lost."
        )
    later = [each for each in lived.rounds if each.round and each.fresh_recall is not None]
    if not later:
        raise WorkbenchError(
            "Without a round of changes there is no decay to measure.", where="--rounds", todo="Give one or more."
        )
    churned = np.array([each.churned for each in later])
    lost = np.stack([each.fresh_recall - each.recall for each in later])  # [rounds, num_queries]
    decay = intervals(churned @ lost / (churned @ churned) / 100, seed=lived.seed)[0]
    at = [tolerated / rate / 100 if rate and rate > 0 else None for rate in (decay.mean, decay.high, decay.low)]
    return Schedule(decay, tolerated, *at, float(churned.max()), later[-1].rebuild_s, lived.unit, lived.mode, lived.k)


def schedule_words(made: Schedule, daily: float = 0.0) -> list[str]:
    """In sentences. daily: percent of the units that is churned in a day; 0: nobody said."""
    decay, what = made.decay, f"of the {made.unit} that is {CHURNED.get(made.mode, 'removed or changed')}"
    if decay.low is None:
        return [f"The decay has no interval ({decay.note}): more questions tell when to rebuild."]
    mean, *bounds = (100 * each for each in (decay.mean, decay.low, decay.high))
    points = f"{written(mean, MEAN)} points of recall@{made.k} (95% interval {between(*bounds, MEAN)})"
    words = [
        f"Each 1% {what} costs {points}, measured up to {round(100 * made.tried, 2):g}%; over {decay.n:,} questions, of one life."
    ]
    number = f"{100 * made.tolerated:g}"
    allowed, is_lost = f"{number} point{'s' * (number != '1')}", "is" if number == "1" else "are"
    if made.soonest is None:
        return [*words, f"Recall does not fall with changes: {allowed} {is_lost} not lost at any share tried."]
    if made.latest is None:
        words.append(
            f"A loss is not shown: at the earliest {_when(made.soonest, daily)} {allowed} {is_lost} lost, and perhaps never."
        )
    else:
        span = f"{_when(made.soonest, daily)} at the earliest and {_when(made.latest, daily)} at the latest"
        words.append(f"By this slope, rebuild {_when(made.share, daily)}: {allowed} {is_lost} lost then; {span}.")
    if (made.share or made.soonest) > made.tried:
        words.append(
            f"That is beyond the {round(100 * made.tried, 2):g}% that were tried: an extrapolated line, not a measurement."
        )
    return words


def _when(share: float, daily: float) -> str:
    days = f" ({share * 100 / daily:,.1f} days at {daily:g}% a day)" if daily > 0 else ""
    return f"after {share:.1%}{days}"
