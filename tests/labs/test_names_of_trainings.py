"""The name of what is trained is looked at before any work: one that leads elsewhere, is taken or that of what ships is refused."""

import json

import pytest

from core import files
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.adapters import answerer
from core.labs.adapters import training as adapters
from core.labs.encoders import training as encoders
from core.labs.heads import training as heads
from core.labs.heads.trained import trained_heads
from core.labs.reranking import training as reranking
from core.labs.scores import faithfulness_models
from core.progress import drain
from core.training import tokenizers

CONFIG = TrialConfig()
# where it stands, the name of what ships -> the verb
VERBS = {
    ("adapters", "answerer"): lambda name, data: adapters.train_adapter(None, CONFIG, name, {}),
    ("adapters", "answerer", "dpo"): lambda name, data: adapters.train_dpo(None, CONFIG, name, {}),
    ("adapters", "answerer", "answerer"): lambda name, data: answerer.train_answerer(None, name, data, {}),
    ("encoders", ""): lambda name, data: encoders.train_encoder(None, CONFIG, name, {}),
    ("encoders", "", "rag"): lambda name, data: encoders.train_rag(None, CONFIG, name, {}),
    ("rerankers", "minilm-squad"): lambda name, data: reranking.train_reranker(None, CONFIG, name, {}),
    ("faithfulness", "minilm-faithful"): lambda name, data: faithfulness_models.train_faithfulness(None, name, data, {}),
    ("heads", "squad-reader"): lambda name, data: heads.train_classifier(None, name, None, {"": data}, {}),
}


@pytest.mark.parametrize("place", VERBS)
def test_a_name_is_refused_before_any_work(place, monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    (tmp_path / place[0] / "mine").mkdir(parents=True)
    for name in ("../evil", "a/b", "..", "", ".hidden", "x" * 65, *([place[1]] if place[1] else []), "mine"):
        with pytest.raises(WorkbenchError) as told:
            drain(VERBS[place](name, tmp_path))
        assert any(word in told.value.what for word in ("cannot name", "already", "what ships")), told.value
    assert [file.name for file in files.home().iterdir()] == [place[0]], "nothing was begun"


@pytest.mark.parametrize("name", ["MiniLM", "SmolLM2"])
def test_a_tokenizer_takes_no_bundled_ones_name(name, tmp_path):
    with pytest.raises(WorkbenchError, match="bundled"):
        drain(tokenizers.train_tokenizer(["some text"], tokenizers.TokenizerConfig(), tmp_path / name))
    assert not (tmp_path / name).exists()


def test_a_record_of_another_program_is_no_head(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    records = {"ours": {"task": "spans", "test": {}, "steps": 1, "created": "2026-01-01"}, "theirs": {"task": "spans"}}
    for name, record in records.items():
        (tmp_path / "heads" / name).mkdir(parents=True)
        (tmp_path / "heads" / name / "training.json").write_text(json.dumps(record))
    assert [entry.name for entry in trained_heads()] == ["ours"]
