"""Trials that wait for a worker, so given out that what they share is computed once and stays in one worker's memory."""

from collections import deque

from core.config import TrialConfig, fingerprint


def shared_work(config: TrialConfig) -> str:
    """Trials with the same one share corpus, chunks and encoder, the stages that take minutes."""
    return fingerprint(config.corpus, config.chunking, config.embedding)


class Waiting:
    """A worker stays with its group. One without takes a group that nobody has begun, else helps with the largest, once
    the first trial of that is done: before, it would compute the same stages a second time."""

    def __init__(self) -> None:
        self._groups: dict[str, deque[int]] = {}
        self._group_of: dict[int, str] = {}  # task -> group
        self._of_worker: dict[int, str] = {}
        self._begun: set[str] = set()
        self._warm: set[str] = set()  # groups of which a trial is done

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    @property
    def groups(self) -> int:
        return len(self._groups)

    def add(self, task: int, group: str) -> None:
        """task: its number."""
        self._groups.setdefault(group, deque()).append(task)
        self._group_of[task] = group

    def take(self, worker: int) -> int | None:
        """The next trial of a worker; None where there is none for it now."""
        last = self._of_worker.get(worker, "")
        group = last if self._groups.get(last) else self._next_group()
        if not group:
            return None
        helps = group in self._begun and group != last
        self._begun.add(group)
        self._of_worker[worker] = group
        return self._groups[group].pop() if helps else self._groups[group].popleft()

    def _next_group(self) -> str:
        left = {name: len(tasks) for name, tasks in self._groups.items() if tasks}
        return next((name for name in left if name not in self._begun), "") or max(
            left.keys() & self._warm, key=left.get, default=""
        )

    def done(self, task: int) -> None:
        self._warm.add(self._group_of[task])
