"""Attributes that are lists of objects: the messages of a prompt, the passages that were retrieved, as each convention writes them.

OpenTelemetry's are one attribute, of objects or their JSON; a message has parts (docs/gen-ai/gen-ai-spans.md and its JSON schemas in
github.com/open-telemetry/semantic-conventions-genai). OpenInference's are flattened, `llm.input_messages.0.message.role` (spec/
semantic_conventions.md of github.com/Arize-ai/openinference); OpenLLMetry flattens as well, `gen_ai.prompt.0.role`.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from core import files
from core.errors import WorkbenchError

MESSAGES, DOCUMENTS, OUTPUT = "messages", "documents", "output"
DOCUMENT = ("id", "content", "score")  # what OpenInference names of a passage; the rest is its metadata


class ListName(NamedTuple):
    """A list in its words. flat: its beginnings where it is flattened; inner: what stands before an object's own names there."""

    short: str
    genai: str
    flat: tuple[str, ...]
    inner: str


LISTS = (
    ListName(MESSAGES, "gen_ai.input.messages", ("llm.input_messages", "gen_ai.prompt"), "message"),
    ListName(OUTPUT, "gen_ai.output.messages", ("llm.output_messages", "gen_ai.completion"), "message"),
    ListName(DOCUMENTS, "gen_ai.retrieval.documents", ("retrieval.documents",), "document"),
)


def gathered(attributes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(lists by their short names, the attributes that are no part of them): messages as {"role", "content"}, passages as {"id", "score"}
    and their metadata, the output as the text of its first message. What cannot be read stays an attribute."""
    lists, left = {}, dict(attributes)
    for name in LISTS:
        for read in (_flattened(name, left), _whole(name, left)):  # of a list told by both OpenTelemetry's holds
            objects, parts = read
            if objects:
                lists[name.short] = objects
                left = {key: value for key, value in left.items() if key not in parts}
    if (told := lists.pop(OUTPUT, None)) and told[0]["content"]:
        lists[OUTPUT] = told[0]["content"]
    return lists, left


def spread(attributes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(its lists by both conventions, the other attributes). An output is a text here, which `conventions` names."""
    told, left = {}, dict(attributes)
    if are_messages(messages := left.get(MESSAGES)):
        left.pop(MESSAGES)
        told["gen_ai.input.messages"] = [
            {"role": each["role"], "parts": [{"type": "text", "content": each["content"]}]} for each in messages
        ]
        for number, each in enumerate(messages):
            told |= {f"llm.input_messages.{number}.message.{key}": each[key] for key in ("role", "content")}
    if _are_objects(documents := left.get(DOCUMENTS)):
        told["gen_ai.retrieval.documents"] = left.pop(DOCUMENTS)
        for number, each in enumerate(documents):
            flat = {key: each.get(key) for key in DOCUMENT}
            rest = {key: value for key, value in each.items() if key not in DOCUMENT}
            flat["metadata"] = json.dumps(rest) if rest else None
            told |= {f"retrieval.documents.{number}.document.{key}": value for key, value in flat.items() if value is not None}
    return told, left


def are_messages(value: Any) -> bool:
    """Whether it is a prompt: at least one message, each with a role and a text."""
    texts = [each.get(key) for each in value for key in ("role", "content")] if _are_objects(value) else [None]
    return all(isinstance(text, str) for text in texts)


def _are_objects(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(each, dict) for each in value)


def _whole(name: ListName, attributes: Mapping[str, Any]) -> tuple[list[dict[str, Any]], set[str]]:
    value = _parsed(attributes.get(name.genai))
    if not _are_objects(value):
        return [], set()
    made = [_message(each) for each in value] if name.inner == "message" else value
    return made, {name.genai}


def _flattened(name: ListName, attributes: Mapping[str, Any]) -> tuple[list[dict[str, Any]], set[str]]:
    begin = "|".join(map(re.escape, name.flat))
    pattern = re.compile(rf"(?:{begin})\.(\d{{1,6}})\.(?:{name.inner}\.)?(\w+)")
    parts = {key: match for key in attributes if (match := pattern.fullmatch(key))}
    by_number: dict[int, dict[str, Any]] = {}
    for key, match in parts.items():
        by_number.setdefault(int(match[1]), {})[match[2]] = attributes[key]
    objects = [by_number[number] for number in sorted(by_number)]
    if name.inner == "message":
        return [_message(each) for each in objects], set(parts)
    made = []
    for each in objects:
        rest = _parsed(each.pop("metadata", None))
        made.append({**each, **(rest if isinstance(rest, dict) else {})})
    return made, set(parts)


def _message(told: Mapping[str, Any]) -> dict[str, str]:
    """content: "" where it is no text, as of a call of a tool or a picture."""
    parts, content = told.get("parts"), told.get("content")
    if isinstance(parts, list):
        texts = [part.get("content") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
        content = "\n".join(texts) if len(texts) == len(parts) and all(isinstance(text, str) for text in texts) else ""
    return {"role": str(told.get("role") or "user"), "content": content if isinstance(content, str) else ""}


def _parsed(value: Any) -> Any:
    """JSON that stands as a text, as values; None where it is none."""
    if not isinstance(value, str):
        return value
    try:
        return files.read_json(value, numbers="careless")
    except WorkbenchError:
        return None
