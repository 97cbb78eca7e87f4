"""What a generator answers to the test part, given the right passage, and how well: exact match and token F1."""

import time
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.context.citations import pattern
from core.generation.protocol import Generated
from core.generation.torch_model import TorchModel
from core.judging.diversity import answer_em, answer_f1
from core.progress import Running
from core.records import Progress
from core.statistics.bootstrap import intervals
from core.statistics.paired import paired_difference
from core.training.adapters.examples import TrainingExample

AT_ONCE = 8
MEASURES = ("em", "f1")
DEADLINE_S = 600.0  # of so many answers at once


class TestAnswer(NamedTuple):
    """An example with what was answered, and its scores."""

    id: str
    answer: str
    em: float
    f1: float


def asked(
    model: TorchModel, knobs: Any, examples: Sequence[TrainingExample], what: str
) -> Generator[Progress, None, list[TestAnswer]]:
    """Greedy answers of the loaded model, as it is. what: said in the progress."""
    order = sorted(range(len(examples)), key=lambda i: sum(len(turn["content"]) for turn in examples[i].messages))
    answers: dict[int, Generated] = {}
    for at in range(0, len(order), AT_ONCE):
        group = order[at : at + AT_ONCE]
        prompts = [list(examples[i].messages) for i in group]
        work = model.answers(knobs, prompts, [0] * len(group), time.perf_counter() + DEADLINE_S)
        for _ in (running := Running(work)):
            yield Progress(at, len(order), what)
        answers.update(zip(group, running.result, strict=True))
    cited = pattern()
    rows = []
    for i, example in enumerate(examples):
        said = cited.sub(" ", answers[i].text)
        rows.append(
            TestAnswer(example.id, answers[i].text, answer_em(said, example.references), answer_f1(said, example.references))
        )
    return rows


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
