"""By what a stored trial is known again: code, and the models trained here that its recipe names."""

import pytest

from core.config import TrialConfig, with_settings
from core.models.adapters import RECORD, SETTINGS, SHIPPED, WEIGHTS
from core.pipeline.trials import made_by


def trained(folder, weights: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((WEIGHTS, weights), (SETTINGS, "{}"), (RECORD, "{}"), ("model.safetensors", weights)):
        (folder / name).write_text(content)


@pytest.mark.parametrize(("place", "settings"), [
    ("adapters", {"generation.adapter": "mine:0.5"}),
    ("heads", {"answering.part": "reader", "answering.model": "mine"}),
    ("encoders", {"embedding.part": "trained", "embedding.name": "mine"}),
    ("rerankers", {"rerank.part": "cross_encoder", "rerank.model": "mine"}),
])  # fmt: skip
def test_a_name_that_was_trained_anew_is_another_model(tmp_path, monkeypatch, place, settings):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    config, answers = with_settings(TrialConfig(), settings), place in ("adapters", "heads")
    writer = [TrialConfig] if answers else []  # whose code works on an answer
    before = made_by(config, *writer)
    trained(tmp_path / place / "mine", "first")
    first = made_by(config, *writer)
    trained(tmp_path / place / "mine", "another")
    assert len({before, first, made_by(config, *writer)}) == 3
    assert not answers or made_by(config) == made_by(with_settings(config, {"generation.adapter": SHIPPED})), (
        "a ranking has no writer"
    )


def test_models_that_no_recipe_names_change_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    before = made_by(TrialConfig(), TrialConfig)
    for place in ("adapters", "heads", "encoders", "rerankers"):
        trained(tmp_path / place / "mine", place)
    assert made_by(TrialConfig(), TrialConfig) == before
