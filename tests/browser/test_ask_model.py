"""The page Ask in a real browser, with a server of this test as the engine: ask, stop, run again, two engines, a refusal."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.fault.test_generation_remote import events, serving, status, stream

ROOT = Path(__file__).resolve().parents[2]
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


def settled(tab) -> None:
    tab.wait_for_function(
        "document.querySelector('[data-testid=stApp]').getAttribute('data-test-script-state') !== 'running'"
    )
    tab.wait_for_timeout(300)


def ask(tab, app: str, corpus: str, url: str, **more: str) -> None:
    given = {"corpus.dataset": corpus, "fusion.part": "sparse_only", "generation.part": "openai_compatible",
             "generation.base_url": url, "generation.retries": "0", "question": QUESTION, **more}  # fmt: skip
    tab.goto(f"{app}/ask_model?{urlencode(given)}")
    tab.get_by_role("button", name="Ask", exact=True).wait_for(timeout=180_000)
    settled(tab)
    tab.get_by_role("button", name="Ask", exact=True).click()


def test_an_answer_of_a_server_is_shown_and_comes_again(app, rivers, tab):
    with serving(stream(ANSWER)) as server:
        ask(tab, app, rivers, server.url)
        tab.get_by_text("ended by itself").first.wait_for()
        settled(tab)
        assert tab.get_by_text("a server on this machine").count() and tab.get_by_text("cost unknown").count()
        tab.get_by_text("Receipt: what made this answer").click()
        tab.get_by_role("button", name="Run again and compare").click()
        tab.get_by_text("The conclusion is the same").wait_for()
        assert tab.get_by_text(re.compile(r"(\d+) of \1 words")).count()
        assert len(server.requests) == 2 and server.requests[0][2] == server.requests[1][2]


def test_stop_ends_the_request_and_keeps_what_had_come(app, rivers, tab):
    with serving(stream(ANSWER[:2], leave_open=True)) as server:
        ask(tab, app, rivers, server.url)
        tab.get_by_text("It rises in the").first.wait_for()
        tab.get_by_role("button", name="Stop", exact=True).click()
        tab.get_by_text("What had come is not stored").wait_for()
        assert tab.get_by_text("It rises in the").count()
        for _ in range(100):  # the server notices at its next word only
            if not tab.get_by_role("button", name="Stop", exact=True).count():
                break
            time.sleep(0.1)
        assert not tab.get_by_role("button", name="Stop", exact=True).count()


def test_two_engines_stand_side_by_side_and_a_failure_of_one_is_told(app, rivers, tab):
    with serving(stream(ANSWER), status(429, "slow down", Retry_After="0")) as server:
        second = {"part": "openai_compatible", "base_url": server.url, "model": "other", "retries": "0"}
        ask(tab, app, rivers, server.url, engines="2", **{f"engine_2.generation.{k}": v for k, v in second.items()})
        tab.get_by_text("had too many requests").first.wait_for()
        tab.get_by_text("It rises in the Black Forest").first.wait_for()
        tab.get_by_role("radio", name="Engine 2").or_(tab.get_by_role("button", name="Engine 2")).first.wait_for()
        assert not tab.get_by_text("This page met an unexpected error").count()
        assert [request[2]["model"] for request in server.requests] == ["default", "other"]
