"""Time against context length, the cache's memory, and what is told of attention."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.labs.inside import cache
from core.progress import Running
from core.scratch.models import attention

IDS = list(range(20))


@pytest.fixture(scope="module")
def model():
    import torch

    from core.scratch.models.transformer import Shape, Transformer

    torch.manual_seed(0)
    torch.set_num_threads(1)
    shape = Shape(layers=2, heads=4, kv_heads=2, head_size=8, width=32, hidden=64, vocabulary=100, context=128)
    return Transformer(shape).eval()


def drained(steps):
    found = list(running := Running(steps))
    return found, running.result


def test_every_step_is_told_and_both_ways_give_the_same_text(model):
    from core.scratch.models.transformer import generate

    steps, whole = drained(cache.measure(model, IDS, 24, every=5))
    assert whole.steps == tuple(steps) and len(steps) == 23
    assert [step.context_tokens for step in steps] == list(range(20, 43))
    assert [step.token for step in steps] == list(generate(model, IDS, 24))[1:]
    measured = [i for i, step in enumerate(steps) if step.uncached_s is not None]
    assert measured == [0, 5, 10, 15, 20, 22] and all(steps[i].same for i in measured)
    assert all(step.cached_s > 0 for step in steps) and whole.speedup > 0
    a_token = 2 * 2 * 2 * 8 * 4  # a key and a value, 2 layers, 2 heads, 8 numbers of 32 bits
    assert [step.cache_bytes for step in steps] == [a_token * (step.context_tokens + 1) for step in steps]
    assert whole.bytes_per_token == a_token


def test_speed_counts_the_prompt_and_the_lengths_between():
    steps = tuple(cache.TimedToken(n, 0, 0.5, float(n) if n in (10, 14) else None, 0, None) for n in range(10, 15))
    found = cache._measured(steps, 1.0, 15, 1500)
    assert found.cached_tokens_per_s == pytest.approx(6 / (1 + 2.5))
    assert found.uncached_tokens_per_s == pytest.approx(6 / (1 + 10 + 11 + 12 + 13 + 14))
    assert found.speedup == pytest.approx(61 / 3.5) and found.bytes_per_token == 100


def test_it_may_be_stopped_and_refuses_what_makes_no_curve(model):
    steps = cache.measure(model, IDS, 50)
    next(steps)
    steps.close()
    for ids, new in [(IDS, 3), ([], 20)]:
        with pytest.raises(WorkbenchError, match="at least 4"):
            next(cache.measure(model, ids, new))
    with pytest.raises(WorkbenchError, match="room for 128"):
        drained(cache.measure(model, IDS * 7, 5))


def test_fits_find_the_curve_they_are_given():
    x = np.arange(10, 200, 7)
    square = cache.fit(x, 2e-6 * x**2 + 3e-4 * x + 0.01, 2)
    assert square.coefficients == pytest.approx((2e-6, 3e-4, 0.01)) and square.r2 == pytest.approx(1)
    assert square.at(100) == pytest.approx(0.06)
    line = cache.fit([0, 1, 2], [0, 1, 1], 1)  # by hand: y = x / 2 + 1 / 6, residuals 1/6, 1/3, 1/6
    assert line.coefficients == pytest.approx((0.5, 1 / 6)) and line.r2 == pytest.approx(0.75)
    assert line.adjusted_r2 == pytest.approx(0.5)


def test_noise_lifts_the_r2_of_a_needless_term_but_not_the_adjusted_one():
    random = np.random.default_rng(3)
    x = np.arange(12.0)
    pairs = [[cache.fit(x, x + noise, d) for d in (1, 2)] for noise in random.normal(size=(300, 12))]
    assert all(two.r2 >= one.r2 - 1e-12 for one, two in pairs)
    assert abs(np.mean([two.adjusted_r2 - one.adjusted_r2 for one, two in pairs])) < 0.003


def test_nothing_to_fit_is_unmeasured():
    assert np.isnan(cache.fit([1, 2], [3, 3], 1).r2)
    assert np.isnan(cache.fit([1], [3], 1).coefficients).all()


def test_entropy_and_mass_of_known_rows():
    rows = np.array([[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]], np.float32)
    assert attention.entropy_bits(rows) == pytest.approx([0, 2, 1])
    assert attention.mass(rows, np.array([2, 0, 1, 1]), 3).tolist() == [[0, 0, 1], [0.25, 0.5, 0.25], [0.5, 0, 0.5]]


def test_maps_are_causal_and_their_rows_are_shares(model):
    found = attention.maps(model, IDS).astype(float)
    assert found.shape == (2, 4, 20, 20)
    assert np.triu(found, 1).max() == 0 and np.abs(found.sum(-1) - 1).max() < 2e-3  # float16


@pytest.mark.parametrize("queries", [slice(-1, None), slice(8, 12)])
def test_the_summary_is_the_maps_summed(model, queries):
    found = attention.summary(model, IDS, {"question": (0, 4), "[1]": (4, 9)}, queries)
    rows = attention.maps(model, IDS, np.float32)[:, :, queries]
    assert found.spans == ("question", "[1]", "first token", "rest")
    expected = [rows[..., 1:4], rows[..., 4:9], rows[..., :1], rows[..., 9:]]  # the first token is counted once, as itself
    for number, some in enumerate(expected):
        assert found.mass[..., number] == pytest.approx(some.sum(-1).mean(-1), abs=1e-5)
    assert found.mass.sum(-1) == pytest.approx(np.ones((2, 4)), abs=1e-5)
    assert found.entropy_bits == pytest.approx(attention.entropy_bits(rows).mean(-1), abs=1e-5)


def test_spans_of_characters_become_spans_of_tokens():
    prompt = "Read: a b\nAsk: c?"
    pieces = ["Read", ":", " a", " b", "\n", "Ask", ":", " c", "?"]
    ends = np.cumsum([len(piece) for piece in pieces]).tolist()
    coded = SimpleNamespace(ids=IDS[:9], offsets=list(zip([0, *ends], ends, strict=False)))
    text = attention.read(SimpleNamespace(encode=lambda prompt, add_special_tokens: coded), prompt)
    assert text.tokens == pieces
    spans = attention.token_spans(text, {"passage": (6, 9), "question": (15, 17), "all": (0, 17), "none": (9, 9)})
    assert spans == {"passage": (2, 4), "question": (7, 9), "all": (0, 9), "none": (4, 4)}
