"""Trials measured on this machine: in the driver's own process, or in workers beside each other.

A worker is a process of its own (`core.jobs.child`). It keeps corpus, chunks and vectors, so that trials that share them
are given to the same one. A worker that dies is started anew and its trial tried once more, then told as failed. Workers
end with their driver: the system closes the pipe that they listen to.
"""

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from itertools import count
from multiprocessing.connection import wait
from typing import Protocol

from core.errors import WorkbenchError
from core.jobs import child
from core.labs.experiments.measuring import Hand, TrialTask, Tried, measured
from core.progress import Running
from core.records import Progress
from core.workbench import Workbench

WORKER_BYTES = 2 << 30  # of memory: what a worker takes with an encoder and the stages that it remembers
WORDS = child.Words(
    "The worker", "study", "Run the experiment again: what failed is tried once more. With fewer workers each has more memory."
)
_numbers = count()  # of crews in this process


class Crew(Protocol):
    """What a driver has trials measured by."""

    size: int

    def free(self) -> list[int]:
        """The workers without a trial."""

    def give(self, worker: int, task: TrialTask) -> None: ...

    def heard(self, seconds: float) -> Iterator[Progress | Tried]:
        """What the workers say within so long."""

    def close(self) -> None:
        """Ends the work under way; nothing of it is stored."""


def workers_for(groups: int) -> int:
    """As many as processors, memory and groups of trials that share stages allow."""
    import psutil

    return max(1, min(_processors(), psutil.virtual_memory().available // WORKER_BYTES, groups))


def crew_of(workbench: Workbench, workers: int) -> Crew:
    return Alone(workbench) if workers == 1 else LocalCrew(workers)


class Alone:
    """One trial after the other in the driver's own process: no start, and nothing is sent."""

    size = 1

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self._work: Generator[Progress, None, Tried] | None = None

    def free(self) -> list[int]:
        return [] if self._work else [0]

    def give(self, worker: int, task: TrialTask) -> None:
        self._work = measured(self._workbench, task)

    def heard(self, seconds: float) -> Iterator[Progress | Tried]:
        running, self._work = Running(self._work), None
        yield from running
        yield running.result

    def close(self) -> None:
        if self._work:
            self._work.close()


class LocalCrew:
    """Workers beside each other, each with its share of the processors."""

    def __init__(self, workers: int) -> None:
        self.size, crew = workers, next(_numbers)
        hand = Hand(max(1, _processors() // workers), _processors())
        self._members = [_Member((f"worker {crew}.{number}", "study"), hand) for number in range(workers)]

    def free(self) -> list[int]:
        return [number for number, member in enumerate(self._members) if not member.task]

    def give(self, worker: int, task: TrialTask) -> None:
        self._members[worker].start(task)

    def heard(self, seconds: float) -> Iterator[Progress | Tried]:
        busy = {member.answers.connection: member for member in self._members if member.answers}
        failed = [member for member in self._members if member.task and not member.answers]
        for connection in [] if failed else wait(list(busy), seconds):
            yield busy[connection].said()
        for member in failed:  # it did not even start
            yield member.fallen()

    def close(self) -> None:
        for member in self._members:
            member.end()


class _Member:
    def __init__(self, key: child.Key, hand: Hand) -> None:
        self.key, self.hand = key, hand
        self.task: TrialTask | None = None
        self.answers: child.Answers | None = None
        self._call, self._tries = ExitStack(), 0
        self._problem: Exception | None = None

    def start(self, task: TrialTask) -> None:
        self.task, self._tries = task, self._tries + 1
        try:
            self.answers = self._call.enter_context(child.asked(self.key, WORDS, self.hand, "measure", (task,)))
        except WorkbenchError as error:
            self._problem = error

    def said(self) -> Progress | Tried:
        try:
            kind, said = self.answers.recv()
            if kind == "piece":
                return said
            self._leave()
        except Exception as problem:  # its end, or what it could not even put into a record
            self._problem = problem
            self._leave(*sys.exc_info())
            return self.fallen()
        self.task, self._tries = None, 0
        return said

    def fallen(self) -> Progress | Tried:
        """Once more; after the second time the record of a failed trial."""
        task, problem = self.task, self._problem
        self.task = self.answers = None
        if self._tries < 2:
            self.start(task)
            return Progress(0, 0, f"Starting a worker anew. {problem}")
        self._tries = 0
        return task.failed(problem)

    def _leave(self, *error) -> None:
        """Closes the call; how the process ended is kept in words."""
        call, self._call, self.answers = self._call, ExitStack(), None
        try:
            call.__exit__(*(error or (None, None, None)))
        except Exception as problem:
            self._problem = problem

    def end(self) -> None:
        if self.answers:  # nothing else stops a library in the middle of its work
            self.answers.child.process.kill()
            self._leave()
        self.task = None
        child.end_others(self.key[0])


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
