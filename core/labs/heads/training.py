"""Encoders with a head of their own, trained here: labels of texts, tags of words, answers in passages."""

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from core.config import valid
from core.corpus.library import split
from core.errors import WorkbenchError
from core.files import path_of
from core.labs.answers.results import keep_rows
from core.labs.heads.trained import predictions
from core.models.hub import heads_home
from core.records import Corpus, Progress
from core.workbench import Workbench

Files = dict[str, Path | None]  # part, or "" for all of them -> file


def train_classifier(
    workbench: Workbench, name: str, dataset: str | None, files: Files, settings: dict[str, Any]
) -> Generator[Progress, None, Any]:
    """Labels of texts; without files, the types of a corpus' questions."""
    from core.training.heads import examples, tasks

    some, notes = yield from _examples(workbench, name, dataset, files, examples.labelled, examples.of_corpus)
    counts = {len(example.labels) for _, example in some}
    task = tasks.OneLabel if counts == {1} else tasks.SeveralLabels
    return (yield from _train(name, task, some, notes, settings, lambda example: example.labels))


def train_tagger(workbench: Workbench, name: str, files: Files, settings: dict[str, Any]) -> Generator[Progress, None, Any]:
    """Tags of words."""
    from core.training.heads import examples, tasks

    some, notes = yield from _examples(workbench, name, None, files, examples.tagged, None)
    return (yield from _train(name, tasks.Tags, some, notes, settings, lambda example: example.tags))


def train_reader(
    workbench: Workbench, name: str, dataset: str | None, files: Files, settings: dict[str, Any], wrong: float = 0.0
) -> Generator[Progress, None, Any]:
    """Answers in passages: SQuAD's JSON, or a corpus whose questions have exact evidence. wrong: share of the questions that come once
    more, with a passage that does not answer them."""
    from core.corpus.squad import Squad
    from core.progress import drain
    from core.training.heads import examples, tasks
    from core.training.heads.settings import HeadTraining

    def read(path: Path) -> tuple[list[examples.Part], tuple[str, ...]]:
        corpus = drain(Squad().load(path, path.stem))
        return [("", example) for example in examples.asked(corpus)], corpus.notes

    some, notes = yield from _examples(workbench, name, dataset, files, read, examples.asked)
    if wrong:
        some = examples.with_wrong(some, wrong, valid(HeadTraining, settings).seed)
    return (yield from _train(name, tasks.Spans, some, notes, settings))


def train_reward(workbench: Workbench, name: str, files: Files, settings: dict[str, Any]) -> Generator[Progress, None, Any]:
    """Which of two answers people prefer."""
    from core.training.heads import examples, tasks

    some, notes = yield from _examples(workbench, name, None, files, examples.compared, None)
    trained = yield from _train(name, tasks.Preferred, some, notes, settings)
    keep_rows(workbench, "train-reward", [{"model": name, "measure": measure} | row for measure, row in trained.test.items()])
    return trained


def export_onnx(name: str) -> Generator[Progress, None, dict[str, Any]]:
    """A trained model for ONNX Runtime, beside torch on the texts of its own test."""

    from core.training.heads.examples import Compared, Labelled, PassageQuestion, Tagged
    from core.training.heads.trained import HeadModel

    trained = HeadModel(name)
    make: Callable[[Any], Any] = {
        "tags": lambda read: Tagged(tuple(read), ("O",) * len(read)),
        "spans": lambda read: PassageQuestion(*read, ()),
        "preference": lambda read: Compared(*read),
    }.get(trained.task.kind, lambda read: Labelled(read, ()))
    return (yield from trained.export_onnx([make(line["read"]) for line in predictions(trained.folder)]))


def _examples(
    workbench: Workbench,
    name: str,
    dataset: str | None,
    files: Files,
    read: Callable,
    of_corpus: Callable[[Corpus], list[Any]] | None,
) -> Generator[Progress, None, tuple[list[Any], tuple[str, ...]]]:
    """What a model of this name is to learn, of files or of a corpus."""
    from core.answering.reader import EMBEDDED
    from core.training.log import new_folder

    new_folder(heads_home(), name, "a model", ships=EMBEDDED)
    paths = {part: path for part, path in files.items() if path}
    if bool(paths) == bool(dataset and of_corpus):
        todo = "Name a file with --file, or a corpus with --dataset." if of_corpus else "Name a file with --file."
        raise WorkbenchError("It is not said what to learn from.", where="file", todo=todo)
    if paths:
        some, notes = [], []
        for part, path in paths.items():
            yield Progress(0, 0, f"Reading {path.name}")
            rows, told = read(path_of(path, "file"))
            some += [(part or own, example) for own, example in rows]
            notes += told
        return some, tuple(notes)
    corpus = yield from workbench.library.open(dataset)
    halves = {half: split(corpus, half) for half in ("dev", "test")}
    some = [("test" if half == "test" else "train", e) for half, half_of in halves.items() for e in of_corpus(half_of)]
    if not some:
        todo = "Take a corpus whose questions have one, or a file."
        raise WorkbenchError("No question of this corpus has a label to learn.", where=corpus.name, todo=todo)
    return some, ()


def _train(
    name: str,
    task: type,
    some: Sequence[Any],
    notes: Sequence[str],
    settings: dict[str, Any],
    learnt: Callable[[Any], Sequence[str]] | None = None,
) -> Generator[Progress, None, Any]:
    """learnt: the labels of an example; None: it has none."""
    from core.training.heads.examples import divided, enough, halved
    from core.training.heads.settings import HeadTraining
    from core.training.heads.training import train

    config = valid(HeadTraining, settings)
    parts = divided(some, config.validation_share, config.test_share, config.seed, name, notes)
    parts = enough(halved(parts, config.half, config.seed), name)
    taught = {frozenset(learnt(example)) for example in parts.train} if learnt else set()
    labels = sorted(frozenset().union(*taught))
    if len(taught) == 1 and len(labels) < 2:
        alike = f"the label '{labels[0]}'" if labels else "no label"
        todo = "Give examples of what is to be told apart."
        raise WorkbenchError(f"All examples to learn from have {alike}, so there is nothing to learn.", where=name, todo=todo)
    if config.out_of_scope and config.out_of_scope not in labels:
        todo = f"Labels are {', '.join(labels[:10])}{', …' if len(labels) > 10 else ''}."
        raise WorkbenchError(f"'{config.out_of_scope}' is no label of the training part.", where="out_of_scope", todo=todo)
    return (yield from train(config, task(labels, config.out_of_scope), parts, heads_home() / name))
