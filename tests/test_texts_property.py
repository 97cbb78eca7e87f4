"""The door for texts of others: what it reads is what was written, and what it does not read is a WorkbenchError."""

import json
import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as some

from core.errors import WorkbenchError
from core.files.texts import DEEPEST, MOST_TEXT, PlainLoader, read_json, read_value, read_yaml

WORDS = some.text(some.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)
LONG = some.integers(-(2**63), 2**63 - 1)
LEAVES = some.none() | some.booleans() | LONG | some.floats(allow_nan=False, allow_infinity=False) | WORDS
VALUES = some.recursive(LEAVES, lambda inner: some.lists(inner) | some.dictionaries(WORDS, inner), max_leaves=20)
YAML_SIGNS = some.text("ab19.:-?[]{},&*#|>'\"!%@` \n\t<=_~e", max_size=40)


@pytest.mark.slow
@given(VALUES)
def test_what_was_written_is_read(value):
    assert read_json(json.dumps(value)) == value
    assert read_json(json.dumps(value, ensure_ascii=False).encode(), numbers="careless") == value
    written = yaml.safe_dump(value, allow_unicode=False)
    assert read_yaml(written) == yaml.load(written, PlainLoader)


@pytest.mark.slow
@settings(max_examples=500)
@given(YAML_SIGNS | some.text(max_size=40) | some.binary(max_size=40))
def test_any_text_is_read_as_the_library_does_or_refused(text):
    try:
        value = read_yaml(text)
    except WorkbenchError as error:
        assert error.what and error.todo and "\n" not in error.what
    else:
        assert repr(value) == repr(yaml.load(text.decode("utf-8-sig") if isinstance(text, bytes) else text, PlainLoader))
    try:
        value = read_json(text)
    except WorkbenchError as error:
        assert error.what and error.todo
    else:
        assert value == json.loads(text)


@pytest.mark.slow
@settings(max_examples=300)
@given(YAML_SIGNS | some.text(max_size=40))
def test_behind_an_option_everything_is_a_value(text):
    read_value(text)


@given(some.integers(DEEPEST - 5, DEEPEST + 5), some.sampled_from(["list", "mapping", "aliases"]))
def test_depth_counts_alike_however_it_is_written(depth, how):
    text = {
        "list": "[" * depth + "]" * depth,
        "mapping": '{"a": ' * depth + "1" + "}" * depth,
        "aliases": "[&a0 [], " + ", ".join(f"&a{n} [*a{n - 1}]" for n in range(1, depth - 1)) + "]",
    }[how]
    for read in (read_yaml, *([read_json] if how != "aliases" else [])):
        if depth > DEEPEST:
            with pytest.raises(WorkbenchError, match="deep"):
                read(text)
        else:
            read(text)


@given(some.integers(1, 30), some.integers(1, 60), some.booleans())
def test_aliases_may_write_out_as_much_as_the_text_may_have(width, levels, mappings):
    form = "{{{}}}" if mappings else "[{}]"
    lines = ["a0: &a0 [x]"]
    for level in range(1, levels + 1):
        entries = ", ".join(f"k{n}: *a{level - 1}" if mappings else f"*a{level - 1}" for n in range(width))
        lines.append(f"a{level}: &a{level} {form.format(entries)}")
    leaves = sum(width**level for level in range(levels + 1))
    try:
        assert len(str(read_yaml("\n".join(lines)))) < 30 * MOST_TEXT
    except WorkbenchError:
        assert leaves > MOST_TEXT / 30 or levels + 2 > DEEPEST


@given(some.integers(), some.integers(0, 400))
def test_numbers_of_64_bits_are_numbers(whole, zeros):
    text = str(whole * 10**zeros)
    fits = -(2**63) <= int(text) < 2**63
    for read in (read_json, read_yaml):
        if fits:
            assert read(text) == int(text)
        else:
            with pytest.raises(WorkbenchError):
                read(text)
    assert read_json(f'{{"id": {text}}}', numbers="careless") == {"id": int(text) if fits else text}


@given(some.floats(), some.sampled_from(["bounded", "careless"]))
def test_what_is_no_number_is_refused_or_null(value, numbers):
    text = json.dumps([value])
    if math.isfinite(value):
        assert read_json(text, numbers=numbers) == [value]
    elif numbers == "careless":
        assert read_json(text, numbers=numbers) == [None]
    else:
        with pytest.raises(WorkbenchError, match="number"):
            read_json(text)
