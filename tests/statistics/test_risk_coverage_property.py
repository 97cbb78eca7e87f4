"""The risk-coverage curve of any scores: a count of every threshold gives the same, and coverage falls as the threshold rises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.statistics.risk_coverage import answered_at, lowest_threshold, risk_coverage

levels = st.sampled_from([np.nan, 0.1, 0.2, 0.35, 0.5, 0.75, 0.9])
rows = st.lists(st.tuples(levels, st.sampled_from([0.0, 1.0, np.nan]), st.integers(0, 6)), min_size=1, max_size=40)


def counted(scores, right):
    """[(threshold, coverage, share right)] and the area, one threshold after the other."""
    pairs = [(s, r) for s, r in zip(scores, right, strict=True) if not np.isnan(r)]
    answered = [(s, r) for s, r in pairs if not np.isnan(s)]
    points, risks = [], []
    for threshold in sorted({s for s, _ in answered}, reverse=True):
        there = [r for s, r in answered if s >= threshold]
        points.append((threshold, len(there) / len(pairs), sum(there) / len(there)))
    for score, _ in answered:
        there = [r for s, r in answered if s >= score]
        risks.append(1 - sum(there) / len(there))
    return points, sum(risks) / len(risks) if risks else None


@settings(deadline=None, max_examples=150)
@given(rows)
def test_every_point_is_what_counting_gives(made):
    scores, right, _ = (np.array(column, float) for column in zip(*made, strict=True))
    curve = risk_coverage(scores, right)
    points, area = counted(scores, right)
    assert np.column_stack(curve[:3]) == pytest.approx(np.array(points).reshape(-1, 3))
    assert curve.area.mean == (None if area is None else pytest.approx(area))


@settings(deadline=None, max_examples=100)
@given(rows, st.sampled_from([0.2, 0.5, 0.8, 1.0]))
def test_coverage_falls_as_the_threshold_rises_and_the_choice_holds_its_word(made, wished):
    scores, right, groups = (np.array(column, float) for column in zip(*made, strict=True))
    coverage = [answered_at(scores, right, threshold, groups)[0].mean or 0.0 for threshold in np.linspace(0, 1, 21)]
    assert coverage == sorted(coverage, reverse=True)
    curve = risk_coverage(scores, right, groups)
    assert (np.diff(curve.coverage) > 0).all() and (np.diff(curve.thresholds) < 0).all()
    banded = ~np.isnan(curve.low)
    assert ((curve.low <= curve.high) & (curve.low >= 0) & (curve.high <= 1))[banded].all()
    chosen = lowest_threshold(scores, right, wished)
    if chosen is not None:
        assert answered_at(scores, right, chosen)[1].mean >= wished - 1e-9
    else:
        assert not (curve.right >= wished).any()
