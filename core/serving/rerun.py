"""Stored requests answered again on their own inputs, as their recipe was and as it is changed, under several seeds.

Nothing is searched: the passages are those that a request read. Answers are records by what decides them (`core.pipeline.answers`,
`core.generation.model_texts`), so that nothing is asked twice, a stopped job goes on, and what the service wrote counts as it is. What
comes of it is recorded by trace; `rerun_verdict` says what it shows.
"""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import TrialConfig, fingerprint, with_settings
from core.context.prompt import asks_to_cite
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
from core.records import Hit, Progress, Query, plain
from core.serving import stored_spans
from core.serving.inputs import DENSE, RequestInput, documents_of, input_of
from core.serving.recorded import recorded
from core.serving.spans import TraceSpan
from core.serving.stored_spans import TraceSearch
from core.store.batches import batches
from core.workbench import Workbench, fetched

KIND = "reruns"
SIDES = ("before", "after")
MOST_TRACES, MOST_SEEDS, MOST_ANSWERS = 1_000, 20, 10_000
LOOKED = 4  # times as many traces are looked at as are wanted: some asked the same, of some no answer was written
ANSWERED = "answered"  # the measure
COUNTS = {"words": "Words", "answer_tokens": "Answer tokens", "prompt_tokens": "Prompt tokens"}  # that need no measure
# of a recipe the settings that decide the answer over given passages
CHANGEABLE = ("context", "answering", "generation", "seed")
ANOTHER_CORPUS = "its corpus is another one now"
NO_RECIPE = "a setting of the prompt was changed, and it has no recipe"
NO_SYSTEM = "the system message was changed, and its prompt has none of its own"
SAME = "it asked the same of the same passages as another"
STRANGE = "its recipe asks a service that nothing here was asked of"


class RerunChange(NamedTuple):
    """What is changed. settings: dotted, of CHANGEABLE; system: of prompts of other programs the system message, None: as it is."""

    settings: Mapping[str, Any] = {}
    system: str | None = None

    @property
    def words(self) -> str:
        told = [f"{name}={value!r:.60}" for name, value in self.settings.items()]
        return ", ".join(told + ([] if self.system is None else [f"system message {self.system!r:.60}"]))


class RerunPlan(NamedTuple):
    """left_out: why a trace is none of them -> how many."""

    inputs: tuple[RequestInput, ...]
    left_out: dict[str, int]
    change: RerunChange
    seeds: int
    author: TrialConfig  # whose model writes the prompts of other programs

    def recipes(self, each: RequestInput) -> tuple[TrialConfig, TrialConfig]:
        """Before the change and after it."""
        before = each.recipe or self.author
        return before, with_settings(before, dict(self.change.settings))


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
        return f"{self.change.words} · {counted(len(self.rows), 'trace')}"


# What is run again -----------------------------------------------------------------------------------------------------------------------


def planned(
    workbench: Workbench,
    ids: Sequence[str],
    change: RerunChange,
    seeds: int = 3,
    latest: int = 0,
    search: TraceSearch = stored_spans.ALL,
    author: TrialConfig | None = None,
) -> RerunPlan:
    """Of these traces, and of the newest that `search` finds until there are `latest`. WorkbenchError where no trace can be run again,
    with the reasons, and where a setting is none that the answer depends on."""
    author = author or TrialConfig()
    _check(change, seeds, latest)
    if len(ids) > MOST_TRACES:
        raise WorkbenchError(f"{len(ids):,} traces are too many.", todo=f"Run {MOST_TRACES:,} again at most.")
    with_settings(author, dict(change.settings))  # says what is wrong with one before anything is read
    more = stored_spans.traces(workbench, search._replace(kind="model"), LOOKED * latest) if latest > len(ids) else []
    named = [*ids, *(row["trace"] for row in more)]
    by_trace: dict[str, list[TraceSpan]] = {}
    for span in stored_spans.spans(workbench, named):
        by_trace.setdefault(span.trace, []).append(span)
    inputs, left_out, seen = [], Counter(), set()
    for spans in by_trace.values():
        each = input_of(sorted(spans, key=lambda span: span.start_ns))
        why = each if isinstance(each, str) else _unfit(workbench, each, change, seen)
        if why:
            left_out[why] += 1
        elif len(inputs) < max(latest, len(ids)):
            inputs.append(each)
            seen.add(each.same)
    if not inputs:
        told = "; ".join(f"{why}: {count:,}" for why, count in left_out.items()) or "no trace is stored in which a model wrote"
        todo = "Ask a service, or import traces with prompts: `python -m core serving import-traces FILE`."
        raise WorkbenchError(f"No trace can be run again: {told}.", where=", ".join(ids)[:120], todo=todo)
    made = RerunPlan(tuple(inputs), dict(left_out), change, seeds, author)
    fixed = all(_fixed(recipe) for each in inputs for recipe in made.recipes(each))
    made = made._replace(seeds=1 if fixed else seeds)
    if (answers := len(inputs) * made.seeds * len(SIDES)) > MOST_ANSWERS:
        todo = f"Take fewer traces or seeds: {MOST_ANSWERS:,} answers at most."
        raise WorkbenchError(f"{answers:,} answers are too many for one run.", where="--seeds", todo=todo)
    return made


def _check(change: RerunChange, seeds: int, latest: int) -> None:
    for path in change.settings:
        if path.partition(".")[0] not in CHANGEABLE:
            raise WorkbenchError(
                "What a request was answered from is not searched for again, so only what comes after the passages can be changed.",
                where=path,
                todo=f"Change one of {', '.join(CHANGEABLE)}; `compare` holds whole recipes against each other.",
            )
    if not change.words:
        raise WorkbenchError("Nothing is changed.", where="--set", todo="For example --set generation.temperature=0.7")
    if not 1 <= seeds <= MOST_SEEDS:
        raise WorkbenchError(f"{seeds} seeds cannot be taken.", where="--seeds", todo=f"Take 1 to {MOST_SEEDS}.")
    if latest > MOST_TRACES:
        raise WorkbenchError(f"{latest:,} traces are too many.", where="--latest", todo=f"Take {MOST_TRACES:,} at most.")


def _unfit(workbench: Workbench, each: RequestInput, change: RerunChange, seen: set[Any]) -> str:
    """Why it is not run again; "": it is."""
    if each.same in seen:
        return SAME
    if each.recipe is None:
        return NO_RECIPE if any(not path.startswith(("generation", "seed")) for path in change.settings) else ""
    if change.system is not None and not change.settings:
        return NO_SYSTEM
    if not _asked_before(workbench, each.recipe):
        return STRANGE
    run = workbench.resolve(each.recipe)
    documents = documents_of(workbench.pipeline, run)
    there = all(name in documents and end <= len(documents[name].text) for name, _, end, _ in each.passages or ())
    return "" if there and run.corpus.fingerprint == each.corpus else ANOTHER_CORPUS


def _asked_before(workbench: Workbench, recipe: TrialConfig) -> bool:
    """Whether answers of a remote model at this address are recorded: a file of traces that came from elsewhere sends no prompt, and no
    key, to an address that nobody here has chosen."""
    if recipe.generation.local:
        return True
    asked = "SELECT count(*) AS n FROM (SELECT config FROM set_answers UNION ALL SELECT config FROM answers) WHERE"
    [row] = workbench.store.query(f"{asked} config ->> '$.generation.base_url' = ?", [recipe.generation.base_url])
    return row["n"] > 0


def _fixed(recipe: TrialConfig) -> bool:
    """Whether its model takes the likeliest token, and writes the same under any seed."""
    part = recipe.generation
    return part.local and "temperature" in type(part).model_fields and part.temperature == 0


# What is asked ---------------------------------------------------------------------------------------------------------------------------


def hits_of(workbench: Workbench, run: Resolved, each: RequestInput) -> list[Hit]:
    """The ranking that a request was answered from, as the search gave it."""
    documents, hits = documents_of(workbench.pipeline, run), []
    for rank, (name, start, end, score) in enumerate(each.passages or (), 1):
        document, scores = documents[name], {} if score is None else {DENSE: score}
        page = int(np.searchsorted(document.pages, start, side="right")) if document.pages else None
        hits.append(Hit(rank, 0.0, name, document.title, start, end, document.text[start:end], page, scores))
    return hits


def _all_asked(workbench: Workbench, plan: RerunPlan) -> list[AnswerAgain]:
    """Seed by seed, before any of the next: what a stopped job has written serves a smaller run."""
    askers: dict[TrialConfig, tuple[Resolved, Asker]] = {}
    made = []
    for number in range(plan.seeds):
        for place, each in enumerate(plan.inputs):
            for side, recipe in enumerate(plan.recipes(each)):
                config = recipe if _fixed(recipe) else recipe.model_copy(update={"seed": recipe.seed + number})
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
    return workbench.pipeline.query_tools(config)._replace(generator=writer(config), most=None)


def rerun_cost(workbench: Workbench, plan: RerunPlan) -> Forecast:
    """The answers that are not recorded yet, and what they take."""
    costs, asked = [], _all_asked(workbench, plan)
    for config, numbers in _by_config(asked).items():
        group = [asked[number] for number in numbers]
        contexts, requests = [each.context for each in group if each.context], [each.request for each in group if each.request]
        if contexts:
            costs.append(answering.cost(workbench, config.generation, contexts))
        if requests:
            absent = sum(text is None for text in at_hand(_tools(workbench, config), requests))
            costs.append(AnswerCost(len(requests), absent, answering.answer_time(workbench, config.generation, absent)))
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
    made = made._replace(asked_to_cite=asks_to_cite(config.context) and each.passages is not None)
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
    rows = recorded(
        workbench, KIND, f"SELECT key FROM {KIND}{of_trace} ORDER BY started DESC, rerun, id, key", [trace] * bool(trace)
    )
    by_rerun: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_rerun.setdefault(row["rerun"], []).append(row)
    return [_rerun(each) for each in by_rerun.values()]


def tried(workbench: Workbench, made: Rerun) -> int:
    """Other changes that were run on some of its traces."""
    change = "concat(settings, ' ', system)"
    asked = f"""SELECT count(DISTINCT {change}) AS n FROM {KIND} WHERE trace IN (SELECT trace FROM {KIND} WHERE rerun = $id)
        AND {change} NOT IN (SELECT {change} FROM {KIND} WHERE rerun = $id)"""
    return workbench.store.query(asked, {"id": made.id})[0]["n"]


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
