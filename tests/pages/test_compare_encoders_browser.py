"""The page Encoders in a real browser: compare, slide, click a point of the map, preview a training."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.steps import settled

ROOT = Path(__file__).resolve().parents[2]
PLACES = [f"{first}{last}" for first in ("Lun", "Gen", "Pis", "Bar", "Met", "Cor") for last in ("d", "ova", "ary", "wick", "ton")]
TEXTS = [
    f"The market of {place} opens at {hour} and closes late. Nearby stands the old mill of {place}, built in {1500 + hour}."
    for hour, place in enumerate(PLACES)
]


@pytest.fixture(scope="module")
def places(home, tmp_path_factory):
    """A corpus so small that the page embeds it at once."""
    folder = tmp_path_factory.mktemp("places")
    files = [folder / f"{place}.txt" for place in PLACES]
    for file, text in zip(files, TEXTS, strict=True):
        file.write_text(text)
    asked = [
        {
            "id": f"q{hour}",
            "question": f"When does the market of {place} open?",
            "document": f"{place}.txt",
            "answer": f"opens at {hour}",
        }
        for hour, place in enumerate(PLACES)
    ]
    questions = folder / "questions.jsonl"
    questions.write_text("\n".join(map(json.dumps, asked)))
    subprocess.run(
        [sys.executable, "-m", "core", "ingest", "places", *files, "--questions", questions, "--json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        env={**os.environ, "GROUNDWORK_HOME": str(home)},
    )
    return "places"


def option(tab, name: str):
    return tab.get_by_role("radio", name=name, exact=True).or_(tab.get_by_role("button", name=name, exact=True)).first


def table(tab) -> str:
    return tab.locator("table.gw-table").first.inner_text()


@pytest.mark.slow
def test_encoders_are_compared_slid_mapped_and_a_training_is_previewed(app, places, tab):
    tab.goto(f"{app}/compare_encoders?corpus.dataset={places}")
    for name in ("MiniLM mean", "MiniLM CLS", "LSA"):
        tab.locator("table.gw-table td", has_text=name).first.wait_for(timeout=360_000)
    settled(tab)
    before = table(tab)
    assert re.search(r"MiniLM mean\s+reference\s+\d\.\d{3}\s+\d\.\d{3} to \d\.\d{3}", before), before
    assert before.count("1,536 bytes") == 2 and re.search(r"p (< )?[01]\.\d{3}", before), before

    option(tab, "PCA").click()
    tab.locator("table.gw-table td", has_text="116 bytes").first.wait_for()  # 30 chunks span 29 directions
    settled(tab)
    slider = tab.get_by_role("slider", name="Dimensions kept").first
    slider.focus()
    tab.keyboard.press("ArrowLeft")
    tab.locator("table.gw-table td", has_text="96 bytes").first.wait_for()
    settled(tab)
    assert table(tab) != before and "transform.dimensions=24" in tab.url
    tab.locator(".js-plotly-plot").first.wait_for()

    tab.get_by_role("tab", name="Map").click()
    point = tab.locator(".js-plotly-plot .scatterlayer .trace path.point").first
    point.wait_for()
    settled(tab)
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for shift in range(600):  # the chart listens once it is drawn
        tab.mouse.move(x + shift % 2, y)
        tab.wait_for_timeout(100)
        if tab.locator(".hoverlayer .hovertext").count():
            break
    tab.mouse.click(x, y)
    tab.locator(".gw-passage").first.wait_for()
    assert "The market of" in tab.locator(".gw-passage").first.inner_text()

    tab.get_by_role("tab", name="Train").click()
    tab.get_by_role("spinbutton", name="Steps, at most").fill("7")
    tab.keyboard.press("Enter")
    settled(tab)
    tab.get_by_role("button", name="Command").click()
    tab.get_by_text(f"encoders train {places}-1").first.wait_for()
    tab.get_by_text("max_steps=7").first.wait_for()
    tab.keyboard.press("Escape")
    settled(tab)
    assert tab.get_by_role("button", name="Train", exact=True).is_enabled()
    assert not tab.get_by_text("This page met an unexpected error").count() and not tab.get_by_test_id("stException").count()
