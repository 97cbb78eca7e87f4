"""Any composition of the steps, on any vectors: what always holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import TransformConfig
from core.embedding.transform import fit
from core.errors import WorkbenchError


@st.composite
def cases(draw):
    n, dim = draw(st.integers(1, 40)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    vectors = rng.normal(size=(n, dim)) * 10.0 ** rng.uniform(-3, 3, dim) + draw(st.sampled_from([0, 1, 100]))
    if draw(st.booleans()):
        vectors = vectors[rng.integers(n, size=n)]  # duplicates
    config = TransformConfig(
        centre=draw(st.booleans()),
        remove_top=draw(st.integers(0, 3)),
        projection=draw(st.sampled_from(["none", "pca", "whitening"])),
        dimensions=draw(st.integers(0, 6)),
        cut=draw(st.integers(0, 6)),
        normalise=draw(st.booleans()),
        quantise=draw(st.sampled_from(["none", "float16", "int8", "binary", "pq"])),
    )
    return config, vectors.astype(np.float32)


@pytest.mark.slow
@settings(max_examples=300)
@given(cases())
def test_a_transform_is_finite_consistent_and_complete_or_names_its_setting(case):
    config, vectors = case
    before = vectors.copy()
    try:
        found = fit(config, vectors)
    except WorkbenchError as error:
        assert error.where.startswith("transform.") and error.todo.startswith("Allowed: ")
        return
    assert (vectors == before).all()
    assert found.chunks.shape == found.full.shape == (len(vectors), found.dim)
    assert found.chunks.dtype == found.full.dtype == np.float32
    assert np.isfinite(found.chunks).all() and np.isfinite(found.full).all()
    assert 0 < found.bytes_per_vector <= 4 * found.dim and found.bytes_fixed >= 0
    lengths = np.linalg.norm(found.full, axis=1)
    assert (lengths > 0).all()  # normal draws are never zero vectors
    if config.normalise:
        assert np.allclose(lengths, 1, atol=1e-5)
    again = found.queries(vectors)
    kept = again.any(axis=1)
    assert (~kept).sum() == found.lost and (again[kept] == found.full[kept]).all()
    if config.quantise == "int8":
        step = np.ptp(found.full, axis=0) / 255
        assert (np.abs(found.chunks - found.full) <= 0.51 * step + 1e-5 * np.abs(found.full).max()).all()
    if config.quantise == "binary":
        assert max(len(np.unique(column)) for column in found.chunks.T) <= 2
        assert np.allclose(found.chunks.mean(0), found.full.mean(0), rtol=1e-3, atol=1e-4 * np.abs(found.full).max())
