"""Answers of a recipe to its questions, written many at once and kept, as `scores file` reads them."""

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core import files
from core.cli.frame import verb
from core.cli.options import USUAL, Asked, Positive, RecipeOptions, keep_apart
from core.cli.tables import kept_of, told_after
from core.records import plain


def show_lines(records: list[dict[str, Any]]) -> None:
    """A JSON object a line."""
    for record in records:
        print(json.dumps(record, ensure_ascii=False))


@verb("answer-set", show_lines, job_keeps=lambda records: {"answers": len(records)})
def answer_set(
    workbench: Any,
    *,
    ask: Annotated[
        Positive,
        Parameter(
            help="So many questions, drawn once; a larger sample contains the smaller. Stored answers are not asked again."
        ),
    ] = 30,
    stored: Annotated[bool, Parameter(help="Only stored answers; nothing is asked.")] = False,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """The recipe's answers to its questions, a JSON object a line: question, passages, answer, reference, as `scores file` reads them."""
    from core.labs.answers import answering
    from core.labs.answers import live as live_answers

    read = recipe.read()
    if stored:
        made = answering.answer_set(workbench, (yield from workbench.evaluating(read)), ask)
    else:
        made = yield from answering.answer_questions(workbench, read, ask)
        yield from live_answers.judge_answers(workbench, made)
    return live_answers.records(made)


@verb("rag-ablation", told_after("variants"), job_keeps=kept_of)
def rag_ablation(workbench: Any, *, ask: Asked = 200, recipe: RecipeOptions = USUAL) -> Any:
    """None, naive, hybrid and reranked retrieval, each with and without HyDE: answers, cost, and paired tests against naive."""
    from core.labs.answers import rag_ablation as lab

    read = recipe.read()
    made = yield from lab.ablate_rag(workbench, read, ask)
    told = {"variants": lab.rows(made), "told": lab.sentences(made, read.evaluation.confidence)}
    return plain({"dataset": read.corpus.dataset, "questions": made.questions, "same": lab.SAME, **told})


@verb("contamination", told_after("gaps"), job_keeps=kept_of)
def contamination(
    workbench: Any,
    *,
    ask: Asked = 60,
    rephrasings: Annotated[
        Path | None, Parameter(help='JSON lines with "question" and "rephrased", in place of those by the model.')
    ] = None,
    save: Annotated[Path | None, Parameter(help="Writes questions and rephrasings there, to be corrected by hand.")] = None,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Whether the model knows the questions by heart: closed book, in other words, and how much of the documents it gives back."""
    from core.labs.answers import contamination as lab

    keep_apart(save, rephrasings, recipe.config)
    read = recipe.read()
    made = yield from lab.probe_contamination(workbench, read, ask, rephrasings)
    if save:
        lines = (json.dumps(line, ensure_ascii=False) for line in lab.edit_lines(made))
        files.write_whole(save, "".join(f"{line}\n" for line in lines).encode(), "The rephrasings")
    return plain(
        {
            "dataset": read.corpus.dataset,
            "questions": len(made.items),
            "rephrased": made.rephrased,
            "fallbacks": made.fallbacks,
            "memorised": made.memorised,
            "gaps": lab.gap_rows(made),
            "continuations": made.continuations,
            "likelihood": made.likelihood,
            "told": lab.sentences(made, read.evaluation.confidence),
            "items": lab.item_rows(made),
        }
    )


@verb("chain-of-thought", told_after("ways", "differences"), job_keeps=kept_of)
def chain_of_thought(
    workbench: Any,
    *,
    ask: Asked = 40,
    samples: Annotated[Positive, Parameter(help="Samples of a question that vote.")] = 5,
    temperature: Annotated[float, Parameter(help="Of the samples; more makes them differ.")] = 0.7,
    again: Annotated[bool, Parameter(help='A chain without "Answer:" is asked for its answer in a second prompt.')] = True,
    direct: Annotated[
        str, Parameter(help="Template of the direct prompt, as context.template (default: the built-in one).")
    ] = "",
    chain: Annotated[str, Parameter(help="Template of the prompt that asks for steps first.")] = "",
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Chain of thought against direct answering, each greedily and by the vote of samples: same questions, passages and seeds."""
    from core.labs.answers import chain_of_thought as lab

    read = recipe.read()
    plan = lab.ReasoningPlan(ask, samples, temperature, again, direct or lab.DIRECT, chain or lab.CHAIN)
    made = yield from lab.compare_reasoning(workbench, read, plan)
    return plain(
        {
            "dataset": read.corpus.dataset,
            "questions": len(made.asked),
            "plan": plan,
            "ways": lab.way_rows(made),
            "differences": lab.pair_rows(made),
            "by number of samples": lab.curve_rows(made),
            "told": lab.sentences(made, read.evaluation.confidence),
            "items": lab.item_rows(made),
        }
    )
