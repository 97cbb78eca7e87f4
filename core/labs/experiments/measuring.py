"""One trial of an experiment, measured wherever an engine has it measured. Nothing is stored here: the driver alone journals."""

import gc
import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core import files, registry
from core.config import TrialConfig, build, fingerprint
from core.errors import WorkbenchError
from core.labs.answers.answering import AnswerSet, cases, drawn, is_paid, recorded_set, write
from core.labs.experiments.experiment import Experiment
from core.models.all_cores import compute_on
from core.pipeline.memory import noted
from core.pipeline.scores import at_hand, judge_tools, kept_scores
from core.pipeline.stages import Resolved, writers
from core.pipeline.trials import made_by, receipt, without_result
from core.records import Corpus, Progress, plain
from core.store import folding
from core.workbench import Evaluation, Workbench, fetched

SELDOM = 200_000  # containers made anew between two looks for cycles


class AnswerTask(NamedTuple):
    """What a trial's answers are judged by: the same for all trials of an experiment, so that they are compared on the same questions."""

    measures: tuple[str, ...]
    questions: int  # answered at most, drawn by the seed of the base
    base: dict[str, Any]  # the experiment's recipe, whose encoder and generator judge


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
    answers: AnswerTask | None = None  # None: questions are not answered

    def failed(self, error: Exception, paid: Mapping[str, float | None] | None = None) -> "Tried":
        """paid: what it cost all the same."""
        record = without_result(build(self.config), self.sweep, error) | {"engine": self.where}
        return Tried(self.number, record | ({"costs": {**paid}} if paid else {}), {})


class Tried(NamedTuple):
    """What comes back."""

    number: int
    record: dict[str, Any]  # of the trial, as the driver stores it; one that failed says why
    means: dict[str, float | None]  # metric -> its mean; None: no question measured it
    values: np.ndarray | None = None  # [num_queries] float64 of the task's metric


def measured(workbench: Workbench, task: TrialTask) -> Generator[Progress, None, Tried]:
    """Measures a recipe as `Workbench.run` does; a failure comes back as the record of a failed trial."""
    config, paid = build(task.config), dict[str, float | None]()
    try:
        yield from fetched(config)
        run = some_questions((yield from workbench.pipeline.resolve(config)), task.questions)
        evaluation = yield from workbench.evaluating(run)
        workbench.count_looks(evaluation)
        shared = None if task.anew else workbench.pipeline.remember("steps", task.sweep, dict)
        latency = (yield from workbench.latency(run, shared=shared)) if task.timed else {}
        if task.answers:
            answered, costs, spent = yield from _answered(workbench, evaluation, task.answers, paid)
        record = workbench.trial_record(evaluation, latency, task.sweep)
        if task.answers:
            record |= {
                "answered": answered,
                "spent": spent,
                "costs": record["costs"] | costs,
                **receipt(config, *_behind(config, task.answers)),
            }
            record["code_version"] = measured_by(config, task.answers)
    except Exception as error:  # of whatever part: the other trials are still measured
        return task.failed(error, paid)
    means = {name: interval.mean if interval.n else None for name, interval in evaluation.intervals.items()}
    values = dict(evaluation.values)
    if task.answers:
        for name, by_question in answered.items():
            numbers = [by_question.get(query.id) for query in evaluation.corpus.queries]
            values[name] = np.array([np.nan if number is None else number for number in numbers])
            means[name] = float(np.nanmean(values[name])) if np.isfinite(values[name]).any() else None
    return Tried(task.number, record | {"engine": task.where}, means, values[task.metric])


def answer_task(experiment: Experiment) -> AnswerTask | None:
    """What of an experiment's trials is answered, and judged by what; None: none of its metrics is of answers."""
    if not experiment.measures:
        return None
    return AnswerTask(experiment.measures, experiment.answers, experiment.recipe.model_dump(mode="json"))


def measured_by(config: TrialConfig, answers: AnswerTask | None) -> str:
    """Identity of what measures a recipe, and of what its answers are judged by: trials that share it need not be measured again."""
    return fingerprint(made_by(config, *_behind(config, answers)), answers) if answers else made_by(config)


def _behind(config: TrialConfig, answers: AnswerTask) -> list[Any]:
    """Whose code writes and judges the answers."""
    return [*writers(config), *(registry.find("measure", name)() for name in answers.measures)]


def _answered(
    workbench: Workbench, evaluation: Evaluation, task: AnswerTask, paid: dict[str, float | None]
) -> Generator[Progress, None, tuple[dict[str, dict[str, float | None]], dict[str, float | None], dict[str, list[float]]]]:
    """(measure -> question -> score; None: unmeasurable, what the answers cost now, what each took when it was written). paid: is told
    what they cost in USD, None where that is not known of all, also where they are not all written or judged."""
    run, base = evaluation.run, build(task.base)
    yield from fetched(run.config, answering=True)
    rows = drawn(run.corpus.queries, base.seed, task.questions)
    before, began = recorded_set(workbench, evaluation, rows), time.perf_counter()
    try:
        yield from write(workbench, run, before.askings)
    finally:
        answers = recorded_set(workbench, evaluation, rows, before.askings)
        both = zip(answers.answers, before.answers, strict=True)
        usd = [after.cost_usd for after, earlier in both if earlier is None and after and after.asked]
        if usd and is_paid(run.config.generation):
            paid["usd"] = None if None in usd else sum(usd)
    noted(evaluation.trace, "answer", began, None not in before.answers)
    told, tools = cases(answers, range(len(rows))), judge_tools(workbench.pipeline, base)
    scores, measures, began = {}, {name: registry.find("measure", name)() for name in task.measures}, time.perf_counter()
    judged = all(None not in at_hand(measure, told, tools) for measure in measures.values())
    for name, measure in measures.items():
        made = yield from kept_scores(measure, told, tools)
        if failed := [score.reason for score in made if score.reason.startswith("failed")]:
            raise WorkbenchError(f"{len(failed):,} of {len(made):,} answers were not judged by {name}: {failed[0]}.")
        scores[name] = {query.id: plain(score.value) for query, score in zip(answers.queries, made, strict=True)}
    noted(evaluation.trace, "scores", began, judged)
    return scores, {"answers": len(rows)} | paid, _spent(answers)


def _spent(answers: AnswerSet) -> dict[str, list[float]]:
    """Cost of an answer -> of each question that has one; tokens only where the engine tells them. Where the model is not asked nothing
    is spent."""
    written = [answer for asking, answer in zip(answers.askings, answers.answers, strict=True) if asking and answer]
    sizes = [(answer.prompt_tokens, answer.answer_tokens) if answer.asked else (0, 0) for answer in written]
    tokens = [float(read + told) for read, told in sizes if read is not None and told is not None]
    spent = {"answer_s": [answer.seconds for answer in written], "answer_tokens": tokens}
    return {cost: values for cost, values in spent.items() if len(values) == len(written) > 0}


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

    threads: int  # its share of the processors
    batches: int = 1  # threads that encode texts, each alone

    def measure(self, task: TrialTask) -> Generator[Progress, None, Tried]:
        _limit(self.threads)
        compute_on(self.batches)
        return measured(_workbench(files.home()), task)


@cache
def _workbench(home: Path) -> Workbench:
    workbench = Workbench(home)
    gc.freeze()  # as in the driver, for as long as the process lives
    gc.set_threshold(SELDOM, *gc.get_threshold()[1:])
    return workbench


@contextmanager
def seldom_collected() -> Iterator[None]:
    """As a rebuild of the store does it; nor is what is loaded before an experiment looked at again."""
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
