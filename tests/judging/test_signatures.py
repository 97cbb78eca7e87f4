import math
from pathlib import Path

import pytest

from core.judging.measure import AnswerCase, AnswerScore
from core.judging.measures.ragas_answer_relevancy import RagasAnswerRelevancy
from core.judging.measures.ragas_faithfulness import RagasFaithfulness
from core.judging.signatures import FAITHFULNESS, PRECISION, RECALL, RELEVANCY, SIGNATURES, signature
from core.labs.scores.answer_file import AnswerFile, AnswerRow
from core.labs.scores.judging import JudgedAnswers, MeasureScores, record


@pytest.mark.parametrize("faithfulness, relevancy, precision, recall, name", [
    (1.0, 0.0, math.nan, math.nan, "cut out"),
    (1.0, 0.0, 0.5, 0.0, "cut out"),
    (1.0, 0.0, 1.0, 1.0, "declined"),
    (0.0, 0.9, 0.5, 0.1, "from memory"),
    (0.2, 0.9, 1.0, 1.0, "made up"),
    (0.2, 0.9, math.nan, math.nan, "fluent invention"),
    (0.0, 0.2, 0.5, 0.5, "off the point"),
    (0.9, 0.9, 0.9, 0.2, "not retrieved"),
    (0.9, 0.9, 0.2, 0.9, "ranked low"),
    (0.5, 0.0, 0.5, 0.5, "evasive"),
    (0.9, 0.9, 0.9, 0.9, None),
    (math.nan,) * 4 + (None,),
])  # fmt: skip
def test_scores_of_a_question_are_told_in_a_sentence(faithfulness, relevancy, precision, recall, name):
    met = signature({FAITHFULNESS: faithfulness, RELEVANCY: relevancy, PRECISION: precision, RECALL: recall})
    assert (met and met.name) == name
    assert met is None or met.sentence.endswith(".")


def test_what_was_not_measured_meets_nothing_and_every_signature_can_be_met():
    assert signature({}) is None
    value = {"high": 1.0, "low": 0.2, "zero": 0.0}
    for each in SIGNATURES:
        assert signature({measure: value[level] for measure, level in each.wants.items()}) == each


def test_the_page_of_methods_has_them_all():
    page = (Path(__file__).resolve().parents[2] / "docs/methods/judging.md").read_text("utf-8")
    assert not [each.name for each in SIGNATURES if each.sentence not in page]


def test_answers_scored_by_ragas_are_told_their_signature():
    pairs = ((RagasFaithfulness(), (1.0, 0.9)), (RagasAnswerRelevancy(), (0.0, 0.9)))
    measured = [MeasureScores(measure, [AnswerScore(value) for value in values], 0.0) for measure, values in pairs]
    rows = [AnswerRow("a:1", AnswerCase("?", "No.")), AnswerRow("a:2", AnswerCase("?", "Yes."))]
    parts = {each.measure.part: None for each in measured}
    told = record(JudgedAnswers(AnswerFile("a", rows, 2, ()), measured, None, parts), {})
    assert told["signatures"] == {"cut out": 1}
    assert told["answers"][0]["signature"]["sentence"].endswith("not retrieved.") and told["answers"][1]["signature"] is None
