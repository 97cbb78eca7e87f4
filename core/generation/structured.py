"""Answers that are valid JSON of a given schema, every time, however small the model.

A grammar leaves at each step only the tokens with which the text can still become what the schema asks for (Willard and
Louf 2023, "Efficient Guided Generation for Large Language Models", arXiv:2307.09702, section 3). It bounds form, not
truth. Everything in it has a greatest length, so the JSON always closes: strings and lists without a limit of their own
get one. llama.cpp's own conversion of schemas is not used: it lets raw line breaks into strings, which no JSON parser
takes, and drops limits on numbers without a word. Here what cannot be held is refused.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from core.config import knob
from core.errors import TOO_LONG, PromptTooLong, WorkbenchError
from core.files import read_json
from core.generation import protocol

STRING_CHARACTERS = 200
LIST_ITEMS = 8
SPAN = 1000  # integers from such a range are listed one by one
_SAID = {"$schema", "$id", "$comment", "title", "description", "default", "examples"}  # bind nothing
_HELD = {
    "object": {"properties", "required", "additionalProperties"}, "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength"}, "integer": {"minimum", "maximum"}, "number": {"minimum", "maximum"},
    "boolean": set(), "null": set(),
}  # fmt: skip
WHERE, TODO = "generation.json_schema", 'Give a schema such as {"type": "object", "properties": …}.'
_DATA = {"const", "enum", "default", "examples"}  # hold values, not schemas
_SIZES = {"minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum"}
# no control characters, and no \u: half of a surrogate pair is a character of no text
_CHARACTER = r'char ::= [^"\\\x00-\x1F\x7F] | "\\" ["\\/bfnrt]'


class Grammar(NamedTuple):
    gbnf: str  # in llama.cpp's notation
    longest: int  # characters of the longest JSON that it lets through; of what it gives word for word the bytes


def schema_knob():
    return knob(
        "", "A JSON schema, as text: the answer is valid JSON of it, and is never cut. Empty: free text.", label="JSON schema"
    )


def remote_schema_knob():
    return knob(
        "",
        "A JSON schema of an object, as text: it is sent with the prompt, and what comes back and is not of it is no answer. "
        "Empty, or of anything else: free text.",
        label="JSON schema",
    )


def of_object(schema: str) -> str:
    """The schema where it is one of an object, for services take no others; "" where it is not."""
    return schema if schema and read(schema).get("type") == "object" else ""


def closed(tree: Any) -> Any:
    """A schema as the strict modes of services want it: every key required, none besides, and no limits of sizes, which hold
    after the answer."""
    if isinstance(tree, list):
        return [closed(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    made = {name: closed(value) for name, value in tree.items() if name not in _SIZES}
    if isinstance(names := made.get("properties"), dict) and made.get("type") == "object":
        made |= {"additionalProperties": False, "required": list(names)}
    return made


def read(schema: str) -> dict[str, Any]:
    """The schema, where it is one and its references lead somewhere."""
    tree = read_json(schema, "The JSON schema", of=dict, where=WHERE, todo=TODO)
    if why := _slip(schema):
        raise WorkbenchError(f"The JSON schema is none: {why}.", where=WHERE, todo=TODO)
    return tree


@lru_cache(256)
def _slip(schema: str) -> str:
    """What a schema has that the standard does not know, or refers to and does not have; "": nothing."""
    import jsonschema

    tree = read_json(schema, of=dict)
    try:
        jsonschema.Draft202012Validator.check_schema(tree)
    except jsonschema.exceptions.SchemaError as error:
        return f"{error.message:.200} at {'.'.join(map(str, error.absolute_path)) or 'its top'}"
    return next((f"there is nothing at its reference {name}" for name in _references(tree) if _target(name, tree) is None), "")


def _references(tree: Any) -> Iterator[str]:
    """Those of a schema and of all within it."""
    if isinstance(tree, dict):
        yield from [tree["$ref"]] if isinstance(tree.get("$ref"), str) else ()
    inner = [value for name, value in tree.items() if name not in _DATA] if isinstance(tree, dict) else tree
    for each in inner if isinstance(inner, list) else ():
        yield from _references(each)


def _target(name: str, whole: dict) -> Any:
    """What a reference leads to within a schema; None: nothing."""
    target: Any = whole if name.startswith("#") else None
    for step in filter(None, name.removeprefix("#").split("/")):
        target = target.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
    return target


def grammar(schema: str) -> Grammar:
    """The grammar of the schema's JSON on one line, keys in the schema's order and none left out."""
    whole = read(schema)
    rule, longest = _rule(whole, whole, "schema", ())
    return Grammar(f"root ::= {rule}\n{_CHARACTER}\n", longest)


def fitting(schema: str, room_tokens: int, window: int) -> Grammar:
    """The grammar, where its longest JSON has room: a token holds at least one character of plain text."""
    rules = grammar(schema)
    if rules.longest > room_tokens:
        kind, begins = (PromptTooLong, f"{TOO_LONG}leaves") if rules.longest < window else (WorkbenchError, "The context has")
        raise kind(  # of the second kind no prompt fits
            f"{begins} room for {room_tokens:,} tokens, and the longest JSON of the schema has {rules.longest:,} characters.",
            where="generation.json_schema",
            todo="Give its strings and lists a smaller maxLength and maxItems.",
        )
    return rules


def finished(text: str, reason: str, schema: str) -> tuple[str, str]:
    """(text, finish reason): with a schema, what is not valid JSON of it is no answer."""
    text, reason = protocol.finished(text, reason)
    if text and schema and (why := problem(text, schema)):
        return "", "failed: the deadline came before the JSON was whole" if reason == "deadline" else f"failed: {why}"
    return text, reason


def problem(text: str, schema: str) -> str:
    """Why the text is not valid JSON of the schema; "" where it is."""
    import jsonschema

    try:
        value = read_json(text)
    except WorkbenchError as error:
        return f"not JSON: {error.what}"
    errors = jsonschema.Draft202012Validator(read(schema)).iter_errors(value)
    error = jsonschema.exceptions.best_match(errors)
    return f"not of the schema: {error.message:.200}" if error else ""


class Follower:
    """The grammar of one answer: call `take` with each token, and `allowed` for those that may follow. tokens: llguidance's table of the
    model's vocabulary.

    llama.cpp's own sampler of grammars is not used: it tries each token of the vocabulary at each step, which takes as long as the model.
    """

    def __init__(self, rules: Grammar, tokens: Any) -> None:
        from llguidance import LLMatcher
        from llguidance.gbnf_to_lark import gbnf_to_lark

        self._matcher = LLMatcher(tokens, LLMatcher.grammar_from_lark(gbnf_to_lark(rules.gbnf)))
        if self._matcher.is_error():
            raise WorkbenchError(
                f"The JSON schema cannot be followed: {self._matcher.get_error():.200}", where="generation.json_schema"
            )

    def allowed(self) -> Any:
        import numpy as np

        return np.flatnonzero(np.frombuffer(self._matcher.compute_logit_bias(), np.uint8))

    def forced(self) -> list[int]:
        """Tokens of the text that has no other way to go on."""
        return self._matcher.compute_ff_tokens()

    def take(self, token: int) -> None:
        self._matcher.consume_token(token)


def _rule(schema: Any, whole: dict, at: str, within: tuple[str, ...]) -> tuple[str, int]:
    """(right-hand side in GBNF, greatest number of characters)."""
    schema, within = _resolved(schema, whole, at, within)
    if "const" in schema or "enum" in schema:
        _alone(schema, {"const", "enum", "type"} | _SIZES, at)
        values = [json.dumps(v, ensure_ascii=False) for v in _allowed(schema)]
        return _either([(_literal(value), len(value.encode())) for value in values])
    if alternatives := schema.get("anyOf"):
        _alone(schema, {"anyOf"}, at)
        return _either([_rule(option, whole, f"{at}.anyOf", within) for option in alternatives])
    kind = schema.get("type", "object" if "properties" in schema else None)
    if isinstance(kind, list):
        return _either([_rule({**schema, "type": option}, whole, at, within) for option in kind])
    if kind not in _HELD:
        raise _refused(f"no type at {at}" if kind is None else f"the type {kind!r} at {at}")
    others = set().union(*_HELD.values()) - _HELD[kind]  # of a list of types, each takes what is its own
    if strange := sorted(set(schema) - _SAID - _HELD[kind] - {"type", "$defs", "definitions"} - others):
        raise _refused(f"'{strange[0]}' at {at}")
    if kind == "object":
        parts, longest = [], 2
        names = schema.get("properties", {})
        if missing := sorted(set(schema.get("required", [])) - set(names)):
            raise _refused(f"a required key without a schema at {at}: {missing[0]}")
        for name, inner in names.items():
            key, (rule, size) = json.dumps(name, ensure_ascii=False), _rule(inner, whole, f"{at}.{name}", within)
            parts.append(f"{_literal(key + ': ')} {rule}")
            longest += len(key.encode()) + 2 + size + (2 if len(parts) > 1 else 0)
        return f'"{{" {_COMMA.join(parts)} "}}"', longest
    if kind == "array":
        rule, size = _rule(schema.get("items", {}), whole, f"{at}[]", within)
        least, most = _sizes(schema, "Items", LIST_ITEMS, at)
        if most == 0:
            return '"[]"', 2
        more = f"({rule} ({_COMMA}{rule}){{{max(0, least - 1)},{most - 1}}})" if most > 1 else f"({rule})"
        return f'"[" {more}{"" if least else "?"} "]"', 2 + most * size + 2 * (most - 1)
    if kind == "string":
        least, most = _sizes(schema, "Length", STRING_CHARACTERS, at)
        return f'"\\"" char{{{least},{most}}} "\\""', 2 + 2 * most
    if kind in ("integer", "number"):
        return _number(kind, schema.get("minimum"), schema.get("maximum"), at)
    return ('("true" | "false")', 5) if kind == "boolean" else ('"null"', 4)


_COMMA = ' ", " '


def _number(kind: str, least: float | None, most: float | None, at: str) -> tuple[str, int]:
    fraction = ' ("." [0-9]{1,6})?' if kind == "number" else ""
    if least is None and most is None:
        return f'("-"? ("0" | [1-9] [0-9]{{0,8}}){fraction})', 10 + len(fraction and ".000000")
    if most is None and least == 0:
        return f'(("0" | [1-9] [0-9]{{0,8}}){fraction})', 9 + len(fraction and ".000000")
    whole = None not in (least, most) and least == int(least) and most == int(most) and 0 <= most - least <= SPAN
    if not whole or (fraction and least < 0):
        raise _refused(f"these limits of a number at {at} (held are 0 as the least, or two whole ones, {SPAN} apart at most)")
    rules = [
        (_literal(str(n)) + (fraction if n < most else ""), len(str(n)) + len(fraction and ".000000"))
        for n in range(int(least), int(most) + 1)
    ]
    return _either(rules)


def _resolved(schema: Any, whole: dict, at: str, within: tuple[str, ...]) -> tuple[dict, tuple[str, ...]]:
    while isinstance(schema, dict) and "$ref" in schema:
        name = schema["$ref"]
        if name in within:
            raise _refused(f"a schema that contains itself at {at}, for such JSON has no greatest length")
        _alone(schema, {"$ref"}, at)
        schema, within = _target(name, whole), (*within, name)
    if not isinstance(schema, dict):
        raise _refused(f"what stands at {at}")
    return schema, within


def _alone(schema: dict, held: set[str], at: str) -> None:
    """Refuses what stands beside these keys and would bind: a grammar has one rule."""
    if beside := sorted(set(schema) - _SAID - held - {"$defs", "definitions"}):
        raise _refused(
            f"'{beside[0]}' beside '{next(name for name in ('const', 'enum', 'anyOf', '$ref') if name in schema)}' at {at}"
        )


def _allowed(schema: dict) -> list[Any]:
    """Of the values that a schema lists those that are of it."""
    import jsonschema

    valid = jsonschema.Draft202012Validator(schema).is_valid
    return [value for value in schema.get("enum", [schema.get("const")]) if valid(value)]


def _sizes(schema: dict, of: str, usual: int, at: str) -> tuple[int, int]:
    """(least, most) of a list or text; without a limit of its own it has the usual one."""
    least = int(schema.get(f"min{of}", 0))
    most = int(schema.get(f"max{of}", max(usual, least)))
    if least > most:
        raise _refused(f"min{of} {least:,} above max{of} {most:,} at {at}")
    return least, most


def _either(rules: list[tuple[str, int]]) -> tuple[str, int]:
    if not rules:
        raise _refused("an empty list of values")
    return f"({' | '.join(rule for rule, _ in rules)})", max(size for _, size in rules)


def _literal(text: str) -> str:
    """Text as a literal of GBNF."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refused(what: str) -> WorkbenchError:
    return WorkbenchError(
        f"The grammar cannot hold {what}.",
        where="generation.json_schema",
        todo="Leave it out of the schema, and check it after the answer.",
    )
