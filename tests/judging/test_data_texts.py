"""Passages that are data are read as sentences, whole or cut off, and prose is left alone."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.embedding.vectors import embed
from core.judging.copied import SourceWords
from core.judging.data_texts import readable, said
from core.judging.evidence import ROOM, best_sentence, evidence
from core.judging.measure import AnswerCase, JudgeTools, scores
from core.judging.measures.faithfulness import Faithfulness
from core.judging.passage_words import new_numbers, new_share, words_of
from core.progress import drain
from core.statistics.roc import roc

CAFE = {
    "name": "Harbor Grill",
    "hours": {"Monday": "11:0-21:0"},
    "attributes": {"WiFi": "no", "HasTV": True, "OutdoorSeating": False, "Music": None},
    "dishes": ["clam chowder", "fish tacos"],
    "business_stars": 3.0,
    "reviews": [{"stars": 2.5, "text": 'The food was "cold". We waited.\nNever again'}, {"stars": 5, "text": "Café crème 🙂!"}],
}
SAYS = [
    "name: Harbor Grill.",
    "hours, Monday: 11:00 to 21:00 (11 AM to 9 PM).",
    "attributes: no wi fi.",
    "attributes: tv.",
    "attributes: no outdoor seating.",
    "dishes: clam chowder, fish tacos.",
    "business stars: 3.",
    "reviews, stars: 2.5.",
    'reviews, text: The food was "cold".',
    "We waited. Never again.",
    "reviews, stars: 5.",
    "reviews, text: Café crème 🙂!",
]
FORMS = {
    "a line": json.dumps(CAFE),
    "characters as they are": json.dumps(CAFE, ensure_ascii=False),
    "indented": json.dumps(CAFE, indent=2),
    "as Python prints it": str(CAFE),
}


def texts(passage: str) -> list[str]:
    return [each.text for each in said(passage)]


@pytest.mark.parametrize("form", FORMS)
def test_its_values_are_sentences_in_every_form(form):
    assert texts(FORMS[form]) == SAYS and readable(FORMS[form]) == " ".join(SAYS)
    assert texts(f"Structured data:\n{FORMS[form]}\n\nThat is all.") == ["Structured data:", *SAYS, "That is all."]


def test_what_was_cut_off_is_read_as_far_as_it_goes():
    whole = FORMS["a line"]
    assert texts(whole[: whole.index("tacos")]) == [*SAYS[:5], "dishes: clam chowder, fish."]
    assert texts(f"{whole[:-2]}")[:11] == SAYS[:11]


@pytest.mark.parametrize("value, read", [
    ('"9:30"', "9:30 (9:30 AM)"),
    ('"0:0-24:0"', "0:00 to 24:00 (12 AM to 12 AM)"),
    ('"8:0 - 12:30"', "8:00 to 12:30 (8 AM to 12:30 PM)"),
    ('"3:2"', "3:2"),
    ('"25:10"', "25:10"),
    ("1249.0", "1249 (1,249)"),
    ("1234567.5", "1234567.5 (1,234,567.5)"),
    ("999", "999"),
    ('"2019"', "2019"),
])  # fmt: skip
def test_times_and_large_numbers_are_read_as_people_write_them(value, read):
    assert texts(f'{{"x": {value}, "y": 1}}') == [f"x: {read}.", "y: 1."]


def test_lines_of_objects_are_read_one_after_the_other():
    assert texts('{"id": 1, "on": true}\n{"id": 2, "on": false}') == ["id: 1.", "on.", "id: 2.", "no on."]


@pytest.mark.parametrize("prose", [
    "In Python, {'a': 1, 'b': 2} is a dict. It maps keys to values, and keeps the order in which they came. Its keys are hashable.",
    "The set {x : x > 0} is open. So is {y}.",
    "body { color: red; margin: 0 }",
    "It has no braces. It is prose.",
    "",
])  # fmt: skip
def test_prose_and_code_stay_what_they_are(prose):
    assert readable(prose) is prose
    assert all(prose[each.start : each.end] == each.text for each in said(prose))


def test_words_that_are_written_together_are_there():
    there = words_of([FORMS["a line"]])
    assert new_share("It has no Wi-Fi and outdoor seating, 3 stars", there) == pytest.approx(3 / 10)  # it, has, and
    assert new_share("WiFi OutdoorSeating", there) == 0 and not new_numbers("3 stars of 2.5", there)
    assert SourceWords([FORMS["a line"]]).words[:3] == ["name", "harbor", "grill"]


def test_the_values_that_a_claim_rests_on_are_its_evidence_and_are_marked():
    passage = json.dumps({f"dish{i}": f"a plate of something plain that nobody orders, number {i}" for i in range(40)} | CAFE)
    assert len(passage) > 3 * ROOM
    found = evidence((passage,), "There is no Wi-Fi.")
    assert "attributes: no wi fi." in found and len(found) <= ROOM and "{" not in found
    number, (start, end) = best_sentence(("Nothing here.", passage), "There is no Wi-Fi.")
    assert number == 2 and passage[start:end] == '"WiFi": "no"'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=8), some, max_size=3),
    max_leaves=12,
)


@pytest.mark.slow
@given(st.one_of(VALUES.map(json.dumps), VALUES.map(str), st.text(alphabet="{}[]:,\"'\\ua1d .\n")))
def test_it_reads_anything_in_order_and_within_it(passage):
    end = 0
    for each in said(passage):
        assert end <= each.start < each.end <= len(passage) and each.text.strip()
        end = each.end
        each.text.encode()
    assert readable(passage) == passage or "{" in passage


@pytest.mark.slow
def test_brackets_without_end_are_read_in_time():
    for passage in (
        "{" * 300_000,
        '{"a": 1, "b": ' * 30_000,
        '{"a":' * 60_000,
        '{"a": "' + "\\" * 300_000,
        '{"a": 1, "b": "' + "x. " * 100_000,
    ):
        assert said(passage) is not None


@pytest.mark.slow
def test_what_is_true_of_a_record_is_told_from_what_is_not(tmp_path):
    """Statements of one person about three records of different kinds, from which nothing was learnt."""
    about = json.loads(Path(__file__).with_name("about_records.json").read_text("utf-8"))
    told = [(json.dumps(each["record"]), each["right"], each["wrong"]) for each in about]
    cases = [AnswerCase("What is it?", text, (record,)) for record, *both in told for texts in both for text in texts]
    wrong = np.array([text in each["wrong"] for each in about for text in each["right"] + each["wrong"]])
    tools = JudgeTools(None, partial(embed, folder=tmp_path / "vectors"), None)
    made = drain(scores(Faithfulness(), cases, tools))
    doubts, floor = (np.array(values) for values in ([-each.value for each in made], [each.detail["new_words"] for each in made]))
    assert roc(doubts, wrong).auc.mean > roc(floor, wrong).auc.mean + 0.1
