"""What a study says: each point against the base, the order of its factors, and which questions it is told of."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.labs.experiments import book, results
from core.labs.experiments.experiment import made
from core.statistics.paired import paired_difference
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial

FACTORS = [{"setting": "sparse.k1", "values": [0.5, 1.0, 1.5]}]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("home"))
    questions = add_questions(bench.store, 60)
    for seed, (k1, quality) in enumerate(((1.5, 0.6), (0.5, 0.3), (1.0, 0.95))):
        add_trial(bench.store, questions, {"sparse.k1": k1}, quality, seed=seed, sweep="s")
    add_trial(bench.store, add_questions(bench.store, 30, name="few"), {"sparse.k1": 1.0}, 0.9, seed=7, sweep="s")
    add_trial(bench.store, questions, {"sparse.b": 0.1}, 0.5, seed=9)
    return bench


def study(**changes):
    return made({"id": "s", "base": {"corpus": {"dataset": "tiny"}}, "factors": FACTORS, **changes})


def test_points_stand_in_the_order_of_their_values_and_are_paired_with_the_base(bench):
    sets = results.question_sets(study(), results.of_study(bench, study()))
    assert [len(of) for of in sets] == [3, 1]
    told = results.results(bench, study(), sets[0], "recall")
    assert [row.settings for row in told.rows] == [{"sparse.k1": k1} for k1 in (0.5, 1.0, 1.5)]
    assert told.baseline.settings["sparse.k1"] == 1.5 and told.rows[2].difference is None
    assert told.best is told.rows[1].trial and told.rows[1].equal and not told.rows[0].equal
    values = [bench.trial_values(row.trial.id, "recall", 10) for row in told.rows]
    table = np.array([[value for value in own.values() if value == value] for own in values])
    for row, own in zip(told.rows[:2], table[:2], strict=True):
        [wanted] = paired_difference(own, table[2])
        assert row.difference.difference == pytest.approx(wanted.difference)
        assert row.difference[1:3] == pytest.approx((wanted.low, wanted.high), abs=0.03)
        assert (row.difference.low > 0 or row.difference.high < 0) == (wanted.low > 0 or wanted.high < 0)


def test_another_trial_may_be_the_baseline(bench):
    own = study()
    outside = next(t for t in bench.trials() if t["sweep"] == "")["id"]
    sets = results.question_sets(own, results.of_study(bench, own))
    told = results.results(bench, study(baseline=outside), sets[0], "recall")
    assert told.baseline.id == outside and len(told.rows) == 4


@pytest.mark.slow
def test_of_a_baseline_that_was_chosen_the_recipe_counts_on_the_test_questions_too(tmp_path):
    bench, halves = Workbench(tmp_path), {"choose_on": "dev", "report_on": "test", "confirm": "all"}
    chosen = {}
    for half, n in (("dev", 40), ("test", 60)):
        questions = add_questions(bench.store, n, half)
        for number, k1 in enumerate((1.5, 0.5, 1.0)):
            settings = {"sparse.k1": k1, "corpus.questions": half}
            chosen[half, k1] = add_trial(bench.store, questions, settings, 0.3 + number / 4, number, "s")
    own = study(baseline=chosen["dev", 0.5], **halves)
    members = results.of_study(bench, own)
    assert results.reported(bench, own, members, "mrr").reference.id == chosen["test", 0.5]
    for baseline, wanted, name in ((("test", 0.5), 0.5, "baseline"), (("test", 9), 1.5, "base")):
        own = study(baseline=chosen.get(baseline, "gone"), **halves)
        told = results.results(bench, own, results.question_sets(own, members)[0], "mrr")
        assert (told.baseline.id, told.reference) == (chosen["dev", wanted], name)
        assert sum(row.difference is not None for row in told.rows) == 2


def test_a_recipe_that_is_no_point_may_be_compared_with_and_until_it_is_measured_the_base_is(bench):
    sets = results.question_sets(study(), results.of_study(bench, study()))
    own = study(against={"sparse.b": 0.1})
    told = results.results(bench, own, sets[0], "recall")
    assert (told.reference, told.baseline.settings["sparse.k1"], len(told.rows)) == ("base", 1.5, 3)
    add_trial(bench.store, sets[0][0].config and add_questions(bench.store, 60), {"sparse.b": 0.1}, 0.5, seed=5, sweep="s")
    sets = results.question_sets(own, results.of_study(bench, own))
    told = results.results(bench, own, sets[0], "recall")
    assert (told.reference, told.baseline.settings["sparse.b"]) == ("baseline", 0.1)
    assert [row.settings["sparse.k1"] for row in told.rows if not row.beside] == [0.5, 1.0, 1.5]
    assert [row.trial.id for row in told.rows if row.beside] == [told.baseline.id]
    assert all(row.difference is not None for row in told.rows if not row.beside)
    values = {row["trial"]: row["sparse.k1"] for row in results.rows(own, told)}
    assert values.pop(told.baseline.id) is None and sorted(values.values()) == [0.5, 1.0, 1.5]
    assert results.baseline_of(bench, sets[0]) == ""  # the study is not recorded
    sets = results.question_sets(study(), results.of_study(bench, study()))
    assert len(results.results(bench, study(), sets[0], "recall").rows) == 3  # compared with the base it is left out


def test_halving_is_told_by_its_last_round(bench):
    halving = study(design={"kind": "halving", "trials": 0, "first_questions": 30})
    sets = results.question_sets(halving, [t for t in results.of_study(bench, halving)])
    assert [of[0].total for of in sets] == [60, 30]


def test_the_table_is_that_of_the_command_and_an_unmeasured_study_says_what_to_do(bench):
    table = results.measured(bench, study())
    assert (
        [row["sparse.k1"] for row in table] == [0.5, 1.0, 1.5]
        and table[0]["group"] == "significantly worse"
        and "ndcg_linear" in table[0]
    )
    book.save(bench, study(id="new"))
    with pytest.raises(WorkbenchError, match="no measured trial"):
        results.measured(bench, book.load(bench, "new"))


def test_methods_are_named_by_the_value_that_makes_them(bench):
    experiment = study(factors=[{"setting": "chunking", "values": ["sentence", {"part": "recursive", "size_tokens": 64}]}])
    trial = results.of_study(bench, experiment)[0]

    def named(**chunking):
        return results.settings_of(experiment, replace(trial, config={**trial.config, "chunking": chunking}))["chunking"]

    assert named(**experiment.recipe.chunking.model_dump()) == "recursive"  # the base, with its part's defaults
    assert named(part="recursive", size_tokens=64, overlap_tokens=32) == {"part": "recursive", "size_tokens": 64}


@pytest.mark.slow
def test_trials_of_an_earlier_base_are_not_compared_with_those_of_the_present_one(tmp_path):
    bench = Workbench(tmp_path)
    questions, doc = add_questions(bench.store), {"id": "s", "factors": FACTORS}
    old = [add_trial(bench.store, questions, {"sparse.k1": k1}, 0.95, seed, "s") for seed, k1 in enumerate((0.5, 1.0))]
    assert {row["trial"] for row in results.measured(bench, study())} == {*old}
    settings = {"retrieval.top_k": 15}
    new = [add_trial(bench.store, questions, {"sparse.k1": k1, **settings}, 0.4, int(k1), "s") for k1 in (0.5, 1.0, 1.5)]
    now = {**doc, "base": {"corpus": {"dataset": "tiny"}, "retrieval": {"top_k": 15}}}
    rows = results.measured(bench, made(now))
    assert {row["trial"] for row in rows} == {*new} and rows[0]["p (Holm)"] is not None
    named = results.measured(bench, made({**now, "baseline": old[0]}))
    assert {row["trial"] for row in named} == {*new, old[0]}  # which somebody chose to compare with
    assert len(results.measured(bench, made({"id": "s"}))) == 5  # of a folder all


@pytest.mark.slow
def test_on_the_questions_to_report_on_a_recipe_is_the_mean_of_its_seeds_and_is_not_compared_with_itself(tmp_path):
    bench, own = Workbench(tmp_path), study(choose_on="dev", report_on="test", confirm="all", repeats=2)
    assert results.reported(bench, own, [], "mrr") is None
    questions, halves = add_questions(bench.store, 60), {"corpus.questions": "test"}
    for number, (k1, quality) in enumerate(((1.5, 0.5), (0.5, 0.3), (1.0, 0.9))):
        for seed in (0, 1):
            add_trial(bench.store, questions, {"sparse.k1": k1, "seed": seed, **halves}, quality, 2 * number + seed, "s")
    members = results.of_study(bench, own)
    told = results.reported(bench, own, members, "mrr")
    assert [row.trial.settings["sparse.k1"] for row in told.rows] == [0.5, 1.0] and told.tested == 2
    assert told.reference.settings["sparse.k1"] == 1.5
    table = {row.settings["sparse.k1"]: row for row in results.results(bench, own, members, "mrr").rows}
    for row in told.rows:
        wanted = table[row.trial.settings["sparse.k1"]]
        assert (row.mean, row.reference_mean) == pytest.approx((wanted.interval.mean, table[1.5].interval.mean))
        assert row.paired[:3] == pytest.approx(wanted.difference[:3]) and row.paired.n == 59
