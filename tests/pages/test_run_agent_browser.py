"""The page Agents in a real browser, with a server of this test as the engine: a question of two hops, and its run from an edited step;
an article whose inventions are sent back, and that is published."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.fake_endpoint import events, serving, stream
from tests.support.scripted_agent import call
from tests.support.steps import click_row, settled

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "In which country does the river of Ulm end?"
TEXTS = {"ulm.txt": "Ulm is a city that stands on the Danube.", "danube.txt": "The Danube ends in Romania, at the Black Sea."}


@pytest.fixture(scope="module")
def hops(home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hops")
    (folder / "texts").mkdir()
    for name, text in TEXTS.items():
        (folder / "texts" / name).write_text(text)
    asked = {"id": "q1", "question": QUESTION, "document": "danube.txt", "answer": "Romania"}
    (folder / "q.jsonl").write_text(json.dumps(asked))
    command = [sys.executable, "-m", "core", "ingest", "hops", folder / "texts", "--questions", folder / "q.jsonl", "--json"]
    env = {**os.environ, "GROUNDWORK_HOME": str(home)}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=env)
    return "hops"


def said(text: str):
    return stream(events("openai", text))


@pytest.mark.slow
def test_a_question_of_two_hops_is_answered_and_replayed_from_an_edited_step(app, hops, tab):
    search = call("search_corpus", "I need the river's end.", query="end of the Danube", k=2)
    done = call("finish", "Found.", answer="Romania [2]")
    with serving(said(search), said(done), said(call("finish", "So.", answer="Ukraine"))) as server:
        given = {
            "corpus.dataset": hops, "fusion.part": "sparse_only", "generation.part": "openai_compatible", "generation.base_url": server.url,
            "generation.retries": "0", "agent_first": "false", "question": QUESTION,
        }  # fmt: skip
        tab.goto(f"{app}/run_agent?{urlencode(given)}")
        tab.get_by_role("button", name="Ask", exact=True).wait_for(timeout=540_000)
        settled(tab)
        tab.get_by_role("button", name="Ask", exact=True).click()
        tab.get_by_text("the run ended: answered").wait_for()
        assert tab.get_by_text("The Danube ends in Romania").count() and tab.get_by_text("1. search_corpus").count()
        sent = server.requests[0][2]["response_format"]["json_schema"]
        assert sent["strict"] and "search_corpus" in json.dumps(sent["schema"])
        tab.get_by_role("tab", name="Replay").click()
        settled(tab)
        tab.get_by_label("Result").fill("[1] The Danube ends in Ukraine.")
        tab.get_by_role("button", name="Run again from here").click()
        tab.get_by_text("another answer").wait_for()
        assert tab.get_by_text("Ukraine", exact=True).count() and len(server.requests) == 3
        chat = server.requests[2][2]["messages"]
        assert "Ukraine" in chat[-1]["content"]


@pytest.mark.slow
def test_an_article_is_sent_back_revised_and_published(app, hops, tab, tmp_path):
    with serving(said("The Danube was dug by three kings of the moon.")) as server:
        given = {
            "corpus.dataset": hops, "fusion.part": "sparse_only", "generation.part": "openai_compatible", "generation.base_url": server.url,
            "generation.retries": "0", "agents_view": "Article",
        }  # fmt: skip
        tab.goto(f"{app}/run_agent?{urlencode(given)}")
        topic = tab.get_by_label("Topic")
        topic.wait_for(timeout=540_000)
        settled(tab)
        topic.fill("Where does the Danube end, and what stands on it?")
        topic.press("Enter")
        write = tab.get_by_role("button", name="Write", exact=True)
        write.click()
        write.wait_for(state="hidden")
        write.wait_for(timeout=360_000)  # the job is done
        settled(tab)
        assert len(server.requests) == 4, "two sentences, each tried twice"
    click_row(tab.get_by_test_id("stDataFrame").first)
    tab.get_by_text("Draft 3: accepted").wait_for()
    folder = tab.get_by_label("New folder")
    folder.fill(str(tmp_path / "out"))
    folder.press("Enter")
    tab.get_by_role("button", name="Publish").click()
    tab.get_by_text("Published in").wait_for(timeout=360_000)
    text = (tmp_path / "out" / "article.md").read_text("utf-8")
    assert "The Danube ends in Romania, at the Black Sea" in text and "kings" not in text
