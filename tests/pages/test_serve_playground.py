"""Serve, Traces: two traces stage by stage, and the playground, where a stored request is answered again."""

import pytest
from streamlit.testing.v1 import AppTest

from core.__main__ import parse
from core.progress import drain
from core.serving import stored_spans
from core.serving.rerun import rerun, reruns
from core.serving.rerun_plan import RerunChange, planned
from tests.pages.test_serve_recipe import checked, words
from tests.serving.test_rerun import TEMPLATE, asked, traces  # noqa: F401, a fixture
from tests.support import served
from tests.support.requests import request, span
from tests.support.screen import visit

template, serve = served.template, served.serve


def opened(trace: str) -> AppTest:
    return checked(visit("serve_recipe", {"serve_view": "Traces", "trace": trace}, playground=True))


@pytest.fixture
def started(bench, monkeypatch):
    """The commands of the jobs that the page starts; each is carried out at once."""
    commands = []

    def start(self, arguments, label, *_):
        commands.append(arguments)
        drain(parse(arguments).work(bench))
        return "job"

    monkeypatch.setattr(type(bench.jobs), "start", start)
    return commands


def test_two_traces_stand_beside_each_other(bench, reader, traces):  # noqa: F811
    app = opened(traces[0])
    app.selectbox(key=f"beside/{traces[0]}").set_value(traces[1]).run()
    checked(app)
    table = next(each.value for each in app.dataframe if "Other minus this (ms)" in each.value)
    assert {"whole", "/answer > search", "/answer > write"} <= set(table["Stage"])


def test_a_changed_prompt_has_its_price_its_differences_and_its_verdict(bench, reader, traces, started, monkeypatch):  # noqa: F811
    monkeypatch.setattr("app.ui.jobs.AT_ONCE_S", -1.0)  # a played model answers at once, which needs no price
    app = opened(traces[0])
    assert any(asked("Lund") in each.value for each in app.code)  # the prompt as it was sent
    assert "Change the prompt or a setting" in words(app) and not any(each.label == "Answer again" for each in app.button)
    app.text_area(key=f"rerun_template/{traces[0]}").set_value(TEMPLATE).run()
    checked(app)
    assert "4 answers" in words(app) and "4 traces that asked different things; one seed" in words(app)
    next(button for button in app.button if button.label == "Answer again").click().run()
    checked(app)
    assert started[0][:5] == ["serving", "rerun", traces[0], "--latest", "20"]
    assert reruns(bench)[0].change.settings == {"context.template": TEMPLATE}
    assert "The change leaves all 4 answers as they were." in " ".join(each.value for each in app.markdown)
    table = next(each.value for each in app.dataframe if "Needs traces" in each.value)
    assert {"Token F1", "Faithfulness", "Words"} <= set(table["Measure"])


def test_answers_that_changed_stand_side_by_side(bench, reader, traces):  # noqa: F811
    drain(rerun(bench, planned(bench, traces, RerunChange({"context.passage": "Told: $text"}))))
    app = opened(traces[0])
    table = next(each.value for each in app.dataframe if list(each.value.columns) == ["Question", "Before", "After"])
    assert set(table["Question"]) == {asked(town) for town in ("Lund", "Gent", "Kiel")}  # the model never answers of Pisa
    assert all(after == f"Told: {before}" for before, after in zip(table["Before"], table["After"], strict=True))
    assert "<ins" in words(app)


def test_a_setting_is_changed_by_its_own_widget(bench, reader, traces, started):  # noqa: F811
    app = opened(traces[0])
    app.multiselect(key=f"rerun_settings/{traces[0]}").set_value(["generation.temperature"]).run()
    checked(app)
    assert "Change the prompt or a setting" in words(app)  # it says what the recipe says
    next(each for each in app.slider if each.key.endswith("generation.temperature")).set_value(0.5).run()
    checked(app)
    next(button for button in app.button if button.label == "Answer again").click().run()
    checked(app)
    assert started[0][-2:] == ["--set", "generation.temperature=0.5"] and reruns(bench)[0].seeds == 3
    app.segmented_control(key=f"rerun_seed/{reruns(bench)[0].id}").set_value("3").run()
    checked(app)


def test_a_prompt_of_another_program_takes_another_system_message(bench, reader, started):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Question: Lund?\nLund is old."}]
    prompt = span(1, 1, 0, "chat", 0, 1, "model", messages=messages, output="It is old.")
    stored_spans.to_journal(bench.home, "shop")([prompt], 0)
    app = opened(prompt.trace)
    app.text_area(key=f"rerun_system/{prompt.trace}").set_value("Say more.").run()
    checked(app)
    next(button for button in app.button if button.label == "Answer again").click().run()
    checked(app)
    assert "--system=Say more." in started[0] and reruns(bench)[0].change.system == "Say more."
    assert "It is old." in [each.value for each in app.text]


def test_a_trace_without_a_prompt_says_why_it_cannot_be_run_again(bench):
    stored_spans.to_journal(bench.home, "x")(request(1), 0)
    assert "It holds neither its passages nor the messages of its prompt." in words(opened(f"{1:032x}"))
