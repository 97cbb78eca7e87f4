"""Ways of answering in which the model decides something first: each decision is of a closed set, recorded, and bounded."""

import json
import re
from dataclasses import replace

import pytest

from core.answering.adaptive import KINDS_OF_QUESTION, AdaptiveRetrieval
from core.answering.chain_of_thought import ChainOfThought
from core.answering.corrective import Corrective
from core.answering.ircot import Ircot
from core.answering.one_prompt import OnePrompt
from core.answering.plan_and_solve import PlanAndSolve
from core.answering.self_rag import SelfRag
from core.config import ContextConfig
from core.context.surroundings import Surroundings
from core.errors import WorkbenchError
from core.models.adapters import SHIPPED
from core.records import Document, Hit
from tests.answering.test_react import FIRST, SECOND, hit, run
from tests.support.broken.answers import Echo
from tests.support.scripted_engine import WornEngine


def test_self_rag_takes_the_answer_that_it_judges_best():
    def script(chat, schema):
        told = chat[-1]["content"]
        if schema:
            good = "Romania" in told.partition("Question")[0]
            return json.dumps({"relevant": "yes", "supported": "fully" if good else "no", "useful": "5" if good else "2"})
        return "Romania [2]" if "ends in Romania" in told else "Germany [1]"

    made, scripted = run(script, SelfRag(), hits=[FIRST, SECOND])
    assert made.text == "Romania [2]" and made.cited == (2,) and made.detail["taken"] == 2 and len(scripted.asked) == 4
    assert [row["score"] for row in made.detail["decisions"]] == [1.0 - 0.25, 1.0 + 1.0 + 0.5]
    unjudged, _ = run(["Germany", ""], SelfRag())
    assert unjudged.text == "Germany" and unjudged.detail["decisions"][0]["decision"] == "not judged"


def test_corrective_reads_what_is_of_use_and_searches_again_where_nothing_is():
    def script(chat, schema):
        told = chat[-1]["content"]
        if "query" in schema:
            return json.dumps({"query": "end of the Danube"})
        if schema:
            return json.dumps({"helps": "yes" if "Romania" in told else "no"})
        return "Romania [1]"

    made, scripted = run(script, Corrective())
    assert made.text == "Romania [2]" and [hit.document_id for hit in made.hits] == ["Ulm", "Danube"]
    assert [row["decision"] for row in made.detail["decisions"]] == ["no", "searched again", "yes"] and made.detail[
        "searches"
    ] == 1
    assert "Ulm" not in scripted.asked[-1][0][0]["content"].partition("Question")[0], "the passage of no use is not read"
    useless, _ = run(lambda chat, schema: json.dumps({"helps": "no"}) if "helps" in schema else "", Corrective(rounds=0))
    assert useless.hits[0] == FIRST and useless.finish_reason.startswith("failed"), "of no use are read rather than nothing"


@pytest.mark.parametrize(("kind", "way", "calls"), [(0, {"closed": True}, 2), (1, {}, 2), (2, {}, 3)])
def test_adaptive_takes_the_way_that_the_question_asks_for(kind, way, calls):
    def script(chat, schema):
        return json.dumps({"needs": KINDS_OF_QUESTION[kind]}) if schema else "So the answer is Romania."

    made, scripted = run(script, AdaptiveRetrieval(**way))
    assert made.text == "So the answer is Romania." and len(scripted.asked) == calls == made.detail["calls"]
    assert made.detail["decisions"][0]["decision"] == KINDS_OF_QUESTION[kind] and bool(made.hits) == (kind > 0)
    assert made.prompt_tokens == 100 * calls


def test_plan_and_solve_answers_each_part_and_then_the_whole():
    def script(chat, schema):
        told = chat[-1]["content"]
        if schema:
            return json.dumps({"questions": ["Which river is at Ulm?", "Where does it end?", "Which river is at Ulm?"]})
        asked = re.findall(r"Question: (.*)", told)[-1]
        return {"Which river is at Ulm?": "the Danube [1]", "Where does it end?": "Romania [1]"}.get(asked, "Romania [1]")

    made, scripted = run(script, PlanAndSolve())
    assert [row["decision"] for row in made.detail["decisions"]] == ["the Danube", "Romania"] and made.detail["searches"] == 2
    last = scripted.asked[-1][0][0]["content"]
    assert "Where does it end? Romania" in last and len(scripted.asked) == 4 and made.text
    _, scripted = run(script, PlanAndSolve(), context=ContextConfig(template="$passages\nQuestion: $question"))
    assert "Where does it end? Romania\n\nQuestion: Where does the river" in scripted.asked[-1][0][0]["content"]
    failed, scripted = run(
        lambda chat, schema: script(chat, schema) if schema or "Ulm?" not in chat[0]["content"] else "", PlanAndSolve()
    )
    assert failed.detail["decisions"][0]["decision"].startswith("failed") and "failed" not in scripted.asked[-1][0][0]["content"]
    alone, _ = run(["", "Romania"], PlanAndSolve())
    assert alone.text == "Romania" and alone.detail["decisions"] == []


def test_a_chain_of_thought_stands_before_the_question_and_the_answer_alone_is_told():
    thoughts = "Ulm stands on the Danube [1].\n\nIt costs $5 <|im_end|>, so Romania."
    made, scripted = run([thoughts, "Romania [1]"], ChainOfThought(thought_tokens=32))
    assert made.text == "Romania [1]" and made.cited == (1,) and made.hits == (FIRST,) and made.detail["calls"] == 2
    chain = "Ulm stands on the Danube . It costs $5 < |im_end|>, so Romania."
    assert [row["text"] for row in made.detail["thoughts"]] == [chain]
    (first, _), (last, _) = ([chat[0]["content"], schema] for chat, schema in scripted.asked)
    assert "Think step by step" in first and f"Thoughts: {chain}\n\nQuestion: Where does the river" in last
    plainly, (alone, *_) = run(["Romania [1]"], OnePrompt())[0], run(["", "Romania [1]"], ChainOfThought())
    assert alone.text == "Romania [1]" and alone.detail["thoughts"] == [] and alone.prompt == f"{first}\n\n{plainly.prompt}"


def test_a_chain_of_thought_keeps_to_the_passages_of_the_recipe_and_to_its_template():
    context = ContextConfig(passages=2, duplicates=0.9, template="$passages\n${question} In a word?")
    hits = [FIRST, replace(FIRST, rank=2), SECOND, hit("Rhine", "The Rhine ends in the sea.")]
    made, scripted = run(["It is far.", "Romania [2]"], ChainOfThought(), hits=hits, context=context)
    assert [each.document_id for each in made.hits] == ["Ulm", "Danube"] and made.cited == (2,)
    for chat, _ in scripted.asked:
        assert "The Danube ends" in chat[0]["content"] and "The Rhine ends" not in chat[0]["content"]
    assert "Thoughts: It is far.\n\nWhere does the river of Ulm end? In a word?" in scripted.asked[-1][0][0]["content"]


@pytest.mark.parametrize("way", [SelfRag, Corrective, AdaptiveRetrieval, PlanAndSolve])
def test_an_engine_without_a_schema_is_refused(way):
    with pytest.raises(WorkbenchError, match="no JSON schema"):
        way().check(Echo())


@pytest.mark.parametrize(("way", "schemas"), [
    (SelfRag(), [False, True]),
    (Corrective(), [True, False]),
    (AdaptiveRetrieval(), [True, False]),
    (PlanAndSolve(), [True, False, False]),
    (Ircot(rounds=1), [False, False]),
])  # fmt: skip
def test_the_adapter_that_ships_is_worn_for_answers_over_passages_alone(way, schemas):
    """It says to all else that it does not know."""
    WornEngine.worn.clear()
    said = {
        "relevant": "yes",
        "supported": "no",
        "useful": "1",
        "helps": "yes",
        "needs": KINDS_OF_QUESTION[1],
        "questions": ["Which?"],
    }
    _, scripted = run(
        lambda chat, schema: json.dumps(said) if schema else "So the answer is Romania.", way, generator=WornEngine()
    )
    assert [bool(schema) for _, schema in scripted.asked] == schemas
    bare = [schema or isinstance(way, Ircot) and not number for number, schema in enumerate(schemas)]
    assert WornEngine.worn == ["" if each else SHIPPED for each in bare]


def test_self_rag_takes_a_text_before_none_however_badly_it_is_judged():
    def script(chat, schema):
        told = chat[-1]["content"]
        if schema:
            return json.dumps({"relevant": "no", "supported": "no", "useful": "1"})
        return "Romania" if "ends in Romania" in told else ""

    made, _ = run(script, SelfRag(use=2.0), hits=[FIRST, SECOND])
    assert (
        [row["score"] for row in made.detail["decisions"]] == [-2.0, -2.0]
        and made.text == "Romania"
        and made.detail["taken"] == 2
    )


@pytest.mark.parametrize("way", [SelfRag(), Corrective()])
def test_a_title_that_other_passages_share_is_cited_as_it_is_called_among_all(way):
    """In its own prompt a passage alone has the title, and what it was cited by was no passage's among all that were read."""
    black, green = (Hit(1, 1.0, name, "Tea", 0, 13, f"Tea is {name}.") for name in ("black", "green"))

    def script(chat, schema):
        good = "green" in chat[-1]["content"].partition("Question")[0]
        told = {"relevant": "yes", "supported": "fully" if good else "no", "useful": "5", "helps": "yes" if good else "no"}
        keys = json.loads(schema)["properties"] if schema else {}
        return json.dumps({name: told[name] for name in keys}) if schema else "It is so [tea]."

    made, _ = run(script, way, hits=[black, green], context=ContextConfig(citations="titles"))
    assert made.text == "It is so [Tea, 2]." and made.cited == (2,) and made.hits == (black, green)


LONG = hit("Ulm", "Ulm stands on the river. Bread takes flour and water.")


def _cutting(chat, schema):
    told = chat[-1]["content"]
    if schema:
        return json.dumps({"helps": "yes", "questions": ["Where does the river of Ulm end?"]})
    return "Ulm stands on it." if "step by step" in told else "By Ulm [1], Romania [2]"


@pytest.mark.parametrize("way", [Ircot(rounds=1), Corrective(), PlanAndSolve()])
def test_a_passage_that_was_cut_counts_once_and_is_cited_as_it_was_shown(way):
    made, scripted = run(_cutting, way, hits=[LONG, SECOND], context=ContextConfig(compress=0.5))
    assert [each.text for each in made.hits] == ["Ulm stands on the river.", "The Danube ends in Romania."]
    assert made.text == "By Ulm [1], Romania [2]" and made.cited == (1, 2) and made.detail["first"] == 2
    assert "Bread" not in scripted.asked[-1][0][0]["content"]
    assert all(row.get("passage", 1) <= 2 and max(row.get("passages", [1])) <= 2 for row in _rows(made))


def test_a_passage_that_has_grown_counts_once_and_what_it_swallowed_too():
    text = "Ulm stands on it. The Danube ends in Romania."
    source = Surroundings([Document("d", text)], None, None)
    parts = [Hit(n, 1.0, "d", "", *span, text[slice(*span)]) for n, span in enumerate([(0, 17), (18, 45)], 1)]
    how = {"hits": parts, "source": source, "context": ContextConfig(hand_on="merged"), "search": lambda text: parts[1:]}
    made, _ = run(_cutting, Ircot(rounds=1), **how)
    assert [each.text for each in made.hits] == [text] and made.detail["first"] == 1
    assert made.detail["thoughts"][0]["passages"] == [1] and made.cited == (1,)


def test_a_plan_gives_a_passage_once_that_two_searches_rank_otherwise():
    again = replace(SECOND, rank=3, score=0.1)
    _, scripted = run(_cutting, PlanAndSolve(), hits=[FIRST, SECOND], search=lambda text: [again])
    assert scripted.asked[-1][0][0]["content"].count("ends in Romania") == 1


def _rows(made):
    return [*made.detail.get("decisions", ()), *made.detail.get("thoughts", ())]
