"""What an experiment will take, said before it starts: trials, distinct work of each stage, time from measured costs, context.

No model is loaded and nothing is computed. Times are those of this machine: of an encoder its last runs, of other stages what
they took in stored trials on the same corpus, by the same part where there is such a trial. What was never measured is named.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from core.config import PART_KINDS, PartConfig, TrialConfig, with_settings
from core.embedding.vectors import TOKEN_CHARACTERS
from core.labs.answers.answering import answers_phase
from core.labs.experiments.adaptive import rungs
from core.labs.experiments.designs import Space, drawn, points
from core.labs.experiments.experiment import Experiment
from core.labs.experiments.measuring import AnswerTask, answer_task, measured_by
from core.labs.experiments.reference import beside, beside_on_report
from core.labs.experiments.waiting import shared_work
from core.pipeline.forecast import Forecast, Phase, Usd, total
from core.pipeline.recipe_words import work
from core.pipeline.speed import Estimate, Rough
from core.pipeline.stages import STAGES, VECTOR_SEARCH, Resolved, Stage, idle, pooled
from core.pipeline.trials import Identity, identity
from core.pipeline.usual import BEGIN_S
from core.progress import drain
from core.workbench import Workbench

WITHIN = {"transformed", "index", "pool", "relevance"}  # stages whose time is part of another's
WORDS = {"chunks": "chunking", "vectors": "embedding"}  # what people call their results
TIMED_ROWS = 20_000  # of stages of stored trials, the newest, that costs are read from
PAUSE_MS = 5_000  # a longer time between two trials is no work
ROUGH_STAGE_S, ROUGH_TRIAL_S, ROUGH_QUESTIONS_S = (0.2, 20.0), (0.1, 2.0), (0.1, 10.0)  # of one, on two cores
TIMED_QUESTIONS = 31  # that are timed once for each work, as `Workbench.latency` does


class StageWork(NamedTuple):
    """A stage over all trials. distinct: results that differ; missing: those not at hand. seconds: of what is missing, by one
    worker; None: it was never measured here, or (WITHIN) its time is part of another's."""

    stage: str
    title: str
    distinct: int
    missing: int
    seconds: Estimate | None
    usd: Usd | None = None


class Outlook(NamedTuple):
    """about: the points follow from what is measured, and stand-ins were counted. seconds: by one worker, roughly where `unmeasured`
    names something; None: the corpus is not read. context_tokens: lowest and highest among the points, of the first k chunks."""

    trials: int
    stored: int
    left_out: int
    about: bool
    stages: tuple[StageWork, ...]
    seconds: Estimate | None
    unmeasured: tuple[str, ...]
    context_tokens: tuple[float, float] | None
    usd: Usd | None
    words: str

    @property
    def forecast(self) -> Forecast:
        """As any press is priced: with the start of a job, whose workers load what the stages need."""
        whole = self.seconds and total([Estimate(*BEGIN_S), self.seconds])
        return Forecast((Phase(f"{self.trials - self.stored:,} trials", whole, self.usd),), units=self.trials - self.stored)


def estimate(workbench: Workbench, experiment: Experiment) -> Outlook:
    """What of an experiment is still to be done, and what that takes."""
    design, space = experiment.design, Space(experiment)
    learns = design.kind in ("tpe", "nsga2")
    made = space.distinct([{}, *drawn(experiment, space)]) if learns else points(experiment)  # stand-ins for what is learnt
    recipes = [with_settings(experiment.recipe, settings) for settings in made.settings]
    trials, about = len(recipes) * (experiment.repeats if learns else 1), experiment.learns
    half = with_settings(experiment.recipe, {"corpus.questions": experiment.report_on or experiment.choose_on})
    compared = [recipe for recipe in beside(experiment) if recipe not in recipes]
    compared += beside_on_report(workbench, experiment)
    runs = _resolved(workbench, [half, *recipes, *compared])
    if runs and experiment.in_rounds:
        ladder = rungs(experiment, len(recipes) // experiment.repeats - 1, len(runs[1].corpus.queries))
        trials = sum(rung.points + 1 for rung in ladder) * experiment.repeats
    each_again = experiment.confirm == "all"
    again = (len(recipes) if each_again else 2 * experiment.repeats) if experiment.report_on else 0  # on other questions
    trials += again + len(compared)
    if runs is None:
        words = f"{_count(trials, 'trial')}; the corpus is not read yet, so there is no estimate of their time"
        return Outlook(trials, 0, len(made.left_out), about, (), None, ("reading the corpus",), None, None, words)
    report, *runs = runs
    identities, answers = workbench.measured_of(experiment.id).keys(), answer_task(experiment)
    ready = [_identity(run, answers) in identities for run in runs]
    at_end = again
    if each_again or _identity(report, answers) not in identities:  # of winner and base, which may be one, the base comes last
        others = {_identity(run, answers) for run in runs[len(recipes) :]}  # what it is compared with is counted by itself
        there = sum(questions == report.questions for _, _, questions, _ in identities - others)
        at_end = min(again, there) if again else 0
    stored = sum(ready) + at_end
    needed = [run for run, there in zip(runs, ready, strict=True) if not there]
    costs = _Costs(workbench, {run.config.corpus.dataset for run in runs})
    at_report = [report] * bool(again)  # other questions, which are embedded and searched too
    stages = _stages(workbench, costs, runs + at_report, needed + at_report * (stored < trials))
    left = max(trials - stored, 0)
    stages += _answering(workbench, costs, answers, runs, needed if left else [], left) if answers else []
    each = costs.each()
    timed_here = WITHIN | {stage.stage for stage in stages if stage.seconds and stage.seconds.measured}
    unmeasured = [stage.title.lower() for stage in stages if stage.stage not in timed_here]
    unmeasured += ["ranking and judging"] * bool(left and each is None)
    works = [work(run.config.model_dump(mode="json"), run.corpus.fingerprint) for run in runs]
    untimed = set(works) - {name for name, there in zip(works, ready, strict=True) if there}
    timed = costs.timing(untimed)
    # a step that recipes share is timed once: at least all of it for each corpus, chunking and encoder
    groups = {shared_work(run.config) for run, name in zip(runs, works, strict=True) if name in untimed}
    least = (timed or 0.0) * len(groups) / max(1, len(untimed))
    unmeasured += ["single questions"] * (timed is None)
    parts = [stage.seconds or _untimed(stage.missing, ROUGH_STAGE_S) for stage in stages if stage.stage not in WITHIN]
    parts += [_untimed(left, ROUGH_TRIAL_S) if each is None else Estimate(each * left, each * left)]
    parts += [_untimed(len(untimed), ROUGH_QUESTIONS_S) if timed is None else Estimate(least, timed)]
    seconds = total(parts)
    usd = next((stage.usd for stage in stages if stage.usd), None)
    outlook = Outlook(
        trials, stored, len(made.left_out), about, tuple(stages), seconds, tuple(unmeasured), _context(workbench, runs), usd, ""
    )
    return outlook._replace(words=_words(outlook))


def _untimed(number: int, each: tuple[float, float]) -> Estimate:
    """So many results of which none was timed here."""
    return Rough(number * each[0], number * each[1]) if number else Estimate(0.0, 0.0)


def _resolved(workbench: Workbench, recipes: Sequence[TrialConfig]) -> list[Resolved] | None:
    """Each recipe with its corpus; a corpus is opened once, and an encoder's files looked at once. None: one takes its time."""
    runs: dict[tuple[str, str], Resolved] = {}
    resolved = []
    for recipe in recipes:
        key = recipe.corpus.model_dump_json(), recipe.embedding.model_dump_json()
        if key not in runs:
            run = workbench.pipeline.at_hand(recipe)
            if run is None and not workbench.large(recipe.corpus.dataset):
                run = workbench.resolve(recipe)
            if run is None:
                return None
            runs[key] = run
        resolved.append(runs[key].of(recipe))
    return resolved


def _identity(run: Resolved, answers: AnswerTask | None) -> Identity:
    return identity(run, measured_by(run.config, answers))


class _Costs:
    """What stages took in stored trials of these corpora."""

    def __init__(self, workbench: Workbench, datasets: set[str]) -> None:
        self._last_ms = workbench.pipeline.last_ms
        part = (
            "CASE s.stage "
            + " ".join(f"WHEN '{stage.name}' THEN t.\"{stage.field}\"" for stage in STAGES if stage.field in PART_KINDS)
            + " END"
        )
        rows = workbench.store.query(
            f"""SELECT t.id, t.sweep, t.created, t.dataset, s.stage, {part} AS part, s.ms, s.cached, t.costs->>'latency_ms' AS latency
                FROM stages s JOIN trials t ON t.id = s.trial_id
                WHERE t.status = 'ok' AND list_contains(?, t.dataset) ORDER BY t.id DESC LIMIT {TIMED_ROWS}""",
            [sorted(datasets)],
        )
        trials: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            trials[row["id"]].append(row)
        self._ms: dict[tuple[str, ...], list[float]] = defaultdict(list)
        self._gaps, self._ranked, self._latency, lasting = [], [], [], {stage.name for stage in STAGES if stage.storage}
        after = None  # the first row of the next trial
        for own in trials.values():  # the newest first
            computed = {row["stage"]: row["ms"] for row in own if row["stage"] in lasting and not row["cached"]}
            for row in own:
                if (ms := computed.get(row["stage"])) is not None:
                    # the dense stage asks for the vectors, which have a time of their own
                    ms = max(ms - computed.get("vectors", 0.0), 0.0) if row["stage"] == VECTOR_SEARCH else ms
                    self._ms[row["stage"], row["dataset"], row["part"] or ""].append(ms)
                    self._ms[row["stage"], row["dataset"]].append(ms)
            ranked = sum(row["ms"] for row in own if row["stage"] not in lasting)
            self._ranked.append(ranked)
            if after and after["sweep"] == own[0]["sweep"] and not after["computed"]:
                gap = (after["created"] - own[0]["created"]).total_seconds() * 1000
                self._gaps += [gap] if gap < PAUSE_MS else []
            after = {**own[0], "computed": computed}
            self._latency += [float(own[0]["latency"])] if own[0]["latency"] is not None else []

    def stage(self, run: Resolved, stage: str, part: str) -> float | None:
        """Seconds of a result of this stage; of another part where this one has no time, else of this process' last one."""
        dataset = run.config.corpus.dataset
        times = self._ms.get((stage, dataset, part)) or self._ms.get((stage, dataset))
        ms = median(times) if times else self._last_ms.get(stage)
        return None if ms is None else ms / 1000

    def each(self) -> float | None:
        """Seconds that every trial takes, whatever is at hand: from one to the next of an experiment, stored in between."""
        return median(self._gaps or self._ranked) / 1000 if self._ranked else None

    def timing(self, works: set[str]) -> float | None:
        """Seconds of timing single questions, once for each work; where works share steps, at most that."""
        if not works:
            return 0.0
        return len(works) * TIMED_QUESTIONS * median(self._latency) / 1000 if self._latency else None


def _stages(workbench: Workbench, costs: _Costs, runs: Sequence[Resolved], needed: Sequence[Resolved]) -> list[StageWork]:
    table = []
    pipeline = workbench.pipeline
    dense = [run for run in needed if not pipeline.dense_at_hand(run)]  # of others neither vectors nor index are asked for
    for stage in STAGES:
        if not stage.cached or stage.name == "corpus":
            continue
        asking = _asking(runs, stage)
        wanted = _asking(dense if stage.retriever == VECTOR_SEARCH else needed, stage)
        distinct = {run.key(stage.name) for run in asking}
        missing = {run.key(stage.name): run for run in wanted if not _at_hand(workbench, stage.name, run)}
        if not distinct:
            continue
        seconds = None if stage.name in WITHIN else _sum(_seconds(workbench, costs, stage, list(missing.values())))
        table.append(StageWork(stage.name, stage.title, len(distinct), len(missing), seconds))
    return table


def _sum(times: Sequence[Estimate | None]) -> Estimate | None:
    """None where one of them is not known."""
    if None in times:
        return None
    return total(times) if times else Estimate(0.0, 0.0)


def _asking(runs: Iterable[Resolved], stage: Stage) -> list[Resolved]:
    wanted = (run for run in runs if not stage.retriever or stage.retriever in pooled(run.config))
    return [run for run in wanted if not idle(stage, run.config)]


def _at_hand(workbench: Workbench, stage: str, run: Resolved) -> bool:
    pipeline = workbench.pipeline
    if pipeline.remembers(stage, run.key(stage)) or pipeline.cache.has(stage, run.key(stage)):
        return True
    return stage == "vectors" and pipeline.cache.has("chunks", run.key("chunks")) and not pipeline.to_encode(run)


def _seconds(workbench: Workbench, costs: _Costs, stage: Stage, runs: Sequence[Resolved]) -> list[Estimate | None]:
    """Of vectors one for each encoder, which is loaded once, else one for each result."""
    if stage.name == "vectors":
        groups: dict[PartConfig, list[Resolved]] = defaultdict(list)
        for run in runs:
            groups[run.config.embedding].append(run)
        told = [workbench.pipeline.encoding_time(of[0].config, _texts(workbench, of)) for of in groups.values()]
        if all(told):
            return told
    has_part = stage.field in PART_KINDS
    seconds = [costs.stage(run, stage.name, getattr(run.config, stage.field).part if has_part else "") for run in runs]
    return [None if time is None else Estimate(time, time) for time in seconds]


def _texts(workbench: Workbench, runs: Sequence[Resolved]) -> list[str]:
    """What their encoder has still to read, about: of chunks that are not cut yet as much text, in pieces as large."""
    texts, pieces = {}, []
    for run in runs:
        if workbench.pipeline.cache.has("chunks", run.key("chunks")):
            texts |= dict.fromkeys(workbench.pipeline.to_encode(run))
            continue
        texts |= dict.fromkeys(query.text for query in run.corpus.queries)
        size, overlap = (run.config.chunking.model_dump().get(name) or 0 for name in ("size_tokens", "overlap_tokens"))
        characters = [len(document.text) for document in run.corpus.documents]
        if size:
            number = sum(characters) / TOKEN_CHARACTERS / max(size - overlap, 1)
            pieces += ["x" * (size * TOKEN_CHARACTERS)] * (int(number) + 1)
        else:
            pieces += ["x" * length for length in characters]
    return [*texts, *pieces]


def _answering(
    workbench: Workbench, costs: _Costs, task: AnswerTask, runs: Sequence[Resolved], needed: Sequence[Resolved], left: int
) -> list[StageWork]:
    """The stages that the journal keeps: each question at each trial. Trials that come to the same prompts are answered once, so
    none of it may be left."""
    table = []
    for stage in (stage for stage in STAGES if stage.records):
        distinct, missing = {run.key(stage.name) for run in runs}, {run.key(stage.name) for run in needed}
        answers = stage.field == "generation"
        phases = [answers_phase(workbench, *each) for each in _asked(task, needed, left)] if answers else []
        most = _sum([phase.seconds for phase in phases] if answers else _seconds(workbench, costs, stage, needed))
        paid = [phase.usd for phase in phases if phase.usd]
        usd = Usd(0.0, sum(each.high for each in paid)) if paid else None
        table.append(StageWork(stage.name, stage.title, len(distinct), len(missing), most and most._replace(low=0.0), usd))
    return table


def _asked(task: AnswerTask, needed: Sequence[Resolved], left: int) -> list[tuple[TrialConfig, int]]:
    """A recipe of each engine and way of answering, with the answers that those like it write at most."""
    ways = {(run.config.generation, run.config.answering): run.config for run in needed}
    count = min([task.questions, *(len(run.corpus.queries) for run in needed)]) * left / max(1, len(ways))
    return [(config, max(1, round(count))) for config in ways.values()]


def _context(workbench: Workbench, runs: Sequence[Resolved]) -> tuple[float, float] | None:
    """Lowest and highest tokens of the first k chunks: of chunks that are cut their mean, of others the size they may have."""
    tokens = []
    for run in {(run.key("chunks"), run.config.evaluation.k): run for run in runs}.values():
        size = run.config.chunking.model_dump().get("size_tokens")
        if workbench.pipeline.cache.has("chunks", run.key("chunks")):
            chunks = drain(workbench.pipeline.chunks(run))
            size = float(np.mean(chunks.tokens)) if len(chunks) else 0.0
        if size is None:
            return None
        tokens.append(run.config.evaluation.k * size)
    return (float(min(tokens)), float(max(tokens))) if tokens else None


def _words(outlook: Outlook) -> str:
    """ "200 trials, 12 of them stored, 5 chunkings, 10 embeddings, about 3 min"."""
    parts = [f"{'about ' * outlook.about}{_count(outlook.trials, 'trial')}"]
    parts += [f"{outlook.stored:,} of them stored"] if outlook.stored else []
    parts += [_count(stage.distinct, WORDS[stage.stage]) for stage in outlook.stages if stage.stage in WORDS]
    if outlook.stored >= outlook.trials:
        return ", ".join([*parts, "nothing left to measure"])
    seconds = outlook.seconds
    time = "less than a second" if seconds.high < 0.5 else seconds.amount if outlook.unmeasured else seconds.span
    if outlook.unmeasured:
        time = f"roughly {time}; not measured here yet: {', '.join(outlook.unmeasured)}"
    return ", ".join([*parts, *([outlook.usd.words] if outlook.usd else []), time])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
