"""Encoders with a head: labels, tags and answers, trained here, and exported."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import Training, read_settings

Dataset = Annotated[str | None, Parameter(help="Name of the corpus, as `datasets` lists it: its dev half is learnt from.")]
File = Annotated[
    Path | None, Parameter(help="What is learnt from; the parts named below are taken from it where they are missing.")
]
Validation = Annotated[Path | None, Parameter(help="By which the best weights are chosen.")]
Test = Annotated[Path | None, Parameter(help="Measured once, at the end.")]


def _files(file: Path | None, validation: Path | None, test: Path | None) -> dict[str, Path | None]:
    parts = {"train" if validation and test else "": file}
    return parts | {"validation": validation, "test": test}


@verb("train-classifier")
def train_classifier(
    workbench: Any,
    name: str,
    /,
    *,
    file: File = None,
    validation: Validation = None,
    test: Test = None,
    dataset: Dataset = None,
    train: Training = (),
) -> Any:
    """A classifier of texts on the bundled encoder: JSONL or CSV with text and label (or labels), CLINC150's JSON, or question types."""
    from core.labs.heads import train_classifier

    return train_classifier(workbench, name, dataset, _files(file, validation, test), read_settings(train))


@verb("train-tagger")
def train_tagger(
    workbench: Any, name: str, /, *, file: File = None, validation: Validation = None, test: Test = None, train: Training = ()
) -> Any:
    """A tagger of words (named entities) on the bundled encoder: CoNLL's lines, or JSONL with tokens and tags; span F1."""
    from core.labs.heads import train_tagger

    return train_tagger(workbench, name, _files(file, validation, test), read_settings(train))


@verb("train-reader")
def train_reader(
    workbench: Any,
    name: str,
    /,
    *,
    file: File = None,
    validation: Validation = None,
    test: Test = None,
    dataset: Dataset = None,
    train: Training = (),
) -> Any:
    """A reader on the bundled encoder, which marks the answer in a passage: SQuAD's JSON, or a corpus with exact evidence."""
    from core.labs.heads import train_reader

    return train_reader(workbench, name, dataset, _files(file, validation, test), read_settings(train))


@verb("train-reward")
def train_reward(
    workbench: Any, name: str, /, *, file: File = None, validation: Validation = None, test: Test = None, train: Training = ()
) -> Any:
    """A reward model on the bundled encoder, of answers that people preferred: TRL's JSONL (prompt, chosen, rejected), or QA-Feedback's."""
    from core.labs.heads import train_reward

    return train_reward(workbench, name, _files(file, validation, test), read_settings(train))


@verb("export-onnx")
def export_onnx(name: str, /) -> Any:
    """A classifier, tagger or reader trained here, written for ONNX Runtime: how far its outputs are from torch's, and its speed."""
    from core.labs.heads import export_onnx

    return export_onnx(name)
