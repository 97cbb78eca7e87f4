"""Stored requests answered again on their own inputs, as their recipe was and as it is changed, under several seeds.

Nothing is searched: the passages are those that a request read. Answers are records by what decides them (`core.pipeline.answers`,
`core.generation.model_texts`), so that nothing is asked twice, a stopped job goes on, and what the service wrote counts as it is. What
comes of it is recorded by trace; `rerun_verdict` says what it shows.
"""

from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from core import files, registry
from core.config import TrialConfig, fingerprint
from core.context import prompt
from core.errors import WorkbenchError
from core.generation.loading import loaded
from core.generation.model_texts import Request, TextTools, at_hand, written
from core.judging.measure import AnswerCase, AnswerMeasure
from core.labs.answers import answering
from core.labs.answers.answering import LIMITS, AnswerCost, answers_to, case
from core.labs.answers.live import shown_measures
from core.labs.scores.judging import measure_all, measures, usable
from core.pipeline.answers import AskedContext, Asker, KeptAnswer
from core.pipeline.confidence import writer
from core.pipeline.forecast import Forecast, Phase
from core.pipeline.stages import Resolved
from core.progress import counted, counted_within
from core.records import Progress, Query, plain
from core.serving.inputs import RequestInput, documents_of
from core.serving.rerun_plan import SIDES, RerunChange, RerunPlan, hits_of, is_fixed
from core.store.batches import batches
from core.workbench import Workbench, fetched

KIND = "reruns"
ANSWERED = "answered"  # the measure
COUNTS = {"words": "Words", "answer_tokens": "Answer tokens", "prompt_tokens": "Prompt tokens"}  # that need no measure


class AnswerAgain(NamedTuple):
    """An answer of a trace on one side, under one seed: of a recipe over its passages, or to a prompt."""

    config: TrialConfig
    place: int  # of the trace
    side: int
    context: AskedContext | None = None
    request: Request | None = None


class Rerun(NamedTuple):
    """As recorded: a row a trace, see RECORDS of this folder."""

    id: str
    started: str
    change: RerunChange
    seeds: int
    left_out: dict[str, int]
    rows: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return f"{self.change.words} · {counted(len(self.rows), 'trace')} · {self.started[:16].replace('T', ' ')}"


# What is asked ------------------------------------------------------------------------------------------------------------------------


def _all_asked(workbench: Workbench, plan: RerunPlan) -> list[AnswerAgain]:
    """Seed by seed, before any of the next: what a stopped job has written serves a smaller run."""
    askers: dict[TrialConfig, tuple[Resolved, Asker]] = {}
    made, recipes = [], plan.recipes
    for number in range(plan.seeds):
        for place, each in enumerate(plan.inputs):
            for side, recipe in enumerate(recipes[place]):
                config = recipe if is_fixed(recipe) else recipe.model_copy(update={"seed": recipe.seed + number})
                again = AnswerAgain(config, place, side)
                if each.recipe is None:
                    made.append(again._replace(request=_request(each, config, plan.change.system if side else None)))
                    continue
                if config not in askers:
                    askers[config] = (run := workbench.resolve(config)), Asker(run)
                run, asker = askers[config]
                context = asker.over(each.question, hits_of(workbench, run, each)) if each.passages is not None else None
                made.append(again._replace(context=context or asker.alone(each.question)))
    return made


def _request(each: RequestInput, config: TrialConfig, system: str | None) -> Request:
    """system: None: as it was sent; "": without one."""
    part, messages = writer(config), list(each.messages)
    if system is not None:
        rest = [message for message in messages if message["role"] != "system"]
        messages = [{"role": "system", "content": system}] * bool(system) + rest
    limits = {name: getattr(part, name) for name in LIMITS & set(type(part).model_fields)}
    return Request(messages, part.max_tokens, **limits)


def _by_config(asked: Sequence[AnswerAgain]) -> dict[TrialConfig, list[int]]:
    """Places of those that are asked by one recipe under one seed."""
    groups: dict[TrialConfig, list[int]] = {}
    for number, each in enumerate(asked):
        groups.setdefault(each.config, []).append(number)
    return groups


def _tools(workbench: Workbench, config: TrialConfig) -> TextTools:
    return workbench.pipeline.text_tools(config)._replace(generator=writer(config), most=None)


def rerun_cost(workbench: Workbench, plan: RerunPlan) -> Forecast:
    """The answers that are not recorded yet, and what they take."""
    costs, asked = [], _all_asked(workbench, plan)
    for config, numbers in _by_config(asked).items():
        group = [asked[number] for number in numbers]
        contexts, requests = [each.context for each in group if each.context], [each.request for each in group if each.request]
        if contexts:
            costs.append(answering.cost(workbench, config, contexts))
        if requests:
            absent = sum(text is None for text in at_hand(_tools(workbench, config), requests))
            phase = answering.answer_phase(workbench, config.generation, absent)
            costs.append(AnswerCost(len(requests), absent, phase.seconds, 0, phase.usd, phase.memory_bytes))
    left = answering.together(costs)
    number = len(plan.inputs) * plan.seeds * len(SIDES)
    return Forecast(left.phases or (Phase(f"scores of {counted(number, 'answer')}"),), units=number)


# The job ---------------------------------------------------------------------------------------------------------------------------------


def rerun(workbench: Workbench, plan: RerunPlan, names: Sequence[str] = ()) -> Generator[Progress, None, Rerun]:
    """Writes what is not recorded, scores all, and records what came of it. names: measures; (): faithfulness, citations, whether it was
    answered and, of questions of the corpus, those against references."""
    asked = _all_asked(workbench, plan)
    groups = _by_config(asked)
    for config in groups:
        yield from fetched(config, answering=True)
    said: dict[int, KeptAnswer] = {}
    for done, (config, numbers) in enumerate(groups.items()):
        step = Progress(done, len(groups), "Answering again")
        told = yield from counted_within(_written(workbench, config, [asked[number] for number in numbers]), step)
        said |= zip(numbers, told, strict=True)
    answers = [said[number] for number in range(len(asked))]
    cases = [_case(workbench, plan.inputs[each.place], each.config, told) for each, told in zip(asked, answers, strict=True)]
    chosen = measures(names) if names else _usual(cases)
    scored = yield from measure_all(workbench, asked[0].config, chosen, cases)
    values = {each.measure.part: each.values for each in scored} | _counts(answers)
    return _keep(workbench, plan, [each.text for each in answers], values)


def _written(
    workbench: Workbench, config: TrialConfig, group: Sequence[AnswerAgain]
) -> Generator[Progress, None, list[KeptAnswer]]:
    """The answers of one recipe under one seed, in the order of the group."""
    said = [KeptAnswer("", "failed: the model's window does not hold the prompt and an answer")] * len(group)
    if contexts := [number for number, each in enumerate(group) if each.context]:
        asked = [group[number].context for number in contexts]
        yield from answering.write(workbench, workbench.resolve(config), asked)
        for number, answer in zip(contexts, answers_to(workbench, asked), strict=True):
            said[number] = answer
    part, prompts = writer(config), [number for number, each in enumerate(group) if each.request]
    if prompts:
        yield from loaded(part)
    fitting = [number for number in prompts if not part.local or part.holds(group[number].request.messages)]
    texts = yield from written(_tools(workbench, config), [group[number].request for number in fitting])
    for number, text in zip(fitting, texts, strict=True):
        told = (text.prompt_tokens, text.tokens, text.seconds, text.cost_usd, text.logprobs)
        said[number] = KeptAnswer(text.text, text.finish_reason, (), *told)
    return said


def _case(workbench: Workbench, each: RequestInput, config: TrialConfig, said: KeptAnswer) -> AnswerCase:
    """With what the corpus tells of the question, where it is one of its own."""
    if each.recipe is None:
        return AnswerCase(each.question, said.text, finish_reason=said.finish_reason, tokens=said.tokens)
    run = workbench.resolve(config)
    texts = {name: document.text for name, document in documents_of(workbench.pipeline, run).items()}
    query = next((query for query in run.corpus.queries if query.text.strip() == each.question.strip()), None)
    made = case(query or Query("", each.question), said, texts, config.evaluation.overlap, config.context.citations)
    made = made._replace(asked_to_cite=prompt.asks_to_cite(config.context) and each.passages is not None)
    return made if query else made._replace(answerable=None)


def _usual(cases: Sequence[AnswerCase]) -> list[AnswerMeasure]:
    """Those of the answer, not of what was retrieved for it, that can score some of these."""
    every = [measure for measure in shown_measures() if measure.topic != "context"]
    return usable([*every, registry.find("measure", ANSWERED)()], cases)[0]


def _counts(answers: Sequence[KeptAnswer]) -> dict[str, np.ndarray]:
    """[answers] float64; NaN: the engine does not count, or there is no answer."""
    numbers = [
        (None,) * len(COUNTS)
        if each.finish_reason.startswith("failed")
        else (len(each.text.split()), each.answer_tokens, each.prompt_tokens)
        for each in answers
    ]
    return dict(zip(COUNTS, np.array(numbers, np.float64).T, strict=True))


# What is recorded ------------------------------------------------------------------------------------------------------------------------


def _keep(workbench: Workbench, plan: RerunPlan, texts: Sequence[str], values: Mapping[str, np.ndarray]) -> Rerun:
    """texts, values: in the order in which was asked: [seeds, traces, sides]."""
    shape = plan.seeds, len(plan.inputs), len(SIDES)
    tables = {name: plain(column.reshape(shape).transpose(1, 2, 0).tolist()) for name, column in values.items()}
    about = {"settings": dict(plan.change.settings), "system": plan.change.system, "seeds": plan.seeds, "left_out": plan.left_out}
    rows = []
    for place, each in enumerate(plan.inputs):
        row = {"trace": each.trace, "question": each.question, "recipe": fingerprint(each.recipe) if each.recipe else None}
        for side, name in enumerate(SIDES):
            row[name] = {measure: table[place][side] for measure, table in tables.items()}
            row[f"{name}_answers"] = [texts[(seed * shape[1] + place) * shape[2] + side] for seed in range(plan.seeds)]
        rows.append(row | about)
    identity = fingerprint(rows)  # the same again is the same record
    started = datetime.now(UTC).isoformat(timespec="seconds")
    batches(workbench.home).keep(
        KIND, {f"{identity}/{row['trace']}": row | {"rerun": identity, "started": started} for row in rows}
    )
    return rerun_of(workbench, identity)


def reruns(workbench: Workbench, trace: str = "") -> list[Rerun]:
    """Those recorded, the newest first. trace: only those of this trace."""
    of_trace = f" WHERE rerun IN (SELECT rerun FROM {KIND} WHERE trace = ?)" * bool(trace)
    rows = workbench.store.recorded(
        KIND, f"SELECT key FROM {KIND}{of_trace} ORDER BY started DESC, rerun, id, key", [trace] * bool(trace)
    )
    by_rerun: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_rerun.setdefault(row["rerun"], []).append(row)
    return [_rerun(each) for each in by_rerun.values()]


def tried(workbench: Workbench, made: Rerun) -> int:
    """Other changes that were run on some of its traces."""
    asked = f"SELECT DISTINCT settings, system FROM {KIND} WHERE trace IN (SELECT trace FROM {KIND} WHERE rerun = ?)"
    rows = workbench.store.query(asked, [made.id])
    changes = {fingerprint([files.read_json(row["settings"] or "{}"), row["system"]]) for row in rows}
    return len(changes - {fingerprint([dict(made.change.settings), made.change.system])})


def rerun_of(workbench: Workbench, identity: str) -> Rerun:
    """By its id or the beginning of it."""
    every = [each for each in reruns(workbench) if each.id.startswith(identity)]
    if len(every) != 1 or not identity:
        what = f"{len(every)} reruns begin with '{identity}'." if every else f"There is no rerun '{identity}'."
        raise WorkbenchError(what, todo="`python -m core serving reruns` lists them.")
    return every[0]


def _rerun(rows: list[dict[str, Any]]) -> Rerun:
    first = rows[0]
    change = RerunChange(first["settings"], first["system"])
    return Rerun(first["rerun"], first["started"], change, first["seeds"], first["left_out"], rows)
