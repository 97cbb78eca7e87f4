"""Quality beside latency under load: services of several recipes or batch sizes are asked the same questions at the same moments.

What an answer is worth counts only where it comes in time, so that a better recipe that is too slow loses what it gains. Arms are paired
by question. Each is served by a process of its own, one after the other, and writes each answer anew: its seed is one that nothing was
recorded with.
"""

import json
import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.comparison.comparison import compared, rules_of, spread
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.answers.answering import cases, drawn, is_paid, recorded_set
from core.labs.answers.results import keep_rows
from core.labs.scores.judging import measure_all, measures
from core.pipeline.recipe_words import setting_words
from core.progress import counted_within
from core.records import Progress
from core.report.table import MEAN, ONE, PERCENT, TWO, Column, Table, between, written
from core.serving.arrivals import moments
from core.serving.load import LoadPlan, asking_order, load
from core.serving.planning import points_of
from core.serving.starting import running_service
from core.workbench import Workbench

MOST_SEED = 2**31 - 1
COLUMNS = (
    Column("rate", "Requests/s", "%g"),
    Column("arm", "Service"),
    Column("quality", "In time and right", MEAN, "The measure; an answer that is too late, or none, counts 0", direction=1),
    Column("interval", "95%"),
    Column("answered", "Right, of those in time", MEAN, "The measure without what load took", direction=1),
    Column("good", "In time", PERCENT, direction=1),
    Column("p95_ms", "p95", ONE, "Latency from the intended moment", "ms", -1),
    Column("throughput", "Answers/s", TWO, direction=1),
    Column("usd", "1,000 answers", TWO, "What engines cost, and the machine by the hour at the throughput of this rate", "USD", -1),
    Column("frontier", "Frontier", help="No other is as good in quality, p95 and cost, and better in one of them"),
)  # fmt: skip


class FrontierArm(NamedTuple):
    label: str
    config: TrialConfig
    batch: int


class LoadedArm(NamedTuple):
    """What became of an arm at a rate. By question: worth, in time or 0; NaN where it was not asked, or cannot be measured."""

    point: dict[str, Any]
    worth: np.ndarray
    in_time: np.ndarray  # of the same, where the answer came in time; else NaN
    cost_usd: float | None  # an answer, what its engine costs; None: of some it is not known


def arms(base: TrialConfig, grid: Mapping[str, Sequence[Any]], sizes: Sequence[int]) -> list[FrontierArm]:
    """Each point of the grid with each batch size."""
    points: list[dict[str, Any]] = [{}]
    for setting, values in grid.items():
        points = [{**point, setting: value} for point in points for value in values]
    made = []
    for point in points:
        for size in sizes:
            words = [setting_words(point)] * bool(point) + [f"batch {size}"] * (len(sizes) > 1 or not point)
            made.append(FrontierArm(", ".join(words), with_settings(base, point), size))
    if len(made) < 2:
        raise WorkbenchError(
            "A single service has nothing to be compared with.", todo="Give --grid, or several sizes of --batch."
        )
    return made


def frontier(
    workbench: Workbench,
    served: Sequence[FrontierArm],
    rates: Sequence[float],
    seconds: float,
    ask: int,
    measure: str,
    slo_ms: float,
    hour_usd: float = 0.0,
    seed: int = 0,
) -> Generator[Progress, None, dict[str, Any]]:
    """{"rows": a row a rate and arm, "told": sentences}. measure: of answers, from 0 to 1, more is better. ask: questions, of which each
    is asked once a rate."""
    part = registry.find("measure", measure)
    if part.direction < 1 or part.range != (0.0, 1.0):
        raise WorkbenchError(f"{measure} is no share of which more is better.", where="--measure", todo="Choose another, as f1.")
    queries = (yield from workbench.read_corpus(served[0].config)).queries
    rows = drawn(queries, served[0].config.seed, ask)
    if len(rows) < (
        most := max(len(moments("poisson", rate, seconds, seed)) for rate in rates)
    ):  # of chance more than their mean
        what = f"{len(rows):,} questions are fewer than the {most:,} requests of a rate, and one that was answered is not asked again"
        raise WorkbenchError(f"{what}.", where="--ask, --seconds", todo="Give a lower rate or fewer seconds, or another corpus.")
    made, told, place = [], [], 0
    for rate in rates:
        judged: dict[str, LoadedArm] = {}
        for arm in served:
            step = Progress(place, len(rates) * len(served), f"{arm.label} at {rate:g}/s")
            work = _judged(workbench, arm, rows, measure, LoadPlan("", "", (rate,), seconds, seed=seed, slo_ms=slo_ms))
            judged[arm.label] = yield from counted_within(work, step)
            place += 1
        more, words = _at_rate(judged, served[0].config, rate, slo_ms, hour_usd)
        made, told = made + more, [*told, words]
    keep_rows(workbench, "serving-compare", made)
    return {"rows": made, "told": told}


@contextmanager
def started(home: Path, arm: FrontierArm) -> Iterator[str]:
    """The address of a service of this arm."""
    with TemporaryDirectory() as folder:
        (recipe := Path(folder) / "recipe.yaml").write_text(json.dumps(arm.config.model_dump(mode="json")), "utf-8")
        limits = ["--batch", str(arm.batch), "--rate", "1000000", "--at-once", str(max(16, arm.batch))]
        words = ["-m", "core", "serve", "--config", str(recipe), *limits]
        with running_service(home, lambda port: [*words, "--port", str(port)], arm.label) as (url, _):
            yield url


def _judged(
    workbench: Workbench, arm: FrontierArm, rows: Sequence[int], measure: str, plan: LoadPlan
) -> Generator[Progress, None, LoadedArm]:
    anew = arm._replace(config=arm.config.model_copy(update={"seed": random.randrange(MOST_SEED)}))
    run = yield from workbench.pipeline.resolve(anew.config)
    texts = [run.corpus.queries[row].text for row in rows]
    with TemporaryDirectory() as folder, started(workbench.home, anew) as url:
        (questions := Path(folder) / "questions.jsonl").write_text(
            "\n".join(json.dumps({"question": text}) for text in texts), "utf-8"
        )
        told = yield from load(workbench, plan._replace(url=f"{url}/answer", questions=str(questions)))
    [point] = points_of(workbench, told["run"])
    evaluation = yield from workbench.evaluating(run)
    answers = recorded_set(workbench, evaluation, rows)
    there = [number for number, said in enumerate(answers.answers) if said is not None]
    [scores] = yield from measure_all(workbench, anew.config, measures((measure,)), cases(answers, there))
    value = np.full(len(rows), np.nan)
    value[there] = scores.values
    worth, in_time = np.full((2, len(rows)), np.nan)
    order = asking_order(plan.seed, len(rows), len(point["outcome"]))
    for number, outcome, at, done in zip(order, point["outcome"], point["intended_s"], point["done_s"], strict=False):
        timely = outcome == "200" and done is not None and 1000 * (done - at) <= plan.slo_ms
        worth[number] = value[number] if timely else 0.0
        in_time[number] = value[number] if timely else np.nan
    said = [answers.answers[number] for number in there]
    paid = is_paid(anew.config.generation)
    costs = [each.cost_usd if paid and each.asked else 0.0 for each in said]
    return LoadedArm(point, worth, in_time, None if None in costs else float(np.mean(costs)) if costs else 0.0)


def _at_rate(
    judged: Mapping[str, LoadedArm], config: TrialConfig, rate: float, slo_ms: float, hour_usd: float
) -> tuple[list[dict[str, Any]], str]:
    able = {label: each for label, each in judged.items() if not each.point["limit"]}
    values = {label: {"quality": each.worth} for label, each in able.items()}
    comparison = compared(values, rules_of(config), pairs=combinations(able, 2)) if len(able) > 1 else None
    rows = []
    for label, each in able.items():
        quality = rules_of(config).mean(each.worth)
        through, answered = each.point["throughput"], each.in_time[~np.isnan(each.in_time)]
        row = {"rate": rate, "arm": label, **spread("quality", quality), "interval": between(quality.low, quality.high, MEAN)}
        row |= {name: each.point[name] for name in ("good", "p95_ms", "throughput")}
        row["answered"] = float(answered.mean()) if len(answered) else None
        told = through and each.cost_usd is not None
        row["usd"] = 1000 * (each.cost_usd + hour_usd / 3600 / through) if told else None
        rows.append(row)
    for row in rows:
        row["frontier"] = "yes" if not any(_dominates(other, row) for other in rows) else ""
    if not rows:
        return [], f"At {rate:g}/s the load generator was the limit, so nothing is reported."
    return rows, recommendation(rows, comparison, 1 - rules_of(config).confidence, slo_ms)


def _aims(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """Each the more the better; what has no value is worst."""
    worst = (-np.inf if row[name] is None else -row[name] for name in ("p95_ms", "usd"))
    return (-np.inf if row["quality"] is None else row["quality"], *worst)


def _dominates(other: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    pairs = list(zip(_aims(other), _aims(row), strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def recommendation(rows: Sequence[Mapping[str, Any]], comparison: Any, alpha: float, slo_ms: float) -> str:
    """Of those on the frontier the fastest that is not significantly worse than the best."""
    best = max(rows, key=_aims)
    level = 1 - alpha

    def told_apart(row: Mapping[str, Any]) -> bool:
        pairs = ((row["arm"], best["arm"], "quality"), (best["arm"], row["arm"], "quality"))
        return any(place in comparison.differences and comparison.differences[place].significant(level) for place in pairs)

    alike = [row for row in rows if row is best or not (comparison and told_apart(row))]
    chosen = min((row for row in alike if row["frontier"]), key=lambda row: np.inf if row["p95_ms"] is None else row["p95_ms"])
    p95 = "no p95" if chosen["p95_ms"] is None else f"p95 {written(chosen['p95_ms'], ONE)} ms"
    worth = f"{written(chosen['quality'], MEAN)} ({chosen['interval']}) within {slo_ms:g} ms, {p95}"
    words = f"At {chosen['rate']:g}/s take {chosen['arm']}: {worth}"
    if chosen is not best:
        words += f"; {best['arm']} has {written(best['quality'], MEAN)}, which does not differ significantly, and is slower"
    worse = [row["arm"] for row in rows if row not in alike]
    return words + (f"; significantly worse than the best: {'; '.join(worse)}." if worse else ".")


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    return Table("frontier", COLUMNS, rows, "Quality beside latency under load")
