"""What people say of answers: taken by the service, listed beside the answer, and made items of a study."""

import pytest

from core.annotation.versions import load
from core.errors import WorkbenchError
from core.serving import web
from core.serving.admission import Refusal
from core.serving.feedback import FeedbackBook, feedback, feedback_table
from core.serving.judged_by_people import study_of_feedback
from core.serving.keys import Keys
from core.serving.service import Service
from core.serving.spans import Recorder, SpanBuffer
from core.serving.stored_spans import recorder, to_journal
from core.serving.web import ServiceLimits
from tests.serving.test_watching import FREE
from tests.support.failing import TEXTS, recipe
from tests.support.served_spans import answer, record

LUND = "When does the market of Lund open?"
TRACE = f"{7:032x}"


def test_feedback_stands_beside_its_answer_and_becomes_an_item_with_the_correction(bench, reader, serve):
    own = recorder(bench.home)
    client = serve(Service(bench, recipe(), "towns"), FREE, recorder=own)
    trace = client.post("/answer", json={"question": LUND}).json()["trace"]
    assert client.post("/feedback", json={"trace": trace, "thumb": "up"}).json() == {"trace": trace, "thumb": "up"}
    corrected = {"trace": trace, "thumb": "down", "correction": "At six.", "comment": "It moved."}
    assert client.post("/feedback", json=corrected).status_code == 200
    assert 'groundwork_requests_total{path="/feedback",status="200",way="down"} 1.0' in client.get("/metrics").text
    own.close()
    [told] = feedback(bench, 1.0, "towns")
    assert (told.thumb, told.correction, told.comment, told.client) == ("down", "At six.", "It moved.", "")
    assert told.answer.text == TEXTS["Lund.txt"] and feedback(bench, 1.0, "other") == []
    assert feedback_table([told]).rows[0]["question"] == LUND
    frozen = study_of_feedback(bench, 1.0, "towns")
    [item] = load(bench, frozen.study.id).study.items
    assert (item.question, item.gold, item.responses[0].text) == (LUND, ("At six.",), TEXTS["Lund.txt"])
    assert item.responses[0].source == trace and item.responses[0].passages[0].document_id == "Lund.txt"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"trace": TRACE, "thumb": "up"}, 404),
        ({"trace": "x", "thumb": "up"}, 422),
        ({"trace": TRACE, "thumb": "sideways"}, 422),
        ({"trace": TRACE}, 422),
        ({"trace": TRACE, "thumb": "up", "correction": "x" * 10_001}, 422),
        ({"trace": TRACE, "thumb": "up", "comment": "x" * 10_001}, 422),
        ({"trace": TRACE, "thumb": "up", "more": 1}, 422),
        ({"trace": TRACE, "thumb": "up", "span": "x"}, 422),
        ({"trace": TRACE, "thumb": "up", "span": f"{7:016x}"}, 404),
        ({"trace": TRACE, "thumb": "up", "comment": "x" * 200_000}, 413),
    ],
)
def test_what_is_no_feedback_on_an_answer_is_refused_and_not_recorded(bench, reader, serve, monkeypatch, body, status):
    monkeypatch.setattr(web, "LATER_S", (0.01,))
    client = serve(Service(bench, recipe(), "towns"), FREE)
    response = client.post("/feedback", json=body)
    assert response.status_code == status and response.json()["error"] and feedback(bench, 1.0) == []


def test_feedback_may_come_to_another_service_than_the_answer_did(bench, reader, serve, monkeypatch):
    """Two services behind one address: the second knows of the first one's answers once their spans are recorded."""
    monkeypatch.setattr(web, "LATER_S", (0.2,) * 25)
    own = Recorder({"journal": SpanBuffer(to_journal(bench.home, "groundwork"), every_s=0.5)})
    first = serve(Service(bench, recipe(), "towns"), FREE, recorder=own)
    second = serve(Service(bench, recipe(), "towns"), FREE)
    trace = first.post("/answer", json={"question": LUND}).json()["trace"]
    assert second.post("/feedback", json={"trace": trace, "thumb": "up"}).status_code == 200
    assert [each.trace for each in feedback(bench, 1.0, "towns")] == [trace]


def test_half_a_character_is_no_feedback(bench, reader, serve):
    client = serve(Service(bench, recipe(), "towns"), FREE)
    trace = client.post("/answer", json={"question": LUND}).json()["trace"]
    raw = f'{{"trace": "{trace}", "thumb": "up", "comment": "\\ud800"}}'
    response = client.post("/feedback", content=raw, headers={"content-type": "application/json"})
    assert response.status_code == 422 and feedback(bench, 1.0) == []


def test_feedback_asks_for_the_key_and_keeps_the_rate_of_the_others(bench, reader, serve):
    keys = Keys(bench.home)
    mine = {"authorization": f"Bearer {keys.make('me')}"}
    client = serve(Service(bench, recipe(), "towns"), ServiceLimits(rate=0.001, burst=2), keys)
    assert client.post("/feedback", json={"trace": TRACE, "thumb": "up"}).status_code == 401
    trace = client.post("/answer", json={"question": LUND}, headers=mine).json()["trace"]
    said = [client.post("/feedback", json={"trace": trace, "thumb": "up"}, headers=mine).status_code for _ in range(2)]
    assert said == [200, 429] and [each.client for each in feedback(bench, 1.0)] == ["me"]


def test_answers_are_remembered_until_their_spans_are_there_and_no_longer_than_there_is_room(workbench):
    book = FeedbackBook(workbench, most=1)
    said = {"span": "", "thumb": "up", "correction": "", "comment": "", "client": ""}
    for number, trace in enumerate((TRACE, f"{8:032x}")):
        book.served(trace, f"{number:016x}")
    book.add({"trace": f"{8:032x}", **said})
    with pytest.raises(Refusal, match="No answer of this service"):
        book.add({"trace": TRACE, **said})
    record(workbench, answer(5, LUND, "At five.", trace=TRACE))
    book.add({"trace": TRACE, **said})
    first, second = feedback(workbench, 1.0)
    assert (first.trace, first.answer.text, second.answer) == (TRACE, "At five.", None)


def test_of_several_answers_of_a_trace_the_one_is_meant_that_is_named(bench, reader, serve):
    own = recorder(bench.home)
    client = serve(Service(bench, recipe(), "towns"), FREE, recorder=own)
    header = {"traceparent": f"00-{TRACE}-{9:016x}-01"}
    replies = [client.post("/answer", json={"question": LUND, "fresh": True}, headers=header).json() for _ in range(2)]
    first, second = (reply["span"] for reply in replies)
    refused = client.post("/feedback", json={"trace": TRACE, "thumb": "up"})
    assert refused.status_code == 409 and first in refused.json()["error"] and second in refused.json()["error"]
    assert client.post("/feedback", json={"trace": f"{8:032x}", "span": first, "thumb": "up"}).status_code == 404
    for span, thumb in ((first, "up"), (first, "down"), (second, "up")):
        assert client.post("/feedback", json={"trace": TRACE, "span": span, "thumb": thumb}).status_code == 200
    own.close()
    assert {each.answer.span: each.thumb for each in feedback(bench, 1.0)} == {first: "down", second: "up"}
    with pytest.raises(Refusal, match=f"2 answers.* {first}, {second}"):
        FeedbackBook(bench).add({"trace": TRACE, "span": "", "thumb": "up", "correction": "", "comment": "", "client": ""})


def test_without_feedback_there_is_no_study(workbench):
    with pytest.raises(WorkbenchError, match="No answer has feedback"):
        study_of_feedback(workbench, 1.0)
