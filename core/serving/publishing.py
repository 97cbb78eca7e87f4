"""A recipe is published under a name: through a gate on one measure of its answers, and with canaries by which it is watched."""

from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import TrialConfig, build, fingerprint
from core.errors import Refused, WorkbenchError
from core.labs.answers.answering import alike_answers, answers_phase, covers, drawn, spans_read
from core.labs.scores.sets import score_answers
from core.pipeline.forecast import Forecast
from core.pipeline.stages import STAGES, Resolved
from core.records import Gold, Hit, Progress
from core.report.table import MEAN, between
from core.statistics.canary import noise_floor
from core.store.batches import batches
from core.workbench import Workbench

KIND = "published_recipes"
MEASURE, LEAST = "faithfulness", 0.85
MOST_K = 100  # passages that a service gives to a search at most
MOST_ASKED = 10_000  # characters of a question that it takes
REPLAYS = 1000  # without a loss they bound the noise floor by 0.0046


class Publication(NamedTuple):
    """As it is recorded; see RECORDS of this folder."""

    name: str
    trial: str
    recipe: str
    config: dict[str, Any]
    gate: dict[str, Any]
    stages: dict[str, str]
    canaries: list[dict[str, Any]]
    floor: float  # share of hits that are lost without any change, at most
    k: int
    created: str

    @property
    def key(self) -> str:
        return f"{self.name} {self.created}"


def publish(
    workbench: Workbench,
    config: TrialConfig,
    name: str,
    trial: str = "",
    measure: str = MEASURE,
    least: float = LEAST,
    ask: int = 30,
    canaries: int = 200,
    replays: int = REPLAYS,
    why: str = "",
) -> Generator[Progress, None, Publication]:
    """Raises where the lower end of the measure's interval over `ask` answers is below `least`, or, of a measure of which less is
    better, the upper end above it, unless `why` says a reason.

    canaries: so many of the corpus' questions with evidence, at most, and whether the recipe finds it now. replays: how often in all one
    that is found is asked again, which tells how many hits are lost without any change.
    """
    if not name.strip():
        raise WorkbenchError("A publication needs a name.", todo="Say under which name it is served.")
    why = why.strip()
    direction = registry.find("measure", measure).direction
    if not direction:
        raise WorkbenchError(
            f"Of {measure} neither more nor less is better, so it is no gate.", where="--measure", todo="Choose another measure."
        )
    scores = yield from score_answers(workbench, config, ask, names=(measure,))
    row = scores["measures"][0]
    gate = {"measure": measure, "least": least, "why": why} | {part: row[part] for part in ("mean", "low", "high", "measured")}
    end, bound = ("lower", "at least") if direction > 0 else ("upper", "at most")
    if not reached(gate) and not why:
        worth = (
            "not measured"
            if row["mean"] is None
            else f"{row['mean']:.3f} ({between(row['low'], row['high'], MEAN) or 'no interval'})"
        )
        raise Refused(
            f"{row['label']} of {row['measured']} answers is {worth}: its {end} end is not {bound} {least:g}.",
            todo="Choose another recipe, ask more questions, require less, or give a reason to publish it anyway.",
        )
    run = yield from workbench.pipeline.resolve(config)
    asked, floor = yield from _canaries(workbench, run, canaries, replays)
    about = {"recipe": fingerprint(config), "config": config.model_dump(mode="json"), "stages": stages_of(run)}
    about |= {"k": _depth(config), "created": datetime.now(UTC).isoformat(timespec="microseconds")}
    told = Publication(name=name, trial=trial, gate=gate, canaries=asked, floor=floor, **about)
    batches(workbench.home).keep(KIND, {told.key: told._asdict()})
    return told


def worse_end(gate: dict[str, Any]) -> str:
    """low or high: the end of the measure's interval that the gate holds against the least."""
    return "low" if registry.find("measure", gate["measure"]).direction > 0 else "high"


def reached(gate: dict[str, Any]) -> bool:
    """Whether the worse end of the measure's interval is as good as what was asked for."""
    direction, worst = registry.find("measure", gate["measure"]).direction, gate[worse_end(gate)]
    return worst is not None and direction * worst >= direction * gate["least"]  # NaN does not pass either


def published(workbench: Workbench, name: str) -> Publication:
    """The latest of that name."""
    every = publications(workbench)
    own = [each for each in every if each.name == name]
    if not own:
        names = ", ".join(dict.fromkeys(each.name for each in every)) or "none yet"
        raise WorkbenchError(
            f"Nothing is published as '{name}'.", todo=f"Published: {names}. `python -m core serving publish` adds one."
        )
    return own[0]


def publications(workbench: Workbench) -> list[Publication]:
    """The newest first."""
    rows = workbench.store.recorded(KIND, f"SELECT key FROM {KIND} ORDER BY created DESC, key DESC")
    return [Publication(**{name: row[name] for name in Publication._fields}) for row in rows]


def recipe_of(publication: Publication) -> TrialConfig:
    return build(publication.config)


def stages_of(run: Resolved) -> dict[str, str]:
    """Key of each stage, in the order in which they are made."""
    return {stage.name: run.key(stage.name) for stage in STAGES}


def is_found(spans: Sequence[tuple[str, int, int]], gold: Sequence[Gold], overlap: float) -> bool:
    """Whether one of these passages holds a piece of the evidence."""
    return any(covers(span, each, overlap) for span in spans for each in gold)


def _canaries(
    workbench: Workbench, run: Resolved, most: int, replays: int
) -> Generator[Progress, None, tuple[list[dict[str, Any]], float]]:
    """The canaries, and the noise floor."""
    queries = run.corpus.queries
    rows = [row for row in drawn(queries, run.config.seed, len(queries)) if queries[row].relevant]
    rows = [row for row in rows if len(queries[row].text) <= MOST_ASKED][:most]
    evaluation, made, k = (yield from workbench.evaluating(run)), [], _depth(run.config)
    for row in rows:
        gold = queries[row].relevant
        hits = workbench.hits(evaluation, row)[:k]
        spans = [[each.document_id, each.start, each.end] for each in gold]
        told = {"question": queries[row].text, "gold": spans, "found": _holds(run, hits, gold)}
        made.append(told | {"score": hits[0].score if hits else None})
    able, lost = [row for row, canary in zip(rows, made, strict=True) if canary["found"]], []
    for number in range(replays if able else 0):
        yield Progress(number, replays, "Asking the canaries again, for the noise")
        query = queries[able[number % len(able)]]
        lost.append(not _holds(run, workbench.search(run, query.text)[:k], query.relevant))
    return made, noise_floor(np.array(lost, float)) if lost else 1.0


def _depth(config: TrialConfig) -> int:
    """Passages among which a canary is looked for, here and by the service."""
    return min(config.evaluation.k, MOST_K)


def _holds(run: Resolved, hits: Sequence[Hit], gold: Sequence[Gold]) -> bool:
    return is_found([span for spans in spans_read(hits) for span in spans], gold, run.config.evaluation.overlap)


def answer_cost(workbench: Workbench, config: TrialConfig, ask: int = 30) -> Forecast:
    """What publishing takes."""
    return Forecast((answers_phase(workbench, config, ask),), units=ask, like=alike_answers(config))
