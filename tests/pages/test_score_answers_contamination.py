"""The view Contamination of Score answers: the job with what is still to do, then gaps, questions, and a file of rephrasings."""

import json
import re
from types import SimpleNamespace

import pytest
import streamlit as st

from core.labs.answers import contamination as lab
from core.progress import drain
from tests.labs.answers.test_contamination import KNOWN, QUESTIONS, reader, template  # noqa: F401
from tests.pages.test_score_answers import answers_table, by_key, html, open_page, start
from tests.support.failing import recipe
from tests.support.prices import prices

VIEW = {"view": "Contamination", "probed": "10"}


@pytest.mark.slow
def test_the_job_is_offered_and_gaps_questions_and_answers_are_shown(bench, reader, started, shown_commands):  # noqa: F811
    app = start(**VIEW)
    assert any(re.match(r"(In all .*: )?10 rephrasings, ", told) for told in prices(app))
    next(button for button in app.button if button.label == "Test for contamination").click().run()
    assert started == [["contamination", "--ask", "10", *bench.arguments(recipe())]]
    made = drain(lab.probe_contamination(bench, recipe(), 10))
    asked = len(reader.prompts)
    app = start(**VIEW)
    assert "Possibly memorised" in html(app) and "0.400" in html(app) and len(reader.prompts) == asked
    captions = " ".join(each.value for each in app.caption)
    assert (
        "4 of 10 questions are answered right without any passage" in captions and "written by the model under test" in captions
    )
    table = answers_table(app)
    assert table["Memorised?"] == [True] * 4 + [False] * 6 and len(table["In other words"]) == 10
    gaps = next(frame.value for frame in app.dataframe if "Gap" in frame.value.columns)
    assert gaps["Gap"].tolist() == [row["gap"] for row in lab.gap_rows(made)]
    assert any("contamination --ask 10" in command for command in shown_commands)
    app = start(**VIEW, rephrased=KNOWN[0])
    assert f"market of {KNOWN[0]} open?" in html(app) and "I like markets." in html(app)


@pytest.mark.slow
def test_a_file_of_rephrasings_takes_the_model_s_place_and_a_broken_one_is_told(bench, reader, started, monkeypatch):  # noqa: F811
    sent = "\n".join(json.dumps({"id": q["id"], "rephrased": f"The <b>hour</b> of {q['id']}?"}) for q in QUESTIONS).encode()
    files = [None, b"{broken", sent]
    monkeypatch.setattr(st, "file_uploader", lambda *_, **__: files[0] and SimpleNamespace(getvalue=lambda: files[0]))
    app = start(**VIEW)
    by_key(app.segmented_control if hasattr(app, "segmented_control") else app.button_group, "rephrasings").set_value(
        "A file"
    ).run()
    assert any("correct them, and upload them here" in each.value for each in app.caption)
    for wrong in (True, False):
        files.pop(0)
        app.run()
        assert not app.exception
        assert [each.value for each in app.error if "not a rephrasing of a question" in each.value] if wrong else not app.error
    next(button for button in app.button if button.label == "Test for contamination").click().run()
    assert started[0][:4] == ["contamination", "--ask", "10", "--rephrasings"]
    assert open_page(**VIEW).caption
