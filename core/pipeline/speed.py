"""How long work takes, told as a range from what ran before on this machine: encoding, answering, building an index.

Texts that are encoded are weighed by their length, for a speed in texts a second measured on questions says little about chunks.
Loading the model is measured apart: on a small corpus it is most of the wait.
"""

from typing import NamedTuple

from core.store.cache import StageCache

TIMED_TEXTS = 100  # encoding fewer says nothing about the speed
LOADED_S = 0.1  # a model that came sooner was loaded before
BEGUN, BEGUN_S = 0.3, 2.0  # share of a verb's run, and seconds: libraries, the corpus, what is drawn at the end
KEPT = 5  # runs from which an estimate is made
SPREAD = 1.25  # what a machine's other work makes of the next run
UNSURE = 1.6  # the same where two runs are known
ONCE = 2.5  # where one is: the first meets cold files, or other work than the next


class Estimate(NamedTuple):
    """Seconds, from the fastest and the slowest run seen."""

    low: float
    high: float
    measured = True  # by runs of just this on this machine

    @property
    def words(self) -> str:
        return self.span

    @property
    def span(self) -> str:
        """ "12 to 20 s", "50 s to 2 min", "1.5 to 4 min", "50 min to 2.3 h", "about 8 s"."""
        return self.amount if " to " in self.amount else f"about {self.amount}"

    @property
    def amount(self) -> str:
        """The same without a word of how sure it is: "12 to 20 s", "8 s"."""
        last, unit = _spelt(self.high, _unit(self.high))
        first, other = _spelt(self.low, unit if self.low >= UNITS[unit] else _unit(self.low))
        if self.low >= self.high or (first, other) == (last, unit):
            return f"{last} {unit}"
        return f"{first} to {last} {unit}" if unit == other else f"{first} {other} to {last} {unit}"


class Rough(Estimate):
    """The same of what never ran here, from work that is like it."""

    measured = False

    @property
    def words(self) -> str:
        return f"roughly {self.amount}, not measured here yet"


class Run(NamedTuple):
    """What work took: seconds for so much of it, without those in which the model was loaded."""

    texts: int
    work: float  # of encoding the texts' weights, of other work how many there were
    seconds: float
    load_s: float


UNITS = {"s": 1, "min": 60, "h": 3600}


def _unit(seconds: float) -> str:
    return "s" if seconds < 100 else "min" if seconds < 6000 else "h"


def _spelt(seconds: float, unit: str) -> tuple[str, str]:
    """(number, unit), to what an estimate can say: whole seconds, from 20 on fives; else two digits."""
    amount = seconds / UNITS[unit]
    if unit == "s":
        step = 1 if amount < 20 else 5
        return f"{max(1, round(amount / step) * step)}", unit
    return f"{amount:.0f}" if amount >= 9.95 else f"{amount:.1f}".removesuffix(".0"), unit


def noted(record: dict | None, run: Run) -> dict:
    """The record of a speed with one more run."""
    record = record or {}
    runs = [*record.get("runs", []), [run.work, run.seconds]][-KEPT:]
    loads = [*record.get("loads", []), *([run.load_s] if run.load_s > LOADED_S else [])][-KEPT:]
    return {"texts_per_s": run.texts / run.seconds, "runs": runs, "loads": loads}


def estimate(record: dict | None, work: float, whole: bool = False) -> Estimate | None:
    """Seconds for so much work in a process that has to load the model first, as a job has; None before the first run. whole: runs of
    all that a verb does, of which a part may not grow with its work: it may, or may not."""
    runs = (record or {}).get("runs")
    if not runs or not work:
        return None
    ends = [seconds * work / done for done, seconds in runs]
    if whole:
        begun = [min(seconds, BEGUN * seconds + BEGUN_S) for _, seconds in runs]
        ends += [first + (seconds - first) * work / done for first, (done, seconds) in zip(begun, runs, strict=True)]
    loads, spread = record.get("loads", []), (ONCE, UNSURE, SPREAD)[min(len(runs), 3) - 1]
    low, high = min(ends) + min(loads, default=0.0), max(ends) + max(loads, default=0.0)
    return Estimate(low / spread, high * spread)


def around(seconds: float) -> Estimate:
    """Of what took so long just before."""
    return Estimate(seconds / UNSURE, seconds * UNSURE)


def rough(time: Estimate, factor: float) -> Rough:
    """A time that is taken for that of other work, which takes so many times less or more."""
    return Rough(time.low / factor, time.high * factor)


class Speeds:
    """The records of speeds, each by the name of what ran."""

    def __init__(self, cache: StageCache) -> None:
        self._cache = cache

    def record(self, name: str) -> dict | None:
        entry = self._cache.load("speed", name)
        return entry[1] if entry else None

    def note(self, name: str, run: Run) -> None:
        self.keep(name, noted(self.record(name), run))

    def keep(self, name: str, record: dict) -> None:
        self._cache.save("speed", name, {}, record)

    def time(self, work: float, name: str, *alike: str) -> Estimate | None:
        """Seconds for so much work; None where nothing like it ran here. alike: what takes about as long, asked in this order."""
        if seconds := estimate(self.record(name), work):
            return seconds
        others = (estimate(self.record(other), work) for other in alike)
        return next((rough(time, UNSURE) for time in others if time), None)
