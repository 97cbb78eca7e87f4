"""Which answers the reference answers accept."""

import pytest

from core.context.prompt import says_unknown
from core.judging.measures.abstained import Abstained
from core.judging.measures.answered import AnswerStated
from core.judging.reference import accepts, accepts_itself, declines
from tests.support.judging import said, values


@pytest.mark.parametrize(("answer", "references", "right"), [
    ("The Denver Broncos.", ("Denver Broncos",), True),
    ("It was won by the Denver Broncos [1].", ("Denver Broncos", "Broncos"), True),  # holds one whole
    ("Denver's own team", ("Denver Broncos",), False),
    ("Carbondale", ("carbon",), False),  # whole words only
    ("opens at six in the morning", ("opens at six or seven on some mornings",), False),
    ("opens at six or seven in mornings", ("opens at six or seven on some mornings",), True),  # F1 = 12 / 14
    ("", ("six",), False),
    ("I don't know.", ("six",), False),
    ("A", ("A",), False),  # an article: nothing is left of it
    ("anything", (), False),
])  # fmt: skip
def test_an_answer_is_right_by_its_words(answer, references, right):
    assert accepts(answer, references) is right


def test_a_reference_that_no_answer_can_reach_is_told():
    long = " ".join(f"word{i}" for i in range(100))
    assert accepts_itself((long,), 100) and accepts_itself((long,), 34)  # F1 = 2 * 34 / 134
    assert not accepts_itself((long,), 33) and not accepts_itself(("The",), 200)
    assert accepts_itself((long, "short"), 10)


def test_not_knowing_is_said_in_the_words_of_the_prompt():
    assert declines("I don't know.") and declines("Sorry, I don't know that [1].") and not declines("Nobody knows it.")


@pytest.mark.parametrize(
    "text", ["I don\u2019t know.", "\u201cI don\u2019t  know.\u201d ", "i DO NOT know", "I dont know", "Sorry - I don't know!"]
)
def test_not_knowing_is_read_in_any_typography(text):
    assert declines(text) and says_unknown(text) and says_unknown(text, begins=True) == ("Sorry" not in text)
    assert values(Abstained(), said(text)) == [1] and values(AnswerStated(), said(text)) == [0]


def test_what_only_sounds_like_it_is_an_answer():
    assert not says_unknown("He did not know.") and not says_unknown("They say: I don't know it. Lund.", begins=True)
