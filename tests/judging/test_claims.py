"""What an answer states, and what only frames it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.judging.claims import statements
from core.judging.measure import AnswerCase

LIST = """Sure! Here are the steps to boil eggs:

1. Cover the eggs with cold water.
2) Bring it to a boil.
- Wait 12 minutes. Drain them.
(4) Peel

I hope this helps!"""


def said(answer):
    return [each.text for each in statements(AnswerCase("q", answer, ()))]


def test_items_of_a_list_are_statements_and_its_marks_are_not():
    wanted = ["Cover the eggs with cold water.", "Bring it to a boil.", "Wait 12 minutes.", "Drain them.", "Peel"]
    assert said(LIST) == wanted
    for each in statements(AnswerCase("q", LIST, ())):
        assert LIST[each.start : each.end] == each.text
    assert said("Three steps: 1. Fill it. 2. Boil it.") == ["Fill it.", "Boil it."]
    assert said("## Cold water\nFill it.\n**Hot water**\nBoil it.\n\nLast:\n- Eat it.") == ["Fill it.", "Boil it.", "Eat it."]
    assert said("**Paris**") == ["Paris"]
    assert said("42.") == ["42."] and said("It was in 1887. It was 4.") == ["It was in 1887.", "It was 4."]


@pytest.mark.parametrize(
    "answer",
    [
        "On Saturday it opens at 9:30.",
        "It opens at 9 a.m. and closes at 5 p.m. on Mondays.",
        "Dr. Smith of the U.S. Navy spoke to Gov. J. B. Pritzker on Jan. 5.",
        "No. 1 was approx. 2.5 sq. ft. of it.",
    ],
)
def test_times_titles_and_initials_end_no_statement(answer):
    assert said(answer) == [answer] and said(f"{answer} The end.") == [answer, "The end."]


def test_what_is_all_in_small_letters_has_sentences_too():
    assert said("paris. it is the capital.") == ["paris.", "it is the capital."]


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("Based on the given passages, the tower is old.", "the tower is old."),
        ("According to passage 1, the tower is old.", "the tower is old."),
        ("Passages 1 and 3 state that the tower is old.", "the tower is old."),
        ("The provided context also mentions that it is old.", "it is old."),
        ("According to the constitution, the tower is old.", "According to the constitution, the tower is old."),
        ("The answer is 42 metres.", "42 metres."),
        ("So the answer to your question is that it is old.", "it is old."),
        ("From the north, it is old.", "From the north, it is old."),
        ("Yes, according to passage 2, it is old.", "it is old."),
        ("No, the text says that it is new.", "it is new."),
        ("Yes, it is old.", "Yes, it is old."),
    ],
)
def test_where_it_is_said_is_not_part_of_what_is_said(answer, wanted):
    [each] = statements(AnswerCase("q", answer, ()))
    assert each.text == wanted == answer[each.start : each.end]


@pytest.mark.parametrize(
    "answer",
    [
        "Unable to answer based on given passages.",
        "I'm sorry, but I cannot answer the question.",
        "The passages do not mention how old it is.",
        "There is no information about its age.",
        "However, it does not specify the year.",
        "Its age is not mentioned in the provided passages.",
        "Here's what I found:",
        "To boil eggs, follow these simple steps:",
        "Certainly!",
        "Let me know if you have other questions.",
    ],
)
def test_a_frame_states_nothing(answer):
    assert said(answer) == [] and said(f"{answer}\n\nThe tower is old.") == ["The tower is old."]


@pytest.mark.parametrize(
    "answer",
    [
        "The tower does not have a lift.",
        "They do not contain gluten.",
        "Scientists cannot determine its age.",
        "The document retention law does not include letters.",
        "The passages do not mention the price, but it was built in 1889.",
        "The two ways are boiling and frying.",
        "Sure signs of age are cracks in the wall and rust on the door of the house.",
        "No.",
        "In order: Anna, Bell and Carl.",
    ],
)
def test_a_fact_in_like_words_is_a_statement(answer):
    assert said(answer) == [answer]


def test_marks_of_emphasis_are_blank_and_every_character_keeps_its_place():
    answer = "1. **Tower**: it is *very* old.\n2. **`make`** builds it."
    rows = statements(AnswerCase("q", answer, ()))
    assert [each.text for each in rows] == ["Tower  : it is  very  old.", "make    builds it."]
    assert [answer[each.start :][:5] for each in rows] == ["Tower", "make`"]


@given(st.text(alphabet="ab. \n1)-•:!?*", max_size=80))
def test_statements_stand_in_the_answer_in_their_order(answer):
    rows = statements(AnswerCase("q", answer, ()))
    assert all(answer[each.start : each.end].replace("*", " ") == each.text for each in rows if "\n" not in each.text)
    assert all(a.end <= b.start for a, b in pairwise(rows))


def test_an_endless_list_is_cut_to_its_items():
    assert (
        len(said("1. a\n" * 20_000)) == 20_000
        and len(said("a" * 200_000)) == len(said("## " * 50_000)) + 1 == 1
        and len(said("the passages do not say " * 20_000)) <= 1
    )
