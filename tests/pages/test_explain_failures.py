"""The page Explain failures: retrieval's losses at once, answers once they are asked, and what opens from a band."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui import charts
from app.ui.failures import questions
from core.labs.failures import rungs
from core.progress import drain
from tests.support.failing import QUESTIONS, RECIPE, TEXTS, prepared, recipe
from tests.support.prices import prices
from tests.support.screen import html, visit
from tests.support.small_corpora import with_towns

template = prepared


def start(**address: str) -> AppTest:
    app = visit("explain_failures", {**RECIPE, **address})
    assert not app.exception and not app.error
    return app


def table(app: AppTest) -> dict[str, list]:
    """Of questions, which is drawn last."""
    return app.dataframe[-1].value.to_dict("list")


@pytest.mark.slow
def test_retrieval_is_told_at_once_and_answers_are_asked_by_a_job(bench, reader, started):
    app = start()
    assert len(table(app)["Question"]) == len(QUESTIONS) and not reader.prompts
    losses = ["Cut by the chunker", "Not in the corpus", "Not retrieved", "Ranked too low"]
    assert sorted(set(table(app)["Outcome"])) == [*losses, "Within the passages"]
    [number] = [box for box in app.number_input if box.key == "ask"]
    assert number.value == number.max == len(QUESTIONS)
    number.set_value(5).run()
    [button] = [button for button in app.button if button.label == "Ask: 5 questions"]
    assert any(told.endswith("not measured here yet") and " answers, roughly " in told for told in prices(app))
    conditions = "up to five conditions (closed book, retrieved, reranked, gold evidence alone, gold among distractors)"
    each = f"Each question is asked under {conditions}; identical prompts share an answer, so 2 to 4 answers each."
    assert any(text.value == each for text in app.caption), [text.value for text in app.caption]
    button.click().run()
    assert started == [["failures", "--ask", "5", *bench.arguments(recipe())]]


def drawn(app: AppTest) -> dict:
    return json.loads(app.get("plotly_chart")[0].proto.spec)


def bars(app: AppTest) -> list[dict]:
    return [trace for trace in drawn(app)["data"] if trace["type"] == "bar"]


@pytest.mark.slow
def test_losses_alone_are_in_the_colour_of_the_recipe_and_each_bar_tells_count_and_share(bench):
    app = start()
    lost, rest, told = bars(app)
    filled = {name: value is not None for name, value in zip(lost["y"], lost["x"], strict=True)}
    assert filled == {name: name not in ("Not in the corpus", "Within the passages") for name in filled} and len(filled) == 5
    assert max(drawn(app)["layout"]["xaxis"]["tickvals"]) == 100, "no share is above it"
    assert [value is None for value in rest["x"]] == [value is not None for value in lost["x"]]
    assert (lost["marker"]["color"], rest["marker"]["color"]) == (
        charts.faint(charts.COLORS[0], 0.7),
        charts.faint(charts.BASELINE, 0.7),
    )
    counts = [int(text.split(" (")[0]) for text in told["text"]]
    assert sum(counts) == len(QUESTIONS) and told["text"][0] == "2 (25%)" and told["textposition"] == "outside"
    assert lost["error_x"]["color"] == rest["error_x"]["color"] == charts.INK != charts.DARK[charts.INK]


@pytest.mark.slow
def test_a_band_opens_its_questions_and_a_question_its_rungs(bench, reader, shown_commands):
    drain(rungs.climb(bench, recipe(), len(QUESTIONS)))
    app = start()
    assert not app.exception and "Gold among distractors" in html(app)
    assert any("--ask 8 --stored" in command for command in shown_commands)
    app.selectbox(key="band").set_value("unused").run()
    assert table(app)["Question"] == ["When does the market of Pisa open?"] and table(app)["Gold"] == ["wrong"]
    app = start(band="misjudged", chosen="misjudged")
    assert "The grade of Kiel is A." in html(app)
    assert any("Gold answer: A" in text.value for text in app.text)
    assert sum("wrong" in text.value for text in app.markdown) == 5


@pytest.mark.slow
def test_an_opened_question_tells_its_rank_and_leads_on(bench, reader):
    app = start(chosen="low")
    [told] = [text.value for text in app.text if text.value.startswith("Ranked too low")]
    rank = int(table(app)["Rank"][[question["id"] for question in QUESTIONS].index("low")])
    assert rank > 2 and f"at rank {rank}; the context takes 2." in told and f"rank {rank}<" in html(app)
    assert {"Change its search", "Ask it"} <= {link.proto.label for link in app.get("page_link")}


@pytest.mark.slow
def test_evidence_far_behind_the_listed_passages_is_shown(bench, reader, monkeypatch):
    monkeypatch.setattr(questions, "LISTED", 1)
    drawn = html(start(chosen="low", **{"context.passages": 1}))
    assert "is nine" in drawn and drawn.count(">rank ") == 2


@pytest.mark.slow
def test_beside_the_baseline_it_says_which_questions_moved(bench, reader, shown_commands):
    address = {"baseline.fusion.part": "sparse_only", "baseline.chunking.part": "fixed", "baseline.chunking.size_tokens": "254"}
    app = start(**address, **{"baseline.context.passages": "2"})
    sides = bars(app)
    assert [trace["offsetgroup"] for trace in sides] == ["This recipe"] * 3 + ["Baseline"] * 3
    assert [trace["name"] for trace in sides if trace["showlegend"]] == ["This recipe", "Baseline"]
    assert len({trace["marker"]["color"] for trace in sides if "color" in trace["marker"]}) == 4
    [told] = [text.value for text in app.markdown if "end differently" in text.value]
    assert told.startswith("**1 of 8 questions") and any("--against chunking.size_tokens=254" in each for each in shown_commands)
    app.toggle(key="changed_only").set_value(True).run()
    assert (table(app)["Was"], table(app)["Outcome"]) == (["Within the passages"], ["Cut by the chunker"])


@pytest.mark.slow
def test_a_model_that_is_not_there_leaves_retrieval_standing(bench, monkeypatch):
    app = visit("explain_failures", {**RECIPE, "generation.model": "/nowhere.gguf"})
    assert not app.exception and any("The model file is not there" in error.value for error in app.error)
    assert len(table(app)["Question"]) == len(QUESTIONS)


@pytest.mark.slow
def test_without_questions_it_says_so(bench):
    app = start(**{"corpus.dataset": "silent"})
    assert any("no questions, so none can fail" in info.value for info in app.info)


@pytest.mark.slow
def test_questions_with_several_pieces_of_evidence_are_looked_at_either_way(tmp_path, monkeypatch, shown_commands):
    rows = [
        {"id": "both", "question": "When does the market of Pisa open, and how often?", "document": document, "answer": answer}
        for document, answer in (("Pisa.txt", "at seven"), ("Bari.txt", "ring twice"))
    ]
    bench = with_towns(tmp_path, TEXTS, rows)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    app = start()
    [pieces] = [frame.value for frame in app.dataframe if "Some within" in frame.value.columns]
    assert pieces["Pieces"].tolist() == ["2"] and pieces["Some within"].tolist() == [1]
    assert table(app)["Outcome"] == ["Within the passages"]
    app = start(evidence="All pieces are needed")
    assert table(app)["Outcome"] == ["Not retrieved"] and any("--evidence all" in command for command in shown_commands)


@pytest.mark.slow
def test_without_several_pieces_there_is_no_such_choice(bench):
    assert not [each for each in start().get("button_group") if "pieces" in each.proto.label]
