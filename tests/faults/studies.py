"""Studies whose driver and workers are killed at random moments, two on one home, two drivers of one: the same tables.

`python -m tests.faults.studies --kills 200 --seed 0` kills exactly so often and says what came of it as JSON.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import psutil

from tests.faults import homes
from tests.faults.harness import Case, Lab, attack, verb
from tests.faults.processes import ended

K1 = (0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6)
POINTS = 2 * len(K1) + 1  # with the base, which is none of the grid
KILLS = 8  # in a case
SHARE = 0.5  # of what the undisturbed study takes, the longest from kill to kill: so that some of it is left to be killed later


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


def undisturbed(lab: Lab, name: str, workers: int = 1) -> tuple[list[str], float]:
    """Its table, and the seconds that it took."""
    home = homes.copy(lab, homes.towns, lab.folder / name)
    os.chdir(lab.folder)
    started_at = time.monotonic()
    verb(home, "study", written(), "--workers", str(workers)).well()
    took = time.monotonic() - started_at
    whole = table(home)
    assert len(whole) == POINTS, f"{len(whole)} trials undisturbed"
    return whole, took


def finished(home: Path, whole: list[str]) -> None:
    """Run once more, the study is whole, and each trial there once."""
    verb(home, "study", written(), "--workers", "1").well()
    left = table(home)
    assert len(left) == len(set(left)), f"{len(left) - len(set(left))} trials are there twice"
    assert left == whole, f"other trials than undisturbed: {len(left)} of {len(whole)}"
    homes.verified(home)


def killed(home: Path, rng: Random, kills: int, workers: int, seconds: float) -> dict[str, int]:
    """Runs the study again and again and kills its driver or one of its workers at random moments, until so many were hit
    or it has ended by itself. A kill counts where its victim was still there. seconds: the longest from kill to kill."""
    hits, crew, by_itself = {"driver": 0, "worker": 0}, [], False
    while not by_itself and sum(hits.values()) < kills:
        child, lives = started(home, written(), workers), True
        while lives and sum(hits.values()) < kills:
            by_itself = _ended_within(child, rng.uniform(0, seconds))
            lives = not by_itself
            if lives:
                crew += (now := _workers(child))
                victim = rng.choice([None, *now])
                if victim is None:
                    os.kill(child, signal.SIGKILL)  # nobody has waited for it, so that the number is still its own
                    hits["driver"] += os.WIFSIGNALED(os.waitpid(child, 0)[1])
                    lives = False
                elif _running(victim):
                    victim.kill()
                    hits["worker"] += 1
        if lives:
            ended(child)
    end = time.monotonic() + 60
    while any(map(_running, crew)):
        assert time.monotonic() < end, "a worker outlives its driver"
        time.sleep(0.02)
    return hits


def _ended_within(child: int, seconds: float) -> bool:
    """Whether it ended by itself before the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.002)
    return False


def _workers(driver: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(driver).children(recursive=True)
    return []


def _running(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _attacked(lab: Lab, name: str, workers: int) -> Iterator[Case]:
    """Cases of so many kills each: where a study ends before, the next home is taken."""
    whole, seconds = undisturbed(lab, name, workers)

    def check(rng: Random) -> None:
        hit = 0
        for number in range(100):
            if hit < KILLS:
                home = homes.copy(lab, homes.towns, Path.cwd() / f"home{number}")
                hit += sum(killed(home, rng, KILLS - hit, workers, SHARE * seconds).values())
                finished(home, whole)
        assert hit == KILLS, f"{hit} kills of {KILLS}"

    for number in range(1, 10_000):
        yield Case(str(number), lambda number=number: check(lab.rng(name, number)), 240.0, None)


@attack("studies", f"the driver killed at {KILLS} random moments: the same table, no trial twice")
def driver(lab: Lab) -> Iterator[Case]:
    yield from _attacked(lab, "driver", 1)


@attack("studies", f"the driver or a worker killed at {KILLS} random moments: the same table, no trial twice, no worker left")
def workers(lab: Lab) -> Iterator[Case]:
    yield from _attacked(lab, "workers", 2)


def counted(kills: int, seed: int, folder: Path) -> dict[str, Any]:
    """So many kills, of studies in one process and with two workers by turns; every home is held against its undisturbed run."""
    lab, hits, failures, homes_tried = Lab(folder / "studies", seed), {"driver": 0, "worker": 0}, [], 0
    lab.folder.mkdir()
    calm = {workers: undisturbed(lab, f"calm{workers}", workers) for workers in (1, 2)}
    while (left := kills - sum(hits.values())) > 0 and len(failures) < 10:
        homes_tried += 1
        workers, home = 1 + homes_tried % 2, homes.copy(lab, homes.towns, lab.folder / f"home{homes_tried}")
        whole, seconds = calm[workers]
        try:
            now = killed(home, lab.rng("counted", homes_tried), min(KILLS, left), workers, SHARE * seconds)
            hits = {who: number + now[who] for who, number in hits.items()}
            finished(home, whole)
        except AssertionError as error:
            failures.append(f"home {homes_tried}: {error}")
        shutil.rmtree(home)
        print(f"{sum(hits.values())} kills, {len(failures)} homes differ", file=sys.stderr, flush=True)
    return {
        "kills": sum(hits.values()),
        "of_the_driver": hits["driver"],
        "of_a_worker": hits["worker"],
        "homes": homes_tried,
        "differing": len(failures),
        "failures": failures,
        "seed": seed,
    }


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
        yield Case(str(number), lambda number=number: check(lab.rng("beside", number)), 120.0, None)


def main() -> int:
    from tests.faults.__main__ import HEAVY

    parser = argparse.ArgumentParser(prog="python -m tests.faults.studies", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for heavy in HEAVY:  # forked with, rather than loaded in each run
        import_module(heavy)
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="faults-", dir=fast if fast.is_dir() else None) as folder:
        result = counted(options.kills, options.seed, Path(folder))
        os.chdir("/")  # out of the folder that goes
    print(json.dumps(result, indent=1))
    return 1 if result["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
