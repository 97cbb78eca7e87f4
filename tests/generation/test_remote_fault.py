"""Endpoints that refuse, fail, hang, trickle, break off or talk nonsense: each a clear state, in time, and no secret told."""

import asyncio
import gzip
import json
import re
import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from core.errors import WorkbenchError
from core.generation import prices, remote
from core.generation.anthropic_api import Anthropic
from core.generation.model_texts import FINAL
from core.generation.openai_compatible import OpenAICompatible
from core.generation.remote import refused, retry_after_s
from core.progress import Running
from tests.support.fake_endpoint import events, hang, serving, status, stream

SECRET = "sk-very-secret-0123456789"
HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]
APIS = ("openai", "anthropic")
both = pytest.mark.parametrize("api", APIS)


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    monkeypatch.setattr(remote, "FIRST_WAIT_S", 0.02)
    for name in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{name}_API_KEY", SECRET)
        monkeypatch.delenv(f"{name}_BASE_URL", raising=False)


def engine(api: str, url: str, monkeypatch=None, **knobs):
    """The part for this address, which is trusted with the key where monkeypatch is given."""
    address = f"{url}/v1" if api == "openai" else url
    if monkeypatch:
        monkeypatch.setenv(f"{api.upper()}_BASE_URL", address)
    return (OpenAICompatible if api == "openai" else Anthropic)(base_url=address, **knobs)


def finish(generator):
    pieces = list(running := Running(generator))
    return pieces, running.result


def ask(api: str, monkeypatch, *replies, deadline_s: float = 60.0, **knobs):
    with serving(*replies) as server:
        pieces, result = finish(engine(api, server.url, monkeypatch, **knobs).generate(HELLO, 7, deadline_s))
    return pieces, result, server.requests


@pytest.fixture(scope="module", autouse=True)
def _imported():
    """A process's first answer imports the library of the client: no test times that."""
    with pytest.MonkeyPatch.context() as patch:
        for api in APIS:
            patch.setenv(f"{api.upper()}_API_KEY", SECRET)
            ask(api, patch, stream(events(api, "Hello")), deadline_s=300.0)


@pytest.mark.slow
@both
def test_it_answers_where_a_notebook_runs_a_loop_already(api, monkeypatch):
    async def cell():
        return ask(api, monkeypatch, stream(events(api, "Hello")))

    with ThreadPoolExecutor(1) as own:  # the thread of the tests may run a browser's loop
        assert own.submit(asyncio.run, cell()).result()[1].text == "Hello"


# Good answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@both
def test_a_good_answer_is_whole_counted_and_sent_as_asked(api, monkeypatch):
    with serving(stream(events(api, "Hel", "lo ", "🙂"), pause_s=0.03)) as server:
        knobs = engine(api, server.url, monkeypatch, model="m", stop=("\nQ:",), max_tokens=9)
        pieces, result = finish(knobs.generate(HELLO, 7))
    assert result.text == "".join(pieces) == "Hello 🙂" and result.finish_reason == "stop" and len(pieces) > 3
    assert (result.prompt_tokens, result.reused_tokens, result.answer_tokens, result.retries) == (10, 4, 3, 0)
    assert result.model == "m-1" and result.model_sha256 == "" and result.cost_usd is None
    assert 0 < result.first_token_ms < result.generation_ms and "Say hello." in result.prompt
    [(path, headers, body)] = server.requests
    assert body["model"] == "m" and body["stream"] is True and headers["authorization"] == f"Bearer {SECRET}"
    if api == "openai":
        assert path == "/v1/chat/completions"
        assert body["seed"] == 7 and body["stop"] == ["\nQ:"] and body["max_tokens"] == 9 and body["messages"] == HELLO
    else:
        assert path == "/v1/messages"
        assert body["system"] == "Be brief." and body["messages"] == HELLO[1:] and body["stop_sequences"] == ["\nQ:"]
        assert not {"temperature", "top_p", "top_k", "seed"} & set(body) and body["max_tokens"] == 9
    assert SECRET not in knobs.identity() + repr(knobs) + repr(result) + json.dumps(knobs.model_dump(mode="json"))


@both
def test_cost_follows_the_users_own_price_table(api, monkeypatch, tmp_path):
    own = tmp_path / "data" / "prices.yaml"
    own.parent.mkdir()
    own.write_text("models: {m: {input: 1, output: 10, cache_read: 0.5}, n: {input: 1, output: 10}}")
    cost = {m: ask(api, monkeypatch, stream(events(api, "a", "b")), model=m)[1].cost_usd for m in ("m", "n", "unknown")}
    assert cost["m"] == pytest.approx((6 * 1 + 4 * 0.5 + 2 * 10) / 1e6)
    assert cost["n"] is None and cost["unknown"] is None, "a kind of token without a price, and a model without one"
    dated = {"gpt-4o-2024-08-06", "gpt-4o-20240806", "gpt-4o"}
    assert {prices.price(model, {"gpt-4o": prices.Price(input=1, output=2)}) for model in dated} == {
        prices.Price(input=1, output=2)
    }
    assert prices.price("gpt-4o-mini", {"gpt-4o": prices.Price(input=1, output=2)}) is None
    own.write_text("models: {m: {input: cheap}}")
    with pytest.raises(WorkbenchError, match="price table") as error:
        ask(api, monkeypatch, stream(events(api, "a")))
    assert "prices.yaml" in error.value.where
    own.write_text("[" * 3000)
    with pytest.raises(WorkbenchError, match="price table"):
        ask(api, monkeypatch, stream(events(api, "a")))


def test_what_is_not_counted_stays_unmeasured(monkeypatch):
    _, result, _ = ask("openai", monkeypatch, stream(events("openai", "a", "b", usage=False)))
    assert result.text == "ab" and result.prompt_tokens is None and result.answer_tokens is None


def test_logprobs_are_read(monkeypatch):
    entry = {"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.0}]}
    chunk = {"choices": [{"delta": {"content": "a"}, "logprobs": {"content": [entry]}}]}
    first = f"data: {json.dumps(chunk)}\n\n".encode()
    _, result, [(_, _, body)] = ask("openai", monkeypatch, stream([first, *events("openai")]), logprobs=2)
    assert body["logprobs"] is True and body["top_logprobs"] == 2
    [token] = result.tokens
    assert token.text == "a" and token.logprob == -0.5 and token.top == (("a", -0.5), ("b", -1.0))


@both
def test_two_users_at_once_each_get_their_answer(api, monkeypatch):
    with serving(stream(events(api, "one", " two"), pause_s=0.05)) as server:
        knobs, got = engine(api, server.url, monkeypatch), []
        threads = [threading.Thread(target=lambda: got.append(finish(knobs.generate(HELLO))[1].text)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert got == ["one two"] * 4


# What the user can mend -------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("code", [401, 403])
def test_a_wrong_key(api, code, monkeypatch):
    error, requests = refusal(api, monkeypatch, status(code, f"Incorrect API key provided: {SECRET}"))
    assert "does not accept the key" in error.what and f"{api.upper()}_API_KEY" in error.todo and len(requests) == 1


@both
@pytest.mark.parametrize("code, message, expected", [
    (400, "prompt is too long: 210000 tokens > 200000 maximum", "does not fit into the model's context"),
    (400, "This model's maximum context length is 512 tokens, however you requested 900", "does not fit"),
    (404, "model: no-such-model", "no-such-model"),
    (400, f"bad field, sent with {SECRET}", "bad field, sent with [key]"),
    (302, "moved", "another address"),
])  # fmt: skip
def test_a_request_that_cannot_succeed_is_not_repeated(api, code, message, expected, monkeypatch):
    error, requests = refusal(api, monkeypatch, status(code, message, Location="http://127.0.0.1:9/elsewhere"))
    assert expected in str(error) and error.todo and len(requests) == 1


@both
@pytest.mark.parametrize("code", ["content_filter", "invalid_prompt"])
def test_a_prompt_that_the_service_s_filter_keeps_out_is_refused_as_an_answer_is(api, code, monkeypatch):
    _, result, requests = ask(api, monkeypatch, status(400, f"The prompt triggered our policy ({code})."))
    assert result.finish_reason.startswith(FINAL) and result.finish_reason.startswith("failed: refusal: The prompt triggered")
    assert result.text == "" and len(requests) == 1


def refusal(api: str, monkeypatch, reply) -> tuple[WorkbenchError, list]:
    with serving(reply) as server:
        with pytest.raises(WorkbenchError) as caught:
            finish(engine(api, server.url, monkeypatch).generate(HELLO))
        told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert SECRET not in told
        return caught.value, server.requests


@both
def test_nobody_listens(api, monkeypatch):
    started = time.perf_counter()
    with socket.socket() as taken:  # bound, so that nobody else listens there
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(WorkbenchError, match=r"cannot be reached.*3 tries") as error:
            finish(engine(api, url, monkeypatch, retries=2).generate(HELLO, deadline_s=60))
    assert "base_url" in error.value.todo and time.perf_counter() - started < 60


@both
def test_the_key_goes_only_to_the_address_it_is_for(api):
    with serving(status(401)) as server, pytest.raises(WorkbenchError) as error:
        finish(engine(api, server.url).generate(HELLO))  # a recipe from somebody else names this address
    sent = [headers for _, headers, _ in server.requests]
    assert SECRET not in json.dumps(sent) and f"{api.upper()}_BASE_URL" in error.value.todo
    assert bool(sent) == (api == "openai"), "local servers need no key; Anthropic's always does"


@both
@pytest.mark.parametrize("key, match", [("sk\u00e9", "characters"), ("sk-a\nb", "characters")])
def test_a_key_that_is_none(api, key, match, monkeypatch):
    monkeypatch.setenv(f"{api.upper()}_API_KEY", key)
    with serving(hang) as server, pytest.raises(WorkbenchError, match=match) as error:
        finish(engine(api, server.url, monkeypatch).generate(HELLO))
    assert key not in str(error.value) and server.requests == []


def test_no_key_at_all(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(WorkbenchError, match="no key") as error:
        finish(Anthropic().generate(HELLO))
    assert "ANTHROPIC_API_KEY" in error.value.todo


@both
@pytest.mark.parametrize(
    "address", ["ftp://x/v1", "127.0.0.1:8000", f"http://u:{SECRET}@x/v1", f"http://x/v1?key={SECRET}", "http://x:port/v1"]
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused(api, address):
    with pytest.raises(ValueError) as error:
        (OpenAICompatible if api == "openai" else Anthropic)(base_url=address)
    assert SECRET not in str(error.value)


def test_settings_that_would_not_be_sent_are_refused():
    with pytest.raises(ValueError, match="extended"):
        OpenAICompatible(extended=False, top_k=5)


# What the service does --------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("code", [429, 500, 503, 529])
def test_passing_faults_are_retried_and_counted(api, code, monkeypatch):
    _, result, requests = ask(api, monkeypatch, status(code), status(code), stream(events(api, "ok")))
    assert result.text == "ok" and result.finish_reason == "stop" and result.retries == 2 and len(requests) == 3


@both
@pytest.mark.parametrize("code", [429, 500])
def test_lasting_faults_are_a_failed_answer(api, code, monkeypatch):
    _, result, requests = ask(api, monkeypatch, status(code, f"slow down, {SECRET}"), retries=1)
    assert result.text == "" and result.finish_reason == f"failed: HTTP {code}: slow down, [key] (2 tries)"
    assert result.retries == 1 and len(requests) == 2 and SECRET not in repr(result)


def test_a_wait_is_read_as_seconds_or_as_a_date_and_is_bounded():
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert retry_after_s(at) == pytest.approx(100, abs=3) and retry_after_s("2.5") == 2.5
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == retry_after_s("-5") == retry_after_s("nan") == 0
    assert retry_after_s("1e300") == retry_after_s("inf") == retry_after_s("Fri, 31 Dec 9999 23:59:59 GMT") == 1e6
    assert retry_after_s(None) is None and retry_after_s("soon") is None


@pytest.mark.parametrize("told", [
    "Unrecognized request argument supplied: context", "The context field must be a string", "The name of the model is too long",
])  # fmt: skip
def test_a_refusal_that_speaks_of_a_context_is_not_told_as_one_of_length(told):
    assert "refuses the request" in str(refused(400, json.dumps({"error": {"message": told}}), None, "OPENAI_API_KEY", ""))


@pytest.mark.parametrize("told", [
    {"message": "Please reduce the length.", "code": "context_length_exceeded"},
    {"message": "the request exceeds the available context size, try increasing it", "type": "exceed_context_size_error"},
    {"message": "input length and `max_tokens` exceed context limit: 9 + 9 > 10"},
    {"message": "The decoder prompt (length 9) is longer than the maximum model length of 8."},
])  # fmt: skip
def test_what_services_say_of_a_prompt_that_is_too_long_is_told_so(told):
    assert "does not fit" in str(refused(400, json.dumps({"error": told}), None, "OPENAI_API_KEY", ""))


@both
def test_the_wait_that_is_asked_for_is_kept_within_the_deadline(api, monkeypatch):
    started = time.perf_counter()
    _, result, _ = ask(api, monkeypatch, status(429, Retry_After="1"), stream(events(api, "ok")))
    assert result.text == "ok" and time.perf_counter() - started >= 1
    _, result, requests = ask(api, monkeypatch, status(429, Retry_After="3600"))
    assert result.finish_reason.startswith("failed: HTTP 429") and "past the deadline" in result.finish_reason
    assert result.generation_ms < 30_000 and len(requests) == 1, "it does not sit the deadline out"


@pytest.mark.slow
@both
@pytest.mark.parametrize("reply", ["hanging", "headers only", "trickling bytes", "kept alive"])
def test_the_deadline_holds_where_nothing_useful_comes(api, reply, monkeypatch):
    trickle = [bytes([byte]) for byte in events(api, "Hello there")[0]]
    replies = {
        "hanging": hang,
        "headers only": stream([], leave_open=True),
        "trickling bytes": stream(trickle, pause_s=1),
        "kept alive": stream([b": ping\n\n"] * 1000, pause_s=0.1),
    }
    started = time.perf_counter()
    pieces, result, _ = ask(api, monkeypatch, replies[reply], deadline_s=1.0)
    assert 1.0 <= time.perf_counter() - started < 30, "the replies take longer"
    assert result.finish_reason == "failed: no text before the deadline" and result.text == "" == "".join(pieces)


@pytest.mark.slow
@both
def test_a_text_cut_by_the_deadline_says_so(api, monkeypatch):
    parts = events(api, *["word "] * 500)
    pieces, result, _ = ask(api, monkeypatch, stream(parts, pause_s=0.1), deadline_s=3.0)
    assert result.finish_reason == "deadline" and "".join(pieces).strip() == result.text and result.text.startswith("word")
    assert result.cost_usd is None and 3000 <= result.generation_ms < 30_000


@both
@pytest.mark.parametrize("parts, expected", [
    (lambda api: events(api), "failed: the model wrote nothing"),
    (lambda api: events(api, " \n"), "failed: the model wrote nothing"),
    (lambda api: events(api, reason="length"), "failed: the tokens allowed were used up before any text"),
    (lambda api: events(api, "Well, ", reason="content_filter" if api == "openai" else "refusal"), "failed: refusal"),
    (lambda api: events(api, "Let me", reason="tool_calls" if api == "openai" else "tool_use"), "failed: it ended with tool_"),
    (lambda api: events(api, "Half an ans")[:-3], "failed: the stream broke off before its end"),
    (lambda api: [events(api, "Half")[0], b"event: error\ndata: {\"error\": {\"type\": \"overloaded_error\"}}\n\n"],
     "reported an error within its stream"),
    (lambda api: [b"event: message_start\ndata: {\"choices\": [{\"del\n\n"], "no chat completion"),
    (lambda api: [b"event: message_start\ndata: [1, 2]\n\n"], "no chat completion"),
    (lambda api: [b"event: message_delta\ndata: {\"type\": \"message_delta\", \"choices\": 5}\n\n"], "no chat completion"),
    (lambda api: [b"\xff\xfe\x00garbage"], "failed: the"),
    (lambda api: [b"<html>Welcome to the hotel</html>"], "the stream broke off before its end"),
])  # fmt: skip
def test_what_is_no_answer_is_never_given_as_one(api, parts, expected, monkeypatch):
    _, result, _ = ask(api, monkeypatch, stream(parts(api)), retries=1)
    assert result.text == "" and result.tokens == () and result.finish_reason.startswith("failed: ")
    assert expected in result.finish_reason


@both
def test_what_a_model_thought_before_its_answer_is_no_part_of_it(api, monkeypatch):
    pieces, result, _ = ask(api, monkeypatch, stream(events(api, "<think>\nLet me", " see.\n</think>\n\n", "Forty-", "two.")))
    assert "".join(pieces).strip() == result.text == "Forty-two." and result.answer_tokens == 4
    _, result, _ = ask(api, monkeypatch, stream(events(api, "Let me see.\n</think>\n\nForty-two.")))
    assert result.text == "Forty-two."
    _, result, _ = ask(api, monkeypatch, stream(events(api, "<think>Let me", reason="length")))
    assert (result.text, result.finish_reason) == ("", "failed: the tokens allowed were used up before any text")


@both
def test_a_good_end_without_the_servers_goodbye_is_an_answer(api, monkeypatch):
    _, result, _ = ask(api, monkeypatch, stream(events(api, "whole")[:-1], leave_open=True), deadline_s=3.0)
    assert result.text == "whole" and result.finish_reason == "stop"


@both
def test_nothing_is_said_twice_after_a_break_within_the_text(api, monkeypatch):
    """Text that a person has already read cannot be taken back, so a retry would repeat it."""
    pieces, result, requests = ask(api, monkeypatch, stream(events(api, "Once ", "upon")[:-3], pause_s=0.05), retries=3)
    assert "".join(pieces).startswith("Once") and len(requests) == 1 and result.text == ""


@both
def test_stopping_ends_the_request(api, monkeypatch):
    with serving(stream(events(api, *["word "] * 1000), pause_s=0.02)) as server:
        generator = engine(api, server.url, monkeypatch).generate(HELLO)
        while not next(generator):
            pass
        generator.close()
        assert server.dropped.wait(60), "the server writes to nobody: the model there is free again"


@both
def test_text_that_is_no_valid_unicode_is_sent_all_the_same(api, monkeypatch):
    with serving(stream(events(api, "ok"))) as server:
        odd = [{"role": "user", "content": "lone surrogate \ud800 and \x00"}]
        assert finish(engine(api, server.url, monkeypatch).generate(odd))[1].text == "ok"


# Without end, and out of range ------------------------------------------------------------------------------------------


def endless(piece: bytes):
    """A reply that repeats the piece until the client goes; it gives up after 64 MB."""

    def send(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        for _ in range(64_000_000 // len(piece)):
            handler.wfile.write(piece)

    return send


def text_events(api: str, text: str) -> bytes:
    [only] = [event for event in events(api, text) if b"delta" in event and b"reason" not in event]
    return only


@both
@pytest.mark.parametrize("piece, expected", [
    (lambda api: text_events(api, "word " * 2000), "more text than 200 tokens hold"),
    (lambda api: b": kept alive\n\n" * 5000, "more than 1.4 MB"),
    (lambda api: b"data: " + b"x" * 100_000, "failed: the endpoint sent"),
    (lambda api: b"event: ping\ndata: {}\n\n" * 4000, "failed: "),
])  # fmt: skip
def test_a_stream_without_end_is_left_after_what_the_tokens_can_take(api, piece, expected, monkeypatch):
    with serving(endless(piece(api))) as server:
        generator = engine(api, server.url, monkeypatch, max_tokens=200, retries=0).generate(HELLO, 7, 60.0)
        pieces, result = finish(generator)
        assert result.text == "" and result.tokens == () and expected in result.finish_reason
        assert sum(map(len, pieces)) < 100_000 and server.dropped.wait(60)


@both
@pytest.mark.parametrize("code", [400, 500])
def test_an_errors_body_is_read_to_its_beginning_only(api, code, monkeypatch):
    def send(handler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b"no " * 100_000)

    with serving(send) as server:
        generator = engine(api, server.url, monkeypatch, retries=0).generate(HELLO)
        if code == 400:
            with pytest.raises(WorkbenchError, match=r"HTTP 400.*: no no") as error:
                finish(generator)
            assert len(error.value.what) < 400
        else:
            assert finish(generator)[1].finish_reason.startswith("failed: HTTP 500: no no")
        assert server.dropped.wait(60), "the rest is not read"


@both
def test_a_compressed_answer_is_refused(api, monkeypatch):
    """A few bytes of it could become gigabytes."""

    def send(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(gzip.compress(b"".join(events(api, "hello"))))

    _, result, [(_, headers, _)] = ask(api, monkeypatch, send)
    assert "compresses" in result.finish_reason and headers["accept-encoding"] == "identity"


ODD = [10**30, 2**63, -1, 1e400, float("nan"), 1.5, True, "7", [7], {"a": 7}, None]


@both
@pytest.mark.parametrize("count", ODD, ids=repr)
@pytest.mark.parametrize("which", ["prompt_tokens", "completion_tokens", "cached_tokens"])
def test_a_count_that_is_none_is_not_measured(api, count, which, monkeypatch):
    names = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens", "cached_tokens": "cache_read_input_tokens"}
    if api == "anthropic" and count in (True, "7"):
        pytest.skip("its own library reads these as numbers")
    name = which if api == "openai" else names[which]
    told = re.sub(rf'"{name}": \d+', lambda _: f'"{name}": {json.dumps(count)}', b"".join(events(api, "ok")).decode())
    assert json.dumps(count) in told
    _, result, _ = ask(api, monkeypatch, stream([told.encode()]))
    assert result.text == "ok" and result.finish_reason == "stop"
    nothing = [None, *([float("nan"), float("inf")] if api == "openai" else [])]  # by our own reader, which makes null of these
    if which == "cached_tokens" and repr(count) in map(repr, nothing):
        assert result.prompt_tokens is not None
    else:
        assert result.prompt_tokens is None and result.reused_tokens is None and result.cost_usd is None


def test_more_from_the_cache_than_was_read_is_not_measured(monkeypatch):
    told = b"".join(events("openai", "ok")).replace(b'"cached_tokens": 4', b'"cached_tokens": 11')
    assert ask("openai", monkeypatch, stream([told]))[1].prompt_tokens is None


@both
def test_halves_of_characters_are_joined_and_lone_ones_replaced(api, monkeypatch):
    pieces, result, _ = ask(api, monkeypatch, stream(events(api, "a \ud83d", "\ude42 b \udc00", "c\ud800"), pause_s=0.03))
    assert result.text == "".join(pieces) == "a \U0001f642 b \ufffdc"
    result.text.encode()


@both
def test_names_and_reasons_can_be_stored(api, monkeypatch):
    told = b"".join(events(api, "ok", reason="\ud800" * 3)).replace(b'"m-1"', json.dumps("\ud800" + "m" * 5000).encode())
    _, result, _ = ask(api, monkeypatch, stream([told]), retries=0)
    assert len(result.model) == remote.NAME and (result.model + result.finish_reason).encode()


@both
def test_an_answer_that_is_nested_without_end(api, monkeypatch):
    nested = b'{"type": "message_start", "choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    _, result, _ = ask(api, monkeypatch, stream([b"event: message_start\ndata: " + nested + b"\n\n"]), retries=0)
    assert "no chat completion" in result.finish_reason
    _, result, _ = ask(api, monkeypatch, status(500, "\ud800 no"), retries=0)
    assert result.finish_reason == "failed: HTTP 500: \ufffd no"


@pytest.mark.parametrize("logprob", ["-Infinity", "NaN", "1e400", '"x"', "null"])
def test_a_log_probability_that_is_none(logprob, monkeypatch):
    token = f'{{"token": "a", "logprob": {logprob}}}'
    chunk = f'{{"choices": [{{"delta": {{"content": "a"}}, "logprobs": {{"content": [{token}]}}}}]}}'
    _, result, _ = ask("openai", monkeypatch, stream([f"data: {chunk}\n\n".encode(), *events("openai")]), logprobs=1)
    assert result.text == "" and "no chat completion" in result.finish_reason


# Answers of a schema ----------------------------------------------------------------------------------------------------

_PROPERTIES = {"why": {"type": "string", "maxLength": 20}, "score": {"enum": [1, 2, 3, 4, 5]}}
VERDICT = json.dumps({"type": "object", "properties": _PROPERTIES, "required": ["why", "score"]})


@both
@pytest.mark.parametrize("text, ended", [
    ('{"why": "so", "score": 4}', "stop"),
    ('{"why": "so", "score": 7}', "failed: not of the schema"),
    ('{"why": "so", "score": NaN}', "failed: not JSON"),
    ("It is very good!", "failed: not JSON"),
])  # fmt: skip
def test_a_schema_is_sent_and_what_is_not_of_it_is_no_answer(api, text, ended, monkeypatch):
    _, result, [(_, _, body)] = ask(api, monkeypatch, stream(events(api, text)), json_schema=VERDICT)
    assert result.finish_reason.startswith(ended) and result.text == (text if ended == "stop" else "")
    sent = body["output_config"]["format"] if api == "anthropic" else body["response_format"]
    assert sent["type"] == "json_schema"
    tree = sent["schema"] if api == "anthropic" else sent["json_schema"]["schema"]
    assert tree["properties"]["score"] == {"enum": [1, 2, 3, 4, 5]}
    assert api == "openai" or (tree["additionalProperties"] is False and "maxLength" not in tree["properties"]["why"])


@both
def test_a_schema_of_no_object_is_not_sent(api, monkeypatch):
    _, result, [(_, _, body)] = ask(api, monkeypatch, stream(events(api, "2, 1")), json_schema='{"type": "array"}')
    assert result.text == "2, 1" and not {"output_config", "response_format"} & set(body)
