"""The door for texts of others under attack: refused soon, with the place and a remedy, while other threads go on."""

import json
import re
import time

import pytest
import yaml

from core import files
from core.errors import WorkbenchError
from core.files import texts
from core.workbench import as_options
from tests.support.hostile_texts import ALIAS_BOMB, FILES, NO_FILES, TEXTS, lay

MOST_S = 5.0  # of the processor, on a loaded machine
WORDS = ("NaN in a mapping", "infinity")  # which YAML writes otherwise: there they are words


@pytest.mark.parametrize("name", [*FILES, *NO_FILES])
def test_a_file_is_refused_with_its_place(tmp_path, name):
    path, began = lay(tmp_path, name), time.process_time()
    for read in (files.read_json, *([files.read_yaml] if name not in WORDS else [])):
        with pytest.raises(WorkbenchError) as raised:
            read(path, "The study", of=dict, todo="Mend it.")
        assert raised.value.what.startswith("The study cannot be read: ") and len(raised.value.what) < 400
        assert re.fullmatch(rf"{re.escape(str(path))}(:\d+)?", raised.value.where) and raised.value.todo == "Mend it."
    assert time.process_time() - began < MOST_S


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_behind_an_option_is_a_value_or_a_word(name):
    began = time.process_time()
    value = files.read_value(TEXTS[name])
    assert value is None or len(str(value)) <= len(TEXTS[name]) + 100
    assert time.process_time() - began < MOST_S


@pytest.mark.parametrize(
    "text", ["Answer in one word: {question}", "In 3 words # no more", "# Task", "- be brief", "12:30", "2024-05-01", "a\nb: c"]
)
def test_words_behind_an_option_stay_as_they_are_typed(text):
    assert files.read_value(text) == text
    [_, said] = as_options("--set", {"context.template": text})
    assert said.isprintable() and files.read_value(said.partition("=")[2]) == text


def test_what_yaml_is_asked_to_read_behind_an_option_is_read():
    values = {
        "{part: rrf}": {"part": "rrf"},
        "[1, 2]": [1, 2],
        '"12:30"': "12:30",
        "0.5": 0.5,
        "yes": True,
        "null": None,
        " a ": "a",
    }
    assert {text: files.read_value(text) for text in values} == values


def test_a_file_that_is_no_file_is_told_apart(tmp_path):
    for name, words in (
        ("a pipe", "pipe or a device"),
        ("a device", "pipe or a device"),
        ("a folder", "folder"),
        ("nothing", "No such"),
    ):
        with pytest.raises(WorkbenchError, match=words) as raised:
            files.regular(lay(tmp_path, name, name))
        assert raised.value.where == str(tmp_path / name) and raised.value.todo
    assert files.regular(lay(tmp_path, "zeros")).read_bytes() == files.contents(tmp_path / "given.yaml")


@pytest.mark.parametrize("text", ["x" * 300, "a\0b", "~nobody-of-this-name/x", "/etc/" + "y/" * 3000, "\ud800"])
def test_what_no_path_can_be_is_told_with_its_setting(text):
    try:
        assert not files.path_of(text, "generation.model").exists()
    except WorkbenchError as error:
        assert error.where == "generation.model" and "no path" in error.what


def test_the_reason_says_where_in_the_text():
    for read, text, words in (
        (files.read_yaml, "a: 1\nb: [1, 2\n", "line 3"),
        (files.read_yaml, "a: 1\nb: 2\na: 3\n", "'a' stands twice in a mapping (line 3)"),
        (files.read_json, '{"a":\n nothing}', "line 2, column 2"),
        (files.read_json, b'{"a": "\xff"}', "byte 8"),
    ):
        with pytest.raises(WorkbenchError) as raised:
            read(text)
        assert words in raised.value.what


def test_names_may_stand_again_where_a_mapping_is_merged():
    assert files.read_yaml("a: &a {x: 1, y: 1}\nb: {<<: *a, x: 2}\n")["b"] == {"x": 2, "y": 1}


def test_yaml_is_bounded_alike_without_libyaml(monkeypatch):
    monkeypatch.setattr(texts, "PlainLoader", yaml.SafeLoader)
    for text in ("title: a\nlist: [1, 2.5, yes]\nof: &a {x: 1}\nb: *a\n", json.dumps({"a": [1, None]})):
        assert texts.read_yaml(text) == yaml.safe_load(text)
    with pytest.raises(WorkbenchError, match="aliases"):
        texts.read_yaml(f"{ALIAS_BOMB}title: *i\n")
