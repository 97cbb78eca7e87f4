"""Agents beside plain answers: the same questions, what each takes, an arm at their budget, nothing written twice; and replays."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from core.__main__ import parse
from core.agents import runs
from core.agents.tools import OPEN, SEARCH
from core.context.prompt import INSTRUCTIONS, UNKNOWN
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Generated
from core.labs.agents import attacking, mattering, replaying
from core.labs.agents import comparing as lab
from core.labs.agents.comparing import AgentPlan
from core.labs.answers import arms
from core.labs.answers.chain_of_thought import ReasonedText
from core.models.adapters import SHIPPED
from core.pipeline.answers import AskedContext
from core.progress import drain
from core.records import plain
from core.workbench import Workbench
from tests.labs.answers.test_contamination import HOURS, TOWNS, template  # noqa: F401
from tests.support.failing import RECIPE, recipe
from tests.support.scripted_agent import ScriptedAgent, call, play

PLAN = AgentPlan(6)


def answer(messages: list[dict[str, str]], schema: str) -> str:
    """The agent is right once it has searched, RAG is always right, and without passages nothing is known."""
    told, last = messages[0]["content"], messages[-1]["content"]
    town = next(each for each in TOWNS if each in told.rpartition("Question: ")[2])
    right = f"opens at {HOURS[town]}"
    if schema:
        searched = last.startswith("Result: ") or "search_corpus" not in schema
        return call("finish", answer=right) if searched else call("search_corpus", query=f"market of {town}", k=2)
    if "one sentence a time" in told:
        return f"The market of {town} is a market."
    return f"Answer: {right if 'The market of' in told else 'never'}"


@pytest.fixture
def scripted(monkeypatch) -> ScriptedAgent:
    return play(monkeypatch, answer)


@pytest.mark.slow
def test_arms_answer_the_same_questions_with_what_each_takes(bench, scripted):
    before = lab.standing(bench, recipe(), PLAN)
    assert not before.whole and before.values == {} and before.left.answers == 18 and before.samples == 0 and not scripted.asked
    made = drain(lab.compare_agents(bench, recipe(), PLAN))
    assert made.whole and list(made.values) == [lab.CLOSED, lab.THINKS, lab.RAG, "ircot", "react", lab.EQUAL]
    means = {arm: made.comparison.means[arm, "em"].mean for arm in made.values}
    assert means[lab.CLOSED] == means[lab.THINKS] == 0.0 and means["react"] == means[lab.EQUAL] == 1.0
    rows = {row["arm"]: row for row in lab.rows(made)}
    assert rows["ReAct"]["calls"] == 2 and rows["ReAct"]["tools"] == 1 and rows["ReAct"]["ends"] == "answered 6"
    assert rows["ReAct"]["prompt tokens"] == 200 and rows["RAG, one prompt"]["calls"] == 1
    read = [row["arm"] for row in lab.table(made, lab.FAITHFUL).rows]
    assert read == ["RAG, one prompt", "IRCoT", "ReAct"], "what no passage was shown for has no faithfulness"
    assert rows["ReAct"]["faithfulness n"] == 6 and 0 <= rows["ReAct"]["faithfulness"] <= 1
    thoughts = made.answers["ircot"][0]
    assert thoughts.tools == 1 and thoughts.calls == 3, "the second thought is the first once more, and ends the chain"
    assert made.samples == 3 and rows[lab.TITLES[lab.EQUAL]]["prompt tokens"] == 300, "as many tokens as IRCoT, the costliest"
    assert made.answers["react"][0].detail["steps"][0]["tool"] == "search_corpus", "recorded with the answer"
    [row] = bench.store.query("SELECT count(*) AS n FROM set_answers WHERE detail ->> '$.end' = 'answered'")
    assert row["n"] == 6
    asks = [messages[0]["content"].startswith(INSTRUCTIONS) for messages, _ in scripted.asked]
    assert any(asks) and scripted.worn == [SHIPPED * each for each in asks], (
        "the adapter reads the prompt that it learnt, and no other"
    )
    asked = len(scripted.asked)
    again = drain(lab.compare_agents(Workbench(bench.home), recipe(), PLAN))
    assert len(scripted.asked) == asked and lab.rows(again) == lab.rows(made)
    assert any("significantly" in told or "better" in told for told in lab.sentences(made, 0.95))
    assert len(lab.item_rows(made)) == 6 and lab.table(made, "f1").rows and lab.item_table(made, "f1").rows


@pytest.mark.slow
def test_the_command_compares_and_refuses_rag_with_itself(bench, scripted):
    words = [word for name, value in RECIPE.items() for word in ("--set", f"{name}={value}")]
    made = drain(parse(["agents", "compare", "--ask", "3", "--ways", "react", *words]).work(bench))
    assert made["questions"] == 3 and [row["arm"] for row in made["arms"]][-2] == "ReAct"
    with pytest.raises(WorkbenchError, match="compared with"):
        lab.standing(bench, recipe(), AgentPlan(3, ("one_prompt",)))
    with pytest.raises(WorkbenchError, match="no answering 'nothing'"):
        lab.standing(bench, recipe(), AgentPlan(3, ("nothing",)))


@pytest.mark.slow
def test_a_stored_run_is_replayed_from_an_edited_step_once(bench, monkeypatch):
    play(monkeypatch, answer)
    made = drain(parse(["agents", "run", "When does the market of Lund open?", *_options()]).work(bench))
    assert made["text"] == f"opens at {HOURS['Lund']}" and [step["tool"] for step in made["steps"]] == ["search_corpus", "finish"]

    def told(messages: list[dict[str, str]], schema: str) -> str:
        return call("finish", answer="at ten" if "ten" in messages[-1]["content"] else "never")

    later = play(monkeypatch, told)
    again = drain(replaying.replay(bench, made["id"], 1, "[1] The market opens at ten."))
    assert again.text == "at ten" and again.steps[0].edited and again.ended == "answered" and len(later.asked) == 1
    assert drain(replaying.replay(bench, made["id"], 1, "[1] The market opens at ten.")) == again and len(later.asked) == 1
    assert replaying.replays(Workbench(bench.home), made["id"]) == [again]
    whole = "x" * 1195 + " ten."  # a search gives as much; what is longer is refused, not cut
    assert drain(replaying.replay(bench, made["id"], 1, whole)).steps[0].result == whole
    with pytest.raises(WorkbenchError, match="1,201 characters, and search_corpus gives 1,200 at most"):
        drain(replaying.replay(bench, made["id"], 1, f"{whole}x"))
    [row, _] = bench.store.query("SELECT answer, step, text FROM agent_replays ORDER BY id")
    assert row == {"answer": made["id"], "step": 1, "text": "at ten"}
    with pytest.raises(WorkbenchError, match="no step 2"):
        drain(replaying.replay(bench, made["id"], 2, "x"))
    plain_answer = drain(bench.ask(recipe(), "When does the market of Gent open?"))
    with pytest.raises(WorkbenchError, match="not written by an agent"):
        drain(replaying.replay(bench, plain_answer.id, 1, "x"))
    assert plain(again)["steps"][0]["result"].startswith("[1]")


@pytest.mark.slow
def test_what_was_not_written_in_time_is_asked_for_again(bench, monkeypatch):
    """A busy machine left an empty answer, which stood for the replay, the attack and the replaced observation for ever."""
    agent = recipe(**{"answering.part": "react"})
    play(monkeypatch, answer)
    made = drain(bench.ask(agent, "When does the market of Lund open?"))
    drain(arms.write(bench, [drain(arms.answered_by(arms.standing_draw(bench, agent, 1), "react"))]))
    labs = {
        "replay": lambda: replaying.replay(bench, made.id, 1, "[1] The market opens at ten."),
        "attack": lambda: attacking.attack_agents(bench, agent, attacking.AttackPlan(1)),
        "observation": lambda: mattering.replace_observation(bench, agent, mattering.ObservationPlan(1)),
    }
    late = Generated("", "failed: no text before the deadline", "", 9, 0, 0, 1.0, 2.0, "m", "")
    monkeypatch.setattr(LlamaCpp, "generate", lambda self, *asked: (yield "") or late)
    for work in labs.values():
        with pytest.raises(WorkbenchError, match="before the deadline"):
            drain(work())
    play(monkeypatch, [call("finish", answer="at ten")])
    assert drain(labs["replay"]()).text == "at ten"
    assert {said.text for some in drain(labs["attack"]()).answers.values() for said in some} == {"at ten"}
    assert drain(labs["observation"]()).answers["empty"] == ["at ten"]


def test_an_edited_result_may_be_as_long_as_its_tool_s():
    """That of open_document was cut to a search's length, without a word."""
    opened, passage = (runs.AgentStep("", tool, {}, "x") for tool in ("open_document", "search_corpus"))
    assert (replaying.longest(opened), replaying.longest(passage)) == (OPEN.most, SEARCH.most)
    assert replaying.longest(opened._replace(result="x" * 2000)) == 2000


def _options() -> list[str]:
    return [word for name, value in RECIPE.items() for word in ("--set", f"{name}={value}")]


@pytest.mark.parametrize("temperature", ["-1", "2.5"])
def test_samples_are_drawn_at_a_temperature_that_a_setting_allows(temperature, capsys):
    assert parse(["agents", "compare", "--temperature", temperature]) == 2 and "--temperature" in capsys.readouterr().err


def test_a_tool_that_is_not_there_is_refused_with_the_names_as_they_are_given():
    with pytest.raises(WorkbenchError) as refusal:
        drain(parse(["agents", "run", "x", "--tools", "run_pythn"]).work(None))
    assert "'run_pythn'" in refusal.value.what and "run_python," in refusal.value.todo


@pytest.mark.slow
def test_an_agent_has_the_seconds_that_its_setting_gives(bench, monkeypatch):
    """More than the usual 120 had no effect, but where answers are compared."""
    left = []

    def script(messages, schema):
        return call("finish", answer="at five")

    scripted = play(monkeypatch, script)
    generate = scripted.generate
    monkeypatch.setattr(scripted, "generate", lambda part, chat, seed=0, s=0.0: left.append(s) or generate(part, chat, seed, s))
    agent = recipe(**{"answering.part": "react", "answering.seconds": 300, "answering.passages_first": False})
    drain(bench.ask(agent, "When does the market of Lund open?"))
    drain(attacking.attack_agents(bench, agent, attacking.AttackPlan(1)))
    assert left and min(left) > 290
    drain(bench.ask(agent, "When does the market of Gent open?", 50.0))
    assert left[-1] <= 50, "who waits for less is not kept waiting"


FACT = {"subject": "market", "attribute": "hour", "value": "nine", "derived_from": []}


@pytest.mark.slow
def test_a_run_that_failed_writes_nothing_again_and_one_that_is_compared_has_its_tools(bench, monkeypatch):
    """It counted as ended, so *Ask again* made the call once more."""
    agent = recipe(
        **{"answering.part": "react", "answering.tools": ["write_memory", "sql_query"], "answering.passages_first": False}
    )
    question, texts = "When does the market of Lund open?", [call("write_memory", **FACT), "", ""]
    play(monkeypatch, texts)
    failed = drain(bench.ask(agent, question))
    assert failed.finish_reason.startswith("failed") and failed.detail["steps"][0]["tool"] == "write_memory"
    play(monkeypatch, [*texts[:1], call("sql_query", statement="SELECT 6 * 7 AS n"), call("finish", answer="42")])
    made = drain(bench.ask(agent, question))
    assert made.text == "42" and made.detail["steps"][0]["result"] == failed.detail["steps"][0]["result"]
    begun = "SELECT count(*) AS n FROM agent_effects WHERE what = 'begun'"
    assert bench.store.query(begun) == [{"n": 1}]
    later = play(monkeypatch, [call("sql_query", statement="SELECT 6 * 7 AS n"), call("finish", answer="42")])
    drain(bench.ask_again(agent, question, made))
    assert (
        later.asked[1][0][-1]["content"] == f"Result: {made.detail['steps'][1]['result']}"
        and "42" in later.asked[1][0][-1]["content"]
    )
    assert bench.store.query(begun) == [{"n": 1}]


def test_the_vote_abstains_where_rag_does(monkeypatch):
    asked = [AskedContext("a", "1"), AskedContext("b", "2", asks=False)]
    draw = SimpleNamespace(config=recipe(), over_retrieved=lambda: asked, workbench=MagicMock())
    monkeypatch.setattr(
        lab, "prompts", lambda draw, contexts: [{lab.RAG: [{"role": "user", "content": each.question}]} for each in asked]
    )

    def chains(tools, requests, reasons):
        yield from ()
        return [ReasonedText(request.messages[0]["content"], "five") for request in requests]

    monkeypatch.setattr(lab, "chains", chains)
    first, other = drain(lab._texts(draw, PLAN, lab.EQUAL, 3))
    assert first.text == "five" and first.calls == 3
    assert (other.text, other.end, other.calls, other.tokens) == (UNKNOWN, "abstained", 0, 0)


def test_a_replay_is_made_anew_where_the_code_of_agents_changed(monkeypatch):
    step = runs.AgentStep("", "search_corpus", {}, "x")
    record = {
        "way": {"part": "react"},
        "detail": {"steps": [plain(step)], "first": 0},
        "config": recipe().model_dump(mode="json"),
    }
    monkeypatch.setattr(replaying, "stored", lambda workbench, answer_id: record)
    seen = []

    def version(*workers):
        seen.extend(workers)
        raise InterruptedError

    monkeypatch.setattr(replaying, "code_version", version)
    with pytest.raises(InterruptedError):
        drain(replaying.replay(None, "1", 1, "y"))
    assert {"core.answering.react", type(recipe().generation).__module__} <= {each.__module__ for each in seen}
