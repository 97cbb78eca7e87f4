"""Measures of faithfulness on the parts of the training's data sets from which nothing was learnt: one table, each beside the
lexical floor.

The parts are those of the training (`split_of`): a threshold is the measure's own, or fitted on the second part of the same set,
where the balanced accuracy is best; all that is told is of the third.
"""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore
from core.labs.scores import people
from core.labs.scores.answer_file import AnswerRow
from core.labs.scores.faithfulness_models import data_folder
from core.labs.scores.judging import measure_all, measures
from core.records import Progress
from core.statistics.detection import detection
from core.statistics.roc import roc
from core.training.faithfulness.combination import SETS, best_threshold
from core.training.faithfulness.sources import SUPPORTED, Marked, read
from core.training.faithfulness.training import SHIPPED_SEED, split_of
from core.workbench import Workbench

USUAL = ("faithfulness", "lexical_floor", "containment")
RESAMPLES = 2000
ITS_OWN, OF_SET = "its own", "of the set's second part"


def table(
    workbench: Workbench, config: TrialConfig, data: Path | None = None, names: Sequence[str] = ()
) -> Generator[Progress, None, dict[str, Any]]:
    """A row for each set, measure and threshold. data: folder with the data sets; names: of measures."""
    folder = data_folder(data)
    yield Progress(0, 0, "Reading what people judged")
    answers, missing = read(folder)
    by_set = {name: [each for each in answers if each.source.split()[0] == name] for name in SETS}
    by_set = {name: some for name, some in by_set.items() if some}
    if not by_set:
        raise WorkbenchError(
            "None of the sets with judged answers is there.", where="data", todo=f"Put one there: {', '.join(SETS)}."
        )
    parts = {
        (name, part): answer_rows([each for each in some if split_of(each, SHIPPED_SEED) == part])
        for name, some in by_set.items()
        for part in ("fitted", "test")
    }
    chosen = measures(names or USUAL)
    measured = yield from measure_all(workbench, config, chosen, [row.case for rows in parts.values() for row in rows])
    lines = []
    for each in measured:
        scores, of = iter(each.scores), {}
        for place, rows in parts.items():
            of[place] = [next(scores) for _ in rows]
        for name in by_set:
            yield Progress(0, 0, f"{each.measure.label} on {name}")
            second, third = (name, "fitted"), (name, "test")
            cuts = {ITS_OWN: each.measure.fixed_threshold(), OF_SET: _fitted(each.measure, of[second], parts[second])}
            lines += [
                {"set": name, "measure": each.measure.part, "threshold": kind, "at": cut}
                | _told(each.measure, of[third], parts[third], cut, config.seed)
                for kind, cut in cuts.items()
                if cut is not None
            ]
    lines.sort(key=lambda line: list(by_set).index(line["set"]))
    return {"rows": lines, "missing": [name for name in missing if name in SETS]}


def answer_rows(answers: Sequence[Marked]) -> list[AnswerRow]:
    """label: 1 where it is hallucinated; spans: what half of the people who were asked marked, or more."""
    marked = any(answer.spans for answer in answers)
    return [
        AnswerRow(
            f"{answer.source}:{number}",
            AnswerCase(answer.question, answer.answer, answer.passages),
            float(answer.verdict != SUPPORTED),
            tuple((s.start, s.end) for s in answer.spans if s.share >= 0.5) if marked and answer.spans is not None else None,
            group=answer.group,
        )
        for number, answer in enumerate(answers)
    ]


def _turned(measure: AnswerMeasure, scores: Sequence[AnswerScore], rows: Sequence[AnswerRow]) -> tuple[np.ndarray, np.ndarray]:
    """Doubt of each answer, NaN where it is unmeasured, and whether it is hallucinated."""
    return -measure.direction * np.array([score.value for score in scores]), np.array([row.label for row in rows]) > 0.5


def _fitted(measure: AnswerMeasure, scores: Sequence[AnswerScore], rows: Sequence[AnswerRow]) -> float | None:
    """In the measure's own unit; None where the part has answers of one kind alone."""
    doubts, wrong = _turned(measure, scores, rows)
    there = ~np.isnan(doubts)
    if len(set(wrong[there])) < 2:
        return None
    return -measure.direction * best_threshold(doubts[there], wrong[there])


def _told(
    measure: AnswerMeasure, scores: Sequence[AnswerScore], rows: Sequence[AnswerRow], cut: float, seed: int
) -> dict[str, Any]:
    doubts, wrong = _turned(measure, scores, rows)
    groups, there = np.array([row.group for row in rows]), ~np.isnan(doubts)
    said = detection(doubts[there] >= -measure.direction * cut, wrong[there], RESAMPLES, seed=seed, groups=groups[there])
    spans = people.span_overlap(scores, rows, RESAMPLES, seed)
    return {
        "answers": int(there.sum()),
        "of": len(rows),
        "hallucinated": int(wrong[there].sum()),
        "auc": people.interval(roc(doubts, wrong.astype(float), groups=groups).auc),
        "balanced_accuracy": people.interval(said.balanced_accuracy),
        "f1": people.interval(said.f1),
        "span_f1": people.interval(spans.f1) if spans else None,
    }
