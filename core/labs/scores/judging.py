"""Answers scored by every measure that they allow: means with intervals, as cards show them, told by answer, claim and word, and against
labels."""

import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import TrialConfig, valid
from core.errors import WorkbenchError
from core.judging.cited import cites
from core.judging.measure import TOPICS, AnswerCase, AnswerMeasure, AnswerScore
from core.judging.signatures import Signature, signature
from core.labs.scores import answer_file, people
from core.labs.scores.answer_file import AnswerFile, AnswerRow
from core.labs.scores.people import AgainstPeople, Labels, Means
from core.pipeline.scores import judge_tools, kept_scores
from core.records import Progress
from core.statistics.bootstrap import Interval, few_groups, mean_interval
from core.statistics.proportion import unit_interval_grouped, unit_intervals
from core.workbench import Workbench


class MeasureScores(NamedTuple):
    """The scores of a measure. failed: why it has none at all."""

    measure: AnswerMeasure
    scores: list[AnswerScore]
    seconds: float = 0.0  # for those that were not kept
    failed: str = ""

    @property
    def values(self) -> np.ndarray:
        return np.array([score.value for score in self.scores], np.float64)

    @property
    def reasons(self) -> dict[str, int]:
        """Why so many answers are unmeasured, most first."""
        return dict(Counter(score.reason for score in self.scores if np.isnan(score.value)).most_common())

    @property
    def _is_share(self) -> bool:
        return self.measure.range == (0.0, 1.0)

    def mean(self, groups: Sequence[str] | None = None, seed: int = 0) -> Interval:
        """With its interval over groups of answers, where they are fewer than the answers."""
        if groups is not None and len(set(groups)) < len(groups):
            over_groups = unit_interval_grouped if self._is_share else mean_interval
            return over_groups(self.values, np.asarray(groups), seed=seed)
        if self._is_share:
            return unit_intervals(self.values, seed=seed)[0]
        return mean_interval(self.values, seed=seed)


class JudgedAnswers(NamedTuple):
    file: AnswerFile
    measured: list[MeasureScores]
    labels: Labels | None
    against: dict[str, AgainstPeople | None]  # by the measure's name


def measures(names: Sequence[str] = (), knobs: dict[str, Any] | None = None) -> list[AnswerMeasure]:
    """Those of these names, or all. knobs: {"containment.n": 2}."""
    settings: dict[str, dict[str, Any]] = {}
    for path, value in (knobs or {}).items():
        name, _, knob = path.partition(".")
        registry.find("measure", name)
        settings.setdefault(name, {})[knob] = value
    chosen = [registry.find("measure", name) for name in names] or list(registry.parts("measure").values())
    parts = [valid(cls, settings.get(cls.model_fields["part"].default, {})) for cls in dict.fromkeys(chosen)]
    return in_order(parts) if not names else parts


def in_order(parts: Sequence[AnswerMeasure]) -> list[AnswerMeasure]:
    """Topic by topic, as pages show them."""
    topics = list(TOPICS)
    return sorted(parts, key=lambda part: (topics.index(part.topic), part.order))


def told_together(cases: Sequence[AnswerCase]) -> list[AnswerCase]:
    """The answers of one system: where any of them cites, those of which it is not known were asked to as well."""
    cited = any(map(cites, cases))
    return [told_to_cite(case, cited) for case in cases]


def told_to_cite(case: AnswerCase, cited: bool) -> AnswerCase:
    """The case as one of a system's. cited: whether any of its answers cites a passage."""
    return case._replace(asked_to_cite=True) if cited and case.asked_to_cite is None else case


def usable(every: Sequence[AnswerMeasure], cases: Sequence[AnswerCase]) -> tuple[list[AnswerMeasure], dict[str, str]]:
    """Those that can score some of these answers and ask no model, and why the others are left out."""
    none = {}
    for measure in every:
        if all(map(measure.unmeasurable, cases)):
            none[measure.part] = Counter(map(measure.unmeasurable, cases)).most_common(1)[0][0]
    return able(every, none)


def able(every: Sequence[AnswerMeasure], none: dict[str, str]) -> tuple[list[AnswerMeasure], dict[str, str]]:
    """Those that ask no model and are there. none: why a measure can score no answer."""
    left = {}
    for measure in every:
        if measure.asks_model:
            left[measure.part] = "it asks a model: name it with --measure"
        elif measure.absent():
            left[measure.part] = "its model is not on this machine"
        elif measure.part in none:
            left[measure.part] = none[measure.part]
    return [measure for measure in every if measure.part not in left], left


def measure_all(
    workbench: Workbench, config: TrialConfig, chosen: Sequence[AnswerMeasure], cases: Sequence[AnswerCase]
) -> Generator[Progress, None, list[MeasureScores]]:
    """The scores by each measure, kept ones at once. A measure that fails leaves the others as they are."""
    tools, results = judge_tools(workbench.pipeline, config), []
    for measure in chosen:
        began = time.monotonic()
        try:
            if measure.absent():
                yield Progress(0, 0, f"Fetching the model of {measure.label}")
                measure.fetch()
            scores = yield from kept_scores(measure, cases, tools)
            results.append(MeasureScores(measure, scores, time.monotonic() - began))
        except WorkbenchError as error:
            if len(chosen) == 1:
                raise
            none = [AnswerScore(float("nan"), f"failed: {error.what}")] * len(cases)
            results.append(MeasureScores(measure, none, time.monotonic() - began, str(error)))
    return results


def held_against(
    file: AnswerFile, measured: list[MeasureScores], means: Means | None = None, cut: float | None = None, seed: int = 0
) -> Generator[Progress, None, JudgedAnswers]:
    """The scores beside the file's labels."""
    told, by_measure = people.labels(file.rows, means, cut), {}
    for done, each in enumerate(measured):
        yield Progress(done, len(measured), f"{each.measure.label} against people")
        by_measure[each.measure.part] = people.against(each.measure, each.scores, file.rows, told, seed=seed)
    return JudgedAnswers(file, measured, told, by_measure)


def without_labels(file: AnswerFile, measured: list[MeasureScores]) -> JudgedAnswers:
    """Of answers that nobody labelled."""
    return JudgedAnswers(file, measured, None, {each.measure.part: None for each in measured})


def record(judged: JudgedAnswers, left: dict[str, str]) -> dict[str, Any]:
    """As the command line tells it: first the whole, then each answer."""
    file, told, notes = judged.file, judged.labels, list(judged.file.notes)
    whole = len(file.rows) <= answer_file.MOST_WHOLE
    if not whole:
        notes.append(f"{len(file.rows):,} answers are too many to be listed here: --answers FILE writes them, a line each.")
    return {
        "file": file.name,
        "answers_scored": len(file.rows),
        "lines_left_out": file.lines - len(file.rows),
        "labelled": 0 if told is None else int((~np.isnan(told.positive)).sum()),
        "label_means": told and told.means,
        "label_from": told and told.cut,
        "label_note": told and told.note,
        "groups_note": note_of_groups(file.rows),
        "notes": notes,
        "measures": [_row(each, judged) for each in judged.measured],
        "not_measured": [{"measure": name, "why": why} for name, why in left.items()],
        "signatures": dict(Counter(met.name for met in _signatures(judged.measured) if met)),
        "answers": [answer_record(number, row, judged.measured) for number, row in enumerate(file.rows)] if whole else [],
    }


def _signatures(measured: list[MeasureScores]) -> Iterator[Signature | None]:
    """Of each answer; none where no measure of ragas was asked."""
    columns = {each.measure.part: each.values for each in measured if each.measure.part.startswith("ragas_")}
    rows = zip(*columns.values(), strict=True)
    return (signature(dict(zip(columns, row, strict=True))) for row in rows)


def note_of_groups(rows: Sequence[AnswerRow]) -> str:
    """What is to be said of intervals over groups of answers; "": nothing."""
    many = len({row.group for row in rows})
    few = few_groups(many) if 1 < many < len(rows) else ""
    return few and f"Answers that belong together are resampled together ({few}): intervals are wide, or there is none."


def lengths(rows: Sequence[AnswerRow]) -> tuple[float, float]:
    """Words of an answer and of its first reference, medians over the answered questions that have one; 0: there is none."""
    both = [(len(row.case.answer.split()), len(row.case.references[0].split())) for row in rows if row.case.references]
    return tuple(np.median([words for words in both if words[0]] or [(0, 0)], axis=0).tolist())


def told_by(measured: list[MeasureScores], number: int) -> Signature | None:
    """What ragas' measures say together of an answer."""
    return signature({each.measure.part: each.scores[number].value for each in measured})


def _row(each: MeasureScores, judged: JudgedAnswers) -> dict[str, Any]:
    measure, mean = each.measure, each.mean([row.group for row in judged.file.rows])
    return {
        "measure": measure.part,
        "label": measure.label,
        "mean": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "measured": mean.n,
        "of": len(each.scores),
        "unmeasured": each.reasons,
        "better": {1: "higher", -1: "lower", 0: "neither"}[measure.direction],
        "seconds": round(each.seconds, 3),
        "failed": each.failed,
        "against_labels": people.record(judged.against[measure.part]),
    }


def answer_record(number: int, row: AnswerRow, measured: list[MeasureScores]) -> dict[str, Any]:
    met = told_by(measured, number)
    return {
        "place": row.place,
        **({"id": row.id} if row.id else {}),
        "label": row.label,
        "signature": met and met._asdict(),
        "scores": {each.measure.part: score_record(each.scores[number], row.case) for each in measured},
    }


def score_record(score: AnswerScore, case: AnswerCase) -> dict[str, Any]:
    """A score with the text of its claims, their evidence and its wrong words."""

    def cut(claim) -> str:
        return case.passages[claim.passage - 1][slice(*claim.evidence)] if claim.evidence else ""

    return {
        "value": score.value,
        "reason": score.reason,
        "claims": [c._asdict() | {"text": case.answer[c.start : c.end], "evidence_text": cut(c)} for c in score.claims],
        "words": [words._asdict() | {"text": case.answer[words.start : words.end]} for words in score.words],
        "detail": score.detail,
    }
