"""Shared by the tests of pages: every command shown is one that the command line reads, and the jobs that pages start are only told."""

import shlex

import pytest
import streamlit as st

from app.ui import export
from core.__main__ import parse
from core.cli.frame import Call

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


@pytest.fixture
def started(bench, monkeypatch):
    """The jobs that the pages start, which are not run."""
    jobs = []
    monkeypatch.setattr(type(bench.jobs), "start", lambda self, arguments, label, units=0: jobs.append(list(arguments)))
    return jobs
