"""Ragas through our generators and encoder gives what ragas itself gives, and a bad judge is told, not averaged."""

import json
import math
from functools import partial

import pytest

from core.embedding.minilm import MiniLM
from core.embedding.vectors import embed
from core.generation import remote
from core.generation.openai_compatible import OpenAICompatible
from core.judging.measure import AnswerCase, JudgeTools, scores
from core.judging.measures.ragas_answer_relevancy import RagasAnswerRelevancy
from core.judging.measures.ragas_context_precision import RagasContextPrecision
from core.judging.measures.ragas_context_recall import RagasContextRecall
from core.judging.measures.ragas_faithfulness import RagasFaithfulness
from core.progress import drain
from tests.support.awaited import awaited
from tests.support.fake_endpoint import serving, status
from tests.support.recorded_judge import RecordedJudge, answer_of, endpoint, schema_in

MEASURES = (RagasFaithfulness, RagasAnswerRelevancy, RagasContextPrecision, RagasContextRecall)
PASSAGES = (
    "The Eiffel Tower in Paris was built in 1889.",
    "Bread is made of flour, water, salt and yeast.",
    "Gustave Eiffel's company built the tower.",
)
CASES = [
    AnswerCase("When was the tower built?", "It was built in 1889.", PASSAGES, ("1889", "in the year 1889")),
    AnswerCase("Who built it?", "A company in Paris [2], and it is tall.", PASSAGES, ("Gustave Eiffel's company",)),
    AnswerCase("What is bread made of?", "Of stone.", PASSAGES[:2], ("flour, water, salt and yeast",)),
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    pytest.importorskip("ragas")  # ten seconds, which no other worker need spend
    monkeypatch.setattr(remote, "FIRST_WAIT_S", 0.01)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def tools(generator, folder, kept: bool = True) -> JudgeTools:
    vectors = partial(embed, folder=folder / "vectors")
    return JudgeTools(MiniLM(dtype="float32"), vectors, generator, 0, folder / "texts" if kept else None)


def ours(measure, url: str, folder, cases=CASES):
    return drain(scores(measure, cases, tools(OpenAICompatible(base_url=f"{url}/v1", retries=0), folder)))


def directly(name: str, url: str, encode) -> list[float]:
    """Ragas with its own client for such an endpoint, and the same vectors."""
    from openai import AsyncOpenAI
    from ragas.embeddings.base import BaseRagasEmbedding
    from ragas.llms.base import llm_factory
    from ragas.metrics import collections

    class Own(BaseRagasEmbedding):
        def embed_text(self, text, **_):
            return encode([text])[0].tolist()

        async def aembed_text(self, text, **_):
            return self.embed_text(text)

    async def run() -> list[float]:
        client = AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0)
        more = {"embeddings": Own()} if name == "AnswerRelevancy" else {}
        metric = getattr(collections, name)(llm=llm_factory("m", client=client), **more)
        values = []
        for case in CASES:
            text = " ".join(case.answer.replace("[2]", " ").split())
            inputs = {"user_input": case.question, "response": text, "retrieved_contexts": list(case.passages)}
            inputs |= {"reference": max(case.references, key=len)}
            wanted = {
                "Faithfulness": ("user_input", "response", "retrieved_contexts"),
                "AnswerRelevancy": ("user_input", "response"),
            }.get(name, ("user_input", "reference", "retrieved_contexts"))
            values.append((await metric.ascore(**{key: inputs[key] for key in wanted})).value)
        await client.close()
        return values

    return awaited(run())


@pytest.mark.parametrize("measure", MEASURES)
def test_through_us_it_is_what_ragas_gives_on_a_recorded_endpoint(measure, tmp_path):
    def encode(texts):
        return drain(embed(MiniLM(dtype="float32"), texts, folder=tmp_path / "vectors"))

    recorded = endpoint()
    with serving(recorded) as server:
        own = ours(measure(runs=1), server.url, tmp_path)
        asked = len(server.requests)
        again = ours(measure(runs=1), server.url, tmp_path)
        assert len(server.requests) == asked, "what the judge wrote is kept"
        plain = directly(measure.__name__.removeprefix("Ragas"), server.url, encode)
    assert [score.value for score in own] == pytest.approx(plain, abs=1e-6) and own == again
    assert len(set(plain)) > 1, "the recorded answers tell the cases apart"


def test_three_runs_are_three_draws_with_a_spread(tmp_path):
    made = drain(scores(RagasFaithfulness(), CASES, tools(RecordedJudge(), tmp_path)))
    assert any(score.detail["spread"] > 0 for score in made)
    for score in made:
        assert score.value == pytest.approx(sum(score.detail["runs"]) / 3) and not score.reason
        assert len(score.detail["replies"]) == 3 and all("statements" in reply for reply in score.detail["replies"][0])
    one = drain(scores(RagasFaithfulness(runs=1), CASES, tools(RecordedJudge(), tmp_path, kept=False)))
    assert [score.value for score in one] == [score.detail["runs"][0] for score in made] and one[0].detail["spread"] is None


def test_it_scores_where_a_notebook_runs_a_loop_already(tmp_path):
    async def cell():
        return drain(scores(RagasFaithfulness(runs=1), CASES, tools(RecordedJudge(), tmp_path)))

    assert not any(score.reason for score in awaited(cell()))


BAD = {"prose": "The answer looks good to me!", "seven": 7, "nan": math.nan}


@pytest.mark.parametrize("kind", BAD)
def test_prose_a_verdict_of_seven_and_nan_are_unmeasured_with_the_reason(kind, tmp_path):
    def says(number: int, prompt: str) -> str | None:
        if "stone" not in prompt:
            return None
        return BAD[kind] if kind == "prose" else json.dumps({"reason": "so", "verdict": BAD[kind]})

    def bad(handler) -> None:
        endpoint(says)(handler)

    cases = [case._replace(passages=PASSAGES[:1]) for case in (CASES[0], CASES[2]._replace(references=("of stone",)))]
    with serving(bad) as server:
        good, unmeasured = ours(RagasContextPrecision(runs=2), server.url, tmp_path, cases)
        asked = len(server.requests)
        ours(RagasContextPrecision(runs=2), server.url, tmp_path, cases)
        assert len(server.requests) == asked, "a judge of this kind says the same again"
    assert math.isfinite(good.value) and not good.reason
    assert math.isnan(unmeasured.value) and "the judge's answer is not " in unmeasured.reason and "0 of 2" in unmeasured.reason
    assert sum(unmeasured.detail["unmeasured"].values()) == 2 and not unmeasured.reason.startswith("failed")


def test_an_endpoint_that_dies_half_way_keeps_the_rest_and_goes_on_later(tmp_path):
    recorded, well, measure = endpoint(), [4], RagasFaithfulness(runs=1)

    def dying(handler) -> None:
        (recorded if len(handler.server.requests) <= well[0] else status(500, "out of memory"))(handler)

    with serving(dying) as server:
        made = ours(measure, server.url, tmp_path)
        asked = len(server.requests)
        dead = [score for score in made if math.isnan(score.value)]
        assert dead and all(score.reason.startswith("failed") and "500" in score.reason for score in dead)
        assert asked <= 4 + 3, "who fails three times in a row is asked no more"
        well[0] = 10**6
        whole = ours(measure, server.url, tmp_path)
        assert len(server.requests) - asked == 3 * 2 - 4, "only what was not written is asked for"
    assert all(math.isfinite(score.value) for score in whole)


def test_the_recorded_judge_follows_the_schema_that_is_sent():
    tree = {"type": "object", "properties": {"verdict": {"type": "integer", "enum": [0, 1]}}}
    body = {"response_format": {"json_schema": {"schema": tree}}, "messages": [{"content": "x"}]}
    assert answer_of(schema_in(body), "x")["verdict"] in (0, 1)
