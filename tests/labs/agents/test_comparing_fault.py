"""A question that does not fit into the model's window fails by itself, whatever the way of answering: the comparison goes on."""

import json

import pytest

from core.errors import PromptTooLong
from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Read
from core.labs.agents import comparing as lab
from core.labs.agents.comparing import AgentPlan
from core.labs.answers import answering
from core.progress import drain
from tests.labs.agents.test_comparing import answer
from tests.labs.answers.test_contamination import template  # noqa: F401
from tests.support.failing import recipe
from tests.support.scripted_agent import play

WAYS = ("per_passage", "ircot", "react", "self_rag", "corrective", "adaptive", "plan_and_solve")
DECISIONS = {
    "relevant": {"relevant": "yes", "supported": "fully", "useful": "5"},
    "helps": {"helps": "yes"},
    "needs": {"needs": "one fact"},
    "questions": {"questions": [" "]},  # no plan: it is answered at once
}


@pytest.mark.slow
@pytest.mark.parametrize("beyond", ["every prompt", "a decision"])
def test_a_question_that_the_window_does_not_hold_ends_no_comparison(bench, monkeypatch, beyond):
    unusual = lab.standing(bench, recipe(), AgentPlan(6)).draw.queries[2].text

    def script(messages, schema):
        if unusual in "\n".join(each["content"] for each in messages) and (schema or beyond == "every prompt"):
            raise PromptTooLong("The prompt leaves room for 9 tokens, and the longest JSON of the schema has 617 characters.")
        own = next((told for name, told in DECISIONS.items() if f'"{name}"' in schema), None)
        return json.dumps(own) if own else answer(messages, schema)

    play(monkeypatch, script)
    monkeypatch.setattr(LlamaCpp, "read", lambda self, messages: Read("", [0] * 3000, [3000]))
    made = drain(lab.compare_agents(bench, recipe(), AgentPlan(6, WAYS)))
    assert made.whole and None not in [row[name] for row in lab.rows(made) for name in ("prompt tokens", "answer tokens")]
    failed = {
        arm: [n for n, said in enumerate(some) if said.end.startswith("failed") or not said.text]
        for arm, some in made.answers.items()
    }
    assert failed == dict.fromkeys(failed, [2] if beyond == "every prompt" else [])


@pytest.mark.slow
def test_a_passage_of_an_agents_own_search_that_has_no_room_fails_its_question_alone(bench, monkeypatch):
    plan = {"questions": ["When does the market of Oslo open?"]}
    first = lab.standing(bench, recipe(), AgentPlan(6)).draw.queries[0].text

    def script(messages, schema):
        return (
            json.dumps(plan if first in messages[0]["content"] else DECISIONS["questions"])
            if schema
            else answer(messages, schema)
        )

    play(monkeypatch, script)
    monkeypatch.setattr(LlamaCpp, "count_tokens", lambda self, text: 9000 if "market of Oslo" in text else 1)
    made = answering.answer_questions(bench, recipe(**{"answering.part": "plan_and_solve", "context.passages": 1}), 6)
    ends = [said.finish_reason for said in drain(made).answers]
    assert ends[1:] == ["stop"] * 5 and ends[0].endswith("the best passage alone has 9,000.")
