"""Quality beside latency under load: what is late is worth nothing, arms are paired, and one is recommended."""

import time
from contextlib import contextmanager

import numpy as np
import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.progress import drain
from core.serving import frontier as lab
from core.serving import load, starting
from core.serving.service import Service
from core.serving.web import ServiceLimits
from tests.support.failing import RECIPE, recipe

FREE = ServiceLimits(rate=1e6, burst=1_000_000)


@pytest.fixture
def in_process(bench, reader, serve, monkeypatch):
    """Services of this process, whose model is played; a machine that runs tests is busy."""
    monkeypatch.setattr(load, "LATE_MS", 1000.0)

    @contextmanager
    def started(home, arm):
        yield str(serve(Service(bench, arm.config), ServiceLimits(arm.batch, rate=1e6, burst=1_000_000)).base_url).rstrip("/")

    monkeypatch.setattr(lab, "started", started)
    return bench


def judged(worth, p95_ms=100.0, throughput=2.0, limit="", late=()):
    worth = np.array(worth, float)
    in_time = np.where(np.isin(np.arange(len(worth)), late), np.nan, worth)
    point = {"limit": limit, "p95_ms": p95_ms, "throughput": throughput, "good": 1 - len(late) / len(worth)}
    return lab.LoadedArm(point, np.where(np.isnan(in_time), 0.0, worth), in_time, 0.0)


def at_rate(**arms):
    return lab._at_rate(arms, recipe(), 2.0, 500.0, 3.6)


def test_batch_sizes_are_served_loaded_and_judged(in_process):
    served = lab.arms(recipe(), {}, [1, 4])
    record = drain(lab.frontier(in_process, served, [4.0], 2.0, 8, "f1", slo_ms=10_000.0))
    assert [row["arm"] for row in record["rows"]] == ["batch 1", "batch 4"]
    assert all(row["good"] == 1.0 and 0 < row["quality"] <= 1 for row in record["rows"])
    assert record["rows"][0]["quality"] == record["rows"][1]["quality"]  # the same answers to the same questions
    assert record["told"][0].startswith("At 4/s take batch ")
    recorded = in_process.sql(
        "SELECT cells->>'arm', CAST(cells->>'quality' AS DOUBLE) FROM lab_rows WHERE lab = 'serving-compare'"
    )
    assert sorted(recorded.rows) == [(row["arm"], row["quality"]) for row in record["rows"]]
    late = drain(lab.frontier(in_process, served, [4.0], 1.0, 8, "f1", slo_ms=0.001))
    assert all(row["quality"] == 0.0 and row["answered"] is None for row in late["rows"])


def test_what_comes_too_late_is_worth_nothing_and_arms_are_told_apart():
    better = [1.0] * 90 + [0.0] * 10
    rows, told = at_rate(good=judged(better), slow=judged(better, p95_ms=900.0, late=range(60)), poor=judged([0.2] * 100))
    assert [round(row["quality"], 2) for row in rows] == [0.9, 0.3, 0.2] and rows[1]["answered"] == pytest.approx(0.75)
    assert [row["frontier"] for row in rows] == ["yes", "", ""] and rows[0]["usd"] == pytest.approx(0.5)
    assert told.startswith("At 2/s take good: 0.900 (") and told.endswith("significantly worse than the best: slow; poor.")


def test_of_those_that_are_not_told_apart_the_fastest_is_taken():
    draw = np.random.default_rng(0)
    one = (draw.random(60) < 0.7) * 1.0
    other = one.copy()
    other[np.flatnonzero(one)[0]] = 0.0
    rows, told = at_rate(best=judged(one, p95_ms=400.0), quick=judged(other, p95_ms=50.0))
    assert [row["frontier"] for row in rows] == ["yes", "yes"]
    assert told.startswith("At 2/s take quick") and "best has" in told and "does not differ significantly" in told


def test_where_the_driver_was_the_limit_nothing_is_told():
    assert at_rate(a=judged([1.0], limit="late"), b=judged([1.0], limit="late"))[0] == []
    rows, told = at_rate(a=judged([1.0] * 20, limit="late"), b=judged([0.5] * 20))
    assert [row["arm"] for row in rows] == ["b"] and told.startswith("At 2/s take b")


def test_arms_are_named_by_what_is_varied():
    made = lab.arms(recipe(), {"context.passages": [1, 3]}, [1, 8])
    assert [arm.label for arm in made] == [f"passages {passages}, batch {batch}" for passages in (1, 3) for batch in (1, 8)]
    assert [arm.label for arm in lab.arms(recipe(), {"context.passages": [1, 3]}, [8])] == ["passages 1", "passages 3"]
    with pytest.raises(WorkbenchError, match="nothing to be compared"):
        lab.arms(recipe(), {}, [8])


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"measure": "wrongly_abstained"}, "no share"),
        ({"seconds": 9.0}, "fewer than"),
        ({"seconds": 2.0, "seed": 2}, "8 questions are fewer than the 12 requests"),  # their mean is 8
    ],
)
def test_what_cannot_be_compared_is_refused(bench, changes, why):
    plan = {"rates": [4.0], "seconds": 1.0, "ask": 8, "measure": "f1", "slo_ms": 100.0} | changes
    with pytest.raises(WorkbenchError, match=why):
        drain(lab.frontier(bench, lab.arms(recipe(), {}, [1, 2]), **plan))


def test_a_service_that_does_not_start_is_told(bench, monkeypatch):
    monkeypatch.setattr(starting, "START_S", 0.1)
    with (
        pytest.raises(WorkbenchError, match="batch 2 did not start"),
        lab.started(bench.home, lab.FrontierArm("batch 2", recipe(), 2)),
    ):
        pass


def test_a_service_that_lacks_something_is_not_waited_for(bench):
    """It is up and says so, and waiting brings no model."""
    arm = lab.FrontierArm("batch 2", recipe(**{"generation.model": "/nowhere/model.gguf"}), 2)
    began = time.monotonic()
    with pytest.raises(WorkbenchError, match="batch 2 did not start: Not ready: "), lab.started(bench.home, arm):
        pass
    assert time.monotonic() - began < starting.START_S / 2


def test_the_command_shows_the_table_and_the_recommendation(in_process, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(in_process.home))
    words = ["serving", "compare", "--batch", "1,4", "--rate", "4", "--seconds", "1", "--ask", "8", "--slo-ms", "10000"]
    settings = [word for name, value in RECIPE.items() for word in ("--set", f"{name}={value}")]
    assert main([*words, *settings]) == 0
    shown = capsys.readouterr().out
    assert "In time and right" in shown and shown.splitlines()[-1].startswith("At 4/s take batch ")
