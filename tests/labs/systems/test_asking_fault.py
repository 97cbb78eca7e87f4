"""Systems that hang, break off, send garbage, too much or nothing; keys that are missing or come back."""

import time

import pytest

from core.errors import WorkbenchError
from core.generation.remote import Fault
from core.labs.systems import asking
from core.labs.systems.over_http import http_system, looked_up
from core.progress import drain
from tests.support import served
from tests.support.failing import recipe
from tests.support.fake_endpoint import hang, serving, status
from tests.support.foreign_rag import BODY, PLACES, foreign, said

template = served.template


def written(data: bytes, **headers: str):
    def send(handler) -> None:
        handler.send_response(200)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return send


def dribble(handler) -> None:
    """A byte now and then, for ever."""
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.closing.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def endless(handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.closing.is_set():
        handler.wfile.write(b"x" * 1_000_000)


def ask(bench, url: str, count: int = 1, **how):
    system = http_system(url, **({"speaks": "json", "body": BODY, "places": PLACES, "deadline_s": 60.0} | how))
    return drain(asking.ask_system(bench, recipe(), "theirs", system, count))


@pytest.mark.parametrize(("reply", "why"), [
    (hang, "did not answer within 0.3 s"), (dribble, "did not answer within 0.3 s"), (endless, "sent more than 9.0 MB"),
    (written(b"<html>"), "cannot be read"), (written(b""), "cannot be read"), (written(b"\xff\xfe"), "cannot be read"),
    (written(b"[" * 100_000), "cannot be read"), (written(b"{}", Content_Encoding="gzip"), "compresses its answer"),
    (written(b"half", Content_Length="99"), "broke off"),
    (said({"answer": "x"}), "nothing at result.text"), (said([]), "nothing at result.text"), (said("text"), "nothing at result.text"),
    (said({"result": {"text": 5, "sources": []}}), "at result.text is no text"),
    (said({"result": {"text": "x", "sources": "y"}}), "at result.sources is no list"),
    (said({"result": {"text": "x", "sources": [{"other": 1}]}}), "no text at content"),
    (status(500, "out of order"), "HTTP 500: .*out of order"), (status(404), "HTTP 404"), (status(422), "HTTP 422"),
    (status(302, Location="http://127.0.0.1:9/"), "another address"), (status(401, "who are you"), "HTTP 401: .*who are you"),
])  # fmt: skip
def test_what_is_wrong_is_told_with_a_remedy_and_nothing_is_recorded(bench, reply, why):
    with serving(reply) as server:
        with pytest.raises(WorkbenchError, match=why) as told:
            ask(bench, server.url, deadline_s=0.3 if "within" in why else 60.0)
        assert told.value.where == server.url and told.value.todo
    assert bench.store.query("SELECT count(*) AS n FROM system_answers") == [{"n": 0}]


def test_a_mapping_that_does_not_fit_says_what_is_there(bench):
    with serving(said({"reply": "x", "hits": []})) as server, pytest.raises(WorkbenchError, match="among: reply, hits"):
        ask(bench, server.url)


def test_where_nothing_answers_that_is_told(bench):
    with pytest.raises(WorkbenchError, match="nothing answers there"):
        ask(bench, "http://127.0.0.1:9")


def test_who_asks_to_come_again_is_asked_again(bench):
    with serving(status(429, Retry_After="0"), status(503, Retry_After="0"), said(foreign)) as server:
        assert ask(bench, server.url).answered == 1 and len(server.requests) == 3


def test_closing_a_run_ends_the_request(bench):
    with serving(hang) as server:
        steps = asking.ask_system(bench, recipe(), "theirs", http_system(server.url, "json", body=BODY, places=PLACES), 1)
        while not server.requests:
            next(steps)
        began = time.monotonic()
        steps.close()
        assert time.monotonic() - began < 30


def test_a_key_goes_to_the_system_and_nowhere_else(bench, monkeypatch):
    monkeypatch.setenv("THEIR_KEY", "k-very-secret")

    def echo(body: dict) -> dict:
        return {"result": {"text": f"{server.requests[-1][1]['authorization']} to {body['q']}", "sources": []}}

    with serving(said(echo)) as server:
        ask(bench, server.url, key_variable="THEIR_KEY")
        assert server.requests[0][1]["authorization"] == "Bearer k-very-secret"
    with serving(status(500, "k-very-secret is odd")) as server, pytest.raises(WorkbenchError, match=r"\[key\] is odd"):
        system = http_system(server.url, "openai", "m", key_variable="THEIR_KEY")
        drain(asking.ask_system(bench, recipe(), "other", system, 1))
    stored = b"".join(path.read_bytes() for path in bench.home.rglob("*") if path.is_file() and path.suffix != ".gguf")
    [row] = bench.store.query("SELECT answer, how FROM system_answers")
    assert row["answer"].startswith("Bearer [key] to") and "THEIR_KEY" not in row["how"] and b"k-very-secret" not in stored


@pytest.mark.parametrize("value", [None, "", "  ", "k\u00e9y", "two\nlines"])
def test_a_key_that_is_not_there_is_told_before_anything_is_asked(monkeypatch, value):
    monkeypatch.delenv("THEIR_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("THEIR_KEY", value)
    with pytest.raises(WorkbenchError, match="No environment variable of this name holds a key") as told:
        http_system("http://127.0.0.1:9", key_variable="THEIR_KEY")
    assert "THEIR_KEY" not in str(told.value), "it may be the key itself, typed in the wrong place"


@pytest.mark.parametrize(("how", "why"), [
    ({"url": "ftp://x"}, "cannot be asked"), ({"url": "file:///etc/passwd"}, "cannot be asked"),
    ({"url": "http://u:p@x"}, "leave user names"),
    ({"url": "http://x/?key=1"}, "leave user names"), ({"url": "http://x:y"}, "cannot be asked"), ({"url": ""}, "cannot be asked"),
    ({"speaks": "openai"}, "name of a model"), ({"speaks": "soap"}, "not spoken"), ({"deadline_s": 0.0}, "deadline"),
    ({"deadline_s": float("nan")}, "deadline"), ({"speaks": "json"}, "where the reply holds"),
    ({"speaks": "json", "body": "{", "places": {"answer": "a"}}, "cannot be read"),
    ({"speaks": "json", "body": "[]", "places": {"answer": "a"}}, "holds no mapping"),
    ({"speaks": "json", "body": '{"q": 1}', "places": {"answer": "a"}}, "where the question stands"),
    ({"places": {"reply": "a"}}, "no field 'reply'"),
])  # fmt: skip
def test_a_system_that_cannot_be_asked_is_told_before_it_is(how, why):
    with pytest.raises(WorkbenchError, match=why):
        http_system(**({"url": "http://127.0.0.1:9"} | how))


def test_a_place_that_is_no_number_is_nothing_in_a_list():
    assert looked_up({"rows": ["a", "b"]}, "rows.1") == "b"
    for place in ("rows.²", "rows.2", "rows." + 5000 * "1"):
        with pytest.raises(Fault, match="nothing at rows"):
            looked_up({"rows": ["a", "b"]}, place)
