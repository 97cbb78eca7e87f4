"""A new index has its place in charts, legends, buttons and sweeps by what it says of itself; the others keep theirs."""

from typing import ClassVar, Literal

import pytest

from app.ui import charts
from app.ui.index import figures, recipe
from core import registry
from core.index.exact import Exact
from core.labs.index import grids

LOOKS = {  # as published figures have them
    "exact": (charts.BASELINE, "circle"), "faiss_hnsw": ("#0072B2", "circle"), "faiss_ivf": ("#E69F00", "circle"),
    "faiss_ivf_pq": ("#009E73", "circle"), "faiss_sq": ("#CC79A7", "circle"), "hnswlib": ("#56B4E9", "circle"),
    "faiss_disk": ("#D55E00", "circle"), "lancedb": ("#0072B2", "square"), "chroma": ("#E69F00", "square"),
    "faiss_flat": ("#009E73", "square"),
}  # fmt: skip


class Tree(Exact):
    """Stands for an index written tomorrow."""

    order: ClassVar[int] = 100
    title: ClassVar[str] = "Tree"
    preset: ClassVar[str] = "Tree"
    query_settings: ClassVar[tuple[str, ...]] = ("leaves",)
    part: Literal["tree"] = "tree"
    leaves: int = 5

    def grid(self, num_vectors, dim):
        return {"leaves": [1, 10]}


@pytest.fixture
def tree(monkeypatch):
    registry.parts("index")
    monkeypatch.setitem(registry._parts["index"], "tree", Tree)


def test_a_new_index_says_its_look_its_button_and_its_sweep(tree):
    colour, _ = figures.look("tree")
    assert colour != charts.BASELINE and figures.look("tree") not in LOOKS.values()
    assert figures.title("tree") == "Tree" and recipe.presets()["Tree"] == "tree"
    assert grids.default_grid(Tree(), 1000, 8) == {"leaves": [1, 5, 10]} and grids.main_setting(Tree()) == "leaves"


def test_the_others_look_as_before(tree):
    assert {part: figures.look(part) for part in LOOKS} == LOOKS
    assert figures.look("no part any more") == LOOKS["exact"] and figures.title("no part any more") == "no part any more"
    looks = [figures.look(part) for part in registry.parts("index")]
    assert len(set(looks)) == len(looks)
    assert list(recipe.presets())[:4] == ["Exact", "HNSW", "IVF", "IVF-PQ"]
