"""Sentences in other words: what is said stays, and what is in no table stays as it was."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.training.faithfulness.corrupted import OPPOSITE
from core.training.faithfulness.reworded import PHRASES, SYNONYMS, _led, _orders, _phrases, _words, reworded


def ways(kind, text):
    return {new for _, new in kind(text)}


def test_no_word_stands_for_its_opposite_or_itself():
    assert all(word not in others and OPPOSITE.get(word) not in others for word, others in SYNONYMS.items())
    assert SYNONYMS["physician"] == ["doctor"] and "physician" in SYNONYMS["doctor"]
    assert "street" not in SYNONYMS.get("road", ())  # only one way


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It broke due to frost.", "It broke because of frost."),
        ("He wrote 3 books.", "He wrote three books."),
        ("He wrote three books.", "He wrote 3 books."),
        ("About 5% of it", "About 5 percent of it"),
        ("It costs $1,200.", "It costs 1,200 dollars."),
        ("the capital of France is old", "France's capital is old"),
        ("It is Anna's house", "It is the house of Anna"),
        ("He bought bread, milk and eggs.", "He bought eggs, bread and milk."),
        ("It may rain.", "It might rain."),
    ],
)
def test_a_phrase_is_exchanged(text, wanted):
    assert wanted in ways(_phrases, text)


def test_words_keep_their_case_and_clauses_change_places():
    assert ways(_words, "Physicians help him.") == {"Doctors help him.", "Physicians assist him."}
    assert ways(_orders, "In 2010, the company bought the mill.") == {"The company bought the mill in 2010."}
    assert ways(_orders, "The mill was sold when Anna Bell died.") == {"When Anna Bell died, the mill was sold."}
    assert ways(_orders, "Anna Bell left.") == set()
    assert {"You should ask him.", "However, ask him."} < ways(_led, "Ask him.")


@pytest.mark.parametrize(
    "text", ["In May 2014 he left the United Nations.", "He has 3.5 of 13 points, 4% and $2 million.", "zzz qqq"]
)
def test_what_is_in_no_table_stays(text):
    assert ways(_phrases, text) <= {"He has 3.5 of 13 points, 4 percent and $2 million."} and not ways(_words, text)


def test_so_many_changes_and_each_once():
    text = "The physician said that the kids need medication because of the illness."
    assert reworded(text, 0, np.random.default_rng(0)) == text
    some = [reworded(text, times, np.random.default_rng(seed)) for times in (1, 3) for seed in range(20)]
    assert text not in some[:20] and len({*some}) > 20
    assert some[20:] == [reworded(text, 3, np.random.default_rng(seed)) for seed in range(20)]
    changed = [len({*re.findall(r"\w+", text.lower())} - {*re.findall(r"\w+", each.lower())}) for each in some]
    assert np.mean(changed[20:]) > np.mean(changed[:20])


@given(st.text(alphabet="the of in a, .1%$Aif becau", max_size=60), st.integers(0, 2**31))
def test_any_text_ends(text, seed):
    assert isinstance(reworded(text, 5, np.random.default_rng(seed)), str)


def test_every_phrase_changes_something():
    assert all(pattern.sub(new, "x") == "x" for pattern, new in PHRASES)
    assert len({pattern.pattern for pattern, _ in PHRASES}) == len(PHRASES)
