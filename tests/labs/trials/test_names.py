"""One recipe has one name, wherever it stands, and a trial stands with its corpus where there are several."""

import pytest

from core.config import TrialConfig, with_settings
from core.labs.experiments import results
from core.labs.experiments.experiment import made
from core.labs.experiments.search import find
from core.labs.papers.results_table import table
from core.labs.store.query import examples
from core.labs.trials import comparison, leaderboard, listing, values
from core.pipeline.recipe_words import made_name
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial

NAME = "Hybrid convex, chunk 508, weight 0.6"
SETTINGS = {"chunking.size_tokens": 508, "fusion.weight": 0.6}


@pytest.mark.slow
def test_a_recipe_has_one_name_in_lists_studies_papers_sql_and_search(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    first = add_trial(bench.store, questions, SETTINGS, sweep="study")
    second = add_trial(bench.store, questions, {"fusion.part": "sparse_only"}, 0.3, sweep="study")
    [own] = comparison.some(bench, [first])
    assert own.title == NAME and {row["title"] for row in listing.everything(bench).table(["ndcg_linear"])} == {
        NAME,
        "BM25, defaults",
    }
    assert comparison.labels(comparison.some(bench, [first, second])) == [NAME, "BM25, defaults"]
    assert [row["name"] for row in table(bench, [first, second])["rows"]] == [NAME, "BM25, defaults"]
    best = bench.store.sql(examples()["The best trial on each corpus"])
    assert NAME in best.rows[0] and find(bench, "hybrid 508").rows[0].title == NAME


def test_equal_names_say_in_what_the_recipes_differ(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    ids = [add_trial(bench.store, questions, {"context.passages": number}, seed=number) for number in (3, 5)]
    twice = [*ids, add_trial(bench.store, questions, {"context.passages": 5}, seed=9)]
    assert comparison.labels(comparison.some(bench, ids)) == ["Hybrid convex, passages 3", "Hybrid convex, passages 5"]
    assert comparison.labels(comparison.some(bench, twice))[1].startswith("Hybrid convex, passages 5 (")


def test_trials_of_several_corpora_are_named_with_theirs(tmp_path):
    bench = Workbench(tmp_path)
    ids = [add_trial(bench.store, add_questions(bench.store, name=of, dataset=of), SETTINGS) for of in ("hills", "plains")]
    assert comparison.labels(comparison.some(bench, ids)) == [f"{NAME}, hills", f"{NAME}, plains"]


def test_what_a_study_varies_is_said_also_at_its_default(tmp_path):
    bench = Workbench(tmp_path)
    [trial] = comparison.some(bench, [add_trial(bench.store, add_questions(bench.store), {"chunking.size_tokens": 508})])
    assert comparison.labels([trial], ["fusion.weight"]) == ["Hybrid convex, chunk 508, weight 0.7"]
    many = {f"sparse.{name}" for name in ("k1", "b")} | {"retrieval.candidates", "retrieval.top_k", "fusion.weight"}
    assert made_name(trial.config, many).count(",") == 6, "those are said however many they are"


def test_what_makes_the_answers_is_named_where_answers_were_judged(tmp_path):
    bench = Workbench(tmp_path)
    settings = {"context.passages": 5, "generation.temperature": 0.7}
    first, second = (add_trial(bench.store, add_questions(bench.store), settings, seed=seed) for seed in (1, 2))
    record = bench.show(second)
    record.pop("id")
    judged = bench.store.add("trial", record | {"answered": {"f1": {"q0": 0.5}}, "seed": 3})
    names = {trial.id: trial.title for trial in comparison.some(bench, [first, judged])}
    assert "temperature" not in names[first] and names[judged].endswith("passages 5, temperature 0.7")
    listed = {row["id"]: row["made_name"] for row in bench.store.query("SELECT id, made_name FROM trials")}
    assert listed[judged] == names[judged] and listed[first] == names[first]
    own = {"context.template": "Use only these passages.\n\n$passages\n\nQuestion: $question"}
    whole = with_settings(TrialConfig(), own).model_dump(mode="json")
    assert made_name(whole, answers=True) == "Hybrid convex, own template"
    assert "Use only these passages" in made_name(whole, ["context.template"]), "of several prompts each is said"
    bare = with_settings(TrialConfig(), {"generation.adapter": ""}).model_dump(mode="json")
    assert made_name(bare, answers=True) == "Hybrid convex, adapter none"


def test_a_trial_that_is_named_later_is_called_so_wherever_its_recipe_was_ranked_before(tmp_path):
    bench = Workbench(tmp_path)
    questions, study = add_questions(bench.store), made({"id": "s", "base": {"corpus.dataset": "tiny"}})
    ids = [add_trial(bench.store, questions, {"fusion.weight": 0.1 * seed}, 0.3 * seed, seed, "s") for seed in (1, 2)]

    def called() -> set[str]:
        members = comparison.some(bench, ids)
        board, told = leaderboard.leaderboard(bench, members, "mrr"), results.results(bench, study, members, "mrr")
        trials = [told.best, board.rows[0].trial, values.scores(bench, members, "mrr").repeats[1][0]]
        return {leaderboard.rows(board)[0]["name"], *(trial.title for trial in trials)}

    assert called() == {"Hybrid convex, weight 0.2"}
    bench.describe(ids[1], name="Ours")
    assert called() == {"Ours"}
