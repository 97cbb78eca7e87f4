"""Claims about records: each is true or not of what its record says, and the marked words are what is not."""

import json
from collections import Counter

import numpy as np
import pytest

from core.judging.data_texts import said
from core.training.faithfulness import recorded
from core.training.faithfulness.recorded import claim_of_record
from core.training.faithfulness.sources import CONTRADICTED, NEITHER, SUPPORTED


@pytest.fixture(scope="module")
def drawn():
    return [claim_of_record(np.random.default_rng(i)) for i in range(1500)]


@pytest.fixture(scope="module")
def as_json(drawn):
    return [
        (claim, json.loads(claim.passages[0]))
        for claim in drawn
        if claim.passages[0].startswith('{"') or "\n" in claim.passages[0]
    ]


def leaves(record: dict) -> dict:
    """Each value by its own name."""
    flat = {}
    for name, value in record.items():
        flat |= leaves(value) if isinstance(value, dict) else {name: value}
    return flat


def key_of(noun: str, names) -> list[str]:
    words = noun.lower().removeprefix("a ").removeprefix("an ").replace(" ", "")
    plain = {name: name.lower().replace("_", "") for name in names}
    return [name for name, text in plain.items() if text in (words, f"has{words}", f"offers{words}", f"is{words}")]


def test_each_verdict_comes_and_half_are_right(drawn):
    counts = Counter(claim.verdict for claim in drawn)
    assert abs(counts[SUPPORTED] / len(drawn) - 0.5) < 0.05 and min(counts[CONTRADICTED], counts[NEITHER]) > 100


def test_the_same_seed_gives_the_same_claim(drawn):
    assert [claim_of_record(np.random.default_rng(i)) for i in range(50)] == drawn[:50]


def test_right_claims_mark_nothing_and_wrong_ones_the_words_that_are(drawn):
    for claim in drawn:
        assert bool(claim.spans) == (claim.verdict != SUPPORTED)
        assert all(0 <= span.start < span.end <= len(claim.answer) and span.verdict == claim.verdict for span in claim.spans)


def test_values_and_numbers_that_are_right_stand_in_the_record_and_wrong_ones_do_not(as_json):
    seen = Counter()
    for claim, record in as_json:
        flat = leaves(record)
        for name, wordings in {**recorded.SAYS, **recorded.NUMBERS}.items():
            matching = [f for f in wordings if name in flat and claim.answer.lower() == f.format(_plain(flat[name])).lower()]
            if claim.verdict == SUPPORTED:
                seen["right"] += bool(matching)
            else:
                assert not matching, claim
                seen["wrong"] += any(claim.answer.lower().startswith(f.split("{}")[0].lower()) for f in wordings)
    assert min(seen.values()) > 50


def _plain(value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("wordings, wanted", [(recorded.TRUE, (True, "yes")), (recorded.FALSE, (False, "no"))])
def test_what_there_is_or_not_is_so_in_the_record(as_json, wordings, wanted):
    checked = 0
    for claim, record in as_json:
        flat = leaves(record)
        for noun in recorded.HAS:
            bare = noun.removeprefix("a ").removeprefix("an ")
            if claim.answer.lower() not in {f.format(each).lower() for f in wordings for each in (noun, bare)}:
                continue
            state = [flat[name] for name in key_of(noun, flat)]
            assert (state in [[each] for each in wanted]) == (claim.verdict == SUPPORTED), claim
            assert claim.verdict != NEITHER or state in ([], [None])
            checked += 1
    assert checked > 50


@pytest.mark.slow
def test_every_record_is_read_as_data(drawn):
    assert all(len(said(claim.passages[0])) > 8 and "{" not in said(claim.passages[0])[0].text for claim in drawn[:200])
