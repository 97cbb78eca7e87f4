"""Prompts that other programs recorded, read by either convention and answered again by a model of ours."""

import json

import pytest

from core.progress import drain
from core.serving import otlp, stored_spans
from core.serving.conventions import inward, outward
from core.serving.inputs import input_of
from core.serving.rerun import rerun
from core.serving.rerun_plan import RerunChange, planned
from tests.support.failing import recipe
from tests.support.requests import span

PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Question: Lund?\nLund is a town."}]
FLAT = {f"llm.input_messages.{n}.message.{key}": each[key] for n, each in enumerate(PROMPT) for key in each}
OPENLLMETRY = {f"gen_ai.prompt.{n}.{key}": each[key] for n, each in enumerate(PROMPT) for key in each}
PARTS = [{"role": each["role"], "parts": [{"type": "text", "content": each["content"]}]} for each in PROMPT]
WAYS = {
    "openinference": {"openinference.span.kind": "LLM", **FLAT, "llm.output_messages.0.message.content": "A town."},
    "openllmetry": {"gen_ai.operation.name": "chat", **OPENLLMETRY, "gen_ai.completion.0.content": "A town."},
    "opentelemetry": {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": PARTS,
        "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "A town."}]}],
    },
    "opentelemetry as JSON": {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps(PARTS),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "A town."}]}]),
    },
}


def prompt_of(**attributes):
    return span(1, 1, 0, "chat", 0, 1, "model", **attributes)


@pytest.mark.parametrize("way", WAYS)
def test_a_prompt_is_read_by_either_convention(way):
    kind, attributes = inward(WAYS[way])
    assert kind == "model" and attributes["messages"] == PROMPT and attributes["output"] == "A town."
    assert inward(outward(kind, attributes)) == (kind, attributes)
    each = input_of([prompt_of(**attributes)])
    assert each.recipe is None and each.question == PROMPT[1]["content"] and each.said == "A town."


def test_of_the_passages_of_others_the_places_come_back():
    passages = [{"id": "a", "start": 1, "end": 3, "score": 0.5}, {"id": "b", "start": 0, "end": 9}]
    told = outward("retrieval", {"documents": passages, "corpus_fingerprint": "c"})
    assert told["retrieval.documents.0.document.id"] == "a" and told["gen_ai.retrieval.documents"] == passages
    flat = {name: value for name, value in told.items() if not name.startswith("gen_ai.retrieval")}
    for attributes in (told, flat):
        assert inward(attributes)[1] == {"documents": passages, "corpus_fingerprint": "c"}


def test_an_attribute_of_the_same_name_and_another_form_stays_as_it_is():
    for attributes in ({"messages": 3, "documents": 4}, {"messages": [1], "documents": ["a"]}, {"messages": [{"role": 1}]}):
        assert inward(outward("other", attributes)) == ("other", attributes)


def test_a_long_prompt_is_no_longer_cut_by_the_number_of_its_attributes(tmp_path):
    many = [{"role": ("user", "assistant")[n % 2], "content": f"{n}"} for n in range(201)]
    path = tmp_path / "spans.jsonl"
    path.write_text("".join(otlp.lines([prompt_of(messages=many)], "other")))
    assert otlp.read(path).spans[0].attributes["messages"] == many


def test_another_system_message_is_tried_on_prompts_of_others(bench, reader, tmp_path):
    path = tmp_path / "spans.jsonl"
    spans = [
        span(
            n,
            1,
            0,
            "chat",
            0,
            1,
            "model",
            messages=[PROMPT[0], {"role": "user", "content": f"Question: {town}?\n{town} is old."}],
        )
        for n, town in enumerate(("Lund", "Gent"), 1)
    ]
    path.write_text("".join(otlp.lines(spans, "shop")))
    stored_spans.import_file(bench, path)
    plan = planned(bench, [], RerunChange(system="Answer in full."), latest=2, author=recipe())
    made = drain(rerun(bench, plan))
    assert len(made.rows) == 2 and all(row["recipe"] is None for row in made.rows)
    assert {prompt.partition("\n")[0] for prompt in reader.prompts} == {"Be brief.", "Answer in full."}
    asked = len(reader.prompts)
    assert drain(rerun(bench, plan)) == made and len(reader.prompts) == asked
    without = drain(rerun(bench, planned(bench, [], RerunChange(system=""), latest=2, author=recipe())))
    assert reader.prompts[-1].startswith("Question:") and without.change.system == ""
    hot = planned(bench, [], RerunChange({"generation.temperature": 0.5}), seeds=2, latest=2, author=recipe())
    drain(rerun(bench, hot))
    assert len(reader.prompts) == asked + 2 + 4
