"""What holds of agreement on any labels."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.statistics.agreement.alpha import LEVELS, alpha
from core.statistics.agreement.chance import brennan_prediger, fleiss, gwet, percent
from core.statistics.agreement.coefficient import estimate
from core.statistics.agreement.disputed import disputed
from core.statistics.agreement.kappa import conger
from core.statistics.consensus import majority
from core.statistics.dawid_skene import dawid_skene

CATEGORIES = 4
TABLES = st.tuples(st.integers(1, 12), st.integers(2, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan]))
)
MAKERS = [lambda v, level=level: alpha(v, level) for level in LEVELS]
MAKERS += [lambda v, make=make: make(v, CATEGORIES) for make in (percent, fleiss, gwet, brennan_prediger, conger)]
MAKERS += [lambda v, w=w: gwet(v, CATEGORIES, w) for w in ("linear", "quadratic")]
NOMINAL = [alpha, *MAKERS[4:9]]


def value(make, values):
    return estimate(make(values), resamples=0).value


def same(a, b) -> bool:
    return (a is None) == (b is None) and (a is None or np.isclose(a, b, atol=1e-9))


@pytest.mark.slow
@settings(max_examples=100)
@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_items_and_annotators_does_not_matter(values, random):
    rows, columns = list(range(values.shape[0])), list(range(values.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    for make in MAKERS:
        assert same(value(make, values), value(make, values[rows][:, columns]))


@pytest.mark.slow
@settings(max_examples=100)
@given(TABLES, st.permutations(range(CATEGORIES)))
def test_the_names_of_nominal_categories_do_not_matter(values, names):
    renamed = np.where(np.isnan(values), np.nan, np.array(names, float)[np.nan_to_num(values).astype(int)])
    for make in NOMINAL:
        assert same(value(make, values), value(make, renamed))


@pytest.mark.slow
@settings(max_examples=100)
@given(TABLES)
def test_values_are_at_most_1_and_1_only_where_all_agree(values):
    agree = all(len(set(row[~np.isnan(row)])) <= 1 for row in values)
    for make in MAKERS:
        found = estimate(make(values), resamples=50)
        assert (found.value is None) == bool(found.note.startswith("undefined"))
        if found.value is not None:
            assert found.value <= 1 + 1e-9 and np.isfinite(found.value)
            assert np.isclose(found.value, 1) == agree
            assert found.low is None or found.low <= found.high


@pytest.mark.slow
@settings(max_examples=60)
@given(TABLES)
def test_items_labelled_once_or_never_do_not_change_alpha(values):
    single = np.full((3, values.shape[1]), np.nan)
    single[1:, 0] = [0, 3]
    for level in LEVELS:
        make = lambda v, level=level: alpha(v, level)  # noqa: E731
        assert same(value(make, values), value(make, np.vstack([values, single])))


@settings(max_examples=60)
@given(TABLES, st.floats(0.1, 50), st.floats(-50, 50))
def test_interval_alpha_knows_no_unit_and_ordinal_no_distance(values, scale, shift):
    assert same(value(MAKERS[2], values), value(MAKERS[2], values * scale + shift))
    assert same(value(MAKERS[1], values), value(MAKERS[1], np.exp(values)))
    assert same(value(MAKERS[3], values), value(MAKERS[3], values * scale))


@pytest.mark.slow
@settings(max_examples=60)
@given(TABLES)
def test_dawid_skene_never_loses_likelihood(values):
    found = dawid_skene(values, CATEGORIES, starts=2, steps=30)
    assert np.diff(found.log_likelihoods).min(initial=0) > -1e-7
    labelled = (~np.isnan(values)).any(axis=1)
    assert (np.isnan(found.labels) == ~labelled).all() and np.allclose(found.posteriors[labelled].sum(axis=1), 1)


@settings(max_examples=60)
@given(TABLES)
def test_disputed_are_exactly_the_items_without_unanimity(values):
    split = {i for i, row in enumerate(values) if len(set(row[~np.isnan(row)])) > 1}
    found = disputed(values, CATEGORIES)
    assert {one.item for one in found} == split and all(0 < one.entropy <= 2 + 1e-9 for one in found)
    assert all(a.entropy >= b.entropy - 1e-9 for a, b in pairwise(found))
    consensus = majority(values, CATEGORIES)
    assert consensus.ties + consensus.unlabelled == np.isnan(consensus.labels).sum()
