"""The page Ask in a real browser, with a server of this test as the engine: answers, faults, prices, several engines, two users."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest

from app.ui.answers.engines import without_gpu
from tests.support.fake_endpoint import events, hang, serving, status, stream
from tests.support.steps import settled

ROOT = Path(__file__).resolve().parents[2]
STOP = re.compile(r"^Stop\b")  # its shortcut is part of its name
QUESTION = "Where does the Danube rise?"
ANSWER = events("openai", "It rises ", "in the ", "Black Forest", " [1].")


@pytest.fixture(scope="module")
def rivers(home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rivers")
    (folder / "danube.txt").write_text("The Danube rises in the Black Forest. It flows through ten countries.")
    (folder / "q.jsonl").write_text(
        json.dumps({"id": "q1", "question": QUESTION, "document": "danube.txt", "answer": "in the Black Forest"})
    )
    command = [
        sys.executable,
        "-m",
        "core",
        "ingest",
        "rivers",
        folder / "danube.txt",
        "--questions",
        folder / "q.jsonl",
        "--json",
    ]
    env = {**os.environ, "GROUNDWORK_HOME": str(home)}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=env)
    return "rivers"


def ask(tab, app: str, corpus: str, url: str, **more: str) -> None:
    given = {
        "corpus.dataset": corpus,
        "fusion.part": "sparse_only",
        "generation.part": "openai_compatible",
        "generation.base_url": url,
        "generation.retries": "0",
        "question": QUESTION,
        **more,
    }
    tab.goto(f"{app}/ask_model?{urlencode(given)}")
    tab.get_by_role("button", name="Ask", exact=True).wait_for(timeout=540_000)
    settled(tab)
    tab.get_by_role("button", name="Ask", exact=True).click()


@pytest.mark.slow
def test_an_answer_of_a_server_is_shown_and_comes_again(app, rivers, tab):
    with serving(stream(ANSWER)) as server:
        ask(tab, app, rivers, server.url)
        tab.get_by_text("ended by itself").first.wait_for()
        settled(tab)
        assert tab.get_by_text("a server on this machine").count() and tab.get_by_text("cost unknown").count()
        tab.get_by_text("Receipt: what made this answer").click()
        tab.get_by_role("button", name="Run again and compare").wait_for()
        settled(tab)  # the section has opened: the button stands still
        tab.get_by_role("button", name="Run again and compare").click()
        tab.get_by_text("The conclusion is the same").wait_for()
        assert tab.get_by_text(re.compile(r"(\d+) of \1 words")).count()
        assert len(server.requests) == 2 and server.requests[0][2] == server.requests[1][2]


@pytest.mark.slow
def test_a_citation_opens_the_page_of_the_pdf_with_the_sentence_marked(app, home, tab, datasets_root, tmp_path):
    question = {"id": "q1", "question": "What does a blind text show?", "document": "pdflatex-4-pages.pdf"}
    (tmp_path / "q.jsonl").write_text(json.dumps(question))
    command = [
        sys.executable,
        "-m",
        "core",
        "ingest",
        "sheets",
        datasets_root / "pdf" / "pdflatex-4-pages.pdf",
        "--questions",
        tmp_path / "q.jsonl",
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "GROUNDWORK_HOME": str(home)})
    said = events("openai", "It gives information ", "about the selected font [1].")
    with serving(stream(said)) as server:
        ask(tab, app, "sheets", server.url, question=question["question"])
        tab.get_by_text("ended by itself").first.wait_for()
        settled(tab)
        tab.locator("button.gw-chip").first.click()
        picture = tab.get_by_role("dialog").locator("img")
        picture.wait_for()
        tab.wait_for_function("document.querySelector('.gw-sheet').scrollTop > 0")
        assert picture.evaluate("one => one.naturalWidth") > 800
        for words in ("Orange: the sentence", re.compile(r"page \d of 4")):
            tab.get_by_text(words).first.wait_for()
        settled(tab)
        tab.get_by_role("dialog").get_by_text("Text", exact=True).click()
        marked = tab.get_by_role("dialog").locator(".gw-said").first
        assert "information about the selected font" in " ".join(marked.inner_text().split())


@pytest.mark.slow
def test_stop_ends_the_request_and_keeps_what_had_come(app, rivers, tab):
    with serving(stream(ANSWER[:2], leave_open=True)) as server:
        ask(tab, app, rivers, server.url)
        tab.get_by_text("It rises in the").first.wait_for()
        tab.get_by_role("button", name=STOP).click()
        tab.get_by_text("The part that was written is not stored").wait_for()
        assert tab.get_by_text("It rises in the").count()
        tab.get_by_role("button", name=STOP).first.wait_for(state="hidden")  # the server notices at its next word only


@pytest.mark.slow
def test_two_engines_stand_side_by_side_and_a_failure_of_one_is_told(app, rivers, tab):
    with serving(stream(ANSWER), status(429, "slow down", Retry_After="0")) as server:
        second = {"part": "openai_compatible", "base_url": server.url, "model": "other", "retries": "0"}
        ask(tab, app, rivers, server.url, engines="2", **{f"engine_2.generation.{k}": v for k, v in second.items()})
        tab.get_by_text("had too many requests").first.wait_for()
        tab.get_by_text("It rises in the Black Forest").first.wait_for()
        tab.get_by_role("radio", name="Engine 2").or_(tab.get_by_role("button", name="Engine 2")).first.wait_for()
        assert not tab.get_by_text("This page met an unexpected error").count()
        assert [request[2]["model"] for request in server.requests] == ["default", "other"]


def sql(home, statement: str) -> list[dict]:
    done = subprocess.run(
        [sys.executable, "-m", "core", "sql", statement, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "GROUNDWORK_HOME": str(home)},
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.slow
def test_each_fault_is_told_and_stored_as_one(app, home, rivers, tab, tmp_path):
    (tmp_path / "text.gguf").write_text("no model")
    (tmp_path / "cut.gguf").write_bytes(b"GGUF" + bytes(2000))
    local = {"generation.part": "llama_cpp"}
    faults = [
        ([status(401)], {}, "wants a key, and none was sent"),
        ([status(429, "slow down", Retry_After="0")], {"generation.retries": "2"}, "(3 tries)"),
        ([status(500, "oops")], {}, "HTTP 500: oops"),
        ([stream(events("openai"))], {}, "the model wrote nothing"),
        ([stream(events("openai", "No", reason="content_filter"))], {}, "refus"),
        ([stream(ANSWER[:2])], {}, "broke off before its end"),
        ([hang], {**local, "generation.model": str(tmp_path / "none.gguf")}, "The model file is not there"),
        ([hang], {**local, "generation.model": str(tmp_path / "text.gguf")}, "not a GGUF file"),
        ([hang], {**local, "generation.model": str(tmp_path / "cut.gguf")}, "cannot load the model"),
        ([hang], {"generation.part": "anthropic", "generation.base_url": "https://api.anthropic.com"}, "There is no key"),
    ]
    before = sql(home, "SELECT count(*) AS n FROM answers")[0]["n"]
    for replies, settings, words in faults:
        with serving(*replies) as server:
            ask(tab, app, rivers, server.url, **settings)
            tab.get_by_text("tored").first.wait_for()
            settled(tab)
            assert tab.get_by_text(words).count(), words
            assert not tab.get_by_text("This page met an unexpected error").count()
            assert tab.get_by_role("button", name="Ask again").count()
    rows = sql(home, "SELECT text, finish_reason FROM answers ORDER BY id")[before:]
    assert [row["text"] for row in rows] == [None] * len(faults)
    for row, (_, _, words) in zip(rows, faults, strict=True):
        assert row["finish_reason"].startswith("failed: ") and words in row["finish_reason"]


@pytest.mark.slow
def test_too_many_requests_are_tried_again_counted_and_priced_by_the_own_table(app, rivers, tab):
    with serving(status(429, "slow down", Retry_After="0"), stream(ANSWER)) as server:
        given = {"generation.retries": "2", "generation.model": "m"}
        ask(tab, app, rivers, server.url, **given)
        tab.get_by_text("1 retry").first.wait_for()
        assert tab.get_by_text("cost unknown").count()
        tab.get_by_text("Prices", exact=True).click()
        tab.get_by_role("textbox", name="Own prices").fill("models:\n  m: {input: 1000, output: 1000, cache_read: 1000}")
        tab.get_by_role("button", name="Save prices").click()
        tab.get_by_text("Saved. The next answers").wait_for()
        tab.get_by_role("button", name="Ask", exact=True).click()
        tab.get_by_text("cost $0.014").first.wait_for()
        tab.get_by_role("textbox", name="Own prices").fill("models: {m: {input: cheap}}")
        tab.get_by_role("button", name="Save prices").click()
        tab.get_by_text("The price table cannot be read").wait_for()


def engines_of(app: str) -> list[psutil.Process]:
    """The models' processes of the app at this address."""
    port = app.rpartition(":")[2]
    [server] = [
        one
        for one in psutil.process_iter(["cmdline"])
        if one.info["cmdline"] and one.info["cmdline"][-1] == port and "app/server.py" in one.info["cmdline"]
    ]
    # a child that has just ended tells no command any more
    lines = [(child, child.as_dict(["cmdline"], ad_value=None)["cmdline"] or []) for child in server.children()]
    return [child for child, line in lines if any("core.jobs.child" in word for word in line)]


@pytest.mark.slow
def test_an_engine_that_is_killed_in_the_middle_of_an_answer_is_told_and_the_app_answers_the_next_question(app, rivers, tab):
    long = {
        "type": "object",
        "properties": {"story": {"type": "string", "minLength": 400, "maxLength": 500}},
        "required": ["story"],
    }
    given = {
        "generation.part": "llama_cpp",
        "generation.json_schema": json.dumps(json.dumps(long)),
        "generation.weights": "as_bundled",
        "generation.context_tokens": "8192",
    }
    ask(tab, app, rivers, "", **given)
    tab.get_by_text("Writing", exact=True).wait_for(timeout=540_000)
    for engine in engines_of(app):  # another test's index may have one of its own
        engine.send_signal(signal.SIGSEGV)
    tab.get_by_text(re.compile(r"The model's process ended in the middle of the work \(SIGSEGV")).first.wait_for()
    settled(tab)
    assert tab.get_by_text("The app goes on, and the next answer starts the process anew").count()
    assert not tab.get_by_text("This page met an unexpected error").count()
    before = {engine.pid for engine in engines_of(app)}
    ask(tab, app, rivers, "", **{"generation.part": "llama_cpp", "generation.max_tokens": "12"})
    tab.get_by_text(re.compile(r"prompt [\d,]+ tokens")).first.wait_for(timeout=540_000)
    assert {engine.pid for engine in engines_of(app)} - before, "a new process answered"


@pytest.mark.slow
def test_two_users_at_once_both_get_an_answer_of_the_bundled_model(app, rivers, tab, browser):
    other, given = browser.new_page(), {"generation.part": "llama_cpp", "generation.context_tokens": "1024"}
    schema = '{"type": "object", "properties": {"river": {"type": "string", "maxLength": 8}}}'
    ask(
        tab,
        app,
        rivers,
        "",
        **given,
        **{"generation.logprobs": "2", "generation.max_tokens": "24", "generation.stop": '["Black"]'},
    )
    ask(other, app, rivers, "", **given, **{"generation.json_schema": json.dumps(schema)})
    for page in (tab, other):
        page.get_by_text(re.compile(r"prompt [\d,]+ tokens")).first.wait_for(timeout=540_000)
        settled(page)
        assert not page.get_by_text("This page met an unexpected error").count()
    answered = other.locator(".gw-cited:not(:empty)").first  # the known answer below may be drawn before it
    assert json.loads(answered.inner_text()).keys() <= {"river"}
    tab.get_by_role("tab", name="Tokens").click()
    tab.locator("span[title*='%']").first.wait_for()
    tab.locator("[class*='st-key-chip-generation'] button").first.click()
    tab.get_by_label("Seed", exact=True).wait_for()
    assert tab.get_by_text("This build of llama.cpp has no GPU").count() == without_gpu()
    other.close()
