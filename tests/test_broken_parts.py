"""A part that breaks its contract ends a search or a measurement in an error that names it, never in a traceback."""

import numpy as np
import pytest

from core import registry
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.records import Candidates
from core.retrieval.fusion import fused
from core.workbench import Workbench
from tests.contract.test_fusions import part, pool_of
from tests.contract.test_indexes import Exact
from tests.support.broken.breach import broken
from tests.support.broken.ranking import ChangedBM25, PadsAreRanked, Share, built, summed
from tests.support.broken.texts import Bag, Lines
from tests.support.small_corpora import with_towns

TEXTS = {"tea.txt": "Tea is made from leaves. It is hot.", "bread.txt": "Bread is made from flour.", "salt.txt": "Salt is white."}
QUESTIONS = [
    {"id": "1", "question": "What is tea made from?", "document": "tea.txt", "answer": "leaves"},
    {"id": "2", "question": "Bread?", "document": "bread.txt", "answer": "flour"},
    {"id": "3", "question": "Which is white?", "document": "salt.txt", "answer": "Salt"},
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Workbench:
    return with_towns(tmp_path_factory.mktemp("home"), TEXTS, QUESTIONS)


def wide(found: Candidates) -> Candidates:
    return Candidates(found.chunk, found.score.astype(np.float64))


def beyond(found: Candidates) -> Candidates:
    return Candidates(found.chunk + np.int32(1000), found.score)


def unpadded(found: Candidates) -> Candidates:
    return Candidates(np.full_like(found.chunk, -1), np.nan_to_num(found.score))


BROKEN = [
    ("fusion", broken(PadsAreRanked, "narrow", fuse=lambda self, pool: pool.ranked(summed(pool))[:, 1:]), "scores of shape"),
    ("fusion", broken(PadsAreRanked, "all_nan", fuse=lambda self, pool: np.full(pool.chunk.shape, np.nan, np.float32)), "NaN"),
    ("index", broken(Exact, "wide_index", build=built(wide)), "float64 scores"),
    ("index", broken(Exact, "beyond_index", build=built(beyond)), "gives chunks 1000"),
    ("sparse", broken(ChangedBM25, "unpadded", change=lambda self, found, depth: unpadded(found)), "NaN stands where"),
    ("encoder", broken(Bag, "cut_vectors", vectors=lambda self, texts, query: np.zeros((len(texts), 3), np.float32)), "of shape"),
    ("encoder", broken(Bag, "few_vectors", encode=lambda self, texts, query=False: (pair for pair in ())), "texts a vector"),
    ("chunker", broken(Lines, "beyond", split=lambda self, text, tools: [(0, len(text) + 5)]), "outside of their document"),
]


def recipe(**settings) -> TrialConfig:
    return with_settings(TrialConfig(), {"corpus.dataset": "towns", "embedding": "lsa", **settings})


@pytest.mark.parametrize("kind, cls, words", BROKEN, ids=[cls.__name__ for _, cls, _ in BROKEN])
@pytest.mark.parametrize("verb", ["search", "evaluate"])
def test_a_broken_part_is_named(kind, cls, words, verb, bench, monkeypatch):
    name = cls.model_fields["part"].default
    monkeypatch.setitem(registry._parts[kind], name, cls)
    stage = {"encoder": "embedding", "chunker": "chunking"}.get(kind, kind)
    config = recipe(**{f"{stage}.part": name})
    with pytest.raises(WorkbenchError, match=words) as error:
        bench.search(config, "white bread or tea") if verb == "search" else bench.evaluate(config)
    assert f"{name} gives" in error.value.what and "docs/adding_a_part.md" in error.value.todo


def test_ranked_pads_are_named(bench, monkeypatch):
    scores = {"needs": lambda self, there: ("sparse",), "fuse": lambda self, pool: np.nan_to_num(pool.score["sparse"])}
    monkeypatch.setitem(registry._parts["fusion"], "padded", broken(PadsAreRanked, "padded", **scores))
    with pytest.raises(WorkbenchError, match="The fusion padded gives pads a score"):
        bench.evaluate(recipe(**{"fusion.part": "padded"}))


def test_a_broken_metric_is_named(bench, monkeypatch):
    monkeypatch.setitem(
        registry._parts["metric"], "one_mean", broken(Share, "one_mean", values=lambda self, judged, k: np.float64(0.5))
    )
    with pytest.raises(WorkbenchError, match="The metric one_mean does not give a number for each question"):
        bench.evaluate(recipe())


@pytest.mark.parametrize("name", registry.parts("fusion"))
def test_whole_parts_pass(name):
    pool = pool_of(("sparse", "dense"))
    assert np.array_equal(fused(part(name), pool), part(name).fuse(pool))
