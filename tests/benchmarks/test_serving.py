"""The benchmark of a served recipe: what is planted in questions, and that each promise points into a section that gives it."""

import re

import numpy as np
import pytest

from benchmarks import serving
from benchmarks.promises import PROMISES, at
from core.serving.caches import same_asked

QUICK = serving.Measuring(0.02, 1.0)
OWN = [promise for promise in PROMISES if promise.benchmark == "serving"]


@pytest.mark.parametrize("text, what, other", [
    ("Who was king in 1540?", "number", r"Who was king in 15(4[1-9]|50)\?"), 
    ("Which drugs may be taken?", "negation", r"Which drugs may not be taken\?"), ("Did Ada teach Eve?", "order", r"Did Eve teach Ada\?"),
    ("What came before the war?", "relation", r"What came after the war\?"), ("Who founded Lund?", "name", r"Who founded Gent\?"),
])  # fmt: skip
def test_what_is_planted_makes_another_question(text, what, other):
    made = serving.planted(text, ["Gent"], np.random.default_rng(0))
    assert re.fullmatch(other, made[what]) and not same_asked(text, made[what])


def test_each_promise_names_a_section():
    assert OWN and {promise.place.partition(".")[0] for promise in OWN} <= set(serving.SECTIONS)


@pytest.mark.parametrize("section", ["hit_rate", "canaries"])
def test_a_section_gives_what_is_promised(section, tmp_path):
    result = {section: serving.SECTIONS[section](QUICK, tmp_path)}
    places = [promise.place for promise in OWN if promise.place.startswith(f"{section}.")]
    assert places and all(at(place, result) is not None for place in places)


@pytest.mark.parametrize("good, back", [([1] * 80, 0), ([1] * 40 + [0] * 8 + [1] * 32, 8), ([0] * 80, serving.BACK_S)])
def test_a_burst_is_over_where_all_are_in_time_again(good, back, tmp_path, monkeypatch):
    def loaded(home, url, rates, seconds, recorded, **plan):
        served = [{"good": 20 * timely, "requests": 20} for timely in good[: int(np.ceil(seconds))]]
        return [{"limit": "", "by_second": served}]

    monkeypatch.setattr(serving, "loaded", loaded)
    told = serving.returned(tmp_path, "http://127.0.0.1:1", 5, 20.0)
    assert back <= told["back_s"] <= back + 1
    monkeypatch.setattr(serving, "loaded", lambda *_, **__: [{"limit": "late", "by_second": None}])
    assert serving.returned(tmp_path, "", 5, 20.0) == {"back_s": None, "limit": "late"}
