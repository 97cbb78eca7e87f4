"""A recipe that answers others: each question by the best of the ways that work just now, and what is told with the answer.

The ways, best first: the recipe's own engine; where that is a remote one, the bundled model of this machine; the passages alone; an answer
that was given before over the same corpus; else none. Which one it was, and what was tried before it, stands in the reply.
"""

import threading
import time
import timeit
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import TrialConfig, fingerprint
from core.context.citations import cited
from core.corpus.freshness import notice, origins
from core.corpus.own import Origin
from core.embedding.vectors import encode_all
from core.errors import TOO_LONG, WorkbenchError
from core.generation.loading import loaded
from core.generation.remote import RetryBudget, within_budget
from core.labs.answers.answering import answers_to, spans_read, write
from core.pipeline.answers import Asker, Given, KeptAnswer
from core.pipeline.stages import Resolved
from core.progress import Running, drain
from core.records import Answer, Hit
from core.serving.admission import Breaker, Refusal
from core.serving.caches import AnswerCache
from core.serving.inputs import ALONE, answer_noted, documents_of, ranking_noted, recipe_noted
from core.serving.publishing import stages_of
from core.serving.routing import CLOSED_BOOK, CORPUS, REFUSE, Router
from core.serving.search_caches import SEARCH, CacheUse, QuestionSteps, search_caches
from core.workbench import Workbench

REMOTE, LOCAL, PASSAGES, CACHED, REFUSED = "remote", "local", "passages", "cached", "refused"
DEADLINE_S = 60.0
NOT_READY, STARTING = "Not ready: ", "It is starting."
FAILED = "failed: "  # so begins the finish reason of an answer without text
LATE = "The deadline passed before it was written."
WHOLE = ("stop", "abstained")  # finish reasons of answers that may be given again
QUICK_S = 0.001  # so soon told, the corpus' stamp is asked for where others wait meanwhile


class Mark(NamedTuple):
    """A piece of the work on a question. kind: of `conventions.KINDS`."""

    name: str
    kind: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]


@dataclass(eq=False)
class ServedQuestion:
    """One that is asked. until: by `time.perf_counter`. gone: set where nobody waits for the answer any more. fresh: an answer that was
    given before is the last way, not the first. traceparent: of the request, as W3C's Trace Context has it."""

    text: str
    until: float
    fresh: bool = False
    traceparent: str = ""
    gone: threading.Event = field(default_factory=threading.Event)
    tried: list[dict[str, str]] = field(default_factory=list)
    route: str = CORPUS
    marks: list[Mark] = field(default_factory=list)
    began_ns: int = field(default_factory=time.time_ns)
    _clock: int = field(default_factory=time.perf_counter_ns)

    def now_ns(self) -> int:
        """Nanoseconds since 1970 by a clock that nobody sets while the question is answered: its spans have the lengths that it took."""
        return self.began_ns + time.perf_counter_ns() - self._clock

    def mark(self, name: str, kind: str, start_ns: int, **attributes: Any) -> None:
        """Notes what was done for it until now, for its trace. start_ns: by `now_ns`."""
        self.marks.append(Mark(name, kind, start_ns, self.now_ns(), attributes))

    @property
    def left_s(self) -> float:
        return 0.0 if self.gone.is_set() else max(0.0, self.until - time.perf_counter())


class LadderRung(NamedTuple):
    """A way of answering with a model, and the breaker before it."""

    name: str
    config: TrialConfig
    breaker: Breaker


class Again(NamedTuple):
    """The text so far does not count: the next way begins anew."""

    why: str


Reply = dict[str, Any]


class Service:
    """One recipe. Its methods may be called from several threads."""

    def __init__(
        self, workbench: Workbench, config: TrialConfig, name: str = "", similarity: float = 0.0, router: Router | None = None
    ) -> None:
        """similarity: of `AnswerCache`. router: without one every question is for the corpus."""
        self.workbench, self.config = workbench, config
        self.recipe = fingerprint(config)
        self.name = name or self.recipe
        local = config.generation.local
        self.router = router
        self.rungs = [LadderRung(LOCAL if local else REMOTE, config, Breaker())]
        if not local:
            own = registry.find("generator", "llama_cpp")()
            self.rungs.append(LadderRung(LOCAL, config.model_copy(update={"generation": own}), Breaker()))
        self.question = ""  # one that the corpus answers
        self.missing = STARTING  # what it is not ready for; "": it is
        self.cache = AnswerCache(similarity=similarity, encode=self._vector)
        self.searches = search_caches()
        self.prefix = {"hits": 0, "misses": 0}  # tokens of prompts that were still in the model's cache, or were read
        self.retries = RetryBudget()
        self.quick = False  # whether the corpus' stamp is told within QUICK_S
        self._origins: dict[str, Origin | None] = {}  # of documents that were passages, over the corpus of the last one

    def open(self) -> None:
        """Prepares the corpus and loads the models; what fails stands in `missing`."""
        try:
            run = self.workbench.resolve(self.config)
            self.question = run.corpus.queries[0].text if run.corpus.queries else ""
            self.workbench.search(run, self.question or "first")
            self.quick = min(timeit.repeat(self.stamp, number=1, repeat=3)) < QUICK_S
            for rung in self.rungs:
                if rung.name == LOCAL:
                    drain(loaded(rung.config.generation))
            self.missing = ""
        except (WorkbenchError, OSError) as error:
            self.missing = str(error)

    def search(self, text: str, most: int) -> Reply:
        began = time.perf_counter()
        run = self.workbench.resolve(self.config)
        if held := self.searched(text, most, run.stamp):
            return held
        hits = self.workbench.search(run, text, QuestionSteps(self.searches))[:most]
        reply = self._about(text) | {"passages": self.passages(run, hits, spans_read(hits)), "cached": False}
        self.searches[SEARCH].put((text, most), reply, run.stamp)
        return reply | {"ms": {"retrieval": _ms(began)}}

    def searched(self, text: str, most: int, stamp: str) -> Reply | None:
        """What this search gave before over the same corpus. stamp: of the corpus as it is now."""
        began = time.perf_counter()
        held = self.searches[SEARCH].get((text, most), stamp)
        return held and self._as_of_now(held) | {"cached": True, "ms": {"retrieval": _ms(began)}}

    def answered(self, text: str, stamp: str) -> Reply | None:
        """The answer to this very question that was given before over the same corpus."""
        if held := self._held(text, stamp, alike=False):
            self.cache.count(True)
        return held

    def replies(self, asked: Sequence[ServedQuestion]) -> Generator[None, None, list[Reply | Refusal]]:
        """To each question its reply, those that a model writes side by side. Yields where questions whose client left are dropped: with
        the last of them the work ends."""
        made: dict[ServedQuestion, Reply | Refusal] = {question: held for question in asked if (held := self._first(question))}
        self._route([question for question in asked if question not in made])
        made |= {question: self._refused(question) for question in asked if question.route == REFUSE}
        for rung in self.rungs:
            if not (wanted := [question for question in asked if question not in made and question.left_s]):
                break
            if not self._lets_in(rung, wanted):
                continue
            try:
                run = self.workbench.resolve(rung.config)
                with within_budget(self.retries):
                    replies = yield from self._written(rung, run, wanted)
            except (WorkbenchError, OSError) as error:
                rung.breaker.failed()
                _note(wanted, rung.name, str(error))
                continue
            for question, reply in replies.items():
                if reply["finish_reason"].startswith(FAILED):
                    _blame(rung, reply["finish_reason"])
                    _note([question], rung.name, reply["finish_reason"])
                else:
                    rung.breaker.succeeded()
                    made[question] = self._remembered(question, reply, run.stamp)
        return [made.get(question) or self._last(question) for question in asked]

    def _written(
        self, rung: LadderRung, run: Resolved, asked: Sequence[ServedQuestion]
    ) -> Generator[None, None, dict[ServedQuestion, Reply]]:
        asker, hits, took, contexts = Asker(run), {}, {}, {}
        steps = {question: QuestionSteps(self.searches) for question in asked if question.route != CLOSED_BOOK}
        self.workbench.read_together(run, [question.text for question in steps], list(steps.values()))
        for question in asked:
            began, start_ns = time.perf_counter(), question.now_ns()
            alone = question not in steps
            hits[question] = [] if alone else self.workbench.search(run, question.text, steps[question])
            contexts[question] = asker.alone(question.text) if alone else asker.over(question.text, hits[question])
            took[question] = _ms(began)
            about = _searched(question.text, hits[question]) | {"cached": [] if alone else list(steps[question].hits)}
            question.mark("search", "retrieval", start_ns, **about, **ranking_noted(run.corpus.fingerprint, hits[question]))
            yield
        start_ns, why, replies = {question: question.now_ns() for question in asked}, LATE, {}
        try:
            for _ in write(self.workbench, run, list(contexts.values())):
                yield
                if not any(question.left_s for question in asked):
                    break
        except WorkbenchError as error:  # what was written beside the answer that failed goes out
            rung.breaker.failed()
            why = str(error)
        for question, said in zip(asked, answers_to(self.workbench, list(contexts.values())), strict=True):
            if said is None:
                question.tried.append({"way": rung.name, "why": why})
                continue
            used = _used(run.config.generation.model, said)
            noted = recipe_noted(rung.config) | ({ALONE: True} if question.route == CLOSED_BOOK else {})
            question.mark("write", "model", start_ns[question], batch=len(asked), **used, **noted)
            times = {"retrieval": took[question], "generation": 1000 * said.seconds}
            shown = said.shown or spans_read(hits[question][: run.config.context.passages])
            replies[question] = self._told(run, rung, question, said, hits[question], shown, times, used)
        # a service that hangs has failed; a model of this machine may only have had too much before it
        if why == LATE and rung.name == REMOTE and any(q not in replies and not q.gone.is_set() for q in asked):
            rung.breaker.failed()
        return replies

    def streamed(self, question: ServedQuestion) -> Generator[str | Again, None, Reply]:
        """Yields the text as it comes, and returns the reply. Raises a Refusal where no way works."""
        if held := self._first(question):
            yield held["answer"]
            return held
        self._route([question])
        if question.route != CORPUS:
            question.fresh = True  # the cache was asked, and has counted it
            reply = yield from self._whole(question)
            yield reply["answer"]
            return reply
        for rung in self.rungs:
            if not (question.left_s and self._lets_in(rung, [question])):
                continue
            began, start_ns, steps = False, question.now_ns(), QuestionSteps(self.searches)
            try:
                stamp, asking = self.stamp(), (rung.config, question.text, question.left_s, steps)
                with within_budget(self.retries):
                    for piece in (running := Running(self.workbench.ask(*asking))):
                        began |= isinstance(piece, str) and bool(piece)
                        yield piece if isinstance(piece, str) else ""
                made = running.result
                if made.finish_reason.startswith(FAILED):
                    raise WorkbenchError(made.finish_reason)
            except (WorkbenchError, OSError) as error:
                _blame(rung, str(error))
                _note([question], rung.name, str(error))
                if began:
                    yield Again(str(error))
                continue
            rung.breaker.succeeded()
            found_ns = start_ns + round(1e6 * made.retrieval_ms)
            about = _searched(question.text, made.hits) | {"cached": list(steps.hits), **answer_noted(made)}
            question.marks.append(Mark("search", "retrieval", start_ns, found_ns, about))
            used = _used(made.model, made) | self._reused(made) | recipe_noted(rung.config)
            question.mark("write", "model", found_ns, first_token_s=made.first_token_ms / 1000, **used)
            return self._remembered(question, self._of_answer(rung, question, made), stamp)
        reply = reply_or_raise(self._last(question))
        yield reply["answer"]
        return reply

    def _whole(self, question: ServedQuestion) -> Generator[str, None, Reply]:
        """The reply in one piece."""
        for _ in (running := Running(self.replies([question]))):
            yield ""
        return reply_or_raise(running.result[0])

    def _of_answer(self, rung: LadderRung, question: ServedQuestion, made: Answer) -> Reply:
        run, hits = self.workbench.resolve(rung.config), list(made.hits)
        times = {"retrieval": made.retrieval_ms, "first_token": made.first_token_ms, "generation": made.generation_ms}
        reply = self._told(run, rung, question, made, hits, spans_read(hits), times, _used(made.model, made))
        return reply | {"id": made.id}

    def _told(
        self,
        run: Resolved,
        rung: LadderRung,
        question: ServedQuestion,
        said: KeptAnswer | Answer,
        hits: Sequence[Hit],
        shown: Given,
        times: dict[str, float],
        used: dict[str, Any],
    ) -> Reply:
        """An answer as a reply tells it. times: in ms."""
        read, style = self.passages(run, hits, shown), run.config.context.citations
        return self._about(question.text) | {
            "answer": said.text,
            "finish_reason": said.finish_reason,
            "citations": [read[number - 1] for number in cited(said.text, hits if style == "titles" else len(read), style)],
            "passages": read,
            "model": used["model"],
            "tokens": {"prompt": said.prompt_tokens, "answer": said.answer_tokens},
            "cost_usd": said.cost_usd,
            "ms": times,
            "way": rung.name,
            "route": question.route,
            "tried": question.tried,
        }

    def passages(self, run: Resolved, hits: Sequence[Hit], shown: Given) -> list[Reply]:
        """What a model reads of them, in its order. number: as an answer cites it; page: of a document that has pages; stale: that its
        file is not any more as it was indexed."""
        documents, read = documents_of(self.workbench.pipeline, run), []
        self._origins |= origins(self.workbench.home, run.corpus.name, [documents[excerpts[0][0]] for excerpts in shown])
        for number, excerpts in enumerate(shown, 1):
            name, start, end = excerpts[0][0], excerpts[0][1], excerpts[-1][2]
            page = next((hit.page for hit in hits if hit.document_id == name and hit.start < end and start < hit.end), None)
            about = {"number": number, "document": name, "title": documents[name].title, "page": page, "start": start, "end": end}
            text = " … ".join(documents[name].text[a:b] for _, a, b in excerpts)
            read.append(about | {"text": text, "stale": notice(self._origins[name])})
        return read

    def _as_of_now(self, reply: Reply) -> Reply:
        """One that was made before, with what is stale by now."""
        now = {each["document"]: notice(self._origins.get(each["document"])) for each in reply["passages"]}
        if all(each["stale"] == now[each["document"]] for each in reply["passages"]):
            return reply
        places = {"passages", "citations"} & reply.keys()
        return reply | {place: [each | {"stale": now[each["document"]]} for each in reply[place]] for place in places}

    def stages(self) -> dict[str, str]:
        """Key of each stage as it is now, by which a change is traced to its stage."""
        return stages_of(self.workbench.resolve(self.config))

    # What comes before and after the models --------------------------------------------------------------------------

    def classify(self, text: str) -> Reply:
        """Which way the router sends it."""
        if self.router is None:
            raise Refusal(404, "This service has no router: serve --router NAME takes a classifier of questions.")
        about = {"router": self.router.name, "macro_f1": self.router.macro_f1}
        return self._about(text) | {"route": self.router.routes([text])[0]} | about

    def _route(self, asked: Sequence[ServedQuestion]) -> None:
        if self.router and asked:
            for question, route in zip(asked, self.router.routes([each.text for each in asked]), strict=True):
                question.route = route

    def _refused(self, question: ServedQuestion) -> Reply:
        empty = {"answer": "This question is not for this service.", "finish_reason": "refused", "citations": [], "passages": []}
        return self._about(question.text) | empty | {"way": REFUSED, "route": REFUSE, "tried": []}

    def _first(self, question: ServedQuestion) -> Reply | None:
        if question.fresh:
            return None
        held = self._held(question.text, self.stamp())
        self.cache.count(held is not None)
        return held

    def _last(self, question: ServedQuestion) -> Reply | Refusal:
        """Without a model: the passages, or an answer that was given before."""
        if not question.tried and not question.left_s:
            _note([question], self.rungs[0].name, LATE)
        try:
            reply = self.search(question.text, self.config.context.passages)
            if reply["passages"] and not question.gone.is_set():
                return reply | {
                    "answer": "",
                    "finish_reason": "passages",
                    "citations": [],
                    "way": PASSAGES,
                    "tried": question.tried,
                }
            _note([question] if not reply["passages"] else [], PASSAGES, "None was found for the question.")
        except (WorkbenchError, OSError) as error:
            _note([question], PASSAGES, str(error))
        if held := self._held(question.text, self.stamp()):
            return held | {"tried": question.tried}
        return Refusal(503, "No way of answering works. " + " ".join(f"{each['way']}: {each['why']}" for each in question.tried))

    def _held(self, text: str, stamp: str, alike: bool = True) -> Reply | None:
        began, held = time.perf_counter(), self.cache.get(text, stamp, alike)
        if held is None:
            return None
        return self._as_of_now(held.reply) | {
            "way": CACHED,
            "cost_usd": held.reply["cost_usd"] and 0.0,  # it was paid for once, and so were its tokens
            "tokens": {"prompt": 0, "answer": 0},
            "ms": {"cache": _ms(began)},
            "cache": {"question": held.question, "similarity": held.similarity, "age_s": held.age_s},
        }

    def _remembered(self, question: ServedQuestion, reply: Reply, stamp: str) -> Reply:
        """The recipe's own is given again; another model's is not, or it would outlast the failure that it stood in for. stamp: of the
        corpus when the question was asked."""
        if reply["finish_reason"] in WHOLE and reply["way"] == self.rungs[0].name:
            self.cache.put(question.text, stamp, reply)
        return reply

    def _reused(self, made: Answer) -> dict[str, int]:
        """Tokens of the prompt that were still in the model's cache; nothing where that is not told."""
        if made.reused_tokens is None or made.prompt_tokens is None:
            return {}
        self.prefix["hits"] += made.reused_tokens
        self.prefix["misses"] += made.prompt_tokens - made.reused_tokens
        return {"cached_tokens": made.reused_tokens}

    def cache_uses(self) -> dict[str, CacheUse]:
        """By cache; of `prefix` in tokens of prompts that were streamed."""
        uses = {name: cache.use for name, cache in self.searches.items()}
        return {"answer": self.cache.use, **uses, "prefix": CacheUse(**self.prefix, entries=0)}

    def stamp(self) -> str:
        """Of the corpus as it is now."""
        return self.workbench.pipeline.library.stamp(self.config.corpus.dataset)

    def _lets_in(self, rung: LadderRung, asked: Sequence[ServedQuestion]) -> bool:
        if rung.breaker.lets_in():
            return True
        _note(asked, rung.name, "It failed several times, and rests.")
        return False

    def _vector(self, text: str) -> np.ndarray:
        [vector] = encode_all(self.config.embedding, [text], query=True)
        return vector / np.linalg.norm(vector)

    def _about(self, text: str) -> Reply:
        return {"question": text, "recipe": self.recipe, "name": self.name, "corpus": self.config.corpus.dataset}


def reply_or_raise(made: Reply | Refusal) -> Reply:
    if isinstance(made, Refusal):
        raise made
    return made


def _blame(rung: LadderRung, why: str) -> None:
    """Counts a failure of the engine's; what does not fit into it is the question's fault."""
    if not why.removeprefix(FAILED).startswith(TOO_LONG):
        rung.breaker.failed()


def _note(asked: Sequence[ServedQuestion], way: str, why: str) -> None:
    for question in asked:
        question.tried.append({"way": way, "why": why})


def _searched(text: str, hits: Sequence[Hit]) -> dict[str, Any]:
    """What a search was for and gave; score: of the best passage."""
    return {"query": text, "depth": len(hits)} | ({"score": hits[0].score} if hits else {})


def _used(model: str, said: KeptAnswer | Answer) -> dict[str, Any]:
    """What an answer took, by the names that spans have for it; what is not known is left out."""
    used = {"input_tokens": said.prompt_tokens, "output_tokens": said.answer_tokens, "cost_usd": said.cost_usd}
    return {"model": model} | {name: value for name, value in used.items() if value is not None}


def _ms(began: float) -> float:
    return 1000 * (time.perf_counter() - began)
