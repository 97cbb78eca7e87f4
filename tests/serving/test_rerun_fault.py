"""What cannot be run again says why, and nothing is sent to where nobody asked."""

import pytest

from core.config import with_settings
from core.errors import WorkbenchError
from core.progress import Running, drain
from core.serving import stored_spans
from core.serving.inputs import input_of, ranking_noted, recipe_noted
from core.serving.rerun import rerun, rerun_of, reruns
from core.serving.rerun_plan import RerunChange, planned
from core.serving.service import Service
from core.serving.spans import MOST_TEXT
from tests.serving.test_rerun import BRIEF, FREE, TOWNS, asked, traces  # noqa: F401, a fixture
from tests.support.failing import TEXTS, recipe
from tests.support.fake_endpoint import events, serving, stream
from tests.support.requests import request, span


def written(bench, *spans):
    stored_spans.to_journal(bench.home, "elsewhere")(spans, 0)


def served(bench, config, trace=7, **changed):
    """A request as a service notes it, over the first document."""
    place = {"id": "Lund.txt", "start": 0, "end": len(TEXTS["Lund.txt"])}
    search = {**ranking_noted(bench.resolve(recipe()).corpus.fingerprint, []), "documents": [place], "query": asked("Lund")}
    return (
        span(trace, 1, 0, "/answer", 0, 9),
        span(trace, 2, 1, "search", 1, 2, "retrieval", **search | changed),
        span(trace, 3, 1, "write", 2, 9, "model", **recipe_noted(config) | changed),
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (RerunChange({"chunking.size_tokens": 99}), "only what comes after the passages"),
        (RerunChange({"retrieval.top_k": 5}), "only what comes after the passages"),
        (RerunChange({"context.nothing": 5}), "no setting 'nothing'"),
        (RerunChange({"context.template": "no variables"}), "passages"),
        (RerunChange({"generation.temperature": 9}), "at most"),
        (RerunChange(), "Nothing is changed"),
    ],
)
def test_a_wrong_change_is_told_before_anything_is_read(bench, change, why):
    with pytest.raises(WorkbenchError, match=why):
        planned(bench, ["0" * 32], change)


@pytest.mark.parametrize(
    ("how", "why"), [({"seeds": 0}, "0 seeds"), ({"seeds": 21}, "21 seeds"), ({"latest": 1001}, "1,001 traces are too many")]
)
def test_too_many_are_refused(bench, how, why):
    with pytest.raises(WorkbenchError, match=why):
        planned(bench, ["0" * 32], BRIEF, **how)


def test_too_many_answers_are_refused(bench, reader, traces, monkeypatch):  # noqa: F811
    monkeypatch.setattr("core.serving.rerun_plan.MOST_ANSWERS", 39)
    hot = RerunChange({"generation.temperature": 0.5})
    with pytest.raises(WorkbenchError, match="40 answers are too many"):
        planned(bench, traces, hot, seeds=5)
    assert planned(bench, traces, hot, seeds=4).seeds == 4


def test_a_changed_corpus_is_told_and_not_read(bench, reader, traces):  # noqa: F811
    files = [(name, text.replace("five", "noon").encode()) for name, text in TEXTS.items()]
    drain(bench.library.ingest("towns", files, None))
    with pytest.raises(WorkbenchError, match=f"its corpus is another one now: {len(TOWNS)}"):
        planned(bench, traces, BRIEF)


def test_a_trace_without_an_answer_says_why(bench, reader):
    written(bench, *request(1), span(2, 1, 0, "/search", 0, 1))
    with pytest.raises(WorkbenchError, match="neither its passages nor the messages"):
        planned(bench, [f"{1:032x}"], BRIEF)
    with pytest.raises(WorkbenchError, match="no model wrote an answer in it"):
        planned(bench, [f"{2:032x}"], BRIEF)
    with pytest.raises(WorkbenchError, match="no trace and no answer"):
        planned(bench, ["f" * 32], BRIEF)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"documents": [{"id": "Lund.txt", "start": 5, "end": 2}]}, "cannot be read"),
        ({"documents": [{"id": 7, "start": 0, "end": 2}]}, "cannot be read"),
        ({"documents": "Lund.txt"}, "cannot be read"),
        ({"settings": {"context.passages": 10**6}}, "cannot be read"),
        ({"settings": {"nowhere.at": 1}}, "cannot be read"),
        ({"recipe": "0"}, "reads otherwise"),
        ({"query": "a" * (MOST_TEXT - 1) + "…"}, "was cut"),
    ],
)
def test_what_a_trace_should_not_hold_is_refused(bench, changed, why):
    assert why in input_of(served(bench, recipe(), **changed))


def test_a_place_beyond_its_document_is_no_place(bench, reader):
    written(bench, *served(bench, recipe(), documents=[{"id": "Lund.txt", "start": 0, "end": 10**6}]))
    with pytest.raises(WorkbenchError, match="its corpus is another one now"):
        planned(bench, [f"{7:032x}"], BRIEF)


def test_a_cut_prompt_or_a_tools_message_is_refused():
    cut = [{"role": "user", "content": "a" * (MOST_TEXT - 1) + "…"}]
    tool = [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}]
    picture = [{"role": "user", "content": ""}]
    told = [input_of([span(1, 1, 0, "chat", 0, 1, "model", messages=each)]) for each in (cut, tool, picture)]
    assert ["was cut" in told[0], "a tool's" in told[1], "is no text" in told[2]] == [True] * 3


@pytest.mark.parametrize(
    "there",
    [
        {"part": "openai_compatible", "base_url": "http://127.0.0.1:9/v1", "model": "m"},
        {"part": "llama_cpp", "model": "/tmp/somebody.gguf"},
    ],
)
def test_a_file_of_traces_opens_and_asks_no_model_that_nobody_chose(bench, reader, monkeypatch, there):
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    written(bench, *served(bench, with_settings(recipe(), {"generation": there})))
    with pytest.raises(WorkbenchError, match="a model or a service that nothing here was asked of"):
        planned(bench, [f"{7:032x}"], BRIEF)


def test_a_service_that_was_asked_before_is_asked_again(bench, serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    with serving(stream(events("openai", "At five [1]."))) as endpoint:
        there = {"part": "openai_compatible", "base_url": endpoint.url, "model": "m-1"}
        config, recorder = with_settings(recipe(), {"generation": there}), stored_spans.recorder(bench.home)
        client = serve(Service(bench, config, "towns"), FREE, recorder=recorder)
        trace = client.post("/answer", json={"question": asked("Lund")}).json()["trace"]
        recorder.close()
        made = drain(rerun(bench, planned(bench, [trace], BRIEF, seeds=2)))
        assert (
            len(endpoint.requests) == 4 and made.rows[0]["after_answers"] == ["At five [1]."] * 2
        )  # a service is not sure to repeat


def test_a_stopped_rerun_goes_on_where_it_was(bench, reader, traces):  # noqa: F811
    plan = planned(bench, traces, RerunChange({"generation.temperature": 0.5}), seeds=4)
    before = len(reader.prompts)
    for _ in (running := Running(rerun(bench, plan))):
        if len(reader.prompts) - before >= 8:
            break
    assert not hasattr(running, "result") and reruns(bench) == []
    drain(rerun(bench, plan))
    assert len(reader.prompts) == before + 4 * len(TOWNS)


def test_a_rerun_that_is_not_there_is_told(bench):
    with pytest.raises(WorkbenchError, match="no rerun 'x'"):
        rerun_of(bench, "x")
