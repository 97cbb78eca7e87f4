"""The page Write a paper: begun, items taken, moved, checked and removed, the bundle made, somebody else's verified."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui.papers import items
from core.labs.papers import bundle as bundles
from core.labs.papers import paper as papers
from core.labs.papers import typesetting, verification
from core.progress import drain
from core.workbench import Workbench
from tests.labs.papers.test_hostile import TEXTS
from tests.support.screen import visit
from tests.support.small_paper import CHART, small_paper, three_trials


@pytest.fixture
def bench(tmp_path, monkeypatch):
    bench = Workbench(tmp_path / "home")
    monkeypatch.setattr(session, "workbench", lambda: bench)
    return bench


def open_page(**address: str) -> AppTest:
    app = visit("write_paper", address)
    assert not app.exception
    return app


def text_of(app: AppTest) -> str:
    every = [*app.get("html"), *app.markdown, *app.caption, *app.code, *app.error, *app.success]
    return "\n".join(str(getattr(element, "value", "") or getattr(element.proto, "body", "")) for element in every)


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


@pytest.mark.slow
def test_a_paper_is_begun_and_a_number_taken_into_it(bench):
    base, better, _ = three_trials(bench)
    app = open_page()
    next(field for field in app.text_input if field.label == "Title of a new paper").set_value("On fusion")
    press(app, "Create")
    assert papers.load(bench, "on-fusion").title == "On fusion"
    app = open_page(paper="on-fusion", paper_view="Add")
    app.segmented_control(key="item_kind").set_value("number").run()
    for label, value in [
        ("Name", "gain"), ("Command", f"compare {base} {better} --metric mrr"), ("Field of the result", "difference"),
    ]:  # fmt: skip
        next(field for field in app.text_input if field.label == label).set_value(value)
    press(app, "Add")
    assert papers.load(bench, "on-fusion").item("gain").trials == (base, better)
    fields = {field.label: field for field in app.text_input}
    assert not fields["Name"].value and not fields["Command"].value, "what was added leaves an empty form behind"
    fields["Command"].set_value("rebuild")
    press(app, "Add")
    assert "cannot be computed by" in text_of(app)
    assert next(field for field in app.text_input if field.label == "Command").value == "rebuild"


def test_an_empty_paper_leads_to_where_items_are_added(bench):
    papers.create(bench, "On fusion")
    app = press(open_page(paper="on-fusion"), "Add an item")
    assert app.session_state["paper_view"] == "Add" and "Command" in {field.label for field in app.text_input}


@pytest.mark.slow
def test_items_are_shown_moved_captioned_checked_and_removed(bench):
    trials = small_paper(bench)
    papers.add_chart(
        bench,
        "small",
        "curve",
        CHART,
        [{"k": 1}],
        "python -m core curve --grid fusion.weight=0:1:0.5\npython -m core trials",
        "A curve",
    )
    app = open_page(paper="small")
    told = text_of(app)
    assert "resGain" in told and "trials table" in told and "<script>alert" not in told
    app.button(key="up/curve").click().run()
    assert [item.name for item in papers.load(bench, "small").items][-2:] == ["curve", "recall-10"]
    app.button(key="down/curve").click().run()
    assert papers.load(bench, "small").items[-1].name == "curve" and app.button(key="down/curve").disabled
    app.text_area(key="caption/small/gain").set_value("What fusion gains").run()
    assert papers.load(bench, "small").item("gain").caption == "What fusion gains"
    press(app, "Check every item")
    assert "4 of 5 hold. 1 could not be checked." in [warning.value for warning in app.warning]
    bench.describe(trials[0], name="Another name")
    press(app, "Check every item")
    assert "1 of 5 do not hold" in text_of(app)


@pytest.mark.slow
def test_what_was_removed_is_brought_back_with_what_it_showed(bench):
    small_paper(bench)
    before, showed = papers.load(bench, "small"), papers.taken(bench, "small", "gain")
    app = open_page(paper="small")
    app.button(key="remove/gain").click().run()
    assert not app.exception and "gain" not in [item.name for item in papers.load(bench, "small").items]
    assert "gain was removed." in text_of(app)
    keys = [button.key for button in app.button]
    assert keys.index("remove/main") < keys.index("paper_undo") < keys.index("up/gain-p"), "where it stood"
    press(app, "Undo")
    assert papers.load(bench, "small") == before and papers.taken(bench, "small", "gain") == showed
    assert "was removed" not in text_of(app)


@pytest.mark.slow
def test_the_page_opens_on_its_items_for_who_comes_back(bench):
    small_paper(bench)
    app = open_page(paper="small", paper_view="Add")
    assert any(box.label == "Command" for box in app.text_input)
    for page in ("compare_trials", "write_paper"):
        app.switch_page(f"../pages/{page}.py")
        app.query_params.clear()
        app.run()
        assert not app.exception
    assert any(button.label == "Check every item" for button in app.button)


def test_long_names_leave_a_drawn_figure_room_and_its_title_whole():
    name = "Hybrid convex, k1 2.25, b 0.35, rm3, candidates 60, 4 more"
    title = f"Difference from {name}, 95% interval"
    drawing = {"data": [], "layout": {"xaxis": {"title": {"text": title}}, "yaxis": {"ticktext": [name, "BM25", name]}}}
    layout = items.wrapped(drawing)["layout"]
    shown, axis = layout["yaxis"]["ticktext"], layout["xaxis"]["title"]["text"]
    assert max(len(line) for text in (*shown, axis) for line in text.split("<br>")) <= items.TITLE
    assert [text.replace("<br>", " ") for text in (*shown, axis)] == [name, "BM25", name, title]
    assert drawing["layout"]["yaxis"]["ticktext"] == [name, "BM25", name], "in print they stand as there is room"


def test_the_paper_that_was_changed_last_is_chosen(bench):
    for name in ("zwei", "eins"):
        papers.create(bench, name)
    papers.change(bench, "zwei", authors="Nobody")
    assert open_page().selectbox(key="paper").value == "zwei"
    told = [warning.value for warning in open_page(paper="drei").warning]
    assert told == ["The address asks for the paper “drei”, which is not here. Below stands the one that was changed last."]
    assert not open_page(paper="eins").warning


@pytest.mark.slow
def test_the_bundle_is_made_by_a_job(bench, monkeypatch):
    small_paper(bench)
    jobs = []
    monkeypatch.setattr(type(bench.jobs), "start", lambda self, arguments, label, *_: jobs.append(list(arguments)))
    press(open_page(paper="small", paper_view="Bundle"), "Make the bundle")
    assert jobs == [["export", "small", "--out", str(bench.home / "bundles/small.zip")]]

    def blue() -> list[str]:
        app = open_page(paper="small", paper_view="Bundle")
        presses = {each.proto.label: each.proto.type for each in (*app.button, *app.get("download_button"))}
        return [label for label in ("Make the bundle", "Download the last one") if presses.get(label) == "primary"]

    assert blue() == ["Make the bundle"]
    drain(bundles.export(bench, "small", bench.home / "bundles/small.zip"))
    assert blue() == ["Download the last one"], "what comes next"
    monkeypatch.setattr(typesetting.shutil, "which", lambda name: "/usr/bin/pdflatex")
    press(open_page(paper="small", paper_view="Bundle"), "Make the PDF")
    place = str(bench.home / "bundles/small")
    assert jobs[-1] == ["paper-pdf", f"{place}.zip", "--out", f"{place}.pdf"]
    monkeypatch.setattr(typesetting.shutil, "which", lambda name: None)
    app = open_page(paper="small", paper_view="Bundle")
    assert "apt install texlive" in text_of(app) and not any(button.label == "Make the PDF" for button in app.button)
    papers.change(bench, "small", authors="Nobody")
    assert blue() == ["Make the bundle"]


@pytest.mark.slow
def test_what_was_sent_is_verified_by_a_job_that_keeps_what_it_says(bench, tmp_path):
    from core.cli.frame import VERBS

    small_paper(bench)
    drain(bundles.export(bench, "small", tmp_path / "a.zip"))
    path = bundles.receive(bench, (tmp_path / "a.zip").read_bytes())
    assert path == bundles.receive(bench, (tmp_path / "a.zip").read_bytes())
    [verb] = [verb for verb in VERBS.values() if verb.key == "verify-paper"]
    rows = drain(verification.verify(Path(path)))
    assert verb.job_keeps(rows)[0] == [rows[0].what, True, "as in the manifest"]


@pytest.mark.slow
def test_ticked_trials_make_a_table_without_anybody_typing_an_id(bench):
    base, better, _ = three_trials(bench)
    papers.create(bench, "On fusion")
    app = open_page(paper="on-fusion", paper_view="Add")
    assert not any(box.label == "Trials" for box in app.selectbox), "nothing is ticked, and there is no study"
    app.session_state["chosen"] = [base, better]
    press(app.run(), "Add")
    item = papers.load(bench, "on-fusion").item("main")
    assert next(field for field in app.text_input if field.label == "Name").value == "main-2", "no item is replaced unsaid"
    assert item.kind == "table" and item.trials == (base, better)
    app.segmented_control(key="item_kind").set_value("number").run()
    press(app, "Add")
    assert papers.load(bench, "on-fusion").item("gain").command[:4] == ("trials", "compare", base, better)


@pytest.mark.slow
def test_hostile_words_are_text_on_the_page_and_too_many_are_refused_there(bench):
    small_paper(bench)
    app = open_page(paper="small")
    for kind in ("long", "html"):
        text = TEXTS[kind]
        app.text_input(key="title/small").set_value(text).run()
        app.text_area(key="caption/small/gain").set_value(text).run()
        assert not app.exception, kind
        paper = papers.load(bench, "small")
        assert (paper.title == text) == (len(text) <= 500) and (paper.item("gain").caption == text) == (len(text) <= 10_000)
        shown = "".join(element.proto.body for element in app.get("html"))
        assert "owned" not in shown and "onerror" not in shown
    app.text_input(key="title/small").set_value("x" * 10_000).run()
    assert not app.exception and any("500 characters" in error.value for error in app.error)
    assert papers.load(bench, "small").title == TEXTS["html"]


@pytest.mark.slow
def test_a_text_is_put_between_two_items_written_and_read_with_its_number(bench):
    small_paper(bench)
    app = open_page(paper="small")
    app.button(key="text/1").click().run()
    assert not app.exception and [item.kind for item in papers.load(bench, "small").items][:3] == ["table", "text", "number"]
    app.text_area(key="text/small/text").set_value("The gain is **{gain}**. <b>x</b>").run()
    assert "<strong>" not in app.text_area(key="text/small/text").value and "&lt;b&gt;x" in text_of(app)
    assert "The gain is <strong><b>" in text_of(app)
    app.text_area(key="text/small/text").set_value("{nothing}").run()
    assert "nothing" in text_of(app) and papers.load(bench, "small").item("text").text.startswith("The gain")
    app.selectbox(key="place/small/text").select("after").run()
    app.text_area(key="abstract/small").set_value("Gain {gain}").run()
    paper = papers.load(bench, "small")
    assert not app.exception and paper.item("text").place == "after" and paper.abstract == "Gain {gain}"
    app.button(key="remove/text").click().run()
    app.button(key="paper_undo").click().run()
    assert papers.load(bench, "small") == paper
