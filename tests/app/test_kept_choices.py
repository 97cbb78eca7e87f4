"""What was clicked, typed or taken belongs to what it was chosen of: another question, answer or study has its own."""

from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui import cells, jobs
from app.ui.corpus import questions
from core.records import Corpus, Query


@pytest.fixture(autouse=True)
def unpriced(monkeypatch):
    monkeypatch.setattr(jobs, "price", lambda *_: None)


def test_a_click_opens_no_question_of_another_half(monkeypatch):
    clicked, asked = {}, tuple(Query(str(number), f"What is {number}?") for number in range(2))
    bench = SimpleNamespace(corpus_key=lambda corpus: "/".join(query.id for query in corpus.queries))
    monkeypatch.setattr(session, "workbench", lambda: bench)

    def table(*_, key, **__):
        return SimpleNamespace(selection=SimpleNamespace(cells=clicked.setdefault(key, [] if clicked else [(0, "Question")])))

    monkeypatch.setattr(cells, "show", table)
    every, half = (Corpus("toy", (), some) for some in (asked, asked[1:]))
    assert questions.choice(every) == asked[0]
    assert questions.choice(half) is None, "in its place stands another one"
    assert questions.choice(every) == asked[0]


def offered() -> None:
    from types import SimpleNamespace

    import streamlit as st

    from app.ui.answers import likelihood
    from core.config import TrialConfig

    likelihood.draw("When?", TrialConfig(), SimpleNamespace(text=st.session_state["said"]), None)


def test_each_answer_without_a_reference_is_offered_its_own_words():
    app = AppTest.from_function(offered, default_timeout=300)
    for said in ("at five", "at six"):
        app.session_state["said"] = said
        app.run()
        assert not app.exception and [box.value for box in app.text_area] == [said]
    app.text_area[0].set_value("at seven").run()
    assert app.text_area[0].value == "at seven", "what is typed stays"


def planned() -> None:
    from types import SimpleNamespace
    from unittest.mock import patch

    import streamlit as st

    from app.ui.studies import power

    name, share = st.session_state["of"]
    study = SimpleNamespace(id=name, items=(), kind="rating", per_item=2, test="", ask=())
    pilot = SimpleNamespace(values={"rate": {"rate": share, "alpha": 0.5}}, why={"rate": f"the pilot of {name}"})
    pilots = {"from_pilot": lambda *_: pilot, "latest": SimpleNamespace(labels=lambda *_: ["a label"])}
    with patch.multiple(power, session=SimpleNamespace(workbench=lambda: None), power_curves=lambda *_: None, **pilots):
        power.draw(SimpleNamespace(study=study, frozen=SimpleNamespace(study=study), fixed=True))


def test_what_was_taken_from_a_pilot_is_not_told_of_another_study():
    app = AppTest.from_function(planned, default_timeout=300)
    for name, share in (("first", 0.7), ("second", 0.9), ("first", 0.7)):
        app.session_state["of"] = name, share
        app.run()
        told = " ".join(caption.value for caption in app.caption)
        [box] = [box for box in app.number_input if box.label == "Expected share"]
        assert not app.exception and f"From the pilot of {name}" in told and box.value == share


def limits() -> None:
    import streamlit as st

    from app.ui.agents import settings

    st.session_state.made = settings.limits(settings.USUAL)


def test_the_limits_of_an_agent_stand_in_the_address():
    app = AppTest.from_function(limits, default_timeout=300)
    app.query_params["agent_usd"], app.query_params["agent_seconds"], app.query_params["agent_writes"] = "0.5", "0", "[1]"
    assert not app.run().exception
    made = app.session_state["made"]
    assert (made["answering.usd"], made["answering.seconds"], made["answering.tokens"]) == (0.5, 0, 20_000)
    assert app.expander[0].label == "**Limits** 20,000 tokens, 0.5 USD"
    assert not app.query_params.get("agent_writes"), "what it cannot mean is left out"
    app.number_input(key="agent_tokens").set_value(5000).run()
    assert app.expander[0].label == "**Limits** 5,000 tokens, 0.5 USD" and app.session_state["made"]["answering.tokens"] == 5000
