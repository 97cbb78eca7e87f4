"""Measures of faithfulness on the parts of the training's data sets from which nothing was learnt: one table, each beside the
lexical floor.

The parts are those of the training (`split_of`): a threshold is the measure's own, or fitted on the second part of the same set,
where the balanced accuracy is best; all that is told is of the third. From ExpertQA nothing was learnt or fitted: all of it is told.
"""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.config import TrialConfig
from core.corpus.reading import Notes, Source, clean, shape_reported
from core.errors import WorkbenchError
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore
from core.labs.faithfulness import data_folder
from core.labs.scores import people
from core.labs.scores.answer_file import AnswerRow
from core.labs.scores.judging import measure_all, measures
from core.records import Progress
from core.statistics.detection import detection
from core.statistics.roc import roc
from core.training.faithfulness.combination import SETS, best_threshold
from core.training.faithfulness.sources import NEITHER, SUPPORTED, Marked, read
from core.training.faithfulness.training import SHIPPED_SEED, split_of
from core.workbench import Workbench

EXPERTS = "expertqa"  # answers of systems with GPT-4 to experts' questions
EXPERTS_FILE = "expertqa_dev.jsonl.gz"
BORNE_OUT = {"Complete": SUPPORTED, "Partial": NEITHER, "Incomplete": NEITHER}  # else there was no evidence to judge by
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
    if (folder / EXPERTS / EXPERTS_FILE).is_file():
        by_set[EXPERTS] = list(of_experts(folder / EXPERTS))
    else:
        missing.append(EXPERTS)
    if not by_set:
        raise WorkbenchError(
            "None of the sets with judged answers is there.", where="data", todo=f"Put one there: {', '.join((*SETS, EXPERTS))}."
        )
    parts = {
        (name, part): answer_rows([each for each in some if _part(each) == part])
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
    return {"rows": lines, "missing": [name for name in missing if name in (*SETS, EXPERTS)]}


def _part(answer: Marked) -> str:
    return "test" if answer.source == EXPERTS else split_of(answer, SHIPPED_SEED)


def of_experts(folder: Path) -> Iterator[Marked]:
    """Of each answer the claims that the expert judged by the text of their evidence; wrong where one is not wholly borne out by it."""
    source = Source(folder, Notes())
    with shape_reported(str(folder), EXPERTS):
        for row in source.json_lines(EXPERTS_FILE):
            for said in row.fields["answers"].values():
                texts = [
                    (each, [text for evidence in each["evidence"] if (text := evidence.partition("\n\n")[2].strip())])
                    for each in said["claims"]
                ]
                judged = [(each, some) for each, some in texts if some and each["support"] in BORNE_OUT]
                verdict = max((BORNE_OUT[each["support"]] for each, _ in judged), default=SUPPORTED)
                passages = tuple(dict.fromkeys(clean(text) for _, some in judged for text in some))
                answer = " ".join(clean(each["claim_string"]) for each, _ in judged)
                if passages:
                    question = clean(row.fields["question"])
                    yield Marked(EXPERTS, f"{EXPERTS} {question}", question, passages, answer, verdict, None)


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
