"""A study judged by its answers: what is varied may change prompts and samplers, every point answers the same questions, nothing is
asked twice, and what no metric can see is refused."""

import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from core.context.prompt import UNKNOWN
from core.errors import WorkbenchError
from core.evaluation.metric import answer_measures
from core.evaluation.stored import answered
from core.generation.llama_engine import LlamaCpp
from core.judging.measure import AnswerScore
from core.labs.answers.answering import drawn
from core.labs.experiments import measuring, results
from core.labs.experiments.driver import run
from core.labs.experiments.estimate import estimate
from core.labs.experiments.experiment import check_seen, made
from core.labs.experiments.measuring import _spent
from core.labs.papers import paper as papers
from core.labs.papers.bundle import export
from core.labs.papers.checking import check
from core.labs.papers.verification import verify
from core.labs.trials.listing import everything
from core.pipeline.answers import AskedContext, KeptAnswer
from core.progress import drain
from core.records import plain
from core.registry import find
from core.workbench import Workbench
from tests.support.played_model import play
from tests.support.toy_study import BASE, toy_home, toy_study

METRICS = ("f1", "ndcg_linear", "containment")
PASSAGES = [{"setting": "context.passages", "values": [1, 3]}]


def prompts(metrics=METRICS, **changes):
    return toy_study("prompts", metrics=metrics, **{"factors": PASSAGES, "answers": 6, **changes})


@pytest.fixture
def played(monkeypatch):
    return play(monkeypatch)


@pytest.fixture
def bench(tmp_path, played):
    return toy_home(tmp_path / "home")


@pytest.mark.slow
def test_points_are_judged_by_their_answers_to_the_same_questions(bench):
    study = prompts()
    outcome = drain(run(bench, study, workers=1))
    assert not outcome.failed and len(outcome.trials) == 2
    own = sorted(map(bench.show, outcome.trials), key=lambda record: record["config"]["context"]["passages"])
    asked = drawn(bench.resolve(study.recipe).corpus.queries, study.recipe.seed, 6)
    ids = {bench.resolve(study.recipe).corpus.queries[row].id for row in asked}
    assert [record["config"]["context"]["passages"] for record in own] == [1, 3]
    assert all(answered(record).keys() == {"f1", "containment"} for record in own)
    assert all({*values} == ids for record in own for values in answered(record).values())
    [rows] = results.question_sets(study, results.of_study(bench, study))
    shown = results.results(bench, study, rows, "f1")
    for row, record in zip(shown.rows, own, strict=True):
        values = list(answered(record)["f1"].values())
        assert row.interval.mean == pytest.approx(np.mean(values)) and row.interval.n == 6
        assert bench.measured(row.trial.id)["metrics"][-2]["n"] == 6, "beside the metrics, with its coverage"
    assert all({*METRICS} <= trial.metrics.keys() for trial in rows)
    assert everything(bench).measures == [name for name in answer_measures() if name in METRICS]
    few, more = ({row.trial.id: row.trial.costs for row in shown.rows}[record["id"]] for record in own)
    assert few["answer_tokens"].n == few["answer_s"].n == 6 and few["answer_s"].low <= few["answer_s"].value
    assert few["answer_tokens"].value < more["answer_tokens"].value, "three passages are read, and one"
    told = bench.compare(*(record["id"] for record in own), metric="f1")
    assert told["n"] == 6 and told["difference"] == pytest.approx(shown.rows[1].interval.mean - shown.rows[0].interval.mean)


@pytest.mark.slow
def test_a_study_run_again_asks_nothing_and_one_of_more_questions_asks_the_others(bench, played):
    drain(run(bench, prompts(), workers=1))
    asked = len(played.runs)
    again = drain(run(bench, prompts(), workers=1))
    assert again.measured == 0 and again.reused == 2 and len(played.runs) == asked > 0
    after = estimate(bench, prompts())
    told = {row.stage: row for row in after.stages}
    assert after.stored == 2 and not after.unmeasured
    assert [told[stage][2:4] for stage in ("answer", "scores")] == [(2, 0), (2, 0)]
    wider = {row.stage: row for row in estimate(bench, prompts(factors=[{**PASSAGES[0], "values": [1, 2, 3]}])).stages}
    assert all(wider[stage].missing == 1 and wider[stage].seconds.high > 0 for stage in ("answer", "scores"))
    rows = bench.store.query("SELECT stage, bool_or(cached) AS cached, min(ms) AS ms FROM stages GROUP BY stage")
    timed = {row["stage"]: row for row in rows}
    assert all(timed[stage]["ms"] > 0 and not timed[stage]["cached"] for stage in ("answer", "scores"))
    more = drain(run(bench, prompts(answers=9), workers=1))
    assert more.measured == 2 and asked < len(played.runs) < 2 * asked
    fresh = Workbench(bench.home)
    assert drain(run(fresh, prompts(metrics=(*METRICS, "rouge_l"), answers=9), workers=1)).measured == 2
    assert [len(answered(fresh.show(trial))) for trial in more.trials] == [2, 2], "the earlier records stay"


@pytest.mark.slow
def test_its_answers_survive_the_cache_and_a_store_that_is_made_anew(bench, played):
    outcome = drain(run(bench, prompts(), workers=1))
    before, asked = [plain(bench.trial_values(trial, "f1")) for trial in outcome.trials], len(played.runs)
    shutil.rmtree(bench.home / "cache")
    fresh = Workbench(bench.home)
    drain(fresh.store.rebuild())
    assert [plain(fresh.trial_values(trial, "f1")) for trial in outcome.trials] == before
    rows = fresh.store.query("SELECT trial_id, n FROM trial_metrics WHERE metric LIKE 'f1@%' ORDER BY trial_id")
    assert [row["n"] for row in rows] == [6, 6]
    assert drain(run(fresh, prompts(), workers=1)).measured == 0 and len(played.runs) == asked


@pytest.mark.slow
def test_the_winner_by_answers_is_reported_on_the_other_half(bench):
    outcome = drain(run(bench, prompts(choose_on="dev", report_on="test"), workers=1))
    assert not outcome.failed and len(outcome.reported) == 2
    assert all(answered(bench.show(trial))["f1"] for trial in outcome.reported)


@pytest.mark.slow
def test_a_sampler_is_a_factor_where_a_measure_sees_it(bench):
    factors = [{"setting": "generation.temperature", "values": [0.0, 1.0]}]
    with pytest.raises(WorkbenchError, match=r"generation\.temperature cannot change ndcg_linear") as refused:
        drain(run(bench, toy_study("blind", factors=factors), workers=1))
    assert "f1 or faithfulness" in refused.value.todo
    outcome = drain(run(bench, toy_study("seen", factors=factors, metrics=("f1",), answers=4), workers=1))
    assert not outcome.failed and len(outcome.trials) == 2


def test_a_question_that_no_model_is_asked_costs_no_tokens_and_an_engine_that_counts_none_has_none():
    asked, silent = KeptAnswer("nine", "stop", prompt_tokens=90, answer_tokens=2, seconds=1.5), KeptAnswer(UNKNOWN, "abstained")
    asks, asks_none = AskedContext("What is nine?", "a"), AskedContext("What is ten?", "b", asks=False)

    def spent(askings, answers):
        return _spent(SimpleNamespace(askings=askings, answers=answers))

    assert spent((asks, None, asks_none), (asked, None, silent)) == {"answer_s": [1.5, 0.0], "answer_tokens": [92.0, 0.0]}
    long = KeptAnswer("", "failed: The prompt has room for 75 tokens, and the best passage alone has 80.")
    assert spent((asks, asks), (asked, long)) == {"answer_s": [1.5, 0.0], "answer_tokens": [92.0, 0.0]}
    assert spent((asks, asks), (asked, asked._replace(prompt_tokens=None))) == {"answer_s": [1.5, 1.5]}
    assert spent((None,), (None,)) == {}


def test_costs_of_answers_are_weighed_where_there_are_answers():
    weighed = {"design": {"kind": "nsga2", "trials": 4}, "factors": [{"setting": "context.passages", "values": [1, 3]}]}
    with pytest.raises(WorkbenchError, match="answer_s is a cost of answers"):
        made({"id": "s", "base": BASE, "metrics": ["ndcg_linear", "answer_s"], **weighed})
    assert made({"id": "s", "base": BASE, "metrics": ["f1", "answer_s"], **weighed}).measures == ("f1",)


def test_what_ranks_by_a_model_is_seen_by_metrics():
    def study(setting, values, **base):
        return made({"id": "s", "base": BASE | base, "factors": [{"setting": setting, "values": values}]})

    check_seen(study("sparse.k1", [1.0, 2.0]))
    check_seen(study("generation.temperature", [0.0, 1.0], query={"part": "hyde"}))
    with pytest.raises(WorkbenchError, match=r"context\.passages"):
        check_seen(study("context.passages", [1, 2], query={"part": "hyde"}))


@pytest.mark.parametrize("setting, values", [("corpus.dataset", ["towns", "hills"]), ("evaluation.k", [1, 10])])
def test_what_is_asked_and_how_it_is_judged_is_no_factor(bench, setting, values):
    """The easiest corpus would win, or the depth at which most is found."""
    study = toy_study(factors=[{"setting": setting, "values": values}])
    with pytest.raises(WorkbenchError, match=f"{setting} cannot be varied"):
        drain(run(bench, study, workers=1))
    assert not bench.trials() and made(study.model_dump(mode="json")) == study, "one that is recorded is still read"


def test_ndcg_is_a_word_for_the_usual_one():
    assert made({"id": "s", "base": BASE, "metrics": ["f1", "ndcg"]}).metrics == ("f1", "ndcg_linear")


@pytest.mark.slow
def test_a_failing_measure_fails_its_trial_alone(bench, monkeypatch):
    def broken(self, cases, tools):
        yield from ()
        raise WorkbenchError("The measure broke.")

    monkeypatch.setattr(find("measure", "f1"), "score", broken)
    outcome = drain(run(bench, prompts(), workers=1))
    assert len(outcome.failed) == 2 and "The measure broke." in outcome.failed[0].reason


@pytest.mark.slow
def test_a_judge_that_does_not_answer_leaves_no_hole(bench, monkeypatch):
    def silent(self, cases, tools):
        yield from ()
        return [AnswerScore(math.nan, "failed: no words") for _ in cases]

    with monkeypatch.context() as patched:
        patched.setattr(find("measure", "f1"), "score", silent)
        failed = drain(run(bench, prompts(), workers=1)).failed
    assert len(failed) == 2 and "6 of 6 answers were not judged by f1: failed: no words" in failed[0].reason
    assert drain(run(bench, prompts(), workers=1)).measured == 2


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, 1])
def test_a_budget_of_money_counts_what_was_paid_for_trials_that_failed(bench, monkeypatch, left):
    generate = LlamaCpp.generate_many

    def paid(self, *asked):
        made = yield from generate(self, *asked)
        return [answer._replace(cost_usd=0.1) for answer in made]

    def broken(self, cases, tools):
        yield from ()
        raise WorkbenchError("The measure broke.")

    monkeypatch.setattr(LlamaCpp, "generate_many", paid)
    monkeypatch.setattr(measuring, "is_paid", lambda part: True)
    monkeypatch.setattr(find("measure", "f1"), "score", broken)
    outcome = drain(run(bench, prompts(budget={"usd": 0.5 + left}), workers=1))
    assert len(outcome.failed) == 1 + left and outcome.usd == pytest.approx(0.6 * (1 + left)), "each answers six questions"
    assert bool(outcome.stopped) != bool(left)


@pytest.mark.parametrize("said", [{"f1": {"q1": 7}}, {"f1": {"q1": "one"}}, {"f1": 3}, [1]])
def test_another_s_record_cannot_hold_impossible_values(said):
    with pytest.raises(WorkbenchError, match="answers are worth") as refused:
        answered({"answered": said, "id": "t1"})
    assert refused.value.where == "trial t1" and refused.value.todo


@pytest.mark.slow
def test_its_table_and_numbers_go_into_a_paper_that_verifies(bench, tmp_path):
    base, other = drain(run(bench, prompts(), workers=1)).trials
    papers.create(bench, "Prompts", "p")
    gain = ["trials", "compare", base, other, "--metric", "f1"]
    papers.add(bench, "p", {"kind": "number", "name": "gain", "command": gain, "value": "difference"})
    papers.add(bench, "p", {"kind": "table", "name": "board", "command": ["trials", "leaderboard", "prompts", "--metric", "f1"]})
    wanted = ["trials", "table", base, other, "--metric", "f1", "--metric", "ndcg_linear"]
    papers.add(bench, "p", {"kind": "table", "name": "both", "command": wanted})
    assert all(row.holds is not False for row in drain(check(bench, "p")))
    drain(export(bench, "p", tmp_path / "p.zip"))
    rows = drain(verify(tmp_path / "p.zip"))
    assert all(row.holds for row in rows if row.what in ("gain", "board", "both")), rows
    assert not [row for row in rows if row.holds is False]
