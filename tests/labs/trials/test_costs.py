"""Costs with their spread, and which trials no other beats."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_rel

from core.labs.trials import comparison, membership
from core.labs.trials import costs as trial_costs
from core.labs.trials.comparison import Spread
from core.labs.trials.values import matrix
from core.statistics.corrections import holm
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("home"))
    questions = add_questions(bench.store, n=60)

    def add(ms, weight, quality=0.7, seed=1, **changed):
        timed = {"total": [ms * factor for factor in (0.9, 1.0, 1.1, 1.2, 3.0)]}
        costs = {"latency_ms": ms * 1.1, "chunks": 100}
        return add_trial(
            bench.store, questions, {"fusion.weight": weight, **changed}, quality, seed, latency_ms=timed, costs=costs
        )

    add(8.0, 0.5), add(40.0, 0.6), add(10.0, 0.7, seed=1)  # the same work: chance alone
    add(9.0, 0.7, 0.05, 2, **{"chunking.size_tokens": 64})  # worse at the same time
    add(100.0, 0.7, 0.7, 1, **{"chunking.size_tokens": 512})  # slower and not better
    add(100.0, 0.7, 1.0, 4, **{"chunking.size_tokens": 1024})  # slower and better
    return bench


@pytest.fixture
def found(bench):
    return comparison.trials(bench)[::-1]


def test_trials_that_did_the_same_work_share_their_spread(bench, found):
    costs = trial_costs.spreads(bench, found, "latency_ms")
    assert costs[found[0].id] == costs[found[1].id] == Spread(11.0, 8.0, 48.0, 15, 3)
    assert costs[found[3].id] == Spread(pytest.approx(9.9), pytest.approx(9.0), pytest.approx(10.8), 5, 1)
    assert trial_costs.spreads(bench, found, "chunks")[found[0].id] == Spread(100.0)


def test_a_trial_that_was_not_timed_has_the_time_of_those_that_did_the_same_work(bench, found):
    untimed = replace(found[1], costs={"chunks": Spread(100.0)})
    costs = trial_costs.own_or_alike(bench, [found[0], untimed], "latency_ms")
    assert costs == {found[0].id: found[0].costs["latency_ms"], untimed.id: Spread(11.0, 8.0, 48.0, 15, 3)}
    assert {*trial_costs.lent(bench, [found[3], untimed], ["latency_ms", "chunks"])} == {trial.id for trial in found[:3]}
    assert trial_costs.lent(bench, [untimed], ["chunks"]) == []


def test_the_time_is_first_that_of_its_own_experiment(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    elsewhere, here = ({"costs": {"latency_ms": ms}} for ms in (10.0, 5.0))
    add_trial(bench.store, questions, {"fusion.weight": 0.5}, **elsewhere)
    add_trial(bench.store, questions, {"fusion.weight": 0.6}, sweep="mine", **here)
    own = add_trial(bench.store, questions, {"fusion.weight": 0.7}, sweep="mine", costs={})
    other = add_trial(bench.store, questions, {"fusion.weight": 0.8}, sweep="untimed", costs={})
    found = trial_costs.own_or_alike(bench, comparison.some(bench, [own, other]), "latency_ms")
    assert {name: spread.value for name, spread in found.items()} == {own: 5.0, other: 7.5}


def test_only_what_another_is_told_to_beat_falls_out(bench, found):
    costs = trial_costs.spreads(bench, found, "latency_ms")
    kept = trial_costs.unbeaten(bench, found, costs, "ndcg_linear")
    assert kept == {found[i].id for i in (0, 1, 2, 5)}


def test_a_difference_of_one_chunk_is_cheaper_where_quality_is_not_told_apart(bench, found):
    costs = {trial.id: Spread(100.0 + i) for i, trial in enumerate(found[:3])}
    assert trial_costs.unbeaten(bench, found[:3], costs, "ndcg_linear") == {found[0].id}


def test_the_highest_mean_is_not_beaten_by_what_is_cheaper_and_only_not_told_apart(bench, found):
    best, same = found[5], found[0]
    table = matrix(bench, [best, same], "ndcg_linear")[0]
    assert table[0].mean() > table[1].mean()
    few = [best, same]
    costs = {best.id: Spread(200.0), same.id: Spread(100.0)}
    assert trial_costs.unbeaten(bench, few, costs, "ndcg_linear") == {best.id, same.id}
    assert trial_costs.unbeaten(bench, few, {best.id: Spread(99.0), same.id: Spread(100.0)}, "ndcg_linear") == {best.id}


def test_all_pairs_are_the_paired_t_tests_with_holms_correction():
    values = np.random.default_rng(0).normal(size=(5, 40)) + np.array([0, 0, 0.2, 0.5, 1.0])[:, None]
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    p = holm(np.array([ttest_rel(values[i], values[j]).pvalue for i, j in pairs]))
    better = trial_costs._better(values)
    for (i, j), one in zip(pairs, p, strict=True):
        assert (better[i, j] or better[j, i]) == (one < 0.05)
        assert not (better[i, j] and better[j, i])


def test_equal_and_constant_values_are_not_told_apart_or_are():
    values = np.array([[0.5, 0.5, 1.0], [0.5, 0.5, 1.0], [0.6, 0.6, 1.1]])
    assert not trial_costs._better(values).any()  # three questions that say the same are too few
    assert trial_costs._better(np.tile(values, 3)).tolist() == [[False] * 3, [False] * 3, [True, True, False]]


def test_a_trial_that_was_not_timed_has_the_time_of_those_that_did_the_same_work_or_none(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store, n=20)
    untimed = {"latency_ms": {}, "costs": {"chunks": 100}}
    add_trial(bench.store, questions, {"fusion.weight": 0.5}, seed=1, latency_ms={"total": [4.0, 5.0, 6.0]})
    add_trial(bench.store, questions, {"fusion.weight": 0.6}, seed=2, **untimed)
    add_trial(bench.store, questions, {"chunking.size_tokens": 64}, seed=3, **untimed)
    timed, same, other = comparison.trials(bench)[::-1]
    costs = trial_costs.spreads(bench, [timed, same, other], "latency_ms")
    assert costs[same.id] == costs[timed.id] == Spread(5.0, 4.5, 5.5, 3) and other.id not in costs
    assert "latency_ms" not in other.costs
    rows = membership.frontier(bench, "ndcg_linear", "latency_ms")
    assert {row["trial"] for row in rows} == {timed.id, same.id} and all(row["latency_ms"] == 5.0 for row in rows)
