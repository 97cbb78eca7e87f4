"""The service over HTTP: FastAPI's application. Every request has its turn and its deadline, and ends when its client leaves."""

import asyncio
import hashlib
import json
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from core.errors import WorkbenchError
from core.serving import openai_chat
from core.serving.admission import Admission, RateLimit, Refusal, failure
from core.serving.arms import FIRST, SECOND, SecondRecipe, ServedArm, Shadow, arm_of
from core.serving.batching import AnswerBatches, stepped
from core.serving.feedback import MOST_SAID, FeedbackBook
from core.serving.guard import MOST_BYTES, Guard
from core.serving.keys import Keys
from core.serving.publishing import MOST_ASKED, MOST_K
from core.serving.request_trace import LEFT, RefusedRequests, RequestTrace, status_of, traced
from core.serving.service import CACHED, DEADLINE_S, NOT_READY, PASSAGES, Again, Reply, ServedQuestion, Service
from core.serving.spans import Recorder

WAY, ARM = "x-groundwork-way", "x-groundwork-arm"
HOST, STOPPING_S = "127.0.0.1", 60
LOCAL = (HOST, "localhost")  # names by which a service without keys may be called
BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds
LATER_S = (2.0, 2.0, 2.0)  # looks for an answer again: another service behind the same address records its spans every EVERY_S
EVENTS = {"media_type": "text/event-stream", "headers": {"cache-control": "no-store"}}


def _printable(text: str) -> str:
    if "\0" in text:
        raise ValueError("it holds a NUL character")
    return text


Whole = AfterValidator(_printable)
Text = Annotated[
    str, Field(min_length=1, max_length=MOST_ASKED, pattern=r"\S", examples=["What does the with statement do?"]), Whole
]
Words = Annotated[str, Field(max_length=MOST_BYTES), Whole]  # a bound, for only then half a character is refused
Deadline = Annotated[float, Field(gt=0, le=600, description="Seconds after which nobody waits for the answer.")]


class QuestionBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    question: Text
    deadline_s: Deadline = DEADLINE_S


class AnswerBody(QuestionBody):
    stream: bool = False
    fresh: bool = Field(False, description="Do not take an answer that was given before.")


class SearchBody(QuestionBody):
    k: Annotated[int, Field(ge=1, le=MOST_K)] = 10


BODIES = {"/search": SearchBody, "/answer": AnswerBody}


class FeedbackBody(BaseModel):
    """What a person says of an answer. trace, span: as its reply tells them."""

    model_config = ConfigDict(extra="forbid")
    trace: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    span: Annotated[str, Field(pattern=r"^([0-9a-f]{16})?$", description="Needed where a trace has several answers.")] = ""
    thumb: Literal["up", "down"]
    correction: Annotated[str, Field(max_length=MOST_SAID, description="What the answer should have been."), Whole] = ""
    comment: Annotated[str, Field(max_length=MOST_SAID), Whole] = ""


class ChatPart(BaseModel):
    """A piece of a message's content; pictures and sounds nobody here reads."""

    type: Literal["text"]
    text: Words


class ChatMessage(BaseModel):
    """content: a text or its pieces; none of an assistant's that calls tools."""

    role: Words
    content: Words | list[ChatPart] | None = None

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "\n".join(piece.text for piece in self.content or ())


class ChatStream(BaseModel):
    model_config = ConfigDict(extra="ignore")
    include_usage: bool = False


class ChatBody(BaseModel):
    """OpenAI's form; its fields about sampling, length and tools are the recipe's to decide, and passed over."""

    model_config = ConfigDict(extra="ignore")
    model: str = ""
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    n: Annotated[int, Field(ge=1, le=1, description="A recipe gives one answer.")] | None = None
    stream: bool | None = None
    stream_options: ChatStream | None = None


@dataclass(frozen=True)
class ServiceLimits:
    """batch: answers side by side; at_once: requests at work; waiting: in line; rate, burst: requests a second of a client."""

    batch: int = 8
    at_once: int = 16
    waiting: int = 64
    rate: float = 20.0
    burst: int = 40


class Figures:
    """What `/metrics` tells."""

    def __init__(self, admission: Admission) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("groundwork_requests", "Requests.", ("path", "status", "way"), registry=self.registry)
        about = "From the request to its whole reply."
        self.seconds = Histogram("groundwork_seconds", about, ("path",), buckets=BUCKETS, registry=self.registry)
        Gauge("groundwork_waiting", "Requests in line.", registry=self.registry).set_function(lambda: admission.waiting)
        Gauge("groundwork_running", "Requests at work.", registry=self.registry).set_function(lambda: admission.running)

    def count(self, path: str, status: int, way: str, began: float) -> None:
        self.requests.labels(path, status, way).inc()
        self.seconds.labels(path).observe(time.perf_counter() - began)


class UseFigures(Collector):
    """What is counted elsewhere: caches, further tries, spans."""

    def __init__(self, service: Service, recorder: Recorder | None) -> None:
        self._service, self._recorder = service, recorder

    def collect(self) -> Iterator[Metric]:
        caches = CounterMetricFamily("groundwork_cache", "What was looked up, tokens of `prefix`.", labels=("cache", "outcome"))
        for name, use in self._service.cache_uses().items():
            caches.add_metric((name, "hit"), use.hits)
            caches.add_metric((name, "miss"), use.misses)
        yield caches
        yield CounterMetricFamily("groundwork_retries", "Further tries of remote engines.", self._service.retries.retries)
        spans = CounterMetricFamily("groundwork_spans", "Spans by destination.", labels=("destination", "outcome"))
        for name, counts in (self._recorder.counts() if self._recorder else {}).items():
            for outcome in ("delivered", "dropped", "failed"):
                spans.add_metric((name, outcome), getattr(counts, outcome))
        yield spans


def make_app(
    service: Service,
    limits: ServiceLimits = ServiceLimits(),
    keys: Keys | None = None,
    recorder: Recorder | None = None,
    against: SecondRecipe | None = None,
) -> Any:
    """An ASGI application. keys: without them anyone on this machine may ask. recorder: of each request's spans. against: a second recipe
    beside this one."""
    admission, rates = Admission(limits.at_once, limits.waiting), RateLimit(limits.rate, limits.burst)
    pool, figures = ThreadPoolExecutor(limits.at_once + 4, "serve"), Figures(admission)
    batches = AnswerBatches(service.replies, limits.batch, pool)
    origin = {"recipe": service.recipe, "corpus": service.config.corpus.dataset}  # of every trace
    about, began_ns = origin | {"served_as": service.name}, time.time_ns()
    figures.registry.register(UseFigures(service, recorder))
    refusals, book = RefusedRequests(recorder, about), FeedbackBook(service.workbench)
    alone, arms, shadow = ServedArm(service, batches, about), {}, None
    if against and against.shadow:
        shadow = Shadow(against, service.name, admission, limits.batch, recorder)
    elif against:
        other = AnswerBatches(against.service.replies, limits.batch, pool)
        arms[FIRST] = alone._replace(about=about | {"arm": FIRST})
        mine = {"recipe": against.service.recipe, "corpus": against.service.config.corpus.dataset, "arm": SECOND}
        arms[SECOND] = ServedArm(against.service, other, about | mine)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncGenerator[None, None]:
        opening = asyncio.get_running_loop().run_in_executor(pool, open_all)
        yield
        service.missing = "It is stopping."
        await asyncio.wait({opening})
        pool.shutdown(wait=False, cancel_futures=True)
        if shadow:
            shadow.close()
        refusals.close()
        if recorder:
            recorder.close()

    app = FastAPI(title="Groundwork", description=f"The recipe {service.name}.", lifespan=life)

    def open_all() -> None:
        if against:
            against.service.open()
        service.open()

    def arm(name: str, question: str) -> ServedArm:
        """The recipe that answers this client's question."""
        return arms[arm_of(name, question, against.share)] if arms else alone

    def heard(name: str, question: str) -> dict[str, Any]:
        """How a stream of events is sent."""
        return {**EVENTS, "headers": EVENTS["headers"] | headers(arm(name, question).about)}

    async def client(request: Request) -> str:
        """Who asks, let in."""
        return let_in(request)

    def let_in(request: Request) -> str:
        """By key and rate; who is turned away is counted."""
        try:
            return client_of(request)
        except Refusal as error:
            refusals.count(error.status)
            raise

    def client_of(request: Request) -> str:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if keys:
            name = keys.client(key.strip() if scheme.lower() == "bearer" else "")
        else:
            name = request.client.host if request.client else ""
            asked = request.headers.get("host", HOST).partition(":")[0].lower()
            if asked not in LOCAL:  # a web page's own name, in a browser of this machine
                raise Refusal(
                    403, f"Without a key only {' and '.join(LOCAL)} are answered, not '{asked:.80}': `serve --with-keys`."
                )
        rates.take(name)
        ready()
        return name

    Client = Annotated[str, Depends(client)]

    def ready() -> None:
        if missing := service.missing or (against.service.missing if against else ""):
            raise Refusal(503, f"{NOT_READY}{missing}", 1.0)

    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> JSONResponse:
        return failed(request, error.status, error.why, error.wait_s)

    @app.exception_handler(WorkbenchError)
    async def wrong(request: Request, error: WorkbenchError) -> JSONResponse:
        return failed(request, status_of(error), str(error))

    @app.exception_handler(OSError)
    async def unreadable(request: Request, error: OSError) -> JSONResponse:
        return failed(request, 503, f"A file cannot be read or written: {error.strerror or error}.", 1.0)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        """What nobody thought of; the server's log tells where."""
        return failed(request, 500, f"The service is at fault: {type(error).__name__}.")

    @app.exception_handler(HTTPException)
    async def unread(request: Request, error: HTTPException) -> JSONResponse:
        return failed(request, error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        if "json" not in request.headers.get("content-type", "").lower():
            return failed(
                request, 422, "The body is not said to be JSON: send it with the header content-type: application/json."
            )
        places = ("/".join(map(str, each["loc"][1:])) or "body" for each in error.errors())
        return failed(
            request, 422, "; ".join(f"{place}: {each['msg']}" for place, each in zip(places, error.errors(), strict=True))
        )

    def failed(request: Request, status: int, why: str, wait_s: float = 0.0) -> JSONResponse:
        path = request.url.path if any(request.url.path == route.path for route in app.routes) else "other"  # no series a guess
        figures.requests.labels(path, status, "").inc()
        headers = {"retry-after": str(max(1, round(wait_s)))} if status in (429, 503) and wait_s < 1e6 else {}
        return JSONResponse(failure(request.url.path, status, why), status, headers)

    async def in_turn(
        question: ServedQuestion, name: str, work: Callable[[], Awaitable[Reply]], path: str, own: ServedArm = alone
    ) -> Reply:
        """The reply of `work` once the question has its turn."""
        with traced(recorder, path, question, own.about) as trace:
            async with admission.turn(name, question.left_s) as began:
                question.mark("wait", "queue", trace.start_ns)
                made = await work()
                work_ms = 1000 * (time.perf_counter() - began)
            ended(trace, made)
            queued(trace)
        return made | said_with(trace) | {"ms": made.get("ms", {}) | {"work": work_ms}}

    def said_with(trace: RequestTrace) -> dict[str, str]:
        return {"trace": trace.id, "span": trace.root} | (
            {"arm": trace.attributes["arm"]} if arms and "arm" in trace.attributes else {}
        )

    def ended(trace: RequestTrace, made: Reply) -> None:
        trace.replied(made, status(made))
        if made.get("answer"):
            book.served(trace.id, trace.root)
            if shadow:
                shadow.ask(trace.question.text, trace.id)

    def queued(trace: RequestTrace) -> None:
        """Notes the queue's count at the end of what stood in it."""
        trace.attributes["queue"] = {"since": began_ns, "request_s": admission.request_s()}

    async def answered(request: Request, body: AnswerBody, name: str, path: str) -> Reply:
        question, own = asked(request, body, body.fresh), arm(name, body.question)
        return await in_turn(question, name, lambda: own.batches.ask(question), path, own)

    async def streamed(request: Request, body: AnswerBody, name: str, path: str) -> AsyncGenerator[Any, None]:
        """Pieces of the text, at last the reply."""
        question, own = asked(request, body, body.fresh), arm(name, body.question)
        with traced(recorder, path, question, own.about | {"streamed": True}) as trace:
            async with admission.turn(name, question.left_s):
                question.mark("wait", "queue", trace.start_ns)
                try:
                    async for step in stepped(own.service.streamed(question), pool):
                        if isinstance(step, dict):
                            ended(trace, step)
                            queued(trace)
                            step = step | said_with(trace)
                        yield step
                finally:
                    question.gone.set()

    @app.post("/answer")
    async def answer(request: Request, body: AnswerBody, name: Client):
        """The answer with its citations. With `stream`, as server-sent events: `text`, `again` (what came before does not count), then
        `answer` or `error`."""
        began = time.perf_counter()
        if body.stream:
            steps = counted(streamed(request, body, name, "/answer"), "/answer", began)
            first = await anext(steps)  # what is refused has its status
            return StreamingResponse(told(first, steps), **heard(name, body.question))
        return reply(await answered(request, body, name, "/answer"), "/answer", began)

    async def told(first: Any, steps: AsyncGenerator[Any, None]) -> AsyncGenerator[str, None]:
        try:
            yield event(first)
            async for step in steps:
                yield event(step)
        except (Refusal, WorkbenchError, OSError) as error:
            yield f"event: error\ndata: {json.dumps({'error': str(error)})}\n\n"
        finally:
            await steps.aclose()

    async def counted(steps: AsyncGenerator[Any, None], path: str, began: float) -> AsyncGenerator[Any, None]:
        """What is streamed, for the metrics; where it fails after its first piece, status 200 is sent already. What fails before is
        counted where it is refused, and a client that left before as such."""
        status = LEFT
        try:
            async for step in steps:
                status = 200
                yield step
        except Exception:
            status = 500 if status == 200 else 0
            raise
        finally:
            if status:
                figures.count(path, status, "stream", began)
            await steps.aclose()

    def reply(made: Reply, path: str, began: float) -> Response:
        way = made.get("way", "")
        figures.count(path, status(made), way, began)
        return Response(orjson.dumps(made), status(made), headers(made), "application/json")

    stamp = ""

    def stamp_now() -> str:
        """Of the corpus, asked for once a turn of the loop: whoever is answered in it had asked before it began."""
        nonlocal stamp
        if not stamp:
            stamp = service.stamp()
            asyncio.get_running_loop().call_soon(forget)
        return stamp

    def forget() -> None:
        nonlocal stamp
        stamp = ""

    def at_hand(scope: dict[str, Any], body: bytes) -> Response | None:
        """What was searched or answered before, without a thread and a turn; whatever else is the routes'."""
        form, began = BODIES.get(scope["path"]), time.perf_counter()
        if form is None or scope["method"] != "POST" or not service.quick or service.missing or arms:
            return None
        try:
            wanted, request = form.model_validate_json(body), Request(scope)
            if request.headers.get("content-type", "").partition(";")[0] != "application/json":
                return None
            if isinstance(wanted, SearchBody):
                held = service.searched(wanted.question, wanted.k, stamp_now())
            else:
                held = None if wanted.stream or wanted.fresh else service.answered(wanted.question, stamp_now())
        except (ValidationError, WorkbenchError, OSError):
            return None
        if held is None:
            return None
        try:
            let_in(request)
        except Refusal as error:
            return failed(request, error.status, error.why, error.wait_s)
        with traced(recorder, scope["path"], asked(request, wanted), about | {"cached": True}) as trace:
            ended(trace, held)
        return reply(held | said_with(trace), scope["path"], began)

    @app.post("/search")
    async def search(request: Request, body: SearchBody, name: Client):
        """The best passages."""
        began, question, loop = time.perf_counter(), asked(request, body), asyncio.get_running_loop()

        async def work() -> Reply:
            start_ns = question.now_ns()
            made = await loop.run_in_executor(pool, service.search, body.question, body.k)
            question.mark("search", "retrieval", start_ns, query=body.question, depth=body.k)
            return made

        return reply(await in_turn(question, name, work, "/search"), "/search", began)

    @app.post("/classify")
    async def classify(request: Request, body: QuestionBody, name: Client):
        """Which way the question would go: corpus, closed_book or refuse."""
        began, loop = time.perf_counter(), asyncio.get_running_loop()
        question = asked(request, body)
        made = await in_turn(question, name, lambda: loop.run_in_executor(pool, service.classify, body.question), "/classify")
        return reply(made, "/classify", began)

    @app.post("/feedback")
    async def feedback(body: FeedbackBody, name: Client):
        """A thumb for an answer, and what it should have been."""
        began, loop = time.perf_counter(), asyncio.get_running_loop()
        said = body.model_dump() | {"client": name if keys else ""}  # without keys a name is an address
        for wait_s in (*LATER_S, None):
            try:
                await loop.run_in_executor(pool, book.add, said)
                break
            except Refusal as error:
                if error.status != 404 or wait_s is None:
                    raise
            await asyncio.sleep(wait_s)
        figures.count("/feedback", 200, body.thumb, began)
        return {"trace": body.trace, "thumb": body.thumb}

    @app.post("/v1/chat/completions")
    async def chat(request: Request, body: ChatBody, name: Client):
        """OpenAI's form: the user's last message is the question."""
        text = next((message.text for message in reversed(body.messages) if message.role == "user"), "")
        if not text.strip():
            raise Refusal(422, "messages: the user's last one holds no question.")
        if len(text) > MOST_ASKED:
            raise Refusal(422, f"messages: the question has more than {MOST_ASKED:,} characters.")
        began, path, own = time.perf_counter(), "/v1/chat/completions", AnswerBody(question=text)
        number = hashlib.sha256(repr((began, own.question)).encode()).hexdigest()[:24]
        about = {"id": f"chatcmpl-{number}", "created": int(time.time()), "model": service.name}
        if body.stream:
            steps = counted(streamed(request, own, name, path), path, began)
            counts = body.stream_options is not None and body.stream_options.include_usage
            events = openai_chat.chunks(about, await anext(steps), steps, counts)
            return StreamingResponse(events, **heard(name, own.question))
        made = await answered(request, own, name, path)
        figures.count(path, 200, made["way"], began)
        return JSONResponse(openai_chat.completion(about, made), 200, headers(made))

    @app.get("/v1/models")
    async def models():
        return {"object": "list", "data": [{"id": service.name, "object": "model", "owned_by": "groundwork"}]}

    @app.get("/health")
    async def health():
        """Whether the process is up."""
        return {"status": "up"}

    @app.get("/ready")
    async def readiness():
        """Whether it can answer: corpus and models are at hand."""
        ready()
        ways = {rung.name: rung.breaker.state for rung in service.rungs}
        about = origin | {"name": service.name}
        stages = await asyncio.get_running_loop().run_in_executor(pool, service.stages)  # 35 ms, in which others go on
        more = {
            "breakers": ways,
            "batches": batches.sizes,
            "cached": len(service.cache),
            "caches": {name: use._asdict() for name, use in service.cache_uses().items()},
            "stages": stages,
            "question": service.question,
        }
        if shadow:
            more["shadow"] = {"asked": shadow.asked, "left_out": shadow.left_out}
        return {"status": "ready", **about, **more}

    @app.get("/metrics")
    async def metrics():
        """Prometheus' text format."""
        return PlainTextResponse(generate_latest(figures.registry))

    return Guard(app, at_hand=at_hand)


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """The port of this machine, before anybody is told that it is up."""
    with socket.socket() as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _taken(place.bind, (HOST, port), port)
        yield place


def _taken(step: Callable[[Any], Any], what: Any, port: int) -> None:
    try:
        step(what)
    except OSError as error:
        todo = "Choose another, or stop what has it."
        raise WorkbenchError(f"Port {port} cannot be listened on ({error.strerror}).", where="--port", todo=todo) from None


def run(app: Any, place: socket.socket) -> str:
    """Serves it there until the process is told to stop; what was let in is finished."""
    import uvicorn

    _taken(place.listen, socket.SOMAXCONN, place.getsockname()[1])  # another may have bound it too, meanwhile
    about = {"log_level": "warning", "access_log": False, "server_header": False}
    settings = uvicorn.Config(app, timeout_graceful_shutdown=STOPPING_S, **about)
    with suppress(KeyboardInterrupt):  # the signal, handed on once what was let in is finished
        uvicorn.Server(settings).run([place])
    return "Stopped."


def asked(request: Request, body: QuestionBody, fresh: bool = False) -> ServedQuestion:
    return ServedQuestion(body.question, time.perf_counter() + body.deadline_s, fresh, request.headers.get("traceparent", ""))


def status(made: Reply) -> int:
    """200 of the recipe's own answer, also one that was asked for before; 203 of an old one because nothing else works; 206 of passages
    without an answer."""
    return {PASSAGES: 206, CACHED: 203 if made.get("tried") else 200}.get(made.get("way", ""), 200)


def headers(made: Reply) -> dict[str, str]:
    """Server-Timing (W3C): how long the request held its place, without the wait for it."""
    told = {name: made[key] for name, key in ((WAY, "way"), (ARM, "arm")) if made.get(key)}
    work_ms = made.get("ms", {}).get("work")
    return told if work_ms is None else told | {"server-timing": f"work;dur={work_ms:.3f}"}


def event(step: Any) -> str:
    """A server-sent event."""
    if isinstance(step, str):
        return f"event: text\ndata: {json.dumps({'text': step})}\n\n"
    if isinstance(step, Again):
        return f"event: again\ndata: {json.dumps({'why': step.why})}\n\n"
    return f"event: answer\ndata: {json.dumps(step)}\n\n"
