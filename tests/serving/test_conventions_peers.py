"""Our table of names against OpenTelemetry's own packages, which other libraries bring along."""

import json

import pytest

from core.serving import otlp
from core.serving.conventions import KINDS, NAMES
from core.serving.spans import SpanEvent
from tests.support.requests import request

# newer than the package: github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-spans.md
NEWER = {"gen_ai.retrieval.top_k"}


def test_names_and_operations_are_those_of_opentelemetry():
    pytest.importorskip("opentelemetry.semconv")
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
    from opentelemetry.semconv.attributes import error_attributes

    theirs = {
        value for module in (gen_ai_attributes, error_attributes) for value in vars(module).values() if isinstance(value, str)
    }
    assert {name.genai for name in NAMES if name.genai} - theirs == NEWER
    operations = {each.value for each in gen_ai_attributes.GenAiOperationNameValues}
    assert {kind.operation for kind in KINDS.values() if kind.operation} <= operations


def test_what_is_written_is_a_message_of_the_protocol():
    trace_pb2 = pytest.importorskip("opentelemetry.proto.trace.v1.trace_pb2")
    json_format = pytest.importorskip("google.protobuf.json_format")
    spans = [request()[0]._replace(events=(SpanEvent("e", 5, {"n": [1, 2.5, {"a": True}, None]}),)), *request()[1:]]
    message = json_format.Parse(json.dumps(otlp.encoded(spans, "groundwork")), trace_pb2.TracesData())
    theirs = message.resource_spans[0].scope_spans[0].spans
    assert [each.name for each in theirs] == [each.name for each in spans]
    assert [each.end_time_unix_nano for each in theirs] == [each.end_ns for each in spans]
    tokens = {pair.key: pair.value.int_value for pair in theirs[6].attributes}
    assert tokens["gen_ai.usage.input_tokens"] == tokens["llm.token_count.prompt"] == 100
