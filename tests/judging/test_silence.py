"""Answered, abstained, and each where it should not have been."""

import math

from core.judging.measures.abstained import Abstained
from core.judging.measures.answered import AnswerStated
from core.judging.measures.wrongly_abstained import WronglyAbstained
from core.judging.measures.wrongly_answered import WronglyAnswered
from tests.support.judging import judged, said, values

ANSWERS = ("In 1889.", "I don't know.", "Sorry, I do not know [1].", "", "[1]")


def test_an_answer_answers_or_abstains_or_is_empty():
    cases = [said(answer) for answer in ANSWERS]
    assert values(AnswerStated(), *cases) == [1, 0, 0, 0, 0]
    assert values(Abstained(), *cases) == [0, 1, 1, 0, 0]


def test_each_is_wrong_on_its_own_questions():
    asked = [said(answer, answerable=True) for answer in ANSWERS]
    unanswerable = [case._replace(answerable=False) for case in asked]
    assert values(WronglyAbstained(), *asked) == [0, 1, 1, 1, 1]
    assert values(WronglyAnswered(), *unanswerable) == [1, 0, 0, 0, 0]
    assert all(math.isnan(value) for value in values(WronglyAbstained(), *unanswerable) + values(WronglyAnswered(), *asked))


def test_failed_answers_are_neither():
    (score,) = judged(AnswerStated(), said("", finish_reason="failed: it hung"))
    assert math.isnan(score.value) and "hung" in score.reason


def test_another_language_names_its_own_words():
    assert values(Abstained(phrases="Das weiß ich nicht"), said("Das weiß ich nicht."), said("I don't know.")) == [1, 0]
