"""Any measure of answers as a machine that is held against people: a score of each unit, and of answers that nobody judged."""

from collections.abc import Generator, Sequence
from itertools import pairwise

import numpy as np

from core import registry
from core.agreement.headline import Unjudged
from core.agreement.machines import Machine, places, whole_score
from core.agreement.sources import LabelSource
from core.annotation.label_table import LabelTable
from core.annotation.sentences import sentences
from core.annotation.stored_answers import citations_of_answers, read_candidates
from core.config import TrialConfig
from core.context.citations import BRACKETS
from core.errors import WorkbenchError
from core.judging.measure import AnswerCase, AnswerMeasure
from core.labs.scores.sets import stored_case
from core.pipeline.scores import judge_tools, kept_scores
from core.records import Progress
from core.workbench import Workbench


def usable() -> dict[str, AnswerMeasure]:
    """Those that can stand for a person's yes or no: better in one direction, from 0 to 1, and of texts alone. Containment stands
    beside people as it is."""
    every = {name: cls() for name, cls in registry.parts("measure").items() if name != "containment"}
    return {
        name: measure
        for name, measure in every.items()
        if measure.direction and measure.range == (0.0, 1.0) and set(measure.needs) <= {"passages", "references"}
    }


def measured(
    workbench: Workbench, source: LabelSource, part: str, table: LabelTable, names: Sequence[str], rest: Unjudged
) -> Generator[Progress, None, list[Machine]]:
    """Scores of the measures of these names, turned so that more is better. A sentence is scored as an answer of its own; an answer
    that nobody judged has the mean over its sentences, where people judge sentences."""
    if not names:
        return []
    if source.study is None or part == "preference":
        raise WorkbenchError("These labels come without the texts that they judge, so no measure can score them.")
    if unknown := [name for name in names if name not in usable()]:
        raise WorkbenchError(
            f"'{unknown[0]}' is not a measure of a person's verdict.", where="--measure", todo=f"Measures: {', '.join(usable())}."
        )
    cases, cites = [], citations_of_answers(workbench, source.study)
    for item_id, number, sentence in places(part, table):
        item = source.study.item(item_id)
        response = item.responses[number]
        text = response.text[slice(*response.sentences[sentence])] if part == "sentences" else response.text
        passages = tuple(passage.text for passage in response.passages)
        style = cites.get(response.source, BRACKETS)  # as of those nobody judged
        cases.append(AnswerCase(item.question, text, passages, tuple(item.gold), citations=style))
    others, bounds = _others(workbench, rest, part), [0]
    for each in others:
        bounds.append(bounds[-1] + len(each))
    tools, machines = judge_tools(workbench.pipeline, TrialConfig()), []
    for name in names:
        measure = usable()[name]
        scores = yield from kept_scores(measure, [*cases, *(case for each in others for case in each)], tools)
        values = np.array([score.value for score in scores], np.float64)
        values = values if measure.direction > 0 else 1 - values
        more = values[len(cases) :]
        means = [whole_score(more[a:b]) for a, b in pairwise(bounds)]
        machines.append(Machine(measure.label, values[: len(cases)], np.array(means) if others else None))
    return machines


def _others(workbench: Workbench, rest: Unjudged, part: str) -> list[list[AnswerCase]]:
    """Answers that nobody judged, each by what of it is scored."""
    if not rest.names:
        return []
    by_source = {candidate.source: candidate for candidate in read_candidates(workbench)}
    others = []
    for name in rest.names:
        answer = by_source[name]
        case = stored_case(answer)
        bounds = sentences(answer.text) if part == "sentences" else ((0, len(answer.text)),)
        others.append([case._replace(answer=answer.text[a:b]) for a, b in bounds])
    return others
