"""Endpoints that hang, trickle, never end, lie about numbers or send elsewhere: ended in time, told, and no key goes astray."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults import homes
from tests.faults.harness import Case, Lab, attack, forked, told, verb
from tests.support.fake_endpoint import events, serving, status, stream

KEY = "sk-very-secret-0123456789"
HELLO = [{"role": "user", "content": "Say hello."}]
DEADLINE_S = 3.0


def served(*replies: Callable) -> tuple[str, Path]:
    """Address of an endpoint in a process of its own, and the file with the headers of each request."""
    log = Path.cwd() / f"requests-{time.monotonic_ns()}"
    read, write = os.pipe()
    if not os.fork():
        with serving(*replies) as server:
            os.write(write, f"{server.url}\n".encode())
            known = 0
            while True:
                time.sleep(0.02)
                if len(server.requests) > known:
                    known = len(server.requests)
                    log.write_text(json.dumps([headers for _, headers, _ in server.requests]))
    return os.read(read, 100).decode().strip(), log


def head(handler, code: int = 200, kind: str = "text/event-stream", **headers: str) -> None:
    handler.send_response(code)
    handler.send_header("Content-Type", kind)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def endless(piece: bytes) -> Callable:
    def send(handler) -> None:
        head(handler)
        while True:
            handler.wfile.write(piece)

    return send


def chunk(content: object = "x", **more: object) -> bytes:
    return f"data: {json.dumps({'choices': [{'delta': {'content': content}}], **more})}\n\n".encode()


def raw(body: bytes, code: int = 200, kind: str = "text/event-stream", **headers: str) -> Callable:
    def send(handler) -> None:
        head(handler, code, kind, **headers)
        handler.wfile.write(body)

    return send


def huge_error(code: int) -> Callable:
    def send(handler) -> None:
        head(handler, code, "application/json")
        handler.wfile.write(b'{"error": {"message": "')
        for _ in range(400):
            handler.wfile.write(b"x" * (1 << 20))

    return send


def slow_headers(handler) -> None:
    for _ in range(1000):
        handler.wfile.write(b"X-Wait: 1\r\n")
        time.sleep(0.1)


def endless_headers(handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-More: " + b"x" * 60_000 + b"\r\n")


def never(handler) -> None:
    time.sleep(1000)


def gzip_bomb(handler) -> None:
    import gzip

    head(handler, Content_Encoding="gzip")
    packed = gzip.compress(b"data: {}\n\n" * 3_000_000)
    while True:
        handler.wfile.write(packed)


ENDLESS = {
    "hang": never,
    "trickle": stream([chunk()] * 10_000, pause_s=0.05),
    "trickle-comments": stream([b": wait\n\n"] * 100_000, pause_s=0.01),
    "endless-text": endless(chunk("word " * 1000)),
    "endless-line": endless(b"x" * 65_536),
    "endless-data": endless(b"data: " + b"x" * 65_536),
    "endless-empty": endless(b"\n"),
    "endless-comments": endless(b": x\n\n" * 5000),
    "endless-events": endless(b"event: x\ndata: \n\n" * 2000),
    "endless-multiline": endless(b"data: x\n" * 8000),
    "huge-event": stream([chunk("x" * 50_000_000), *events("openai", "x")]),
    "error-200MB": huge_error(400),
    "error-500": huge_error(500),
    "error-401": huge_error(401),
    "slow-headers": slow_headers,
    "endless-headers": endless_headers,
    "gzip-bomb": gzip_bomb,
    "retry-after": status(429, Retry_After="1e308"),
    "retry-forever": status(503, Retry_After="99999999"),
    "many-choices": raw(b'data: {"choices": [' + b"{}," * 2_000_000 + b"{}]}\n\n"),
    "deep": raw(b'data: {"choices": ' + b"[" * 200_000 + b"]" * 200_000 + b"}\n\n"),
    "deep-error": raw(b"[" * 200_000, 400, "application/json"),
    "deep-object-error": raw(b'{"error":' * 100_000 + b"1" + b"}" * 100_000, 500, "application/json"),
    "digits": raw(b'data: {"choices": ' + b"9" * 6000 + b"}\n\n"),
}


@attack("endpoints", "an endpoint that hangs, trickles, or sends without end")
def unbounded(lab: Lab) -> Iterator[Case]:
    def check(api: str, reply: Callable) -> None:
        address, _ = served(reply)
        home = Path.cwd() / "home"
        home.mkdir()

        def ask() -> int:
            import anthropic  # noqa: F401  # seconds on a busy machine, and no part of what is bounded

            from core.errors import WorkbenchError
            from core.generation.anthropic_api import Anthropic
            from core.generation.openai_compatible import OpenAICompatible
            from core.progress import drain

            part = OpenAICompatible(base_url=f"{address}/v1") if api == "openai" else Anthropic(base_url=address)
            started = time.monotonic()
            work = part.generate(HELLO, 7, DEADLINE_S)
            try:
                answer = drain(work)
                assert len(answer.text) < 20e6, f"{len(answer.text) / 1e6:.0f} MB of text"
                json.dumps(answer._asdict()).encode()
            except WorkbenchError as error:
                assert len(str(error)) < 5000, f"a message of {len(str(error)):,} characters"
            print(time.monotonic() - started)
            return 0

        seconds = float(forked(ask, home, limit_s=DEADLINE_S + 20, ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=address).well().out)
        assert seconds < DEADLINE_S + 6, f"ended after {seconds:.1f} s; {DEADLINE_S:g} were allowed"

    for name in lab.sample([f"{api}-{name}" for api in ("openai", "anthropic") for name in ENDLESS], "unbounded"):
        api, _, reply = name.partition("-")
        yield Case(name, lambda api=api, reply=reply: check(api, ENDLESS[reply]), 40.0)


ODD = (
    "1e400",
    "-1e400",
    "NaN",
    "Infinity",
    "9" * 400,
    "9" * 5000,
    "5000000000",
    "-5",
    "0.5",
    "null",
    "true",
    '"12"',
    '"x"',
    "[]",
    "{}",
    "[" * 500 + "]" * 500,
    "1e30",
    '"\\ud800"',
    '"\\u0000"',
)
PLACES = {
    "prompt": '{"prompt_tokens": %s, "completion_tokens": 2}', "answer": '{"prompt_tokens": 3, "completion_tokens": %s}',
    "cached": '{"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": %s}}', "usage": "%s",
}  # fmt: skip


def odd_replies() -> dict[str, bytes]:
    """case -> the stream of an answer with one odd value in it."""
    first = chunk("Tea is kept in a cellar [1].").decode()
    end = 'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
    found = {}
    for number, odd in enumerate(ODD):
        for place, usage in PLACES.items():
            found[f"{place}-{number}"] = first + end + f'data: {{"choices": [], "usage": {usage % odd}}}\n\ndata: [DONE]\n\n'
        found[f"content-{number}"] = (
            f'data: {{"choices": [{{"delta": {{"content": {odd}}}}}]}}\n\n' + first + end + "data: [DONE]\n\n"
        )
        found[f"model-{number}"] = first + end.replace("{", f'{{"model": {odd}, ', 1) + "data: [DONE]\n\n"
        found[f"reason-{number}"] = first + end.replace('"stop"', odd) + "data: [DONE]\n\n"
        logprob = (
            f'{{"choices": [{{"delta": {{"content": "a"}}, "logprobs": {{"content": [{{"token": "a", "logprob": {odd}}}]}}}}]}}'
        )
        found[f"logprob-{number}"] = f"data: {logprob}\n\n" + first + end + "data: [DONE]\n\n"
    return {name: text.encode() for name, text in found.items()}


@attack("endpoints", "odd numbers, depth, surrogates, negative counts in an answer: the store lives")
def odd(lab: Lab) -> Iterator[Case]:
    known = odd_replies()

    def check(name: str) -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        before = homes.trials(home)
        address, _ = served(raw(known[name]))
        recipe = (*homes.SPARSE, "--set", "generation.part=openai_compatible", "--set", f"generation.base_url={address}/v1")
        verb(home, "ask", "Which tea?", *recipe, limit_s=30).calm()
        assert homes.trials(home) == before, "other trials than before"
        verb(home, "rebuild").well()
        homes.verified(home)
        rows = told(home, "sql", "SELECT prompt_tokens, reused_tokens, answer_tokens, cost_usd FROM answers")
        wrong = [row for row in rows for value in row.values() if value is not None and not 0 <= value < 1e12]
        assert not wrong, f"stored as counted: {wrong[0]}"

    for name in lab.sample(list(known), "odd"):
        yield Case(name, lambda name=name: check(name), 60.0)


@attack("endpoints", "the key: sent to its own address alone, and nowhere shown or kept")
def keys(lab: Lab) -> Iterator[Case]:
    def check(name: str) -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        other, other_log = served(raw(b"".join(events("openai", "elsewhere"))))
        replies = {
            "redirect": raw(b"", 307, Location=f"{other}/v1/chat/completions"),
            "redirect-301": raw(b"", 301, Location=f"{other}/v1/x"),
            "refused": status(401, f"Incorrect API key provided: {KEY}"),
            "echo-error": status(400, f"your key {KEY} is nice"),
            "echo-header": raw(b"", 500, X_Echo=KEY),
            "echo-answer": stream(events("openai", "fine")),
            "foreign": None,
        }
        trusted, log = served(replies[name] or stream(events("openai", "fine")))
        asked = other if name == "foreign" else trusted
        recipe = (
            *homes.SPARSE,
            "--set",
            "generation.part=openai_compatible",
            "--set",
            f"generation.base_url={asked}/v1",
            "--set",
            "generation.retries=0",
        )
        ran = verb(home, "ask", "Which tea?", *recipe, limit_s=30, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=f"{trusted}/v1").calm()
        time.sleep(0.1)
        assert KEY not in ran.out + ran.err, "the key is shown"
        kept = [path.name for path in home.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
        assert not kept, f"the key is kept in {kept[0]}"
        assert not other_log.exists() or KEY not in other_log.read_text(), "the key was sent elsewhere"
        assert name == "foreign" or KEY in log.read_text(), "the key was not sent where it belongs"

    for name in ("redirect", "redirect-301", "refused", "echo-error", "echo-header", "echo-answer", "foreign"):
        yield Case(name, lambda name=name: check(name))


@attack("endpoints", "an endpoint that is no endpoint: closed, silent, another protocol")
def strange(lab: Lab) -> Iterator[Case]:
    def check(name: str) -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if name == "closed":
            listener.close()
        elif not os.fork():
            said = {
                "ssh": b"SSH-2.0-OpenSSH_9\r\n",
                "binary": bytes(range(256)) * 100,
                "half-status": b"HTTP/1.1 2",
                "status-line": b"HTTP/1.1 999 Odd\r\n\r\n",
                "negative-length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
                "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nx",
            }
            while True:
                connection, _ = listener.accept()
                connection.recv(65_536)
                connection.sendall(said[name])
                connection.close()
        recipe = (
            *homes.SPARSE,
            "--set",
            "generation.part=openai_compatible",
            "--set",
            f"generation.base_url={address}/v1",
            "--set",
            "generation.retries=0",
        )
        verb(home, "ask", "Which tea?", *recipe, limit_s=30).calm()
        homes.verified(home)

    for name in ("closed", "ssh", "binary", "half-status", "status-line", "negative-length", "chunks"):
        yield Case(name, lambda name=name: check(name))
