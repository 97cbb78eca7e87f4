"""An experiment run whole: its points measured by an engine, journalled by the driver alone, gone on with where it was stopped.

Workers compute and hand back; the driver adds one record a trial. So of a killed worker or driver nothing is stored twice
and nothing half: whoever runs the experiment again measures what is not stored, by the same code on the same questions and
documents. Closing the generator is pause and cancel alike.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np

from core.config import TrialConfig, fingerprint, with_settings
from core.errors import WorkbenchError
from core.files import Busy, hold, holder
from core.jobs.ray_crew import RayCrew
from core.labs.experiments import book
from core.labs.experiments.adaptive import DIGITS, adaptive
from core.labs.experiments.designs import Settings, points, repeated
from core.labs.experiments.experiment import Experiment, check_seen
from core.labs.experiments.local import Crew, crew_of, workers_for
from core.labs.experiments.measuring import Hand, TrialTask, Tried, answer_task, measured_by, seldom_collected, some_questions
from core.labs.experiments.reference import beside, beside_on_report
from core.labs.experiments.standing import Announced
from core.labs.experiments.waiting import Waiting, shared_work
from core.labs.trials.comparison import direction
from core.labs.trials.listing import TIMED
from core.pipeline.recipe_words import setting_words, work
from core.pipeline.stages import Resolved
from core.pipeline.trials import identity
from core.records import Progress
from core.store.rows import cost_rows
from core.workbench import Workbench

ENGINES = ("local", "ray")
LATENCY = "latency_ms"
LeftOut = tuple[Settings, str]  # a point, and why it is none
BASELINE = {"baseline": "the recipe compared with"}  # what is measured beside the points, in their words
HEARD_S = 0.2  # between two looks whether to go on


class StudyFailure(NamedTuple):
    """A trial without a result, and why."""

    point: str  # in words
    reason: str
    trial: str  # its record


class Outcome(NamedTuple):
    """What a run of an experiment came to. trials: of all its points that are measured, in their order."""

    id: str
    trials: tuple[str, ...]
    failed: tuple[StudyFailure, ...]
    measured: int  # in this run
    reused: int  # stored before
    missing: int  # points without a trial
    left_out: tuple[str, ...]  # points that are no recipe, and why
    stopped: str  # why before the end; "" where all was tried
    winner: str  # trial with the best mean of the first metric; "" where nothing was measured
    reported: tuple[str, ...]  # trials of the winner and the base on the questions to report on
    seconds: float
    usd: float | None  # None: of some answers it is not known
    workers: int
    settled: str = ""  # why the question was settled before all points were asked everything


class StudyPoint(NamedTuple):
    """A recipe of the experiment. questions: so many of the corpus'; 0: all."""

    settings: Settings  # what differs from the base
    config: TrialConfig
    questions: int = 0

    @property
    def key(self) -> str:
        return f"{fingerprint(self.config)}/{self.questions}"

    @property
    def words(self) -> str:
        return _words(self.settings)


def _words(settings: Settings) -> str:
    return settings.get("baseline") or setting_words(settings) or "the base recipe"


def run(
    workbench: Workbench, experiment: Experiment, engine: str = "local", workers: int = 0, address: str = ""
) -> Generator[Progress, None, Outcome]:
    """Measures what of an experiment is not measured yet. workers: 0 takes what processors and memory allow. address: of a Ray
    cluster; "" starts one on this machine."""
    if engine not in ENGINES:
        raise WorkbenchError(f"There is no engine '{engine}'.", where="--engine", todo=f"There is {', '.join(ENGINES)}.")
    check_seen(experiment)
    with _only_driver(workbench, experiment.id), Announced(workbench.home, experiment.id, engine) as announced:
        book.save(workbench, experiment)
        study = _Study(workbench, experiment, engine, workers, address)
        try:
            with seldom_collected():
                outcome = yield from announced.steps(_whole(study, experiment))
        finally:
            study.close()
        announced.stopped = outcome.stopped
        return outcome


def _whole(study: "_Study", experiment: Experiment) -> Generator[Progress, None, Outcome]:
    compared = [StudyPoint(BASELINE, config) for config in beside(experiment)]
    planned, left_out = yield from (_adaptive if experiment.learns else _all_points)(study, experiment, compared)
    winner = study.best(planned)
    on_report: list[StudyPoint] = []
    if experiment.report_on and winner and not study.stopped:
        half = with_settings(experiment.recipe, {"corpus.questions": experiment.report_on})
        if experiment.confirm == "all":
            chosen = [point.settings for point in planned]
        else:
            own = {name: value for name, value in winner.settings.items() if name != "seed"}
            chosen = [again for settings in (own, {}) for again in repeated(experiment, settings)]
        on_report = [StudyPoint(settings, with_settings(half, settings)) for settings in chosen]
        on_report += [StudyPoint(BASELINE, config) for config in beside_on_report(study.workbench, experiment)]
        yield from study.measure(on_report)
    return study.outcome([*planned, *compared], winner, on_report, left_out)


def _all_points(
    study: "_Study", experiment: Experiment, compared: list[StudyPoint]
) -> Generator[Progress, None, tuple[list[StudyPoint], list[LeftOut]]]:
    """Of a design that says its points beforehand. compared: what is measured beside them."""
    design = points(experiment)
    planned = [StudyPoint(settings, with_settings(experiment.recipe, settings)) for settings in design.settings]
    yield from study.measure([*planned, *compared])
    return planned, design.left_out


def _adaptive(
    study: "_Study", experiment: Experiment, compared: list[StudyPoint]
) -> Generator[Progress, None, tuple[list[StudyPoint], list[LeftOut]]]:
    """Batch by batch, each chosen from what was measured before; what is stored of an earlier run is asked for again, and found."""
    run = yield from study.run_of(StudyPoint({}, experiment.recipe))
    chooser, planned = adaptive(experiment, len(run.corpus.queries)), []
    total = 0 if experiment.in_rounds else (experiment.design.trials + 1) * experiment.repeats
    while not study.stopped and not chooser.done:
        asked = chooser.ask()
        batch = [StudyPoint(own.settings, with_settings(experiment.recipe, own.settings), own.questions) for own in asked]
        planned += batch
        yield from study.measure(batch, total)
        for own, point in zip(asked, batch, strict=True):
            chooser.tell(own, study.values(point), study.by_question(point) if own.questions else None)
    yield from study.measure(compared)
    study.settled = chooser.settled
    return planned, chooser.left_out


@contextmanager
def _only_driver(workbench: Workbench, name: str) -> Iterator[None]:
    """One driver an experiment; other studies of the same home run beside it. The system lets go where the driver is killed."""
    lock = workbench.home / "locks" / f"study-{name}"
    with ExitStack() as held:
        try:
            held.enter_context(hold(lock, purpose=f"running the experiment {name}", seconds=0.5))
        except Busy as error:
            raise WorkbenchError(
                f"The experiment '{name}' runs already: {holder(lock)}.",
                where=str(lock),
                todo=f"`python -m core experiment status {name}` watches it, `python -m core experiment pause {name}` ends that run.",
            ) from error
        yield


class _Study:
    """What is stored of it, and what measures the rest."""

    def __init__(self, workbench: Workbench, experiment: Experiment, engine: str, workers: int, address: str) -> None:
        self.workbench, self.experiment, self.stopped, self.settled = workbench, experiment, "", ""
        self._engine, self._workers, self._address = engine, workers, address
        self._crew: Crew | None = None
        self._started, self._usd, self._measured, self._reused = time.monotonic(), 0.0, 0, 0
        self._paid = workbench.paid(experiment.id) if experiment.budget.usd else 0.0  # USD, by earlier runs
        self._stored: dict[tuple[str, ...], dict[str, Any]] | None = None
        self._ids: dict[str, str] = {}  # point -> trial
        self._values: dict[str, dict[str, float | None]] = {}  # trial -> mean of each metric, and its costs
        self._by_question: dict[str, np.ndarray] = {}  # trial -> the first metric of each question, where a part of them is asked
        self._times_all = bool({*experiment.metrics} & {*TIMED})  # what is optimised is measured at each point
        self._answers = answer_task(experiment)
        self._failed: dict[str, StudyFailure] = {}
        self._timed: set[str] = set()  # work that single questions were timed for
        self._runs: dict[str, Resolved] = {}
        self._asked: set[str] = set()  # questions that are stored
        self._tasks = 0

    def close(self) -> None:
        if self._crew:
            self._crew.close()

    # Stored ------------------------------------------------------------------------------------------------------

    def run_of(self, point: StudyPoint) -> Generator[Progress, None, Resolved]:
        """The recipe with its corpus, which is looked up once for all recipes on it."""
        key = fingerprint(point.config.corpus, point.questions)
        if key not in self._runs:
            run = yield from self.workbench.pipeline.resolve(point.config)
            self._runs[key] = some_questions(run, point.questions)
        return self._runs[key].of(point.config)

    # Measuring ---------------------------------------------------------------------------------------------------

    def measure(self, points: Sequence[StudyPoint], total: int = 0) -> Generator[Progress, None, None]:
        """Each that is not stored yet. total: points of the whole study, where these are some of them."""
        if self._stored is None:  # what was not timed lacks a measure where that is a metric, and is measured again
            self._stored = self.workbench.measured_of(self.experiment.id, timed=LATENCY in self.experiment.metrics)
        waiting, tasks = Waiting(), {}
        for point in {point.key: point for point in points if point.key not in self._ids}.values():
            run = yield from self.run_of(point)
            work_key = work(point.config.model_dump(mode="json"), run.corpus.fingerprint)
            if row := self._stored.get(identity(run, measured_by(point.config, self._answers))):
                self._reused += 1
                self._ids[point.key] = row["id"]
                if row["latency"] is not None:
                    self._timed.add(work_key)
            else:
                self._tasks += 1
                tasks[self._tasks] = point, run, work_key
                waiting.add(self._tasks, shared_work(point.config))
        total = total or len(tasks) + len(self._ids) + len(self._failed)
        message = "Starting"
        yield Progress(len(self._ids) + len(self._failed), total, message)
        if tasks and self._crew is None:
            self._crew = self._made_crew(waiting.groups)
        giving: dict[int, str] = {}  # task -> the work that it times
        while (waiting or giving) and not self._over():
            for worker in self._crew.free():
                if (number := waiting.take(worker)) is not None:
                    point, _, work_key = tasks[number]
                    timed = self._times_all or work_key not in self._timed
                    self._timed.add(work_key)
                    giving[number] = work_key if timed else ""
                    self._crew.give(worker, self._task(number, point, timed))
            for said in self._crew.heard(HEARD_S):
                if isinstance(said, Progress):
                    message = f"{said.message}, {said.done:,} of {said.total:,}" if said.total else said.message
                else:
                    point, run, _ = tasks[said.number]
                    work_key = giving.pop(said.number)
                    waiting.done(said.number)
                    if not self._stored_now(point, run, said):
                        self._timed.discard(work_key)  # the next of the same work is timed
                    message = point.words
                yield Progress(len(self._ids) + len(self._failed), total, message)
                if self._over():
                    break
            else:
                yield Progress(len(self._ids) + len(self._failed), total, message)

    def _made_crew(self, groups: int) -> Crew:
        if self._engine == "ray":
            return RayCrew(self.workbench.home, self._workers, self._address, Hand(1), "measure")
        return crew_of(self.workbench, self._workers or workers_for(groups))

    def _task(self, number: int, point: StudyPoint, timed: bool) -> TrialTask:
        config = point.config.model_dump(mode="json")
        where = {"name": self._engine, "workers": self._crew.size}
        metric, anew = self.experiment.metrics[0], self._times_all
        return TrialTask(number, config, self.experiment.id, timed, where, metric, point.questions, anew, self._answers)

    def _stored_now(self, point: StudyPoint, run: Resolved, tried: Tried) -> bool:
        """Adds what came back to the journal; whether it was measured."""
        good = tried.record["status"] == "ok"
        on = run.questions, run.corpus.fingerprint
        if good and (tried.record["questions_fingerprint"], tried.record["fingerprints"]["corpus"]) != on:
            raise WorkbenchError(
                f"The corpus '{run.corpus.name}' was changed while the experiment ran.",
                todo="Run the experiment again: trials on the former documents or questions stay, and are not compared with the new.",
            )
        if good and run.questions not in self._asked:
            self.workbench.store_questions(run)
            self._asked.add(run.questions)
        trial_id = self.workbench.store.add("trial", tried.record)
        usd = tried.record.get("costs", {}).get("usd", 0.0)  # what failed was paid for too
        self._usd = None if None in (self._usd, usd) else self._usd + usd
        if good:
            self._ids[point.key], self._measured = trial_id, self._measured + 1
            self._values[trial_id] = dict(tried.means)
            if {*self.experiment.metrics} - tried.means.keys():
                self._values[trial_id] |= {name: value for name, value, *_ in cost_rows(tried.record)}
            self._values[trial_id]["total_ms"] = sum(tried.record["timings_ms"].values())
            if point.questions:
                self._by_question[trial_id] = tried.values
        else:
            self._failed[point.key] = StudyFailure(point.words, tried.record["reason"], trial_id)
        return good

    def _over(self) -> bool:
        """Whether the budget is used up; what is under way then is not stored."""
        budget = self.experiment.budget
        usd = None if None in (self._paid, self._usd) else self._paid + self._usd
        if budget.seconds and time.monotonic() - self._started > budget.seconds:
            self.stopped = f"the budget of {budget.seconds:,g} s is used up"
        elif budget.usd and usd is None:
            self.stopped = f"what answers cost is not known, so that the budget of {budget.usd:,g} USD cannot be held to"
        elif budget.usd and usd >= budget.usd:
            self.stopped = f"the budget of {budget.usd:,g} USD is used up"
        return bool(self.stopped)

    # What it says ------------------------------------------------------------------------------------------------

    def values(self, point: StudyPoint) -> dict[str, float | None] | None:
        """The mean of each metric of a point, and its costs; None where it was not measured."""
        if not (trial_id := self._ids.get(point.key)):
            return None
        if trial_id not in self._values:
            self._read_values()
        if trial_id not in self._values:  # of another depth, or not in the database yet
            metric = self.experiment.metrics[0]
            numbers = [v for v in self.workbench.trial_values(trial_id, metric).values() if v == v]
            self._values[trial_id] = {metric: float(np.mean(numbers)) if numbers else None}
        return self._values[trial_id]

    def _read_values(self) -> None:
        """Of all trials that earlier runs stored, at once."""
        ids = [trial_id for trial_id in self._ids.values() if trial_id not in self._values]
        k = self.experiment.recipe.evaluation.k
        rows = self.workbench.store.query(
            """SELECT trial_id, metric AS name, avg(value) AS value FROM scores WHERE trial_id IN (SELECT unnest($1::VARCHAR[]))
               AND suffix(metric, $2) GROUP BY ALL
               UNION ALL SELECT trial_id, cost, value FROM trial_costs WHERE trial_id IN (SELECT unnest($1::VARCHAR[]))
               UNION ALL SELECT id, 'total_ms', total_ms FROM trials WHERE scored AND id IN (SELECT unnest($1::VARCHAR[]))""",
            [ids, f"@{k}"],
        )
        for row in rows:
            self._values.setdefault(row["trial_id"], {})[row["name"].removesuffix(f"@{k}")] = row["value"]
        scored = [trial_id for trial_id in ids if self.experiment.metrics[0] in self._values.get(trial_id, {})]
        for trial_id in set(ids) - set(scored):
            self._values.pop(trial_id, None)

    def by_question(self, point: StudyPoint) -> np.ndarray | None:
        """The first metric of each question, NaN where it is unmeasured."""
        if not (trial_id := self._ids.get(point.key)):
            return None
        if trial_id not in self._by_question:
            values = self.workbench.trial_values(trial_id, self.experiment.metrics[0])
            self._by_question[trial_id] = np.array(list(values.values()))
        return self._by_question[trial_id]

    def best(self, points: Sequence[StudyPoint]) -> StudyPoint | None:
        """The point with the best mean over its repeats, of those that all questions were asked; of equal ones the first."""
        means: dict[str, tuple[StudyPoint, list[float]]] = {}
        for point in points:
            mean = (self.values(point) or {}).get(self.experiment.metrics[0])
            if mean is not None and not point.questions:
                means.setdefault(fingerprint(point.config.model_copy(update={"seed": 0})), (point, []))[1].append(mean)
        sign = direction(self.experiment.metrics[0])
        ranked = max(means.values(), key=lambda pair: sign * round(float(np.mean(pair[1])), DIGITS), default=None)
        return ranked and ranked[0]

    def outcome(
        self,
        points: Sequence[StudyPoint],
        winner: StudyPoint | None,
        on_report: Sequence[StudyPoint],
        left_out: Sequence[LeftOut],
    ) -> Outcome:
        keys = list(dict.fromkeys(point.key for point in points))
        return Outcome(
            id=self.experiment.id,
            trials=tuple(self._ids[key] for key in keys if key in self._ids),
            failed=tuple(self._failed.values()),
            measured=self._measured,
            reused=self._reused,
            missing=sum(key not in self._ids for key in keys),
            left_out=tuple(f"{_words(settings)}: {why}" for settings, why in left_out),
            stopped=self.stopped,
            winner=self._ids[winner.key] if winner else "",
            reported=tuple(self._ids[point.key] for point in on_report if point.key in self._ids),
            seconds=time.monotonic() - self._started,
            usd=self._usd,
            workers=self._crew.size if self._crew else 0,
            settled=self.settled,
        )
