"""What a press takes, told before it: phase by phase what is done, how many, and how long that takes by what ran on this machine."""

from collections.abc import Iterable
from typing import NamedTuple

from core.pipeline.speed import Estimate
from core.progress import duration


class Phase(NamedTuple):
    """what: with its count, "184 answers". seconds None: nothing like it was timed on this machine."""

    what: str
    seconds: Estimate | None = None


class Forecast(NamedTuple):
    """memory_bytes: 0 where it is not worth a word. units: how much of its verb's work it is, by which earlier runs of the verb are
    scaled; 0: they tell nothing of this one. earlier: all of it by those, where a phase was not timed by itself."""

    phases: tuple[Phase, ...]
    memory_bytes: float = 0.0
    units: int = 0
    earlier: Estimate | None = None

    @property
    def seconds(self) -> Estimate | None:
        """All of it; None where a phase was never timed."""
        times = [phase.seconds for phase in self.phases]
        return self.earlier if None in times else total(times)

    @property
    def words(self) -> str:
        """ "In all 6:00 to 8:30 min: 3 steps, 10 to 15 s; 182 test answers, 6:00 to 8:00 min; about 3.9 GB of memory"."""
        times = [phase.seconds for phase in self.phases]
        whats = [phase.what for phase in self.phases]
        begin = ""
        if None in times and (self.earlier or not any(times)):
            time = f"{self.earlier.words} by earlier runs" if self.earlier else "never timed on this machine"
            parts = [", ".join(filter(None, ("; ".join(whats), time)))]
        else:
            told = [time.words if time else "never timed on this machine" for time in times]
            parts = list(map(", ".join, zip(whats, told, strict=True)))
            whole = total(filter(None, times))
            if len(parts) > 1:
                begin = f"in all {f'more than {duration(round(whole.low))}' if None in times else whole.words}: "
        if self.memory_bytes:
            parts.append(f"about {self.memory_bytes / 1e9:.1f} GB of memory")
        words = begin + "; ".join(parts)
        return f"{words[:1].upper()}{words[1:]}"


def one_phase(what: str, seconds: Estimate | None = None, units: int = 0) -> Forecast:
    """Of work that is all of a kind."""
    return Forecast((Phase(what, seconds),), units=units)


def total(times: Iterable[Estimate]) -> Estimate:
    """Of several one after the other."""
    lows, highs = zip(*times, strict=True)
    return Estimate(sum(lows), sum(highs))
