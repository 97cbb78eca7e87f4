"""Studies whose driver and workers are killed at random moments, two on one home, two drivers of one: the same tables."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import psutil

from tests.faults import homes
from tests.faults.harness import Case, Lab, attack, verb
from tests.faults.processes import ended

K1 = (0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6)
KILLS = 8  # of a driver in a case


def written(name: str = "toy", sizes: tuple[int, ...] = (16, 32)) -> Path:
    """The study as a file in the case's own folder."""
    from core.labs.experiments.experiment import written as as_yaml
    from tests.support.toy_study import toy_study

    file = Path.cwd() / f"{name}.yaml"
    file.write_text(as_yaml(toy_study(name, sizes=sizes, k1=K1)))
    return file


def started(home: Path, file: Path, workers: int) -> int:
    """A driver in a process of its own, from which what it starts goes on where it is killed."""
    child = os.fork()
    if not child:
        code = 9
        try:
            os.environ["GROUNDWORK_HOME"] = str(home)
            silent = os.open(os.devnull, os.O_RDWR)
            for handle in (0, 1, 2):
                os.dup2(silent, handle)
            from core.__main__ import main

            code = main(["study", str(file), "--workers", str(workers)])
        finally:
            os._exit(code)
    return child


def table(home: Path) -> list[str]:
    """Recipe, scores and rankings of every good trial; one that is stored twice stands here twice."""
    return sorted(json.dumps(said) for said in homes.trials(home).values() if said[1] == "ok")


def undisturbed(lab: Lab, name: str) -> tuple[list[str], float]:
    """Its table, and the seconds that it took."""
    home = homes.copy(lab, homes.towns, lab.folder / name)
    os.chdir(lab.folder)
    started_at = time.monotonic()
    verb(home, "study", written(), "--workers", "1").well()
    took = time.monotonic() - started_at
    whole = table(home)
    assert len(whole) == 2 * len(K1) + 1, f"{len(whole)} trials undisturbed"
    return whole, took


def finished(home: Path, whole: list[str]) -> None:
    """Run once more, the study is whole, and each trial there once."""
    verb(home, "study", written(), "--workers", "1").well()
    left = table(home)
    assert len(left) == len(set(left)), f"{len(left) - len(set(left))} trials are there twice"
    assert left == whole, f"other trials than undisturbed: {len(left)} of {len(whole)}"
    homes.verified(home)


@attack("studies", f"the driver killed at {KILLS} random moments of a study: the same table, no trial twice")
def driver(lab: Lab) -> Iterator[Case]:
    whole, seconds = undisturbed(lab, "driver")

    def check(rng: Random) -> None:
        home, kills = homes.copy(lab, homes.towns, Path.cwd() / "home"), 0
        while kills < KILLS:
            child = started(home, written(), 1)
            time.sleep(rng.uniform(0, 0.5 * seconds))  # so that some are left to be killed later
            os.kill(child, signal.SIGKILL)
            ended(child)
            kills += 1
        finished(home, whole)

    for number in range(1, 10_000):
        yield Case(str(number), lambda number=number: check(lab.rng("driver", number)), 120.0)


@attack("studies", "workers, then the driver beside them, killed at random moments: the same table, no worker left")
def workers(lab: Lab) -> Iterator[Case]:
    whole, seconds = undisturbed(lab, "workers")

    def check(rng: Random) -> None:
        home = homes.copy(lab, homes.towns, Path.cwd() / "home")
        child = started(home, written(), 2)
        crew: list[psutil.Process] = []
        for _ in range(3):
            time.sleep(rng.uniform(0.1, 2 * seconds))
            with suppress(psutil.Error):
                crew += (now := psutil.Process(child).children(recursive=True))
                if now:
                    rng.choice(now).kill()
        if rng.random() < 0.5:
            os.kill(child, signal.SIGKILL)
        ended(child)
        end = time.monotonic() + 20
        while any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in crew):
            assert time.monotonic() < end, "a worker outlives its driver"
            time.sleep(0.02)
        finished(home, whole)

    for number in range(1, 10_000):
        yield Case(str(number), lambda number=number: check(lab.rng("workers", number)), 120.0)


@attack("studies", "two drivers of one study and another study on the same home, at once, one of them killed")
def beside(lab: Lab) -> Iterator[Case]:
    whole, seconds = undisturbed(lab, "beside")

    def check(rng: Random) -> None:
        home = homes.copy(lab, homes.towns, Path.cwd() / "home")
        other = written("other", sizes=(24,))
        drivers = [started(home, written(), 1), started(home, written(), 1), started(home, other, 1)]
        time.sleep(rng.uniform(0, seconds))
        with suppress(ProcessLookupError):
            os.kill(rng.choice(drivers), signal.SIGKILL)
        ended(*drivers)
        verb(home, "study", other, "--workers", "1").well()
        verb(home, "study", written(), "--workers", "1").well()
        left = table(home)
        assert len(left) == len(whole) + len(K1) + 1, f"{len(left)} trials of two studies"
        assert set(whole) <= set(left), "other trials than undisturbed"
        assert len(set(left)) == len(left) - 1, "only the base is a trial of both"
        homes.verified(home)

    for number in range(1, 10_000):
        yield Case(str(number), lambda number=number: check(lab.rng("beside", number)), 120.0)
