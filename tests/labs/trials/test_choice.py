"""The winner of dev: how much of its mean is luck, and what it is worth on test."""

import json

import numpy as np
import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.labs.experiments import book, results
from core.labs.experiments.experiment import made
from core.labs.trials import choice, comparison, values
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial


def test_of_recipes_that_are_alike_the_highest_mean_is_luck_and_the_optimism_says_how_much():
    rng = np.random.default_rng(0)
    bias, told, inside = [], [], []
    for _ in range(60):
        table = rng.normal(size=(20, 100))  # twenty recipes with the mean 0
        best = choice.winner(table, 200)
        bias.append(best.mean), told.append(best.optimism), inside.append(best.low <= 0 <= best.high)
    assert np.mean(bias) > 0.15  # 1.87 standard errors: the expected maximum of 20 normals
    assert np.mean(told) == pytest.approx(np.mean(bias), rel=0.2)
    assert np.mean(inside) > 0.9


def test_a_winner_far_ahead_is_chosen_always_and_with_little_optimism():
    table = np.random.default_rng(1).normal(size=(5, 200)) * 0.1 + np.array([0, 0, 0.5, 0, 0])[:, None]
    best = choice.winner(table)
    assert best.place == 2 and best.shares.tolist() == [0, 0, 1, 0, 0]
    assert abs(best.optimism) < 0.002 and best.low < table[2].mean() < best.high


def test_the_shares_are_those_of_a_plain_loop():
    table = np.random.default_rng(2).normal(size=(4, 30))
    best, rng = choice.winner(table, 400, seed=3), np.random.default_rng(9)
    drawn = [np.argmax(table[:, rng.integers(0, 30, 30)].mean(axis=1)) for _ in range(4000)]
    assert best.shares == pytest.approx(np.bincount(drawn, minlength=4) / 4000, abs=0.07)
    assert best.shares.sum() == pytest.approx(1)


def test_equals_share_the_choice():
    table = np.tile(np.random.default_rng(3).normal(size=40), (2, 1))
    assert choice.winner(table).shares.tolist() == [0.5, 0.5]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def bench(home):
    bench = Workbench(home)
    dev, test = add_questions(bench.store, name="dev", n=60), add_questions(bench.store, name="test", first=60, n=50)
    for seed, (weight, quality) in enumerate([(0.1, 0.4), (0.2, 0.8), (0.3, 0.5)]):
        add_trial(bench.store, dev, {"fusion.weight": weight, "corpus.questions": "dev"}, quality, seed, "s")
    add_trial(bench.store, test, {"fusion.weight": 0.1, "corpus.questions": "test"}, 0.4, 11, "s")
    return bench


def test_before_the_test_questions_the_report_says_what_is_missing_then_it_pairs_on_test(home, bench, monkeypatch, capsys):
    dev = [trial for trial in comparison.trials(bench) if trial.questions == "dev"]
    result = choice.choice(bench, dev, "ndcg_linear")
    assert result.dev.recipes[result.winner.place].settings["fusion.weight"] == 0.2
    assert result.dev.recipes[result.base].settings["fusion.weight"] == 0.1 and result.on_test is None
    assert "corpus.questions=test" in choice.todo(bench, result) and "fusion.weight=0.2" in choice.todo(bench, result)
    test = bench.store.questions("test")
    won = add_trial(bench.store, test, {"fusion.weight": 0.2, "corpus.questions": "test"}, 0.8, 12)
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    assert main(["choice", "s", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    other = next(trial.id for trial in comparison.trials(bench) if trial.questions == "test" and trial.id != won)
    wanted = bench.compare(other, won, "ndcg_linear")
    [dev_row, test_row] = record["difference to the base"]
    assert test_row["n"] == 49 and dev_row["n"] == 59
    for name in ("difference", "low", "high", "p"):
        assert test_row[name] == pytest.approx(wanted[name])
    assert record["mean on test"] == pytest.approx(wanted["mean_b"]) and not record["to do"]
    assert record["chosen in"][0]["share"] > 0.9


def test_where_the_base_wins_there_is_nothing_to_report(bench):
    dev = [trial for trial in comparison.trials(bench) if trial.questions == "dev"]
    best = next(trial for trial in dev if trial.settings["fusion.weight"] == 0.2)
    result = choice.choice(bench, dev, "ndcg_linear", best.id)
    assert result.on_dev is None and "base itself" in choice.record(bench, result)["to do"]


def test_a_choice_on_all_questions_is_refused(tmp_path):
    bench = Workbench(tmp_path)
    add_trial(bench.store, add_questions(bench.store))
    with pytest.raises(WorkbenchError, match="dev questions"):
        choice.choice(bench, values.select(bench)[1], "ndcg_linear")
    with pytest.raises(WorkbenchError, match="base is not among"):
        questions = add_questions(bench.store, name="dev")
        add_trial(bench.store, questions, {"corpus.questions": "dev"}), add_trial(bench.store, questions, {"seed": 3})
        choice.choice(bench, comparison.trials(bench), "ndcg_linear", "no trial")


def halves(bench, settings, where, seed, quality=0.6, sweep="rounds"):
    half = where["fingerprint"].partition(" ")[0]
    return add_trial(bench.store, where, {"corpus.questions": half, **settings}, quality, seed, sweep)


@pytest.fixture
def empty(tmp_path):
    return Workbench(tmp_path)


def test_of_rounds_with_more_and_more_questions_the_last_has_the_say_and_the_base_of_the_study_is_compared(
    empty, monkeypatch, capsys
):
    few, all_of_dev, test = (
        add_questions(empty.store, name=name, n=n) for name, n in (("dev few", 20), ("dev", 60), ("test", 50))
    )
    points = [{"retrieval.candidates": number} for number in (30, 40, 50)]
    for seed, settings in enumerate([*points, {}]):  # the base is measured last, as of several workers it may be
        halves(empty, settings, few, seed, quality=1.0 if seed == 0 else 0.2)
    for seed, settings in enumerate([points[1], {}]):
        halves(empty, settings, all_of_dev, seed, quality=0.9 if seed == 0 else 0.3)
        halves(empty, settings, test, seed, quality=0.9 if seed == 0 else 0.3)
    factors = [{"setting": "retrieval.candidates", "values": [30, 40, 50]}]
    study = {"id": "rounds", "base": {"corpus": {"dataset": "tiny"}}, "factors": factors, "choose_on": "dev"}
    book.save(empty, made({**study, "design": {"kind": "halving", "trials": 0, "first_questions": 20}}))
    members = results.of_study(empty, book.load(empty, "rounds"))
    base = results.baseline_of(empty, [trial for trial in members if trial.settings["corpus.questions"] == "dev"])
    told = choice.choice(empty, members, "ndcg_linear", base)
    assert told.dev.recipes[told.winner.place].settings["retrieval.candidates"] == 40
    assert told.dev.recipes[told.base].settings["retrieval.candidates"] == 100 and told.on_test.n == 49
    monkeypatch.setenv("GROUNDWORK_HOME", str(empty.home))
    assert main(["choice", "rounds", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["difference to the base"][1]["n"] == 49


def test_questions_of_the_test_half_are_paired_only_where_they_are_the_same(empty):
    dev, test = add_questions(empty.store, name="dev", n=40), add_questions(empty.store, name="test", first=40, n=40)
    other = add_questions(empty.store, name="test other", first=60, n=40)
    base = halves(empty, {}, dev, 0, 0.2)
    halves(empty, {"retrieval.candidates": 30}, dev, 1, 0.9)
    halves(empty, {}, test, 2), halves(empty, {"retrieval.candidates": 30}, other, 3)
    told = choice.choice(empty, comparison.trials(empty), "ndcg_linear", base)
    assert told.on_test is None and len(told.missing) == 2  # the same places, and other questions
    halves(empty, {}, other, 4)
    assert choice.choice(empty, comparison.trials(empty), "ndcg_linear", base).on_test.n == 39


def test_of_equal_means_the_winner_is_what_was_measured_on_test(empty):
    dev, test = add_questions(empty.store, name="dev", n=40), add_questions(empty.store, name="test", first=40, n=40)
    base = halves(empty, {}, dev, 0, 0.1)
    _, second, _ = (halves(empty, {"retrieval.candidates": number}, dev, 1, 0.9) for number in (30, 40, 50))
    halves(empty, {}, test, 2), halves(empty, {"retrieval.candidates": 40}, test, 3)
    told = choice.choice(empty, comparison.trials(empty), "ndcg_linear", base)
    assert told.dev.recipes[told.winner.place].id == second and told.on_test is not None


def test_in_a_study_trials_are_named_by_what_differs_among_them(empty):
    dev = add_questions(empty.store, name="dev", n=40)
    for number in (30, 40):
        halves(empty, {"retrieval.candidates": number, "chunking.size_tokens": 64}, dev, 1)
    names = comparison.labels(comparison.trials(empty))
    assert "64" not in " ".join(names) and {"30", "40"} == {word for name in names for word in name.split() if word.isdigit()}
