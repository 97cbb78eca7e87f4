"""Scores of answers: by every measure, with claims, wrong words and what people say of them."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import subject, verb
from core.cli.options import ASK, USUAL, Asked, Positive, RecipeOptions, keep_apart, read_settings
from core.cli.tables import between, cell, show_table, show_whole, told_after

subject("scores", "Scores of answers: by measures, by judges, compared with people.")

Measures = Annotated[
    tuple[str, ...], Parameter(help="As `list measure` names them; repeatable (default: all that ask no model).")
]
Knobs = Annotated[tuple[str, ...], Parameter(name="--knob", help="MEASURE.KNOB=VALUE; repeatable.")]


def without_answers(record: dict[str, Any]) -> dict[str, Any]:
    """What a job keeps: each score is in the cache."""
    return {name: value for name, value in record.items() if name != "answers"}


def show_judged(record: dict[str, Any]) -> None:
    """Counts, a table of the measures, and one of them against the labels."""
    for name in ("file", "answers_scored", "lines_left_out", "labelled", "label_means", "label_note"):
        if record[name] is not None and record[name] != "":
            print(f"{name.replace('_', ' ')}: {cell(record[name])}")
    for note in filter(None, (record["groups_note"], *record["notes"])):
        print(f"note: {note}")
    print("\nMeasures")
    show_table([_measured(row) for row in record["measures"]])
    if told := [row for row in record["measures"] if row["against_labels"]]:
        print("\nAgainst people's labels (more is better; balanced accuracy and F1 on the half held out from the threshold)")
        show_table([_against(row["measure"], row["against_labels"]) for row in told])
    if record["signatures"]:
        print("\nSignatures of ragas' scores (docs/methods/judging.md)")
        show_table([{"signature": name, "answers": count} for name, count in record["signatures"].items()])
    if record["not_measured"]:
        print("\nNot measured")
        show_table(record["not_measured"])


def _measured(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "measure": row["measure"],
        "mean": between(row | {"value": row["mean"]}),
        "better": row["better"],
        "measured": f"{row['measured']} of {row['of']}",
        "why not": row["failed"] or "; ".join(f"{why}: {count}" for why, count in row["unmeasured"].items()),
        "seconds": row["seconds"],
    }


def _against(name: str, told: dict[str, Any]) -> dict[str, Any]:
    fitted, shipped, spans = told["fitted"], told["shipped"] or {}, told["spans"] or {}
    return {
        "measure": name,
        "n": told["n"],
        "AUC": between(told["auc"]),
        "Pearson": between(told["pearson"]),
        "Spearman": between(told["spearman"]),
        "threshold": fitted["threshold"],
        "balanced accuracy": between(fitted.get("balanced_accuracy")),
        "F1 of wrong": between(fitted.get("f1")),
        "its own": shipped.get("threshold"),
        "balanced accuracy there": between(shipped.get("balanced_accuracy")),
        "F1 there": between(shipped.get("f1")),
        "span F1": between(spans.get("f1")),
        "note": "; ".join(filter(None, (told["note"] or fitted["note"], shipped.get("note")))),
    }


@verb("score-answers", show_judged, job_keeps=without_answers)
def score_answers(
    workbench: Any,
    *,
    ask: Annotated[
        Positive, Parameter(name=ASK, help="So many questions are answered, drawn once; stored answers are not made again.")
    ] = 30,
    system: Annotated[str, Parameter(help="The stored answers of this system instead.")] = "",
    measure: Measures = (),
    knob: Knobs = (),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """The recipe's answers to its questions, made where they are not known, and scored by every measure."""
    from core.labs.scores import sets

    return sets.score_answers(workbench, recipe.read(), ask, system, measure, read_settings(knob))


@verb("triad", show_whole)
def triad(
    workbench: Any,
    *,
    ask: Annotated[Positive, Parameter(name=ASK, help="The answers to so many questions, drawn once.")] = 30,
    system: Annotated[str, Parameter(help="The stored answers of this system instead.")] = "",
    low: Annotated[
        tuple[str, ...],
        Parameter(
            consume_multiple=(1, 3), help="Only answers that are low in these: context_relevance, groundedness, answer_relevance."
        ),
    ] = (),
    below: Annotated[float, Parameter(help="What is low.")] = 0.5,
    knob: Knobs = (),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Context relevance, groundedness and answer relevance of recorded answers, each with its reasons, from scores that are kept."""
    from core.labs.scores import sets
    from core.labs.scores import triad as lab

    return lab.table((yield from sets.scores_at_hand(workbench, recipe.read(), ask, system, read_settings(knob))), low, below)


@verb("judge", show_judged, job_keeps=without_answers)
def judge(
    workbench: Any,
    file: Path,
    /,
    *,
    measure: Measures = (),
    knob: Knobs = (),
    label_means: Annotated[
        Literal["faithful", "wrong"] | None,
        Parameter(help="What a higher label means (default: by marked wrong words, else faithful; reported in the output)."),
    ] = None,
    label_from: Annotated[
        float | None,
        Parameter(help="Labels from here on count as that (default: 0.5 of 0 and 1, else the middle of their range)."),
    ] = None,
    answers: Annotated[
        Path | None, Parameter(help="Also each answer's scores with their claims, in this file, a JSON line each.")
    ] = None,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Score anybody's answers: JSON lines with question, passages, answer, and if there reference, label and spans."""
    from core.labs.scores import judged_file, judging

    keep_apart(answers, file, recipe.config)
    labels = label_means, label_from
    judged, left = yield from judged_file.judge(workbench, recipe.read(), file, measure, read_settings(knob), *labels, answers)
    return judging.record(judged, left)


@verb("risk-coverage", told_after("curve"))
def risk_coverage(
    workbench: Any,
    *,
    ask: Asked = 100,
    measure: Annotated[Literal["f1", "em"], Parameter(help="How an answer is judged right: token F1 from 0.5 on, or em.")] = "f1",
    wished: Annotated[
        float, Parameter(help="Wanted share of right answers, for which a threshold is chosen.", validator=Number(gt=0, lte=1))
    ] = 0.8,
    by: Annotated[
        Literal["confidence", "refusal"], Parameter(help="The threshold that varies: context.confidence, or generation.refusal.")
    ] = "confidence",
    recipe: RecipeOptions = USUAL,
) -> Any:
    """The share answered against the share right, as the model has to be surer; a threshold chosen on dev, reported on test."""
    from core.labs.scores import confidence, refusal

    if by == "refusal":
        return refusal.record((yield from refusal.measure_refusal(workbench, recipe.read(), ask, measure, wished)))
    return confidence.record((yield from confidence.measure_confidence(workbench, recipe.read(), ask, measure, wished)))


def show_qags(record: dict[str, Any]) -> None:
    """A line a measure, then the published figures where they are of this file."""
    print(f"{record['summaries']} summaries, {record['sentences']} sentences; human score: {record['human']}\n")
    show_table([_summed(row) for row in record["measures"]])
    if record["published"]:
        print("\nPublished (Wang, Cho, Lewis 2020, table 2)")
        show_table(record["published"])
    else:
        print("\nPublished figures are of the CNN/DailyMail summaries alone, which this file does not hold.")
    if record["not_measured"]:
        print("\nNot measured")
        show_table(record["not_measured"])


def _summed(row: dict[str, Any]) -> dict[str, Any]:
    fitted = row.get("fitted", {})
    return {
        "measure": row["measure"],
        "sentences": f"{row['sentences']} of {row['of']}",
        "Pearson": between(row.get("pearson")),
        "Spearman": between(row.get("spearman")),
        "AUC": between(row.get("auc")),
        "balanced accuracy, other half": between(fitted.get("balanced_accuracy")),
        "Pearson above containment": between(row.get("above_containment")),
        "on the unseen half": between(row.get("above_containment_unseen")),
        "note": row["failed"] or row.get("note"),
    }


@verb("judge-qags", show_qags)
def judge_qags(workbench: Any, file: Path, /, *, measure: Measures = (), recipe: RecipeOptions = USUAL) -> Any:
    """All faithfulness measures against people on a file of QAGS, with intervals; of mturk_cnndm.jsonl beside the published figures."""
    from core.labs.scores import qags

    return qags.table(workbench, recipe.read(), file, measure)


def show_held_out(record: dict[str, Any]) -> None:
    """A line for each set, measure and threshold."""
    show_table([_held_out(row) for row in record["rows"]])
    for name in record["missing"]:
        print(f"not there: {name}")


def _held_out(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "set": row["set"],
        "answers": f"{row['answers']}, {row['hallucinated']} hallucinated",
        "measure": row["measure"],
        "threshold": f"{row['at']:.3f}, {row['threshold']}",
        "AUC": between(row["auc"]),
        "balanced accuracy": between(row["balanced_accuracy"]),
        "F1": between(row["f1"]),
        "span F1": between(row["span_f1"]),
    }


@verb("judge-held-out", show_held_out)
def judge_held_out(
    workbench: Any,
    *,
    data: Annotated[Path | None, Parameter(help="Folder with the data sets (default: GROUNDWORK_DATASETS).")] = None,
    measure: Measures = (),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Faithfulness beside its lexical floor on held-out parts of QA-Feedback, XSumFaith, Citation Integrity and ExpertQA."""
    from core.labs.scores import held_out

    return held_out.table(workbench, recipe.read(), data, measure)
