"""One trial of a study, measured wherever an engine has it measured. Nothing is stored here: the driver alone journals."""

import gc
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core import files
from core.config import build, fingerprint
from core.pipeline.stages import Resolved
from core.pipeline.trials import without_result
from core.records import Corpus, Progress
from core.store import folding
from core.workbench import Workbench, fetched

SELDOM = 200_000  # containers made anew between two looks for cycles


class TrialTask(NamedTuple):
    """What an engine is given: plain values, so that it can be sent anywhere."""

    number: int  # among the tasks of this run
    config: dict[str, Any]
    sweep: str
    timed: bool  # whether single questions are timed too: once for all trials that do the same work
    where: dict[str, Any]  # the engine and how many work beside each other, for the record
    metric: str  # whose values of each question come back
    questions: int = 0  # only so many of the corpus' questions; 0: all
    anew: bool = False  # each step is timed for this trial alone, as where the time is what is optimised


class Tried(NamedTuple):
    """What comes back."""

    number: int
    record: dict[str, Any]  # of the trial, as the driver stores it; one that failed says why
    means: dict[str, float | None]  # metric -> its mean; None: no question measured it
    values: np.ndarray | None = None  # [num_queries] float64 of the task's metric


def measured(workbench: Workbench, task: TrialTask) -> Generator[Progress, None, Tried]:
    """Measures a recipe as `Workbench.run` does; a failure comes back as the record of a failed trial."""
    config = build(task.config)
    try:
        yield from fetched(config)
        run = some_questions((yield from workbench.pipeline.resolve(config)), task.questions)
        evaluation = yield from workbench.evaluating(run)
        workbench.count_looks(evaluation)
        shared = None if task.anew else workbench.pipeline.remember("steps", task.sweep, dict)
        latency = (yield from workbench.latency(run, shared=shared)) if task.timed else {}
        record = workbench.trial_record(evaluation, latency, task.sweep)
    except Exception as error:  # of whatever part: the other trials are still measured
        return Tried(task.number, without_result(config, task.sweep, error) | {"engine": task.where}, {})
    means = {name: interval.mean if interval.n else None for name, interval in evaluation.intervals.items()}
    return Tried(task.number, record | {"engine": task.where}, means, evaluation.values[task.metric])


def some_questions(run: Resolved, number: int) -> Resolved:
    """Asked so many of the questions, those of the smallest fingerprints: more of them hold the fewer."""
    corpus = run.corpus
    if not 0 < number < len(corpus.queries):
        return run
    chosen = {query.id for query in sorted(corpus.queries, key=lambda query: fingerprint(query.id))[:number]}
    queries = tuple(query for query in corpus.queries if query.id in chosen)
    return run.asking(Corpus(corpus.name, corpus.documents, queries, corpus.notes, corpus.fingerprint), fingerprint(queries))


class Hand(NamedTuple):
    """What a worker's process is asked to do. Its workbench stays, and with it what its stages made."""

    threads: int

    def measure(self, task: TrialTask) -> Generator[Progress, None, Tried]:
        _limit(self.threads)
        return measured(_workbench(files.home()), task)


@cache
def _workbench(home: Path) -> Workbench:
    workbench = Workbench(home)
    gc.freeze()  # as in the driver, for as long as the process lives
    gc.set_threshold(SELDOM, *gc.get_threshold()[1:])
    return workbench


@contextmanager
def seldom_collected() -> Iterator[None]:
    """As a rebuild of the store does it; nor is what is loaded before a study looked at again."""
    with folding.seldom_collected(SELDOM):
        gc.freeze()
        try:
            yield
        finally:
            gc.unfreeze()


@cache
def _limit(threads: int) -> None:
    """Workers beside each other share the processors: what is loaded already is told, the rest reads it as it loads."""
    from threadpoolctl import threadpool_limits

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(threads)
    threadpool_limits(threads)
