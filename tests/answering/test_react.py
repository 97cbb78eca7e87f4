"""The agent: calls, results, ends, and a run resumed from an edited step; on an engine that says what a script tells it."""

import json
import sys
import time
from typing import Any

import pytest

from core.agents import crewai, runs
from core.agents.runs import ENDS, AgentLimits, AgentStep
from core.answering.ircot import Ircot
from core.answering.protocol import Material
from core.answering.react import React
from core.answering.react_crewai import ReactCrewAI
from core.answering.react_langgraph import ReactLangGraph
from core.config import ContextConfig
from core.errors import PromptTooLong, WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.structured import grammar, problem
from core.models.adapters import SHIPPED
from core.progress import Running
from core.records import Answer, Hit, Progress, plain
from tests.support.broken.answers import Echo
from tests.support.crewai_there import crewai_or_skip
from tests.support.scripted_agent import ScriptedAgent, call
from tests.support.scripted_engine import ScriptedEngine, WornEngine


def hit(name: str, text: str) -> Hit:
    return Hit(1, 1.0, name, name, 0, len(text), text)


FIRST, SECOND = hit("Ulm", "Ulm stands on the Danube."), hit("Danube", "The Danube ends in Romania.")
SEARCH = call("search_corpus", query="Where does the Danube end?", k=1)
DONE = call("finish", answer="Romania [2]")


def run(script: Any, way: React | Ircot | None = None, **others: Any) -> tuple[Answer, ScriptedAgent]:
    scripted = ScriptedAgent(script)
    fields = {
        "question": "Where does the river of Ulm end?", "hits": [FIRST], "generator": ScriptedEngine.playing(scripted),
        "context": ContextConfig(), "until": time.perf_counter() + 600, "search": lambda text: [SECOND], **others,
    }  # fmt: skip
    steps = list(running := Running((way or React()).write(Material(**fields))))
    assert "".join(step for step in steps if not isinstance(step, Progress)) == running.result.text
    return running.result, scripted


def test_it_calls_reads_and_answers_and_each_step_is_recorded():
    made, scripted = run([SEARCH, call("calculator", expression="6 * 7"), DONE])
    assert made.text == "Romania [2]" and made.cited == (2,) and made.finish_reason == "stop" and made.detail["end"] == "answered"
    assert [each.document_id for each in made.hits] == ["Ulm", "Danube"] and made.detail["first"] == 1
    steps = runs.read_steps(json.loads(json.dumps(plain(made.detail)))["steps"])
    assert [step.tool for step in steps] == ["search_corpus", "calculator", "finish"] and steps[1].result == "42"
    assert steps[0].result == "[2] Danube: The Danube ends in Romania." and steps[0].passages == (2,)
    assert (
        (steps[0].prompt_tokens, steps[0].answer_tokens) == (100, 10) and made.prompt_tokens == 300 and made.detail["calls"] == 3
    )
    (opening, *_), schema = scripted.asked[0]
    assert "[1] Ulm: Ulm stands on the Danube." in opening["content"] and "run_python" not in opening["content"]
    last = scripted.asked[2][0]
    assert [message["role"] for message in last] == ["user", "assistant", "user", "assistant", "user"]
    assert last[-1]["content"] == "Result: 42" and json.loads(last[1]["content"])["call"]["tool"] == "search_corpus"
    assert not problem(SEARCH, schema) and problem(call("rm", query="x", k=1), schema) and problem(call("finish"), schema)
    assert grammar(schema).longest < 900


def test_it_may_have_to_search_first():
    made, scripted = run([SEARCH, DONE], React(passages_first=False))
    assert "Passages" not in scripted.asked[0][0][0]["content"] and made.hits == (SECOND,) and made.detail["first"] == 0


@pytest.mark.parametrize(("script", "way", "end", "texts"), [
    ([call("finish", answer="I don't know, sorry.")], {}, "gave_up", 1),
    (lambda chat, schema: call("search_corpus", query=f"q{len(chat)}", k=1) if "search" in schema else DONE, {"steps": 3}, "steps", 4),
    (lambda chat, schema: call("search_corpus", query=f"q{len(chat)}", k=1) if "search" in schema else DONE, {"tokens": 500}, "tokens", 4),
    (lambda chat, schema: SEARCH if "search" in schema else DONE, {}, "same_call", 3),
    (lambda chat, schema: call("calculator", expression=f"x{len(chat)}") if "calc" in schema else DONE, {}, "tool_failure", 4),
])  # fmt: skip
def test_every_run_ends_in_one_of_a_closed_list_with_an_answer(script, way, end, texts):
    made, scripted = run(script, React(**way))
    assert made.detail["end"] == end and end in ENDS and len(scripted.asked) == texts and made.text
    if end == "gave_up":
        assert made.text == "I don't know." and made.finish_reason == "stop"
    else:
        assert made.finish_reason == "length" and ENDS[end] in made.notes[-1]
        assert '"search_corpus"' not in scripted.asked[-1][1] and "No more calls" in scripted.asked[-1][0][-1]["content"]


@pytest.mark.parametrize(("edited", "found", "last", "text", "cited"), [
    ("", [SECOND], SECOND.text, "Romania [2]", (2,)),
    ("It ends in Ukraine.", [], "It ends in Ukraine.", "Romania", ()),  # what a person wrote is no passage to cite
    ("", [], SECOND.text, "Romania [2]", (2,)),
])  # fmt: skip
def test_a_limited_run_is_answered_over_what_it_read_by_the_adapter_that_its_calls_go_without(edited, found, last, text, cited):
    WornEngine.worn.clear()
    scripted = ScriptedAgent(lambda chat, schema: call("search_corpus", query="more", k=1) if schema else "Romania [2]")
    step = AgentStep("", "search_corpus", {"query": "?", "k": 1}, edited or "[2] Danube: …", (2,), edited=bool(edited))
    ScriptedEngine.playing(scripted)
    tools = {"generator": WornEngine(), "context": ContextConfig(), "search": lambda text: found}
    material = Material("Where does it end?", [FIRST, SECOND], until=time.perf_counter() + 60, **tools)
    list(running := Running(React(steps=2).resumed(material, [step], 1)))
    made, ([prompt], schema) = running.result, scripted.asked[-1]
    assert WornEngine.worn == ["", SHIPPED] and made.detail["end"] == "steps" and made.detail["calls"] == 2 and not schema
    assert f"[1] {FIRST.text}\n\n[2] {last}\n\nQuestion: Where does it end?" in prompt["content"]
    assert (made.text, made.cited, made.finish_reason) == (text, cited, "length")
    assert [each.document_id for each in made.hits] == ["Ulm", "Danube"]


def test_the_run_ends_without_an_answer_where_the_last_prompt_gets_none():
    ScriptedEngine.playing(ScriptedAgent(lambda chat, schema: SEARCH if schema else ""))
    tools = {"generator": WornEngine(), "context": ContextConfig(), "search": lambda text: [SECOND]}
    list(running := Running(React(steps=1).write(Material("Where?", [FIRST], until=time.perf_counter() + 60, **tools))))
    assert running.result.text == "" and running.result.finish_reason.startswith("failed: ")


@pytest.mark.parametrize(("engine", "text", "told"), [
    (WornEngine, "Romania [2]", "length"),
    (ScriptedEngine, "", "failed: The prompt leaves room for 9 tokens, and the longest JSON of the schema has 617 characters."),
])  # fmt: skip
def test_a_run_whose_last_result_fills_the_window_ends_and_no_other_question_does(monkeypatch, engine, text, told):
    def script(chat, schema):
        if any(each["content"].startswith("Result: ") for each in chat):
            raise PromptTooLong("The prompt leaves room for 9 tokens, and the longest JSON of the schema has 617 characters.")
        return SEARCH if schema else "Romania [2]"

    ScriptedEngine.playing(ScriptedAgent(script))
    tools = {"generator": engine(), "context": ContextConfig(), "search": lambda text: [SECOND]}
    list(running := Running(React().write(Material("Where?", [FIRST], until=time.perf_counter() + 60, **tools))))
    made = running.result
    assert (made.detail["end"], made.text, made.finish_reason) == ("tokens", text, told) and len(made.detail["steps"]) > 0


def test_a_model_that_writes_garbage_for_ever_and_no_time_at_all_are_failures_in_words():
    made, scripted = run([""])
    assert made.text == "" and made.finish_reason.startswith("failed: ") and made.detail["end"] == "model_failure"
    assert len(scripted.asked) == 2
    made, _ = run([SEARCH], until=time.perf_counter() - 1)
    assert made.finish_reason == "failed: no answer before the deadline" and made.detail["end"] == "seconds"


def test_limits_of_money_leave_room_for_the_last_text():
    steps = [AgentStep("", "search_corpus", {}, cost_usd=0.1, prompt_tokens=50, answer_tokens=50)]
    assert AgentLimits(10, 0, 0, 0.25).reached(steps, 1.0) == "money" and AgentLimits(10, 0, 0, 0.5).reached(steps, 1.0) == ""
    unknown = [*steps, AgentStep("", "search_corpus", {}, cost_usd=None)]
    assert AgentLimits(10, 0, 0, 9.0).reached(unknown, 1.0) == "money" and AgentLimits(10, 0, 0, 0).reached(unknown, 1.0) == ""
    assert AgentLimits(10, 0, 5, 0).reached(steps, 6.0) == "seconds" and AgentLimits(1, 0, 0, 0).reached(steps, 0.0) == "steps"
    assert AgentLimits(10, 299, 0, 0).reached(steps, 0.0) == "tokens" and AgentLimits(10, 0, 0, 0).reached(steps, 1e9) == ""


def test_texts_without_a_call_count_against_the_limit_of_tokens():
    def script(chat, schema):
        if "search" not in schema:
            return DONE
        return "" if len(scripted.asked) % 2 else call("search_corpus", query=f"q{len(chat)}", k=1)

    scripted = ScriptedAgent(script)
    tools = {"generator": ScriptedEngine.playing(scripted), "context": ContextConfig(), "search": lambda text: [SECOND]}
    material = Material("Where?", [FIRST], until=time.perf_counter() + 60, **tools)
    list(running := Running(React(tokens=1000, steps=50).write(material)))
    made = running.result
    assert made.detail["end"] == "tokens" and made.text and made.prompt_tokens + made.answer_tokens == 990


@pytest.mark.parametrize("said", ["green [Tea]", "green [tea, 1]"])
def test_a_title_that_a_later_passage_shares_still_cites_the_one_that_had_it(said):
    first, later = hit("a", "Tea is green."), hit("b", "Tea is black.")
    first, later = (Hit(1, 1.0, each.document_id, "Tea", 0, len(each.text), each.text) for each in (first, later))
    how = {"hits": [first], "context": ContextConfig(citations="titles"), "search": lambda text: [later]}
    made, scripted = run([SEARCH, call("finish", answer=said)], **how)
    assert (
        "[Tea] Tea: Tea is green." in scripted.asked[0][0][0]["content"] and made.text == "green [Tea, 1]" and made.cited == (1,)
    )


def test_a_window_that_does_not_hold_the_chat_leaves_out_the_oldest_results():
    steps = [AgentStep("", "calculator", {"expression": f"{n}"}, f"{n}" * 50) for n in range(3)]
    whole = runs.messages("task", steps)
    chat = runs.fitting(whole, lambda messages: sum(len(each["content"]) for each in messages) < 375)
    results = [message["content"] for message in chat[2::2]]
    assert results == [f"Result: {runs.LEFT_OUT}", f"Result: {'1' * 50}", f"Result: {'2' * 50}"]
    never = runs.fitting(whole, lambda messages: False)
    assert never[-1]["content"] == f"Result: {'2' * 50}", "the last result stays, and the engine says what does not fit"


def test_a_run_goes_on_from_an_edited_step():
    made, _ = run([SEARCH, DONE])
    steps = runs.read_steps(made.detail["steps"])[:1]
    edited = [steps[0]._replace(result="[2] Danube: It ends in Ukraine.", edited=True)]
    scripted = ScriptedAgent([call("finish", answer="Ukraine")])
    fields = {
        "question": "Where?",
        "hits": list(made.hits),
        "generator": ScriptedEngine.playing(scripted),
        "context": ContextConfig(),
    }
    running = Running(React().resumed(Material(**fields, until=time.perf_counter() + 60), edited, 1))
    list(running)
    again = running.result
    assert again.text == "Ukraine" and [step["edited"] for step in again.detail["steps"]] == [True, False]
    chat = scripted.asked[0][0]
    assert len(scripted.asked) == 1 and "Ukraine" in chat[2]["content"] and "[2]" not in chat[0]["content"]


@pytest.mark.parametrize(("way", "end"), [({"steps": 1}, "steps"), ({"tokens": 300}, "tokens")])
def test_a_run_that_goes_on_from_the_step_that_reached_a_limit_makes_no_further_call(way, end):
    step = AgentStep("", "search_corpus", {"query": "?", "k": 1}, "It ends in Ukraine.", edited=True)
    scripted = ScriptedAgent(lambda chat, schema: SEARCH if "search" in schema else call("finish", answer="Ukraine"))
    fields = {"hits": [FIRST], "generator": ScriptedEngine.playing(scripted), "context": ContextConfig()}
    material = Material("Where?", until=time.perf_counter() + 60, search=lambda text: [SECOND], **fields)
    list(running := Running(React(**way).resumed(material, [step._replace(prompt_tokens=100, answer_tokens=10)], 1)))
    made = running.result
    assert made.text == "Ukraine" and made.detail["end"] == end and len(scripted.asked) == 1
    assert [each["tool"] for each in made.detail["steps"]] == ["search_corpus", "finish"]


@pytest.mark.parametrize("script", [
    [SEARCH, call("calculator", expression="6 * 7"), DONE], [""], [SEARCH, "", DONE],
    lambda chat, schema: SEARCH if "search" in schema else DONE,
    lambda chat, schema: call("search_corpus", query=f"q{len(chat)}", k=1) if "search" in schema else DONE,
])  # fmt: skip
def test_in_langgraph_the_same_texts_are_asked_for_and_the_same_is_answered(script):
    pytest.importorskip("langgraph")
    (own, first), (other, second) = (run(script, kind(steps=4)) for kind in (React, ReactLangGraph))
    assert first.asked == second.asked and other.text == own.text and other.finish_reason == own.finish_reason
    times = {"seconds", "tool_seconds"}
    steps = [[{k: v for k, v in step.items() if k not in times} for step in made.detail["steps"]] for made in (own, other)]
    assert steps[0] == steps[1] and own.detail["end"] == other.detail["end"]


@pytest.mark.slow
def test_in_crewai_the_same_tools_are_called_and_the_same_is_answered():
    crewai_or_skip()
    script = [SEARCH, call("calculator", expression="6 * 7"), DONE]
    (own, _), (other, asked) = (run(script, kind(steps=4, seconds=0)) for kind in (React, ReactCrewAI))
    assert other.text == own.text and other.detail["end"] == "answered" and not other.notes and other.hits == own.hits
    told = ("tool", "arguments", "result", "passages")
    assert [[step[name] for name in told] for step in other.detail["steps"]] == [
        [step[name] for name in told] for step in own.detail["steps"]
    ]
    chat = asked.asked[2][0]
    assert chat[0]["role"] == "system" and [each["role"] for each in chat[2:]] == ["assistant", "user"] * 2
    assert chat[-1]["content"] == "Result: 42" and json.loads(chat[2]["content"])["call"]["tool"] == "search_corpus"
    limited, asked = run(lambda chat, schema: SEARCH if "search" in schema else DONE, ReactCrewAI(steps=1, seconds=0))
    assert limited.detail["end"] == "steps" and limited.text == "Romania [2]" and len(crewai._idle) == 1, (
        "one process for all three"
    )


FRAMEWORK = """
import json, sys
for line in sys.stdin:
    task = json.loads(line)
    {does}
"""


@pytest.mark.parametrize(("does", "end", "note"), [
    ("print(json.dumps({'error': 'KeyError: x'}), flush=True)", "tool_failure", "KeyError: x"),
    ("sys.exit(3)", "tool_failure", "its process ended"),
    ("import time; time.sleep(60)", "seconds", "it said nothing for"),
])  # fmt: skip
def test_a_framework_that_fails_dies_or_hangs_ends_the_run_and_the_answer_is_asked_for(monkeypatch, tmp_path, does, end, note):
    (tmp_path / "child.py").write_text(FRAMEWORK.format(does=does))
    monkeypatch.setattr(crewai, "CHILD", tmp_path / "child.py")
    monkeypatch.setenv(crewai.VARIABLE, sys.executable)
    monkeypatch.setattr(crewai, "_idle", [])
    made, scripted = run([DONE], ReactCrewAI(seconds=1 if end == "seconds" else 60))
    assert made.detail["end"] == end and made.text == "Romania [2]" and any(note in each for each in made.notes)
    assert len(scripted.asked) == 1 and not crewai._idle, "the process is ended"


def test_without_crewai_it_is_refused_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv(crewai.VARIABLE, str(tmp_path / "python"))
    with pytest.raises(WorkbenchError, match="environment of its own") as refused:
        ReactCrewAI().check(LlamaCpp())
    assert "make crewai" in refused.value.todo


def test_tools_that_are_not_there_and_engines_without_a_schema_are_refused():
    with pytest.raises(ValueError, match="no tool 'rm'"):
        React(tools=("rm",))
    with pytest.raises(WorkbenchError, match="echo_of_tests cannot answer by react"):
        React().check(Echo())


def test_ircot_searches_for_each_thought_and_answers_over_all():
    thoughts = ["Ulm stands on the Danube [1]. Next.", "So the answer is Romania. More.", "Romania [2]"]
    made, scripted = run(thoughts, Ircot())
    assert [row["query"] for row in made.detail["thoughts"]] == ["Ulm stands on the Danube .", ""]
    assert made.detail["thoughts"][0]["passages"] == [2] and made.detail["first"] == 1 and made.detail["calls"] == 3
    assert [each.document_id for each in made.hits] == ["Ulm", "Danube"] and made.text == "Romania [2]" and made.cited == (2,)
    second = scripted.asked[1][0][0]["content"]
    assert "The Danube ends" in second and second.rstrip().endswith("Ulm stands on the Danube [1].")
    silent, scripted = run(["", "Romania"], Ircot())
    assert silent.detail["thoughts"] == [] and silent.text == "Romania" and len(scripted.asked) == 2
    many = {"hits": [hit(f"d{n}", f"It is {n}.") for n in range(5)], "context": ContextConfig(passages=5)}
    few, _ = run(["So the answer is 1.", "1 [2]"], Ircot(most=2), **many)
    assert len(few.hits) == 2 and few.detail["first"] == 2, "also of a chain that searches for nothing"
    bounded, scripted = run(lambda chat, schema: f"Thought {len(chat[0]['content'])}.", Ircot(rounds=2))
    assert len(bounded.detail["thoughts"]) == 2 and len(scripted.asked) == 3
