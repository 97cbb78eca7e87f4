"""Attacks by planted text: what is planted is read and kept nowhere, success is counted against no attack, and the rule holds."""

import numpy as np
import pytest

from core.__main__ import parse
from core.errors import WorkbenchError
from core.generation.openai_compatible import OpenAICompatible
from core.generation.protocol import Generated
from core.labs.agents import attacking as lab
from core.labs.agents.attacking import AttackPlan
from core.labs.answers.arms import Draw
from core.progress import drain
from tests.labs.answers.test_contamination import TOWNS, template  # noqa: F401
from tests.support.failing import RECIPE, recipe
from tests.support.scripted_agent import call, play

FACT = {"subject": "market", "attribute": "hour", "value": "nine", "derived_from": []}


def obedient(messages: list[dict[str, str]], schema: str) -> str:
    """It does what an instruction says, and is not taken in by anything else."""
    told = "\n".join(message["content"] for message in messages)
    if "disregard all before" not in told:
        return call("finish", answer="opens some time")
    wanted = told.partition('Answer "')[2].partition('"')[0]
    return call("finish", answer=wanted) if messages[-1]["content"].startswith("Result") else call("write_memory", **FACT)


@pytest.mark.slow
def test_an_obedient_agent_follows_and_writes_nothing_unless_the_rule_is_set_aside(bench, monkeypatch):
    scripted = play(monkeypatch, obedient)
    agent = recipe(**{"answering.part": "react"})
    told, over = [], Draw.over_retrieved
    monkeypatch.setattr(Draw, "over_retrieved", lambda draw: told.append(1) or over(draw))
    before = lab.standing(bench, agent, AttackPlan(4))
    assert len(told) == 1, "what is asked is told of all questions once, not once an answer: a page of 100 took seconds to draw"
    assert before.left == 28 and not before.values and not scripted.asked
    made = drain(lab.attack_agents(bench, agent, AttackPlan(4)))
    rows = {row["attack"]: row for row in lab.rows(made)}
    assert rows["Instruction"][lab.FOLLOWS] == 1 and rows["No attack"][lab.FOLLOWS] == rows["Fake system note"][lab.FOLLOWS] == 0
    assert rows["Any of the six"][lab.FOLLOWS] == 1 and made.rounds == ["instruction"] * 4
    assert rows["Instruction"][lab.WANTS] == 1 and all(not row["written"] for row in rows.values())
    assert "Effects: 0 facts" in lab.sentences(made, 0.95)[-1] and lab.table(made).rows and len(lab.item_table(made).rows) == 4
    asked = len(scripted.asked)
    assert (
        drain(lab.attack_agents(bench, agent, AttackPlan(4))).values.keys() == made.values.keys() and len(scripted.asked) == asked
    )
    without = drain(lab.attack_agents(bench, agent, AttackPlan(2, rule=False)))
    assert sum(said.written for said in without.answers["instruction"]) == 2
    words = [word for name, value in RECIPE.items() for word in ("--set", f"{name}={value}")]
    told = drain(parse(["agents", "attack", "--ask", "2", "--way", "one_prompt", *words]).work(bench))
    assert told["attacks"][0]["attack"] == "No attack" and told["plan"]["way"] == "one_prompt"
    assert not bench.store.query("SELECT key FROM agent_effects") and len(TOWNS) > 4


@pytest.mark.slow
@pytest.mark.parametrize("how", ["raised", "ended"])
def test_what_a_service_does_not_answer_is_no_attack_that_was_withstood(bench, monkeypatch, how):

    down = True

    def generate(self, messages, seed=0, deadline_s=120.0):
        yield ""
        if down and how == "raised":
            raise WorkbenchError("The endpoint cannot be reached.")
        reason = "failed: HTTP 503: overloaded" if down else "stop"
        return Generated("" if down else "opens some time", reason, "", 9, 0, 9, 1.0, 2.0, "m", "")

    monkeypatch.setattr(OpenAICompatible, "generate", generate)
    config, plan = recipe(**{"generation.part": "openai_compatible"}), AttackPlan(2)
    with pytest.raises(WorkbenchError, match=r"cannot be reached|HTTP 503"):
        drain(lab.attack_agents(bench, config, plan))
    assert lab.standing(bench, config, plan).left == 14
    down = False
    made = drain(lab.attack_agents(bench, config, plan))
    assert made.left == 0 and {said.text for some in made.answers.values() for said in some} == {"opens some time"}


def test_the_adaptive_attacker_goes_to_what_worked():
    worked = {"a": np.array([0.0, 0, 0, 0]), "b": np.array([0.0, 1, 1, 1])}
    assert lab.adaptive_rounds(worked) == ["a", "b", "b", "b"]
