"""Long verbs are generators of steps that return their result: how one is run whole, watched, or run within another."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any

from core.records import Progress

OTHERWISE, OTHERWISE_S = 3, 10.0  # what takes so many times as long as those before, and so many seconds, is of another kind


class Running:
    """A long verb that is looped over step by step, and its `result` once they are over; there is none before."""

    result: Any

    def __init__(self, work: Generator[Any, None, Any]):
        self._work = work

    def __iter__(self) -> Iterator[Any]:
        with closing(self._work):  # leaving the loop cancels the verb
            self.result = yield from self._work


def drain(work: Generator[Any, None, Any]) -> Any:
    """The result of a long verb whose progress nobody watches."""
    for _ in (running := Running(work)):
        pass
    return running.result


def within(work: Generator[Any, None, Any], step: Progress) -> Generator[Progress, None, Any]:
    """The result of a verb within a verb: each of its steps shows as the outer one, and can be cancelled there."""
    for _ in (running := Running(work)):
        yield step
    return running.result


def told_within(work: Generator[Progress, None, Any], step: Progress) -> Generator[Progress, None, Any]:
    """As `within`, with the words of the inner step behind those of the outer one."""
    for inner in (running := Running(work)):
        yield step._replace(message=f"{step.message}: {inner.message}")
    return running.result


def counted_within(work: Generator[Progress, None, Any], step: Progress) -> Generator[Progress, None, Any]:
    """The same of a verb that is long itself: what it counts is told, and of the outer one how far it is in its words."""
    far = f" ({step.done:,} of {step.total:,} done)" if step.total > 1 else ""
    for inner in (running := Running(work)):
        if inner.total:
            yield inner._replace(message=f"{step.message}{far}: {inner.message}")
        else:
            yield step._replace(message=f"{step.message}: {inner.message}")
    return running.result


class PhaseClock:
    """When the phase of a long verb began, and with which count: a rate is that of its phase, not of what came before. A phase ends
    where a step counts another total or counts down and, where nothing is counted, where its words change. `counted`: when its count
    rose last. What is counted first may hold a model's loading: from the second count on, the rate is that of what came after it."""

    def __init__(self) -> None:
        self.began, self.first, self.counted = 0.0, 0, 0.0
        self._last: Progress | None = None
        self._after_first: tuple[float, int] | None = None  # when the first count of the phase came, and which

    def hear(self, step: Progress, now: float) -> None:
        last, self._last = self._last, step
        if last and step.total == last.total and step.done >= last.done and (step.total or step.message == last.message):
            if step.done > last.done:
                if self._after_first is None:
                    self._after_first = now, step.done
                else:
                    self.began, self.first = self._after_first
                self.counted = now
            return
        self.began, self.first, self.counted, self._after_first = now, step.done, now, None


def pace(done: int, total: int, first: int, seconds: float, since: float = 0.0) -> str:
    """Count, rate and time left of a phase that began with `first` so many seconds ago: "1,200 of 16,407 · 310/s · 49 s left in
    this phase". What is counted to its end but not over is finishing. since: seconds that the one under way takes so far, which
    are no part of what those before took; where they are far more, those before do not tell how long the rest takes."""
    if total and done >= total:
        return "finishing"
    words = [f"{done:,} of {total:,}" if total else f"{done:,}" if done else ""]
    if done > first and seconds > since:
        rate = (done - first) / (seconds - since)
        if since > max(OTHERWISE_S, OTHERWISE / rate):
            return " · ".join([*words, f"the next {duration(since)} so far"])
        words.append(f"{rate:,.0f}/s" if rate >= 2 else f"{rate:.2g}/s" if rate >= 1 else f"{duration(1 / rate)} each")
        left = max(1.0, (total - done) / rate - since, (total - done - 1) / rate)
        words += [f"{duration(left)} left in this phase"] if total else []
    elif seconds >= 1:
        words.append(f"{duration(seconds)} so far")
    return " · ".join(filter(None, words))


def counted(number: int, noun: str) -> str:
    """ "1 question", "1,190 questions"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Seconds below a minute, min:s above, h:min from 100 minutes on; milliseconds below a second."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{int(round(seconds) // 60)}:{round(seconds) % 60:02d} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}:{minutes:02d} h"


@contextmanager
def event_loop() -> Generator[tuple[asyncio.AbstractEventLoop, Callable[[Awaitable], Any]], None, None]:
    """(loop, step) for what a verb awaits: `step` runs the loop until its argument is done, and returns that. What is left at the end
    is cancelled.

    The steps have a thread of their own, because in the caller's a notebook may be running a loop.
    """
    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(1) as thread:

        def step(work: Awaitable) -> Any:
            return thread.submit(loop.run_until_complete, work).result()

        try:
            yield loop, step
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            with suppress(TimeoutError):
                step(asyncio.wait_for(loop.shutdown_asyncgens(), 0.5))
            loop.close()


class Unready(Exception):
    """What was asked for live takes more than a moment: a job makes it, and from then on it is kept."""

    def __init__(self, what: str, seconds: Any = None, texts: Sequence[str] = ()) -> None:
        """seconds: a range; None: unknown, or to be told by the texts that the encoder then reads."""
        super().__init__(what)
        self.what, self.seconds, self.texts = what, seconds, texts
