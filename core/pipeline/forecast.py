"""What a press takes, told before it: phase by phase what is done, how many, how long that takes by what ran on this machine, and money."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from core.pipeline.speed import Estimate, Rough

UNTIMED = "not measured here yet"
WORTH_BYTES = 5e8  # less memory is not worth a word


class Usd(NamedTuple):
    """What a service asks for, fewest and most; NaN: the model is in no price table."""

    low: float
    high: float

    @property
    def words(self) -> str:
        if math.isnan(self.high):
            return "price unknown, for the model is in no price table"
        ends = [f"{end:,.2f}" if end >= 0.1 else f"{end:.2g}" for end in self]
        return f"{' to '.join(dict.fromkeys(ends))} USD"


class Phase(NamedTuple):
    """what: with its count, "184 answers". seconds None: nothing like it was timed on this machine. usd None: it costs no money.
    memory_bytes: that it holds, about; 0: not known."""

    what: str
    seconds: Estimate | None = None
    usd: Usd | None = None
    memory_bytes: float = 0.0


class Forecast(NamedTuple):
    """memory_bytes: 0 where it is not known. units: how much of its verb's work it is, by which earlier runs of the verb are scaled; 0:
    they tell nothing of this one. like: what else decides how long a unit takes, such as the model: runs alike are asked first.
    earlier: all of it by those, used where the phases alone do not tell."""

    phases: tuple[Phase, ...]
    memory_bytes: float = 0.0
    units: int = 0
    like: str = ""
    earlier: Estimate | None = None

    @property
    def seconds(self) -> Estimate | None:
        """All of it: by earlier runs, which hold what stands between the phases, else by these; None where a phase was never timed, nor
        any like it."""
        times = [phase.seconds for phase in self.phases]
        whole = total(times) if times and None not in times else None
        return self.earlier if self.earlier and (whole is None or self.earlier.measured) else whole

    @property
    def usd(self) -> Usd | None:
        some = [phase.usd for phase in self.phases if phase.usd]
        return Usd(*map(sum, zip(*some, strict=True))) if some else None

    @property
    def words(self) -> str:
        """ "In all 6 to 8.5 min: 3 steps, 10 to 15 s; 182 test answers, 6 to 8 min; about 3.9 GB of memory"."""
        times, whats = [phase.seconds for phase in self.phases], [phase.what for phase in self.phases]
        whole, begin = self.seconds, ""
        by = " by earlier runs" if whole and whole is self.earlier and whole.measured else ""
        if len(whats) == 1 or not all(times) and (whole or not any(times)):
            parts = [", ".join(("; ".join(whats), f"{whole.words}{by}" if whole else UNTIMED))]
        else:
            parts = [f"{what}, {time.words if time else UNTIMED}" for what, time in zip(whats, times, strict=True)]
            if whole is None:
                least = total(filter(None, times)).low
                begin = f"in all more than {Estimate(least, least).amount}: " if whats else ""
            else:
                begin = f"in all {whole.span if whole.measured else 'roughly ' + whole.amount}{by}: "
        parts += [self.usd.words] if self.usd else []
        parts += [f"about {self._memory}"] if self._memory else []
        words = begin + "; ".join(parts)
        return f"{words[:1].upper()}{words[1:]}"

    @property
    def brief(self) -> str:
        """The same in one line: of several phases their sum, "About 1.3 to 13 h, 7.8 GB of memory"."""
        whole = self.seconds
        if len(self.phases) < 2 or whole is None:
            return self.words
        time = whole.span if whole.measured else f"about {whole.amount}"
        words = ", ".join(filter(None, (time, self.usd and self.usd.words, self._memory)))
        return f"{words[:1].upper()}{words[1:]}"

    @property
    def _memory(self) -> str:
        """ "" where it is not worth a word."""
        held = max([self.memory_bytes, *(phase.memory_bytes for phase in self.phases)])
        return f"{held / 1e9:.1f} GB of memory" if held >= WORTH_BYTES else ""


def one_phase(what: str, seconds: Estimate | None = None, units: int = 0, like: str = "", usd: Usd | None = None) -> Forecast:
    """Of work that is all of a kind."""
    return Forecast((Phase(what, seconds, usd),), units=units, like=like)


def total(times: Iterable[Estimate]) -> Estimate:
    """Of several one after the other: measured where all of them were."""
    some = list(times)
    lows, highs = zip(*some, strict=True)
    return (Estimate if all(time.measured for time in some) else Rough)(sum(lows), sum(highs))
