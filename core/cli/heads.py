"""Encoders with a head: labels, tags and answers, trained here, and exported."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import subject, verb
from core.cli.options import USUAL, Asked, Positive, RecipeOptions, Training, read_settings
from core.cli.tables import kept_of, log_parts, show_parts, show_table, span, told_after
from core.records import plain

subject("heads", "Encoders with a head: labels, tags, answers, preferences.")

Dataset = Annotated[str | None, Parameter(help="Name of the corpus, as `corpus list` lists it: its dev half is learnt from.")]


@Parameter(name="*")
@dataclass(frozen=True)
class HeadFiles:
    """What a head learns from."""

    file: Annotated[
        Path | None, Parameter(help="What is learnt from; the parts named below are taken from it where they are missing.")
    ] = None
    validation: Annotated[Path | None, Parameter(help="By which the best weights are chosen.")] = None
    test: Annotated[Path | None, Parameter(help="Measured once, at the end.")] = None

    def parts(self) -> dict[str, Path | None]:
        """Part, or "" for all that is not named -> file."""
        own = "train" if self.validation and self.test else ""
        return {own: self.file, "validation": self.validation, "test": self.test}


NONE = HeadFiles()


@verb("train-classifier")
def train_classifier(
    workbench: Any, name: str, /, *, files: HeadFiles = NONE, dataset: Dataset = None, train: Training = ()
) -> Any:
    """A classifier of texts on the bundled encoder: JSONL or CSV with text and label (or labels), CLINC150's JSON, or question types."""
    from core.labs.heads.training import train_classifier

    return train_classifier(workbench, name, dataset, files.parts(), read_settings(train))


@verb("train-tagger")
def train_tagger(workbench: Any, name: str, /, *, files: HeadFiles = NONE, train: Training = ()) -> Any:
    """A tagger of words (named entities) on the bundled encoder: CoNLL's lines, or JSONL with tokens and tags; span F1."""
    from core.labs.heads.training import train_tagger

    return train_tagger(workbench, name, files.parts(), read_settings(train))


@verb("train-reader")
def train_reader(
    workbench: Any,
    name: str,
    /,
    *,
    files: HeadFiles = NONE,
    dataset: Dataset = None,
    wrong: Annotated[
        float,
        Parameter(
            validator=Number(gte=0, lte=1),
            help="Share of the questions that come once more, over a passage without their answer.",
        ),
    ] = 0.0,
    train: Training = (),
) -> Any:
    """A reader on the bundled encoder, which marks the answer in a passage: SQuAD's JSON, or a corpus with exact evidence."""
    from core.labs.heads.training import train_reader

    return train_reader(workbench, name, dataset, files.parts(), read_settings(train), wrong)


@verb("train-reward")
def train_reward(workbench: Any, name: str, /, *, files: HeadFiles = NONE, train: Training = ()) -> Any:
    """A reward model on the bundled encoder, of answers that people preferred: TRL's JSONL (prompt, chosen, rejected), or QA-Feedback's."""
    from core.labs.heads.training import train_reward

    return train_reward(workbench, name, files.parts(), read_settings(train))


@verb("best-of", told_after("people", "sampled"), job_keeps=kept_of)
def best_of(
    workbench: Any,
    name: str,
    /,
    *,
    gold: Annotated[str, Parameter(help="A reward model that learnt from other prompts: it judges what this one chose.")] = "",
    samples: Annotated[Positive, Parameter(help="Answers to each prompt, of which 1, 2, 4, … are chosen from.")] = 16,
    ask: Asked = 40,
    temperature: Annotated[float, Parameter(validator=Number(gte=0, lte=2), help="Of sampling.")] = 1.0,
    characters: Annotated[
        int,
        Parameter(validator=Number(gte=0), help="Of the passages the generator is given those nearest to the question; 0: all."),
    ] = 800,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Best of n answers by a reward model, on prompts of its own test part: its reward against measures that did not choose."""
    from core.labs.heads.best_of import best_of

    return plain((yield from best_of(workbench, recipe.read(), name, gold, samples, ask, temperature, characters)))


@verb("heads", show_table)
def heads() -> list[dict[str, Any]]:
    """The encoders with a head trained here, newest first, with the measure by which each was chosen, on its test part."""
    from core.labs.heads.trained import trained_heads
    from core.training.heads.tasks import TASKS

    rows = []
    for name, record in trained_heads():
        watch = TASKS[record["task"]].watch
        told = {"name": name, "task": record["task"], "created": record["created"], "steps": record["steps"], "measure": watch}
        rows.append(told | span(record["test"].get(watch)))
    return rows


@verb("head-training", show_parts)
def head_training(name: str, /) -> dict[str, Any]:
    """How an encoder's head was trained: loss by step, and validation."""
    from core.labs.heads.trained import head_log

    return log_parts(name, head_log(name), "`python -m core heads list` lists those that there are.")


@verb("export-onnx", job_keeps=plain)
def export_onnx(name: str, /) -> Any:
    """A classifier, tagger or reader trained here, written for ONNX Runtime: how far its outputs are from torch's, and its speed."""
    from core.labs.heads.training import export_onnx

    return export_onnx(name)
