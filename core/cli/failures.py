"""Why questions fail: the ladder that each climbs, the rung where it is lost, and what each part of a recipe is worth."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import USUAL, Positive, RecipeOptions, reference
from core.cli.tables import show_parts, show_table
from core.errors import WorkbenchError
from core.records import plain

Bands = Literal["absent", "cut", "unretrieved", "low", "dropped", "unused", "misjudged", "answered", "reached", ""]


@verb("failures", show_parts, job_keeps=lambda record: {"asked": record["asked"]})
def failures(
    workbench: Any,
    *,
    ask: Annotated[
        Positive | None, Parameter(help="So many questions are asked, drawn once; stored answers are not asked again.")
    ] = None,
    stored: Annotated[bool, Parameter(help="With --ask: only stored answers; nothing is asked.")] = False,
    band: Annotated[Bands, Parameter(help="Only the questions of this band (default: of all).")] = "",
    question: Annotated[str, Parameter(help="Id of a question: also its evidence and what each rung answered.")] = "",
    against: Annotated[
        tuple[str, ...],
        Parameter(help="STAGE.FIELD=VALUE: also which questions changed band from the recipe with this setting; repeatable."),
    ] = (),
    evidence: Annotated[
        Literal["any", "all"], Parameter(help="Of several pieces of evidence a question needs any one, or all of them.")
    ] = "any",
    recipe: RecipeOptions = USUAL,
) -> Any:
    """To what each question's failure is given: losses of retrieval, and with --ask those of the answer."""
    from core.labs.failures import ladder, rungs

    read, ladders = recipe.read(), []
    for each in [read, *([reference(read, against)] if against else [])]:
        bare = stored or not ask
        made = yield from (
            ladder.standing(workbench, each, evidence) if bare else rungs.climb(workbench, each, ask, evidence=evidence)
        )
        ladders.append(rungs.with_kept(workbench, made, ask or 0))
    here, whole = ladders[0], bool(ask)
    record = {"dataset": here.corpus.name, "questions": len(here.corpus.queries), "asked": len(here.climbs)}
    record["retrieval"] = ladder.band_rows(here, False)
    if pieces := ladder.piece_rows(here):
        record["pieces of evidence"] = pieces
    if whole:
        record |= {"answers": ladder.band_rows(here, True), "rungs": ladder.rung_rows(here)}
    if against:
        record["moved"] = ladder.moved_rows(*ladder.compared(*ladders, whole))
    if question:
        record |= ladder.question_record(here, question)
    record["questions by band"] = ladder.question_rows(here, whole, band)
    return plain(record)


def show_ablation(record: dict[str, Any]) -> None:
    """The sentence, then a line a part."""
    print(f"{record['metric']} with all parts: {record['mean']:.3f}" if record["mean"] is not None else "nothing was measured")
    show_table([{key: value for key, value in row.items() if key != "n"} for row in record["parts"]])
    print(record["sentence"])


@verb("ablate", show_ablation, job_keeps=lambda record: record["sentence"])
def ablate(
    workbench: Any,
    *,
    metric: Annotated[
        str, Parameter(help="As `list metric` names them, or answered: whether the answer is right.")
    ] = "ndcg_linear",
    ask: Annotated[Positive, Parameter(help="With answered: so many questions are asked, drawn once.")] = 30,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Each part of the recipe switched off in turn: paired differences of a metric, with Holm's correction."""
    from core.evaluation.metric import metric_names
    from core.labs.trials import ablation

    if metric not in (names := [*metric_names(), ablation.ANSWERED]):
        raise WorkbenchError(f"There is no metric '{metric}'.", where="--metric", todo=f"Metrics: {', '.join(names)}.")
    read = recipe.read()
    made, level = (yield from ablation.ablate(workbench, read, metric, ask)), read.evaluation.confidence
    return plain(
        {
            "metric": metric,
            "mean": made.mean,
            "parts": ablation.rows(made, level),
            "sentence": ablation.sentence(made, level),
            "left out": made.left_out,
        }
    )
