"""A study in a real browser from the first key to the export: two annotators, what they differ in, the decision, the agreement."""

import hashlib
import json
import zipfile

import pytest

from core.annotation import rounds, versions
from core.annotation.assignment import assignment
from core.workbench import Workbench
from tests.pages.test_label_answers_browser import at, press
from tests.support.annotated import rating
from tests.support.steps import no_error, open_page, settled


@pytest.fixture(scope="module")
def frozen(home):
    people = {"annotators": ("Ann", "Ben"), "per_item": 2}
    return rounds.freeze(Workbench(home), rating(2, 0, id="whole", title="A whole study", **people), "main")


def decide(app, tab, who: str, items, keys: str) -> None:
    """The same keys on each item, by keyboard alone: two sentences, then how helpful it is; or what is disputed of them."""
    tab.goto(f"{app}/label_answers?study=whole&annotator={who}")
    tab.locator(".lab-row.now").wait_for()
    for number, item in enumerate(items):
        at(tab, f"{item}/0")
        for place, key in enumerate(keys[:-1], 1):
            press(tab, key, f"{item}/{place}")
        tab.keyboard.press(keys[-1])
        if number + 1 == len(items):
            tab.get_by_text("All screens are labelled").wait_for()


@pytest.mark.slow
def test_a_study_is_labelled_decided_read_and_exported(app, home, frozen, tab):
    for who, keys in (("Ann", "114"), ("Ben", "124")):  # they differ in each second sentence
        decide(app, tab, who, assignment(frozen.study, "main")[who], keys)
    tab.get_by_text("Next: have 2 disputed items decided").wait_for()
    assert tab.get_by_role("link", name="Agreement").count() == 1
    tab.get_by_role("main").get_by_role("link", name="Study design").click()
    tab.get_by_text("Next: decide 2 disputed items").wait_for()
    tab.get_by_role("button", name="Open adjudication").click()
    tab.get_by_text("Adjudicator", exact=True).first.wait_for()
    settled(tab)
    study = versions.load(Workbench(home), "whole").study
    assert study.adjudicators == ("Adjudicator",) and len(study.disputed) == 2
    decide(app, tab, "Adjudicator", assignment(study, "adjudication")["Adjudicator"], "2")

    open_page(tab, f"{app}/measure_agreement?source=whole")
    tab.get_by_text("Krippendorff's alpha").first.wait_for()
    tab.locator(".gw-card", has_text="Percent agreement").locator(".gw-value", has_text="0.500").wait_for()
    settled(tab)
    no_error(tab)

    open_page(tab, f"{app}/design_study?study=whole&section=Record")
    tab.get_by_text("Next: analyse the study").wait_for()
    settled(tab)
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download ZIP").click()
    no_error(tab)
    with zipfile.ZipFile(download.value.path()) as files:
        manifest = json.loads(files.read("whole/manifest.json"))
        names = {one["name"] for one in manifest["files"]}
        assert manifest["counts"]["labels"] == 6 and names >= {"labels.csv", "labels.jsonl", "study.json"}
        for one in manifest["files"]:
            assert hashlib.sha256(files.read(f"whole/{one['name']}")).hexdigest() == one["sha256"]
