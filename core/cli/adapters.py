"""Adapters of generators: their data, training, and those that there are."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from core.cli.frame import subject, verb
from core.cli.options import USUAL, Asked, Positive, RecipeOptions, Training, keep_apart, read_settings
from core.cli.tables import kept_of, log_parts, show_parts, show_table, told_after
from core.errors import WorkbenchError
from core.files.grids import read_grid
from core.records import plain

subject("adapters", "Adapters of generators: data, trainings, comparisons.")

Examples = Annotated[
    Path | None, Parameter(name="--file", help="JSON lines as TRL's SFTTrainer takes them (default: the recipe's corpus).")
]

Saved = Annotated[
    Path | None,
    Parameter(
        name="--arguments", help="Settings of the training as YAML, or the name under which they are saved; --train goes before."
    ),
]

PairFile = Annotated[
    Path | None,
    Parameter(
        help="JSON lines with prompt, chosen and rejected as TRL has them, or QA-Feedback's JSON (default: stored records, by "
        "the setting source)."
    ),
]


@verb("train-adapter", job_keeps=lambda result: result.folder.name)
def train_adapter(
    workbench: Any,
    name: str,
    /,
    *,
    file: Examples = None,
    arguments: Saved = None,
    train: Training = (),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """An adapter (LoRA) of the generator, trained on questions with their passages, and measured on held-out documents."""
    from core.labs.adapters.training import train_adapter

    return train_adapter(workbench, recipe.read(), name, _settings(workbench, arguments, "train-adapter", train), file)


def _settings(workbench: Any, arguments: Path | None, verb: str, train: Training) -> dict[str, Any]:
    from core.labs.adapters.arguments import read_arguments

    return (read_arguments(workbench, arguments, verb) if arguments else {}) | read_settings(train)


@verb("train-answerer", job_keeps=lambda result: result.folder.name)
def train_answerer(
    workbench: Any,
    name: str,
    /,
    *,
    data: Annotated[Path | None, Parameter(help="Folder with the data sets (default: GROUNDWORK_DATASETS).")] = None,
    train: Training = (),
) -> Any:
    """What the bundled model ships with: an adapter that answers from passages, cites them and says what they do not contain."""
    from core.labs.adapters.answerer import train_answerer

    return train_answerer(workbench, name, data, read_settings(train))


@verb("adapter-study", show_table)
def adapter_study(
    workbench: Any,
    name: str,
    /,
    *,
    grid: Annotated[
        tuple[str, ...],
        Parameter(help="FIELD=A,B,C: one setting of the training and its values, the first of which is compared with."),
    ] = ("rank=4,8,16,32,64",),
    seeds: Annotated[Positive, Parameter(help="So many trainings of each value.")] = 3,
    file: Examples = None,
    train: Training = (),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """How a setting of the training changes what an adapter is worth: each value with the same seeds, data and test questions."""
    from core.labs.adapters import experiment as lab

    if len(grid) != 1:
        raise WorkbenchError("An experiment varies one setting.", where="--grid", todo="Name one; the others stay, by --train.")
    [(field, values)] = read_grid(grid).items()
    made = yield from lab.study(workbench, recipe.read(), name, field, values, range(seeds), read_settings(train), file)
    return lab.table(made, field)


@verb("dpo-study", told_after("trainings"))
def dpo_study(
    workbench: Any,
    name: str,
    /,
    *,
    file: PairFile = None,
    grid: Annotated[
        tuple[str, ...], Parameter(help="FIELD=A,B,C: a setting of the training and its values; repeatable, all are crossed.")
    ] = ("beta=0.01,0.1,1", "train_examples=16,64,256"),
    seeds: Annotated[Positive, Parameter(help="So many trainings of each combination.")] = 1,
    train: Training = (),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Where preference optimisation (DPO) breaks: its settings crossed, each judged on pairs that were held out and by its answers."""
    from core.labs.adapters import preferences as lab
    from core.labs.answers.results import keep_rows

    crossed = read_grid(grid)
    made = yield from lab.study(workbench, recipe.read(), name, crossed, range(seeds), read_settings(train), file)
    rows = lab.table(made, list(crossed))
    keep_rows(workbench, "dpo-experiment", rows)
    return {"trainings": rows, "told": lab.sentences(rows, list(crossed))}


@verb("train-dpo", job_keeps=lambda result: result.folder.name)
def train_dpo(
    workbench: Any,
    name: str,
    /,
    *,
    file: PairFile = None,
    arguments: Saved = None,
    train: Training = (),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """An adapter (LoRA) of the generator that prefers the answers people prefer (DPO), beside the model without it."""
    from core.labs.adapters.training import train_dpo

    return train_dpo(workbench, recipe.read(), name, _settings(workbench, arguments, "train-dpo", train), file)


@verb("adapter-arguments", show_table)
def adapter_arguments(workbench: Any) -> list[dict[str, Any]]:
    """The saved arguments of trainings, each with the settings that differ from the usual ones."""
    from core.labs.adapters.arguments import saved_arguments, stored_arguments

    rows = ((name, stored_arguments(workbench, name)) for name in saved_arguments(workbench))
    return [{"name": name, **read._asdict()} for name, read in rows]


@verb("save-arguments", job_keeps=str)
def save_arguments(workbench: Any, name: str, file: Path, /) -> str:
    """Keep a file of a training's arguments under a name, for the page's form and for --arguments."""
    from core import files
    from core.labs.adapters import arguments as lab

    return str(lab.save_arguments(workbench, name, lab.parsed(files.read_text(file, "The file of arguments"), str(file))))


@verb("adapter-data", show_parts)
def adapter_data(
    workbench: Any,
    *,
    file: Examples = None,
    train: Training = (),
    out: Annotated[Path | None, Parameter(help="Folder for train.jsonl, validation.jsonl and test.jsonl in TRL's form.")] = None,
    form: Annotated[
        Literal["messages", "prompt-completion", "preference", "reward"],
        Parameter(
            help="Which of TRL's forms; the last two: pairs of answers, with the settings of train-dpo, for it and for train-reward."
        ),
    ] = "messages",
    recipe: RecipeOptions = USUAL,
) -> Any:
    """What an adapter would learn from: the card of the data, and the data itself as files."""
    from core.labs.adapters import training as lab

    if out is not None and file is not None:
        from core.training.adapters.trl_files import PARTS, files_of

        for part in PARTS:
            keep_apart(out.expanduser() / f"{part}.jsonl", *files_of(file))
    make = lab.preference_data if form in ("preference", "reward") else lab.adapter_data
    data = yield from make(workbench, recipe.read(), read_settings(train), file)
    if out is not None:
        from core.training.adapters.trl_files import write_data

        write_data(out.expanduser(), data, form)
    return data.card()


@verb("compare-adapters", told_after("main", "cells", "reliance"), job_keeps=kept_of)
def compare_adapters(
    workbench: Any,
    names: tuple[str, ...],
    /,
    *,
    scale: Annotated[tuple[float, ...], Parameter(help="How much of each adapter counts; repeatable.")] = (1.0,),
    ask: Asked = 40,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Each adapter and the model without it: closed book, over retrieved, right, wrong and contradicting passages."""
    from core.labs.adapters import grid as lab

    read = recipe.read()
    made = yield from lab.compare_adapters(workbench, read, names, scale, ask)
    return plain(
        {
            "dataset": read.corpus.dataset,
            "questions": made.questions,
            "memorised": made.memorised,
            "conflicts": made.conflicts,
            "main": lab.main_rows(made.cells),
            "cells": lab.rows_of(made.cells),
            "without_memorised": lab.rows_of(made.fresh),
            "reliance": lab.reliance_rows(made),
            "told": lab.sentences(made, read.evaluation.confidence),
            "items": made.items,
        }
    )


@verb("forgetting", told_after("perplexity"), job_keeps=lambda record: record["told"])
def forgetting(
    workbench: Any,
    names: tuple[str, ...],
    /,
    *,
    text: Annotated[
        str, Parameter(help="Corpus whose documents are read (default: one that the adapters have not learnt from).")
    ] = "",
    documents: Annotated[Positive, Parameter(help="So many of them, drawn once; a larger sample contains the smaller.")] = 40,
    tokens: Annotated[Positive, Parameter(help="Tokens that are read of each, from its beginning.")] = 256,
    scale: Annotated[tuple[float, ...], Parameter(help="How much of each adapter counts; repeatable.")] = (1.0,),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """What adapters made the model forget: perplexity on other text with each and without any, paired by document."""
    from core.labs.adapters import forgetting as lab

    read = recipe.read()
    made = yield from lab.forgetting(workbench, read, names, scale, text, documents, tokens)
    told = lab.sentences(made, read.evaluation.confidence)
    return plain({"text": made.corpus, "perplexity": lab.rows_of(made), "told": told})


@verb("harness", show_table, job_keeps=plain)
def harness(
    names: tuple[str, ...],
    /,
    *,
    task: Annotated[tuple[str, ...], Parameter(help="Name of a task; repeatable.")],
    tasks: Annotated[Path | None, Parameter(help="Folder of tasks as YAML (default: those of the library).")] = None,
    limit: Annotated[Positive | None, Parameter(help="The first items of each task (default: all).")] = None,
    scale: Annotated[tuple[float, ...], Parameter(help="How much of each adapter counts; repeatable.")] = (1.0,),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Tasks of lm-evaluation-harness whose data is at hand, with each adapter and without any, paired by item."""
    from core.labs.adapters import harness as lab

    return lab.rows_of((yield from lab.harness(recipe.read(), names, task, tasks, limit, scale)))


@verb("merge-adapter", show_parts)
def merge_adapter(
    workbench: Any,
    name: str,
    /,
    *,
    out: Annotated[Path | None, Parameter(help="Folder of the merged model (default: NAME-merged beside the adapter).")] = None,
    scale: Annotated[float, Parameter(help="How much of the adapter counts.")] = 1.0,
    ask: Annotated[Positive, Parameter(help="So many questions are answered by all, greedily.")] = 20,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """The model with an adapter for good, for transformers and as a GGUF file for llama.cpp: same answers, how far apart, how fast."""
    from core.labs.adapters.merge import merge_adapter

    return merge_adapter(workbench, recipe.read(), name, out, scale, ask)


@verb("adapters", show_table)
def adapters() -> list[dict[str, Any]]:
    """The adapters trained here, newest first: base, rank, and token F1 on the test part before and after."""
    from core.labs.adapters.training import trained_adapters

    rows = []
    for name, record in trained_adapters():
        f1, base, config = (record.get(part, {}) for part in ("comparison", "base", "config"))
        f1 = f1.get("f1", {})
        told = {
            "created": record.get("created"),
            "base": base.get("name"),
            "rank": config.get("rank"),
            "steps": record.get("steps"),
        }
        rows.append({"name": name, **told, **{f"f1_{key}": f1.get(key) for key in ("before", "after", "p")}})
    return rows


@verb("adapter-training", show_parts)
def adapter_training(name: str, /) -> dict[str, Any]:
    """How an adapter was trained: loss and speed by step, validation, and answers written on the way."""
    from core.labs.adapters.training import adapter_log

    return log_parts(name, adapter_log(name), "`python -m core adapters train NAME` trains one.", samples="samples")
