"""The traces that a rerun says it needs find a planted difference as often as it says."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.serving.conventions import inward, outward
from core.serving.inputs import RequestInput, input_of
from core.serving.rerun_verdict import spread_ends, traces_needed
from core.serving.spans import bounded
from core.statistics.paired import paired_difference
from core.statistics.power_difference import Means, means_from_pilot
from tests.support.requests import span


@pytest.mark.parametrize(("traces", "seeds", "rest"), [(0.2, 0.3, 3), (0.1, 0.0, 1), (0.0, 0.4, 5)])
def test_so_many_traces_find_the_difference_in_four_of_five_studies(traces, seeds, rest):
    """By the test that is used, sign flips over traces with seeds averaged; 0.72 to 0.88 of 200 is chance around 0.8."""
    needed = traces_needed(Means(0.0, traces, seeds, rest), 0.1, 0.05)
    rng, found = np.random.default_rng(3), 0
    for number in range(200):
        gaps = rng.normal(0.1, traces, (needed, 1)) + rng.normal(0, seeds, (needed, rest))
        [test] = paired_difference(gaps.mean(axis=1), np.zeros(needed), resamples=100, permutations=2000, seed=number)
        found += test.p < 0.05
    assert 144 <= found <= 176


@given(st.floats(0.01, 1), st.floats(0, 1), st.integers(1, 10), st.floats(0.02, 0.5), st.sampled_from([0.05, 0.0125, 0.005]))
@settings(max_examples=60, deadline=None)
def test_smaller_differences_stricter_levels_and_fewer_seeds_need_more_traces(between, within, seeds, size, level):
    needed = traces_needed(Means(0.0, between, within, seeds), size, level) or 10**9
    assert needed >= np.log2(1 / level)
    for other in (
        traces_needed(Means(0.0, between, within, seeds), size / 2, level),
        traces_needed(Means(0.0, between, within, seeds), size, level / 4),
    ):
        assert (other or 10**9) >= needed
    assert (traces_needed(Means(0.0, between, within, seeds + 1), size, level) or 10**9) <= needed


def test_the_spread_of_a_pilot_is_told_apart():
    rng = np.random.default_rng(0)
    gaps = rng.normal(0.1, 0.2, (4000, 1)) + rng.normal(0, 0.3, (4000, 3))
    pilot = means_from_pilot(gaps, 3)
    assert pilot.sd_items == pytest.approx(0.2, abs=0.02) and pilot.sd_label == pytest.approx(0.3, abs=0.02)


def test_nothing_is_planned_from_what_did_not_differ():
    assert traces_needed(Means(0.0, 0.0, 0.0, 1), 0.05, 0.05) is None
    assert traces_needed(Means(-31.0, 0.0, 0.0, 1), 2.0, 0.05) == 6  # sign flips of five give 0.0625


def test_the_interval_of_a_spread_holds_it_in_19_of_20_pilots():
    rng = np.random.default_rng(0)
    low, high = spread_ends(12)
    sds = rng.normal(0, 0.2, (4000, 12)).std(axis=1, ddof=1)
    assert np.mean((sds * low <= 0.2) & (sds * high >= 0.2)) == pytest.approx(0.95, abs=0.01)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "parts", "type", "id"]), inner)
    ),
    max_leaves=8,
)
NAMES = (
    "gen_ai.input.messages gen_ai.output.messages gen_ai.retrieval.documents llm.input_messages.0.message.role input.value "
    "llm.input_messages.0.message.content llm.input_messages.x llm.output_messages.1.message.content gen_ai.prompt.0.content "
    "retrieval.documents.0.document.id retrieval.documents.0.document.metadata settings documents messages output query "
    "corpus_fingerprint recipe closed_book"
).split()


@given(st.dictionaries(st.sampled_from(NAMES), JSON | JSON.map(json.dumps)), st.sampled_from(["model", "retrieval"]))
@settings(max_examples=200, deadline=None)
def test_whatever_a_program_recorded_is_an_input_or_says_why_it_is_none(attributes, kind):
    marked = {"groundwork.kind": kind, **attributes}
    kind, read = inward(marked)
    assert inward(outward(kind, read))[0] == kind
    spans = [span(1, 1, 0, "search", 0, 1, "retrieval", **bounded(read)), span(1, 2, 0, "write", 1, 2, "model", **bounded(read))]
    assert isinstance(input_of(spans), RequestInput | str)
