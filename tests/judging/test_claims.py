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


def said(answer, question="q"):
    return [each.text for each in statements(AnswerCase(question, answer, ()))]


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


ASKED = "What is the height of the Eiffel Tower, and why was it built?"


@pytest.mark.parametrize(
    "answer",
    [
        "Passage 3 provides the necessary information to answer the question.",
        "The relevant passages are 1 and 4.",
        "Passages 1 and 2 discuss the height of the tower.",
        "I looked through all the documents that you provided.",
        "To answer this question, let's review the given sources step by step.",
        "The question asks about the height of the Eiffel Tower and why it was built.",
        "Here is what the search results say about the height of the Eiffel Tower.",
        "That's a great question.",
        "No further details are given in the passages.",
        "Several reasons for building the tower are listed in the context:",
        "In the end Gustave built the tower for these reasons:",
        "Some of the main causes include:",
        "To understand why the tower was built, you could consider:",
        "There are several important aspects:",
        ASKED,
        "The height of the Eiffel Tower, and why was it built?",
    ],
)
def test_what_only_speaks_of_texts_or_of_the_question_frames(answer):
    assert said(answer, ASKED) == [] and said(f"{answer}\n\nIt is 330 m tall.", ASKED) == ["It is 330 m tall."]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (ASKED, "The tower was built for the World's Fair."),
        (ASKED, "It was built as the entrance of a fair for the following reasons: pride and money."),
        (ASKED, "Article 2.4 describes the height of the Eiffel Tower in metres."),
        (ASKED, "The passages describe a wooden tower."),
        (ASKED, "The king asked 'why was it built?' of the town."),
        ("Is the information in the passage right?", "The information in the passage is right."),
        ("If it rains, does the document get wet?", "The document does get wet if it rains."),
        ("Which is higher, the tower or the church?", "The church"),
        ("Why is the information secret?", "The information is secret."),
        ("Why did Curie win a prize for literature?", "Curie did win a prize for literature."),
    ],
)
def test_what_says_more_or_answers_with_the_questions_words_states_it(question, answer):
    assert said(answer, question) == [answer]


def test_where_a_passage_is_named_in_passing_is_blank():
    assert said("It is old (Passage 2).") == ["It is old            ."]
    assert said("It is old, as stated in passage 2.")[0].split() == ["It", "is", "old", "."]
    both = said("It is old [Sources 1 and 3]. It is tall, according to the documents.")
    assert [each.split() for each in both] == [["It", "is", "old", "."], ["It", "is", "tall", "."]]
    assert said("It is old (built in 1889).") == ["It is old (built in 1889)."]


def test_headings_above_a_list_and_references_state_nothing():
    assert said("Main uses\n\n- Radio\n- Television\n\n**References**\n1. A. Smith (1990). Towers. Paris.") == [
        "Radio",
        "Television",
    ]
    assert said("Paris\n\nIt is the capital.") == ["Paris", "It is the capital."]


@pytest.mark.parametrize(
    "lead", ["In summary, ", "However, ", "Additionally, ", "It is important to note that ", "Overall, in fact, "]
)
def test_words_that_lead_over_are_not_part_of_what_is_said(lead):
    assert said(f"{lead}it is old.") == ["it is old."]


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
