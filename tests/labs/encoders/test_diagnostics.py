"""Known answers: shapes whose isotropy, hubs and dimension are certain."""

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.labs.encoders.diagnostics import (
    average_cosine,
    diagnose,
    effective_rank,
    hubness,
    isoscore,
    mle,
    neighbours,
    participation_ratio,
    partition_isotropy,
    separation,
    two_nn,
    unit,
)
from core.labs.encoders.maps import flat_map
from core.progress import drain

rng = np.random.default_rng(11)
SPHERE = unit(rng.normal(size=(2000, 30)))
CONE = unit(rng.normal(size=(2000, 30)) + 8 * np.eye(30)[0])


def embedded(k, n=3000, dim=384):
    """A k-dimensional gaussian somewhere in dim dimensions."""
    return (rng.normal(size=(n, k)) @ np.linalg.qr(rng.normal(size=(dim, k)))[0].T + 3).astype(np.float32)


def test_the_sphere_is_isotropic_and_a_cone_is_not():
    assert abs(average_cosine(SPHERE)) < 0.005 and average_cosine(CONE) > 0.6
    assert partition_isotropy(SPHERE) > 0.95 and partition_isotropy(CONE) < 0.25


def test_average_cosine_is_the_mean_over_all_pairs():
    few = CONE[:40]
    pairs = (few @ few.T)[~np.eye(40, dtype=bool)]
    assert average_cosine(few) == pytest.approx(pairs.mean(), abs=1e-6)


def test_partition_isotropy_of_two_opposite_points():
    # Z along them is e + 1/e, across them 2
    assert partition_isotropy(np.array([[1, 0], [-1, 0]], np.float32)) == pytest.approx(2 / (np.e + 1 / np.e))
    assert partition_isotropy(np.array([[1, 0]], np.float32)) == pytest.approx(np.exp(-2))


@pytest.mark.parametrize("used", [1, 4, 10])
def test_dimensions_in_effect_of_equal_variances(used):
    variance = np.where(np.arange(10) < used, 2.5, 0)
    assert isoscore(variance) == pytest.approx((used - 1) / 9)  # Rudman et al. 2022, section 4: linear in the dimensions used
    assert effective_rank(variance) == pytest.approx(used)
    assert participation_ratio(variance) == pytest.approx(used)


def test_participation_ratio_and_effective_rank_by_hand():
    assert participation_ratio(np.array([4.0, 1.0])) == pytest.approx(25 / 17)
    p = np.array([2 / 3, 1 / 3])
    assert effective_rank(np.array([4.0, 1.0])) == pytest.approx(np.exp(-(p * np.log(p)).sum()))


@pytest.mark.parametrize("k", [2, 5, 10])
def test_intrinsic_dimension_of_a_gaussian_in_many_dimensions(k):
    near = neighbours(embedded(k), 20)
    assert two_nn(near.distances) == pytest.approx(k, rel=0.1)
    assert mle(near.distances) == pytest.approx(k, rel=0.1)


def test_duplicates_do_not_break_the_dimension():
    doubled = np.repeat(embedded(5, n=1500), 2, axis=0)
    some = np.concatenate([embedded(5, n=2500), doubled[:500]])
    near = neighbours(some, 20)
    assert two_nn(near.distances) == pytest.approx(5, rel=0.15) and np.isfinite(mle(near.distances))
    assert np.isnan(two_nn(neighbours(doubled, 20).distances))  # nothing but duplicates


def test_neighbours_are_those_of_plain_comparison():
    near = neighbours(CONE[:200], 6)
    plain = np.linalg.norm(CONE[:200, None] - CONE[None, :200], axis=2)
    np.fill_diagonal(plain, np.inf)
    assert np.allclose(near.distances, np.sort(plain, axis=1)[:, :6], atol=1e-5)
    assert np.allclose(np.take_along_axis(plain, near.ids, axis=1), near.distances, atol=1e-5)


def test_a_sample_is_drawn_by_seed_and_counted():
    a, b = neighbours(SPHERE, 5, seed=1, sample=300), neighbours(SPHERE, 5, seed=1, sample=300)
    assert len(a.rows) == 300 and (a.ids == b.ids).all() and (a.rows == b.rows).all()
    assert (neighbours(SPHERE, 5, seed=2, sample=300).rows != a.rows).any()
    found = diagnose(SPHERE, sample=300)
    assert (found.n, found.n_neighbours, found.dim) == (2000, 300, 30) and found.spectrum.sum() == pytest.approx(1)


def test_a_star_has_a_hub():
    # the middle is everyone's nearest, and no two ends are near each other
    star = np.concatenate([np.zeros((1, 40)), np.eye(40)]).astype(np.float32)
    found = hubness(neighbours(star, 1).ids, 41)
    assert found.largest == 40 and found.skewness > 5 and found.antihubs == pytest.approx(39 / 41)


def test_many_dimensions_have_hubs_and_few_do_not():
    many, few = (hubness(neighbours(rng.normal(size=(1500, d)).astype(np.float32), 10).ids, 1500) for d in (200, 3))
    assert many.skewness > 3 > 0.5 > few.skewness and many.antihubs > 0.1 > few.antihubs
    assert many.counts.sum() == 15_000 and many.share_of_top > 5 * few.share_of_top


def test_hubness_by_hand_and_of_short_lists():
    found = hubness(np.array([[0, 1], [0, -1], [0, -1]]), 4)
    assert found.counts.tolist() == [3, 1, 0, 0] and found.antihubs == 0.5
    apart = np.array([2, 0, -1, -1])
    assert found.skewness == pytest.approx((apart**3).mean() / (apart**2).mean() ** 1.5)
    assert np.isnan(hubness(np.array([[0], [1]]), 2).skewness)  # no variation


def test_gold_pairs_stand_apart_from_random_ones():
    queries = unit(SPHERE[:300] + 0.3 * rng.normal(size=(300, 30)) / np.sqrt(30))
    found = separation(queries, SPHERE, np.stack([np.arange(300)] * 2, axis=1))
    assert found.auc > 0.99 and found.d_prime > 4
    assert found.gold_counts.sum() == 300 and found.random_counts.sum() == len(found.random) > 19_900
    nothing = separation(queries, SPHERE, np.stack([np.arange(300), rng.permutation(300)], axis=1))
    assert abs(nothing.auc - 0.5) < 0.06 and abs(nothing.d_prime) < 0.25


def test_random_pairs_leave_the_gold_out():
    pairs = np.stack(np.meshgrid([0, 1], [0, 1, 2]), axis=-1).reshape(-1, 2)
    found = separation(SPHERE[:2], SPHERE[:4], pairs, random_pairs=500)
    assert set(np.round(found.random, 5)) == set(np.round(SPHERE[:2] @ SPHERE[3], 5))  # only the fourth chunk is no one's gold
    none = separation(SPHERE[:2], SPHERE[:3], pairs)
    assert np.isnan(none.auc) and len(none.random) == 0 and none.gold_counts.sum() == 6
    assert np.isnan(separation(SPHERE[:2], SPHERE[:3], np.empty((0, 2), int)).d_prime)


@pytest.mark.parametrize("vectors", [SPHERE[:1], SPHERE[:3], np.repeat(SPHERE[:1], 30, axis=0)])
def test_too_little_to_say_is_nan_not_an_error(vectors):
    found = diagnose(vectors)
    assert np.isnan(found.two_nn) and np.isnan(found.mle)
    if len(vectors) != 3:
        assert np.isnan(found.isoscore) and np.isnan(found.effective_rank)


def test_a_pca_map_has_the_principal_coordinates():
    found = drain(flat_map(CONE, SPHERE[:50]))
    basis_variance = np.linalg.eigvalsh(np.cov(CONE.T, bias=True))[::-1]
    assert np.allclose(found.chunk_xy.var(0), basis_variance[:2], rtol=1e-3)
    assert found.variance == pytest.approx(tuple(basis_variance[:2] / basis_variance.sum()), rel=1e-3)
    assert found.query_xy.shape == (50, 2) and len(found.chunk_rows) == 2000 and found.density is None
    few = drain(flat_map(CONE, SPHERE[:50], limit=200))
    assert len(few.chunk_rows) == 150 and few.density.count.sum() == 2000, "the chunks that are not drawn are counted"
    xy, (right, up) = found.chunk_xy, (few.density.x[1] - few.density.x[0], few.density.y[1] - few.density.y[0])
    across, down = np.abs(xy[:, 0] - few.density.x[30]) < right / 2, np.abs(xy[:, 1] - few.density.y[20]) < up / 2
    assert few.density.count[20, 30] == (across & down).sum() > 0
    assert drain(flat_map(CONE, SPHERE[:50], "tsne", limit=200)).density is None


def test_a_map_draws_by_seed_keeps_what_it_is_asked_to_and_leaves_zero_rows_out():
    vectors = SPHERE.copy()
    vectors[5] = 0
    keep = np.array([5, 17, 1234])
    found = drain(flat_map(vectors, CONE[:400], keep=keep, limit=100))
    assert len(found.chunk_rows) == len(found.query_rows) == 50
    assert {17, 1234} <= set(found.chunk_rows) and 5 not in found.chunk_rows
    again = drain(flat_map(vectors, CONE[:400], keep=keep, limit=100))
    assert (again.chunk_rows == found.chunk_rows).all() and (again.chunk_xy == found.chunk_xy).all()


def test_maps_that_cannot_be_drawn_are_refused():
    for chunks, method in ((SPHERE[:2], "pca"), (SPHERE[[0] * 9], "tsne"), (SPHERE, "umap")):
        with pytest.raises(WorkbenchError):
            drain(flat_map(chunks, SPHERE[:1], method))
