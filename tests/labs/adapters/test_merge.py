"""An adapter merged for good: the rows of queries and keys as llama.cpp has them, and the bundled model merged, said by three engines."""

import json
from pathlib import Path

import numpy as np
import pytest

from core import files
from core.config import TrialConfig
from core.corpus.library import split
from core.errors import WorkbenchError
from core.generation.torch_lm import Transformers
from core.labs.adapters import merge as lab
from core.labs.adapters.merge import merge_adapter, touched_by
from core.models.adapters import RECORD
from core.models.hub import adapters_home
from core.models.merged_gguf import in_pairs
from core.progress import drain
from core.sampling.filters import log_softmax
from tests.support.failing import failing, recipe
from tests.support.small_corpora import with_towns


@pytest.mark.parametrize(("heads", "size"), [(2, 8), (3, 4), (9, 64)])
def test_rows_go_back_where_transformers_took_them_from(heads, size):
    from transformers.modeling_gguf_pytorch_utils import LlamaTensorProcessor

    matrix = np.random.default_rng(0).standard_normal((heads * size, 5)).astype(np.float32)
    back = LlamaTensorProcessor()._reverse_permute_weights(in_pairs(matrix, heads), heads, heads)
    assert np.array_equal(back, matrix) and not np.array_equal(in_pairs(matrix, heads), matrix)


def test_log_probabilities_sum_to_one():
    assert np.exp(log_softmax(np.array([1.0, 500.0, -3.0]))).sum() == pytest.approx(1.0)


def random_adapter(name: str, part: Transformers) -> Path:
    """Of the model, with weights that change what it says."""
    import torch
    from peft import LoraConfig, get_peft_model

    model = part.opens()[1]()
    torch.manual_seed(0)
    tuned = get_peft_model(model.model, LoraConfig(r=4, target_modules=["q_proj", "k_proj", "down_proj"], task_type="CAUSAL_LM"))
    for key, weight in tuned.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(weight, std=0.01)
    folder = adapters_home() / name
    tuned.save_pretrained(folder)
    (folder / RECORD).write_text(json.dumps({"name": name, "base": {"name": "x", "sha256": model.sha256}}))
    files.seal_folder(folder)
    return folder


@pytest.mark.slow
def test_torch_merged_and_llama_cpp_say_what_the_adapter_says(tmp_path):
    bench = failing(tmp_path / "home")
    part = Transformers(dtype="float32", own_process="no")
    folder = random_adapter("r", part)
    assert "model.layers.0.self_attn.q_proj.weight" in touched_by(folder)
    told = drain(merge_adapter(bench, recipe(), "r", tmp_path / "out", checked=3))
    assert told["matrices"] == 90 and Path(told["gguf"]).is_file() and told["prompts"] == 3
    merged, native = told["against_the_adapter"]["merged"], told["against_the_adapter"]["llama_cpp"]
    assert merged["same_text"] == 3 and merged["largest_logprob_difference"] < 0.01
    assert native["same_text"] == native["same_first_token"] == 3 and native["largest_logprob_difference"] < 0.05
    kept, card = json.loads((tmp_path / "out" / "merged.json").read_text()), (tmp_path / "out" / "README.md").read_text()
    assert set(kept["tokens_per_s"]) == {"adapter", "merged", "llama_cpp"} and min(kept["tokens_per_s"].values()) > 0
    assert f"| {kept['tokens_per_s']['merged']:.1f} | {merged['speed_up']:.2f} | 3 |" in card
    assert kept["tokens_per_s"]["merged"] / kept["tokens_per_s"]["adapter"] == pytest.approx(merged["speed_up"], rel=0.5)
    with pytest.raises(WorkbenchError, match="already"):
        drain(merge_adapter(bench, TrialConfig(), "r", tmp_path / "out"))


class _Reached(Exception):
    """The work on the model began."""


def test_questions_are_looked_for_before_anything_is_merged(tmp_path, monkeypatch):
    def opened():
        raise _Reached

    monkeypatch.setattr(lab, "checked_adapter", lambda name, base: Path(name))
    monkeypatch.setattr(Transformers, "opens", lambda self: (("base",), opened))
    asked = [{"id": "q", "question": "Who?", "document": "a.txt", "answer": "Ada"}]
    bench, out = with_towns(tmp_path / "home", {"a.txt": "It was Ada who wrote it."}, asked), tmp_path / "out"
    with pytest.raises(WorkbenchError, match="has no questions") as error:
        drain(merge_adapter(bench, recipe(**{"corpus.dataset": "silent"}), "r", out))
    assert error.value.where == "silent" and "corpus.dataset" in error.value.todo and not out.exists()
    assert not split(bench.corpus(recipe()), "test").queries
    with pytest.raises(_Reached):
        drain(merge_adapter(bench, recipe(), "r", out))
