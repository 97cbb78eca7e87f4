"""A data folder that was filled before the rooms were laid out anew opens as it did: what was stored is there, and means the same.

`old_home/journal` is a part of one: two trials, one of them named and one of a sweep, two index points, seven answers.
"""

import shlex
import shutil
from pathlib import Path

import pytest

from core.__main__ import parse
from core.cli.frame import Call
from core.config import TrialConfig
from core.labs.trials import comparison
from core.progress import drain
from core.store.index_points import stored_measurement
from core.workbench import Workbench

OLD_HOME = Path(__file__).parent / "old_home"
BASE, SWEPT = "01m7y2sekwytkt5mwxwrzky754", "01m7y2sh1t747bb9pvb6rs8fef"
# means over 260 measured questions, as the code that stored the trials gave them
SCORES = {
    BASE: {"ndcg_linear@10": 0.541730, "mrr@10": 0.483516, "recall@10": 0.726923, "precision@10": 0.100385},
    SWEPT: {"ndcg_linear@10": 0.514956, "mrr@10": 0.459458, "recall@10": 0.692308, "precision@10": 0.096923},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    home = tmp_path_factory.mktemp("old") / "data"
    shutil.copytree(OLD_HOME, home)
    return Workbench(home)


@pytest.mark.slow
def test_its_trials_are_listed_with_names_tags_and_scores(bench):
    trials = {row["id"]: row for row in bench.trials()}
    assert list(trials) == [SWEPT, BASE]
    assert (trials[BASE]["name"], trials[BASE]["tags"], trials[SWEPT]["name"]) == ("base", ["a", "b"], None)
    for trial_id, scores in SCORES.items():
        assert trials[trial_id]["measured"] == 260
        assert {name: trials[trial_id]["metrics"][name] for name in scores} == pytest.approx(scores, abs=1e-6)
    shown = {trial.id: trial for trial in comparison.trials(bench)}
    assert shown[BASE].tags == ("a", "b") and shown[SWEPT].sweep and bench.trial_id("base") == BASE


def test_its_recipes_are_valid_and_have_a_command(bench):
    for trial in comparison.trials(bench):
        config = TrialConfig.model_validate(bench.show(trial.id)["config"])
        assert comparison.recipe(trial) == config
        call = parse(shlex.split(bench.command(config))[3:])
        assert isinstance(call, Call) and call.options["recipe"].read() == config


def test_its_index_points_and_answers_are_read(bench):
    points = bench.store.query("SELECT id, query FROM index_points ORDER BY id")
    measured = [stored_measurement(bench.store.journal.read(row["id"]).payload) for row in points]
    assert [each.chunk.shape for each in measured] == [(288, 10)] * 2
    assert measured[0].recall.mean() < measured[1].recall.mean() == pytest.approx(0.9972, abs=1e-4)
    answers = bench.store.query("SELECT question, text, hits FROM answers ORDER BY id")
    assert len(answers) == 7 and answers[0]["question"] == "What does the walrus operator do?"
    assert all(answer["text"] and answer["hits"] for answer in answers)


def test_it_verifies_clean_and_stays_as_it_was(bench):
    report = drain(bench.store.verify())
    assert report.ok and not report.problems and bench.store.told() == []
    assert report.journal == report.database == {"questions": 1, "trial": 2, "index": 2, "answer": 7, "trial_note": 1}
    names = sorted(path.name for path in OLD_HOME.rglob("*.gz"))
    assert sorted(path.name for path in (bench.home / "journal").rglob("*.gz")) == names
