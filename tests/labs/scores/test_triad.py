"""The triad of answers: which measure stands for each role, which answers are low, and the reasons that are told."""

import math

import pytest

from core.errors import WorkbenchError
from core.judging.measure import CONTRADICTED, SUPPORTED, AnswerCase, AnswerScore, Claim
from core.labs.scores import triad
from core.labs.scores.answer_file import AnswerRow
from core.labs.scores.judging import MeasureScores, measures
from core.labs.scores.sets import ScoredSet

CASES = [
    AnswerCase("When?", "At five. At six.", ("It opens at five.", "Nothing.")),
    AnswerCase("Where?", "There.", ("Here.",)),
    AnswerCase("Who?", "", ("Nobody.",)),
]


def answers(**scores: list[AnswerScore]) -> ScoredSet:
    rows = [AnswerRow(str(place), case) for place, case in enumerate(CASES)]
    measured = [MeasureScores(measure, scores[measure.part]) for measure in measures(list(scores))]
    return ScoredSet("mine", rows, measured, [], {})


def of(*values: float, **more) -> list[AnswerScore]:
    return [AnswerScore(value, "" if value == value else "empty answer", **more) for value in values]


SAID = {"replies": [[{"statements": [{"statement": "It is there.", "reason": "No passage says so.", "verdict": 0}]}]]}


def test_a_judge_goes_before_words_and_a_role_that_nobody_scored_is_left_out():
    found = triad.triad(
        answers(containment=of(1, 1, 1), ragas_faithfulness=of(0.2, 0.9, math.nan), context_precision=of(0.5, 0, 0)).measured
    )
    assert {name: each.measure.part for name, each in found.items()} == {
        "context_relevance": "context_precision",
        "groundedness": "ragas_faithfulness",
    }
    unmeasured = answers(containment=of(1, 1, 1), ragas_faithfulness=of(math.nan, math.nan, math.nan))
    assert triad.triad(unmeasured.measured)["groundedness"].measure.part == "containment"


def test_low_is_below_in_each_role_and_never_what_is_unmeasured():
    roles = triad.triad(answers(ragas_faithfulness=of(0.2, 0.9, math.nan), context_precision=of(0.5, 0, 0)).measured)
    assert triad.low(roles, ["groundedness"], 0.5) == [0] and triad.low(roles, ["context_relevance"], 0.5) == [1, 2]
    assert triad.low(roles, ["groundedness", "context_relevance"], 0.6) == [0] and triad.low(roles, (), 0.5) == [0, 1, 2]


def test_reasons_are_the_judges_words_or_what_the_measure_found():
    claims = (Claim(0, 8, 1.0, SUPPORTED), Claim(9, 16, 0.1, CONTRADICTED))
    scored = answers(
        ragas_faithfulness=of(0.0, 0.9, math.nan, detail=SAID),
        containment=of(0.5, 1, 1, claims=claims),
        context_precision=of(0.5, 0, 0),
    )
    by_name = {each.measure.part: each for each in scored.measured}

    def why(name: str, place: int = 0) -> list[str]:
        return triad.reasons(by_name[name], by_name[name].scores[place], CASES[place])

    assert why("ragas_faithfulness") == ["It is there.: no: No passage says so."]
    assert why("containment") == ["1 of 2 claims without objection", "contradicted: At six."]
    assert why("context_precision") == ["1 of 2 passages hold gold evidence"]
    assert why("ragas_faithfulness", 2) == ["empty answer"]
    made = triad.table(scored, ["groundedness"])
    assert [row["question"] for row in made.rows] == ["When?"] and "Answer relevance: not scored" in made.note
    with pytest.raises(WorkbenchError, match="No answer has a score for 'answer_relevance'"):
        triad.table(scored, ["answer_relevance"])
