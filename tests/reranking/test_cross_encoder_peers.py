"""Scores against sentence-transformers' CrossEncoder, on a small model saved by it: the fast path, and the library's."""

import shutil

import numpy as np
import pytest

from core.embedding import minilm
from core.reranking import cross_encoder
from core.reranking.cross_encoder import CrossEncoder, LibraryReader, NativeReader
from tests.reranking.test_cross_encoder import QUESTION, RIGHT, WRONG, scores

pytestmark = pytest.mark.slow
PAIRS = [(question, text) for question in (QUESTION, "Bread?") for text in (*WRONG, RIGHT)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("cross")
    config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, num_labels=1)
    config.initializer_range = 0.3  # scores that differ
    BertForSequenceClassification(config).save_pretrained(place)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(minilm.bundled_folder() / name, place / name)
    return place


@pytest.fixture(scope="module")
def expected(folder):
    import torch
    from sentence_transformers import CrossEncoder as LibraryModel

    return LibraryModel(str(folder), device="cpu", max_length=512).predict(PAIRS, activation_fn=torch.nn.Identity())


@pytest.mark.parametrize("reader", [NativeReader, LibraryReader])
def test_scores_are_those_of_the_library(reader, folder, expected, monkeypatch):
    if reader is LibraryReader:
        monkeypatch.setattr(cross_encoder, "_is_native", lambda *_: False)
    part = CrossEncoder(model=str(folder), dtype="float32")
    assert isinstance(part._load(), reader)
    values = np.full(len(PAIRS), np.nan)
    for indices, some in part._load().read(PAIRS):
        values[indices] = some
    assert np.ptp(expected) > 0.01 and np.allclose(values, expected, atol=1e-4)


def test_both_paths_read_long_passages_in_windows(folder, monkeypatch):
    part = CrossEncoder(model=str(folder), dtype="float32", max_tokens=24)
    pairs = [(QUESTION, " ".join([WRONG[0]] * 6) + RIGHT)]
    fast, counted = scores(part, pairs), part.windows(pairs)
    monkeypatch.setattr(cross_encoder, "_is_native", lambda *_: False)
    [(_, library)] = part._load().read(pairs)
    assert counted == part._load().counts(pairs) and counted[0] > 3
    assert np.allclose(fast, library, atol=1e-4)
