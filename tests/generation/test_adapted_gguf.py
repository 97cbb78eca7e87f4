"""The bundled model with an adapter, read by llama.cpp: what it says, where the copy is kept, and what happens when it is damaged."""

import json
import shutil

import numpy as np
import pytest

from core import files
from core.config import TrialConfig, fingerprint
from core.errors import WorkbenchError
from core.generation import adapted_gguf
from core.generation.llama_engine import LlamaCpp
from core.generation.odds import log_softmax
from core.generation.torch_lm import Transformers
from core.models.adapters import RECORD, SHIPPED, WEIGHTS, adapter_record, at_hand, folder_of, wearing
from core.models.identity import file_hash
from core.models.merged_gguf import from_pairs, in_pairs
from tests.labs.adapters.test_merge import random_adapter

HELLO = [{"role": "user", "content": "Name three colours of the rainbow."}]
NATIVE = {"own_process": "no", "context_tokens": 512, "max_tokens": 12, "weights": "bf16"}


def logits(part):
    return log_softmax(np.array(part.next_logits(part.read(HELLO)), np.float64))


def test_rows_in_pairs_go_there_and_back():
    matrix = np.random.default_rng(0).standard_normal((3 * 8, 5)).astype(np.float32)
    assert np.array_equal(from_pairs(in_pairs(matrix, 3), 3), matrix)


def test_weights_of_any_number_format_are_read_as_float32(tmp_path):
    import torch
    from safetensors.torch import save_file

    values = torch.tensor([[1.5, -2.0], [0.0078125, 3.0]])
    kinds = {"a": torch.float32, "b": torch.float16, "c": torch.bfloat16}
    save_file({name: values.to(kind) for name, kind in kinds.items()}, tmp_path / "x.safetensors")
    for matrix in adapted_gguf.read_weights(tmp_path / "x.safetensors").values():
        assert matrix.dtype == np.float32 and np.array_equal(matrix, values.numpy())


def test_the_bundled_model_wears_the_adapter_that_comes_with_it_and_no_other_model_does():
    part = LlamaCpp()
    assert part.adapter == SHIPPED and SHIPPED in at_hand()
    base = file_hash(part.path())
    assert adapter_record(SHIPPED)["base"]["sha256"] == base
    assert wearing(SHIPPED, 1.0, base) == {SHIPPED: 1.0} and wearing(SHIPPED, 1.0, "another") == {}
    assert wearing(SHIPPED, 0.0, base) == {} and wearing("", 1.0, base) == {}
    with pytest.raises(WorkbenchError, match="no adapter 'nobody'"):
        wearing("nobody", 1.0, base)


def test_recipes_from_before_it_came_are_those_of_the_model_alone():
    told = {name: value for name, value in LlamaCpp().model_dump(mode="json").items() if name not in LlamaCpp.added}
    old = TrialConfig.model_validate({"generation": told})
    younger = TrialConfig.model_validate({"generation": told | {"adapter": SHIPPED, "adapter_scale": 1.0}})
    assert (younger.generation.adapter, younger.generation.refusal) == (SHIPPED, 0.0)
    assert (old.generation.adapter, old.generation.adapter_scale) == ("", 1.0)
    plain = TrialConfig(generation=LlamaCpp(adapter="", refusal=0.0))
    assert fingerprint(old) == fingerprint(plain) != fingerprint(TrialConfig())
    assert TrialConfig.model_validate({"generation": {"part": "llama_cpp"}}).generation.adapter == SHIPPED


def test_a_damaged_shipped_adapter_is_told_and_the_plain_model_answers(tmp_path, monkeypatch):
    copy = tmp_path / SHIPPED
    shutil.copytree(folder_of(SHIPPED), copy)
    monkeypatch.setattr("core.models.adapters.folder_of", lambda name: copy if name == SHIPPED else tmp_path / name)
    part, told = LlamaCpp(), []
    monkeypatch.setattr(files, "tell", told.append)
    whole = part.identity()
    data = bytearray((copy / WEIGHTS).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / WEIGHTS).write_bytes(data)
    assert part._worn() == {} and "without the adapter" in told[0] and "damaged" in told[0]
    assert part.identity() != whole
    (copy / RECORD).unlink()
    assert part._worn() == {} and "lacks training.json" in told[-1]


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["bf16", "as_bundled"])
def test_llama_cpp_says_what_torch_says_with_the_adapter(weights):
    torch_part = Transformers(dtype="float32", own_process="no", adapter="r", adapter_scale=2.0, context_tokens=512)
    random_adapter("r", torch_part.model_copy(update={"adapter": ""}))
    native = LlamaCpp(**NATIVE | {"weights": weights}, adapter="r", adapter_scale=2.0)
    bare, worn, expected = logits(native.model_copy(update={"adapter": ""})), logits(native), logits(torch_part)
    off, bare_off = (np.abs(each - expected)[expected > np.log(1e-4)] for each in (worn, bare))
    assert off.max() < 0.12 and off.mean() < 0.5 * bare_off.mean()
    assert logits(native.model_copy(update={"adapter_scale": 0.0})).tolist() == bare.tolist()
    if weights == "as_bundled":  # each scale is a copy of its own where the weights are converted
        half = logits(native.model_copy(update={"adapter_scale": 0.5}))
        assert np.abs(half - bare).max() > 0.01 and np.abs(half - worn).max() > 0.01


@pytest.mark.slow
def test_a_damaged_copy_is_made_again_and_a_whole_one_is_not(own_models):
    part = LlamaCpp(**NATIVE)
    file = part.file()
    made = file.stat().st_mtime_ns
    assert part.file() == file and file.stat().st_mtime_ns == made and not part.converts()
    adapted_gguf._whole.clear()
    with file.open("r+b") as stream:
        stream.seek(file.stat().st_size // 2)
        stream.write(b"damage")
    assert part.file() == file and file.stat().st_mtime_ns != made and not files.damage_in(file.parent)


def test_dora_is_refused_in_words(tmp_path):
    folder = folder_of("d")
    folder.mkdir(parents=True)
    shutil.copytree(folder_of(SHIPPED), folder, dirs_exist_ok=True)
    settings = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(settings | {"use_dora": True}))
    files.seal_folder(folder)
    with pytest.raises(WorkbenchError, match="takes plain LoRA"):
        LlamaCpp(**NATIVE, adapter="d").file()
