"""The page Study design in a real browser: from stored answers to a frozen pilot with a link for each annotator."""

import re

import pytest

from core.annotation import rounds
from core.annotation.draft import start
from core.config import TrialConfig, with_settings
from core.workbench import Workbench
from tests.support.annotated import judge, judge_all
from tests.support.steps import expect, no_error, open_page, settled


@pytest.fixture(scope="module")
def answered(app, home):
    """Two systems that answered twenty questions each."""
    store = Workbench(home).store
    for temperature in (0.0, 0.7):
        config = with_settings(TrialConfig(), {"generation.temperature": temperature}).model_dump(mode="json")
        for n in range(20):
            store.add(
                "answer",
                {
                    "question": f"What is {n}?",
                    "text": f"It is <b>{n}</b>. So it was at {temperature}.",
                    "finish_reason": "stop",
                    "model": "small.gguf",
                    "config": config,
                    "hits": [{"document_id": "d", "title": "T", "start": 0, "end": 5, "text": f"It is {n}.", "rank": 1}],
                },
            )
    return app


@pytest.mark.slow
def test_the_way_from_a_disputed_sentence_leads_to_the_rubric(answered, home, tab):
    bench = Workbench(home)
    draft = start(bench, "Unclear").study
    frozen = rounds.freeze(bench, draft.model_copy(update={"annotators": ("Ann", "Ben")}), "pilot")
    judge_all(bench, frozen)
    item = next(one.id for one in frozen.study.round_items("pilot") if one.plain)
    judge(bench, frozen, "Ann", item, "contradicted")
    open_page(tab, f"{answered}/design_study?study=unclear")
    tab.get_by_role("tab", name="People").click()
    settled(tab)
    tab.get_by_role("button", name="Analyse the pilot").click()
    tab.get_by_role("tab", name="By item").click()
    tab.get_by_role("link", name="Make the rubric clearer").click()
    tab.get_by_role("tab", name="Rubric", selected=True).wait_for()
    tab.get_by_role("textbox", name="Guidelines for annotators").wait_for()
    assert "section=Rubric" in tab.url and "study=unclear" in tab.url
    no_error(tab)


@pytest.mark.slow
def test_a_study_is_designed_frozen_and_handed_out(answered, tab):
    open_page(tab, f"{answered}/design_study")
    settled(tab)
    if (another := tab.get_by_role("button", name="New study")).count():  # studies of other tests in the same app
        another.click()
    tab.get_by_placeholder("Faithfulness").fill("Two temperatures")
    tab.keyboard.press("Tab")
    tab.get_by_role("button", name="Start a study").click()
    tab.get_by_text("Next: look through the tabs, then freeze the pilot").wait_for()
    tab.get_by_role("tab", name="Items").click()
    tab.get_by_text("Pilot round: 30 items").wait_for()
    settled(tab)
    tab.get_by_role("spinbutton", name="Pilot items").fill("8")
    tab.keyboard.press("Enter")
    tab.get_by_text("Pilot round: 8 items").wait_for()
    settled(tab)
    tab.reload()
    tab.get_by_text("Pilot round: 8 items").wait_for()  # what is not saved yet is there after a reload
    tab.get_by_role("button", name="Save draft").wait_for()
    settled(tab)
    no_error(tab)
    tab.get_by_role("tab", name="Power").click()
    tab.get_by_text("Questions for 0.8").wait_for()
    tab.get_by_test_id("stPlotlyChart").wait_for()
    tab.get_by_role("button", name="Freeze the pilot").click()
    dialog = tab.get_by_role("dialog")
    dialog.get_by_text("Freezing fixes").first.wait_for()
    digest = re.search(r"[0-9a-f]{64}", dialog.inner_text()).group()
    dialog.get_by_role("button", name="Freeze 8 items").click()
    tab.get_by_text(f"frozen as {digest[:12]}").wait_for()
    settled(tab)
    no_error(tab)

    tab.get_by_role("button", name="Links to send").click()
    links = tab.get_by_test_id("stCode")
    links.nth(1).wait_for()
    addresses = [text.strip() for text in links.all_inner_texts()]
    assert addresses == [f"{answered}/label_answers?study=two-temperatures&annotator=Annotator%20{n}" for n in (1, 2)]
    tab.reload()
    tab.get_by_text("Next: label the pilot").wait_for()
    assert "study=two-temperatures" in tab.url
    tab.get_by_role("tab", name="Plan").click()
    tab.get_by_role("textbox", name="Hypothesis").fill("The second is better.")  # a plan of the main round
    tab.keyboard.press("Tab")
    tab.get_by_role("button", name="Discard").wait_for()
    settled(tab)
    tab.context.clear_cookies()
    tab.reload()
    tab.get_by_role("button", name="Discard").wait_for()
    expect(tab.get_by_role("textbox", name="Hypothesis")).to_have_value("The second is better.")
    tab.get_by_role("tab", name="Record").click()
    tab.get_by_role("button", name="Check it").click()
    tab.get_by_text("All versions match their hashes").wait_for()
    tab.get_by_role("button", name="Hand over").last.click()
    dialog.get_by_text("8 open items can go to nobody").wait_for()
    tab.wait_for_timeout(6000)  # the list of annotators looks again by itself meanwhile
    dialog.get_by_role("button", name="Hand over").click()
    tab.get_by_text("stopped").wait_for()
    tab.get_by_role("button", name="Check it").click()
    tab.get_by_text("Annotator 2 left the pilot round").wait_for()
    settled(tab)
    no_error(tab)
    tab.get_by_role("button", name="Label as Annotator 1").click()
    tab.wait_for_url("**/label_answers?study=two-temperatures&annotator=Annotator*")
    settled(tab)
    no_error(tab)
