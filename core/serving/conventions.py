"""What attributes of spans are called here, by OpenTelemetry's conventions for generative AI, and by OpenInference.

Spans hold the short names. What leaves carries both others at once, since readers know one or the other; what comes in is read
by either. Sources: docs/gen-ai/gen-ai-spans.md and the registry of github.com/open-telemetry/semantic-conventions-genai (all
"Development"); spec/semantic_conventions.md of github.com/Arize-ai/openinference.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.serving.attribute_lists import gathered, spread

KIND = "groundwork.kind"  # our own kinds are more than either convention tells apart
OPERATION, SPAN_KIND = "gen_ai.operation.name", "openinference.span.kind"


class SpanKind(NamedTuple):
    """A kind of work. "": the convention has no word for it."""

    name: str
    operation: str  # gen_ai.operation.name
    openinference: str  # openinference.span.kind


KINDS = {
    kind.name: kind
    for kind in (
        SpanKind("queue", "", "CHAIN"),
        SpanKind("retrieval", "retrieval", "RETRIEVER"),
        SpanKind("embedding", "embeddings", "EMBEDDING"),
        SpanKind("reranking", "", "RERANKER"),
        SpanKind("model", "chat", "LLM"),
        SpanKind("tool", "execute_tool", "TOOL"),
        SpanKind("other", "", "CHAIN"),
    )
}
MODEL_OPERATIONS = {"chat", "text_completion", "generate_content"}


class AttributeName(NamedTuple):
    """An attribute in three words. "": the convention has none. kind: of the spans that carry it so; "": of all."""

    short: str
    genai: str
    openinference: str
    kind: str = ""


NAMES = (
    AttributeName("model", "gen_ai.request.model", "llm.model_name", "model"),
    AttributeName("model", "gen_ai.request.model", "embedding.model_name", "embedding"),
    AttributeName("model", "gen_ai.request.model", "reranker.model_name", "reranking"),
    AttributeName("response_model", "gen_ai.response.model", "llm.response.model_name"),
    AttributeName("provider", "gen_ai.provider.name", "llm.provider"),
    AttributeName("input_tokens", "gen_ai.usage.input_tokens", "llm.token_count.prompt"),
    AttributeName("output_tokens", "gen_ai.usage.output_tokens", "llm.token_count.completion"),
    AttributeName("cached_tokens", "gen_ai.usage.cache_read.input_tokens", "llm.token_count.prompt_details.cache_read"),
    AttributeName("first_token_s", "gen_ai.response.time_to_first_chunk", ""),
    AttributeName("cost_usd", "", "llm.cost.total"),
    AttributeName("temperature", "gen_ai.request.temperature", ""),
    AttributeName("max_tokens", "gen_ai.request.max_tokens", ""),
    AttributeName("seed", "gen_ai.request.seed", ""),
    AttributeName("query", "gen_ai.retrieval.query.text", "input.value", "retrieval"),
    AttributeName("query", "", "reranker.query", "reranking"),
    AttributeName("depth", "gen_ai.retrieval.top_k", "", "retrieval"),
    AttributeName("depth", "", "reranker.top_k", "reranking"),
    AttributeName("input", "", "input.value", "model"),  # OpenTelemetry's is a list of messages: `attribute_lists`
    AttributeName("output", "", "output.value", "model"),
    AttributeName("finish_reason", "", "llm.finish_reason", "model"),  # OpenTelemetry's is a list
    AttributeName("tool", "gen_ai.tool.name", "tool.name", "tool"),
    AttributeName("session", "gen_ai.conversation.id", "session.id"),
    AttributeName("error_type", "error.type", ""),
)


def outward(kind: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a span as they leave: by both conventions, and its kind. What neither has a name for keeps its own."""
    told = {KIND: kind, OPERATION: KINDS[kind].operation, SPAN_KIND: KINDS[kind].openinference}
    lists, left = spread(attributes)
    told |= lists
    for name in NAMES:
        if name.short in attributes and name.kind in ("", kind):
            told |= {name.genai: attributes[name.short], name.openinference: attributes[name.short]}
            left.pop(name.short, None)
    return {name: value for name, value in {**told, **left}.items() if name and value != ""}


def inward(attributes: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """(kind, attributes by their short names) of a span that came in; what has no short name keeps its own. Of a value told by
    both conventions OpenTelemetry's holds."""
    kind, short = _kind(attributes), {}
    lists, left = gathered(attributes)
    for name in NAMES:
        for other in (name.openinference, name.genai):
            if other and other in attributes and name.kind in ("", kind):
                short[name.short] = attributes[other]
                left.pop(other, None)
    for marked in (KIND, OPERATION, SPAN_KIND):
        left.pop(marked, None)
    return kind, {**left, **short, **lists}


def _kind(attributes: Mapping[str, Any]) -> str:
    """By our own mark, then by OpenInference's, which tells more kinds apart, then by the operation."""
    marked, operation = attributes.get(KIND), attributes.get(OPERATION)
    by_word = {kind.openinference: kind.name for kind in KINDS.values() if kind.openinference != "CHAIN"}
    by_operation = {kind.operation: kind.name for kind in KINDS.values() if kind.operation}
    by_operation |= dict.fromkeys(MODEL_OPERATIONS, "model")
    if isinstance(marked, str) and marked in KINDS:
        return marked
    return by_word.get(str(attributes.get(SPAN_KIND))) or by_operation.get(str(operation)) or "other"
