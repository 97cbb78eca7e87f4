"""Which trials of a study are compared: pages and commands tell the same, and a round that was stopped never stands first."""

import json

import pytest

from core.__main__ import main
from core.cli.experiments import _ranked
from core.config import fingerprint
from core.labs.experiments import book, results
from core.labs.experiments.experiment import made
from core.labs.trials import choice, comparison
from core.workbench import Workbench
from tests.support.synthetic_trials import add_failed, add_questions, add_trial

POINTS = [30, 40, 50, 60]
STUDY = {
    "id": "halves",
    "base": {"corpus": {"dataset": "tiny"}},
    "factors": [{"setting": "retrieval.candidates", "values": POINTS}],
    "design": {"kind": "halving", "trials": 0, "eta": 2, "first_questions": 10},
}


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    return Workbench(tmp_path)


def measured(bench, questions: int, *candidates: int, **settings) -> list[str]:
    """The base, and points of so many candidates, the first the worst; a round of halving asks 10, 20, then all 60."""
    asked, found = add_questions(bench.store, name=f"{questions} questions", n=questions), []
    for number, own in enumerate([100, *candidates]):
        found.append(
            add_trial(bench.store, asked, {"retrieval.candidates": own, **settings}, 0.2 + own / 100, number, STUDY["id"])
        )
    return found


def board(capsys, *words: str) -> dict:
    assert main(["leaderboard", STUDY["id"], *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def on_page(bench) -> set[str]:
    """Of what the page of the study shows first."""
    experiment = book.load(bench, STUDY["id"])
    return {trial.id for trial in results.question_sets(experiment, results.of_study(bench, experiment))[0]}


@pytest.mark.slow
def test_the_command_tells_the_round_of_the_page_the_last_that_is_whole(bench, capsys):
    book.save(bench, made(STUDY))
    measured(bench, 10, *POINTS)
    first = measured(bench, 20, 50, 60)
    assert book.best(bench, [book.load(bench, STUDY["id"])])[STUDY["id"]].recipes == len(first), (
        "not of the round on few questions"
    )
    told = board(capsys)
    assert {row["trial"] for row in told["leaderboard"]} == {*first} == on_page(bench)
    assert told["left out"] == "5 trials on 10 questions: an earlier round."
    last = measured(bench, 60, 60)
    told = board(capsys)
    assert {row["trial"] for row in told["leaderboard"]} == {*last} == on_page(bench) and told["n"] == 59
    assert _ranked(bench, made(STUDY))["leaderboard"] == told["leaderboard"]  # as the run itself prints at its end


@pytest.mark.slow
def test_a_round_in_which_the_run_was_stopped_does_not_stand_first_and_is_told(bench, capsys):
    book.save(bench, made(STUDY))
    measured(bench, 10, *POINTS)
    stopped = measured(bench, 20, 50)  # the base and one of two
    told = board(capsys)
    assert told["n"] == 9 and len(told["leaderboard"]) == 5 and not on_page(bench) & {*stopped}
    assert "2 trials on 20 questions: a round that was not finished, with 1 of 2 points" in told["left out"]
    assert f"experiment run {STUDY['id']}" in told["left out"]
    members = results.of_study(bench, book.load(bench, STUDY["id"]))
    assert {trial.total for trial in results.question_sets(made(STUDY), members)[1]} == {20}


@pytest.mark.slow
def test_a_point_that_failed_in_a_round_makes_it_no_less_whole(bench, capsys):
    book.save(bench, made(STUDY))
    measured(bench, 10, *POINTS)
    done = measured(bench, 20, 50)
    config = comparison.recipe(next(t for t in comparison.trials(bench) if t.settings["retrieval.candidates"] == 60))
    payload = {"config": config.model_dump(mode="json"), "config_fingerprint": fingerprint(config), "seed": 0, "sweep": "halves"}
    bench.store.add("trial", payload | {"status": "failed", "reason": "It broke."})
    told = board(capsys)
    assert {row["trial"] for row in told["leaderboard"]} == {*done} == on_page(bench)
    assert "1 trial without a result" in told["left out"], "though the round before measured it"


@pytest.mark.slow
def test_trials_of_an_older_version_are_in_no_table_of_the_study(bench, capsys):
    grid = {**STUDY, "design": {"kind": "grid"}}
    book.save(bench, made(grid))
    measured(bench, 60, *POINTS)
    book.save(bench, made({**grid, "base": {"corpus": {"dataset": "tiny"}, "retrieval": {"top_k": 15}}}))
    new = measured(bench, 60, 30, **{"retrieval.top_k": 15})
    told = board(capsys)
    assert {row["trial"] for row in told["leaderboard"]} == {*new} == on_page(bench)
    assert "5 trials of another base recipe" in told["left out"]
    assert main(["effects", STUDY["id"], "--json"]) == 0
    assert [row["recipes"] for row in json.loads(capsys.readouterr().out)["main effects"]] == [1, 1]
    measured(bench, 30, *POINTS, **{"corpus.questions": "dev"})
    assert main(["choice", STUDY["id"]]) == 1
    told = capsys.readouterr().err
    assert "no measured trial on the dev questions. 5 trials of another base recipe" in told and "without a result" not in told


@pytest.mark.slow
def test_a_version_that_chooses_on_dev_is_not_told_by_the_trials_of_one_that_chose_on_all(bench, capsys):
    grid = {**STUDY, "design": {"kind": "grid"}, "choose_on": "dev", "report_on": "test"}
    measured(bench, 60, *POINTS)
    dev = measured(bench, 30, 30, 40, **{"corpus.questions": "dev"})
    book.save(bench, made(grid))
    assert {row["trial"] for row in board(capsys)["leaderboard"]} == {*dev} == on_page(bench)
    members = results.of_study(bench, made(grid))
    assert {trial.id for trial in choice.choice(bench, members, "ndcg_linear").dev.recipes} == {*dev}


@pytest.mark.slow
def test_what_has_no_result_is_counted_and_a_study_without_any_says_so(bench, capsys):
    book.save(bench, made({**STUDY, "design": {"kind": "grid"}}))
    assert main(["leaderboard", STUDY["id"]]) == 1 and "no measured trial" in capsys.readouterr().err
    measured(bench, 60, *POINTS)
    config = made(STUDY).recipe.model_dump(mode="json")
    bench.store.add("trial", {"config": config, "config_fingerprint": "other", "seed": 0, "sweep": "halves", "status": "failed"})
    assert not board(capsys)["left out"]  # the base was measured at another time
    config["retrieval"]["candidates"] = 70
    bench.store.add("trial", {"config": config, "config_fingerprint": "new", "seed": 0, "sweep": "halves", "status": "failed"})
    assert board(capsys)["left out"].startswith("1 trial without a result")


def test_trials_of_no_study_are_the_largest_group_as_before(bench, capsys):
    measured(bench, 60, *POINTS), measured(bench, 10, 30), add_failed(bench.store)
    told = board(capsys)
    assert told["n"] == 59 and told["left out"] == "2 trials on other questions or documents, or by other rules."
