"""Weights in four bits: refused in words without bitsandbytes, and with it an adapter is trained beside them (QLoRA)."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.generation.torch_lm import Transformers
from core.models import four_bits
from core.models.adapters import RECORD
from core.progress import drain
from tests.generation.test_torch_lm import tiny_model
from tests.training.test_adapters import towns, trained

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tiny_model(tmp_path_factory.mktemp("tiny"), 64)  # on a CPU bitsandbytes takes whole blocks of 64 only
    return Transformers(model=str(folder), dtype="nf4", context_tokens=1024, own_process="no")


def test_without_the_package_it_is_told_how_to_get_it(model, monkeypatch):
    monkeypatch.setattr(four_bits, "find_spec", lambda name: None)
    with pytest.raises(WorkbenchError, match="bitsandbytes, which is not installed") as error:
        model.load()
    assert error.value.where == "generation.dtype" and four_bits.INSTALL in error.value.todo
    assert "bitsandbytes==" in (ROOT / four_bits.INSTALL.rpartition(" ")[2]).read_text("utf-8")
    assert "bitsandbytes" not in (ROOT / "requirements.txt").read_text("utf-8")


def test_the_settings_are_those_of_qlora(monkeypatch):
    import torch

    monkeypatch.setattr(four_bits, "find_spec", lambda name: object())
    made = four_bits.four_bits("bfloat16")
    assert made.load_in_4bit and made.bnb_4bit_quant_type == "nf4" and made.bnb_4bit_use_double_quant
    assert made.bnb_4bit_compute_dtype == torch.bfloat16


def test_its_answers_are_kept_apart(model):
    assert model.identity() != model.model_copy(update={"dtype": "bfloat16"}).identity()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_an_adapter_is_trained_beside_them(model, device):
    import torch

    if find_spec("bitsandbytes") is None:
        pytest.skip(f"bitsandbytes is not installed: {four_bits.INSTALL}")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("There is no CUDA here: QLoRA on a GPU is not tried.")
    from bitsandbytes.nn import Linear4bit

    part = model.model_copy(update={"device": device})
    result = drain(trained(towns(), part, f"qlora-{device}", max_steps=8, evaluate_every=4, learning_rate=0.02))
    record = json.loads((result.folder / RECORD).read_text())
    assert record["dtype"] == "nf4" and record["device"] == device
    assert result.best_step > 0 and result.loss["after"] < result.loss["before"]
    hello = [{"role": "user", "content": "Tell a story about a fox."}]
    base = part.next_logits(part.read(hello))
    worn = part.model_copy(update={"adapter": f"qlora-{device}"})
    assert sum(isinstance(module, Linear4bit) for module in part.load().model.modules()) == 14
    assert np.abs(worn.next_logits(part.read(hello)) - base).max() > 1e-3
    assert np.array_equal(part.next_logits(part.read(hello)), base)
