"""The page Chunks: numbers that follow the sliders, a second chunker, and corpus text that stays text."""

import json
import re

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core.workbench import Workbench
from tests.support.screen import html, visit

RIVERS = " ".join(f"The river number {i} rises in the hills of county {i} and ends in the sea." for i in range(40))
TEXTS = {"rivers.txt": RIVERS + " <script>alert('x')</script> <b>bold</b>", "short.txt": "Mont Blanc is high."}
QUESTIONS = [
    {
        "id": f"q{i}",
        "question": f"Where does river {i} rise?",
        "document": "rivers.txt",
        "answer": f"in the hills of county {i} and ends",
    }
    for i in range(0, 40, 2)
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    questions = "\n".join(json.dumps(question) for question in QUESTIONS).encode()
    files = [(name, text.encode()) for name, text in TEXTS.items()]
    for _ in Workbench(folder).library.ingest("tiny", files, ("questions.jsonl", questions)):
        pass
    return folder


@pytest.fixture
def page(home, monkeypatch):
    bench = Workbench(home)
    monkeypatch.setattr(session, "workbench", lambda: bench)

    def start(**address: str) -> AppTest:
        app = visit("tune_chunks", {"corpus.dataset": "tiny", "chunking.part": "fixed", "chunking.size_tokens": "16", **address})
        assert not app.exception and not app.error
        return app

    return start


def card(app: AppTest, label: str, which: int = 0) -> str:
    """Everything on a card."""
    return html(app).split(f">{label}", which + 1)[which + 1].split('<div class="gw-card">')[0]


def count(app: AppTest, which: int = 0) -> int:
    return int(card(app, "Chunks", which).split('gw-value">')[1].split("<")[0].replace(",", ""))


@pytest.mark.slow
def test_numbers_follow_the_slider(page):
    app = page()
    before, cut = count(app), card(app, "Evidence cut")
    assert "of 20 spans" in cut and ">0<" not in cut and re.search(r"\d% \(\d+\.\d% to \d+\.\d%\)", cut)
    slider = next(s for s in app.select_slider if "tokens" in s.label)
    slider.set_value(64).run()
    assert not app.exception and count(app) < before / 3
    assert app.session_state["recipes"]["current"].chunking.size_tokens == 64
    assert card(app, "Evidence cut") != cut


@pytest.mark.slow
def test_text_of_the_corpus_is_never_markup(page):
    app = page()
    assert "&lt;script&gt;" in html(app)
    assert "<script>alert" not in html(app) and "<b>bold" not in html(app)
    assert "gw-gold" in html(app) and "gw-edge" in html(app)


@pytest.mark.slow
def test_a_second_chunker_stands_beside_the_first(page):
    app = page()
    app.toggle(key="compare").set_value(True).run()
    assert not app.exception
    assert app.session_state["recipes"]["second"].chunking.part == "recursive"
    assert count(app, 0) > count(app, 1)
    assert "cut only here" in card(app, "Evidence cut", 1)
    assert app.session_state["recipes"]["current"].chunking.part == "fixed"


@pytest.mark.slow
def test_overlap_shows_what_is_embedded_twice(page):
    app = page(**{"chunking.part": "sliding_window", "chunking.overlap_tokens": "8"})
    assert "49.4% of 1,394" in card(app, "Embedded twice")


def test_a_document_of_the_address_is_opened(page):
    app = page(document="short.txt")
    box = next(s for s in app.selectbox if s.label == "Document")
    assert box.value == 1 or "short" in str(box.value)
    assert "ont Blanc is high." in html(app)  # the first letter carries the boundary


@pytest.mark.slow
def test_only_documents_with_cut_evidence(page):
    app = page(document="short.txt")
    app.toggle(key="only_cut").set_value(True).run()
    assert not app.exception and "ont Blanc" not in html(app) and "he river number 1 " in html(app)
    app = page(**{"chunking.size_tokens": "8192"})
    assert not [toggle for toggle in app.toggle if toggle.key == "only_cut"]  # nothing is cut


@pytest.mark.slow
def test_semantic_is_live_too(page):
    app = page(**{"chunking.part": "semantic", "chunking.min_tokens": "8", "chunking.size_tokens": "256"})
    before = count(app)
    next(number for number in app.slider if "percentile" in number.label.lower()).set_value(60.0).run()
    assert not app.exception and count(app) > before


@pytest.mark.slow
def test_chunks_longer_than_the_encoder_reads_are_counted(page):
    assert card(page(**{"chunking.part": "whole_document"}), "Too long").split('gw-value">')[1].startswith("1<")


@pytest.mark.slow
def test_the_label_of_what_the_encoder_reads_stands_over_the_bars(page):
    chart = json.loads(page(**{"chunking.part": "whole_document"}).get("plotly_chart")[0].proto.spec)
    assert [note["text"].startswith("encoder limit") for note in chart["layout"]["annotations"]] == [True]
    assert chart["layout"]["yaxis"]["range"][1] > 1.2 * max(chart["data"][0]["y"])
