"""Workers and drivers of a study that are killed, and two drivers on one home: the tables are those of an undisturbed run."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from core.errors import WorkbenchError
from core.labs.experiments.driver import run
from core.labs.experiments.experiment import written
from core.labs.experiments.standing import pause, standing
from core.progress import drain
from core.workbench import Workbench
from tests.support.toy_study import table, toy_home, toy_study

ROOT = Path(__file__).resolve().parents[3]
STUDY = toy_study(k1=(0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6))
POINTS = 15  # with the base, which is none of the grid
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return toy_home(tmp_path_factory.mktemp("toy") / "home").home


@pytest.fixture(scope="module")
def undisturbed(template, tmp_path_factory):
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(template, home)
    drain(run(Workbench(home), STUDY, workers=1))
    whole = table(Workbench(home))
    assert len(whole) == POINTS
    return whole


@pytest.fixture
def home(template, tmp_path):
    shutil.copytree(template, tmp_path / "home")
    (tmp_path / "study.yaml").write_text(written(STUDY))
    return tmp_path / "home"


def started(home: Path, workers: int, file: str = "study.yaml") -> subprocess.Popen:
    """A driver as the command line starts it."""
    command = [sys.executable, "-m", "core", "study", str(home.parent / file), "--workers", str(workers)]
    environment = {**os.environ, "GROUNDWORK_HOME": str(home)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def records(home: Path) -> int:
    return len(list((home / "journal").rglob("*.trial.*")))


def until(condition, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


@pytest.fixture
def workers():
    """The processes begun since the test did: others are a browser's and an app's, of tests before it."""
    before = set(psutil.Process().children(recursive=True))
    return lambda: set(psutil.Process().children(recursive=True)) - before


def test_workers_beside_each_other_store_what_one_does(home, undisturbed, workers):
    bench = Workbench(home)
    outcome = drain(run(bench, STUDY, workers=2))
    assert outcome.measured == POINTS and outcome.workers == 2 and table(bench) == undisturbed
    engines = {bench.show(trial)["engine"]["workers"] for trial in outcome.trials}
    assert engines == {2}
    assert not workers(), "workers outlive their study"


@pytest.mark.parametrize("kills", [1, 2])
def test_a_killed_worker_is_started_anew_and_its_trial_tried_once_more(home, undisturbed, workers, kills):
    bench, killed = Workbench(home), 0
    for step in run(bench, STUDY, workers=2):
        if killed < kills and step.message.startswith(("Chunking", "Starting a worker anew") if kills > 1 else "Chunking"):
            for worker in workers():
                worker.kill()
            killed += 1
    assert killed == kills
    failed = table(bench, "failed")
    assert (len(failed) == 0) if kills == 1 else len(failed) <= 2
    drain(run(Workbench(home), STUDY, workers=1))
    assert table(bench) == undisturbed


def test_what_a_worker_cannot_even_begin_is_told(home, monkeypatch):
    bench = Workbench(home)
    monkeypatch.setenv("GROUNDWORK_CACHE_GB", "no number")  # with which no workbench opens, nor that of a worker
    outcome = drain(run(bench, STUDY, workers=2))
    assert len(outcome.failed) == POINTS and "no number of gigabytes" in outcome.failed[0].reason


def test_a_killed_driver_leaves_no_worker_and_goes_on(home, undisturbed):
    rng = random.Random(7)
    for kill in range(4):
        driver = started(home, 1 + kill % 2)
        goal = records(home) + rng.randrange(1, 4)
        until(lambda goal=goal, driver=driver: records(home) >= goal or driver.poll() is not None)
        workers = psutil.Process(driver.pid).children(recursive=True) if driver.poll() is None else []
        driver.kill()
        driver.communicate()
        until(lambda workers=workers: not any(worker.is_running() and worker.status() != "zombie" for worker in workers))
    bench = Workbench(home)
    assert standing(bench, "toy").status in ("died", "done")
    drain(run(bench, STUDY, workers=1))
    assert table(bench) == undisturbed


def test_two_drivers_of_one_study_and_two_studies_of_one_home(home, undisturbed):
    (home.parent / "other.yaml").write_text(written(toy_study("other", sizes=(24,))))
    drivers = [started(home, 1), started(home, 1), started(home, 1, "other.yaml")]
    said = [driver.communicate()[1] for driver in drivers]
    codes = [driver.returncode for driver in drivers]
    assert codes[2] == 0 and sum(codes[:2]) <= 1, said
    assert all("runs already: process" in text for text, code in zip(said, codes, strict=True) if code)
    bench = Workbench(home)
    sweeps = bench.store.query("SELECT sweep, count(*) AS n FROM trials GROUP BY ALL ORDER BY sweep")
    assert [tuple(row.values()) for row in sweeps] == [("other", 4), ("toy", POINTS)]
    drain(run(bench, STUDY, workers=1))
    assert set(undisturbed) <= set(table(bench))  # the base is a trial of both studies


def test_a_study_is_watched_and_paused_from_elsewhere(home, undisturbed):
    handler = signal.getsignal(signal.SIGTERM)
    driver, bench = started(home, 2), Workbench(home)
    until(lambda: (home / "locks" / "study-toy.json").exists() and standing(bench, "toy").done > 0)
    seen = standing(bench, "toy")
    if seen.status == "running":  # else the machine was faster than the look
        assert seen.pid == driver.pid
        with suppress(WorkbenchError):  # or than the pause
            assert pause(bench, "toy").status in ("stopped", "done")
    driver.communicate()
    job = bench.jobs.start(["study", "toy"], "The study goes on")  # recorded by its first run, so its id is enough
    until(lambda: not bench.jobs.get(job).active)
    assert bench.jobs.get(job).status == "done", bench.jobs.log_tail(job)
    assert standing(bench, "toy").status == "done" and table(bench) == undisturbed
    assert signal.getsignal(signal.SIGTERM) is handler
