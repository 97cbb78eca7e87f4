"""What a service did and was worth: requests, objectives, the quality of its answers, and what people say of them."""

from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import verb
from core.cli.tables import show_parts, show_table

Name = Annotated[str, Parameter(help="Under which it is served; empty: all services.")]
Served = Annotated[str, Parameter(help="Under which it is served.")]
Hours = Annotated[float, Parameter(validator=Number(gt=0, lte=1e6), help="Of the last hours.")]
Target = Annotated[float, Parameter(validator=Number(gte=0, lt=1), help="Share that has to be good.")]
People = Annotated[tuple[str, ...], Parameter(name="--annotator", help="Who judges; repeatable.")]
Title = Annotated[str, Parameter(help="Of the study.")]


@verb("serving dashboard", show_parts)
def dashboard(workbench: Any, name: Name = "", /, *, hours: Hours = 24.0) -> dict[str, Any]:
    """How requests ended, their latency by stage and path, cost a question, and Little's law checked, from the spans."""
    from core.serving.dashboard import dashboard

    told = dashboard(workbench, hours, name)
    parts = {"paths": told.paths, "ends": told.ends, "stages": told.stages}
    return {"requests": told.requests, "hours": hours, "queue": told.law_sentence, **parts}


@verb("serving objectives", show_table, healthy=lambda rows: not any(row["burning"] for row in rows))
def objectives(
    workbench: Any,
    name: Name = "",
    /,
    *,
    path: Annotated[str, Parameter(help="Only requests of this path.")] = "",
    target: Target = 0.99,
    slo_ms: Annotated[float, Parameter(validator=Number(gt=0), help="Latency that answers are held to.")] = 5000.0,
) -> list[dict[str, Any]]:
    """Error budgets of 30 days for answers and for answers in time, and how fast they burn: an alert now is exit code 1."""
    from core.serving.objectives import objectives

    return objectives(workbench, name, path, target, slo_ms)


@verb("serving quality", show_parts)
def quality(
    workbench: Any,
    name: Served,
    /,
    *,
    judge: Annotated[int, Parameter(validator=Number(gte=0), help="So many more answers are judged first.")] = 0,
    measure: Annotated[str, Parameter(help="As `list measure` names it.")] = "faithfulness",
    least: Annotated[float | None, Parameter(help="Score from which an answer is faithful; else the measure's own.")] = None,
    target: Target = 0.95,
    hours: Hours = 720.0,
) -> Any:
    """The budget of unfaithful answers: those served as a measure judges them, corrected by people's labels of a sample."""
    from core.serving import quality as lab

    if judge:
        yield from lab.judge_served(workbench, name, hours, judge, measure)
    told = lab.quality(workbench, name, hours, target, measure, least)
    return {**told._asdict(), "sentence": told.sentence}


@verb("serving sample")
def sample(
    workbench: Any,
    name: Served,
    /,
    *,
    share: Annotated[float, Parameter(validator=Number(gt=0, lte=1), help="Chance of each answer to be drawn.")] = 0.1,
    hours: Hours = 720.0,
    title: Title = "Served answers",
    people: People = ("Annotator 1", "Annotator 2"),
) -> dict[str, Any]:
    """A draft of a study of people, of a random sample of the answers served: its labels correct `serving quality`."""
    from core.serving.judged_by_people import sample_for_people

    return _study(sample_for_people(workbench, name, share, hours, title, people))


@verb("serving feedback", show_table)
def feedback(workbench: Any, name: Name = "", /, *, hours: Hours = 720.0) -> list[dict[str, Any]]:
    """What people said of answers by POST /feedback, the newest first."""
    from core.serving.feedback import feedback, feedback_table

    return [dict(row) for row in feedback_table(feedback(workbench, hours, name)).rows]


@verb("serving feedback-study")
def feedback_study(
    workbench: Any,
    name: Name = "",
    /,
    *,
    hours: Hours = 720.0,
    title: Title = "Feedback",
    people: People = ("Annotator 1", "Annotator 2"),
) -> dict[str, Any]:
    """A draft of a study of people whose items are the answers with feedback, a correction as the accepted answer."""
    from core.serving.judged_by_people import study_of_feedback

    return _study(study_of_feedback(workbench, hours, name, title, people))


def _study(frozen: Any) -> dict[str, Any]:
    return {"study": frozen.study.id, "round": frozen.round, "items": len(frozen.study.items)}


@verb("serving drift", show_parts)
def drift(workbench: Any, name: Served, /, *, hours: Hours = 720.0) -> Any:
    """Whether questions and the scores of their best passages are still as at publication, by a kernel two-sample test."""
    from core.serving.drift import drift
    from core.serving.publishing import published

    told = yield from drift(workbench, published(workbench, name), hours)
    return {**told._asdict(), "sentence": told.sentence}


@verb("serving compare-arms", show_parts)
def compare(
    workbench: Any,
    name: Served,
    /,
    *,
    by: Annotated[str, Parameter(help="thumbs, or a measure as `list measure` names it.")] = "thumbs",
    judge: Annotated[int, Parameter(validator=Number(gte=0), help="By a measure: so many more answers are judged first.")] = 0,
    margin: Annotated[float, Parameter(validator=Number(gte=0, lt=1), help="A smaller difference is none.")] = 0.05,
    hours: Hours = 720.0,
) -> Any:
    """Whether the second recipe of `serve --against` is better, worse or alike, by a rule that is valid at any time."""
    from core.serving.arm_comparison import THUMBS, compare_arms, judge_arms

    if judge and by != THUMBS:
        yield from judge_arms(workbench, name, by, hours, judge)
    told = compare_arms(workbench, name, by, hours, margin)
    rest = {"verdict": told.stopping.verdict, "pairs": told.stopping.pairs, "paired": told.paired, "more": told.more}
    return {"sentence": told.sentence, **rest, "waiting": told.waiting, "arms": told.rows}
