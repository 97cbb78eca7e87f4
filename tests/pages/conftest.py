"""Shared by the tests of pages: every command shown is one that the command line reads, every negative number has a minus sign, and
the jobs that pages start are only told."""

import re
import shlex
from html import unescape

import pytest
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.ui import export, tables
from core.__main__ import parse
from core.cli.frame import Call
from core.jobs.verbs import as_typed

START = "python -m core "


@pytest.fixture(autouse=True)
def shown_commands(monkeypatch):
    """The commands of the charts and code blocks that a test's pages draw; each has to be a whole and valid one."""
    shown, menu, code = [], export.menu, st.code

    def remembered_menu(*arguments, command, **rest):
        shown.append(command)
        return menu(*arguments, command=command, **rest)

    def remembered_code(text, *arguments, **rest):
        shown.extend([text] if str(text).startswith(START) else [])
        return code(text, *arguments, **rest)

    monkeypatch.setattr(export, "menu", remembered_menu)
    monkeypatch.setattr(st, "code", remembered_code)
    yield shown
    single = {each for command in shown for each in command.removeprefix(START).split(f"\n{START}")}
    assert [each for each in single if not isinstance(parse(shlex.split(each)), Call)] == []
    assert [each for each in single if as_typed(words := shlex.split(each)) != words] == [], "by the name of its verb"


@pytest.fixture(autouse=True)
def shown_numbers(monkeypatch):
    """Negative numbers in the words that a test's pages draw; none has a hyphen. Text of corpora and models stays as it is."""
    wrong, enqueue = [], DeltaGenerator._enqueue

    def looked_at(self, kind, element, *arguments, **rest):
        body = getattr(element, "body", "")
        if kind in ("html", "markdown", "alert") and not re.search(r"<style|<script|gw-(text|pre|passage)|```", body):
            words = unescape(re.sub(r"<[^>]*>", " ", body)).replace("\\", "")
            wrong.extend(words[max(0, at.start() - 40) : at.end() + 20] for at in tables.NEGATIVE.finditer(words))
        return enqueue(self, kind, element, *arguments, **rest)

    monkeypatch.setattr(DeltaGenerator, "_enqueue", looked_at)
    yield
    assert wrong == []


@pytest.fixture
def started(bench, monkeypatch):
    """The jobs that the pages start, which are not run."""
    jobs = []
    monkeypatch.setattr(type(bench.jobs), "start", lambda self, arguments, label, *_: jobs.append(list(arguments)))
    return jobs
