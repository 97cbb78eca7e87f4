"""The skill for runners of agents has the form of the Agent Skills specification, and its commands are there."""

import json
import re
import shlex

import pytest
import yaml

from core.__main__ import parse
from core.cli.frame import Call
from tests.support.sources import ROOT

FILES = sorted((ROOT / "skills").glob("*/SKILL.md"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_a_skill_has_its_form_and_its_commands_are_there(path):
    _, head, body = path.read_text("utf-8").split("---\n", 2)
    told = yaml.safe_load(head)
    assert told["name"] == path.parent.name and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", told["name"]) and len(told["name"]) <= 64
    assert 0 < len(told["description"]) <= 1024 and set(told) <= {"name", "description", "license", "metadata"}
    assert json.loads(re.search(r"^metadata: (.*)$", head, re.MULTILINE)[1]), "OpenClaw reads metadata as JSON on one line"
    commands = re.findall(r"`python -m core ([^`]+)`", body)
    assert len(commands) > 5
    for command in commands:
        assert isinstance(call := parse(shlex.split(command)), Call) and call.json, command


def test_there_is_one():
    assert FILES
