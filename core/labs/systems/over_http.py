"""A system behind an address: another recipe that is served, an endpoint that speaks OpenAI's chat completions, or any JSON with a
mapping. One deadline a question, a reply of bounded size, no redirect; a key comes from the environment and goes to that address alone."""

import asyncio
import os
import re
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple

from core.corpus.reading import clean
from core.errors import WorkbenchError
from core.files import read_json
from core.generation.remote import TICK_S, Fault, address, bearer, bounded, retry_after_s
from core.labs.systems.replies import SystemReply, passage
from core.progress import event_loop

SPEAKS = ("groundwork", "openai", "json")
ASKED = "{question}"  # in a body: the question stands there
DEADLINE_S, MOST_DEADLINE_S = 60.0, 600.0
TOKENS = 4_000  # a reply may be as large as an answer of so many: some 9 MB
AGAIN, TRIES, WAIT_S = (429, 503), 3, 1.0  # statuses that ask to come again, how often that is done, after so long
SAID = 200  # characters of an error's body that are told
SHORTEST_KEY = 8  # characters from which a key is looked for in what comes back: a word such as "none" is no secret


class JsonPlaces(NamedTuple):
    """Where in a reply something lies: names and numbers with points between them, as choices.0.message.content; "": it has none.
    Those of a passage begin at the passage, which may also be a text itself."""

    answer: str = ""
    passages: str = ""
    text: str = "text"
    document: str = "document"
    start: str = "start"
    end: str = "end"


class HttpSystem(NamedTuple):
    url: str
    body: Any  # JSON in whose texts {question} stands for the question
    places: JsonPlaces
    key_variable: str = ""  # of the environment; "": no key is sent
    deadline_s: float = DEADLINE_S

    @property
    def how(self) -> dict[str, Any]:
        """As it is recorded."""
        return {"url": self.url, "body": self.body, "places": self.places._asdict()}

    def ask(self, question: str) -> Generator[None, None, SystemReply]:
        """Yields while it waits; closing it ends the request. Raises `Fault`."""
        with event_loop() as (loop, step):
            task = loop.create_task(self._posted(question))
            while not task.done():
                step(asyncio.wait({task}, timeout=TICK_S))
                yield
            body, seconds = task.result()
        return self.read(body)._replace(seconds=seconds)

    def key(self) -> str:
        """WorkbenchError where the environment has none; it says no name, for that may be a key that was typed in its place."""
        if not self.key_variable:
            return ""
        secret = os.environ.get(self.key_variable, "").strip()
        if not secret or not (secret.isascii() and secret.isprintable()):
            raise WorkbenchError(
                "No environment variable of this name holds a key.",
                where="--key-variable",
                todo="Set it before the command is started, or the app; name the variable, not the key.",
            )
        return secret

    async def _posted(self, question: str) -> tuple[bytes, float]:
        """The body of the reply, and the seconds until it was whole."""
        import httpx2  # 0.1 s, which a start need not wait for

        secret, held = self.key(), bounded(TOKENS)
        held["headers"] |= bearer(secret)
        try:
            async with asyncio.timeout(self.deadline_s):
                for number in range(TRIES):
                    async with httpx2.AsyncClient(timeout=None, follow_redirects=False, **held) as client:
                        began = time.perf_counter()
                        response = await client.post(self.url, json=_filled(self.body, question))
                        data, seconds = await response.aread(), time.perf_counter() - began
                    if response.status_code not in AGAIN or number + 1 == TRIES:
                        break
                    wait = retry_after_s(response.headers.get("retry-after"))
                    await asyncio.sleep(WAIT_S if wait is None else wait)
        except TimeoutError:
            raise Fault(
                f"it did not answer within {self.deadline_s:g} s", todo="Look at the system, or give it longer."
            ) from None
        except httpx2.ConnectError:
            raise Fault("nothing answers there", todo="Start the system, or correct its address.") from None
        except httpx2.HTTPError:
            raise Fault("the connection broke off", todo="Look at the system's log.") from None
        data = data.replace(secret.encode(), b"[key]") if len(secret) >= SHORTEST_KEY else data
        if not 200 <= response.status_code < 300:
            raise _refusal(response.status_code, data)
        return data, seconds

    def read(self, data: bytes) -> SystemReply:
        """A reply. Fault: it is no JSON, or lacks what the places name."""
        try:
            tree, places = read_json(data, "The reply", numbers="careless"), self.places
        except WorkbenchError as error:
            raise Fault(error.what, todo="Is this the address of its API, and does it answer with JSON?") from None
        answer = looked_up(tree, places.answer) if places.answer else None
        listed = looked_up(tree, places.passages) if places.passages else None
        if places.answer and not isinstance(answer, str | None):
            raise Fault(f"what stands at {places.answer} is no text", todo=MAP)
        if places.passages and not isinstance(listed, list | None):
            raise Fault(f"what stands at {places.passages} is no list", todo=MAP)
        try:
            told = None if not places.passages else tuple(passage(self._told(each)) for each in listed or ())
        except WorkbenchError:
            raise Fault(f"a passage has no text at {places.text}", todo=MAP) from None
        return SystemReply(clean(answer or "") if places.answer else None, told)

    def _told(self, each: Any) -> Any:
        if not isinstance(each, Mapping):
            return each
        names = ("text", "document", "start", "end")
        return {name: _optional(each, getattr(self.places, name)) for name in names}


MAP = "Compare the places of its fields (--map) with what it answers."


def looked_up(tree: Any, path: str) -> Any:
    """The value at a place. Fault: there is nothing."""
    value = tree
    for step in path.split("."):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and re.fullmatch("[0-9]{1,9}", step) and int(step) < len(value):
            value = value[int(step)]
        else:
            there = ", ".join(map(str, value)) if isinstance(value, Mapping) else type(value).__name__
            raise Fault(f"its reply has nothing at {path} ('{step}' is not among: {there[:200]})", todo=MAP)
    return value


def _optional(tree: Any, path: str) -> Any:
    try:
        return looked_up(tree, path) if path else None
    except Fault:
        return None


def _filled(tree: Any, question: str) -> Any:
    """The body with the question in its place."""
    if isinstance(tree, Mapping):
        return {name: _filled(value, question) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_filled(value, question) for value in tree]
    return tree.replace(ASKED, question) if isinstance(tree, str) else tree


def _refusal(status: int, data: bytes) -> Fault:
    said = " ".join(clean(data.decode("utf-8", "replace")).split())[:SAID]
    todo = {
        401: "It wants a key: name the environment variable that holds it (--key-variable).",
        403: "It does not accept the key: look at what the environment variable holds.",
        404: "Compare the address, with its path, with what the system's own documentation says.",
        422: "Compare the body (--body) with what the system takes.",
    }
    if 300 <= status < 400:
        return Fault(f"it answers from another address (HTTP {status})", todo="Give the final address.")
    return Fault(f"HTTP {status}: {said}", todo=todo.get(status, "Look at the system's log."))


def read_places(texts: Sequence[str]) -> dict[str, str]:
    """{"answer": "result.text"} from "answer=result.text"."""
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (_, equals, _) in zip(texts, pairs, strict=True) if not equals]:
        raise WorkbenchError(f"'{wrong[0]:.60}' has no =.", where="--map", todo="For example --map answer=result.text")
    return {field.strip(): place.strip() for field, _, place in pairs}


def http_system(
    url: str,
    speaks: str = "groundwork",
    model: str = "",
    body: str = "",
    places: Mapping[str, str] | None = None,
    key_variable: str = "",
    deadline_s: float = DEADLINE_S,
) -> HttpSystem:
    """A system by what it speaks. model: of an OpenAI-compatible one. body, places: of JSON; places over those of the other two.
    WorkbenchError: something of it cannot be."""
    try:
        base = address(url.strip())
    except ValueError as error:
        raise WorkbenchError(f"'{url:.80}' cannot be asked: {error}.", where="--url", todo="Give http:// or https://.") from None
    if not 0 < deadline_s <= MOST_DEADLINE_S:
        raise WorkbenchError(f"A deadline of {deadline_s:g} s cannot be.", where="--deadline", todo="Give up to 600 seconds.")
    if wrong := set(places or ()) - set(JsonPlaces._fields):
        raise WorkbenchError(
            f"There is no field '{min(wrong):.40}'.", where="--map", todo=f"Fields: {', '.join(JsonPlaces._fields)}."
        )
    more = dict(places or {})
    if speaks == "groundwork":
        asked: Any = {"question": ASKED, "deadline_s": MOST_DEADLINE_S}  # it ends its work where this one leaves
        made = HttpSystem(f"{base}/answer", asked, JsonPlaces("answer", "passages")._replace(**more))
    elif speaks == "openai":
        asked = {"model": model, "messages": [{"role": "user", "content": ASKED}]}
        made = HttpSystem(f"{base}/chat/completions", asked, JsonPlaces("choices.0.message.content")._replace(**more))
        if not model.strip():
            raise WorkbenchError("An OpenAI-compatible system needs the name of a model.", where="--model")
    elif speaks == "json":
        asked = read_json(body or f'{{"question": "{ASKED}"}}', "The body", where="--body", of=dict)
        made = HttpSystem(base, asked, JsonPlaces()._replace(**more))
        if asked == _filled(asked, ""):
            raise WorkbenchError(f"The body does not say where the question stands: {ASKED}.", where="--body")
        if not (made.places.answer or made.places.passages):
            todo = "For example --map answer=result.text --map passages=result.sources"
            raise WorkbenchError("It is not said where the reply holds the answer, or the passages.", where="--map", todo=todo)
    else:
        raise WorkbenchError(f"'{speaks}' is not spoken here.", where="--speaks", todo=f"Choose {', '.join(SPEAKS)}.")
    made = made._replace(key_variable=key_variable.strip(), deadline_s=deadline_s)
    made.key()
    return made
