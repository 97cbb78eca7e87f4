"""What a step mattered: an observation replaced, fewer calls, and repeats, from runs that are recorded once."""

import pytest

from core.__main__ import parse
from core.errors import PromptTooLong, WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.labs.agents import mattering as lab
from core.labs.agents import repeating
from core.progress import drain
from tests.labs.agents.test_comparing import answer
from tests.labs.answers.test_contamination import template  # noqa: F401
from tests.support.failing import RECIPE, recipe
from tests.support.scripted_agent import call, play

WORDS = [word for name, value in RECIPE.items() for word in ("--set", f"{name}={value}")]


def reads(messages: list[dict[str, str]], schema: str) -> str:
    """It answers what the last result says, and searches where it has none."""
    last = messages[-1]["content"]
    if not last.startswith("Result: "):
        return call("search_corpus", query="market", k=1) if "search_corpus" in schema else call("finish", answer="no idea")
    return call("finish", answer=last.partition("Result: ")[2].partition("\n")[0][:100])


@pytest.mark.slow
def test_a_replaced_observation_and_fewer_calls_change_the_answer_and_nothing_is_asked_twice(bench, monkeypatch):
    scripted = play(monkeypatch, reads)
    before = lab.observed(bench, recipe(), lab.ObservationPlan(5))
    assert before.left == 5 and not scripted.asked
    made = drain(lab.replace_observation(bench, recipe(), lab.ObservationPlan(5)))
    assert made.left == 0 and made.n["gold"] == made.n["empty"] == 5
    assert set(made.answers["empty"]) == {"Nothing was found."}
    rows = {row["observation"]: row for row in lab.observation_rows(made)}
    assert rows["Nothing found"]["f1"] == 0 < rows["Gold evidence"]["f1"] and rows["Nothing found"][lab.CHANGED] == 1
    assert rows["Nothing found"][f"{lab.CHANGED} p (Holm)"] is None and rows["Nothing found"]["f1 p (Holm)"] is not None
    assert rows["Contradiction"]["f1"] < rows["Gold evidence"]["f1"] and lab.observation_table(made, "f1").rows
    asked = len(scripted.asked)
    told = drain(parse(["agents", "observe", "--ask", "5", *WORDS]).work(bench))
    assert len(scripted.asked) == asked and len(told["observations"]) == 4 and told["told"]
    early = drain(parse(["agents", "searches", "--ask", "5", "--calls", "2", *WORDS]).work(bench))
    assert [row["n"] for row in early["searches"]] == [5, 0, 5] and len(scripted.asked) == asked + 5
    assert early["searches"][0]["f1"] == 0 and early["searches"][1]["f1"] == early["searches"][2]["f1"]
    with_two = lab.observed(bench, recipe(), lab.ObservationPlan(5, 2))
    assert not any(with_two.n.values()) and lab.observation_rows(with_two) == []
    assert lab.sentences(with_two, 0.95) == ["No run on these questions makes so many calls."]


@pytest.mark.slow
def test_a_model_that_breaks_off_gives_no_answer_and_a_run_that_the_window_does_not_hold_an_empty_one(bench, monkeypatch):
    why, fills = "The model's process ended in the middle of the work.", False

    def script(messages, schema):
        if messages[-1]["content"].startswith(f"Result: {lab.EMPTY}"):
            raise (PromptTooLong if fills else WorkbenchError)(why)
        return reads(messages, schema)

    play(monkeypatch, script)
    with pytest.raises(WorkbenchError, match="in the middle"):
        drain(lab.replace_observation(bench, recipe(), lab.ObservationPlan(3)))
    assert lab.observed(bench, recipe(), lab.ObservationPlan(3)).n["empty"] == 0
    why, fills = "The prompt has 9,000 tokens, and prompt and answer have room for 2,048.", True
    monkeypatch.setattr(LlamaCpp, "wears", lambda self: "")  # asked in the same chat
    made = drain(lab.replace_observation(bench, recipe(), lab.ObservationPlan(3)))
    assert made.left == 0 and set(made.answers["empty"]) == {""} and "" not in made.answers["gold"]


@pytest.mark.slow
def test_repeats_have_seeds_of_their_own_and_say_how_many_tell_two_ways_apart(bench, monkeypatch):
    seeds = []

    def told(messages, schema):
        seeds.append(len(seeds))
        return call("finish", answer="opens at nine" if len(seeds) % 3 else "") if schema else answer(messages, schema)

    play(monkeypatch, told)
    made = drain(parse(["agents", "repeat", "--ask", "4", "--repeats", "3", *WORDS]).work(bench))
    assert {row["way"] for row in made["passes"]} == {"RAG, one prompt", "ReAct"} and len(made["passes"]) == 6
    by_k = [row["passes"] for row in made["passes"] if row["way"] == "ReAct"]
    assert by_k == sorted(by_k, reverse=True) and len(made["plans"]) == len(repeating.PLANNED)
    asked = len(seeds)
    again = repeating.standing(bench, recipe(), repeating.RepeatedPlan(4, 3))
    assert (
        len(seeds) == asked and again.left.answers == 0 and repeating.pass_table(again).rows and repeating.plan_table(again).rows
    )
    with pytest.raises(WorkbenchError, match="Choose one or two ways"):
        repeating.standing(bench, recipe(), repeating.RepeatedPlan(4, 3, ("react", "react")))
