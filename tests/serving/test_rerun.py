"""Stored requests answered again on their own passages, and what it shows."""

import json

import numpy as np
import pytest

from core.__main__ import parse
from core.progress import drain
from core.records import plain
from core.serving import otlp, stored_spans
from core.serving.inputs import input_of
from core.serving.rerun import KIND, Rerun, rerun, rerun_cost, reruns, tried
from core.serving.rerun_plan import RerunChange, planned, prompt_of
from core.serving.rerun_verdict import sentences, verdict
from core.serving.service import Service
from core.serving.web import ServiceLimits
from core.store.batches import batches
from core.workbench import Workbench
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


def test_the_prompt_is_told_as_it_was_sent(bench, traces, reader):
    told = [prompt_of(bench, input_of(stored_spans.spans(bench, [trace]))) for trace in traces]
    assert [each[0]["content"] for each in told] == reader.prompts


def test_traces_that_went_out_and_came_in_are_run_again(bench, traces, tmp_path):
    path = tmp_path / "spans.jsonl"
    stored_spans.export_file(bench, path, traces)
    told = [input_of(stored_spans.spans(bench, [trace])) for trace in traces]
    by_trace = {trace: [span for span in otlp.read(path).spans if span.trace == trace] for trace in traces}
    assert [input_of(spans) for spans in by_trace.values()] == told


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


def test_a_streamed_answer_holds_its_passages_too(bench, reader, serve):
    recorder = stored_spans.recorder(bench.home)
    client = serve(Service(bench, recipe(), "towns"), FREE, recorder=recorder)
    lines = client.post("/answer", json={"question": asked("Lund"), "stream": True}).text.splitlines()
    trace = json.loads(lines[-2].removeprefix("data: "))["trace"]
    recorder.close()
    each = input_of(stored_spans.spans(bench, [trace]))
    assert each.recipe == recipe() and each.passages[0][:3] == ("Lund.txt", 0, len(TEXTS["Lund.txt"]))
    made = drain(rerun(bench, planned(bench, [trace], BRIEF)))
    assert made.rows[0]["before_answers"] == [TEXTS["Lund.txt"]]


def test_a_question_that_was_asked_alone_is_asked_alone_again(bench, reader, serve):
    from core.serving.routing import Router

    router = Router("routes", lambda texts: ["closed_book"] * len(texts), 0.9)
    recorder = stored_spans.recorder(bench.home)
    client = serve(Service(bench, recipe(), "towns", router=router), FREE, recorder=recorder)
    trace = client.post("/answer", json={"question": "Who wrote Faust?"}).json()["trace"]
    recorder.close()
    assert input_of(stored_spans.spans(bench, [trace])).passages is None
    plan = planned(bench, [trace], RerunChange({"generation.max_tokens": 50}))
    drain(rerun(bench, plan))
    assert reader.prompts[-1].startswith("Answer the question in one sentence.") and len(reader.prompts) == 2


def test_seeds_are_taken_where_an_answer_may_come_out_otherwise(bench, traces, reader):
    before = len(reader.prompts)
    plan = planned(bench, traces, RerunChange({"generation.temperature": 0.7}), seeds=3)
    made = drain(rerun(bench, plan))
    assert plan.seeds == 3 and len(reader.prompts) == before + 3 * len(TOWNS)  # those before the change are recorded
    assert all(len(row["after"]["words"]) == len(row["before_answers"]) == 3 for row in made.rows)


def test_questions_of_the_corpus_are_scored_against_their_references(bench, traces):
    made = drain(rerun(bench, planned(bench, traces, BRIEF)))
    by_question = {row["question"]: row["before"] for row in made.rows}
    assert by_question[asked("Lund")]["f1"][0] > 0 and by_question[asked("Gent")]["f1"] == [None]  # Gent is none of them
    assert by_question[asked("Gent")]["answered"] == [1.0] and by_question[asked("Kiel")]["words"][0] > 0


def test_the_newest_are_taken_until_there_are_so_many_and_the_same_counts_once(bench, traces, reader, serve):
    recorder = stored_spans.recorder(bench.home)
    client = serve(Service(bench, recipe(), "towns"), FREE, recorder=recorder)
    for _ in range(2):
        client.post("/answer", json={"question": asked("Lund"), "fresh": True})
    recorder.close()
    plan = planned(bench, [], BRIEF, latest=5)
    assert {each.question for each in plan.inputs} == set(map(asked, TOWNS))
    assert plan.left_out == {"it asked the same of the same passages as another": 2}
    few = planned(bench, traces[1:2], BRIEF, latest=2)
    assert [each.question for each in few.inputs] == [asked("Gent"), asked("Lund")]  # the one that is named, and the newest


def test_the_command_tells_what_it_shows_and_tells_it_again(bench, traces, capsys):
    def told(*words):
        call = parse(words)
        work = call.work(bench)
        result = plain(drain(work) if hasattr(work, "send") else work)
        call.verb.show(result)
        return json.loads(json.dumps(result, allow_nan=False))

    words = ["--set", f"context.template={TEMPLATE}", "--seeds", "2"]
    record = told("serving", "rerun", "--latest", "4", *words)
    assert record["traces"] == 4 and {"Faithfulness", "Token F1", "Words"} <= {row["measure"] for row in record["measures"]}
    assert record["rerun"] in capsys.readouterr().out
    assert [row["rerun"] for row in told("serving", "reruns")] == [record["rerun"]]
    again = told("serving", "show-rerun", record["rerun"][:8], "--difference", "0.2")
    assert again["measures"][0]["size"] == 0.2 and again["traces"] == 4
    assert "leaves all 4 answers" in again["told"][0]
    told("serving", "rerun", *traces, "--set", 'context.passage="Told: $text"')
    [other] = [row["rerun"] for row in told("serving", "reruns") if "passage=" in row["change"]]
    assert any("1 other change tried on these traces" in line for line in told("serving", "show-rerun", other)["told"])
    rows = bench.store.query("SELECT question, before ->> '$.words[0]' AS words FROM reruns WHERE rerun = ?", [record["rerun"]])
    assert len(rows) == 4 and all(int(float(row["words"])) > 0 for row in rows)


def made_up(before, after, measure="f1") -> Rerun:
    """A rerun of these values [traces, seeds] by one measure."""
    rows = [
        {
            "trace": f"{number:032x}",
            "before": {measure: list(map(float, a))},
            "after": {measure: list(map(float, b))},
            "before_answers": [f"{a}"],
            "after_answers": [f"{b}"],
        }
        for number, (a, b) in enumerate(zip(before, after, strict=True))
    ]
    return Rerun("x", "", RerunChange({"seed": 1}), len(rows[0]["before"][measure]), {}, rows)


def test_better_is_said_of_what_is_significant_only():
    rng = np.random.default_rng(0)
    before = rng.random((60, 3)) / 2
    told = verdict(made_up(before, before + 0.2 + rng.normal(0, 0.05, before.shape)))
    [measure] = told.measures
    assert measure.word == "better" and measure.difference.paired.difference == pytest.approx(0.2, abs=0.02)
    assert sentences(told)[1].startswith("Token F1: better than before on 60 traces with 3 seeds each, +0.")
    told = verdict(made_up(before, before - 0.2 + rng.normal(0, 0.05, before.shape)))
    assert told.measures[0].word == "worse"
    told = verdict(made_up(before[:12], before[:12] + rng.normal(0.02, 0.3, (12, 3))))
    assert told.measures[0].word == "not significant"
    assert "undecided on 12 traces with 3 seeds each; a difference of 0.05 needs" in sentences(told)[1]
    assert "better" not in " ".join(sentences(told))
    [few] = told.measures
    assert few.needed_low < few.needed < few.needed_high and few.needed_many < few.needed
    [many] = verdict(made_up(np.zeros((400, 1)), rng.normal(0.0, 0.3, (400, 1)))).measures
    assert many.needed_high / many.needed_low < 1.5 < few.needed_high / few.needed_low


def test_seeds_of_a_trace_are_no_traces():
    """Ten answers each to two traces that gained: no test over traces can tell that."""
    before = np.zeros((2, 10))
    noise = np.random.default_rng(1).normal(0, 0.01, before.shape)
    told = verdict(made_up(before, before + noise + np.array([[0.3], [0.2]])))
    assert told.measures[0].word == "not significant" and told.measures[0].difference.p_holm == 0.5


def test_a_length_is_more_or_less_and_no_part_of_what_is_better():
    before = np.arange(1, 41)[:, None] * [1.0]
    told = verdict(made_up(before, before + 5 + before % 3, "words"))
    assert told.measures[0].word == "more" and told.measures[0].size == pytest.approx(0.05 * before.mean())


def test_what_was_not_measured_on_both_sides_is_left_out_of_both():
    before, after = np.full((3, 2), 0.5), np.array([[np.nan, 0.7], [np.nan, np.nan], [0.5, 0.5]])
    [measure] = verdict(made_up(before, after)).measures
    assert measure.difference.paired.n == 2 and measure.after == pytest.approx(0.6)
    empty = verdict(made_up(before, np.full((3, 2), np.nan)))
    assert empty.measures[0].before is None and "on no trace measured" in sentences(empty)[1]


def test_an_unchanged_answer_is_told_as_such():
    same = np.full((4, 1), 0.5)
    assert sentences(verdict(made_up(same, same))) == ["The change leaves all 4 answers as they were."]


def test_the_same_change_in_another_order_is_no_other_and_an_empty_system_message_is(tmp_path):
    bench, shown = Workbench(tmp_path), {"trace": "t", "question": "q", "recipe": None, "before": {}, "after": {}, "seeds": 1}
    changes = [
        ({"seed": 1, "generation.max_tokens": 9}, None),
        ({"generation.max_tokens": 9, "seed": 1}, None),
        ({"seed": 1}, None),
    ]
    for number, (settings, system) in enumerate([*changes, ({"seed": 1}, "")]):
        row = {**shown, "before_answers": ["x"], "after_answers": ["y"], "settings": settings, "system": system, "left_out": {}}
        batches(bench.home).keep(KIND, {f"{number}/t": row | {"rerun": f"{number}", "started": "2026-01-01"}})
    assert [tried(bench, each) for each in reruns(bench)] == [2, 2, 2, 2]
    batches(bench.home).keep(KIND, {"4/u": row | {"trace": "u", "system": None, "rerun": "4", "started": "2026-01-02"}})
    batches(bench.home).keep(KIND, {"5/u": row | {"trace": "u", "system": "", "rerun": "5", "started": "2026-01-02"}})
    assert [tried(bench, each) for each in reruns(bench, "u")] == [1, 1]
