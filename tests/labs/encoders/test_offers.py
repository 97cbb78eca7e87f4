"""A new encoder stands beside the others by existing; those there are keep their names, addresses and order."""

from typing import ClassVar, Literal

import pytest

from app.ui.index import life
from core import registry
from core.config import TrialConfig
from core.embedding.lsa import LSA
from core.labs.encoders import comparison

BEFORE = ["minilm-mean", "minilm-cls", "minilm-max", "lsa", "word2vec-idf", "word2vec-mean", "generator-mean", "generator-last"]


class Tomorrow(LSA):
    part: Literal["tomorrow"] = "tomorrow"
    order: ClassVar[int] = 100
    title: ClassVar[str] = "Tomorrow"


@pytest.fixture
def tomorrow(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    registry.parts("encoder")
    monkeypatch.setitem(registry._parts["encoder"], "tomorrow", Tomorrow)


def test_a_new_encoder_is_offered_without_the_recipe_naming_it(tomorrow):
    offers = comparison.offers(TrialConfig())
    assert [offer.id for offer in offers[: len(BEFORE)]] == BEFORE
    assert ("tomorrow", "Tomorrow", Tomorrow()) in offers
    assert len({offer.id for offer in offers}) == len({offer.name for offer in offers}) == len(offers)


def test_a_new_encoder_can_take_over_an_index(tomorrow):
    there = life.encoders()
    assert there["tomorrow"] == "Tomorrow, fitted to these chunks" and there["lsa"] == "LSA, fitted to these chunks"
    assert there["minilm"] == "MiniLM" and not {"trained", "sentence_transformers"} & there.keys(), "they need a name"
