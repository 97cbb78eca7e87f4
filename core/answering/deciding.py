"""Small decisions that a model takes on its way to an answer, each of a closed set: a schema holds it to the choices."""

import json
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from core.answering.protocol import Material
from core.errors import PromptTooLong
from core.files import read_json
from core.generation import structured
from core.generation.loading import loaded
from core.generation.protocol import Generated
from core.progress import Running
from core.records import Hit, Progress

YES_NO = ("yes", "no")


def schema_of(properties: Mapping[str, Any]) -> str:
    """Of an object with these keys; a sequence stands for its values as choices."""
    told = {name: {"enum": list(each)} if isinstance(each, Sequence) else each for name, each in properties.items()}
    return json.dumps({"type": "object", "properties": told, "required": [*told], "additionalProperties": False})


def decided(
    material: Material, prompt: str, properties: Mapping[str, Any], texts: list[Generated]
) -> Generator[str | Progress, None, dict[str, Any]]:
    """What the model decides, by key; {} where it wrote nothing valid, or cannot read the prompt. texts: takes what it wrote."""
    own, schema = material.untaught, schema_of(properties)
    room = max(own.max_tokens, structured.grammar(schema).longest)
    engine = own.having(json_schema=schema, max_tokens=room, stop=(), logprobs=0)
    chat = [{"role": "user", "content": prompt}]
    yield from loaded(own)
    try:
        for _ in (running := Running(engine.generate(chat, material.seed, material.left_s))):
            yield ""
    except PromptTooLong:
        return {}
    texts.append(running.result)
    return read_json(running.result.text, "The decision", of=dict) if running.result.text else {}


def written(material: Material, messages: list[dict[str, str]], texts: list[Generated]) -> Generator[str, None, Generated]:
    """A text that is not shown as it comes."""
    for _ in (running := Running(material.generator.generate(messages, material.seed, material.left_s))):
        yield ""
    texts.append(running.result)
    return running.result


def thought(
    material: Material, hits: Sequence[Hit], template: str, most: int, texts: list[Generated]
) -> Generator[str | Progress, None, str]:
    """What the model writes over all these passages on its way to the answer, `most` tokens of it."""
    yield from loaded(material.untaught)
    short = material._replace(generator=material.untaught.having(max_tokens=most, json_schema="", logprobs=0))
    return (yield from written(short, short.prompt_over(hits, template=template).messages, texts)).text
