"""What a generator answers to the test part, given the right passage, and how well: exact match and token F1."""

import json
import math
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core import files
from core.config import code_version, fingerprint
from core.context.citations import pattern
from core.generation.torch_model import TorchModel
from core.judging.diversity import answer_em, answer_f1
from core.progress import Running
from core.records import Progress
from core.statistics.bootstrap import intervals
from core.statistics.paired import paired_difference
from core.store.cache import StageCache, cap_of_environment
from core.training.adapters.examples import TrainingExample
from core.training.log import write_line

AT_ONCE = 8
MEASURES = ("em", "f1")


class TestAnswer(NamedTuple):
    """An example with what was answered, and its scores."""

    id: str
    answer: str
    em: float
    f1: float


def asked(
    model: TorchModel, knobs: Any, examples: Sequence[TrainingExample], what: str, journal: Path
) -> Generator[Progress, None, list[TestAnswer]]:
    """Greedy answers of the loaded model, as it is. what: said in the progress. journal: where they are kept as they come, and found
    again by a test that goes on."""
    *lines, begun = journal.read_text("utf-8").split("\n") if journal.exists() else [""]
    if begun:  # a line whose writing was stopped, behind which no other may be written
        files.write_whole(journal, "".join(f"{line}\n" for line in lines), "The answers to the test")
    todo = "Delete this file: the test asks again."
    answers = dict(files.read_json(line, "An answer of the test", of=list, where=str(journal), todo=todo) for line in lines)
    left = [i for i in range(len(examples)) if i not in answers]
    left.sort(key=lambda i: sum(len(turn["content"]) for turn in examples[i].messages))
    for at in range(0, len(left), AT_ONCE):
        group, began = left[at : at + AT_ONCE], time.monotonic()
        prompts = [list(examples[i].messages) for i in group]
        work = model.answers(knobs, prompts, [0] * len(group), math.inf)  # what the clock had cut would be told as the model's
        for _ in (running := Running(work)):
            yield Progress(len(answers), len(examples), what)
        answers.update((i, answer.text) for i, answer in zip(group, running.result, strict=True))
        with journal.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps([i, answers[i]]) + "\n" for i in group)
        write_line(journal.parent, "answers", number=len(group), seconds=round(time.monotonic() - began, 3))
    cited, rows = pattern(), []
    for i, example in enumerate(examples):
        # references too: in a file, or as a preferred answer, they may be whole answers
        said, *right = (cited.sub(" ", text) for text in (answers[i], *example.references))
        rows.append(TestAnswer(example.id, answers[i], answer_em(said, right), answer_f1(said, right)))
    return rows


def of_base(
    what: str, about: Any, computed: Callable[[], Generator[Progress, None, list[Any]]]
) -> Generator[Progress, None, list[Any]]:
    """What the model before training gives (JSON), which the trainings of one experiment have in common: kept in the cache. about: all
    that it depends on."""
    cache, key = StageCache(files.home() / "cache", cap_of_environment()), fingerprint(about)
    if entry := cache.load(what, key):
        return entry[1]["result"]
    result = yield from computed()
    cache.save(what, key, {}, {"result": result})
    return result


def asked_base(
    loop: Any, knobs: Any, examples: Sequence[TrainingExample], weights: tuple, journal: Path
) -> Generator[Progress, None, list[TestAnswer]]:
    """As `asked`, of the model of a loop without its adapter. weights: by which the model is known."""
    about = weights, knobs, [(example.id, example.messages, example.references) for example in examples], code_version(TorchModel)

    def computed() -> Generator[Progress, None, list[Any]]:
        with loop.tuned.disable_adapter():
            return (yield from asked(loop.base, knobs, examples, "Test: answers of the base", journal))

    return [TestAnswer(*row) for row in (yield from of_base("base_answers", about, computed))]


def tested(
    examples: Sequence[TrainingExample], before: Sequence[TestAnswer], after: Sequence[TestAnswer]
) -> list[dict[str, Any]]:
    """A row an example, as training.json keeps it."""
    return [
        {"id": example.id, "question": example.question, "references": example.references}
        | {"before": a._asdict(), "after": b._asdict()}
        for example, a, b in zip(examples, before, after, strict=True)
    ]


def compared(before: Sequence[TestAnswer], after: Sequence[TestAnswer], seed: int = 0) -> dict[str, dict[str, Any]]:
    """Of each measure both means with their intervals and the paired difference, by question."""
    tables = [np.array([[row.em, row.f1] for row in rows], np.float64) for rows in (before, after)]
    first, second = (intervals(table, seed=seed) for table in tables)
    differences = paired_difference(tables[1], tables[0], seed=seed)
    return {
        name: {"before": first[i].mean, "after": second[i].mean, **differences[i]._asdict()} for i, name in enumerate(MEASURES)
    }
