"""Exact fallback and filtered search, on results whose faults are known."""

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.index.exact import Exact
from core.labs.index import filtered
from core.labs.index.fallback import RULES, fallback_curve, steps
from core.labs.index.filtered import by_selectivity, deep, only
from core.labs.index.measure import recall
from core.progress import drain
from core.records import Candidates

rng = np.random.default_rng(11)
VECTORS = rng.normal(size=(500, 12)).astype(np.float32)
QUERIES = rng.normal(size=(80, 12)).astype(np.float32)


class Masked:
    """Exact search that knows filters. `misses` [rows] are never found; `short` cuts results of filtered searches."""

    def __init__(self, vectors=VECTORS, misses=(), short=None):
        self.vectors, self.short, self.asked = vectors, short, []
        self.open = np.ones(len(vectors), bool)
        self.open[list(misses)] = False
        self.size = len(vectors)

    def search(self, queries, depth, tie_order=None, *, settings=None, among=None):
        self.asked.append((len(queries), depth))
        ids = np.flatnonzero(self.open if among is None else self.open & among)
        found = Exact().build(self.vectors[ids], None).search(queries, depth)
        chunk = np.where(found.chunk >= 0, ids[found.chunk], -1).astype(np.int32) if len(ids) else found.chunk
        if self.short is not None and among is not None:
            chunk[:, self.short :], found.score[:, self.short :] = -1, np.nan
        return Candidates(chunk, found.score)


def candidates(*scores):
    score = np.array(scores, np.float32)
    return Candidates(np.where(np.isnan(score), -1, np.arange(score.shape[1])).astype(np.int32), score)


NAN = np.nan


@pytest.mark.parametrize(("rule", "found", "k", "safety"), [
    ("margin", candidates([1.0, 0.8, 0.7], [1.0, 0.8, 0.8], [1.0, 0.6, NAN]), 2, [0.5, 0.0, 0.0]),
    ("margin", candidates([1.0, 0.8]), 2, [np.inf]),
    ("margin", candidates([NAN, NAN, NAN]), 2, [0.0]),
    ("crowding", candidates([1.0, 0.75, 0.5, 0.25], [1.0, 0.75, 0.75, NAN]), 2, [0.5, 0.0]),
    ("likeness", candidates([0.5, 0.25], [NAN, NAN]), 2, [0.5, -np.inf]),
    ("complete", candidates([0.9, 0.8], [0.9, NAN], [NAN, NAN]), 2, [1, 0.5, 0]),
    ("selectivity", candidates([0.9, 0.8]), 2, [1]),
])  # fmt: skip
def test_a_rule_gives_what_its_text_says(rule, found, k, safety):
    assert RULES[rule].safety(found, k, None) == pytest.approx(safety)
    assert RULES[rule].safety.__doc__.count("Assumes") == 1


def test_filter_counts_into_completeness_and_selectivity():
    among = np.array([True, False, False, False])
    assert RULES["complete"].safety(candidates([0.9, NAN]), 2, among).tolist() == [1]
    assert RULES["selectivity"].safety(candidates([0.9, NAN]), 2, among).tolist() == [0.25]


def test_the_curve_tells_a_rule_that_knows_from_a_blind_one():
    k, number = 4, 200
    truth = Candidates(np.tile(np.arange(k, dtype=np.int32), (number, 1)), np.tile(np.float32([0.9, 0.8, 0.7, 0.6]), (number, 1)))
    bad = np.arange(number) < 50  # half of theirs is wrong, and only they score low
    chunk = np.where(bad[:, None], np.int32([0, 1, 8, 9]), np.int32([0, 1, 2, 3]))
    score = np.where(bad[:, None], 0.1, 0.9) - np.linspace(0, 0.01, k) + np.linspace(0, 1e-3, number)[:, None]
    found = Candidates(chunk, score.astype(np.float32))
    curve = {round(p.sent, 2): p for p in fallback_curve(found, truth, k, "likeness", approximate_ms=1.0, exact_ms=10.0)}
    assert curve[0.0].recall_after == curve[0.0].recall_before == pytest.approx(0.875) and curve[0.0].saved_ms == 9
    assert np.isnan(curve[0.0].recall_sent)
    assert curve[0.25].recall_after == 1 and curve[0.25].recall_sent == 0.5
    assert curve[0.25].recall_random == pytest.approx(0.875 + 0.25 * 0.125)
    assert curve[0.25].recall_after > curve[0.25].random_high > curve[0.25].random_low
    assert curve[0.25].ms == pytest.approx(1 + 2.5) and curve[0.25].saved_ms == pytest.approx(6.5)
    assert curve[1.0].recall_after == 1 == pytest.approx(curve[1.0].recall_random) and curve[1.0].saved_ms == -1
    blind = Candidates(chunk, rng.permutation(score).astype(np.float32))
    inside = [
        p.random_low - 0.004 <= p.recall_after <= p.random_high + 0.004 for p in fallback_curve(blind, truth, k, "likeness")
    ]
    assert np.mean(inside) > 0.9


def test_the_random_band_holds_what_random_choices_reach():
    values = rng.choice([1.0, 0.75, 0.5, 0.0], 120)
    truth = Candidates(np.tile(np.arange(4, dtype=np.int32), (120, 1)), np.tile(np.float32([0.9, 0.8, 0.7, 0.6]), (120, 1)))
    chunk = np.where(np.arange(4) < (values * 4)[:, None], np.arange(4), 9).astype(np.int32)
    found = Candidates(chunk, np.linspace(1, 2, 120, dtype=np.float32)[:, None] + np.zeros((1, 4), np.float32))
    point = fallback_curve(found, truth, 4, "likeness", thresholds=np.array([1.25]))[0]
    sent = round(point.sent * 120)
    reached = [values.mean() + (1 - values)[rng.choice(120, sent, replace=False)].sum() / 120 for _ in range(4000)]
    assert point.recall_random == pytest.approx(np.mean(reached), abs=0.002)
    assert [point.random_low, point.random_high] == pytest.approx(np.percentile(reached, [2.5, 97.5]), abs=0.006)


def test_questions_with_nothing_to_find_are_left_out():
    truth = candidates([0.9, 0.8], [NAN, NAN])
    curve = fallback_curve(candidates([0.9, 0.8], [NAN, NAN]), truth, 2, "complete", exact_ms=np.array([4.0, 400.0]))
    assert [p.recall_before for p in curve] == [1] * len(curve) and curve[-1].ms == 4
    assert fallback_curve(candidates([NAN]), candidates([NAN]), 1, "complete") == ()


def test_thresholds_send_from_none_to_all():
    safety = np.append(rng.normal(size=99), np.inf)
    sent = [(safety < threshold).mean() for threshold in steps(safety)]
    assert sent[0] == 0 and sent[-1] == 0.99 and len(sent) == 21 and np.diff(sent).max() < 0.06
    assert steps(np.full(5, np.inf)).tolist() == [0.0] and len(steps(np.ones(5))) == 2


def test_filters_by_group_in_every_way_equal_exact_search_on_an_index_without_fault(monkeypatch):
    monkeypatch.setattr(filtered, "LATENCIES", 3)
    groups = ["a"] * 300 + ["b"] * 150 + ["c"] * 45 + ["d"] * 5
    rows = drain(by_selectivity(Masked(), Masked(), QUERIES, 10, groups=groups, most_groups=3, overfetch=50))
    assert [(r.label, r.allowed) for r in rows[::3]] == [("a", 300), ("b", 150), ("c", 45)]
    assert [r.strategy for r in rows[:3]] == ["before", "after", "exact"]
    assert all((r.recall == 1).all() and r.short == 0 for r in rows)
    assert rows[3].selectivity == 0.3 and rows[0].depth == 10 and rows[1].depth == 500 and rows[1].p95_ms >= rows[1].p50_ms


def test_what_a_filter_loses_is_seen(monkeypatch):
    monkeypatch.setattr(filtered, "LATENCIES", 1)
    rows = drain(by_selectivity(Masked(short=4), Masked(), QUERIES, 10, selectivities=(0.02, 0.5, 0.004), overfetch=1.0))
    of = {(r.allowed, r.strategy): r for r in rows}
    assert list(dict.fromkeys(r.allowed for r in rows)) == [250, 10, 2]
    assert of[250, "before"].short == 80 and (of[250, "before"].recall == 0.4).all()
    assert of[10, "before"].short == 80 and of[2, "before"].short == 0  # two are allowed, two were found
    assert of[250, "after"].short > 0 and of[250, "after"].depth == 20 and of[250, "after"].recall.mean() < 1
    assert of[2, "after"].depth == 500 and (of[2, "after"].recall == 1).all()
    few = drain(by_selectivity(Masked(), Masked(), QUERIES, 10, selectivities=(0.002, 0.001, 0.0005)))
    assert [r.label for r in few] == ["random 0.2%"] * 3, "one chunk of 500, once in each way, by its own share"
    again = drain(by_selectivity(Masked(short=4), Masked(), QUERIES, 10, selectivities=(0.5,), overfetch=1.0))
    assert (again[1].recall == of[250, "after"].recall).all()


def test_only_keeps_order_and_pads_and_deep_has_bounds():
    found = candidates([0.9, 0.8, 0.7, 0.6], [0.5, 0.4, NAN, NAN])
    kept = only(found, np.array([False, True, False, True]), 3)
    assert kept.chunk.tolist() == [[1, 3, -1], [1, -1, -1]]
    assert kept.score[0, :2].tolist() == pytest.approx([0.8, 0.6]) and np.isnan(kept.score[0, 2])
    assert deep(10, 0.5, 10_000) == 40 and deep(10, 0.5, 30) == 30 and deep(10, 1e-6, 10**6) == filtered.DEEPEST
    assert recall(kept, found, 1).tolist() == [0, 0]


@pytest.mark.parametrize("settings", [{"selectivities": (0.0,)}, {"selectivities": (1.2,)}, {"strategies": ("beside",)}])
def test_bad_filters_name_themselves(settings):
    with pytest.raises(WorkbenchError) as error:
        drain(by_selectivity(Masked(), Masked(), QUERIES, 10, **settings))
    assert error.value.where == next(iter(settings)) and "Allowed" in error.value.todo
