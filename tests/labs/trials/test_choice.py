"""The winner of dev: how much of its mean is luck, and what it is worth on test."""

import json

import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.labs.experiments import book, results
from core.labs.experiments.experiment import made
from core.labs.trials import choice, comparison, values
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial


@pytest.fixture(scope="module")
def bench(home):
    bench = Workbench(home)
    dev, test = add_questions(bench.store, name="dev", n=60), add_questions(bench.store, name="test", first=60, n=50)
    for seed, (weight, quality) in enumerate([(0.1, 0.4), (0.2, 0.8), (0.3, 0.5)]):
        add_trial(bench.store, dev, {"fusion.weight": weight, "corpus.questions": "dev"}, quality, seed, "s")
    add_trial(bench.store, test, {"fusion.weight": 0.1, "corpus.questions": "test"}, 0.4, 11, "s")
    return bench


@pytest.mark.slow
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
    told = choice.choice(bench, dev, "ndcg_linear")
    assert record["context on test"] == told.more_context() == "", "nothing is known of these"
    longer = told._replace(contexts=(1200.0, 400.0)).more_context("baseline")
    assert "1,200 tokens" in longer and "the baseline 400" in longer and "at 3.0 times the context" in longer


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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_of_a_measure_of_which_less_is_better_the_lower_value_wins(empty):
    dev = add_questions(empty.store, name="dev", n=40)
    for weight, few, many in ((0.1, 0.5, 0.5), (0.2, 0.2, 0.9)):  # less noise on 30 questions, more on 9
        said = {f"q{i}": few if i < 30 else many for i in range(39)}
        add_trial(empty.store, dev, {"fusion.weight": weight, "corpus.questions": "dev"}, answered={"noise": said})
    record = choice.record(empty, choice.choice(empty, comparison.trials(empty), "noise"))
    [row] = record["difference to the base"]
    assert row["difference"] < 0 and (row["won"], row["lost"], row["tied"]) == (30, 9, 0)


def test_of_equal_means_the_winner_is_what_was_measured_on_test(empty):
    dev, test = add_questions(empty.store, name="dev", n=40), add_questions(empty.store, name="test", first=40, n=40)
    base = halves(empty, {}, dev, 0, 0.1)
    _, second, _ = (halves(empty, {"retrieval.candidates": number}, dev, 1, 0.9) for number in (30, 40, 50))
    halves(empty, {}, test, 2), halves(empty, {"retrieval.candidates": 40}, test, 3)
    told = choice.choice(empty, comparison.trials(empty), "ndcg_linear", base)
    assert told.dev.recipes[told.winner.place].id == second and told.on_test is not None


def test_in_a_study_trials_are_called_as_everywhere(empty):
    dev = add_questions(empty.store, name="dev", n=40)
    for number in (30, 40):
        halves(empty, {"retrieval.candidates": number, "chunking.size_tokens": 64}, dev, 1)
    names = comparison.labels(comparison.trials(empty))
    assert {name.partition(" (")[0] for name in names} == {f"Hybrid convex, chunk 64, candidates {n}" for n in (30, 40)}
