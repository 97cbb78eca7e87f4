"""The frontier over two or three measures, and how often a trial is on it."""

import json

import numpy as np
import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.labs.trials import comparison, membership
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial


def plain(points) -> list[bool]:
    """By the definition: nothing is as good everywhere and better somewhere."""
    return [not any((other >= point).all() and (other > point).any() for other in points) for point in points]


@pytest.mark.parametrize("measures", [2, 3])
def test_the_undominated_are_those_of_the_definition_ties_included(measures):
    values = np.random.default_rng(0).integers(0, 5, (40, 12, measures)).astype(float)
    assert membership.undominated(values).tolist() == [plain(points) for points in values]


def test_equal_points_are_on_the_frontier_together():
    assert membership.undominated(np.array([[[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]]])).tolist() == [[True, True, False]]


@pytest.fixture(scope="module")
def ids(home):
    store = Workbench(home).store
    questions = add_questions(store, n=60)

    def add(weight, quality, seed, chunks, ms):
        costs = {"latency_ms": ms, "chunks": chunks, "tokens_indexed": 100, "context_tokens": 1.0}
        timed = {"total": [ms * factor for factor in (0.9, 1.0, 1.1)]}
        return add_trial(store, questions, {"fusion.weight": weight}, quality, seed, costs=costs, latency_ms=timed)

    return {
        "good": add(0.1, 0.9, 1, 200, 10.0),
        "cheap": add(0.2, 0.5, 2, 50, 10.0),
        "as good": add(0.3, 0.88, 3, 200, 10.0),
        "worse": add(0.4, 0.2, 4, 300, 10.0),
    }


@pytest.fixture
def bench(home):
    return Workbench(home)


def members(bench, ids, *measures):
    stored = comparison.trials(bench)
    result = membership.membership(bench, stored, measures)
    return {name: member for name, trial_id in ids.items() for member in result if member.trial.id == trial_id}


def test_shares_tell_the_sure_from_the_unsure(bench, ids):
    result = members(bench, ids, "ndcg_linear", "chunks")
    assert result["cheap"].share == 1 and result["worse"].share == 0
    assert 0.05 < result["as good"].share < 0.95 and 0.05 < result["good"].share < 0.95
    # of two at the same cost one is ahead in each resample
    assert result["good"].share + result["as good"].share == pytest.approx(1, abs=0.02)
    assert result["good"].on_frontier != result["as good"].on_frontier
    assert result["cheap"].values == pytest.approx((bench_mean(bench, ids["cheap"]), 50))


def bench_mean(bench, trial_id):
    return next(trial.metrics["ndcg_linear"] for trial in comparison.trials(bench) if trial.id == trial_id)


def test_a_time_that_trials_share_tells_none_of_them_apart(bench, ids):
    two, three = members(bench, ids, "ndcg_linear", "chunks"), members(bench, ids, "ndcg_linear", "chunks", "latency_ms")
    assert {name: member.share for name, member in three.items()} == {name: member.share for name, member in two.items()}


def test_the_time_of_an_answer_is_a_median_told_by_quartiles_and_each_trial_has_its_own(tmp_path):
    """An interval of 95% would hang on no number of questions, and one draw for all make the faster by a hair always the fastest."""
    bench, rng = Workbench(tmp_path), np.random.default_rng(0)
    questions, times = add_questions(bench.store), rng.gamma(4.0, 0.25, 400)
    for weight, slower in ((0.1, 0.0), (0.2, 0.002), (0.3, 0.002)):
        add_trial(bench.store, questions, {"fusion.weight": weight}, seed=1, spent={"answer_s": (times + slower).tolist()})
    stored = comparison.trials(bench)
    costs = {trial.id: trial.costs["answer_s"] for trial in stored}
    drawn = membership._drawn(stored, costs, "answer_s", 20_000, 0)
    resampled = np.median(rng.choice(times, (5_000, 400)), axis=1)
    assert drawn.std(axis=0) == pytest.approx([resampled.std()] * 3, rel=0.3)
    both = np.corrcoef(drawn.T)
    assert both[0, 1] == pytest.approx(1) and abs(both[0, 2]) < 0.05, "the same answers take the same time"
    shares = [member.share for member in membership.membership(bench, stored, ("ndcg_linear", "answer_s"))]
    assert all(0.3 < share < 0.7 for share in shares)


def test_the_command_prints_membership_over_three_measures(home, ids, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    assert main(["frontier", "--cost", "chunks", "--third", "mrr", "--json"]) == 0
    rows = {row["trial"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows[ids["cheap"]]["on the frontier"] == "yes" and rows[ids["worse"]]["share of resamples"] == 0
    assert rows[ids["cheap"]]["mrr"] > 0
    assert main(["frontier", "--third", "colour"]) == 1 and "no 'colour'" in capsys.readouterr().err


def test_trials_that_answered_other_questions_have_no_frontier_of_their_answers_and_it_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    store = Workbench(tmp_path).store
    questions = add_questions(store, n=40)
    for number in range(2):
        answered = {"f1": {f"q{10 * number + place}": 0.5 for place in range(10)}}
        add_trial(store, questions, {"sparse.k1": 0.5 + number}, 0.5, number, answered=answered)
    for wanted in (["--metric", "f1"], ["--third", "f1"]):
        assert main(["trials", "frontier", *wanted, "--cost", "chunks"]) == 1
        assert "Fewer than two questions were measured by all" in capsys.readouterr().err


def test_measures_have_to_be_two_or_three_different_ones(bench, ids):
    with pytest.raises(WorkbenchError, match="two or three different"):
        members(bench, ids, "mrr", "mrr")
    assert members(bench, ids, "mrr", "context_at_k") == {}  # nobody measured that
    with pytest.raises(WorkbenchError, match="too many"):
        membership.membership(bench, comparison.trials(bench) * 200, ("mrr", "chunks"))
