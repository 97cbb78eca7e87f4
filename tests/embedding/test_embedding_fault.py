"""Several processes, and killed ones, on one store; models that are damaged, of another kind or not there."""

import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from core import files
from core.embedding.llm_hidden import LLMHidden
from core.embedding.minilm import bundled_folder
from core.embedding.sentence_transformers import SentenceTransformers
from core.embedding.trained import Trained
from core.embedding.vectors import embed, missing
from core.errors import WorkbenchError
from core.files import seal_folder
from core.generation.llama_engine import LlamaCpp
from core.models import loading
from core.progress import drain
from core.training.encoders.start import start_encoder
from tests.support.small_corpora import small_bert

TEXTS = [f"text {i}" for i in range(3000)]


class Slow:
    dim, max_tokens = 4, 256

    def identity(self):
        return "slow"

    def prefix(self, query):
        return ""

    def load(self):
        return self

    def encode(self, texts, query=False):
        for i in range(0, len(texts), 20):
            time.sleep(0.005)
            yield np.arange(i, min(i + 20, len(texts))), np.array([[len(t)] * 4 for t in texts[i : i + 20]], np.float32)


def work(folder: str, texts: list[str]) -> None:
    for _ in embed(Slow(), texts, Path(folder)):
        pass


@pytest.mark.slow
def test_processes_share_a_store_and_a_killed_one_leaves_it_whole(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=work, args=(str(tmp_path), texts)) for texts in (TEXTS, TEXTS[::-1], TEXTS[1000:])]
    [process.start() for process in processes]
    deadline = time.monotonic() + 300
    while len(missing(Slow(), TEXTS, tmp_path)) > 1500 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(processes[0].pid, signal.SIGKILL)
    [process.join(300) for process in processes]
    assert [process.exitcode for process in processes] == [-signal.SIGKILL, 0, 0]
    assert len(missing(Slow(), TEXTS, tmp_path)) == 0
    assert (drain(embed(Slow(), TEXTS, tmp_path))[:, 0] == [len(text) for text in TEXTS]).all()


@pytest.mark.slow
def test_a_language_model_that_cannot_be_read_says_what_to_do(tmp_path, own_models):
    cut = tmp_path / "cut.gguf"
    with LlamaCpp().path().open("rb") as file:
        cut.write_bytes(file.read(3_000_000))
    for part, where, todo in (
        (LLMHidden(model=str(tmp_path / "absent.gguf")), "absent.gguf", "embedding.model"),
        (LLMHidden(model=str(cut)), "cut.gguf", "cut short"),
        (LLMHidden(model="/no such folder"), "embedding.model", "folder"),
        (LLMHidden(model=str(bundled_folder())), "embedding.model", "decoder"),  # a BERT
    ):
        with pytest.raises(WorkbenchError) as error:
            list(part.load().encode(["a text"]))
        assert where in error.value.where and todo in error.value.todo
    left = files.home() / "cache" / "models"
    assert not left.exists() or list(left.iterdir()) == [], "a conversion that failed leaves nothing"


def test_a_language_model_is_never_fetched_unless_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert not LLMHidden().absent() and not LLMHidden(download=True).absent()
    assert not LLMHidden(model="owner/absent").absent() and LLMHidden(model="owner/absent", download=True).absent()
    with pytest.raises(WorkbenchError) as error:
        LLMHidden(model="owner/absent", download=True).identity()
    assert "download" in error.value.todo


@pytest.mark.parametrize("layer", [0, 5, -5])
def test_a_layer_that_the_model_does_not_have(layer, tmp_path):
    from transformers import LlamaConfig, LlamaModel

    config = LlamaConfig(vocab_size=31_000, hidden_size=8, intermediate_size=8, num_hidden_layers=4, num_attention_heads=2)
    LlamaModel(config).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").symlink_to(bundled_folder() / "tokenizer.json")
    with pytest.raises(WorkbenchError) as error:
        list(LLMHidden(model=str(tmp_path), layer=layer).load().encode(["a text"]))
    assert error.value.where == "embedding.layer" and "1 to 4, or -4 to -1" in error.value.todo


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small BERT as a sentence-transformers folder."""
    folder = tmp_path_factory.mktemp("models") / "small"
    small_bert(folder)
    return folder


def without(folder: Path, name: str) -> None:
    (folder / name).unlink()


def renamed(folder: Path, name: str) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights["of.another.model"] = weights.pop(name)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def filled(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)


def cut(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])


HARMS = {
    "empty": lambda f: [shutil.rmtree(f), f.mkdir()],
    "no weights": lambda f: without(f, "model.safetensors"),
    "no config": lambda f: without(f, "config.json"),
    "cut weights": lambda f: cut(f, "model.safetensors"),
    "empty weights": lambda f: filled(f, "model.safetensors", b""),
    "text for weights": lambda f: filled(f, "model.safetensors", b"<html>404</html>"),
    "renamed tensor": lambda f: renamed(f, "encoder.layer.0.attention.self.query.weight"),
    "renamed words": lambda f: renamed(f, "embeddings.word_embeddings.weight"),
    "cut config": lambda f: cut(f, "config.json"),
    "list for config": lambda f: filled(f, "config.json", b"[1]"),
    "empty config": lambda f: filled(f, "config.json", b"{}"),
    "cut tokenizer": lambda f: cut(f, "tokenizer.json"),
    "empty tokenizer": lambda f: filled(f, "tokenizer.json", b"{}"),
}


@pytest.mark.parametrize("kind", ["sentence_transformers", "trained", "start"])
@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_model_folder_is_refused_in_words(folder, tmp_path, monkeypatch, kind, harm):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    damaged = tmp_path / "encoders" / "small"
    shutil.copytree(folder, damaged)
    HARMS[harm](damaged)
    with pytest.raises(WorkbenchError) as error:
        if kind == "sentence_transformers":
            part = SentenceTransformers(model=str(damaged))
        else:
            part = Trained(name="small") if kind == "trained" else start_encoder("small", damaged.parent).part
        for _ in embed(part, ["a text", "another"], tmp_path / "vectors"):
            pass
        part.load().token_offsets(["a text"])
    assert error.value.what and error.value.todo
    assert not list((tmp_path / "vectors").rglob("*.npz")), "no vector of a damaged model is kept"


def test_a_whole_model_folder_is_taken(folder, tmp_path):
    for _ in embed(SentenceTransformers(model=str(folder)), ["a text"], tmp_path):
        pass
    assert len(list(tmp_path.rglob("*.npz"))) == 1


@pytest.mark.parametrize("name", ["model.safetensors", "training.json", "tokenizer.json", ".checksums.json"])
def test_a_trained_encoder_of_which_a_bit_flipped_is_refused(folder, tmp_path, monkeypatch, name):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    made = tmp_path / "encoders" / "small"
    shutil.copytree(folder, made)
    seal_folder(made)
    assert Trained(name="small").load()
    data = bytearray((made / name).read_bytes())
    data[len(data) // 2] ^= 4
    (made / name).write_bytes(data)
    for use in (lambda: Trained(name="small").load(), lambda: start_encoder("small", made.parent)):
        with pytest.raises(WorkbenchError, match="damaged") as error:
            loading._loaded.clear()
            use()
        assert name in error.value.what and "backup" in error.value.todo
