"""A recipe is published under a name: through a gate on one measure of its answers, and with canaries by which it is watched."""

from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from core.config import TrialConfig, build, fingerprint
from core.errors import WorkbenchError
from core.labs.answers.answering import covers, drawn, spans_read
from core.labs.scores.sets import score_answers
from core.pipeline.stages import STAGES, Resolved
from core.records import Gold, Hit, Progress, Query
from core.store.batches import batches
from core.workbench import Workbench

KIND = "published_recipes"
MEASURE, LEAST = "faithfulness", 0.85


class Publication(NamedTuple):
    """As it is recorded; see RECORDS of this folder."""

    name: str
    trial: str
    recipe: str
    config: dict[str, Any]
    gate: dict[str, Any]
    stages: dict[str, str]
    canaries: list[dict[str, Any]]
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
    why: str = "",
) -> Generator[Progress, None, Publication]:
    """Raises where the lower end of the measure's interval over `ask` answers is below `least`, unless `why` says a reason. canaries: so
    many of the corpus' questions with evidence, at most, and whether the recipe finds it now."""
    if not name.strip():
        raise WorkbenchError("A publication needs a name.", todo="Say under which name it is served.")
    scores = yield from score_answers(workbench, config, ask, names=(measure,))
    row = scores["measures"][0]
    gate = {"measure": measure, "least": least, "why": why} | {part: row[part] for part in ("mean", "low", "high", "measured")}
    if not (row["low"] is not None and row["low"] >= least) and not why:  # NaN does not pass either
        raise WorkbenchError(
            f"{row['label']} of {row['measured']} answers is {row['mean']:.3f} ({row['low']:.3f} to {row['high']:.3f}): its lower end "
            f"is not at least {least:g}.",
            where=name,
            todo="Choose another recipe, more questions (--ask), another gate (--measure, --least), or say why it may go out (--why).",
        )
    run = yield from workbench.pipeline.resolve(config)
    told = Publication(
        name, trial, fingerprint(config), config.model_dump(mode="json"), gate, stages_of(run),
        (yield from _canaries(workbench, run, canaries)), config.evaluation.k, datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    batches(workbench.home).keep(KIND, {told.key: told._asdict()})
    return told


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
    rows = workbench.store.query(f"SELECT key FROM {KIND} ORDER BY created DESC, key DESC")
    values = batches(workbench.home).read(KIND, [row["key"] for row in rows])
    return [
        Publication(**{name: values[row["key"]][name] for name in Publication._fields}) for row in rows if row["key"] in values
    ]


def recipe_of(publication: Publication) -> TrialConfig:
    return build(publication.config)


def stages_of(run: Resolved) -> dict[str, str]:
    """Key of each stage, in the order in which they are made."""
    return {stage.name: run.key(stage.name) for stage in STAGES}


def is_found(spans: Sequence[tuple[str, int, int]], gold: Sequence[Gold], overlap: float) -> bool:
    """Whether one of these passages holds a piece of the evidence."""
    return any(covers(span, each, overlap) for span in spans for each in gold)


def _canaries(workbench: Workbench, run: Resolved, most: int) -> Generator[Progress, None, list[dict[str, Any]]]:
    rows = [
        row for row in drawn(run.corpus.queries, run.config.seed, len(run.corpus.queries)) if evidence(run.corpus.queries[row])
    ]
    evaluation, made = (yield from workbench.evaluating(run)), []
    for number, row in enumerate(rows[:most]):
        yield Progress(number, len(rows[:most]), "Asking the canaries")
        query = run.corpus.queries[row]
        hits = workbench.hits(evaluation, row)[: run.config.evaluation.k]
        gold = [[each.document_id, each.start, each.end] for each in evidence(query)]
        made.append({"question": query.text, "gold": gold, "found": _holds(run, hits, evidence(query))})
    return made


def _holds(run: Resolved, hits: Sequence[Hit], gold: Sequence[Gold]) -> bool:
    return is_found([span for spans in spans_read(hits) for span in spans], gold, run.config.evaluation.overlap)


def evidence(query: Query) -> list[Gold]:
    return [each for each in query.gold if each.grade > 0]
