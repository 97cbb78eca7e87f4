"""What holds for every sampling step and every chain, whatever the logits."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.judging import diversity
from core.sampling.filters import STEPS, History, MinP, TopK, TopP, Typical, softmax
from core.sampling.trace import most_likely, pick, trace, trace_answer

numbers = st.one_of(st.floats(-30, 30), st.integers(-3, 3).map(float), st.just(-math.inf))
logits = st.lists(numbers, min_size=1, max_size=40).filter(lambda z: max(z) > -math.inf).map(np.array)
histories = st.builds(
    lambda tokens, prompt, mu: History(tuple(tokens), min(prompt, len(tokens)), mu),
    st.lists(st.integers(0, 45), max_size=20),
    st.integers(0, 20),
    st.none() | st.floats(-5, 20),
)
SETTINGS = {
    "temperature": {"temperature": st.floats(0.05, 5)}, "top_k": {"k": st.integers(1, 50)}, "top_p": {"p": st.floats(0, 1)},
    "min_p": {"p": st.floats(0, 1)}, "typical": {"mass": st.floats(0.001, 1)}, "epsilon": {"epsilon": st.floats(1e-6, 0.999)},
    "eta": {"epsilon": st.floats(1e-6, 0.999)}, "repetition": {"penalty": st.floats(0.2, 5), "last_tokens": st.integers(0, 9)},
    "frequency": {"penalty": st.floats(-2, 2)}, "presence": {"penalty": st.floats(-2, 2)},
    "mirostat": {"tau": st.floats(0.1, 10), "surprise": st.sampled_from(["before", "after"])}, "greedy": {},
}  # fmt: skip
any_step = st.one_of(*(st.builds(STEPS[part], **knobs) for part, knobs in SETTINGS.items()))
REWEIGHT = {"temperature", "repetition", "frequency", "presence"}


def test_every_step_is_among_them():
    assert set(SETTINGS) == set(STEPS)


@pytest.mark.slow
@settings(max_examples=300)
@given(logits, any_step, histories)
def test_a_step_cuts_or_reweights_and_never_revives(z, step, history):
    given_z = z.copy()
    after = step.apply(z, history)
    np.testing.assert_array_equal(z, given_z), "the input is left as it was"
    kept = after > -np.inf
    assert kept.any() and not np.isnan(after).any() and after.shape == z.shape
    assert not (kept & (z == -np.inf)).any()
    if step.part in REWEIGHT:
        assert (kept == (z > -np.inf)).all()
    else:
        np.testing.assert_array_equal(after[kept], z[kept])


@pytest.mark.slow
@settings(max_examples=200)
@given(logits, st.lists(any_step, max_size=5), histories)
def test_a_trace_accounts_for_every_token(z, steps, history):
    stages = trace(z, steps, history)
    assert len(stages) == len(steps) + 1
    for before, stage in pairwise(stages):
        assert sorted([*stage.support, *stage.cut]) == before.support.tolist()
        assert 0 <= stage.cut_mass <= 1 + 1e-12 and math.isclose(stage.probabilities.sum(), 1)
        assert 0 <= stage.entropy_bits <= math.log2(len(stage.support)) + 1e-9
        if stage.step.part in ("top_k", "top_p", "min_p", "greedy"):  # a cut tail leaves a distribution that majorises the old
            assert stage.entropy_bits <= before.entropy_bits + 1e-9
    assert pick(stages[-1].logits, 0, 0) in stages[-1].support


@settings(max_examples=200)
@given(logits, st.floats(0, 1), st.floats(0, 1))
def test_the_nucleus_is_the_smallest_set_that_reaches_p(z, a, b):
    p, (low, high) = softmax(z), sorted((a, b))
    small, large = (np.flatnonzero(TopP(p=x).apply(z, History()) > -np.inf) for x in (low, high))
    assert set(small) <= set(large)
    assert p[small].sum() >= low - 1e-12
    assert set(small) == set(most_likely(z, len(small)))
    if len(small) > 1:
        assert p[small].sum() - p[small].min() < low + 1e-12


@settings(max_examples=200)
@given(logits, st.integers(1, 40), st.floats(0, 1), st.floats(0.01, 0.99))
def test_what_the_other_cuts_promise(z, k, share, mass):
    kept = {step: step.apply(z, History()) > -np.inf for step in (TopK(k=k), MinP(p=share), Typical(mass=mass))}
    alive, p = z > -np.inf, softmax(z)
    top_k, min_p, typical = kept.values()
    assert top_k.sum() >= min(k, alive.sum()) and (not (alive & ~top_k).any() or z[top_k].min() > z[alive & ~top_k].max())
    assert (p[min_p] >= share * p.max()).all() and (p[~min_p & alive] < share * p.max()).all()
    assert p[typical].sum() >= mass - 1e-9


@settings(max_examples=100)
@given(logits, st.integers(0, 39), st.integers(1, 6))
def test_an_answers_trace_agrees_with_its_parts(z, token, alternatives):
    token %= len(z)
    read = trace_answer(z[None], [token], alternatives)
    assert read.alternatives[0].tolist() == most_likely(z, alternatives).tolist()
    assert most_likely(z, len(z)).tolist().index(token) == read.rank[0] - 1
    assert math.isclose(read.probability[0], softmax(z)[token], rel_tol=1e-9, abs_tol=1e-300)
    assert math.isclose(read.entropy_bits[0], trace(z, ())[0].entropy_bits, abs_tol=1e-9)


texts = st.lists(st.text("ab ,", max_size=12), max_size=6)


@settings(max_examples=150)
@given(texts, st.integers(1, 4), st.randoms(use_true_random=False))
def test_diversity_stays_within_its_range_and_knows_no_order(found, n, random):
    shuffled = random.sample(found, len(found))
    for measure in (diversity.distinct_n, diversity.self_bleu):
        value, again = measure(found, n), measure(shuffled, n)
        assert math.isnan(value) and math.isnan(again) or 0 <= value <= 1 + 1e-12 and math.isclose(value, again)
    clusters = [found.index(text) for text in found]
    entropy = diversity.cluster_entropy_nats(clusters)
    assert math.isnan(entropy) == (not found)
    if found:
        meanings = len(set(clusters))
        assert (entropy == 0) == (meanings == 1) and entropy <= math.log(meanings) + 1e-12


@settings(max_examples=150)
@given(st.text("ab the.", max_size=20), st.text("ab the.", max_size=20))
def test_f1_is_symmetric_and_not_below_exact_match(a, b):
    assert math.isclose(diversity.answer_f1(a, [b]), diversity.answer_f1(b, [a]))
    assert diversity.answer_em(a, [b]) <= diversity.answer_f1(a, [b]) <= 1 and diversity.answer_em(a, [a]) == 1
