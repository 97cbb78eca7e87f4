"""Experiments in versions: saved, listed with their trials, archived and restored, and what differs between two."""

import pytest

from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.experiments import book, results
from core.labs.experiments.experiment import made, part_named
from core.labs.experiments.standing import standing
from core.labs.trials import listing
from core.progress import drain
from core.reranking.maxsim import MaxSim
from core.workbench import Workbench
from tests.support.synthetic_trials import add_failed, add_questions, add_trial


@pytest.fixture
def bench(tmp_path):
    return Workbench(tmp_path / "data")


def sizes(**changes):
    return made(
        {
            "title": "Chunk sizes",
            "question": "How long should a chunk be?",
            "base": {"corpus": {"dataset": "tiny"}},
            "factors": [{"setting": "chunking.size_tokens", "values": [64, 128]}],
            **changes,
        }
    )


def test_a_change_is_a_new_version_and_the_last_counts(bench):
    assert book.save(bench, sizes()) == 1
    assert book.save(bench, sizes()) == 1  # the same again is none
    assert book.save(bench, sizes(title="Chunk sizes", note="Longer.")) == 2
    assert book.load(bench, "chunk-sizes") == sizes(note="Longer.")
    assert book.load(bench, "chunk-sizes", 1) == sizes()
    assert [version.number for version in book.versions(bench, "chunk-sizes")] == [1, 2]
    assert book.save(bench, sizes()) == 3  # back to what it was is a change too
    again = Workbench(bench.home)
    assert book.load(again, "chunk-sizes") == sizes()
    with pytest.raises(WorkbenchError, match="no version 4"):
        book.load(bench, "chunk-sizes", 4)
    with pytest.raises(WorkbenchError, match="no experiment 'other'"):
        book.load(bench, "other")


def test_versions_tell_what_differs(bench):
    after = sizes(
        base={"corpus": {"dataset": "tiny"}, "fusion": {"part": "rrf"}},
        factors=[{"setting": "chunking.size_tokens", "values": [64, 256]}],
        repeats=3,
        budget={"seconds": 60},
    )
    assert {change.setting: (change.before, change.after) for change in book.changes(sizes(), after)} == {
        "repeats": (1, 3),
        "budget.seconds": (0.0, 60.0),
        "base.fusion.part": (None, "rrf"),
        "factors.chunking.size_tokens": ({"values": [64, 128]}, {"values": [64, 256]}),
    }
    assert book.changes(after, after) == []


def test_the_list_counts_trials_by_status_and_leaves_archived_ones_out(bench):
    questions = add_questions(bench.store)
    book.save(bench, sizes())
    book.save(bench, sizes(title="Folder", factors=[]))
    trial = add_trial(bench.store, questions, sweep="chunk-sizes")
    bench.store.add("trial", {**bench.store.journal.read(add_failed(bench.store)).payload, "sweep": "chunk-sizes"})
    rows = {row.experiment.id: row for row in book.experiments(bench)}
    assert list(rows) == ["chunk-sizes", "folder"]  # of which a trial is the latest
    assert rows["chunk-sizes"].trials == {"ok": 1, "failed": 1} and rows["chunk-sizes"].last_run
    assert (rows["folder"].trials, rows["folder"].last_run) == ({}, None)
    assert book.archive(bench, "folder") == 2
    assert [row.experiment.id for row in book.experiments(bench)] == ["chunk-sizes"]
    assert [row.experiment.id for row in book.experiments(bench, archived=True)] == ["folder"]
    assert book.restore(bench, "folder") == 3 and len(book.experiments(bench)) == 2
    assert book.baseline(bench, "chunk-sizes", trial[-8:]) == 2 and book.load(bench, "chunk-sizes").baseline == trial
    with pytest.raises(WorkbenchError, match="No trial"):
        book.baseline(bench, "chunk-sizes", "nothing")
    assert book.baseline(bench, "chunk-sizes", "") == 3 and not book.load(bench, "chunk-sizes").baseline


def test_the_sweeps_of_an_experiment_have_its_title_on_the_page_of_trials(bench):
    questions = add_questions(bench.store)
    add_trial(bench.store, questions, sweep="chunk-sizes")
    add_trial(bench.store, questions, {"fusion.part": "rrf"}, sweep="chunk-sizes")
    assert listing.everything(bench).summary().sweeps == {"chunk-sizes": "fusion, 2 trials"}
    book.save(bench, sizes())
    assert listing.everything(bench).summary().sweeps == {"chunk-sizes": "Chunk sizes, 2 trials"}


@pytest.mark.slow
def test_the_tables_hold_every_version_and_which_is_the_last(bench):
    book.save(bench, sizes(tags=["paper"]))
    book.save(bench, sizes(tags=["paper"], note="Twice."))
    rows = bench.store.query("SELECT experiment, version, note, tags, num_factors FROM experiments")
    assert rows == [{"experiment": "chunk-sizes", "version": 2, "note": "Twice.", "tags": ["paper"], "num_factors": 1}]
    [count] = bench.store.query("SELECT count(*) AS n FROM experiment_versions WHERE document->>'$.design.kind' = 'grid'")
    assert count == {"n": 2}
    report = drain(bench.store.verify())
    assert report.ok and report.journal == {"experiment": 2}
    drain(bench.store.rebuild())
    assert bench.store.query("SELECT experiment, version, note, tags, num_factors FROM experiments") == rows


@pytest.mark.parametrize(
    "base", [{"rerank": "maxsim"}, {"rerank.part": "maxsim", "rerank.depth": 30}, {"rerank": {"part": "maxsim", "depth": 30}}]
)
def test_a_record_from_before_a_default_changed_means_what_it_meant(bench, base):
    """A reranker's score counted alone then; a document says only what differs from the defaults."""
    factors = [{"setting": "rerank_2", "values": ["none", "cross_encoder", {"part": "maxsim", "weight": 0.3}]}]
    document = made({"title": "Old", "base": base, "against": base, "factors": factors}).model_dump(mode="json")
    payload = {"experiment": "old", "created": "2026-01-01T00:00:00+00:00", "document": document}
    bench.store.add("experiment", payload)
    read = book.load(bench, "old")
    for recipe in (read.recipe, with_settings(TrialConfig(), read.against)):
        assert (recipe.rerank.weight, recipe.rerank.length_penalty) == (1.0, 0.0) and recipe.rerank_2.part == "none"
    assert [part_named(value) for value in read.factors[0].values] == ["none", "cross_encoder", "maxsim"]
    assert [value["weight"] for value in read.factors[0].values[1:]] == [1.0, 0.3]
    assert book.save(bench, read) == 1, "as it is read it is the same version"
    today = made({"title": "New", "base": base, "factors": factors})
    book.save(bench, today)
    assert book.load(Workbench(bench.home), "new") == today and today.recipe.rerank.weight == MaxSim().weight != 1.0


@pytest.mark.parametrize("title", ["", "   ", "\n"])
def test_an_experiment_without_a_title_is_refused(bench, title):
    with pytest.raises(WorkbenchError, match="no title"):
        book.create(bench, title)
    name = book.create(bench, "Sizes").id
    with pytest.raises(WorkbenchError, match="no title"):
        book.describe(bench, name, title=title)
    assert book.load(bench, name).title == "Sizes" and book.describe(bench, name, note="x") == 2


def test_the_best_of_an_experiment_is_a_mean_over_the_questions_that_were_measured(bench):
    book.save(bench, sizes())
    trial = add_trial(bench.store, add_questions(bench.store, unanswerable=9), sweep="chunk-sizes")
    values = [value for value in bench.trial_values(trial, "mrr").values() if value == value]
    best = book.best(bench, [sizes(metrics=["mrr"])])["chunk-sizes"]
    assert (best.mean, best.interval.n) == (pytest.approx(sum(values) / 31), 31), "9 of 40 have no gold evidence"


def test_the_best_is_of_the_corpus_and_depth_that_the_experiment_has_now(bench):
    """Trials of an earlier version on an easier corpus stay its trials, and are no result of this one."""
    easy, hard = add_questions(bench.store, 60, "easy", "easy"), add_questions(bench.store, 20, "hard", "hard")
    at = {"corpus": {"dataset": "hard"}, "evaluation.k": 5}
    experiment, folder = sizes(base=at), sizes(id="folder", factors=[], base=at)
    for sweep in ("chunk-sizes", "folder"):
        add_trial(bench.store, easy, {"evaluation.k": 5}, 0.9, sweep=sweep)
    add_trial(bench.store, hard, {"evaluation.k": 10}, 0.9, sweep="chunk-sizes")
    told = book.best(bench, [experiment, folder])
    assert set(told) == {"folder"} and told["folder"].interval.total == 60
    own = add_trial(bench.store, hard, {"evaluation.k": 5}, 0.2, 1, sweep="chunk-sizes")
    best = book.best(bench, [experiment])["chunk-sizes"]
    values = [value for value in bench.trial_values(own, "ndcg_linear").values() if value == value]
    assert (best.metric, best.recipes, best.mean) == ("nDCG@5", 1, pytest.approx(sum(values) / len(values)))
    assert book.best(bench, [sizes(base={"corpus": {"dataset": "hard"}})])["chunk-sizes"].metric == "nDCG@10"


def test_seeds_of_a_recipe_are_one_in_the_list_and_the_best_of_them_is_not_taken(bench):
    book.save(bench, sizes(repeats=3, metrics=["mrr"]))
    questions, number = add_questions(bench.store), 0
    for size, qualities in ((64, (0.9, 0.1, 0.1)), (128, (0.6, 0.6, 0.6))):
        for seed, quality in enumerate(qualities):
            number += 1
            add_trial(bench.store, questions, {"chunking.size_tokens": size, "seed": seed}, quality, number, "chunk-sizes")
    experiment = book.load(bench, "chunk-sizes")
    best, told = book.best(bench, [experiment])["chunk-sizes"], results.measured(bench, experiment)
    [highest] = [row for row in told if row["chunking.size_tokens"] == 128]
    assert best.title == "Hybrid convex, chunk 128" and best.recipes == 2
    assert best.interval[:3] == pytest.approx(tuple(highest[name] for name in ("mrr", "low", "high")))


def test_of_equal_means_the_list_names_the_recipe_that_leads_the_leaderboard(bench):
    book.save(bench, sizes(metrics=["mrr"]))
    questions = add_questions(bench.store)
    for size in (64, 128):
        add_trial(bench.store, questions, {"chunking.size_tokens": size}, 0.6, 1, "chunk-sizes")
    experiment = book.load(bench, "chunk-sizes")
    board = results.results(bench, experiment, results.of_study(bench, experiment), "mrr").board
    assert len({row.interval.mean for row in board.rows}) == 1 < len(board.rows)
    assert book.best(bench, [experiment])["chunk-sizes"].title == board.rows[0].trial.title


def test_all_points_that_failed_are_counted(bench):
    book.save(bench, sizes())
    for size in range(64, 94):
        add_failed(bench.store, sweep="chunk-sizes", settings={"chunking.size_tokens": size})
    assert len(standing(bench, "chunk-sizes").failures) == 30
