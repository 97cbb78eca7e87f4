"""Trained encoders as they are listed."""

import json

import pytest

from core.cli.encoders import encoders_trained
from core.labs.encoders.training import trained
from tests.support.small_corpora import small_bert


@pytest.mark.parametrize("record", [{"settings": {"max_tokens": 64, "pooling": "mean"}}, {"config": {"lr": 1}, "epochs": 3}, {}])
def test_an_encoder_that_was_not_trained_here_is_listed_without_a_record(tmp_path, monkeypatch, record):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    small_bert(tmp_path / "encoders" / "copied")
    (tmp_path / "encoders" / "copied" / "training.json").write_text(json.dumps(record))
    [encoder] = trained()
    assert (encoder.name, encoder.verdict, encoder.record) == ("copied", "unknown", {})
    assert encoders_trained() == [{"name": "copied", "verdict": "unknown", "created": None, "steps": None, "best_step": None}]
