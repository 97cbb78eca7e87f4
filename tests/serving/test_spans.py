"""Recording spans: nothing waits, nothing is lost unsaid, and a span knows what it is a part of wherever it runs."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.files.ids import id_time, new_id
from core.records import Answer, Provenance, TimedStep
from core.serving.request_trace import RequestTrace
from core.serving.service import ServedQuestion
from core.serving.spans import MOST_ATTRIBUTES, MOST_LISTED, MOST_TEXT, Recorder, SpanBuffer, bounded, parents_of, spans_of
from tests.support.awaited import awaited
from tests.support.requests import request, span


class Destination:
    """Keeps what it is given; says how many of each batch it refuses, or raises."""

    def __init__(self, refuses=0):
        self.spans, self.lost, self.refuses = [], [], refuses

    def __call__(self, batch, dropped):
        if isinstance(self.refuses, Exception):
            raise self.refuses
        self.spans += batch
        self.lost.append(dropped)
        return self.refuses


def recorded(work, **options):
    kept = Destination()
    recorder = Recorder({"test": SpanBuffer(kept, **options)})
    work(recorder)
    return kept.spans, recorder.close()["test"]


def test_a_span_is_a_part_of_the_one_that_is_open():
    def work(recorder):
        with recorder.span("request") as whole:
            with recorder.span("search", "retrieval", depth=50) as part:
                part.event("index opened", rows=3)
            whole.attributes["session"] = "s"
        with recorder.span("another"):
            pass

    (part, whole, other), counts = recorded(work)
    assert (part.trace, part.parent, whole.parent) == (whole.trace, whole.span, "") and other.trace != whole.trace
    assert (part.kind, dict(part.attributes), part.status) == ("retrieval", {"depth": 50}, "ok")
    assert whole.attributes == {"session": "s"} and [(e.name, dict(e.attributes)) for e in part.events] == [
        ("index opened", {"rows": 3})
    ]
    assert whole.start_ns <= part.start_ns <= part.events[0].time_ns <= part.end_ns <= whole.end_ns
    assert counts == (3, 3, 0, 0, "")


def test_what_is_raised_marks_the_span_and_goes_on():
    def work(recorder):
        with pytest.raises(TimeoutError), recorder.span("request"), recorder.span("model", "model"):
            raise TimeoutError("no answer")

    spans, _ = recorded(work)
    assert [(each.status, each.message) for each in spans] == [("error", "TimeoutError: no answer")] * 2
    assert spans[0].attributes == {"error_type": "TimeoutError"}


def test_tasks_and_threads_know_the_span_that_started_them():
    async def part(recorder, name):
        with recorder.span(name):
            await asyncio.sleep(0)

    async def serve(recorder):
        async def whole(number):
            with recorder.span(f"request {number}"):
                await asyncio.gather(part(recorder, f"a {number}"), part(recorder, f"b {number}"))
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(copy_context().run, asyncio.run, part(recorder, f"thread {number}")).result()

        await asyncio.gather(*map(whole, range(3)))

    spans, _ = recorded(lambda recorder: awaited(serve(recorder)))
    wholes = {each.span: each for each in spans if not each.parent}
    assert len(wholes) == 3 and len(spans) == 12
    parts = [(each, wholes[each.parent]) for each in spans if each.parent]
    assert all(part.name.split()[-1] == whole.name.split()[-1] and part.trace == whole.trace for part, whole in parts)


def test_a_stream_may_be_closed_by_another_task_than_the_one_that_opened_it():
    def work(recorder):
        stream = recorder.span("stream")
        copy_context().run(stream.__enter__)
        stream.__exit__(None, None, None)
        with recorder.span("after") as after:
            assert after.parent == ""

    assert len(recorded(work)[0]) == 2


def test_a_full_buffer_drops_counts_and_says_so_in_the_next_batch():
    started, go, kept = threading.Event(), threading.Event(), Destination()

    def slow(batch, dropped):
        started.set()
        go.wait(60)
        return kept(batch, dropped)

    buffer = SpanBuffer(slow, most=5, every_s=0.01)
    buffer.put(span(1, 1, 0, "first", 0, 1))
    assert started.wait(60)
    for number in range(2, 12):
        buffer.put(span(1, number, 0, "more", 0, 1))
    assert buffer.counts() == (11, 0, 5, 0, "")
    go.set()
    assert buffer.close() == (11, 6, 5, 0, "") and kept.lost == [0, 5] and len(kept.spans) == 6
    buffer.put(span(1, 99, 0, "late", 0, 1))
    assert buffer.counts().dropped == 6, "after the end nothing is taken, and that is counted"


def test_a_destination_that_fails_holds_up_no_other_and_is_counted():
    kept, refusing = Destination(), Destination(refuses=1)
    failing = Destination(OSError("the disk is full"))
    recorder = Recorder({"kept": SpanBuffer(kept), "refusing": SpanBuffer(refusing), "failing": SpanBuffer(failing)})
    for each in request():
        recorder.record(each)
    counts = recorder.close()
    assert counts["kept"] == (7, 7, 0, 0, "") and counts["refusing"] == (7, 6, 0, 1, "")
    assert counts["failing"] == (7, 0, 0, 7, "the disk is full") and kept.spans == request()


def test_what_could_not_be_delivered_is_told_with_the_next_batch():
    refused, told = [], []

    def deliver(batch, lost):
        if not refused:
            refused.append(len(batch))
            raise OSError("the disk is full")
        told.append((len(batch), lost))
        return 0

    buffer = SpanBuffer(deliver, every_s=0.01)
    for each in request():
        buffer.put(each)
    while not refused:
        time.sleep(0.01)
    buffer.put(span(1, 99, 0, "next", 0, 1))
    counts = buffer.close()
    assert (counts.delivered, counts.failed) == (8 - refused[0], refused[0]) and sum(lost for _, lost in told) == refused[0]


def test_a_destination_that_hangs_ends_in_time_and_what_it_did_not_take_has_failed():
    started, go = threading.Event(), threading.Event()

    def hangs(batch, lost):
        started.set()
        go.wait(60)
        return 0

    buffer = SpanBuffer(hangs, every_s=0.01)
    buffer.put(span(1, 1, 0, "first", 0, 1))
    assert started.wait(60)
    buffer.put(span(1, 2, 0, "second", 0, 1))
    assert buffer.close(seconds=0.05)[1:] == (0, 0, 2, "it took too long")
    go.set()


def test_no_attribute_is_endless_or_no_json():
    odd = {
        "text": "x" * (MOST_TEXT + 9),
        "nan": float("nan"),
        "many": 2**70,
        "array": np.float32(1.5),
        "set": {1},
        "in": [{2: (None,)}],
    }
    cut = bounded(odd)
    assert len(cut["text"]) == MOST_TEXT and cut["text"].endswith("…")
    assert {**cut, "text": ""} == {"text": "", "nan": None, "many": str(2**70), "array": 1.5, "set": "{1}", "in": [{"2": [None]}]}
    ring = {"long": list(range(5000))}
    ring["again"] = ring
    cut = bounded({"ring": ring})
    assert len(cut["ring"]["again"]["long"]) == MOST_LISTED and len(json.dumps(cut)) < 100_000
    assert len(bounded({str(n): n for n in range(MOST_ATTRIBUTES + 9)})) == MOST_ATTRIBUTES


def test_there_are_seven_kinds():
    with pytest.raises(WorkbenchError, match="no kind of span 'llm'"):
        Recorder({}).span("model", "llm")


def test_parents_that_are_missing_or_go_round_are_told():
    spans = [span(1, 1, 9, "orphan", 0, 5), span(1, 2, 3, "a", 5, 6), span(1, 3, 2, "b", 4, 6), span(1, 4, 3, "below", 5, 6)]
    parents = parents_of([*spans, span(2, 5, 5, "own parent", 0, 1)])
    assert parents.rows.tolist() == [-1, 2, -1, 2, -1]
    assert parents.notes == (
        "Spans that named a parent that is not there, and stand first in their trace now: 1.",
        "Circles of parents, each cut at its earliest span: 2.",
    )


STEPS = (TimedStep("encode", 5.0), TimedStep("sparse", 20.0), TimedStep("reranked", 50.0), TimedStep("writing", 925.0))


def test_an_answer_is_a_trace_of_its_steps():
    origin = Provenance("tiny", "", (), STEPS)
    made = new_id()
    answer = Answer("It rises.", (), (), "stop", model="smol", prompt_tokens=100, answer_tokens=20, provenance=origin, id=made)
    whole, *parts = spans_of(answer)
    assert [(each.name, each.kind) for each in parts] == [
        ("encode", "embedding"),
        ("sparse", "retrieval"),
        ("reranked", "reranking"),
        ("writing", "model"),
    ]
    assert [each.start_ns for each in parts[1:]] == [each.end_ns for each in parts[:-1]]
    assert (whole.start_ns, whole.end_ns) == (parts[0].start_ns, parts[-1].end_ns) and whole.end_ns - whole.start_ns == 10**9
    assert abs(whole.end_ns / 1e9 - id_time(made).timestamp()) < 0.002
    assert {each.parent for each in parts} == {whole.span} and len({each.span for each in spans_of(answer)}) == 5
    assert whole.attributes["input_tokens"] == 100 and spans_of(answer) == spans_of(answer)


def test_an_answer_from_before_steps_were_noted_is_a_coarser_one_and_one_without_times_none():
    old = Answer("It rises.", (), (), "failed: HTTP 500", retrieval_ms=12.0, first_token_ms=400.0, generation_ms=900.0)
    whole, *parts = spans_of(old)
    assert [(each.name, (each.end_ns - each.start_ns) / 1e6) for each in parts] == [
        ("retrieval", 12),
        ("first_token", 400),
        ("writing", 500),
    ]
    assert (whole.status, whole.message) == ("error", "failed: HTTP 500")
    remote = Answer("It rises.", (), (), "stop", generation_ms=900.0)
    assert [each.name for each in spans_of(remote)] == ["answer", "generation"]
    assert spans_of(Answer("", (), (), "abstained")) == ()


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_while_a_request_is_answered_changes_no_length(monkeypatch, hours):
    question = ServedQuestion("When?", time.perf_counter() + 60)
    trace, now_ns = RequestTrace("/answer", question, {}), time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + hours * 3_600_000_000_000)
    question.mark("wait", "queue", trace.start_ns)
    whole, wait = trace.spans("ok")
    assert whole.start_ns <= wait.start_ns <= wait.end_ns <= whole.end_ns < whole.start_ns + 60_000_000_000
