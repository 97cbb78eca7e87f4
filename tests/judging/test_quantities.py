"""Numbers with their units, as they are read and compared."""

import math

import pytest

from core.judging.measures.numbers import Numbers
from core.judging.quantities import quantities
from tests.support.judging import judged, said, values


@pytest.mark.parametrize(("text", "read"), [
    ("1,234,567 people in 1889", [(1234567, ""), (1889, "")]),
    ("1.234.567,89", [(1234567.89, "")]),
    ("12\u202f500 and 7'000", [(12500, ""), (7000, "")]),
    ("2,5 kg", [(2.5, "kg")]),
    ("0.33 km", [(0.33, "m")]),
    ("12 %, twelve percent", [(12, "%")]),
    ("US$3.2 million; 3.2 million dollars", [(3.2e6, "USD")]),
    ("three hundred thousand", [(300000, "")]),
    ("-5 °C, 5–6 °C", [(-5, "°C"), (5, ""), (6, "°C")]),
    ("the 19th century, the 1990s", [(19, ""), (1990, "")]),
    ("from 1889-1890", [(1889, ""), (1890, "")]),
    ("B2B and often", []),
    ("$1.5bn, US$3m, €2 bn and £40k", [(1.5e9, "USD"), (3e6, "USD"), (2e9, "EUR"), (4e4, "GBP")]),
    ("1.5bn, 3k, 7M, 2B", [(1.5e9, ""), (3000, ""), (7e6, ""), (2e9, "")]),
    ("2 millions, 5million, 1.5 bn", [(2e6, ""), (5e6, ""), (1.5e9, "")]),
    ("5m, 5 m, 3mm, 2 t", [(5, "m"), (3, "m"), (2, "kg")]),
    ("no figures", []),
])  # fmt: skip
def test_numbers_are_read_with_their_units(text, read):
    assert [(each.number, each.unit) for each in quantities(text)] == [(pytest.approx(number), unit) for number, unit in read]


@pytest.mark.parametrize(("answer", "reference", "value"), [
    ("It is 330 metres tall [1].", "330 m", 1.0),  # the citation is no number
    ("0.33 km", "330 metres", 1.0),
    ("330", "330 metres", 1.0),  # without a unit the number counts
    ("330 feet", "330 metres", 0.0),
    ("twelve per cent", "12%", 1.0),
    ("In 1889 it had 3 floors", "1889", 2 / 3),
    ("1,000,000", "1 million", 1.0),
    ("no number", "1889", 0.0),
    ("two years", "24 months", 1.0),
    ("5 dollars", "5 euros", 0.0),
    ("$1.5bn", "1.5 billion dollars", 1.0),
    ("$1.5", "$1.5bn", 0.0),
    ("2 million", "2", 0.0),
])  # fmt: skip
def test_answers_share_numbers_with_the_reference(answer, reference, value):
    assert values(Numbers(), said(answer, reference)) == pytest.approx([value])


def test_what_is_missing_and_what_is_other_is_told():
    (score,) = judged(Numbers(), said("From 1887 to 1890.", "From 1887 to 1889."))
    assert score.value == 0.5
    assert score.detail == {"same": ["1887"], "missing": ["1889"], "other": ["1890"]}


def test_a_reference_without_a_number_is_unmeasured_and_one_with_counts():
    without, best = judged(Numbers(), said("in 1889", "long ago"), said("in 1889", "long ago", "1889"))
    assert math.isnan(without.value) and without.reason == "no number in the reference"
    assert best.value == 1.0


def test_the_tolerance_is_relative():
    case = said("about 102 m", "100 m")
    assert values(Numbers(), case) == [0.0] and values(Numbers(tolerance=0.02), case) == [1.0]
