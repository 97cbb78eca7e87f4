"""What is asked of traces, on requests whose answers are known by hand."""

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.serving import traces as asked
from tests.support.requests import request, span


def own_ms(falls):
    return {each.name: own / 1e6 for each, own in zip(falls.spans, falls.own, strict=False)}


def test_own_time_is_that_in_which_no_part_runs():
    assert own_ms(asked.waterfalls(request())) == {
        "request": 1,
        "queue": 1,
        "retrieval": 0,
        "dense": 6,
        "sparse": 4,
        "rerank": 10,
        "model": 50,
    }
    parts = [span(1, 1, 0, "whole", 0, 100), span(1, 2, 1, "a", 10, 40), span(1, 3, 1, "b", 30, 50), span(1, 4, 1, "c", 35, 38)]
    assert own_ms(asked.waterfalls(parts)) == {"whole": 60, "a": 30, "b": 20, "c": 3}


def test_a_part_that_reaches_beyond_its_whole_counts_as_far_as_that_goes():
    falls = asked.waterfalls([span(1, 1, 0, "whole", 10, 20), span(1, 2, 1, "early", 0, 12), span(1, 3, 1, "late", 18, 90)])
    assert own_ms(falls) == {"whole": 6, "early": 2, "late": 2} and falls.total.tolist() == [10_000_000]


def test_the_critical_path_goes_by_what_ended_last():
    falls = asked.waterfalls(request(dense=6, sparse=4))
    path = asked.critical_path(falls)
    assert [falls.spans[row].name for row in path.row] == ["queue", "dense", "rerank", "model", "request"]
    assert ((path.end - path.start) / 1e6).tolist() == [1, 6, 10, 50, 1]
    waited = {row.span.name: row.critical_ms for row in asked.tree(falls)}
    assert waited["sparse"] == 0 and waited["retrieval"] == 0 and waited["dense"] == 6


def test_the_tree_stands_in_the_order_of_starts_with_parts_below_their_whole():
    rows = asked.tree(asked.waterfalls(request()[::-1]))
    assert [(row.span.name, row.depth) for row in rows][:3] == [("request", 0), ("queue", 1), ("retrieval", 1)]
    assert {row.span.name for row in rows[3:5]} == {"dense", "sparse"} and rows[5].start_ms == 7


def test_spans_without_their_parent_and_circles_stand_first_in_their_trace():
    lost = [span(1, 2, 9, "orphan", 0, 5), span(1, 3, 2, "part", 1, 2), span(1, 4, 5, "a", 6, 9), span(1, 5, 4, "b", 7, 8)]
    falls = asked.waterfalls(lost)
    assert [(row.span.name, row.depth) for row in asked.tree(falls)] == [("orphan", 0), ("part", 1), ("a", 0), ("b", 1)]
    assert falls.own[-1] == 1_000_000, "between the two nothing ran"


def test_two_traces_are_aligned_by_stage():
    cached = [each for each in request(2, rerank=0) if each.name not in ("dense", "sparse", "rerank")]
    falls = asked.waterfalls(request(1, model=50) + cached)
    rows = {row.stage: row for row in asked.aligned(falls, 0, 1)}
    assert rows["request > rerank"][1:5] == (10, None, -10, -10) and rows["request > retrieval > dense"].second_ms is None
    assert rows["request > model"][5:] == (120, 120, 0) and rows["request > queue"][5:] == (None, None, None)
    assert list(rows)[:2] == ["whole", "request"] and rows["whole"].difference_ms == -10


def test_the_usual_waterfall_has_medians_and_the_95th_percentile():
    falls = asked.waterfalls([each for t in range(1, 101) for each in request(t, model=float(t))])
    bars = {bar.stage: bar for bar in asked.percentile_waterfall(falls)}
    model = bars["request > model"]
    assert (model.median_ms, model.traces, model.start_ms, model.kind) == (50.5, 100, 17, "model")
    assert model.p95_ms == pytest.approx(np.quantile(np.arange(1, 101), 0.95))
    first, *_, last = bars
    assert (first, last) == ("request", "request > model")


def test_a_slow_trace_is_held_against_its_peers():
    falls = asked.waterfalls([each for t in range(1, 30) for each in request(t, rerank=90 if t == 7 else 10)])
    first = asked.slow_against(falls, 6)[0]
    assert first == ("request > rerank", 90, 10, 80, 1.0)
    with pytest.raises(WorkbenchError, match="no other trace"):
        asked.slow_against(asked.waterfalls(request()), 0)


def slow_tail(stage, times=30, n=1000):
    rng = np.random.default_rng(3)
    lengths = [dict(zip(("queue", "rerank", "model"), rng.uniform(5, 15, 3), strict=True)) for _ in range(n)]
    for each in lengths[:times]:
        each[stage] += 500
    return asked.waterfalls([span_ for t, each in enumerate(lengths, 1) for span_ in request(t, **each)])


@pytest.mark.parametrize("stage", ["queue", "rerank", "model"])
def test_the_stage_that_was_made_slow_owns_the_tail(stage):
    first, second, *_ = asked.tail_owners(slow_tail(stage), resamples=200)
    assert first.stage == f"request > {stage}" and first.low > 400 and first.share > 0.9
    assert first.low <= first.drop_ms <= first.high and abs(second.drop_ms) < 10


def test_what_runs_beside_a_slow_stage_keeps_the_request_waiting():
    """Of two searches that are slow together neither alone takes anything away."""
    both = [each for t in range(1, 201) for each in request(t, dense=506 if t < 5 else 6, sparse=504 if t < 5 else 4)]
    shares = {share.stage: share for share in asked.tail_owners(asked.waterfalls(both), resamples=50)}
    assert shares["request > retrieval > dense"].drop_ms == pytest.approx(2, abs=0.1)
    alone = [each for t in range(1, 201) for each in request(t, dense=506 if t < 5 else 6)]
    shares = {share.stage: share for share in asked.tail_owners(asked.waterfalls(alone), resamples=50)}
    assert shares["request > retrieval > dense"].drop_ms > 490


def test_too_few_traces_have_no_percentile_and_a_thin_tail_is_told():
    few = asked.waterfalls([each for t in range(1, 51) for each in request(t)])
    with pytest.raises(WorkbenchError, match="Percentile 99 of 50 traces") as told:
        asked.tail_owners(few)
    assert "100 traces" in told.value.todo
    assert asked.tail_owners(few, percentile=90, resamples=50)[0].note == "rests on 5 traces beyond it"
    assert asked.tail_owners(slow_tail("model"), percentile=90, resamples=50)[0].note == ""


def test_times_beyond_counting_are_refused():
    ages = [span(1, n, 0, "x", 0, 1)._replace(start_ns=0, end_ns=9 * 10**18) for n in (1, 2)]
    with pytest.raises(WorkbenchError, match="longer than 260 years"):
        asked.waterfalls(ages)
    century = span(1, 1, 0, "x", 0, 1)._replace(start_ns=0, end_ns=3 * 10**18)
    assert asked.waterfalls([century]).total.tolist() == [3 * 10**18]


def test_a_chain_of_thousands_is_no_deeper_than_a_stack():
    chain = [span(1, n, n - 1, f"step {n}", 0, 10_000 - n) for n in range(1, 5001)]
    falls = asked.waterfalls(chain)
    assert len(asked.tree(falls)) == 5000 and falls.depth.max() == 5000
    assert falls.stage_name(int(falls.stage[4999])).startswith("… > step 4995") and asked.critical_path(falls).row[-1] == 0
