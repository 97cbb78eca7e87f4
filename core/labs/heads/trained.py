"""Encoders with a head that were trained here: what each is worth, its training's log, and the command that trains another."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.files import read_json, read_text
from core.judging.diversity import answer_em
from core.models.hub import heads_home
from core.records import Corpus

# verb -> (what is learnt, forms of its file)
KINDS = {
    "train-classifier": (
        "Labels of texts",
        'JSONL or CSV with "text" and "label" (or a list "labels"), or JSON in CLINC150\'s form.',
    ),
    "train-tagger": ("Tags of words", 'CoNLL (a word and its tag a line), or JSONL with "tokens" and "tags".'),
    "train-reader": ("Answers in passages", "JSON in SQuAD's form."),
    "train-reward": (
        "Preferred answers",
        'JSONL with "prompt", "chosen" and "rejected" as TRL has them, or JSON in QA-Feedback\'s form.',
    ),
}
PREDICTIONS = "predictions.jsonl"
SUFFIXES = ("jsonl", "csv", "json", "conll", "txt", "gz")


class HeadEntry(NamedTuple):
    """A model trained here, with its record: training.json."""

    name: str
    record: dict[str, Any]


class HeadExample(NamedTuple):
    """Of the test, in words."""

    read: str
    truth: str
    prediction: str
    right: bool


def corpus_serves(verb: str, corpus: Corpus) -> bool:
    """Whether its questions have what is to be learnt: a type, or exact evidence."""
    if verb == "train-classifier":
        return len({query.group for query in corpus.queries} - {""}) > 1
    return verb == "train-reader" and corpus.measurable > 0


def learnt(record: dict[str, Any]) -> str:
    """What it has learnt, as the form calls that where its record has a word of its own."""
    verb = {"spans": "train-reader", "preference": "train-reward"}.get(record["task"])
    return KINDS[verb][0].lower() if verb else record["task"]


def trained_heads() -> list[HeadEntry]:
    """Newest first."""
    entries = []
    for file in heads_home().glob("[!.]*/training.json"):
        try:
            record = read_json(file, of=dict)
        except WorkbenchError:
            continue
        if record.keys() >= {"task", "test", "steps", "created"}:  # else of another program
            entries.append(HeadEntry(file.parent.name, record))
    return sorted(entries, key=lambda entry: str(entry.record.get("created", "")), reverse=True)


def head_log(name: str, since: float = 0.0) -> list[dict[str, Any]]:
    """The training's log, running or finished. since: [] of a training that was neither begun nor gone on with from then on."""
    from core.training.log import read_log

    return read_log(heads_home() / name, since)


def head_examples(name: str, most: int) -> list[HeadExample]:
    """Of the test, those that it got wrong first."""
    folder = heads_home() / name
    lines = predictions(folder) if (folder / PREDICTIONS).exists() else []
    return sorted(map(_example, lines), key=lambda example: example.right)[:most]


def predictions(folder: Path) -> list[dict[str, Any]]:
    """What the model of this folder said of its test, as training left it, a line each: a text may hold other ends of lines."""
    file = folder / PREDICTIONS
    lines = read_text(file, "The predictions").split("\n")
    return [read_json(line, "A prediction", of=dict, where=str(file)) for line in lines if line]


def _example(line: dict[str, Any]) -> HeadExample:
    read, truth, said = line["read"], line["truth"], line["prediction"]
    if truth == "the first":  # of two answers, told by their rewards
        rewards = " and ".join(f"{reward:.2f}" for reward in said)
        return HeadExample("\n\n".join(read), truth, f"rewards {rewards}", said[0] > said[1])
    if isinstance(said, str):  # an answer; truth: those that are right, with their places
        texts = [text for text, _ in truth] or [""]
        return HeadExample("\n\n".join(read), " or ".join(texts) or "no answer", said or "no answer", answer_em(said, texts) == 1)
    told = " ".join(truth) or "none", " ".join(said) or "none"
    if isinstance(read, str):  # labels of a text, in any order
        return HeadExample(read, *told, set(truth) == set(said))
    return HeadExample(" ".join(read), *told, list(truth) == list(said))


def head_arguments(verb: str, name: str, config: TrialConfig, settings: dict[str, Any], file: Path | None) -> list[str]:
    """The verb as a job takes it: what differs from the defaults; without a file the recipe's corpus."""
    from core.training.heads.settings import HeadTraining
    from core.training.settings import changed, options

    source = ["--file", str(file)] if file else ["--dataset", config.corpus.dataset]
    return [verb, name, *source, *options(changed(HeadTraining, settings))]


def received(data: bytes, name: str) -> Path:
    """Keeps a file that was handed over, by its contents, so that a job finds it. name: what it was called, of which only the endings that
    say its form are kept."""
    endings = [ending for ending in Path(name).suffixes if ending[1:].lower() in SUFFIXES]
    path = heads_home() / ".files" / f"{hashlib.sha256(data).hexdigest()[:16]}{''.join(endings).lower()}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(path, data, "The examples")
    return path


def is_taken(name: str) -> bool:
    """Whether there is a model of this name already."""
    return (heads_home() / name).exists()
