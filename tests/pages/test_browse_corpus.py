"""The corpus page shows documents with their evidence, questions, and own documents, and takes no text for markup."""

import csv
import io
import json
import time

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui import cards
from app.ui.corpus import own
from app.ui.corpus.documents import PART
from core.corpus.questions import FORMATS
from core.errors import WorkbenchError
from core.jobs.jobs import Job
from core.labs.corpus.contents import receive
from core.workbench import Workbench
from tests.support.screen import html, visit

TEXTS = {
    "rivers.txt": "The Danube rises in the Black Forest. <script>alert(1)</script> <img src=x onerror=alert(1)>",
    "mountains.txt": "Mont Blanc is the highest mountain of the Alps. " + "Filling words. " * 4000,
}
QUESTIONS = [
    {"id": "q1", "question": "Where does the <b>Danube</b> rise?", "document": "rivers.txt", "answer": "in the Black Forest"},
    {"id": "q2", "question": "Which is the highest mountain of the Alps?", "document": "mountains.txt", "answer": "Mont Blanc"},
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("home"))
    questions = "\n".join(json.dumps(q) for q in QUESTIONS).encode()
    for _ in bench.library.ingest(
        "tiny", [(name, text.encode()) for name, text in TEXTS.items()], ("questions.jsonl", questions)
    ):
        pass
    return bench


@pytest.fixture(autouse=True)
def workbench(bench, monkeypatch):
    monkeypatch.setattr(session, "workbench", lambda: bench)
    return bench


def browse(**address: str) -> AppTest:
    app = visit("browse_corpus", {"corpus.dataset": "tiny", **address})
    assert not app.exception
    return app


def document(bench, name: str) -> str:
    corpus = bench.corpus(session.with_settings(session.defaults(), {"corpus.dataset": "tiny"}))
    return next(d.id for d in corpus.documents if name in d.id or name in d.source or name in d.title)


def test_long_lists_come_in_pages(monkeypatch):
    monkeypatch.setattr("app.ui.cells.MOST_ROWS", 1)
    shown = [frame.value for frame in browse().dataframe if "Document" in frame.value]
    assert [len(frame) for frame in shown] == [1]


@pytest.mark.slow
def test_the_document_in_the_address_is_open_with_its_evidence_marked_no_markup_and_a_long_one_in_parts(bench):
    shown = html(browse(document=document(bench, "rivers")))
    assert 'class="gw-gold">in the Black Forest<' in shown and "box.scrollTop" in shown, "the evidence is brought into sight"
    assert "&lt;script&gt;" in shown and "<script>alert" not in shown and "<img" not in shown
    shown = html(browse(document=document(bench, "mountains")))
    assert 0 < len("Filling words. ") * shown.count("Filling words.") <= PART and "Mont Blanc" in shown


def test_a_document_of_the_address_that_is_not_there_is_told_once():
    app = browse(document="none$x$.txt")
    assert ["which is not in this corpus" in each.value for each in app.warning] == [True]
    assert "document" not in app.query_params and not app.run().warning


def test_search_finds_documents_by_their_text():
    app = browse(find="Black Forest")
    assert len(app.dataframe[0].value) == 1
    app.text_input(key="find").set_value("no such words").run()
    assert not app.exception and "No document matches" in html(app)


def test_questions_are_listed_with_answers():
    app = browse(tab="Questions")
    assert app.dataframe[0].value["Question"].tolist() == [q["question"] for q in QUESTIONS]


@pytest.mark.slow
def test_the_card_and_the_downloads_are_told():
    assert "Own documents" in html(browse(tab="About"))
    assert any(b.label == "Download" for b in browse(tab="Get more").button)


@pytest.mark.slow
def test_own_collection_lists_a_status_for_each_file_and_can_be_removed(bench):
    for _ in bench.library.ingest("waste", [("bad.pdf", b"%PDF-1.4 nonsense"), ("good.txt", b"Some text.")]):
        pass
    app = browse(tab="Own documents")
    tables = [frame.value for frame in app.dataframe]
    status = {row["File"]: row["Status"] for table in tables for row in table.to_dict("records")}
    assert status["good.txt"] == "ok" and status["bad.pdf"] == "failed"
    app.button(key="sure/waste").click().run()
    assert not any(s.name == "waste" for s in bench.datasets())


@pytest.mark.slow
def test_uploaded_files_are_read_by_a_job_while_the_page_answers(tmp_path, monkeypatch):
    bench = Workbench(tmp_path / "data")
    monkeypatch.setattr(session, "workbench", lambda: bench)
    app = visit("browse_corpus", {"tab": "Own documents"})
    next(box for box in app.text_input if box.label == "Name of the corpus").set_value("papers")
    documents, questions = app.file_uploader
    documents.set_value([("long.txt", ("A line of text. " * 300_000).encode(), "text/plain"), ("bad.pdf", b"%PDF-1.4 no", "")])
    questions.set_value(("asked.jsonl", json.dumps({"id": "q", "question": "What?", "answer": "A line"}).encode(), ""))
    began = time.process_time()  # of this process: others may keep the machine busy
    app = next(button for button in app.button if button.label == "Add").click().run()
    answered, until = time.process_time() - began, time.monotonic() + 600
    [job] = bench.jobs.list()
    assert not app.exception and not app.error
    assert job.active and answered < 1.5, f"the page answered after {answered:.1f} s"
    assert any(button.label == "Cancel" for button in app.button)
    assert job.label == "Reading 2 files and the questions into papers" and "No own documents yet" not in html(app)
    assert [box.value for box in app.text_input if box.label == "Name of the corpus"] == [""]
    while bench.jobs.get(job.id).active:
        assert time.monotonic() < until
        time.sleep(0.2)
    app = app.run()
    [good] = [element.value for element in app.success]
    assert "**papers is in use**: 1 document, 1 question." in good and cards.plain("1 file read: long.txt") in good
    assert "papers" in app.query_params["corpus.dataset"], "what was added is what comes next"
    assert any("bad" in line.value and "failed" in line.value for line in app.warning), "each file says what became of it"
    assert not list((tmp_path / "data" / "inbox").glob("*")), "what was sent is kept only until it is read"


@pytest.mark.slow
def test_it_is_said_beforehand_which_questions_are_replaced(bench):
    app = visit("browse_corpus", {"tab": "Own documents"})
    next(box for box in app.text_input if box.label == "Name of the corpus").set_value("Tiny")
    app.file_uploader[1].set_value(("asked.csv", b"question\nWhat?\n", ""))
    app = app.run()
    assert not app.exception and "They replace 2 questions of tiny." in [line.value for line in app.warning]


@pytest.mark.parametrize(("before", "used"), [("python-reference", "tiny"), ("python-api", ""), (None, "")])
def test_what_was_read_comes_into_use_once_where_no_other_corpus_was_chosen_meanwhile(bench, monkeypatch, before, used):
    read = {"name": "rivers.txt", "status": "ok", "message": ""}
    done = Job("j", "Reading 1 file into Tiny", ("ingest-received", "Tiny", "sent"), "done", 0.0, result=[read])
    monkeypatch.setattr(bench.jobs, "list", lambda: [done])
    app = visit("browse_corpus", {"tab": "Own documents"}, **{own.STARTED: "j", own.BEFORE: before})
    assert not app.exception and not app.error and dict(app.query_params).get("corpus.dataset", "") == used
    [said] = app.success
    assert said.value.startswith(f"**tiny{' is in use' if used else ''}**: 2 documents, 2 questions.")
    assert own.BEFORE not in app.session_state


def test_the_link_of_a_job_that_reads_files_leads_to_where_they_come_into_use(bench, monkeypatch):
    works = [
        Job("j", "Reading 1 file into Tiny", ("ingest-received", "Tiny", "sent"), "running", 0.0),
        Job("k", "Preparing tiny", ("prepare",), "running", 0.0),
    ]
    monkeypatch.setattr(bench.jobs, "list", lambda: works)
    links = {link.proto.label: (link.proto.page, link.proto.query_string) for link in browse().get("page_link")}
    assert links[works[0].label] == ("browse_corpus", "tab=Own+documents") and links[works[1].label][1] == "job=k"


def test_the_form_says_what_stands_in_a_questions_file_and_how_many_files_were_chosen():
    app = browse(tab="Own documents")
    documents, questions = app.file_uploader
    told = [caption.value for caption in app.caption]
    assert any("`question`, `document`" in line and "Needed for metrics" in line for line in told)
    assert not any("chosen" in line for line in told)
    [template] = app.get("download_button")
    assert template.proto.label == "Template" and set(FORMATS) == set(questions.proto.type)
    rows = list(csv.DictReader(io.StringIO(own.TEMPLATE)))
    assert rows and all(row["question"] and row["document"] for row in rows)
    documents.set_value([("a.txt", b"One.", "text/plain"), ("b.txt", b"Two.", "text/plain")]).run()
    assert any("**2 files chosen, 8 B.**" in caption.value for caption in app.caption)


def test_who_added_no_questions_is_told_what_is_missing(bench, monkeypatch):
    for _ in bench.library.ingest("bare", [("good.txt", b"Some text.")]):
        pass
    done = Job("j", "Reading 1 file into bare", ("ingest-received", "bare", "sent"), "done", 0.0, result=[])
    monkeypatch.setattr(bench.jobs, "list", lambda: [done])
    [said] = visit("browse_corpus", {"tab": "Own documents"}, **{own.STARTED: "j"}).success
    bench.library.remove("bare")
    assert "0 questions" in said.value and "Metrics need questions" in said.value


def test_a_name_of_a_data_set_is_refused_before_anything_is_kept(tmp_path, monkeypatch):
    bench = Workbench(tmp_path / "data")
    with pytest.raises(WorkbenchError, match="is the name of a data set"):
        receive(bench, "python-reference", [("a.txt", b"text")])
    assert not (tmp_path / "data" / "inbox").exists()
