"""A study run whole: each point once, what is stored is not run again, failures, budgets, one driver a study."""

import shutil

import pytest

from core.errors import WorkbenchError
from core.labs.experiments import book
from core.labs.experiments.driver import run
from core.labs.experiments.standing import pause, standing
from core.labs.trials import choice
from core.labs.trials.comparison import trials
from core.pipeline.pipeline import Pipeline
from core.progress import drain
from core.retrieval.bm25_fast import BM25S
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial
from tests.support.toy_study import BASE, table, toy_home, toy_study


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return toy_home(tmp_path_factory.mktemp("toy") / "home").home


@pytest.fixture
def bench(template, tmp_path):
    shutil.copytree(template, tmp_path / "home")
    return Workbench(tmp_path / "home")


def alone(bench, study):
    return drain(run(bench, study, workers=1))


@pytest.mark.slow
def test_each_point_is_measured_once_and_not_again_but_for_other_documents(bench):
    first = alone(bench, toy_study())
    assert len(set(first.trials)) == first.measured == 6 and not (first.reused or first.missing or first.stopped or first.failed)
    timed = [trial for trial in trials(bench) if "latency_ms" in trial.costs]
    assert sorted(trial.settings["chunking.size_tokens"] for trial in timed) == [16, 32]  # k1 is no other work
    again = alone(Workbench(bench.home), toy_study())
    assert again.trials == first.trials and (again.measured, again.reused) == (0, 6)
    wider = alone(Workbench(bench.home), toy_study(k1=(0.5, 1.0, 1.5, 2.0)))
    assert (wider.measured, wider.reused) == (2, 6) and set(first.trials) < set(wider.trials)
    assert {trial.sweep for trial in trials(bench)} == {"toy"} and len(table(bench)) == 8
    assert sum("latency_ms" in trial.costs for trial in trials(bench)) == 2, "single questions are timed once for the same work"
    assert book.load(bench, "toy") == toy_study(k1=(0.5, 1.0, 1.5, 2.0)) and book.load(bench, "toy", 1) == toy_study()
    drain(bench.library.ingest("towns", [("coffee.txt", b"Coffee is brewed at ninety degrees.")]))
    assert not set(wider.trials) & set(alone(Workbench(bench.home), toy_study()).trials)


@pytest.mark.slow
def test_a_stopped_study_goes_on_and_no_trial_is_stored_twice(bench, template, tmp_path):
    shutil.copytree(template, tmp_path / "other")
    undisturbed = Workbench(tmp_path / "other")
    alone(undisturbed, toy_study())
    bench = Workbench(bench.home)
    for step in (work := run(bench, toy_study(), workers=1)):
        if step.done == 2:
            work.close()
    assert standing(bench, "toy").status == "stopped" and standing(bench, "toy").trials == {"ok": 2}
    outcome = alone(Workbench(bench.home), toy_study())
    assert (outcome.measured, outcome.reused) == (4, 2) and standing(bench, "toy").status == "done"
    assert table(bench) == table(undisturbed) and not table(bench, "interrupted")


def without_room(monkeypatch):
    """For the points of one k1."""
    search = BM25S.build

    def broken(self, tokens):
        if self.k1 == 1.0:
            raise MemoryError("no room for k1")
        return search(self, tokens)

    monkeypatch.setattr(BM25S, "build", broken)


@pytest.mark.slow
def test_a_failed_trial_is_told_kept_and_tried_again(bench, monkeypatch):
    without_room(monkeypatch)
    outcome = alone(bench, toy_study())
    assert (outcome.measured, outcome.missing) == (4, 2) and len(table(bench, "failed")) == 2
    assert {failure.reason for failure in outcome.failed} == {"MemoryError: no room for k1"}
    assert "k1 1" in outcome.failed[0].point and len(standing(bench, "toy").failures) == 2
    monkeypatch.undo()
    outcome = alone(bench, toy_study())
    assert (outcome.measured, outcome.reused, outcome.missing) == (2, 4, 0) and len(table(bench)) == 6
    assert not standing(bench, "toy").failures and standing(bench, "toy").trials == {"ok": 6, "failed": 2}


@pytest.mark.slow
def test_no_more_is_told_as_done_than_there_is_where_points_failed_before_the_test_questions(bench, monkeypatch):
    without_room(monkeypatch)
    steps = [step for step in run(bench, toy_study(choose_on="dev", report_on="test"), workers=1) if step.total]
    assert all(step.done <= step.total for step in steps) and steps[-1].done == steps[-1].total
    assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_a_point_that_failed_is_told_once_and_also_where_it_was_measured_before(tmp_path):
    """On fewer questions, as in a round of halving, or on documents that were changed since."""
    bench = Workbench(tmp_path)
    book.save(bench, toy_study())

    def tried(n: int, status: str) -> str:
        questions = add_questions(bench.store, n=n, name=f"{n} questions")
        return add_trial(bench.store, questions, {"sparse.k1": 0.5}, sweep="toy", status=status, reason="no room")

    tried(10, "ok")
    tried(20, "failed")
    again = tried(20, "failed")
    assert [row["id"] for row in standing(bench, "toy").failures] == [again]
    tried(20, "ok")
    assert standing(bench, "toy").failures == [] and standing(bench, "toy").trials == {"ok": 2, "failed": 2}


@pytest.mark.slow
def test_one_driver_a_study_and_another_study_beside_it(bench):
    for step in (work := run(bench, toy_study(), workers=1)):
        if step.done == 1:
            with pytest.raises(WorkbenchError, match=r"'toy' runs already: process \d+"):
                alone(Workbench(bench.home), toy_study())
            assert standing(bench, "toy").status == "running" and standing(bench, "toy").done == 1
            assert alone(Workbench(bench.home), toy_study("other", sizes=(24,))).measured == 4
            break
    work.close()
    assert alone(bench, toy_study()).measured == 5
    with pytest.raises(WorkbenchError, match="does not run"):
        pause(bench, "toy")
    with pytest.raises(WorkbenchError, match="no experiment 'nothing'"):
        pause(bench, "nothing")
    with pytest.raises(WorkbenchError, match="no experiment 'nothing'"):
        standing(bench, "nothing")
    with pytest.raises(WorkbenchError, match="no engine 'slurm'"):
        drain(run(bench, toy_study(), engine="slurm"))


@pytest.mark.slow
def test_it_stops_when_the_budget_is_used_up_and_says_so(bench, monkeypatch):
    outcome = alone(bench, toy_study(budget={"seconds": 1e-6}))
    assert outcome.stopped == "the budget of 1e-06 s is used up" and outcome.missing == 6 and not table(bench)
    record = Workbench.trial_record

    def paid(*args):
        made = record(*args)
        return made | {"costs": made["costs"] | {"usd": 0.4}}

    monkeypatch.setattr(Workbench, "trial_record", paid)
    outcome = alone(bench, toy_study(budget={"usd": 1.0}))
    assert outcome.stopped == "the budget of 1 USD is used up" and outcome.usd == pytest.approx(1.2)
    assert (outcome.measured, outcome.missing) == (3, 3) and standing(bench, "toy").message == outcome.stopped
    again = alone(Workbench(bench.home), toy_study(budget={"usd": 1.0}))
    assert (again.measured, again.reused, again.stopped) == (0, 3, outcome.stopped), "what earlier runs paid is paid"
    more = alone(Workbench(bench.home), toy_study(budget={"usd": 1.5}))
    assert (more.measured, more.usd) == (1, pytest.approx(0.4)) and more.stopped == "the budget of 1.5 USD is used up"


@pytest.mark.slow
def test_the_winner_of_the_dev_questions_and_the_base_are_measured_on_the_test_questions(bench):
    outcome = alone(bench, toy_study(choose_on="dev", report_on="test", repeats=2))
    stored = {trial.id: trial for trial in trials(bench)}
    chosen, reported = stored[outcome.winner], [stored[trial] for trial in outcome.reported]
    best = max(stored[trial].metrics["ndcg_linear"] for trial in outcome.trials)
    assert chosen.metrics["ndcg_linear"] == best and len(outcome.trials) == 12
    assert {trial.settings["corpus.questions"] for trial in reported} == {"test"}
    assert {trial.settings["seed"] for trial in reported} == {0, 1}
    varied = "chunking.size_tokens", "sparse.k1"
    recipes = {tuple(trial.settings[name] for name in varied) for trial in reported}
    assert recipes == {tuple(chosen.settings[name] for name in varied), (32, 1.5)}
    again = alone(Workbench(bench.home), toy_study(choose_on="dev", report_on="test", repeats=2))
    assert again.reported == outcome.reported and again.winner == outcome.winner and not again.measured
    every = alone(Workbench(bench.home), toy_study(choose_on="dev", report_on="test", repeats=2, confirm="all"))
    assert len({*every.reported}) == len(every.trials) == 12 and every.measured == 12 - len({*outcome.reported})


@pytest.mark.slow
def test_a_corpus_that_changes_under_a_study_ends_it(bench, monkeypatch):
    resolve, count = Pipeline.resolve, iter(range(10))

    def changing(self, recipe, trace=None):
        run = yield from resolve(self, recipe, trace)
        return run.asking(run.corpus, "other") if next(count) else run

    monkeypatch.setattr(Pipeline, "resolve", changing)
    with pytest.raises(WorkbenchError, match="changed while the experiment ran"):
        alone(bench, toy_study())
    assert not table(bench) and standing(bench, "toy").status == "failed"


@pytest.mark.slow
def test_documents_that_change_under_a_study_end_it_though_the_questions_stay(bench):
    with pytest.raises(WorkbenchError, match="changed while the experiment ran"):
        for step in run(bench, toy_study(), workers=1):
            if step.done == 2 and len(table(bench)) == 2:
                drain(bench.library.ingest("towns", [("coffee.txt", b"Coffee is brewed at ninety degrees.")]))
    assert len({trial.corpus for trial in trials(bench)}) == 1 and standing(bench, "toy").status == "failed"
    outcome = alone(Workbench(bench.home), toy_study())
    assert (outcome.measured, outcome.reused) == (6, 0)


@pytest.mark.slow
@pytest.mark.parametrize("design", [{"kind": "halving", "trials": 0, "first_questions": 10}, {"kind": "tpe", "trials": 6}])
def test_what_all_are_compared_with_is_measured_once_where_it_is_a_point_too(bench, design):
    outcome = alone(bench, toy_study(design=design, against={**BASE, "chunking.size_tokens": 32, "sparse.k1": 1.0}))
    asked = [(trial.config_fingerprint, trial.questions) for trial in trials(bench)]
    assert len(set(asked)) == len(asked) == outcome.measured == len(outcome.trials)


def test_a_study_without_factors_measures_its_base(bench):
    assert len(alone(bench, toy_study(factors=[], base=BASE)).trials) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tpe", "nsga2", "halving"])
def test_a_design_that_learns_goes_on_with_the_same_points_after_a_stop(bench, template, tmp_path, kind):
    metrics = ["ndcg_linear", "context_at_k"] if kind == "nsga2" else ["ndcg_linear"]
    design = {"kind": kind, "trials": 8, "batch": 3, "first_questions": 10, "eta": 2}
    learning = toy_study(sizes=(12, 16, 20, 24, 32), design=design, metrics=metrics)
    shutil.copytree(template, tmp_path / "other")
    whole = alone(Workbench(tmp_path / "other"), learning)
    for step in (work := run(bench, learning, workers=1)):
        if step.done == 5:
            work.close()
    outcome = alone(Workbench(bench.home), learning)
    assert outcome.measured == whole.measured - 5 and outcome.reused == 5
    assert table(bench) == table(Workbench(tmp_path / "other")) and not outcome.missing
    best, stored = max(trials(bench), key=lambda trial: (trial.total, trial.metrics["ndcg_linear"])), trials(bench)
    chosen = next(trial for trial in stored if trial.id == outcome.winner)
    assert chosen.metrics["ndcg_linear"] == best.metrics["ndcg_linear"] and chosen.total == 48
    if kind == "halving":
        assert {trial.total for trial in stored} == {10, 20, 48}


@pytest.mark.slow
def test_a_stored_trial_that_was_not_timed_is_measured_where_time_is_optimised(bench):
    alone(bench, toy_study())
    timed = toy_study(design={"kind": "nsga2", "trials": 6}, metrics=["ndcg_linear", "latency_ms"])
    outcome = alone(Workbench(bench.home), timed)
    own = [trial for trial in trials(bench) if trial.id in outcome.trials]
    assert own and all("latency_ms" in trial.costs for trial in own)
    assert alone(Workbench(bench.home), timed).measured == 0


@pytest.mark.slow
def test_the_baseline_that_people_chose_is_measured_on_test_too(bench):
    halves = {"choose_on": "dev", "report_on": "test"}
    alone(bench, toy_study(**halves))
    worst = min((t for t in trials(bench) if t.settings["corpus.questions"] == "dev"), key=lambda t: t.metrics["ndcg_linear"])
    assert choice.choice(bench, trials(bench), "ndcg_linear", worst.id).on_test is None
    alone(Workbench(bench.home), toy_study(**halves, baseline=worst.id))
    told = choice.choice(bench, trials(bench), "ndcg_linear", worst.id)
    assert told.on_test is not None and not told.missing


@pytest.mark.slow
def test_a_budget_of_money_stops_where_a_cost_is_not_known(bench, monkeypatch):
    record = Workbench.trial_record

    def untold(*args):
        made = record(*args)
        return made | {"costs": made["costs"] | {"usd": None}}

    monkeypatch.setattr(Workbench, "trial_record", untold)
    outcome = alone(bench, toy_study(budget={"usd": 1.0}))
    assert outcome.stopped.startswith("what answers cost is not known") and outcome.usd is None and outcome.measured == 1
