"""Answers of a recipe to its questions: which are known, what the others take, and the job that writes them, many at once.

What an answer's identity is, and where it is recorded, is in `core.pipeline.answers`.
"""

import time
from collections.abc import Collection, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from core import files
from core.answering.answer import answer
from core.answering.one_prompt import OnePrompt
from core.answering.protocol import Material
from core.config import PartConfig, TrialConfig
from core.context.citations import plain
from core.context.passages import distinct
from core.context.prompt import UNKNOWN, asks_to_cite
from core.errors import TOO_LONG, PromptTooLong, TooLate, WorkbenchError
from core.generation import prices
from core.generation.loading import loaded
from core.generation.model_texts import AGAIN, BATCH, DEADLINE_S, FINAL, TRIES, Request, written
from core.judging.measure import AnswerCase
from core.pipeline.answers import CLOSED, AskedContext, Asker, Given, KeptAnswer, Span, answers_of, keep
from core.pipeline.confidence import as_written, check, context_of, writer
from core.pipeline.forecast import Phase, Usd, total
from core.pipeline.provenance import source_of
from core.pipeline.speed import UNSURE, Estimate, Rough, Run, noted
from core.pipeline.stages import VECTOR_SEARCH, Recipe, Resolved
from core.pipeline.usual import writing_names, writing_time, written_time
from core.progress import counted, drain, told_within, within
from core.records import Answer, Gold, Hit, Progress, Query
from core.retrieval.top import best as best_columns
from core.workbench import Evaluation, Workbench, fetched

FIRST = 30  # questions that are asked where nobody says how many
LIMITS = {"stop", "temperature", "json_schema", "logprobs"}  # of a generator that has such knobs
MORE_THAN_FILES = 1.3
READING_S = 0.02, 2.0  # of an answer that no language model writes
LATE = (  # finish reasons of what another try may write whole: it says how busy the machine was
    "deadline", "failed: no text before the deadline", "failed: no answer before the deadline",
    "failed: the deadline came before the JSON was whole",
)  # fmt: skip
PROMPT_TOKENS, LEAST_TOKENS = (200, 2_000), 20  # of a prompt with its passages, and of a short answer, about


class AnswerCost(NamedTuple):
    """What answering takes. answers: those that the model still has to write; silent: questions without a similar passage, for
    which it is not asked; seconds None: no answer of this model was timed here."""

    questions: int
    answers: int
    seconds: Estimate | None
    silent: int = 0
    usd: Usd | None = None
    memory_bytes: float = 0.0

    @property
    def phases(self) -> tuple[Phase, ...]:
        """ "184 answers"; none where all are known."""
        return (Phase(counted(self.answers, "answer"), self.seconds, self.usd, self.memory_bytes),) * bool(self.answers)


def together(costs: Sequence[AnswerCost]) -> AnswerCost:
    """Of several to the same questions."""
    times = [cost.seconds for cost in costs if cost.answers]
    seconds = None if None in times or not times else total(times)
    usd = [cost.usd for cost in costs if cost.usd]
    paid = Usd(*map(sum, zip(*usd, strict=True))) if usd else None
    held = max(cost.memory_bytes for cost in costs)
    return AnswerCost(costs[0].questions, sum(cost.answers for cost in costs), seconds, usd=paid, memory_bytes=held)


@dataclass(frozen=True)
class AnswerSet:
    """The answers of one recipe to the questions drawn, as far as they are known."""

    evaluation: Evaluation
    rows: tuple[int, ...]  # of the questions, in the order drawn
    askings: tuple[AskedContext | None, ...]  # None: this question is not asked
    answers: tuple[KeptAnswer | None, ...]

    @property
    def queries(self) -> list[Query]:
        return [self.evaluation.corpus.queries[row] for row in self.rows]


# What is asked -------------------------------------------------------------------------------------------------------


def can_be_judged(query: Query) -> bool:
    return bool(query.answers) or not query.answerable


def drawn(queries: Sequence[Query], seed: int, count: int) -> list[int]:
    """Rows of the questions that are asked, `count` at most, drawn once: a larger sample holds the smaller one. Where some can
    be judged, only those."""
    able = [can_be_judged(query) for query in queries]
    able = able if any(able) else [True] * len(able)
    order = np.random.default_rng(seed).permutation(len(queries)).tolist()
    return [row for row in order if able[row]][:count]


def askings(workbench: Workbench, evaluation: Evaluation, rows: Sequence[int]) -> tuple[AskedContext, ...]:
    """What the recipe asks of these questions. Milliseconds for hundreds of them."""
    config, corpus = evaluation.config, evaluation.corpus
    asker, chunks, context = Asker(evaluation.run), drain(workbench.cut_chunks(evaluation.run)), config.context
    depth = config.retrieval.top_k if context.duplicates < 1 else min(context.passages, config.retrieval.top_k)
    chosen = np.array(rows, int)
    pool, columns = evaluation.pool, best_columns(evaluation.scores[chosen], depth).chunk
    there = columns >= 0
    top = np.where(there, pool.chunk[chosen[:, None], columns], -1) if columns.size else columns
    dense = pool.score[VECTOR_SEARCH][chosen[:, None], columns] if VECTOR_SEARCH in pool.score and columns.size else np.nan
    similar = np.where(there & ~np.isnan(dense), dense, -np.inf)[:, : context.passages].max(1, initial=-np.inf)

    def told(chunk: int) -> tuple[str, int, str]:
        document, start = corpus.documents[chunks.document[chunk]], int(chunks.start[chunk])
        return document.id, start, document.text[start : int(chunks.end[chunk])]

    memory: dict[int, tuple[str, int, str]] = {}
    made = []
    for place, row in enumerate(rows):
        own = [chunk for chunk in top[place].tolist() if chunk >= 0]
        shown = [memory[chunk] if chunk in memory else memory.setdefault(chunk, told(chunk)) for chunk in own]
        hits = partial(_first, workbench, evaluation, row, depth)
        nearest = None if similar[place] == -np.inf else float(similar[place])
        made.append(asker.asking(corpus.queries[row].text, nearest, shown, hits))
    return tuple(made)


def _first(workbench: Workbench, evaluation: Evaluation, row: int, depth: int) -> list[Hit]:
    return workbench.hits(evaluation, row)[:depth]


# What is recorded ----------------------------------------------------------------------------------------------------


def cost(
    workbench: Workbench, config: TrialConfig, asked: Sequence[AskedContext], recorded: Collection[str] | None = None
) -> AnswerCost:
    """What these take a recipe: each context that is not known once. Contexts that come to a known prompt cost nothing after all.
    recorded: keys of the answers that somebody has read, where more may be recorded since: nothing is known that he has not."""
    recorded = answers_of(workbench.pipeline, {each.key for each in asked if each.asks}) if recorded is None else recorded
    unknown = {each.key for each in asked if each.asks} - {*recorded}
    silent = sum(not each.asks for each in asked)
    phase = answers_phase(workbench, config, len(unknown))
    return AnswerCost(len(asked), len(unknown), phase.seconds, silent, phase.usd, phase.memory_bytes)


def answer_time(workbench: Workbench, part: PartConfig, number: int) -> Estimate | None:
    """What so many answers take: by those that this model wrote before, else by stored ones; else roughly. None of no answer."""
    if not number:
        return None
    seconds = writing_time(workbench.pipeline.speeds, part, number)
    if not seconds.measured and (quarters := _stored_times(workbench, part)):  # asked one by one, not side by side
        return Estimate(number * quarters[0] / UNSURE**2, number * quarters[1] * UNSURE)
    return seconds


def asks_model(config: TrialConfig) -> bool:
    """Whether its language model is asked for an answer at all: a reader needs none."""
    return config.answering.texts(config.context.passages) > 0


def destination(config: TrialConfig) -> str:
    """Where questions and passages go; "" where they stay in this process."""
    return config.generation.destination() if asks_model(config) else ""


def is_here(host: str) -> bool:
    """Whether a destination is a server on this machine, which asks for no money."""
    return host.rpartition(":")[0].strip("[]") in ("127.0.0.1", "localhost", "::1")


def is_paid(part: PartConfig) -> bool:
    """Whether an answer of a generator costs money."""
    return not part.local and not is_here(part.destination())


def answer_usd(workbench: Workbench, part: PartConfig, number: int) -> Usd | None:
    """What so many answers of a service cost by the price table, and by the tokens of its stored answers, else of usual ones. None
    of a model on this machine."""
    if not number or not is_paid(part):
        return None
    if (asked := prices.price(part.model, prices.table())) is None:
        return Usd(np.nan, np.nan)
    [row] = workbench.store.query(
        """SELECT quantile_cont(prompt_tokens, [0.25, 0.75]) AS prompt, quantile_cont(answer_tokens, [0.25, 0.75]) AS answer
           FROM answers WHERE prompt_tokens > 0 AND (config ->> '$.generation.model') = ?""",
        [str(part.model)],
    )
    usual = (PROMPT_TOKENS, (LEAST_TOKENS, part.max_tokens))
    prompt, answer = (own or each for own, each in zip((row["prompt"], row["answer"]), usual, strict=True))
    return Usd(*(number * (asked.input * read + asked.output * said) / 1e6 for read, said in zip(prompt, answer, strict=True)))


def alike(part: PartConfig) -> str:
    """What makes two runs of texts take about as long: engine and model."""
    return f"{part.part} {part.model}"


def alike_answers(config: TrialConfig) -> str:
    """The same of answers: the way of answering besides."""
    return " ".join([*(_way(config) and [config.answering.part]), alike(config.generation)])


def answer_phase(workbench: Workbench, part: PartConfig, number: int, what: str = "") -> Phase:
    """So many texts of a recipe's generator, with their time and money. what: where they are no answers."""
    time, usd = answer_time(workbench, part, number), answer_usd(workbench, part, number)
    return Phase(what or counted(number, "answer"), time, usd, model_bytes(part))


def answers_phase(workbench: Workbench, config: TrialConfig, number: int, what: str = "") -> Phase:
    """So many answers by the recipe's way, which may take many texts of its model for one, or none."""
    phase, texts = answer_phase(workbench, config.generation, number, what), config.answering.texts(config.context.passages)
    if texts == 1 or phase.seconds is None:
        return phase
    seconds = written_time(workbench.pipeline.speeds, number, writing_names(config.generation.usable(), *_way(config)))
    if not texts:
        return Phase(phase.what, seconds or Rough(*(number * each for each in READING_S)))
    usd, each = phase.usd and Usd(phase.usd.low, phase.usd.high * texts), " each" * (number > 1)
    seconds = seconds or Rough(phase.seconds.low, phase.seconds.high * texts)
    return Phase(f"{phase.what}, up to {texts} model calls{each}", seconds, usd, phase.memory_bytes)


def _way(config: TrialConfig) -> tuple[Any, ...]:
    """By which answers of a recipe are timed apart; nothing of ways that take one text of the model, as it takes any."""
    way = config.answering
    return () if way.texts(config.context.passages) == 1 else (way.model_dump(mode="json"), config.context.passages)


def model_bytes(part: PartConfig) -> float:
    """What a model of this machine holds in memory, about: its files, and some for what it reads. 0 of a service, without files, and of
    the bundled one, which is small."""
    with suppress(WorkbenchError):  # what is no path is told where it is loaded
        if part.local and (place := files.path_of(part.model)).exists():
            weights = [place] if place.is_file() else place.glob("*.safetensors")
            return MORE_THAN_FILES * sum(path.stat().st_size for path in weights)
    return 0.0


def _stored_times(workbench: Workbench, part: PartConfig) -> tuple[float, float] | None:
    """Seconds, first and third quartile, that stored answers of this model took; None where none is stored."""
    [row] = workbench.store.query(
        """SELECT quantile_cont(generation_ms, 0.25) / 1000 AS low, quantile_cont(generation_ms, 0.75) / 1000 AS high FROM answers
           WHERE generation_ms > 0 AND (config ->> '$.generation.model') = ?""",
        [str(part.model)],
    )
    return None if row["low"] is None else (row["low"], row["high"])


def answers_to(workbench: Workbench, asked: Sequence[AskedContext | None]) -> tuple[KeptAnswer | None, ...]:
    """The answer to each, None where none is recorded."""
    recorded = answers_of(workbench.pipeline, [each.key for each in asked if each])
    return tuple(each and recorded.get(each.key) for each in asked)


def answer_set(workbench: Workbench, evaluation: Evaluation, count: int) -> AnswerSet:
    """What is known of the recipe's answers to the first `count` questions drawn; asks nothing."""
    return recorded_set(workbench, evaluation, drawn(evaluation.corpus.queries, evaluation.config.seed, count))


def recorded_set(
    workbench: Workbench, evaluation: Evaluation, rows: Sequence[int], asked: Sequence[AskedContext | None] | None = None
) -> AnswerSet:
    """What is known of the answers to these questions. asked: what is asked of each; None: what the recipe asks."""
    asked = askings(workbench, evaluation, rows) if asked is None else tuple(asked)
    return AnswerSet(evaluation, tuple(rows), asked, answers_to(workbench, asked))


def cases(answers: AnswerSet, places: Sequence[int]) -> list[AnswerCase]:
    """The answers at these places of the draw, all known, with what each can be held against."""
    corpus, config = answers.evaluation.corpus, answers.evaluation.config
    texts = {document.id: document.text for document in corpus.documents}
    how, asked = (texts, config.evaluation.overlap, config.context.citations), asks_to_cite(config.context)
    return [case(corpus.queries[answers.rows[n]], answers.answers[n], *how)._replace(asked_to_cite=asked) for n in places]


def case(query: Query, said: KeptAnswer, texts: dict[str, str], overlap: float, citations: str) -> AnswerCase:
    passages = tuple(" … ".join(texts[name][start:end] for name, start, end in spans) for spans in said.shown)
    how = {"citations": citations, "finish_reason": said.finish_reason, "tokens": said.tokens}
    return AnswerCase(query.text, said.text, passages, **evidence_of(query, said.shown, overlap), **how)


def evidence_of(query: Query, shown: Given, overlap: float) -> dict[str, Any]:
    """What an answer over these passages is held against, as fields of a case."""
    covered = tuple(
        frozenset(g.unit for g in query.relevant if any(covers(span, g, overlap) for span in spans)) for spans in shown
    )
    units = len({gold.unit for gold in query.relevant}) if query.gold or not query.answerable else None
    return {"references": query.answers, "answerable": query.answerable, "units": units, "covered": covered}


def covers(span: Span, gold: Gold, overlap: float) -> bool:
    """Whether a passage holds a piece of evidence, by the overlap rule of the evaluation."""
    document, start, end = span
    shared = min(gold.end, end) - max(gold.start, start)
    return gold.document_id == document and shared > 0 and shared >= overlap * max(min(gold.end - gold.start, end - start), 1)


# The job -------------------------------------------------------------------------------------------------------------


def answer_questions(workbench: Workbench, recipe: Recipe, count: int) -> Generator[Progress, None, AnswerSet]:
    """Writes what is not known of the recipe's answers to the first `count` questions drawn, and returns all of them."""
    run = yield from workbench.pipeline.resolve(recipe)
    yield from fetched(run.config, answering=True)
    evaluation = yield from workbench.evaluating(run)
    rows = drawn(evaluation.corpus.queries, run.config.seed, count)
    yield from write(workbench, run, askings(workbench, evaluation, rows))
    return answer_set(workbench, evaluation, count)


def write(workbench: Workbench, run: Resolved, asked: Sequence[AskedContext]) -> Generator[Progress, None, None]:
    """Writes those of these answers that are not known, in this order. Stopped, it has kept every batch that was whole."""
    recorded = answers_of(workbench.pipeline, [each.key for each in asked])
    unknown = {each.key: each for each in asked if each.key not in recorded}
    wanted = [each for each in unknown.values() if each.asks]
    if not wanted:
        return _abstain(workbench, run, unknown)
    part = writer(run.config)
    check(run.config)
    run.config.answering.check(part)
    began = time.monotonic()
    yield from loaded(part)
    job = _Job(workbench, run, part, len(wanted), time.monotonic() - began)
    one_prompt, size = isinstance(run.config.answering, OnePrompt), BATCH if part.local else 1
    by_prompt = [each for each in wanted if one_prompt or each.hits is None]
    for at in range(0, len(by_prompt), size):
        batch = by_prompt[at : at + size]
        yield from job.together(batch)
        _abstain(workbench, run, unknown, batch[-1].key)
    for each in wanted:
        if each.hits is not None and not one_prompt:
            yield from job.alone(each)
            _abstain(workbench, run, unknown, each.key)
    _abstain(workbench, run, unknown)
    job.end()


def _abstain(workbench: Workbench, run: Resolved, unknown: dict[str, AskedContext], until: str = "") -> None:
    """Records the answers of those for which the model is not asked, up to this one: in the order drawn, so that what is answered at any
    moment is a sample of all, not first of all what no passage is found for."""
    before = list(takewhile(lambda each: each.key != until, unknown.values()))
    recorded = answers_of(workbench.pipeline, [each.key for each in before])
    silent = [each for each in before if not each.asks and each.key not in recorded]
    keep(workbench.pipeline, run, dict.fromkeys(silent, KeptAnswer(UNKNOWN, "abstained")))


def keep_alone(workbench: Workbench, run: Resolved, each: AskedContext, made: Answer, seconds: float) -> KeptAnswer:
    """Records an answer that was written by itself."""
    made = as_written(made)
    shown = () if made.finish_reason == "abstained" else spans_read(made.hits)
    spent = made.prompt_tokens, made.answer_tokens, seconds, made.cost_usd, made.tokens
    said = KeptAnswer(made.text, made.finish_reason, shown, *spent, detail=made.detail)
    keep(workbench.pipeline, run, {each: said})
    return said


class _Job:
    """What one run of `write` shares."""

    def __init__(self, workbench: Workbench, run: Resolved, part: PartConfig, total: int, load_s: float) -> None:
        self._bench, self._run, self._part, self._total = workbench, run, part, total
        self._source = source_of(workbench.pipeline, run)
        self._tools = workbench.pipeline.text_tools(run.config)._replace(generator=part)
        self._took: list[float] = []
        self._load_s = load_s
        self._speeds = {name: workbench.pipeline.speeds.record(name) for name in writing_names(part, *_way(run.config))}
        self._done = 0
        self._failed, self._in_a_row, self._why = 0, 0, ""

    def together(self, group: Sequence[AskedContext]) -> Generator[Progress, None, None]:
        """Answers by one prompt each, side by side."""
        step, part, ready, made = self._step(group[0]), self._part, [], {}
        for each in group:
            yield step
            prompt = self._prompt(each)
            if isinstance(prompt, KeptAnswer):
                made[each] = prompt
            else:
                ready.append((each, *prompt))
        limits = {name: getattr(part, name) for name in LIMITS & set(type(part).model_fields)}
        requests = [Request(messages, part.max_tokens, **limits) for _, messages, _ in ready]
        try:
            texts = yield from told_within(written(self._tools, requests), step)
        except WorkbenchError as error:  # of a service a single one; those of a batch that came are kept by their prompts
            self._record(made)
            return self._fails(error, len(requests))
        self._in_a_row = 0
        for (each, _, shown), text in zip(ready, texts, strict=True):
            told = (text.prompt_tokens, text.tokens, text.seconds, text.cost_usd, text.logprobs)
            made[each] = KeptAnswer(text.text, text.finish_reason, shown, *told)
        self._record(made)

    def _prompt(self, each: AskedContext) -> tuple[list[dict[str, str]], Given] | KeptAnswer:
        """(messages, passages that they hold); where they do not go into the model, that is the answer."""
        part, config = self._part, self._run.config
        hits, shown = list(each.hits()) if each.hits else [], ()
        messages = [{"role": "user", "content": f"{CLOSED}\n\nQuestion: {plain(each.question)}"}]
        try:
            if each.hits:
                chosen = distinct(hits, config.context)[0]
                material = Material(each.question, chosen, part, config.context, 0.0, config.seed, None, self._source)
                made = material.prompt(chosen)
                messages, shown = made.messages, spans_read(made.used)
            if why := beyond(part, messages):
                return KeptAnswer("", f"failed: {why}")
        except PromptTooLong as error:
            return unfit(error)
        return messages, shown

    def alone(self, each: AskedContext) -> Generator[Progress, None, None]:
        """An answer that takes more than one prompt."""
        hits, config, started = list(each.hits()), self._run.config, time.perf_counter()
        more = {"search": partial(self._bench.search, self._run), "source": self._source, "answering": config.answering}
        more |= {"desk": self._bench.desk(), "deadline_s": DEADLINE_S}
        try:
            work = answer(each.question, hits, self._part, context_of(config), config.seed, **more)
            made = yield from within(work, self._step(each))
            if made.finish_reason in LATE:
                raise TooLate(made.finish_reason)
        except PromptTooLong as error:
            return self._record({each: unfit(error)})
        except TooLate as error:  # the next question may take less
            self._failed, self._why = self._failed + 1, error.what
            return None
        if not is_final(self._part, made.finish_reason):
            return self._fails(WorkbenchError(made.finish_reason), 1)
        self._in_a_row = 0
        self._counted(keep_alone(self._bench, self._run, each, made, time.perf_counter() - started))

    def _fails(self, error: WorkbenchError, number: int) -> None:
        self._failed, self._in_a_row, self._why = self._failed + number, self._in_a_row + 1, error.what
        if self._part.local or self._in_a_row == TRIES:
            self.end()

    def _record(self, made: dict[AskedContext, KeptAnswer]) -> None:
        keep(self._bench.pipeline, self._run, made)
        for said in made.values():
            self._counted(said)

    def _counted(self, said: KeptAnswer) -> None:
        self._done += 1
        if said.seconds:
            self._took.append(said.seconds)
            if len(self._took) % BATCH in (0, 1):  # also of a job that is stopped
                self._note_speed()

    def _note_speed(self) -> None:
        number = len(self._took)
        for name, before in self._speeds.items():
            self._bench.pipeline.speeds.keep(name, noted(before, Run(number, number, sum(self._took), self._load_s)))

    def end(self) -> None:
        """WorkbenchError where answers are missing."""
        if self._took:
            self._note_speed()
        if self._failed:
            raise WorkbenchError(
                f"The model failed, and {self._failed:,} of {self._total:,} answers or more are not written: {self._why}",
                where=self._part.model,
                todo=AGAIN,
            )

    def _step(self, each: AskedContext) -> Progress:
        return Progress(self._done, self._total, each.question)


def is_final(part: PartConfig, reason: str) -> bool:
    """Whether an answer that ended so is kept: a service that failed, or a machine that was busy, may answer the next time."""
    return reason not in LATE and (part.local or not reason.startswith("failed") or reason.startswith(FINAL))


def beyond(part: PartConfig, messages: list[dict[str, str]]) -> str:
    """Why the model of this machine cannot take these; "": it can, or its service has to say."""
    if not part.local or part.holds(messages) or (size := len(part.read(messages).tokens)) < part.context_tokens:
        return ""
    return f"{TOO_LONG}has {size:,} tokens, and the window {part.context_tokens:,}."


def unfit(error: PromptTooLong) -> KeptAnswer:
    return KeptAnswer("", f"failed: {error.what}")


def spans_read(hits: Sequence[Hit]) -> Given:
    """What of the documents a model reads there."""
    return tuple(tuple((hit.document_id, *span) for span in hit.excerpts or ((hit.start, hit.end),)) for hit in hits)
