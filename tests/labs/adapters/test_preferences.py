"""Settings of preference optimisation crossed: trained once, a row each, and where they broke in words."""

import json
from types import SimpleNamespace

import pytest

from core import files
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.adapters import preferences as lab
from core.models.adapters import RECORD, SETTINGS, WEIGHTS
from core.models.hub import adapters_home
from core.progress import drain
from core.training.adapters.settings import PreferenceTraining

GRID = {"beta": [0.01, 1.0], "train_examples": [4, 8]}


@pytest.fixture(autouse=True)
def _pairs(monkeypatch):
    """What is learnt from now."""

    def preference_data(*_):
        yield from ()
        return SimpleNamespace(source="pairs")

    monkeypatch.setattr(lab, "preference_data", preference_data)


def between(value: float, half: float = 0.1) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


TESTED = {"p": 0.04, "n": 9}


def written(name: str, settings: dict) -> None:
    """An adapter as training leaves it: a small beta broke it."""
    broke = settings["beta"] < 0.1
    folder = adapters_home() / name
    folder.mkdir(parents=True)
    shape = {"words": 50.0, "in_the_prompt": 0.5, "said_again": 0.0}
    record = {
        "config": PreferenceTraining(**settings).model_dump(),
        "base": {"model": "bundled"},
        "data": {"examples": {"train": settings["train_examples"], "test": 9}, "source": "pairs"},
        "best_step": 5,
        "steps": 5,
        "test": {
            "accuracy": between(0.55 if broke else 0.7),
            "chosen": between(-30.0 if broke else 1.0),
            "rejected": between(-35.0),
            **{each: between(1.0) for each in ("margin", "loss", "kl")},
        },
        "answers": {"before": shape, "after": shape | {"words": 9.0 if broke else 50.0}},
        "comparison": {
            "f1": {"before": 0.3, "difference": -0.2 if broke else 0.0, "low": -0.3, "high": -0.1 if broke else 0.3} | TESTED
        },
        "seconds": {"training": 60.0},
    }
    (folder / RECORD).write_text(json.dumps(record))
    for file in (WEIGHTS, SETTINGS):
        (folder / file).write_text("{}")
    files.seal_folder(folder)


def test_what_is_not_trained_is_trained_and_breaks_are_told(monkeypatch, tmp_path):
    trained = []

    def train(workbench, config, name, settings, file):
        yield from ()
        trained.append(name)
        written(name, settings)

    monkeypatch.setattr(lab, "train_dpo", train)
    for _ in range(2):
        made = drain(lab.study(None, TrialConfig(), "s", GRID, [0], {}, tmp_path))
    assert trained == [f"s-beta-{b}-train_examples-{n}-seed-0" for b in GRID["beta"] for n in GRID["train_examples"]]
    rows = lab.table(made, list(GRID))
    assert [(row["beta"], row["pairs"]) for row in rows] == [(0.01, 4), (0.01, 8), (1.0, 4), (1.0, 8)]
    assert rows[0]["words after"] == 9.0 and rows[0]["f1 difference"] == -0.2 and rows[0]["minutes"] == 1.0
    assert (rows[0]["f1 p"], rows[0]["f1 n"]) == (0.04, 9)
    untrained, likely, answers, chance = lab.sentences([rows[0] | {"best step": 0}, *rows[1:]], list(GRID))
    assert untrained.endswith("with beta 0.01, train_examples 4, seed 0.")
    both = "beta 0.01, train_examples 4, seed 0; beta 0.01, train_examples 8, seed 0"
    assert all(both in told and "beta 1.0" not in told for told in (likely, answers, chance))
    assert lab.sentences(rows[2:], list(GRID))[0].endswith("with none of these settings.")
    with pytest.raises(WorkbenchError, match="other settings"):
        drain(lab.study(None, TrialConfig(), "s", GRID, [0], {"max_steps": 7}, tmp_path))


def test_an_adapter_from_before_a_setting_was_added_is_used(tmp_path):
    settings = {"beta": 1.0, "train_examples": 4, "seed": 0}
    written(name := lab.own_name("s", settings), settings)
    file = adapters_home() / name / RECORD
    record = json.loads(file.read_text())
    del record["config"]["test_prompts"]
    file.write_text(json.dumps(record))
    [made] = drain(lab.study(None, TrialConfig(), "s", {"beta": [1.0], "train_examples": [4]}, [0], {}, tmp_path))
    assert made["config"]["beta"] == 1.0


def test_what_is_no_setting_is_told(tmp_path):
    for grid in ({"betas": [1]}, {"seed": [1]}):
        with pytest.raises(WorkbenchError, match="no setting"):
            drain(lab.study(None, TrialConfig(), "s", grid, [0], {}, tmp_path))
