"""Stored trials side by side: the numbers of `Workbench.compare`, honest pairing, marks and words."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_rel

from core.__main__ import main
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.trials import comparison, listing
from core.labs.trials.comparison import ABSENT
from core.statistics.corrections import holm
from core.statistics.t_test import t_p
from core.workbench import Workbench
from tests.support.synthetic_trials import add_failed, add_questions, add_trial


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Workbench(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def ids(bench) -> dict[str, str]:
    store = bench.store
    first, other = add_questions(store), add_questions(store, name="other", dataset="other")
    more = add_questions(store, name="tiny-2", first=30)  # q30 to q69; q39 has no gold evidence in the first set
    return {
        "failed": add_failed(store),
        "base": add_trial(store, first, seed=1),
        "same": add_trial(store, first, seed=1),
        "worse": add_trial(store, first, {"fusion.weight": 0.5, "sparse.k1": 0.9}, 0.1, 2, sweep="a"),
        "better": add_trial(store, first, {"fusion.part": "rrf", "evaluation.k": 5}, 1.0, 3, sweep="a"),
        "other": add_trial(store, other, seed=4),
        "more": add_trial(store, more, {"chunking.size_tokens": 128}, seed=5),
    }


@pytest.fixture
def trials(bench, ids) -> dict[str, comparison.Trial]:
    by_id = {trial.id: trial for trial in comparison.trials(bench)}
    return {name: by_id[trial_id] for name, trial_id in ids.items()}


def test_trials_come_newest_first_with_means_coverage_and_costs(bench, ids, trials):
    assert [trial.id for trial in comparison.trials(bench)] == sorted(ids.values(), reverse=True)
    base = trials["base"]
    assert (base.n, base.total, base.k) == (39, 40, 10)
    values = np.array(list(bench.trial_values(base.id, "ndcg_linear").values()))
    assert base.metrics["ndcg_linear"] == pytest.approx(np.nanmean(values))
    assert base.costs["latency_ms"].value == 3.0 and base.costs["total_ms"].value == 26.0
    assert trials["failed"].metrics == {} and "encoder" in trials["failed"].reason


def test_a_trial_that_came_before_its_questions_is_read_again_when_they_are_there(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(Workbench(tmp_path / "elsewhere").store)
    add_trial(bench.store, questions)
    assert comparison.trials(bench)[0].metrics == {}
    add_questions(bench.store)
    assert comparison.trials(bench)[0].n == 39 and len(listing.everything(bench).groups()) == 1


@pytest.mark.parametrize("metric", ["ndcg_linear", "hit"])
@pytest.mark.parametrize("other", ["worse", "better", "same"])
def test_comparisons_give_the_numbers_of_the_command_line(bench, trials, other, metric):
    result = comparison.compare(bench, trials["base"], [trials["worse"], trials["better"], trials["same"]], metric)
    row = next(row for row in result.rows if row.trial is trials[other])
    wanted = bench.compare(trials["base"].id, trials[other].id, metric)
    assert (row.reference_mean, row.mean) == pytest.approx((wanted["mean_a"], wanted["mean_b"]))
    for name in ("difference", "low", "high", "p", "effect_size", "wins", "losses", "ties", "n", "total"):
        assert getattr(row.paired, name) == (pytest.approx(wanted[name], abs=1e-9) if wanted[name] is not None else None)


def test_p_is_corrected_over_what_is_compared_and_recipes_tried_are_counted(bench, trials):
    result = comparison.compare(bench, trials["base"], [trials["worse"], trials["better"], trials["other"]])
    p = [row.paired.p for row in result.rows[:2]]
    assert [row.p_holm for row in result.rows] == [*holm(np.array(p)), None]
    assert result.tested == 2
    assert result.tried == 3  # "same" is the recipe of "base" once more
    assert [result.verdict(row) for row in result.rows] == ["worse", "better", "not compared"]


def test_a_verdict_names_the_context_that_it_costs(bench, trials):
    def context(name: str, tokens: float) -> comparison.Trial:
        return replace(trials[name], costs={"context_at_k": comparison.Spread(tokens)})

    found = comparison.compare(bench, trials["base"], [trials["better"]])
    said = {
        tokens: replace(found, reference=context("base", 1000)).verdict(found.rows[0]._replace(trial=context("better", tokens)))
        for tokens in (300, 1100, 3400, 20_000)
    }
    assert said == {
        300: "better, at 0.3 times the context",
        1100: "better",
        3400: "better, at 3.4 times the context",
        20_000: "better, at 20 times the context",
    }


def test_only_questions_of_the_same_words_are_paired(bench, trials):
    """Both sets have q0 to q39; a corpus that numbers its questions alike asks others."""
    row = comparison.compare(bench, trials["base"], [trials["other"]]).rows[0]
    assert row.paired is None and "no measured question" in row.note


def test_a_part_of_the_questions_is_paired_and_told(bench, trials):
    row = comparison.compare(bench, trials["base"], [trials["more"]]).rows[0]
    assert row.paired.n == 9 and "shares 9 questions" in row.note  # q30 to q38


def test_questions_that_were_answered_are_told_by_their_own_number_not_by_that_of_the_rankings(tmp_path):
    bench, half = Workbench(tmp_path), {"f1": {f"q{i}": i % 2 for i in range(10)}}
    questions = add_questions(bench.store)
    for weight, answered in ((0.1, half), (0.2, half), (0.3, {"f1": {"q1": 1.0, "q2": 0.0}})):
        add_trial(bench.store, questions, {"fusion.weight": weight}, answered=answered)
    fewer, other, base = comparison.trials(bench)
    rows = comparison.compare(bench, base, [other, fewer], "f1").rows
    assert [row.note for row in rows] == ["", "shares 2 questions: 10 measured in the reference, 2 here"]


def test_of_a_measure_of_which_less_is_better_the_lower_value_wins(tmp_path):
    bench, ids = Workbench(tmp_path), [f"q{i}" for i in range(39)]
    questions = add_questions(bench.store)
    for weight, few, many in ((0.1, 0.5, 0.5), (0.2, 0.2, 0.9)):  # less noise on 30 questions, more on 9
        said = {question: few if place < 30 else many for place, question in enumerate(ids)}
        add_trial(bench.store, questions, {"fusion.weight": weight}, answered={"noise": said})
    other, base = comparison.trials(bench)
    result = comparison.compare(bench, base, [other], "noise")
    [row] = comparison.rows(result, {other.id: "other"})
    assert row["Difference"] < 0 and row["Verdict"] == "better" and (row["Won"], row["Lost"], row["Tied"]) == (30, 9, 0)
    pair = comparison.pair(bench, base.id, other.id, "noise")
    assert pair["difference"] < 0 and (pair["wins"], pair["losses"], pair["ties"]) == (30, 9, 0)


def test_other_evidence_for_the_same_questions_is_told_on_the_command_line_too(tmp_path, monkeypatch, capsys):
    """As after a correction of the file of questions: part of the difference is of the judgements."""
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    bench = Workbench(tmp_path)
    asked = add_questions(bench.store, n=12)
    before = add_trial(bench.store, asked, seed=1)
    corrected = asked | {"fingerprint": "corrected", "queries": [query | {} for query in asked["queries"]]}
    for query in corrected["queries"][:3]:
        query["gold"] = [[*span[:3], 2, 0] for span in query["gold"]]
    corrected["queries"][3]["gold"] = [[*span[:3], 0, 0] for span in corrected["queries"][3]["gold"]]  # no longer relevant
    bench.store.add("questions", corrected)
    after = add_trial(bench.store, corrected, seed=1)
    told = "shares 10 questions: 11 measured in the reference, 10 here; has other evidence for 3 of these questions"
    first, second = comparison.named(bench, [before, after])
    assert [row.note for row in comparison.compare(bench, first, [second]).rows] == [told]
    said = [json.loads(_said(capsys, "trials", verb, before, after)) for verb in ("compare", "compare-with")]
    assert said[0]["caution"] == told and said[1]["caution"].endswith(f": {told}.")
    assert json.loads(_said(capsys, "trials", "compare", before, before))["caution"] == ""


def _said(capsys, *words: str) -> str:
    assert main([*words, "--json"]) == 0
    return capsys.readouterr().out


def test_another_depth_is_judged_again_and_told(bench, trials):
    row = comparison.compare(bench, trials["base"], [trials["better"]]).rows[0]
    assert "depth 5" in row.note


def test_a_trial_without_results_cannot_be_compared(bench, trials):
    with pytest.raises(WorkbenchError, match="failed"):
        comparison.compare(bench, trials["base"], [trials["failed"]])


def test_the_table_of_a_comparison_has_a_row_for_each_even_if_nothing_is_shared(bench, trials):
    result = comparison.compare(bench, trials["base"], [trials["other"], trials["worse"]])
    empty, full = comparison.rows(result, {trial.id: name for name, trial in trials.items()})
    assert (empty["Trial"], empty["n"], empty["Difference"]) == ("other", 0, None)
    assert full["Won"] + full["Lost"] + full["Tied"] == full["n"] == 39


def test_questions_are_listed_by_the_size_of_the_change(bench, trials):
    table = comparison.by_question(bench, trials["base"], trials["worse"], "mrr")
    change = np.abs(table["change"])
    assert len(change) == 39 and (np.diff(change) <= 0).all()
    assert np.allclose(np.array(table["value"]) - np.array(table["reference"]), table["change"])


def test_marks_are_for_the_best_of_comparable_trials_and_its_equals(bench, trials):
    marks = comparison.best(bench, list(trials.values()), ["mrr"])["mrr"]
    assert marks == {trials["base"].id, trials["same"].id}  # alone in their groups: other, more, and better with its depth


def test_groups_have_names_of_their_own(trials):
    """The set of later questions has the corpus, size and depth of the first."""
    named = comparison.named_groups(trials.values())
    assert set(named) == {
        "tiny, 40 questions, k 10",
        "tiny, 40 questions, k 10, other",
        "tiny, 40 questions, k 5",
        "other, 40 questions, k 10",
    }
    assert trials["base"] in named["tiny, 40 questions, k 10"] and sum(map(len, named.values())) == 6


def test_the_t_test_of_the_marks_is_the_paired_one():
    rng = np.random.default_rng(0)
    a, b = rng.random(30), rng.random(30)
    error = (a - b).std(ddof=1) / np.sqrt(30)
    p = t_p(
        np.array([(a - b).mean(), 0.0, 0.5, 1.0, 0.5]), np.array([error, 0.0, 0.0, 0.0, np.nan]), np.array([30, 30, 30, 2, 1])
    )
    assert p[0] == pytest.approx(ttest_rel(a, b).pvalue)
    assert p[1:].tolist() == [1.0, 2.0**-29, 0.5, 1.0], "as few signs can tell; of one question there is no error"


def test_recipes_are_told_by_their_parts_and_what_was_changed(trials):
    size = TrialConfig().chunking.size_tokens
    assert trials["base"].recipe == f"recursive {size} · convex"
    assert trials["worse"].recipe == f"recursive {size} · BM25, k1 0.9 · convex, weight 0.5"
    names = comparison.labels([trials["base"], trials["worse"]])
    assert names == [trials["base"].title, trials["worse"].title]
    first, again = comparison.labels([trials["base"], trials["base"]])  # an id only where no words tell them apart
    assert first == again == f"Hybrid convex, defaults ({trials['base'].short})"
    assert comparison.recipe(trials["worse"]).sparse.k1 == 0.9


def test_only_settings_that_differ_are_told(trials):
    different = comparison.differing([trials["base"], trials["worse"], trials["better"]])
    assert different["sparse.k1"] == ["1.5", "0.9", "1.5"]
    assert different["fusion.constant"] == [ABSENT, ABSENT, "60"]
    assert "chunking.size_tokens" not in different
    assert comparison.differing([trials["base"], trials["same"]]) == {}


def test_a_recipe_of_a_part_that_is_gone_can_be_listed_and_says_so_when_opened(bench, trials):
    config = TrialConfig().model_dump(mode="json") | {"fusion": {"part": "of old", "knob": 3}}
    old = replace(trials["base"], config=config)
    assert "of old, knob 3" in old.recipe
    with pytest.raises(WorkbenchError, match="of old"):
        comparison.recipe(old)


def test_filters_and_words_narrow_the_list(bench, trials):
    def names(**given):
        found = listing.everything(bench).matching(**given).ids
        return {name for name, trial in trials.items() if trial.id in found}

    assert names(status="failed") == {"failed"}
    assert names(dataset="other") == {"other"}
    assert names(text="K1 weight") == names(text="weight k1") == {"worse"}
    assert names(text="encoder loaded") == {"failed"}
    assert names(text=trials["more"].short) == {"more"}
    assert names(sweep="a") == {"worse", "better"}
    assert len(names()) == 7


def test_a_sweep_is_named_by_what_it_varied(bench, trials):
    assert listing.everything(bench).summary().sweeps == {"a": "sparse k1 × fusion × evaluation k, 2 trials"}


def test_the_command_line_too_pairs_by_words(bench, ids):
    with pytest.raises(WorkbenchError, match="share no measured question"):
        bench.compare(ids["base"], ids["other"])
    part = bench.compare(ids["base"], ids["more"])
    assert (part["n"], part["measured_a"], part["measured_b"]) == (9, 39, 39)


def test_recipes_tried_are_counted_anew_and_other_documents_are_told(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    for weight, corpus in ((0.1, "one"), (0.2, "two")):
        add_trial(bench.store, questions, {"fusion.weight": weight}, fingerprints={"corpus": corpus})
    second, first = comparison.trials(bench)
    result = comparison.compare(bench, first, [second])
    assert result.tried == 2 and "other documents" in result.rows[0].note
    assert len(comparison.groups([first, second])) == 2
    add_trial(bench.store, questions, {"seed": 3}, seed=3)
    assert comparison.compare(bench, first, [second]).tried == 3


def test_a_trial_is_called_by_what_differs_from_the_default_unless_people_named_it(bench, ids, trials):
    assert trials["base"].title == "Hybrid convex, defaults"
    assert trials["worse"].title == "Hybrid convex, k1 0.9, weight 0.5"
    assert trials["better"].title == "Hybrid RRF, k 5" and trials["more"].title == "Hybrid convex, chunk 128"
    assert comparison.made_name({"fusion": {"part": "of old"}, "evaluation": {"k": 10}}) == "of old, defaults"
    many = {
        "fusion.part": "sparse_only",
        "chunking.part": "sentence",
        "chunking.size_tokens": 64,
        "sparse.k1": 1.0,
        "sparse.b": 0.5,
        "retrieval.top_k": 50,
        "retrieval.candidates": 50,
        "embedding.pooling": "cls",
    }
    name = comparison.made_name(with_settings(TrialConfig(), many).model_dump(mode="json"))
    assert name == "BM25, sentence chunk 64, k1 1, b 0.5, candidates 50, 1 more"  # the encoder is not asked
    bench.describe(trials["base"].id, name="Start", note="where it began", tags=["paper"])
    everything = comparison.trials(bench)
    named = next(trial for trial in everything if trial.id == ids["base"])
    assert named.title == "Start" and named.tags == ("paper",)
    assert listing.everything(bench).matching(tag="paper").ids == [ids["base"]]
    assert listing.everything(bench).matching(text="where began").ids == [ids["base"]]


def test_equal_recipes_are_repeats(bench, ids):
    told = {name: listing.everything(bench).repeat(trial) for name, trial in ids.items()}
    assert {name: repeat for name, repeat in told.items() if repeat} == {"base": (1, 2), "same": (2, 2)}


@pytest.mark.parametrize(
    ("equal", "others", "words"),
    [
        (0, 2, "all others are significantly worse"),
        (0, 1, "the other is significantly worse"),
        (1, 2, "1 of the 2 others does not differ significantly from it"),
        (2, 2, "no other differs significantly from it"),
    ],
)
def test_how_many_equal_the_best_is_told_without_a_double_negation(equal, others, words):
    assert comparison.equals_words(equal, others) == words
