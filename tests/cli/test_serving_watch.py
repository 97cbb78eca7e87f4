"""What the page Watch shows a command prints."""

import json
import socket

import pytest

from core.__main__ import parse
from core.errors import WorkbenchError
from core.progress import drain
from core.records import plain
from core.serving.feedback import FeedbackBook
from tests.support.served_spans import PASSAGE, answer, queue, record, request


def told(workbench, *words):
    """What the command prints as JSON; for people it is printed too."""
    call = parse(words)
    work = call.work(workbench)
    result = plain(drain(work) if hasattr(work, "send") else work)
    call.verb.show(result)
    return json.loads(json.dumps(result, allow_nan=False, default=str))


def test_the_dashboard_is_told_with_its_queue(workbench):
    record(workbench, *queue(2000, rate=4.0))
    dashboard = told(workbench, "serving", "dashboard", "towns", "--hours", "2")
    assert dashboard["requests"] == 2000 and "Little's law holds" in dashboard["queue"]
    assert dashboard["paths"][0]["p50_low"] < dashboard["paths"][0]["p50_ms"] < dashboard["paths"][0]["p50_high"]
    assert told(workbench, "serving", "dashboard", "other")["requests"] == 0


def test_a_budget_that_burns_is_an_exit_code(workbench):
    record(workbench, *(request(7 * 3600 + n) for n in range(30)))
    words = ("serving", "objectives", "towns", "--target", "0.9")
    assert parse(words).verb.healthy(told(workbench, *words))
    record(workbench, *(request(5 + n, status=503) for n in range(30)))
    rows = told(workbench, "serving", "objectives", "towns", "--target", "0.99")
    assert not parse(words).verb.healthy(rows) and rows[0]["burning"] and rows[0]["severity"] == "page"


def test_answers_are_judged_sampled_and_their_feedback_listed_and_made_a_study(workbench):
    traces = [f"{number:032x}" for number in range(20)]
    record(workbench, *(answer(9 + n, f"Question {n}?", PASSAGE, trace=trace) for n, trace in enumerate(traces)))
    quality = told(workbench, "serving", "quality", "towns", "--measure", "containment", "--least", "0.5", "--judge", "15")
    assert (quality["judged"], quality["waiting"]) == (15, 5) and quality["rows"][0]["used"] == 0.0
    assert told(workbench, "serving", "sample", "towns", "--share", "1")["items"] == 20
    assert told(workbench, "serving", "feedback") == []
    FeedbackBook(workbench).add(
        {"trace": traces[3], "span": "", "thumb": "up", "correction": "", "comment": "Good.", "client": ""}
    )
    [row] = told(workbench, "serving", "feedback", "towns")
    assert (row["question"], row["thumb"], row["comment"]) == ("Question 3?", "up", "Good.")
    made = told(workbench, "serving", "feedback-study", "towns", "--title", "Thumbs", "--annotator", "Ann")
    assert made == {"study": "thumbs", "round": "draft", "items": 1}


def test_two_recipes_are_compared(workbench):
    for n in range(20):
        trace = f"{n + 1:032x}"
        record(
            workbench,
            answer(900 - n, f"{n}?", PASSAGE, trace=trace),
            answer(9, f"{n}?", PASSAGE, path="/shadow", shadow_of=trace),
        )
    compared = told(workbench, "serving", "compare-arms", "towns", "--by", "containment", "--judge", "100", "--margin", "0.9")
    assert (compared["verdict"], compared["pairs"], compared["waiting"]) == ("alike", 20, 0)
    assert told(workbench, "serving", "compare-arms", "towns")["verdict"] == "go on"


def test_a_drift_is_asked_of_what_is_published(workbench):
    with pytest.raises(WorkbenchError, match="Nothing is published as 'towns'"):
        told(workbench, "serving", "drift", "towns")


def test_a_second_recipe_is_of_a_publication_or_a_trial_and_a_shadow_needs_one(workbench):
    with pytest.raises(WorkbenchError, match="A shadow needs a second recipe"):
        told(workbench, "serve", "--dataset", "python-reference", "--shadow")
    with pytest.raises(WorkbenchError, match="nothing"):
        told(workbench, "serve", "--dataset", "python-reference", "--against", "nothing")


def test_nobody_is_told_that_a_service_is_up_on_a_port_that_another_has(workbench):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port, said = other.getsockname()[1], []
        with pytest.raises(WorkbenchError, match=f"Port {port} cannot be listened on"):
            said.extend(parse(["serve", "--dataset", "python-reference", "--port", str(port)]).work(workbench))
    assert not any(step.message.startswith("Up on") for step in said)


def test_a_measured_rate_that_is_asked_for_is_not_left_out_without_a_word(workbench):
    record(workbench, *(answer(100 - n, f"{n % 2}?", PASSAGE) for n in range(4)))
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    with pytest.raises(WorkbenchError, match="No service is ready at"):
        told(workbench, "serving", "cache-plan", "--url", f"http://127.0.0.1:{port}")
    assert told(workbench, "serving", "cache-plan", "--sizes", "10")[0]["questions"] == 4
