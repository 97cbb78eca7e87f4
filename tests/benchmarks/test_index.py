"""The index benchmark: its synthetic vectors are what it says, and a small run yields every required figure."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import _clusters
from docs import numbers

ROOT = Path(__file__).resolve().parents[2]


def made(num, seed=0):
    return np.concatenate(list(_clusters.blocks(num, seed)))


def test_vectors_have_length_1_and_follow_from_the_seed():
    vectors = made(700)
    assert vectors.shape == (700, _clusters.DIM) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors, made(700)) and not np.allclose(vectors, made(700, seed=1))
    assert len(np.unique(vectors, axis=0)) == 700


def test_blocks_make_up_the_number_and_each_has_its_own_clusters(monkeypatch):
    monkeypatch.setattr(_clusters, "BLOCK", 300)
    assert [len(block) for block in _clusters.blocks(700)] == [300, 300, 100]
    first, second, _ = _clusters.blocks(700)
    inside = np.sort(first @ first.T, axis=1)[:, -2].mean()
    assert inside > np.max(first @ second.T, axis=1).mean() + 0.1


def test_questions_come_from_the_clusters_and_are_none_of_the_vectors(monkeypatch):
    monkeypatch.setattr(_clusters, "BLOCK", 300)
    vectors, asked = made(700), _clusters.queries(50, 700)
    assert asked.shape == (50, _clusters.DIM)
    nearest, strangers = (np.max(asked @ others.T, axis=1) for others in (vectors, made(700, seed=1)))
    assert nearest.max() < 0.999  # none is a vector
    assert nearest.mean() > strangers.mean() + 0.1


@pytest.mark.slow
def test_a_small_run_yields_every_required_figure():
    done = subprocess.run([sys.executable, "-m", "benchmarks.index", "--quick"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    result = json.loads(done.stdout)
    for figure in result["required"].values():
        assert np.isfinite(figure["value"]) and figure["met"] in (True, False, None)
    assert result["required"]["ivf_pq_recall"]["met"] and result["required"]["scratch_recall_lost"]["met"]
    assert (
        set(result["call_overhead"]["medquad"])
        > set(result["call_overhead"]["clusters"])
        >= {"faiss_flat", "faiss_ivf", "faiss_hnsw"}
    )
    found = {"index": {"result": result}, "index_full": {"result": result}}
    for name, place, how, _ in numbers.HEADLINES:
        assert name not in found or numbers.written(found, name, place, how) != numbers.ABSENT
