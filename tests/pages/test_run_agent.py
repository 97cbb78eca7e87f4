"""The page Agents: a run with its steps and a replay, then the comparison; the model is played by a script."""

import pytest

from app.ui import jobs
from app.ui.agents.replays import outcome
from core.errors import WorkbenchError
from core.labs.agents import attacking, mattering, repeating, settling
from core.labs.agents import comparing as lab
from core.memory.store import memory_of
from core.memory.tools import AgentMemory
from core.progress import drain
from tests.labs.agents.test_comparing import answer, template  # noqa: F401
from tests.labs.agents.test_mattering import reads
from tests.pages.test_score_answers import by_key
from tests.support.failing import RECIPE, recipe
from tests.support.prices import prices
from tests.support.screen import html
from tests.support.scripted_agent import call, play

AGENT = {"answering.part": "react"}
DONE = call("finish", answer="opens at five")
LUND = "When does the market of Lund open?"


def open_page(**address: object):
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(Path(__file__).parents[2] / "app" / "main.py", default_timeout=120)
    for key, value in {**RECIPE, **address}.items():
        app.query_params[key] = str(value)
    app.switch_page("../pages/run_agent.py").run()
    assert not app.exception and not app.error, [each.value for each in (*app.exception, *app.error)]
    return app


def ask(app, question: str):
    app.text_input(key="question").set_value(question)
    next(button for button in app.button if button.label == "Ask").click().run()
    assert not app.exception and not app.error, [each.value for each in (*app.exception, *app.error)]
    return app


@pytest.mark.parametrize(
    ("replayed", "told"),
    [
        ("ValueError [3]", "the same answer"),
        ("ValueError", "the same answer, written or cited otherwise"),
        ("KeyError [3]", "another answer"),
    ],
)
def test_a_citation_that_is_lost_makes_no_other_answer(replayed, told):
    assert outcome("ValueError [3]", replayed) == told


@pytest.mark.slow
def test_a_run_shows_its_steps_and_is_replayed_from_an_edited_one(bench, monkeypatch, shown_commands):
    play(monkeypatch, answer)
    app = ask(open_page(), LUND)
    shown = html(app)
    assert "1. search_corpus" in shown and "(see above)" in shown and "2. finish" in shown
    assert any("the run ended: answered" in each.value for each in app.caption)
    play(monkeypatch, lambda messages, schema: call("finish", answer="at ten"))
    app.session_state["agent_tab"] = "Replay"
    app.run()
    by_key(app.selectbox, "replayed_step")
    next(area for area in app.text_area if area.key.startswith("replayed/")).set_value("[1] It opens at ten.").run()
    by_key(app.button, "replay_now").click().run()
    assert not app.exception and any(each.value == "at ten" for each in app.text)
    assert "another answer" in html(app) and any("agents replay" in command for command in shown_commands)


@pytest.mark.slow
def test_the_price_below_the_box_is_that_of_the_run_just_made(bench, monkeypatch):
    play(monkeypatch, answer)
    monkeypatch.setattr(jobs, "AT_ONCE_S", 0.0)
    app = open_page()
    assert "not measured here yet" in prices(app)[0]
    assert "by earlier runs" in prices(ask(app, LUND))[0]


@pytest.mark.slow
def test_a_call_that_was_interrupted_is_asked_about_and_made_only_when_a_person_says_so(bench, monkeypatch):
    fact = {"subject": "Lund", "attribute": "market", "value": "opens at five", "derived_from": []}
    play(
        monkeypatch,
        lambda messages, schema: DONE if messages[-1]["content"].startswith("Result") else call("write_memory", **fact),
    )
    settings = AGENT | {"answering.tools": ["write_memory"], "answering.passages_first": False}
    config, write = recipe(**settings), AgentMemory.write

    def killed(self, fields, trusted):
        raise KeyboardInterrupt

    monkeypatch.setattr(AgentMemory, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        drain(bench.ask(config, LUND))
    monkeypatch.setattr(AgentMemory, "write", write)
    made = drain(bench.ask(config, LUND))
    assert "It is not known" in made.detail["steps"][0]["result"] and "agents settle" in made.notes[0]
    app = open_page()
    assert "opens at five" in app.warning[0].value
    next(button for button in app.button if button.label == "It was not").click().run()
    assert not app.warning and [row["state"] for row in settling.effects(bench)] == ["not done"]
    again = drain(bench.ask(config, LUND))
    assert again.detail["steps"][0]["result"].startswith("new: ") and len(memory_of(bench).facts()) == 1
    drain(bench.ask(config, LUND))
    assert [row["state"] for row in settling.effects(bench)].count("done") == 2, "asked after its end it is another run"
    with pytest.raises(WorkbenchError, match="no such call"):
        settling.settle(bench, "x", True)


@pytest.mark.slow
def test_tools_and_limits_are_the_agents_own(bench, monkeypatch):
    scripted = play(monkeypatch, answer)
    app = open_page(agent_steps=1)
    by_key(app.multiselect, "agent_tools").set_value(["calculator"]).run()
    ask(app, LUND)
    assert "calculator(expression)" in scripted.asked[0][0][0]["content"] and "search_corpus" not in scripted.asked[0][1]
    off = open_page()
    assert [each.label for each in off.expander if "Limits" in each.label] == ["**Limits** 20,000 tokens, 1:30 min"]
    by_key(off.number_input, "agent_seconds").set_value(0).run()
    by_key(off.number_input, "agent_usd").set_value(0.05).run()
    assert [each.label for each in off.expander if "Limits" in each.label] == ["**Limits** 20,000 tokens, 0.05 USD"]
    by_key(off.multiselect, "agent_tools").set_value([]).run()
    assert not off.exception
    assert by_key(open_page(**AGENT, **{"answering.steps": 30}).slider, "agent_steps").value == 30, "the recipe's, not cut to 20"


@pytest.mark.slow
def test_the_comparison_is_a_job_and_its_table_stands_beside_what_it_takes(bench, monkeypatch, started, shown_commands):
    play(monkeypatch, answer)
    app = open_page(agents_view="Compare", agent_count=4)
    next(button for button in app.button if button.label == "Compare").click().run()
    [words] = started
    assert words[:6] == ["agents", "compare", "--ask", "4", "--ways", "ircot,react"]
    made = drain(lab.compare_agents(bench, recipe(**AGENT), lab.AgentPlan(4)))
    app = open_page(agents_view="Compare", agent_count=4)
    assert not [button for button in app.button if button.label == "Compare"]
    table = next(frame.value for frame in app.dataframe if "Arm" in frame.value.columns)
    assert table["Arm"].tolist() == [row["arm"] for row in lab.rows(made)] and set(table["n"]) == {4}
    assert any("agents compare --ask 4" in command for command in shown_commands)
    by_key(app.selectbox, "agents_by").set_value("em").run()
    assert not app.exception


@pytest.mark.slow
def test_attacks_steps_and_repeats_are_tabs_with_their_jobs_and_their_tables(bench, monkeypatch, started, shown_commands):
    play(monkeypatch, reads)
    config = recipe(**AGENT)
    address = {"agents_view": "Compare", "attack_count": 3, "step_count": 3, "repeat_count": 3}
    labels = {"Attacks": ["Attack"], "Steps": ["Replace the observation", "Ask for answers early"], "Repeats": ["Repeat"]}
    for tab, expected in labels.items():
        for label in expected:
            app = open_page(**address, agents_compare=tab)
            next(button for button in app.button if button.label == label).click().run()
    assert [words[1] for words in started] == ["attack", "observe", "searches", "repeat"]
    drain(attacking.attack_agents(bench, config, attacking.AttackPlan(3)))
    drain(mattering.replace_observation(bench, config, mattering.ObservationPlan(3)))
    drain(mattering.answer_early(bench, config, mattering.SearchPlan(3)))
    drain(repeating.repeat_agents(bench, config, repeating.RepeatedPlan(3)))
    for tab, column in {"Attacks": "Asked to write", "Steps": "Other answer", "Repeats": "pass^k"}.items():
        app = open_page(**address, agents_compare=tab)
        assert any(column in frame.value.columns for frame in app.dataframe), tab
        assert not [button for button in app.button if button.label in labels[tab]]
