"""Shards merged: what one index of all vectors finds, ties too."""

import numpy as np
import pytest

from core.index.faiss_flat import FaissFlat
from core.index.faiss_hnsw import FaissHNSW
from core.index.faiss_sharded import FaissSharded

rng = np.random.default_rng(8)
WHOLE = rng.integers(-3, 4, size=(150, 6)).astype(np.float32)  # products without rounding, and many ties
VECTORS = np.concatenate([WHOLE, WHOLE, WHOLE])[rng.permutation(450)]
QUESTIONS = rng.integers(-3, 4, size=(25, 6)).astype(np.float32)


@pytest.mark.parametrize("shards", [1, 2, 7, 64])
@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_flat_shards_are_one_flat_index_ties_included(metric, shards):
    parts = FaissFlat(metric=metric), FaissSharded(kind="flat", metric=metric, shards=shards)
    one, many = (part.build(VECTORS, None) for part in parts)
    same(one, many, 450)
    for each in (one, many):
        new = each.add(QUESTIONS)
        each.remove(np.concatenate([new[:3], np.arange(100, 140)]))
        each.update(np.arange(40, 60), VECTORS[:20])
    same(one, many, 475)
    assert many.size == one.size and many.dead == one.dead


def same(one, many, ids):
    """All rows in one order. Of those that tie with the tenth any may be the tenth, as in FAISS itself."""
    ties, among = rng.permutation(ids).astype(np.int32), rng.random(ids) < 0.4
    for mask in (None, among):
        every, merged = (each.search(QUESTIONS, one.size, ties, among=mask) for each in (one, many))
        assert (every.chunk == merged.chunk).all() and np.array_equal(every.score, merged.score, equal_nan=True)
    every, few = one.search(QUESTIONS, one.size, ties), many.search(QUESTIONS, 10, ties)
    assert (few.score == every.score[:, :10]).all()
    ahead = few.score > few.score[:, -1:]
    assert (few.chunk[ahead] == every.chunk[:, :10][ahead]).all()


def test_cosines_are_those_of_one_index():
    vectors, questions = rng.normal(size=(400, 16)).astype(np.float32), rng.normal(size=(9, 16)).astype(np.float32)
    one, many = (part.build(vectors, None).search(questions, 20) for part in (FaissFlat(), FaissSharded(kind="flat", shards=5)))
    assert (one.chunk == many.chunk).all() and (one.score == many.score).all()


def test_graphs_of_shards_are_the_same_each_time_and_find_no_less_than_one(tmp_path):
    vectors, questions = rng.normal(size=(3000, 24)).astype(np.float32), rng.normal(size=(60, 24)).astype(np.float32)
    part = FaissSharded(shards=3, m=8, ef_construction=40, ef_search=16)
    first, again = (part.build(vectors, folder).search(questions, 10) for folder in (tmp_path, None))
    opened = part.build(vectors, tmp_path)
    assert (first.chunk == again.chunk).all() and (opened.search(questions, 10).chunk == first.chunk).all()
    assert opened.disk_bytes > 0 and len(list(tmp_path.glob("*/ready.json"))) == 1
    wanted = FaissFlat().build(vectors, None).search(questions, 10).chunk
    one = FaissHNSW(m=8, ef_construction=40, ef_search=16).build(vectors, None).search(questions, 10).chunk
    share = [np.mean([np.isin(a, b).mean() for a, b in zip(found, wanted, strict=True)]) for found in (first.chunk, one)]
    assert share[0] >= share[1]
