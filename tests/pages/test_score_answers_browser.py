"""Score answers, in a real browser: a file is sent, scored, an answer opened, and held against its labels."""

import json

import pytest

from tests.support.steps import click_row, no_error, open_page, settled


def line(number: int) -> str:
    wrong = number % 2
    answer = f"The town of Lund has {'nine' if wrong else 'two'} markets and a fair in May {number}."
    row = {"question": f"What has Lund in year {number}?", "answer": answer, "reference": "two markets", "label": wrong}
    passages = [f"The town of Lund has two markets and a fair in May {number}.", "Bread is made of flour."]
    return json.dumps(row | {"passages": passages, "spans": [[21, 25]] if wrong else []})


@pytest.mark.slow
def test_a_file_is_scored_opened_and_held_against_its_labels(app, home, tab, tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join([*map(line, range(40)), "{broken"]))
    open_page(tab, f"{app}/score_answers?source=A+file")
    chooser = tab.locator("[data-testid=stFileUploaderDropzoneInput]")
    chooser.wait_for(state="attached")
    chooser.set_input_files(str(path))
    tab.get_by_text("1 line of 41 was skipped").wait_for(timeout=360_000)
    settled(tab)
    assert "Containment" in tab.locator("[data-testid=stMain]").inner_text()
    click_row(tab.get_by_test_id("stDataFrame").last)
    opened = tab.locator(".st-key-opened")
    opened.wait_for()
    settled(tab)
    assert "Best sentence" in opened.inner_text() and "nine" in opened.inner_text()
    assert opened.locator(".gw-passage .gw-gold").count() >= 1
    tab.get_by_text("Against people's labels").first.click()
    tab.get_by_text("taken to mean wrong, as the spans of wrong words say").wait_for(timeout=360_000)
    settled(tab)
    assert tab.locator(".js-plotly-plot").count() == 2
    no_error(tab)
