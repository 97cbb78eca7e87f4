"""The sandbox: programs run, and none of a table of attempts reaches anything outside."""

import subprocess
import sys

import pytest

from benchmarks import _escapes
from core.agents import sandbox
from core.agents.sandbox import Ran
from core.errors import WorkbenchError

here = pytest.mark.skipif(bool(sandbox.lacking()), reason=sandbox.lacking() or "the sandbox is here")


@here
def test_a_program_computes_and_prints():
    made = sandbox.run("import json, math\nprint(json.dumps([math.factorial(20), 'ü']))", 5.0)
    assert made == Ran('[2432902008176640000, "\\u00fc"]\n', "", 0) and not made.failed
    assert sandbox.run("x = 1", 5.0).told == "It printed nothing."
    broken = sandbox.run("print('before')\nint('x')", 5.0)
    assert (
        broken.failed and broken.told.startswith("before") and "ValueError" in broken.told and "sandbox_child" not in broken.told
    )
    assert sandbox.run("raise SystemExit(3)", 5.0).code == 3
    assert sandbox.run("import sys\nsys.exit('no solution')", 5.0) == Ran("no solution\n", "", 1)
    assert "SyntaxError" in sandbox.run("print(", 5.0).told
    with pytest.raises(WorkbenchError, match="are run at most"):
        sandbox.run("x" * (sandbox.LONGEST + 1), 1.0)


@here
def test_a_program_is_ended_in_time_and_its_output_is_bounded():
    made = sandbox.run("while True: pass", 0.5)
    assert made.code is None and made.ended == "It was ended after 0.5 s."
    made = sandbox.run("while True: print('x' * 10 ** 5)", 5.0)
    assert "printed more than" in made.ended and len(made.printed) <= sandbox.OUTPUT


@here
@pytest.mark.slow
def test_no_attempt_reaches_anything_outside(tmp_path):
    with _escapes.outside(tmp_path) as there:
        every = _escapes.attempts(there)
        assert len(every) >= 60
        assert {each.name: why for each in every if (why := _escapes.escaped(each, there))} == {}


def test_the_attempts_would_be_seen_outside_of_a_sandbox(tmp_path, monkeypatch):
    """The control: the same programs in a plain interpreter reach what they are after, and the harness says so."""

    def plain(code: str, seconds: float) -> Ran:
        done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=120)
        return Ran(done.stdout + done.stderr, "", done.returncode)

    monkeypatch.setattr(sandbox, "run", plain)
    wanted = (
        "a command by a submodule of an allowed import (CVE-2025-5120)",
        "reads the secret",
        "forks",
        "connects to a listener",
    )
    with _escapes.outside(tmp_path) as there:
        every = {each.name: each for each in _escapes.attempts(there)}
        said = {wanted[0]: _escapes.escaped(every[wanted[0]], there)}
        there.victim.wait(timeout=60)  # a busy machine takes its time to end it
        said |= {name: _escapes.escaped(every[name], there) for name in wanted[1:]}
    assert all(said.values()) and "the victim has ended" in said[wanted[1]]


def test_where_a_layer_is_lacking_it_says_so_and_runs_nothing(monkeypatch):
    monkeypatch.setattr(sandbox, "_run", lambda code, seconds: Ran("Landlock: Function not implemented", "", 77))
    sandbox.lacking.cache_clear()
    try:
        assert "lacks a layer of the sandbox: Landlock" in sandbox.lacking()
        with pytest.raises(WorkbenchError, match="Landlock"):
            sandbox.run("print(1)", 1.0)
        monkeypatch.setattr(sys, "platform", "darwin")
        sandbox.lacking.cache_clear()
        assert "Linux" in sandbox.lacking()
    finally:
        monkeypatch.undo()
        sandbox.lacking.cache_clear()
