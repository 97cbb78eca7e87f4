"""The main job in a real browser: prepare, slide, compare, ask, upload, share, and a job across a reload."""

import csv
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.progress import drain
from core.workbench import Workbench
from tests.support.browser import serving
from tests.support.steps import click_row, no_error, open_page, settled

ROOT = Path(__file__).resolve().parents[2]

CARDS = ".gw-cards"


def cli(home, *arguments):
    import os

    done = subprocess.run(
        [sys.executable, "-m", "core", *arguments, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "GROUNDWORK_HOME": str(home)},
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Of its own: nothing is prepared there, whichever tests ran before."""
    return tmp_path_factory.mktemp("first") / "data"


@pytest.fixture(scope="module")
def app(home):
    """A busy machine would measure a knob's values for longer than the app waits for them: here it waits."""
    with serving(home, "from app.ui.search import live; live.RANGE_MS = live.FINE_MS = float('inf')") as address:
        yield address


@pytest.fixture(scope="module")
def prepared(app, browser):
    """The very first start: the overview prepares the built-in corpus by itself, with progress."""
    page = browser.new_page()
    open_page(page, app)
    page.get_by_text("Preparing python-reference").first.wait_for()
    page.goto(f"{app}/search_live")
    page.locator(CARDS).wait_for(timeout=720_000)
    no_error(page)
    page.close()
    return app


@pytest.mark.slow
def test_a_slider_moves_the_metrics_and_their_difference_to_the_baseline(prepared, tab):
    open_page(tab, f"{prepared}/search_live")
    tab.locator(CARDS).wait_for()
    settled(tab)
    before = tab.locator(CARDS).inner_text()
    assert re.search(r"nDCG@10.*\n0\.\d{3}\n0\.\d{3} to 0\.\d{3}\nn 260", before), before
    tab.get_by_role("button", name="Pin as baseline").click()
    tab.get_by_role("button", name="Baseline: this recipe").wait_for()
    slider = tab.get_by_role("slider").first
    slider.focus()
    for _ in range(20):
        tab.keyboard.press("ArrowLeft")
    tab.get_by_text("vs baseline").first.wait_for()
    after, url = before, ""
    while (after, url) != (now := (tab.locator(CARDS).inner_text(), tab.url)):  # a busy machine comes to the last key later
        after, url = now
        tab.wait_for_timeout(2000)
        settled(tab)
    assert after != before and re.search(r"\[.?0\.\d{3}, .?0\.\d{3}\] vs baseline, p", after), after
    assert "fusion.weight=" in tab.url and "baseline" in tab.url
    no_error(tab)
    # the shared address restores the view in a session that has never seen it
    other = tab.context.new_page()
    open_page(other, url)
    other.get_by_text("vs baseline").first.wait_for()
    settled(other)
    weight = re.compile(r"fusion\.weight=([\d.]+)")
    assert weight.search(other.url)[1] == weight.search(url)[1]
    assert other.locator(CARDS).inner_text() == after
    other.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "drawn"),
    [("", "stMarkdown"), ("browse_corpus", "stDataFrame"), ("tune_chunks", "stPlotlyChart"), ("query_store", "stTextArea")],
)
def test_a_page_that_is_read_more_than_driven_is_drawn(prepared, tab, place, drawn):
    open_page(tab, f"{prepared}/{place}")
    tab.get_by_test_id("stMain").get_by_test_id(drawn).first.wait_for()
    settled(tab)
    no_error(tab)


@pytest.mark.slow
def test_a_question_shows_its_results_under_both_recipes(prepared, tab):
    open_page(tab, f"{prepared}/search_live?fusion.part=sparse_only&baseline.fusion.part=dense_only")
    tab.get_by_text("vs baseline").first.wait_for()
    settled(tab)
    tab.get_by_role("radio", name="Won").or_(tab.get_by_role("button", name="Won", exact=True)).first.click()
    count = tab.get_by_text(re.compile(r"^(?!288)\d+ of 288 questions\. Click"))
    count.wait_for()
    settled(tab)
    assert 0 < int(count.inner_text().split()[0]) < 260
    click_row(tab.get_by_test_id("stDataFrame").first)
    tab.get_by_text("Gold answer:").wait_for()
    tab.locator(".gw-passage").nth(1).wait_for()
    assert "chosen=" in tab.url
    tab.wait_for_function("document.querySelector('.st-key-opened').getBoundingClientRect().top < innerHeight * 0.6")
    no_error(tab)


@pytest.mark.slow
def test_trials_are_saved_and_compared(prepared, home, tab):
    for fusion in ("sparse_only", "convex"):
        open_page(tab, f"{prepared}/search_live?fusion.part={fusion}")
        tab.locator(CARDS).wait_for()
        settled(tab)
        tab.get_by_role("button", name="Save as trial").click()
        tab.get_by_text("saved. It is on the page Trials").wait_for(timeout=360_000)
    ids = [trial["id"] for trial in cli(home, "trials")]
    assert len(ids) >= 2
    open_page(tab, f"{prepared}/compare_trials?trials={ids[1]},{ids[0]}")
    tab.get_by_role("heading", name="Differences").wait_for()
    settled(tab)
    no_error(tab)
    assert tab.get_by_text("paired by question").count()
    result = cli(home, "compare", ids[1], ids[0], "--metric", "ndcg_linear")
    assert result["n"] == 260 and result["low"] <= result["difference"] <= result["high"]


@pytest.mark.slow
def test_a_question_is_answered_with_passages_that_open(prepared, tab):
    open_page(tab, f"{prepared}/ask_model")
    box = tab.get_by_role("textbox", name="Question", exact=True)
    box.wait_for()
    settled(tab)
    box.fill("What does the pass statement do?")
    tab.get_by_role("button", name="Ask", exact=True).click()
    tab.get_by_text(re.compile(r"prompt [\d,]+ tokens")).first.wait_for(timeout=540_000)
    settled(tab)
    no_error(tab)
    tab.get_by_role("button", name="Open in the document").first.click()
    tab.get_by_role("dialog").get_by_text("characters").first.wait_for()


@pytest.mark.slow
def test_documents_are_uploaded_and_a_corrupt_pdf_is_told(prepared, home, tab, datasets_root):
    good = next((datasets_root / "pdf").rglob("pdflatex-4-pages.pdf"))
    open_page(tab, f"{prepared}/browse_corpus")
    tab.get_by_role("tab", name="Own documents").click()
    tab.get_by_label("Name of the corpus").fill("papers")
    tab.locator("input[type=file]").first.set_input_files(
        [
            {"name": "four-pages.pdf", "mimeType": "application/pdf", "buffer": good.read_bytes()},
            {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7\nthis is no pdf"},
        ]
    )
    tab.get_by_text("broken.pdf").first.wait_for()
    settled(tab)
    tab.get_by_role("button", name="Add", exact=True).click()
    tab.get_by_text("1 file read: four-pages.pdf").wait_for(timeout=360_000)
    toast, pages = (tab.get_by_test_id(part).first.bounding_box() for part in ("stToast", "stSidebar"))
    assert toast["x"] + toast["width"] < pages["width"], "it covers nothing that is pressed"
    assert tab.get_by_text(re.compile("broken.pdf: failed")).count()
    settled(tab)
    assert "corpus.dataset=papers" in tab.url
    no_error(tab)
    hits = cli(home, "search", "Huardest gefburn", "--dataset", "papers", "--set", "fusion.part=sparse_only")
    assert hits and hits[0]["page"] in range(1, 5)


@pytest.mark.slow
def test_a_job_is_found_again_after_a_reload_and_can_be_cancelled(prepared, home, tab):
    open_page(tab, f"{prepared}/search_live?corpus.dataset=python-api")
    tab.get_by_role("button", name="Prepare").click()
    tab.get_by_text("Preparing python-api").first.wait_for()
    tab.get_by_role("button", name="Cancel").first.wait_for()
    time.sleep(2)
    tab.reload()
    tab.get_by_text("Preparing python-api").first.wait_for()
    tab.get_by_role("button", name="Cancel").first.click()
    tab.get_by_role("button", name="Resume").first.wait_for()
    no_error(tab)
    states = [json.loads(path.read_text())["status"] for path in (home / "jobs").glob("*/state.json")]
    assert "cancelled" in states and "running" not in states


@pytest.mark.slow
def test_a_setting_that_is_none_in_the_address_is_told_and_left_out(prepared, tab):
    open_page(tab, f"{prepared}/search_live?fusion.weight=heavy&chunking.size_tokens=-5")
    tab.get_by_text("was left out").first.wait_for()
    tab.locator(CARDS).wait_for()
    no_error(tab)


@pytest.mark.slow
def test_back_goes_back_a_page_and_undo_takes_a_setting_back(prepared, tab):
    open_page(tab, prepared)
    settled(tab)
    tab.get_by_role("link", name="Search, live").first.click()
    tab.locator(CARDS).wait_for()
    settled(tab)
    slider = tab.get_by_role("slider").first
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft"):
        slider.press(key)
        settled(tab)
    tab.get_by_role("button", name="Hybrid RRF").or_(tab.get_by_role("radio", name="Hybrid RRF")).first.click()
    tab.get_by_role("button", name="Fusion: Hybrid RRF").wait_for()
    settled(tab)
    moved = tab.url
    assert "fusion.part=rrf" in moved
    tab.go_back()  # once, however many settings were moved
    tab.get_by_role("heading", name="Groundwork").wait_for()
    settled(tab)
    assert tab.get_by_role("button", name="Fusion: Hybrid RRF").count()  # told on every page
    tab.go_forward()
    tab.locator(CARDS).wait_for()
    settled(tab)
    assert tab.url == moved
    tab.keyboard.press("Alt+z")
    tab.get_by_role("button", name="Fusion: dense weight").wait_for()
    assert "fusion.weight=" in tab.url and "rrf" not in tab.url
    no_error(tab)


@pytest.mark.slow
def test_back_shows_a_page_as_it_was_left(prepared, tab):
    open_page(tab, f"{prepared}/run_agent?agents_view=Memory")
    settled(tab)
    tab.get_by_role("link", name="Corpus").click()
    tab.get_by_role("heading", name="Corpus", exact=True).wait_for()
    settled(tab)
    tab.go_back()
    tab.get_by_text("Write a fact").wait_for()
    assert tab.url.endswith("run_agent?agents_view=Memory")
    no_error(tab)


@pytest.mark.slow
def test_a_link_of_the_list_leads_to_a_page_as_it_was_left_with_the_recipe_as_it_is_now(prepared, tab):
    open_page(tab, f"{prepared}/browse_corpus")
    tab.get_by_role("tab", name="Questions").click()
    tab.wait_for_url("**tab=Questions")
    settled(tab)
    tab.get_by_role("link", name="Search, live").click()
    tab.locator(CARDS).wait_for()
    settled(tab)
    assert "tab=" not in tab.url
    tab.get_by_role("slider").first.press("ArrowLeft")
    tab.wait_for_url("**fusion.weight=**")
    settled(tab)
    tab.get_by_test_id("stSidebarNavLink").get_by_text("Corpus").click()
    tab.get_by_role("heading", name="Corpus", exact=True).wait_for()
    settled(tab)
    assert "tab=Questions" in tab.url and "fusion.weight=" in tab.url
    assert tab.get_by_role("tab", selected=True).inner_text() == "Questions"
    no_error(tab)


@pytest.mark.slow
def test_cards_and_curve_follow_the_pointer_before_the_server_hears_and_the_server_says_the_same(prepared, tab):
    sent, seen = [], {}
    tab.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    address = f"{prepared}/search_live?baseline.fusion.part=sparse_only"
    open_page(tab, address)
    cards, knob = tab.locator('.gw-live[data-role="cards"]'), tab.get_by_role("slider", name="Dense weight")
    cards.wait_for()
    settled(tab)
    track, before = tab.locator(".gw-knob-track").bounding_box(), len(sent)
    read, at = tab.locator(".gw-read"), lambda share: (track["x"] + share * track["width"], track["y"] + track["height"] / 2)
    tab.mouse.move(*at(0.75))
    tab.mouse.down()
    for step in range(12):
        tab.mouse.move(*at(0.75 - 0.05 * step))
        seen[knob.get_attribute("aria-valuenow")] = cards.inner_text()
        assert read.inner_text().startswith(f"{knob.get_attribute('aria-valuenow')}: 0.")
    tab.wait_for_timeout(300)
    assert len(set(seen.values())) > 8 and len(sent) == before and "fusion.weight" not in tab.url
    tab.mouse.up()
    tab.wait_for_url(re.compile("fusion.weight=0.2(&|$)"))
    settled(tab)
    assert len(sent) > before and cards.inner_text() == seen["0.2"]
    knob.press("ArrowRight")
    tab.wait_for_url(re.compile("fusion.weight=0.21"))
    for value in ("0.4", "0.6"):
        open_page(tab, f"{address}&fusion.weight={value}")
        cards.wait_for()
        settled(tab)
        assert cards.inner_text() == seen[value]
    no_error(tab)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1440, 900])
def test_cards_and_chart_are_in_one_screen_with_the_knobs(prepared, tab, width):
    tab.set_viewport_size({"width": width, "height": 900})
    open_page(tab, f"{prepared}/search_live?baseline.fusion.part=sparse_only")
    tab.locator('.gw-live[data-role="curve"] svg').wait_for()
    settled(tab)
    box = {role: tab.locator(f'.gw-live[data-role="{role}"]').bounding_box() for role in ("knob", "cards", "curve")}
    assert all(place["y"] > 0 and place["y"] + place["height"] < 900 for place in box.values())
    assert tab.locator(".st-key-trade_off_of").bounding_box()["y"] < 450, "the chart begins"
    tab.get_by_role("tab", name="Latency").click()  # nothing that is not seen lies over it
    tab.get_by_role("button", name="Time 30 questions").wait_for()
    tab.get_by_role("tab", name="Questions").click()
    tab.get_by_role("button", name="CSV").wait_for()
    settled(tab)
    tab.get_by_test_id("stMain").evaluate("e => e.scrollTo(0, 470)")
    line = tab.locator(".gw-sight")
    line.wait_for()  # scrolled out, the cards are a line at the top
    assert line.bounding_box()["y"] >= 0 and line.bounding_box()["height"] < 120 and "nDCG@10" in line.inner_text()
    no_error(tab)


ODD = (
    "Why does f(x: int) -> bool need x >= 3, -- and :material/home: :red[cost] $a$ or $b$ <b>i</b> ~~s~~ &amp; :smile: "
    "![p](http://127.0.0.1:9/p.png) !!![q](http://127.0.0.1:9/q.png) https://example.org/a?b=1 me@example.org 1. __init__?"
)


@pytest.mark.slow
def test_a_question_is_shown_as_it_is_and_its_table_is_exported_without_formulas(prepared, home, tab):
    workbench = Workbench(home)
    asked = {"id": "odd", "question": ODD, "answer": "forty-two", "document": "odd.txt"}
    formula = {"id": "sum", "question": "=1+1", "answer": "forty-two", "document": "odd.txt"}
    lines = "\n".join(map(json.dumps, (asked, formula))).encode()
    drain(workbench.library.ingest("odd", [("odd.txt", b"The answer is forty-two.")], ("questions.jsonl", lines)))
    wanted = []
    tab.on("request", lambda request: wanted.append(request.url))
    open_page(tab, f"{prepared}/search_live?corpus.dataset=odd&fusion.part=sparse_only&chosen=odd")
    title = tab.locator("h3", has_text="Why does f(x")
    title.wait_for()
    no_error(tab)
    assert title.inner_text() == ODD and title.locator("img, a, em, del, math, code").count() == 0
    assert not [url for url in wanted if ":9/" in url or "example.org" in url]
    table = tab.locator(".stDataFrame").last
    table.hover()
    tab.get_by_label("Search", exact=True).last.wait_for()
    assert not tab.get_by_label("Download as CSV").locator("visible=true").count()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="CSV", exact=False).last.click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text("utf-8").splitlines()))
    assert {ODD, "'=1+1"} <= {cell for row in rows for cell in row.values()}
