"""A service that silently got worse: canaries are asked of it again, each is held against what it found when it was published, and the
deployment that a loss began with is told, with the stage that changed in it."""

import time
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple

import numpy as np

from core.config import fingerprint
from core.errors import WorkbenchError
from core.generation.remote import bearer
from core.pipeline.forecast import Forecast, one_phase
from core.progress import counted
from core.records import Gold, Progress
from core.serving.asking import ADDRESS, replied
from core.serving.publishing import Publication, is_found, recipe_of
from core.statistics.bootstrap import Interval
from core.statistics.canary import first_bad_deployment
from core.store.batches import batches
from core.workbench import Workbench

KIND = "canary_answers"
RECORDED = 50  # canaries a batch
NONE = Interval(None, None, None, 0, 0)


class Watched(NamedTuple):
    """What canaries say since a publication. alarm: canaries until it; None: none. stage: the first that changed in the deployment that it
    began with, "" where no key of a stage did."""

    asked: int
    lost: Interval
    log_e: tuple[float, ...]
    alarm: int | None
    since: str
    stage: str
    questions: tuple[str, ...]

    @property
    def change(self) -> str:
        """The same in a cell."""
        if not self.asked:
            return "not asked"
        if self.alarm is not None:
            return f"{self.lost.mean:.1%} lost: regression"
        return f"{self.lost.mean:.1%} lost: noise" if self.lost.mean else "the same"

    @property
    def sentence(self) -> str:
        if not self.asked:
            return "No canary was asked yet."
        bounds = "no one share fits them all"  # after a long good time
        if self.lost.low is not None:
            bounds = f"{self.lost.low:.1%} to {self.lost.high:.1%}"
        share = f"{self.lost.mean:.1%} of {self.asked:,} canaries are lost ({bounds})"
        if self.alarm is None:
            return f"{share}: no more than the noise explains, at any look so far."
        where = (
            f"the stage {self.stage} changed in it" if self.stage else "no stage of its recipe changed: look at files and engine"
        )
        return f"{share}. Regression found at canary {self.alarm + 1:,}; it began with the deployment {self.since}, and {where}."


def ask_canaries(
    workbench: Workbench, publication: Publication, url: str, most: int = 200, key: str = "", seed: int | None = None
) -> Generator[Progress, None, Watched]:
    """Asks the service at `url` so many canaries that were found at publication, in an order drawn anew, and records what it finds."""
    able = [each for each in publication.canaries if each["found"]]
    if not able:
        raise WorkbenchError(
            "No canary was found at publication, so none can be lost.",
            where=publication.name,
            todo="Publish a recipe that finds some.",
        )
    order = np.random.default_rng(seed).permutation(len(able))[:most].tolist()
    overlap = recipe_of(publication).evaluation.overlap
    began, rows = datetime.now(UTC).isoformat(timespec="microseconds"), {}
    import httpx2  # 0.1 s, which a start need not wait for

    try:
        client = httpx2.Client(base_url=url, timeout=60.0, headers=bearer(key))
    except httpx2.InvalidURL as error:
        raise WorkbenchError(f"'{url:.80}' is no address: {error}.", where="--url", todo=f"For example {ADDRESS}") from None
    with client:
        ready = replied(client, "GET", "/ready")
        if (name := ready.get("name")) != publication.name:
            what = f"At {url} '{name}' is served, not '{publication.name}'." if name else f"At {url} is no service of a recipe."
            todo = "Give the address of the service that was started with `serve --published` and this name."
            raise WorkbenchError(what, where="--url", todo=todo)
        stages = ready["stages"]
        about = {"publication": publication.key, "deployment": fingerprint(stages)[:12], "stages": stages}
        try:
            for number, place in enumerate(order):
                yield Progress(number, len(order), "Asking canaries")
                canary, start = able[place], time.perf_counter()
                reply = replied(client, "POST", "/search", json={"question": canary["question"], "k": publication.k})
                ms = 1000 * (time.perf_counter() - start)
                spans = [(each["document"], each["start"], each["end"]) for each in reply["passages"]]
                now = is_found(spans, [Gold(*each) for each in canary["gold"]], overlap)
                said = {"question": canary["question"], "before": True, "now": now, "ms": ms, "asked": began}
                rows[f"{began} {number:06}"] = said | about
                if len(rows) == RECORDED:
                    batches(workbench.home).keep(KIND, rows)
                    rows = {}
        finally:  # what was answered counts, also where the service breaks off
            if rows:
                batches(workbench.home).keep(KIND, rows)
    return watched(workbench, publication)


def watched(workbench: Workbench, publication: Publication) -> Watched:
    """By all canaries recorded since the publication, in the order asked."""
    rows = workbench.store.recorded(KIND, f"SELECT key FROM {KIND} WHERE publication = ? ORDER BY key", [publication.key])
    if not rows:
        return Watched(0, NONE, (), None, "", "", ())
    names = list(_told_apart([row["deployment"] for row in rows]))
    before, now = (np.array([row[side] for row in rows], float) for side in ("before", "now"))
    bad = first_bad_deployment(names, [row["question"] for row in rows], before, now, publication.floor)
    stage = ""
    if bad.deployment is not None:
        first = names.index(bad.deployment)
        stage = changed(rows[first - 1]["stages"] if first else publication.stages, rows[first]["stages"])
    test = bad.test
    return Watched(len(rows), test.rate, tuple(test.log_e.tolist()), test.alarm, bad.deployment or "", stage, bad.questions)


def canary_cost(publication: Publication) -> Forecast:
    """What asking them takes."""
    number = sum(each["found"] for each in publication.canaries)
    return one_phase(counted(number, "question"), units=max(1, number))


def changed(before: dict[str, str], now: dict[str, str]) -> str:
    """The first stage with another key; those after it are made from it."""
    return next((name for name, key in now.items() if before.get(name) != key), "")


def _told_apart(names: list[str]) -> Iterator[str]:
    """A deployment that is rolled back to is another one: its number stands behind it."""
    runs: dict[str, int] = {}
    for name, group in groupby(names):
        runs[name] = runs.get(name, 0) + 1
        told = f"{name} ({runs[name]})" if runs[name] > 1 else name
        yield from (told for _ in group)
