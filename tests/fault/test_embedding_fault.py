"""Several processes, and killed ones, on one store; models that are damaged, of another kind or not there."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from core.embedding import models
from core.embedding.llm_hidden import LLMHidden
from core.embedding.minilm import bundled_folder
from core.embedding.vectors import embed, missing
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp

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


def test_processes_share_a_store_and_a_killed_one_leaves_it_whole(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    processes = [
        spawn.Process(target=work, args=(str(tmp_path), texts)) for texts in (TEXTS, TEXTS[::-1], TEXTS[1000:])
    ]
    [process.start() for process in processes]
    deadline = time.monotonic() + 60
    while len(missing(Slow(), TEXTS, tmp_path)) > 1500 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(processes[0].pid, signal.SIGKILL)
    [process.join(60) for process in processes]
    assert [process.exitcode for process in processes] == [-signal.SIGKILL, 0, 0]
    assert len(missing(Slow(), TEXTS, tmp_path)) == 0
    running = embed(Slow(), TEXTS, tmp_path)
    while True:
        try:
            next(running)
        except StopIteration as end:
            assert (end.value[:, 0] == [len(text) for text in TEXTS]).all()
            return


def test_a_language_model_that_cannot_be_read_says_what_to_do(tmp_path):
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
    left = models.home() / "cache" / "models"
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

    config = LlamaConfig(
        vocab_size=31_000, hidden_size=8, intermediate_size=8, num_hidden_layers=4, num_attention_heads=2
    )
    LlamaModel(config).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").symlink_to(bundled_folder() / "tokenizer.json")
    with pytest.raises(WorkbenchError) as error:
        list(LLMHidden(model=str(tmp_path), layer=layer).load().encode(["a text"]))
    assert error.value.where == "embedding.layer" and "1 to 4, or -4 to -1" in error.value.todo
