"""Importance of settings: against optuna's fANOVA, and against the analysis of variance where a grid is whole."""

import itertools
import json

import numpy as np
import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.labs.trials import importance, values
from core.labs.trials.effects import Varied, varied
from core.workbench import Workbench
from tests.labs.trials.test_effects import measured
from tests.support.synthetic_trials import add_questions, add_trial

SIZES = (4, 5, 3)
POINTS = np.array(list(itertools.product(*map(range, SIZES))))


def settings(words: bool = False) -> list[Varied]:
    return [
        Varied(f"s{i}", f"s{i}", [f"{'w' if words and i == 1 else ''}{level}" for level in range(size)], POINTS[:, i])
        for i, size in enumerate(SIZES)
    ]


def response(seed: int = 0) -> np.ndarray:
    effects = [np.random.default_rng(seed + i).normal(size=size) * (3, 1, 0.2)[i] for i, size in enumerate(SIZES)]
    return sum(effect[POINTS[:, i]] for i, effect in enumerate(effects)) + 1.5 * (POINTS[:, 0] == 1) * (POINTS[:, 1] == 2)


@pytest.mark.parametrize("words", [False, True])
def test_trees_that_fit_a_whole_grid_give_the_analysis_of_variance(words):
    means = response()
    grid = means.reshape(SIZES)
    total, alone = grid.var(), [grid.mean(axis=tuple({0, 1, 2} - {i})).var() for i in range(3)]
    shares, _ = importance.fanova(settings(words), means, bootstrap=False, oob_score=False)
    assert [shares[i,] for i in range(3)] == pytest.approx([variance / total for variance in alone])
    pair = grid.mean(axis=2).var() - alone[0] - alone[1]
    assert shares[0, 1] == pytest.approx(pair / total) and shares[0, 2] == pytest.approx(0, abs=1e-9)


def test_the_shares_are_those_of_optunas_fanova():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    means = response(3)
    spaces = {f"s{i}": optuna.distributions.IntDistribution(0, size - 1) for i, size in enumerate(SIZES)}
    study = optuna.create_study()
    for point, mean in zip(POINTS, means, strict=True):
        given = {f"s{i}": int(level) for i, level in enumerate(point)}
        study.add_trial(optuna.trial.create_trial(params=given, distributions=spaces, value=float(mean)))
    wanted = optuna.importance.FanovaImportanceEvaluator(n_trees=64, seed=0).evaluate(study)
    shares, _ = importance.fanova(settings(), means, 0)
    assert [shares[i,] for i in range(3)] == pytest.approx([wanted[f"s{i}"] for i in range(3)], abs=0.03)


def test_an_absent_setting_is_a_level_of_its_own():
    level = np.array([0, 1, -1, -1])
    assert importance._code(Varied("a", "a", ["2", "5"], level)).ravel().tolist() == [2, 5, -2]
    assert importance._code(Varied("a", "a", ["x", "y"], level)).tolist() == np.eye(3).tolist()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    store = Workbench(home).store
    questions = add_questions(store, n=160)
    for number, (size, weight, top) in enumerate(itertools.product((64, 128, 256), (0.3, 0.5, 0.7), (20, 30))):
        point = {"chunking.size_tokens": size, "fusion.weight": weight, "retrieval.top_k": top}
        add_trial(store, questions, point, 0.2 + 0.3 * (size == 256) + 0.4 * (size == 128), number, "s")
    return home


@pytest.mark.slow
def test_the_command_tells_shares_with_their_spread_and_what_speaks_against_them(home, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    assert main(["importance", "s", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    first = record["importance"][0]
    assert first["setting"] == "chunking size" and first["share of the variance"] > 0.6
    assert first["lowest forest"] < first["share of the variance"] < first["highest forest"]
    assert len(record["importance"]) == 6 and record["explained, of recipes not seen"] > 0.5 and record["note"] == ""
    assert sum(row["share of the variance"] for row in record["importance"]) <= 1 + 1e-9


@pytest.mark.slow
def test_too_few_trials_are_refused_and_few_are_remarked(home, tmp_path):
    bench = Workbench(home)
    members = values.select(bench, "s")[1]
    with pytest.raises(WorkbenchError, match="needs 8 recipes"):
        importance.importance(bench, members[:5], "ndcg_linear")
    few = importance.importance(bench, members[:9], "ndcg_linear")
    assert len(varied(members[:9])) == 3 and "9 recipes are few for 3 settings" in few.note
    other = Workbench(tmp_path)
    questions = add_questions(other.store)
    for i in range(9):
        add_trial(other.store, questions, {"fusion.weight": i / 10, "retrieval.top_k": 20 + i % 2}, 0.5, 7)
    with pytest.raises(WorkbenchError, match="same mean"):
        importance.importance(other, values.select(other)[1], "ndcg_linear")


@pytest.mark.slow
def test_a_base_beside_the_grid_does_not_share_out_what_always_changes_together():
    base = {"chunking.size_tokens": 96, "chunking.overlap_tokens": 8, "fusion.weight": 0.1}
    grid = [
        {"chunking.size_tokens": s, "chunking.overlap_tokens": s // 4, "fusion.weight": w}
        for s in (64, 128, 256)
        for w in (0.3, 0.5, 0.7)
    ]
    table = np.random.default_rng(2).random((10, 40)) + np.arange(10)[:, None]
    result = importance._importance(measured([base, *grid], table))
    assert (result.recipes, result.left_out) == (9, 1)
    assert {share.title for share in result.shares if len(share.settings) == 1} == {
        "chunking size with chunking overlap",
        "fusion dense weight",
    }
