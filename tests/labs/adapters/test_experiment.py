"""A setting of an adapter's training over values and seeds: trained once, compared on the same questions."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from core import files
from core.__main__ import parse
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.adapters import experiment as lab
from core.models.adapters import RECORD, SETTINGS, WEIGHTS
from core.models.hub import adapters_home
from core.progress import drain
from core.training.adapters.settings import AdapterTraining

CONFIG, SOURCE = TrialConfig(), "towns 123"


@pytest.fixture(autouse=True)
def source(monkeypatch):
    """What is learnt from now."""

    def adapter_data(workbench, config, settings, file):
        yield from ()
        return SimpleNamespace(source=told[0])

    told = [SOURCE]
    monkeypatch.setattr(lab, "adapter_data", adapter_data)
    return told


def written(name: str, f1: list[float], first: int = 0, **settings) -> None:
    """An adapter as training leaves it. first: of the questions that it was tested on."""
    folder = adapters_home() / name
    folder.mkdir(parents=True)
    tested = [{"id": str(i), "question": f"{i}?", "after": {"em": float(v == 1), "f1": v}} for i, v in enumerate(f1, first)]
    record = {
        "config": AdapterTraining(**settings).model_dump(),
        "base": {"model": "bundled"},
        "data": {"source": SOURCE},
        "trainable": 100 * settings["rank"],
        "loss": {"after": 1.5},
        "seconds": {"training": 90.0},
        "tested": tested,
        "comparison": [{"measure": "f1"}],
    }
    (folder / RECORD).write_text(json.dumps(record))
    (folder / "log.jsonl").write_text(json.dumps({"time": "2026-11-26T08:00:00", "kind": "step", "memory_mb": 7}) + "\n")
    for file in (WEIGHTS, SETTINGS):
        (folder / file).write_text("{}")
    files.seal_folder(folder)


def test_values_are_held_against_the_first_over_the_same_questions():
    draw = np.random.default_rng(0)
    base = draw.uniform(0, 0.5, 40)
    for rank, gain in ((4, 0.0), (8, 0.3)):
        for seed in (0, 1):
            written(f"s-rank-{rank}-{seed}", list(np.round(base + gain + 0.01 * seed, 3)), rank=rank, seed=seed)
    made = drain(lab.study(None, CONFIG, "s", "rank", [4, 8], [0, 1], {}))
    assert [row.trainable for row in made.rows] == [400, 800] and made.comparison.of(0, "f1") is None
    gain = made.comparison.of(1, "f1")
    assert gain.paired.difference == pytest.approx(0.3, abs=0.002) and gain.p_holm < 0.01
    assert made.rows[1].sd["f1"] == pytest.approx(0.01 / np.sqrt(2), abs=1e-4) and made.rows[0].minutes == 1.5
    assert made.comparison.means[0, "f1"].mean == pytest.approx(base.mean() + 0.005, abs=0.001)
    told = lab.table(made, "rank")
    assert told[0]["f1 difference"] is None and told[1]["memory_mb"] == 7 and told[1]["rank"] == 8


def test_seeds_that_draw_other_questions_for_the_test_are_held_against_each_other_by_question():
    for rank, gain in ((4, 0.0), (8, 0.2)):
        written(f"s-rank-{rank}-0", [0.1 + gain, 0.5 + gain], rank=rank, seed=0)  # questions 0 and 1
        written(f"s-rank-{rank}-1", [0.3 + gain, 0.7 + gain], first=1, rank=rank, seed=1)  # 1 and 2
    made = drain(lab.study(None, CONFIG, "s", "rank", [4, 8], [0, 1], {}))
    mean = made.comparison.means[0, "f1"]
    assert mean.n == 3 and mean.mean == pytest.approx((0.1 + (0.5 + 0.3) / 2 + 0.7) / 3)
    gain = made.comparison.of(1, "f1").paired
    assert gain.n == 3 and gain.difference == pytest.approx(0.2)
    assert made.rows[0].sd["f1"] == pytest.approx(np.std([0.3, 0.5], ddof=1))


def test_only_what_is_not_trained_is_trained(monkeypatch):
    trained = []

    def train(workbench, config, name, settings, file):
        yield from ()
        trained.append(name)
        written(name, [0.1, 0.2, 0.3], rank=settings["rank"], seed=settings["seed"])

    monkeypatch.setattr(lab, "train_adapter", train)
    written("s-rank-4-0", [0.1, 0.2, 0.3], rank=4, seed=0)
    drain(lab.study(None, CONFIG, "s", "rank", [4, 8], [0], {}))
    drain(lab.study(None, CONFIG, "s", "rank", [4, 8], [0], {}))
    assert trained == ["s-rank-8-0"]
    with pytest.raises(WorkbenchError, match="other settings"):
        drain(lab.study(None, CONFIG, "s", "rank", [4], [0], {"max_steps": 7}))


def test_what_learnt_from_other_data_is_not_taken_for_this_studys(source):
    written("s-rank-4-0", [0.1, 0.2, 0.3], rank=4, seed=0)
    source[0] = "villages 456"
    with pytest.raises(WorkbenchError, match="other data: towns 123; now it is villages 456"):
        drain(lab.study(None, CONFIG, "s", "rank", [4], [0], {}))


def test_a_second_setting_does_not_take_the_place_of_the_first():
    call = parse(["adapter-study", "s", "--grid", "rank=4,8", "--grid", "alpha=8,16"])
    with pytest.raises(WorkbenchError, match="varies one setting"):
        drain(call.work(None))


def test_other_questions_and_no_setting_are_told():
    written("s-rank-4-0", [0.1, 0.2, 0.3], rank=4, seed=0)
    written("s-rank-8-0", [0.1, 0.2], rank=8, seed=0)
    with pytest.raises(WorkbenchError, match="same questions"):
        drain(lab.study(None, CONFIG, "s", "rank", [4, 8], [0], {}))
    with pytest.raises(WorkbenchError, match="no setting"):
        drain(lab.study(None, CONFIG, "s", "ranks", [4], [0], {}))
