"""Studies in which people judge answers: drawn, frozen, handed out, handed over, taken in. How large one has to be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from core.cli.frame import subject, verb
from core.cli.options import USUAL, Asked, Positive, RecipeOptions, placed, read_filled, read_settings
from core.cli.tables import show_table
from core.errors import WorkbenchError
from core.records import Progress, plain

subject("annotate", "Studies in which people judge answers, and how far they agree.")

Goal = Literal["difference", "means", "rate", "alpha"]
Stage = Literal["pilot", "main"]
Format = Literal["jsonl", "csv", "label_studio", "dpo"]
KeepGood = Annotated[bool, Parameter(help="Take the good labels although there are problems.")]
Replace = Annotated[bool, Parameter(help="Take labels also in place of ones that say otherwise.")]
Names = Annotated[tuple[str, ...], Parameter(name="--as", help="NAME=ANNOTATOR: who of the study a name is; repeatable.")]
Server = Annotated[str, Parameter(help="Default: LABEL_STUDIO_URL.")]
SIMULATED = 2000  # studies beside each formula


@verb("answer-questions")
def answer_questions(workbench: Any, *, ask: Asked = 30, recipe: RecipeOptions = USUAL) -> Any:
    """Have questions of the corpus answered, and the answers stored."""
    from core.labs.answers import to_judge

    return plain((yield from to_judge.answer_questions(workbench, recipe.read(), ask)))


@verb("annotate list", job_keeps=plain)
def studies_stored(workbench: Any) -> list[dict[str, Any]]:
    """The studies, newest first."""
    from core.annotation import versions

    return [_told(frozen) for frozen in versions.studies(workbench)]


def _told(frozen: Any) -> dict[str, Any]:
    """A study with its settings, without its items."""
    return {
        "study": frozen.study.id,
        "version": frozen.version,
        "round": frozen.round,
        "hash": frozen.hash,
        "created": frozen.created,
        "items": len(frozen.study.items),
        **frozen.study.model_dump(mode="json", exclude={"items", "rubrics"}),
    }


@verb("annotate show", job_keeps=plain)
def study_shown(workbench: Any, study: str, /) -> dict[str, Any]:
    """A study with its settings, without its items."""
    from core.annotation import versions

    return _told(versions.load(workbench, study))


@verb("annotate history", job_keeps=plain)
def study_history(workbench: Any, study: str, /) -> list[dict[str, Any]]:
    """All versions of a study, the oldest first."""
    from core.annotation import versions

    versions.load(workbench, study)  # or says that there is none
    return [_told(frozen) for frozen in versions.history(workbench, study)]


@verb("annotate items", job_keeps=plain)
def study_items(workbench: Any, study: str, /) -> list[dict[str, Any]]:
    """The items of a study, with who of its systems gave which answer."""
    from core.annotation import versions

    return versions.load(workbench, study).study.model_dump(mode="json", include={"items"})["items"]


@verb("annotate answers", show_table)
def answers_stored(workbench: Any) -> list[dict[str, Any]]:
    """The systems whose stored answers can be judged, with how many there are of each."""
    from core.annotation import stored_answers as answers
    from core.annotation.system_names import systems

    return [{"system": name, "answers": number} for name, number in systems(answers.candidates(workbench)).items()]


@verb("annotate draft", job_keeps=plain)
def draft(workbench: Any, file: Path, /) -> dict[str, Any]:
    """A study from a YAML file; `draw` draws its items from stored answers."""
    from core.annotation import rounds
    from core.annotation.draft import from_settings

    with placed(file):
        return _told(rounds.save(workbench, from_settings(workbench, read_filled(file))))


@verb("annotate revise", job_keeps=plain)
def revise(workbench: Any, study: str, file: Path, /) -> dict[str, Any]:
    """Another version of the rubric, before the main round, from a YAML file with what changes and `changed`, what for."""
    from core.annotation import rounds, versions
    from core.annotation.rubric import altered_rubric

    frozen = versions.load(workbench, study)
    with placed(file):
        rubric = altered_rubric(frozen.study.rubric, read_filled(file))
    return _told(rounds.revise(workbench, study, rubric))


@verb("annotate plan", job_keeps=plain)
def plan(workbench: Any, study: str, file: Path, /) -> dict[str, Any]:
    """Changes for the main round while the pilot runs, from a YAML file of settings; freezing it puts them in force."""
    from core.annotation import rounds, versions
    from core.annotation.study import altered

    frozen = versions.load(workbench, study)
    with placed(file):
        planned = altered(versions.planned(workbench, study) or frozen.study, read_filled(file))
    rounds.plan(workbench, planned)
    return _told(frozen._replace(study=planned))


@verb("annotate pilot")
def pilot_values(workbench: Any, study: str, /) -> dict[str, Any]:
    """What the pilot's labels say of the values that `annotate power` assumes, by goal."""
    from core.annotation import latest, pilot, power, versions

    said = pilot.from_pilot(versions.load(workbench, study).study, latest.labels(workbench, study, "pilot"))
    return {
        goal: {"from": said.why[goal], **power.fitted(goal, values, power.ASSUMED[goal].get("difference", 0.0))}
        for goal, values in said.values.items()
    }


@verb("annotate freeze", job_keeps=plain)
def freeze(workbench: Any, study: str, stage: Stage, /) -> dict[str, Any]:
    """Stamp the study's hash and open a round: pilot or main."""
    from core.annotation import rounds, versions

    planned = versions.planned(workbench, study) or versions.load(workbench, study).study
    return _told(rounds.freeze(workbench, planned, stage))


@verb("annotate adjudicate", job_keeps=plain)
def adjudicate(
    workbench: Any, study: str, people: Annotated[tuple[str, ...], Parameter(consume_multiple=(1, 1_000_000))], /
) -> dict[str, Any]:
    """Open the last round on what annotators differ in."""
    from core.annotation import rounds

    return _told(rounds.open_adjudication(workbench, study, list(people)))


@verb("annotate hand-over", job_keeps=plain)
def hand_over(workbench: Any, study: str, annotator: str, /) -> dict[str, Any]:
    """An annotator leaves: what is open goes to the others."""
    from core.annotation import rounds

    handed = rounds.handing_over(workbench, study, annotator)
    frozen = rounds.hand_over(workbench, study, annotator)
    return {"study": study, "version": frozen.version, "round": frozen.round, "hash": frozen.hash, **handed._asdict()}


@verb("annotate close", job_keeps=plain)
def close(workbench: Any, study: str, /) -> dict[str, Any]:
    """End the round although items are open."""
    from core.annotation import rounds

    return _told(rounds.close(workbench, study))


@verb("annotate check", healthy=lambda report: report.get("ok", True), job_keeps=plain)
def check(workbench: Any, study: str, /) -> dict[str, Any]:
    """Whether records and labels are still what was frozen."""
    from core.annotation import checking

    return checking.check(workbench, study)


@verb("annotate progress", job_keeps=plain)
def progress(workbench: Any, study: str, /) -> Any:
    """How far each annotator is, and, once the frozen stop rule lets it be seen, in how many shared labels they say the same as others."""
    from core.annotation import standing, versions

    frozen = versions.load(workbench, study)
    alike = {name: of._asdict() for name, of in standing.alike(workbench, frozen).items()}
    return [row._asdict() | alike.get(row.annotator, {}) for row in standing.progress(workbench, frozen)]


@verb("annotate attention", job_keeps=plain)
def attention(workbench: Any, study: str, /) -> Any:
    """How many sentences of attention items each annotator labelled right."""
    from core.annotation import standing, versions

    return standing.attention(workbench, versions.load(workbench, study))


@verb("annotate loads", show_table)
def loads(workbench: Any, study: str, stage: Stage, /) -> Any:
    """How much each annotator has to label in a round."""
    from core.annotation import assignment, versions

    planned = versions.planned(workbench, study) or versions.load(workbench, study).study
    return assignment.loads(planned, stage)


@verb("annotate token", job_keeps=plain)
def token(workbench: Any, study: str, annotator: str, /) -> Any:
    """A new token for an annotator, shown once."""
    from core.annotation import tokens

    return tokens.issue_token(workbench, study, annotator)


@verb("annotate export", job_keeps=plain)
def export(
    workbench: Any,
    study: str,
    /,
    *,
    formats: Annotated[tuple[Format, ...], Parameter(name="--format", help="Repeatable; else all, dpo of pairs alone.")] = (),
    folder: Annotated[Path | None, Parameter(help="Default: annotations/STUDY.")] = None,
    of_round: Annotated[Literal["", "pilot", "main", "adjudication"], Parameter(name="--round")] = "",
) -> Any:
    """Labels as files, with a manifest."""
    from core.annotation import exports

    return exports.export(workbench, study, list(formats) or None, folder, of_round)


def _names(pairs: Sequence[str]) -> dict[str, str]:
    """{name in the file: annotator of the study}; no YAML, for somebody may be called No, or 007."""
    parts = [pair.rpartition("=") for pair in pairs]
    if wrong := next((part for part in parts if not all(part)), None):
        raise WorkbenchError(f"'{''.join(wrong)}' is no NAME=ANNOTATOR.", where="--as")
    return {name.strip(): who.strip() for name, _, who in parts}


@verb("annotate import", job_keeps=plain)
def import_labels(
    workbench: Any, study: str, file: Path, /, *, keep_good: KeepGood = False, replace: Replace = False, names: Names = ()
) -> Any:
    """Labels from JSONL, CSV or Label Studio's JSON."""
    from core.annotation import imports

    return imports.import_labels(workbench, study, file, keep_good, _names(names), replace)


@verb("annotate qags", job_keeps=plain)
def import_qags(workbench: Any, file: Path, /, *, study: str = "qags") -> dict[str, Any]:
    """A file of QAGS as a study with its labels."""
    from core.annotation import imports

    return _told(imports.import_qags(workbench, file, study))


@verb("annotate push", job_keeps=plain)
def push(workbench: Any, study: str, /, *, url: Server = "") -> Any:
    """A project on a Label Studio server."""
    from core.annotation import exports

    return exports.push(workbench, study, url)


@verb("annotate pull", job_keeps=plain)
def pull(
    workbench: Any,
    study: str,
    project: int,
    /,
    *,
    url: Server = "",
    keep_good: KeepGood = False,
    replace: Replace = False,
    names: Names = (),
) -> Any:
    """The annotations of a Label Studio project."""
    from core.annotation import imports

    return imports.pull(workbench, study, project, url, keep_good, _names(names), replace)


def show_power(record: dict[str, Any]) -> None:
    """The goal with its assumptions, then a line a design."""
    print(f"{record['what']}: {', '.join(f'{name} {value:g}' for name, value in record['values'].items())}")
    show_table(
        [
            {
                "annotators": row["annotators"],
                "items needed": row["needed"] or "over 100,000",
                "items": row["items"],
                f"{record['measure']} by formula": row["formula"],
                "by simulation": row["simulated"],
            }
            for row in record["designs"]
        ]
    )
    if "curve" in record:
        print(f"\n{record['measure'].capitalize()} over the number of items")
        show_table(record["curve"])


@verb("power", show_power)
def power(
    goal: Goal,
    /,
    *,
    settings: Annotated[tuple[str, ...], Parameter(name="--set", help="NAME=VALUE: an assumed value; repeatable.")] = (),
    annotators: Annotated[tuple[Positive, ...], Parameter(consume_multiple=(1, 100), help="An item; several numbers.")] = (
        1,
        2,
        3,
    ),
    items: Annotated[Positive | None, Parameter(help="Default: as many as the target needs.")] = None,
    simulate: Annotated[bool, Parameter(help="2,000 simulated studies beside each formula.")] = False,
    curve: Annotated[bool, Parameter(help="Also over the number of items, with studies of the last number simulated.")] = False,
) -> Any:
    """How many items and annotators a study needs, and what these, or the items asked for, reach."""
    from core.annotation import power as planning

    values = _assumed(goal, read_settings(settings))
    several = [number for number in annotators if number > 1 or goal != "alpha"]  # alpha takes two
    if not several:
        raise WorkbenchError("Alpha takes two annotators an item.", todo="Give --annotators 2 or more.")
    rows = []
    for place, number in enumerate(several):
        yield Progress(place, len(several), f"{number} annotators an item")
        try:
            needed = planning.items_for(goal, values, number)
            formula, simulation = planning.predictors(goal, values, number)
            shown = items or needed
            reached = formula(shown) if shown else None
            simulated = simulation(shown, SIMULATED, 0) if shown and simulate else None
        except (ValueError, ZeroDivisionError) as error:
            raise WorkbenchError(f"These values go with no study: {error}.", todo="Change one with --set.") from None
        rows.append({"annotators": number, "needed": needed, "items": shown, "formula": reached, "simulated": simulated})
    measure = "power" if goal in ("difference", "means") else "half-width"
    record = {"goal": goal, "what": planning.GOALS[goal], "values": values, "measure": measure, "designs": rows}
    if curve:
        if not rows[-1]["items"]:
            raise WorkbenchError("The target takes more than 100,000 items.", todo="Give --items.")
        curves = yield from planning.curves(goal, values, rows[-1]["items"], several[-1])
        record["curve"] = planning.curve_rows(curves, several[-1])
    return record


def _assumed(goal: Goal, changed: dict[str, Any]) -> dict[str, float]:
    """The usual assumptions of a goal with those that were given."""
    from core.annotation import power as planning

    usual = planning.ASSUMED[goal]
    for name, value in changed.items():
        if name not in usual or isinstance(value, bool) or not isinstance(value, (int, float)):
            raise WorkbenchError(
                f"'{name}={value}' is no assumption of this goal, or no number.",
                todo=f"Assumed are {', '.join(f'{key}={number:g}' for key, number in usual.items())}.",
            )
    values = {**usual, **changed}
    planning.check_values(goal, values)
    return values
