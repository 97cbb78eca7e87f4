"""What a study takes, said before it starts: counts that the run then has, times from what was measured, none invented."""

import json

import pytest

from core.__main__ import main
from core.labs.experiments import driver
from core.labs.experiments.estimate import estimate
from core.labs.experiments.experiment import Experiment, made, written
from core.progress import drain
from core.registry import find
from tests.support.small_corpora import THINGS, WAYS, with_towns

TEXTS = {f"{thing}.txt": " ".join(f"The story of {thing} {way}." for way in WAYS) * 4 for thing in THINGS}
QUESTIONS = [
    {"id": thing, "question": f"What of {thing} in the north?", "document": f"{thing}.txt", "answer": f"{thing} was first seen"}
    for thing in THINGS
]
BASE = {"corpus": {"dataset": "towns"}, "fusion": "sparse_only", "chunking": {"part": "sentence", "size_tokens": 24}}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return with_towns(tmp_path_factory.mktemp("home"), TEXTS, QUESTIONS)


def study(name, *factors, **more) -> Experiment:
    listed = [{"setting": setting, "values": list(values)} for setting, values in factors]
    return made({"id": name, "base": BASE, "factors": listed} | more)


def work_of(outlook) -> dict[str, tuple[int, int]]:
    return {row.stage: (row.distinct, row.missing) for row in outlook.stages}


@pytest.mark.slow
def test_before_anything_was_measured_it_counts_and_claims_no_time(bench):
    outlook = estimate(bench, study("first", ("chunking.size_tokens", (16, 24, 48)), ("sparse.k1", (0.9, 1.2, 1.5, 7))))
    assert (outlook.trials, outlook.stored, outlook.left_out, outlook.usd) == (9, 0, 3, None)  # the base among them
    assert work_of(outlook)["chunks"] == (3, 3) and "vectors" not in work_of(outlook)  # sparse alone embeds nothing
    assert work_of(outlook)["sparse"][0] == outlook.trials
    assert set(outlook.unmeasured) == {"chunking", "sparse retrieval", "ranking and judging", "single questions"}
    assert "not measured here yet" in outlook.words and not outlook.seconds.measured and outlook.context_tokens == (160, 480)


@pytest.mark.slow
def test_what_it_counts_is_what_the_run_computes_and_then_nothing_is_left(bench):
    experiment = study("second", ("chunking.size_tokens", (16, 24)), ("sparse.k1", (0.9, 1.5)), choose_on="dev", report_on="test")
    before = estimate(bench, experiment)
    outcome = drain(driver.run(bench, experiment, workers=1))
    assert before.trials == len(outcome.trials) + len(outcome.reported) and before.stored == 0
    rows = bench.store.query(
        """SELECT stage, count(*) AS n FROM stages s JOIN trials t ON t.id = s.trial_id
           WHERE t.sweep = 'second' AND NOT cached GROUP BY stage"""
    )
    computed = {row["stage"]: row["n"] for row in rows}
    assert work_of(before)["chunks"] == (2, computed["chunks"])
    assert work_of(before)["sparse"][0] == 4 + 1, "those on the questions to report on are others"
    assert all(row.missing <= row.distinct for row in before.stages)
    assert computed["sparse"] - 2 <= work_of(before)["sparse"][1] <= computed["sparse"]  # the winner's and the base's at the end
    after = estimate(bench, experiment)
    assert after.stored == after.trials == before.trials and after.words.endswith("nothing left to measure")
    assert all(row.missing == 0 for row in after.stages if row.stage in ("chunks", "sparse")) and not after.unmeasured


@pytest.mark.slow
def test_what_is_compared_with_is_counted_and_measured_on_both_halves(bench):
    halves = {"choose_on": "dev", "report_on": "test", "repeats": 2}
    other = study("beside", ("sparse.k1", (0.9, 1.7)), against={**BASE, "sparse": {"part": "bm25s", "b": 0.3}}, **halves)
    before = estimate(bench, other)
    assert (before.trials, before.stored) == (3 * 2 + 2 + 2 * 2 + 2, 0)
    outcome = drain(driver.run(bench, other, workers=1))
    assert before.trials == len(outcome.trials) + len(outcome.reported)
    after = estimate(bench, other)
    assert after.stored == after.trials == before.trials
    named = other.model_copy(update={"against": None, "baseline": outcome.trials[-1]})  # now by the trial
    assert (estimate(bench, named).trials, estimate(bench, named).stored) == (6 + 4 + 1, 6 + 4 + 1)
    unmeasured = named.model_copy(update={"id": "named"})
    assert (estimate(bench, unmeasured).trials, estimate(bench, unmeasured).stored) == (11, 0)


@pytest.mark.slow
def test_every_recipe_that_is_confirmed_is_counted(bench):
    experiment = study("every", ("sparse.k1", (0.9, 1.7)), choose_on="dev", report_on="test")
    before = estimate(bench, experiment)
    drain(driver.run(bench, experiment, workers=1))
    every = experiment.model_copy(update={"confirm": "all"})
    assert (before.trials, estimate(bench, experiment).stored) == (3 + 2, 3 + 2)
    halfway = estimate(bench, every)
    assert (halfway.trials, halfway.trials - halfway.stored) == (3 + 3, drain(driver.run(bench, every, workers=1)).measured)
    assert estimate(bench, every).stored == 3 + 3


def test_measured_stages_tell_the_time_of_those_that_are_missing(bench):
    drain(driver.run(bench, study("third", ("sparse.k1", (0.8,))), workers=1))
    outlook = estimate(bench, study("fourth", ("chunking.size_tokens", (20, 28, 36)), ("sparse.b", (0.1, 0.2))))
    assert not outlook.unmeasured and outlook.seconds.high >= outlook.seconds.low > 0
    seconds = {row.stage: row.seconds for row in outlook.stages}
    assert seconds["chunks"].low > 0 and seconds["sparse"].low > 0
    more = estimate(bench, study("fourth", ("chunking.size_tokens", (20, 28, 36, 44, 52)), ("sparse.b", (0.1, 0.2, 0.3))))
    assert more.seconds.low > outlook.seconds.low


def test_embedding_is_told_from_the_runs_of_the_encoder_and_of_none_unknown(bench):
    dense = {**BASE, "fusion": "dense_only", "embedding": {"part": "lsa", "dimensions": 8}}
    outlook = estimate(bench, study("fifth", ("chunking.size_tokens", (16, 24)), base=dense))
    assert work_of(outlook)["vectors"] == (2, 2) and {"embedding", "dense search"} <= set(outlook.unmeasured)
    row = next(row for row in outlook.stages if row.stage == "vectors")
    assert not row.seconds.measured and "2 embeddings" in outlook.words


def test_no_model_is_loaded(bench, monkeypatch):
    monkeypatch.setattr(find("encoder", "minilm"), "load", lambda self: pytest.fail("a model was loaded"))
    dense = {**BASE, "fusion": "convex", "embedding": {"part": "minilm", "pooling": "max"}}
    outlook = estimate(bench, study("none", ("chunking.size_tokens", (17, 19, 23)), base=dense))
    assert work_of(outlook)["vectors"] == (4, 4) and "embedding" in outlook.unmeasured


def test_repeats_cost_trials_and_no_stage(bench):
    once, thrice = (estimate(bench, study("sixth", ("sparse.k1", (0.5, 0.6)), repeats=n)) for n in (1, 3))
    assert thrice.trials == 3 * once.trials == 9 and work_of(thrice) == work_of(once)


@pytest.mark.parametrize(("design", "trials"), [
    ({"kind": "tpe", "trials": 15}, 16), ({"kind": "random", "trials": 15}, 16), ({"kind": "latin", "trials": 15}, 16),
    ({"kind": "halving", "trials": 9, "first_questions": 5, "eta": 3}, 10 + 4),
])  # fmt: skip
def test_designs_that_learn_are_told_about(bench, design, trials):
    ranged = [{"setting": "sparse.k1", "low": 0.5, "high": 2.0}]
    outlook = estimate(bench, made({"id": "seventh", "base": BASE, "factors": ranged, "design": design}))
    assert outlook.trials == trials and outlook.about == (design["kind"] in ("tpe", "halving"))
    assert outlook.words.startswith("about" if outlook.about else f"{trials} trials")


def test_a_corpus_that_takes_its_time_to_read_is_not_read(bench, monkeypatch):
    monkeypatch.setattr(type(bench), "large", lambda self, dataset: True)
    outlook = estimate(bench, study("eighth", ("sparse.k1", (0.5, 0.6)), base={**BASE, "corpus": {"dataset": "silent"}}))
    assert outlook.trials == 3 and outlook.seconds is None and "not read yet" in outlook.words and outlook.stages == ()


@pytest.mark.slow
def test_the_command_tells_it(tmp_path, capsys):
    file = tmp_path / "study.yaml"
    file.write_text(written(study("ninth", ("sparse.k1", (0.5, 0.6)), base={"fusion": "sparse_only"})), "utf-8")
    assert main(["study-estimate", str(file)]) == 0
    assert "3 trials, 1 chunking" in capsys.readouterr().out
    assert main(["study-estimate", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"] == 3


def test_a_step_that_points_share_is_at_least_timed_once(bench):
    drain(driver.run(bench, study("timed", ("sparse.k1", (0.8,))), workers=1))
    seconds = estimate(bench, study("depths", ("retrieval.candidates", (20, 30, 40)))).seconds
    same = estimate(bench, study("weights", ("sparse.k1", (0.7, 1.7)))).seconds
    assert 0 < seconds.low < seconds.high and same.low > 0
