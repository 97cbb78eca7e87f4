"""What holds of the times of any trace."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.serving import traces as asked
from tests.support.requests import span


@st.composite
def traces(draw):
    """Spans within their parents, which start and end at whole milliseconds: many begin or end together, or have no length."""
    spans = [span(1, 1, 0, "whole", 0, draw(st.integers(0, 40)))]
    for number in range(2, draw(st.integers(1, 14)) + 1):
        above = draw(st.integers(1, number - 1))
        low, high = ((each - spans[0].start_ns) // 10**6 for each in (spans[above - 1].start_ns, spans[above - 1].end_ns))
        start = draw(st.integers(low, high))
        spans.append(span(1, number, above, draw(st.sampled_from("abc")), start, draw(st.integers(start, high))))
    return draw(st.permutations(spans))


@given(traces())
def test_own_time_is_as_counted_millisecond_by_millisecond(spans):
    falls = asked.waterfalls(spans)
    for row, each in enumerate(spans):
        parts = [other for other in spans if other.parent == each.span]
        alone = [ns for ns in range(each.start_ns, each.end_ns, 10**6) if not any(p.start_ns <= ns < p.end_ns for p in parts)]
        assert falls.own[row] == len(alone) * 10**6


@given(traces())
def test_the_critical_path_covers_a_trace_without_gap_or_overlap(spans):
    falls = asked.waterfalls(spans)
    path = asked.critical_path(falls)
    assert (path.end > path.start).all() and (path.start[1:] == path.end[:-1]).all()
    assert (path.end - path.start).sum() == falls.total[0]
    assert (falls.start[path.row] <= path.start).all() and (path.end <= falls.end[path.row]).all()
    assert {each.span for each in (row.span for row in asked.tree(falls))} == {each.span for each in spans}


@given(traces(), st.integers(0, 3))
def test_a_trace_run_again_with_the_times_that_it_had_is_as_long_as_it_was(spans, number):
    falls = asked.waterfalls(spans)
    times = asked.stage_times(falls)
    stages = list(range(len(falls.stages)))
    again = asked._replayed(falls, times, stages, times.own_ms[0])
    assert np.allclose(again, falls.total[0] / 1e6)
    less = asked._replayed(falls, times, stages, np.zeros(len(stages)))
    assert (less <= falls.total[0] / 1e6 + 1e-9).all() and (less >= -1e-9).all()
    assert (falls.total[0] / 1e6 - less <= times.own_ms + 1e-9).all(), "no stage gives back more than it took"


@given(traces(), traces())
def test_the_differences_of_own_times_are_those_of_the_stages(first, second):
    other = [each._replace(trace=f"{2:032x}") for each in second]
    falls = asked.waterfalls([*first, *other])
    own = asked.stage_times(falls).own_ms
    assert np.isclose(sum(row.own_difference_ms for row in asked.aligned(falls, 0, 1)), own[1].sum() - own[0].sum())
