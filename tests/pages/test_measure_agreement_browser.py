"""The page Agreement in a browser: pictures of a labelled study, a view that survives a reload, and an uploaded file."""

import re

import pytest

from core.annotation import rounds, saving
from core.annotation.assignment import assignment
from core.annotation.labels import blank
from core.workbench import Workbench
from tests.support.annotated import rating
from tests.support.steps import click_row, expect, no_error, open_page, settled

CSV = "item,annotator,value\n" + "".join(
    f"{n},{who},{'yes' if n % 3 or (who == 'Ben' and n % 2) else 'no'}\n" for n in range(40) for who in ("Ann", "Ben")
)


def label_everything(home, study_id="read-me", title="Read me") -> None:
    workbench = Workbench(home)
    study = rating(24, pilot=0, id=study_id, title=title)  # 16 each: change over time needs 12
    frozen = rounds.freeze(workbench, study, "main")
    for who, items in assignment(study, "main").items():
        for number, item_id in enumerate(items):
            label = blank(study, "main", study.item(item_id), who)
            name = "partly" if number % 3 == 0 else "supported"
            given = {"sentences": tuple((name,) * len(one) for one in label.sentences), "helpful": (4,), "seconds": 8.0}
            saving.label(workbench, frozen, label.model_copy(update=given))


def has_charts(tab, number: int) -> None:
    expect(tab.locator(".js-plotly-plot")).to_have_count(number)


@pytest.mark.slow
def test_a_labelled_study_is_read_tab_by_tab_and_survives_a_reload(app, home, tab):
    label_everything(home)
    open_page(tab, f"{app}/measure_agreement?source=read-me")
    tab.get_by_text("Krippendorff's alpha").first.wait_for()
    tab.get_by_text("Main round", exact=True).wait_for()  # said and, above, chosen
    has_charts(tab, 2)
    tab.get_by_role("tab", name="By annotator").click()
    tab.get_by_text("Alpha without each annotator").wait_for()
    settled(tab)
    assert "view=By+annotator" in tab.url and "source=read-me" in tab.url
    tab.reload()
    tab.get_by_text("Alpha without each annotator").wait_for()
    has_charts(tab, 3)  # pairs, left out, over time
    tab.get_by_role("tab", name="People against machines").click()
    tab.get_by_text("Corrected headline").wait_for()
    tab.get_by_role("tab", name="By item").click()
    tab.get_by_text("most disputed first").wait_for()
    settled(tab)
    no_error(tab)


@pytest.mark.slow
def test_an_uploaded_file_has_agreement_and_exports(app, tab):
    open_page(tab, f"{app}/measure_agreement?source=Upload+files")
    tab.get_by_text("item, annotator and value").wait_for()
    tab.locator("input[type=file]").first.set_input_files({"name": "../x.csv", "mimeType": "text/csv", "buffer": CSV.encode()})
    tab.get_by_text("Cohen's kappa").first.wait_for()
    tab.get_by_text("40 items", exact=True).wait_for()
    tab.get_by_test_id("stPopover").nth(1).locator("button").first.click()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="CSV", exact=True).first.click()
    assert "Krippendorff" in download.value.path().read_text()
    no_error(tab)


@pytest.mark.slow
def test_a_disputed_sentence_opens_on_a_click(app, home, tab):
    label_everything(home, "click-me", "Click me")
    open_page(tab, f"{app}/measure_agreement?source=click-me&view=By+item")
    tab.get_by_text("Click one to read it").wait_for()
    read = tab.get_by_text(re.compile(r"^Item \d+, sentence \d · What is"))
    read.wait_for()
    before = read.inner_text()
    click_row(tab.get_by_test_id("stDataFrame").first, 1)
    expect(read).not_to_have_text(before)
    assert tab.get_by_role("combobox", name="Labels of").input_value() == "Click me"
    tab.get_by_role("link", name="Study design").last.click()
    tab.wait_for_url("**/design_study?study=click-me")
    no_error(tab)
