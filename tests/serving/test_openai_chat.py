"""OpenAI's form of a chat: its own client asks, and is told of failures in it."""

import asyncio
import json

import pytest

from core.serving import openai_chat
from core.serving.service import Again, Service
from core.serving.web import ServiceLimits
from tests.support.failing import TEXTS, recipe

LUND = "When does the market of Lund open?"
FREE = ServiceLimits(rate=1e6, burst=1_000_000)


@pytest.fixture
def service(bench, reader):
    return Service(bench, recipe(), "towns")


def test_chats_that_are_streamed_are_counted(service, serve):
    client = serve(service, FREE)
    body = {"messages": [{"role": "user", "content": LUND}], "stream": True}
    assert "[DONE]" in client.post("/v1/chat/completions", json=body).text
    told = client.get("/metrics").text
    assert 'groundwork_requests_total{path="/v1/chat/completions",status="200",way="stream"} 1.0' in told
    assert 'groundwork_seconds_count{path="/v1/chat/completions"} 1.0' in told


def test_an_openai_client_uses_the_recipe_as_a_model(service, serve):
    from openai import OpenAI

    client = OpenAI(base_url=f"{serve(service, FREE).base_url}/v1", api_key="none")
    assert [model.id for model in client.models.list()] == ["towns"]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": LUND}]
    made = client.chat.completions.create(model="towns", messages=messages)
    assert made.choices[0].message.content == TEXTS["Lund.txt"] and made.usage.completion_tokens > 0
    pieces = client.chat.completions.create(model="towns", messages=messages, stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == TEXTS["Lund.txt"]
    messages[-1]["content"] += " At which hour?"  # what is answered from the cache takes no tokens
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    *pieces, last = client.chat.completions.create(model="towns", messages=messages, **asked)
    assert last.usage.completion_tokens > 0 and not last.choices and {piece.usage for piece in pieces} == {None}


def test_a_streamed_message_is_the_assistants_and_can_be_handed_back(service, serve):
    from openai import OpenAI

    client, messages = OpenAI(base_url=f"{serve(service, FREE).base_url}/v1", api_key="none"), [{"role": "user", "content": LUND}]
    with client.chat.completions.stream(model="towns", messages=messages) as stream:
        said = stream.get_final_completion().choices[0].message
    assert (said.role, said.content) == ("assistant", TEXTS["Lund.txt"])
    again = client.chat.completions.create(model="towns", messages=[*messages, said, *messages], stream=None, n=1)
    assert again.choices[0].message.content == TEXTS["Lund.txt"]


def test_several_answers_are_refused_not_one_given_for_them(service, serve):
    body = {"messages": [{"role": "user", "content": LUND}], "n": 2}
    reply = serve(service, FREE).post("/v1/chat/completions", json=body)
    assert reply.status_code == 422 and reply.json()["error"]["message"].startswith("n: ")


@pytest.mark.parametrize(
    "text, kind, words",
    [
        (" ", "invalid_request_error", "holds no question"),
        ("x" * 200_000, "invalid_request_error", "more than 100,000 bytes"),
        (LUND, "rate_limit_error", "requests a second"),
    ],
)
def test_an_openai_client_is_told_of_a_failure_in_its_own_form(service, serve, text, kind, words):
    from openai import APIStatusError, OpenAI

    limits = ServiceLimits(rate=0.001, burst=0 if text == LUND else 3)
    client = OpenAI(base_url=f"{serve(service, limits).base_url}/v1", api_key="none", max_retries=0)
    with pytest.raises(APIStatusError) as failed:
        client.chat.completions.create(model="towns", messages=[{"role": "user", "content": text}])
    assert failed.value.type == kind and words in failed.value.body["message"]


def test_a_streamed_chat_tells_the_passages_where_the_text_before_counts_no_more():
    async def steps():
        yield Again("The connection broke off.")
        yield {"answer": "", "finish_reason": "passages", "passages": [{"number": 1, "text": "The market opens at five."}]}

    async def told():
        return [each async for each in openai_chat.chunks({}, "Half of an ans", steps())]

    sent = [json.loads(each.removeprefix("data: ")) for each in asyncio.run(told())[:-1]]
    text = "".join(each["choices"][0]["delta"].get("content", "") for each in sent)
    assert text == "Half of an ans\n\n[1] The market opens at five."


def test_tokens_that_an_engine_does_not_count_are_no_zero():
    assert openai_chat.usage({"tokens": {"prompt": None, "answer": None}}) is None
    assert openai_chat.usage({"tokens": {"prompt": 3, "answer": 0}})["total_tokens"] == 3
    assert openai_chat.usage({"way": "passages"})["total_tokens"] == 0, "no model read or wrote any"


def test_a_chat_takes_contents_in_pieces_and_cuts_no_question(service, serve):
    client = serve(service, FREE)

    def said(*contents):
        messages = [{"role": role, "content": content} for role, content in contents]
        return client.post("/v1/chat/completions", json={"messages": messages})

    pieces, picture = [{"type": "text", "text": LUND}], {"type": "image_url", "image_url": {"url": "data:"}}
    for told in (said(("user", pieces)), said(("user", "Hello"), ("assistant", None), ("user", pieces))):
        assert told.json()["choices"][0]["message"]["content"] == TEXTS["Lund.txt"]
    for blank in (None, "  ", []):
        assert "holds no question" in said(("user", LUND), ("assistant", "At eight."), ("user", blank)).json()["error"]["message"]
    assert said(("user", [*pieces, picture])).status_code == 422 and said(("system", LUND)).status_code == 422
    long = said(("user", "x" * 10_001))
    assert long.status_code == 422 and "more than 10,000 characters" in long.json()["error"]["message"]


@pytest.mark.parametrize(("why", "told"), [("length", "length"), ("deadline", "length"), ("stop", "stop")])
def test_a_chat_that_was_cut_says_so(service, serve, monkeypatch, why, told):
    written = Service._written

    def cut(self, rung, run, asked):
        made = yield from written(self, rung, run, asked)
        return {each: made[each] | {"finish_reason": why} for each in made}

    monkeypatch.setattr(Service, "_written", cut)
    client, body = serve(service, FREE), {"messages": [{"role": "user", "content": LUND}]}
    assert client.post("/v1/chat/completions", json=body).json()["choices"][0]["finish_reason"] == told
    about, step = {"id": "1"}, {"finish_reason": why, "answer": "Cut", "passages": []}

    async def steps():
        yield step

    async def events():
        return [event async for event in openai_chat.chunks(about, step, steps())]

    assert f'"finish_reason": "{told}"' in asyncio.run(events())[0]
