"""The README's tour, walked: what it sets in italics is pressed or seen where it says."""

import re
import shutil
from functools import reduce
from pathlib import Path

import pytest

from tests.support.steps import click_row, no_error, open_page, settled

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
TOUR = README.split("## A tour in five minutes")[1].split("### Every page")[0]
STOPS = {int(number): " ".join(text.split()) for number, text in re.findall(r"\*\*(\d+)\. (.+?)(?=\n\*\*\d|\Z)", TOUR, re.DOTALL)}
CARDS = ".gw-cards"
ROLES = ("button", "tab", "radio", "link", "heading")


def names(stop: int) -> set[str]:
    """What is set in italics at this stop."""
    return set(re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", STOPS[stop].split("**", 1)[1]))


class Walk:
    """A tab that remembers which of the README's names stood on its pages."""

    def __init__(self, tab, address: str) -> None:
        self.tab, self.address, self.met = tab, address, set()

    def open(self, page: str) -> None:
        open_page(self.tab, f"{self.address}/{page}")
        settled(self.tab)

    def meet(self, name: str, locator=None):
        """Its place on the page, in sight: a control of this name, or the one given."""
        place = locator or reduce(
            lambda one, other: one.or_(other), (self.tab.get_by_role(role, name=name, exact=True) for role in ROLES)
        )
        place.first.wait_for()
        self.met.add(name)
        return place.first

    def press(self, name: str, locator=None) -> None:
        self.meet(name, locator).click()
        settled(self.tab)

    def drag(self, name: str, steps: int) -> None:
        """By its keys: to the right, or as many to the left."""
        self.meet(name, self.tab.get_by_role("slider", name=name)).focus()
        for _ in range(abs(steps)):
            self.tab.keyboard.press("ArrowRight" if steps > 0 else "ArrowLeft")
        settled(self.tab)

    @property
    def table(self):
        return self.tab.get_by_test_id("stDataFrame").first

    def text(self, words: str | re.Pattern, timeout: float = 180_000):
        self.tab.get_by_text(words).first.wait_for(timeout=timeout)


@pytest.fixture(scope="module")
def home(embedded, tmp_path_factory):
    return shutil.copytree(embedded, tmp_path_factory.mktemp("tour") / "data")


def search_live(walk):
    walk.open("search_live")
    walk.tab.locator(CARDS).wait_for()
    walk.press("BM25")
    walk.press("Pin as baseline")
    walk.press("Hybrid convex")
    walk.text("vs baseline")
    walk.drag("Dense weight", 4)
    assert re.search(r"\[.?0\.\d{3}, .?0\.\d{3}\] vs baseline, p", walk.tab.locator(CARDS).inner_text())
    for stage in ("Query transform", "Reranking"):
        walk.press(stage, walk.tab.locator(".st-key-open_stage button", has_text=stage))
        walk.tab.get_by_label("Method").first.wait_for()
    walk.press("Ablation")
    walk.press("Choose on dev")
    walk.open("search_live?query.part=rm3&rerank.part=mmr")
    walk.tab.get_by_role("tab", name="Query transform", exact=True).click()
    walk.tab.locator(".st-key-asked").filter(has_text=re.compile(r"Gain in nDCG@10.*, p ", re.DOTALL)).wait_for()
    walk.tab.get_by_role("tab", name="Reranking", exact=True).click()
    walk.text(re.compile(r"^Reranking \(.*, p .*questions\)"))


def one_question(walk):
    walk.open("search_live?fusion.part=sparse_only&baseline.fusion.part=dense_only")
    walk.press("Questions")
    for outcome in ("won", "missed", "lost"):
        walk.press(outcome, walk.tab.get_by_test_id("stMain").get_by_role("radio", name=outcome.capitalize(), exact=True))
    click_row(walk.table)
    walk.text("Gold answer:")
    walk.tab.locator(".gw-passage").nth(1).wait_for()
    walk.press("Explain failures", walk.tab.get_by_role("link", name="Explain failures", exact=True))
    walk.tab.get_by_role("heading", name="Explain failures").wait_for()


def index(walk):
    walk.open("tune_index")
    walk.press("HNSW")
    walk.drag("efSearch", 3)
    walk.text(re.compile(r"\d questions? of [\d,]+ got another ranking"))


def encoders(walk):
    walk.open("compare_encoders?transform.projection=pca")
    walk.table.wait_for()
    walk.drag("Dimension", -2)


def ask(walk):
    walk.open("ask_model")
    walk.tab.locator("[class*=st-key-example] button").first.click()
    walk.text(re.compile(r"prompt [\d,]+ tokens"), 180_000)
    walk.tab.get_by_role("tab", name=re.compile("Passages")).wait_for()


def sampling(walk):
    walk.open("tune_sampling")
    walk.tab.get_by_role("button", name="What does", exact=False).first.click()
    walk.text("Possible next tokens", 120_000)
    settled(walk.tab)
    walk.drag("Temperature", 3)
    walk.drag("Top-p", -3)


def inside(walk):
    walk.open("inspect_model")
    for view in ("KV cache", "Attention", "Tokenizers", "Mixture of experts"):
        walk.press(view)


def people(walk):
    for name, page in (("Study design", "design_study"), ("Label answers", "label_answers"), ("Agreement", "measure_agreement")):
        walk.open(page)
        walk.meet(name, walk.tab.get_by_role("heading", name=name, exact=True))


def own_documents(walk):
    walk.open("")
    walk.press("Corpus", walk.tab.get_by_role("link", name="Corpus", exact=True))
    walk.press("Own documents")
    told = {"name": "note.md", "mimeType": "text/markdown", "buffer": b"# Gauge\n\nThe float gauge is read every six minutes."}
    walk.tab.get_by_label("Name of the corpus").fill("station")
    walk.tab.locator("input[type=file]").first.set_input_files([told])
    walk.tab.get_by_role("button", name="Add", exact=True).click()
    walk.text("1 file read: note.md", 120_000)


def trials(walk):
    for fusion in ("sparse_only", "convex"):
        walk.open(f"search_live?fusion.part={fusion}")
        walk.press("Save as trial")
        walk.text("saved. It is on the page Trials", 120_000)
    walk.open("compare_trials")
    walk.meet("Trials", walk.tab.get_by_role("heading", name="Trials", exact=True))
    click_row(walk.table, 0, 15)
    click_row(walk.table, 1, 15)
    walk.text("paired by question")


def experiments(walk):
    for name, page in (("Chunks", "tune_chunks"), ("Encoders", "compare_encoders"), ("Search, live", "search_live")):
        walk.open(page)
        walk.meet(name, walk.tab.get_by_role("heading", name=name, exact=True))
        walk.text(re.compile("^Experiment"))
    walk.open("run_study?fusion.part=sparse_only")
    walk.meet("Experiments", walk.tab.get_by_role("heading", name="Experiments", exact=True))
    walk.tab.get_by_role("button", name="Begin an experiment").click()
    walk.press("Start")
    walk.text("All trials are measured", 240_000)


def paper(walk):
    walk.open("search_live?fusion.weight=0.5")
    walk.tab.get_by_test_id("stPopover").filter(has_text="download").last.locator("button").first.click()
    walk.meet("Add to paper")
    title = walk.tab.get_by_test_id("stPopoverBody").get_by_role("combobox")
    title.fill("Weights")
    title.press("Enter")
    settled(walk.tab)
    walk.press("Add to paper")
    walk.open("write_paper")
    walk.meet("Write a paper", walk.tab.get_by_role("heading", name="Write a paper", exact=True))
    walk.press("Bundle")
    walk.press("Make the bundle")
    walk.tab.get_by_role("button", name="Download the last one").wait_for(timeout=900_000)


def service(walk):
    walk.open("serve_recipe")
    walk.meet("Start the service")
    walk.tab.get_by_label("Name", exact=True).fill("handbook")
    walk.tab.keyboard.press("Enter")
    settled(walk.tab)
    walk.meet("Publish")


def sql(walk):
    walk.open("query_store")
    walk.tab.get_by_test_id("stTextArea").first.wait_for()
    walk.tab.get_by_role("button", name="Run").first.click()
    walk.table.wait_for()


WALKED = dict(
    enumerate(
        (
            search_live,
            one_question,
            index,
            encoders,
            ask,
            sampling,
            inside,
            people,
            own_documents,
            trials,
            experiments,
            paper,
            service,
            sql,
        ),
        1,
    )
)


def test_every_stop_of_the_tour_is_walked():
    assert set(STOPS) == set(WALKED)


@pytest.mark.slow
@pytest.mark.parametrize("stop", WALKED)
def test_a_stop_of_the_tour_is_as_the_readme_says(app, tab, stop):
    walk = Walk(tab, app)
    WALKED[stop](walk)
    no_error(tab)
    assert not names(stop) - walk.met
