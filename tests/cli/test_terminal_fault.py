"""Escape sequences of other people: in names, titles, cells, errors and steps of progress no terminal obeys them."""

import io
import json
import sys

import pytest

from core.__main__ import main
from core.cli import frame
from core.cli.frame import verb
from core.cli.tables import show_table
from core.cli.terminal import inert
from core.errors import WorkbenchError
from core.records import Progress
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial

HOSTILE = "\x1b[31mRED\x07 \x1b]0;title\x1b\\ \x9b2J a\rb \x08\x7f"
SIGNS = "half \udcff of a 😀, “said” é"
STEERING = [chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))]


def is_inert(text: str) -> bool:
    return not [sign for sign in STEERING if sign in text]


def test_control_characters_are_written_out_and_all_else_stays():
    assert inert("\x1b[1m\x07\x9b") == "\\u001b[1m\\u0007\\u009b"
    plain = "tab\tand\nlines\r\nand ünïcode \U0001f469\u200d\U0001f680 العربية"
    assert inert(plain) == plain and is_inert(inert(HOSTILE))


@pytest.fixture
def verbs(monkeypatch):
    """Verbs of this test alone."""
    monkeypatch.setattr(frame, "VERBS", dict(frame.VERBS))
    before = set(frame.app)

    @verb("hostile-table", show_table)
    def table(*, fails: bool = False):
        yield Progress(1, 2, HOSTILE)
        yield HOSTILE
        if fails:
            raise WorkbenchError(HOSTILE, where=HOSTILE, todo=HOSTILE)
        return [{HOSTILE: HOSTILE, "n": 1}]

    @verb("hostile-value")
    def value():
        return {"name": HOSTILE}

    @verb("hostile-signs", lambda told: print(told["name"]))
    def signs():
        return {"name": SIGNS}

    yield
    for name in set(frame.app) - before:
        del frame.app[name]


@pytest.mark.parametrize("words", ["hostile-table", "hostile-table --fails", "hostile-table --json", "hostile-value", HOSTILE])
def test_whatever_a_verb_prints_is_inert(verbs, capsys, monkeypatch, words):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    main(words.split(" "))
    told = capsys.readouterr()
    assert is_inert(told.out) and is_inert(told.err.replace("\r\x1b[K", "")) and "RED" in told.out + told.err


def test_a_json_document_says_the_same(verbs, capsys):
    main(["hostile-value", "--json"])
    assert json.loads(capsys.readouterr().out) == {"name": HOSTILE}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("words", [["hostile-signs"], ["hostile-signs", "--json"]])
def test_what_a_terminal_has_no_character_for_is_written_out(verbs, monkeypatch, encoding, words):
    """It ended in a traceback, behind a key that was stored and is shown only once."""
    monkeypatch.setattr(sys, "stdout", out := io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert main(words) == 0
    told = out.buffer.getvalue().decode(encoding)
    assert json.loads(told)["name"] == SIGNS if "--json" in words else "\\u" in told


def test_names_of_what_is_stored_are_told_inert(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    store = Workbench(tmp_path).store
    trial = add_trial(store, add_questions(store))
    assert main(["describe", trial, "--name", HOSTILE, "--note", HOSTILE]) == 0 and main(["trials"]) == 0
    told = capsys.readouterr()
    assert "RED" in told.out and is_inert(told.out + told.err)
