"""Model folders of strangers: no code of theirs runs, no pickle is opened, and what is not said is not guessed."""

import json
import re
import shutil
from pathlib import Path

import pytest

from core import files
from core.embedding.llm_hidden import LLMHidden
from core.embedding.sentence_transformers import SentenceTransformers
from core.errors import WorkbenchError
from core.generation.torch_lm import Transformers
from core.judging.judgement_models import NLIModel, OwnModel
from core.models import hub
from core.reranking.cross_encoder import CrossEncoder
from core.scratch.models import moe
from core.training.experts import RUN, moe_home
from tests.generation.test_torch_lm import tiny_model
from tests.support.small_corpora import small_bert
from tests.support.sources import SOURCES, name_of

CODE = "from pathlib import Path\nPath(__file__).with_name('ran').write_text('')\n"


@pytest.fixture
def encoder(tmp_path) -> Path:
    small_bert(tmp_path / "stranger")
    return tmp_path / "stranger"


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Path:
    return tiny_model(tmp_path_factory.getbasetemp() / "tiny")


def edited(file: Path, **settings) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | settings))


def module(folder: Path, kind: str) -> None:
    (folder / "strange.py").write_text(CODE)
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([*modules, {"idx": 9, "name": "9", "path": "", "type": kind}]))


def pickled(folder: Path) -> None:
    """Weights that run code when they are opened as pickles are."""
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nmkdir\n(S'" + str(folder / "ran").encode() + b"'\ntR.")


def adapted(folder: Path) -> None:
    """With an adapter of another model, which the library would load instead."""
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "owner/other"}))


STRANGE = {
    "no modules.json": (lambda f: (f / "modules.json").unlink(), "no modules.json"),
    "empty modules.json": (lambda f: (f / "modules.json").write_text("[]"), "no modules.json"),
    "its own module": (lambda f: module(f, "strange.Module"), r"strange\.Module"),
    "a module of Python": (lambda f: module(f, "antigravity.Module"), "antigravity"),
    "a rare module": (lambda f: module(f, "sentence_transformers.models.WordEmbeddings"), "WordEmbeddings"),
    "no module": (lambda f: module(f, "sentence_transformers.util.http_get"), "http_get"),
    "of another library": (
        lambda f: edited(f / "config_sentence_transformers.json", model_type="SparseEncoder"),
        "SparseEncoder",
    ),
    "arguments": (lambda f: edited(f / "sentence_bert_config.json", model_args={"device_map": "disk"}), "model_args"),
    "pickles": (pickled, "no safetensors but pytorch_model.bin"),
    "an adapter": (adapted, "is that of an adapter"),
}


@pytest.mark.parametrize("strange", STRANGE)
def test_a_folder_that_asks_for_more_than_an_encoder_is_refused(encoder, strange):
    change, named = STRANGE[strange]
    change(encoder)
    with pytest.raises(WorkbenchError, match=named) as error:
        list(SentenceTransformers(model=str(encoder)).load().encode(["a text"]))
    assert error.value.where and error.value.todo and not (encoder / "ran").exists()


@pytest.mark.parametrize("load", [Transformers, LLMHidden])
@pytest.mark.parametrize("strange", ["code", "pickles", "adapter"])
def test_a_generators_folder_brings_data_only(decoder, tmp_path, monkeypatch, load, strange):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("nobody is asked whether code may run"))
    folder = Path(shutil.copytree(decoder, tmp_path / "stranger"))
    (folder / "strange.py").write_text(CODE)
    if strange != "code":
        {"pickles": pickled, "adapter": adapted}[strange](folder)
    else:
        own = {"AutoConfig": "strange.Config", "AutoModel": "strange.Model", "AutoModelForCausalLM": "strange.Model"}
        edited(folder / "config.json", model_type="strange", auto_map=own)
    part = load(model=str(folder), **({"own_process": "no"} if load is Transformers else {}))
    with pytest.raises(WorkbenchError, match=r"code of its own|no safetensors but|is that of an adapter"):
        part.load().prompt([]) if load is Transformers else list(part.load().encode(["a text"]))
    assert not (folder / "ran").exists()


def test_a_judges_folder_brings_no_pickles(encoder):
    edited(encoder / "config.json", id2label={"0": "entailment", "1": "neutral", "2": "contradiction"})
    pickled(encoder)
    with pytest.raises(WorkbenchError, match="no safetensors but"):
        NLIModel(encoder)
    assert not (encoder / "ran").exists()


def test_every_folder_is_opened_as_data():
    """`HERE`, or `WEIGHTS_HERE` of weights: nothing is fetched, no code is run, no pickle is opened."""
    calls = [
        (name_of(path), call)
        for path in SOURCES
        for call in re.findall(r"\.from_pretrained\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)", path.read_text("utf-8"))
    ]
    assert len(calls) > 8 and not [call for call in calls if not re.search(r"\*\*(WEIGHTS_HERE|HERE|source)\b", call[1])]


@pytest.mark.parametrize("kind", ["reranker", "judge", "experts"])
def test_a_model_made_here_that_is_not_as_it_was_written_is_refused(tmp_path, monkeypatch, kind):
    """None of its weights is read, which carry no checksum of their own."""
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    folder = {"reranker": hub.rerankers_home(), "judge": hub.faithfulness_home(), "experts": moe_home()}[kind] / "one"
    (folder / "tokenizer").mkdir(parents=True)
    for name in ("adapter.safetensors", "model.safetensors", "reranker.json", "faithfulness.json", RUN):
        (folder / name).write_text("{}")
    files.seal_folder(folder)
    load = {
        "reranker": lambda: CrossEncoder(model="one")._load(),
        "judge": lambda: OwnModel(folder),
        "experts": lambda: moe.load(folder),
    }[kind]
    with pytest.raises(Exception) as whole:  # it is no model, for whatever reason
        load()
    (folder / "adapter.safetensors").write_text("{ }")
    with pytest.raises(WorkbenchError, match=r"is damaged: adapter\.safetensors is not as it was written") as error:
        load()
    assert "is damaged" not in str(whole.value) and error.value.where == str(folder) and "backup" in error.value.todo
