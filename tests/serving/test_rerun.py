"""Stored requests answered again on their own passages, and what it shows."""

import json

import numpy as np
import pytest

from core.__main__ import parse
from core.config import with_settings
from core.errors import WorkbenchError
from core.progress import drain
from core.records import plain
from core.serving import stored_spans
from core.serving.inputs import input_of
from core.serving.rerun import Rerun, RerunChange, planned, rerun, rerun_cost, rerun_of, reruns
from core.serving.rerun_verdict import sentences, verdict
from core.serving.service import Service
from core.serving.web import ServiceLimits
from tests.support.failing import TEXTS, recipe

FREE = ServiceLimits(rate=1e6, burst=1_000_000)
TOWNS = ("Lund", "Gent", "Pisa", "Kiel")
TEMPLATE = "Be brief.\n\n$passages\n\nQuestion: $question"
BRIEF = RerunChange({"context.template": TEMPLATE})


def asked(town: str) -> str:
    return f"When does the market of {town} open?"


@pytest.fixture
def traces(bench, reader, serve):
    """Of one request a town, in that order."""
    recorder = stored_spans.recorder(bench.home)
    client = serve(Service(bench, recipe(), "towns"), FREE, recorder=recorder)
    made = [client.post("/answer", json={"question": asked(town)}).json() for town in TOWNS]
    recorder.close()
    return [each["trace"] for each in made]


def test_a_trace_holds_what_its_answer_was_written_from(bench, traces):
    each = input_of(stored_spans.spans(bench, traces[:1]))
    assert (
        each.question == asked("Lund") and each.recipe == recipe() and each.corpus == bench.resolve(recipe()).corpus.fingerprint
    )
    assert each.passages[0][:3] == ("Lund.txt", 0, len(TEXTS["Lund.txt"])) and len(each.passages) > 2


def test_what_the_service_wrote_is_not_asked_again(bench, traces, reader):
    before = len(reader.prompts)
    plan = planned(bench, traces, BRIEF)
    assert rerun_cost(bench, plan).phases[0].what == "4 answers"
    made = drain(rerun(bench, plan))
    new = reader.prompts[before:]
    assert len(new) == 4 and all(prompt.startswith("Be brief.") for prompt in new)
    assert plan.seeds == 1 and len(made.rows) == 4  # temperature 0
    assert {row["question"] for row in made.rows} == set(map(asked, TOWNS))
    again = drain(rerun(bench, plan))
    assert again == made and len(reader.prompts) == before + 4 and reruns(bench) == [made]
    assert "scores" in rerun_cost(bench, plan).phases[0].what
