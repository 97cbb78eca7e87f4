"""Ways of answering in which the model decides something first: each decision is of a closed set, recorded, and bounded."""

import json
import re

import pytest

from core.answering.adaptive import KINDS_OF_QUESTION, AdaptiveRetrieval
from core.answering.corrective import Corrective
from core.answering.ircot import Ircot
from core.answering.plan_and_solve import PlanAndSolve
from core.answering.self_rag import SelfRag
from core.errors import WorkbenchError
from core.models.adapters import SHIPPED
from tests.answering.test_react import FIRST, SECOND, run
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
    alone, _ = run(["", "Romania"], PlanAndSolve())
    assert alone.text == "Romania" and alone.detail["decisions"] == []


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
