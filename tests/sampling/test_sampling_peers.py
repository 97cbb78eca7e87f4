"""The sampling steps and searches against transformers and llama.cpp, on 1,000 random cases a step.

transformers' processors run in float64 here, so that only definitions can differ. llama.cpp computes in float32: a token whose
place at the bound is within its rounding may go either way.
"""

import ctypes
import importlib.util

import numpy as np
import pytest

from core.progress import drain
from core.sampling import filters
from core.sampling.filters import History, softmax
from core.sampling.search import beam_search, contrastive_search, one_by_one
from core.sampling.trace import sample, trace

CASES = 1000
ROUNDING = 3  # of 1,000 cases may meet a bound within float32 (none does where this was written)


def installed(name: str):
    return pytest.mark.skipif(not importlib.util.find_spec(name), reason=f"needs {name}")


def random_logits(seed: int, cases: int = CASES, ties: bool = True):
    """Logits of 1 to 400 tokens: flat to peaked; a quarter quantised (many ties), some with tokens already cut."""
    rng = np.random.default_rng(seed)
    for case in range(cases):
        logits = rng.normal(rng.normal(0, 5), rng.choice([0.01, 1, 3, 20]), rng.integers(1, 400))
        if ties and case % 4 == 0:
            logits = np.round(logits / 2) * 2
        if case % 5 == 0:
            logits[rng.random(len(logits)) < 0.5] = -np.inf
            logits[rng.integers(len(logits))] = 1.0
        yield rng, logits


def kept(logits: np.ndarray) -> set[int]:
    return set(np.flatnonzero(logits > -np.inf).tolist())


# --- transformers ---


def theirs(name: str, *arguments, logits: np.ndarray, tokens=(0,)) -> np.ndarray:
    import torch
    from transformers.generation import logits_process

    processor = getattr(logits_process, name)(*arguments)
    return processor(torch.tensor([tokens]), torch.tensor(logits[None]))[0].numpy()


FILTERS = {  # part -> transformers' class, setting, values it is tried with
    "top_k": ("TopKLogitsWarper", "k", lambda rng: int(rng.integers(1, 60))),
    "top_p": ("TopPLogitsWarper", "p", lambda rng: float(rng.choice([0.0, rng.random(), 0.5, 0.9, 0.99, 1.0]))),
    "min_p": ("MinPLogitsWarper", "p", lambda rng: float(rng.choice([0.0, rng.random() ** 3, 0.5, 1.0]))),
    "typical": ("TypicalLogitsWarper", "mass", lambda rng: float(rng.uniform(0.01, 0.99))),
    "epsilon": ("EpsilonLogitsWarper", "epsilon", lambda rng: float(rng.uniform(0, 1) ** 6 + 1e-6)),
    "eta": ("EtaLogitsWarper", "epsilon", lambda rng: float(rng.uniform(0, 1) ** 6 + 1e-6)),
}


@installed("transformers")
@pytest.mark.parametrize("part", FILTERS)
def test_filters_cut_what_those_of_transformers_cut(part):
    name, setting, value = FILTERS[part]
    cuts = 0
    for rng, logits in random_logits(1):
        step = filters.STEPS[part](**{setting: min(value(rng), 0.999999) if part in ("epsilon", "eta") else value(rng)})
        ours = step.apply(logits, History())
        reference = theirs(name, getattr(step, setting), logits=logits)
        lowest = ours[ours > -np.inf].min()
        if part == "top_p" and np.sum(logits == lowest) > 1:  # torch's unstable sort decides which of the equals stay
            np.testing.assert_array_equal(np.sort(ours), np.sort(reference))
            assert_lowest_ids_first(logits, ours, lowest)
        else:
            np.testing.assert_array_equal(ours, reference)
        cuts += len(kept(ours)) < len(kept(logits))
    assert cuts > CASES / 3


def assert_lowest_ids_first(logits, ours, lowest):
    tied = np.flatnonzero(logits == lowest)
    stay = ours[tied] > -np.inf
    assert stay[: stay.sum()].all(), "among equals the lowest ids stay"


@pytest.mark.slow
@installed("transformers")
def test_temperature_and_repetition_are_those_of_transformers():
    for rng, logits in random_logits(2):
        tokens = tuple(rng.integers(0, len(logits), rng.integers(1, 30)).tolist())
        temperature, penalty = float(rng.uniform(0.05, 4)), float(rng.uniform(0.3, 3))
        ours = filters.Temperature(temperature=temperature).apply(logits, History())
        np.testing.assert_array_equal(ours, theirs("TemperatureLogitsWarper", temperature, logits=logits))
        for prompt in (0, len(tokens) // 2):
            ours = filters.RepetitionPenalty(penalty=penalty).apply(logits, History(tokens, prompt))
            reference = theirs("RepetitionPenaltyLogitsProcessor", penalty, logits=logits, tokens=tokens)
            np.testing.assert_array_equal(ours, reference)


# --- llama.cpp ---

TOKEN = np.dtype([("id", "<i4"), ("logit", "<f4"), ("p", "<f4")])


def llama_apply(sampler, logits: np.ndarray) -> tuple[np.ndarray, int]:
    """The sampler's logits in the order of ids (-inf: cut), and the token it selected (-1: none)."""
    import llama_cpp

    data = np.zeros(len(logits), TOKEN)
    data["id"], data["logit"] = np.arange(len(logits)), logits
    pointer = data.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token_data))
    array = llama_cpp.llama_token_data_array(pointer, len(logits), -1, False)
    llama_cpp.llama_sampler_apply(sampler, ctypes.byref(array))
    left = np.ctypeslib.as_array(ctypes.cast(array.data, ctypes.POINTER(ctypes.c_int32)), (array.size, 3)).copy()
    left = left.view(TOKEN)[:, 0]
    result = np.full(len(logits), -np.inf)
    result[left["id"]] = left["logit"]
    return result, int(left["id"][array.selected]) if array.selected >= 0 else -1


def llama(name: str, *arguments, logits: np.ndarray, tokens=()) -> np.ndarray:
    import llama_cpp

    sampler = getattr(llama_cpp, f"llama_sampler_init_{name}")(*arguments)
    for token in tokens:
        llama_cpp.llama_sampler_accept(sampler, token)
    try:
        return llama_apply(sampler, logits)[0]
    finally:
        llama_cpp.llama_sampler_free(sampler)


def without_ties(seed: int):
    """Different logits, none cut: llama.cpp's own chain drops cut tokens instead of giving them -inf."""
    for rng, logits in random_logits(seed, ties=False):
        yield rng, rng.permutation(np.unique(logits[logits > -np.inf].astype(np.float32))).astype(np.float64)


@pytest.mark.slow
@installed("llama_cpp")
def test_reweighting_is_that_of_llama_cpp():
    for rng, logits in without_ties(3):
        tokens = tuple(rng.integers(0, len(logits), rng.integers(1, 30)).tolist())
        t, repeat, frequency, presence = (
            float(np.float32(rng.uniform(a, b))) for a, b in ((0.05, 4), (0.3, 3), (-2, 2), (-2, 2))
        )
        last = int(rng.integers(1, 40))
        np.testing.assert_allclose(
            filters.Temperature(temperature=t).apply(logits, History()), llama("temp", t, logits=logits), rtol=1e-6
        )
        steps = [
            filters.RepetitionPenalty(penalty=repeat),
            filters.FrequencyPenalty(penalty=frequency),
            filters.PresencePenalty(penalty=presence),
        ]
        ours, history = logits, History(tokens[-last:], 0)  # its window reaches into the prompt: no prompt here
        for step in steps:
            ours = step.apply(ours, history)
        reference = llama("penalties", len(logits), last, repeat, frequency, presence, logits=logits, tokens=tokens)
        np.testing.assert_allclose(ours, reference, rtol=1e-5, atol=1e-4)
        alone = filters.RepetitionPenalty(penalty=repeat, last_tokens=last).apply(logits, History(tokens, 0))
        reference = llama("penalties", len(logits), last, repeat, 0.0, 0.0, logits=logits, tokens=tokens)
        np.testing.assert_allclose(alone, reference, rtol=1e-6)


@installed("llama_cpp")
def test_temperature_zero_is_llama_cpps_maximum():
    for _, logits in random_logits(4):
        assert kept(filters.Temperature(temperature=0).apply(logits, History())) == kept(llama("temp", 0.0, logits=logits))


@installed("llama_cpp")
def test_top_k_is_that_of_llama_cpp_without_ties():
    for rng, logits in without_ties(5):
        k = int(rng.integers(1, 60))
        assert kept(filters.TopK(k=k).apply(logits, History())) == kept(llama("top_k", k, logits=logits))
    tied = np.zeros(6)
    assert len(kept(filters.TopK(k=2).apply(tied, History()))) == 6 and len(kept(llama("top_k", 2, logits=tied))) == 2


@installed("llama_cpp")
@pytest.mark.parametrize("part", ["top_p", "typical", "min_p"])
def test_mass_filters_are_those_of_llama_cpp(part):
    """Typical on logits at most 80 apart: where a probability is 0 in float32, llama.cpp's entropy is NaN, its order chance."""
    different = 0
    for rng, logits in without_ties(6):
        bound = float(np.float32(rng.uniform(0.01, 0.995)))
        if part == "typical":
            logits = np.maximum(logits, logits.max() - 80) - np.arange(len(logits)) / 1000
        step = filters.STEPS[part](**{"mass" if part == "typical" else "p": bound})
        different += kept(step.apply(logits, History())) != kept(llama(part, bound, 1, logits=logits))
    assert different <= ROUNDING


@pytest.mark.slow
@installed("llama_cpp")
def test_a_whole_chain_is_that_of_llama_cpp():
    """In the order of its command line: penalties, top-k, typical, top-p, min-p, temperature."""
    import llama_cpp

    steps = filters.chain(
        [
            {"part": "repetition", "penalty": 1.25},
            {"part": "frequency", "penalty": 0.25},
            {"part": "presence", "penalty": 0.5},
            {"part": "top_k", "k": 60},
            {"part": "typical", "mass": 0.96875},
            {"part": "top_p", "p": 0.9375},
            {"part": "min_p", "p": 0.03125},
            {"part": "temperature", "temperature": 0.75},
        ]
    )
    init = [("top_k", 60), ("typical", 0.96875, 1), ("top_p", 0.9375, 1), ("min_p", 0.03125, 1), ("temp", 0.75)]
    rng, different = np.random.default_rng(10), 0
    for _ in range(CASES):
        logits = rng.normal(0, 3, 500).astype(np.float32).astype(np.float64)
        tokens = tuple(rng.integers(0, 500, 30).tolist())
        sampler = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        for name, *values in [("penalties", 500, 64, 1.25, 0.25, 0.5), *init]:
            llama_cpp.llama_sampler_chain_add(sampler, getattr(llama_cpp, f"llama_sampler_init_{name}")(*values))
        for token in tokens:
            llama_cpp.llama_sampler_accept(sampler, token)
        reference, _ = llama_apply(sampler, logits)
        llama_cpp.llama_sampler_free(sampler)
        ours = trace(logits, steps, History(tokens))[-1].logits
        different += kept(ours) != kept(reference)
        both = (ours > -np.inf) & (reference > -np.inf)
        np.testing.assert_allclose(ours[both], reference[both], rtol=1e-5, atol=1e-4)
    assert different <= ROUNDING


@installed("llama_cpp")
@pytest.mark.parametrize("surprise", ["after", "before"])
def test_mirostat_follows_llama_cpp_token_by_token(surprise):
    """llama.cpp draws, ours is told the token: the same tokens stay, 1,000 steps long. The paper's mu goes elsewhere."""
    import llama_cpp

    rng, different = np.random.default_rng(8), 0
    step, history = filters.Mirostat(tau=3.0, eta=0.1, surprise=surprise), History()
    sampler = llama_cpp.llama_sampler_init_mirostat_v2(9, 3.0, 0.1)
    for _ in range(CASES):
        logits = rng.normal(0, rng.uniform(0.5, 4), 300).astype(np.float32).astype(np.float64)
        after = step.apply(logits, history)
        reference, token = llama_apply(sampler, logits)
        different += kept(after) != kept(reference)
        history = History(mu=step.next_mu(logits, after, history, token))
    llama_cpp.llama_sampler_free(sampler)
    assert different <= ROUNDING if surprise == "after" else different > CASES / 2


# --- searches, on a small random Llama ---


@pytest.fixture(scope="module")
def model():
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=40,
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.4,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    return transformers.LlamaForCausalLM(config).eval()


def forward(model, texts):
    import torch

    with torch.no_grad():
        out = model(torch.tensor(texts), output_hidden_states=True)
    return out.logits[:, -1].double().numpy(), out.hidden_states[-1].double().numpy()


@pytest.mark.slow
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0, -1.0])
@pytest.mark.parametrize(("width", "stop"), [(1, (1,)), (3, (1,)), (5, (1,)), (4, (1, 7, 9)), (4, ())])
def test_beams_are_those_of_generate(model, width, stop, length_penalty):
    import torch

    stopped = 0
    for seed in range(4):
        prompt = torch.randint(3, 40, (1, 5), generator=torch.Generator().manual_seed(seed))
        out = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            num_beams=width,
            num_return_sequences=width,
            max_new_tokens=9,
            length_penalty=length_penalty,
            do_sample=False,
            early_stopping=False,
            eos_token_id=list(stop) or None,
            pad_token_id=2,
            return_dict_in_generate=True,
            output_scores=True,
        )
        ours = drain(
            beam_search(
                lambda texts: forward(model, texts)[0],
                prompt[0].tolist(),
                width=width,
                max_tokens=9,
                length_penalty=length_penalty,
                stop=stop,
            )
        )
        assert len(ours) == width
        for beam, row in zip(ours, out.sequences[:, 5:].tolist(), strict=True):
            assert list(beam.tokens) == row[: len(beam.tokens)] and set(row[len(beam.tokens) :]) <= {2}
            stopped += beam.stopped
        if width > 1:
            np.testing.assert_allclose([beam.score for beam in ours], out.sequences_scores.numpy(), rtol=1e-5)
    assert not stop or width < 3 or stopped, "no beam met a stop token: the case proves little"


def test_greedy_sampling_is_generate(model):
    import torch

    prompt = (5, 6, 7)
    picks = list(sample(lambda tokens: forward(model, [tokens])[0][0], History(prompt, 3), (filters.Greedy(),), max_tokens=15))
    out = model.generate(
        torch.tensor([prompt]), do_sample=False, num_beams=1, max_new_tokens=15, eos_token_id=None, pad_token_id=2
    )
    assert [pick.token for pick in picks] == out[0, 3:].tolist()


@pytest.mark.slow
@pytest.mark.parametrize(("k", "alpha"), [(1, 0.6), (4, 0.0), (4, 0.3), (5, 0.6), (8, 0.9)])
def test_contrastive_search_is_the_papers_formula(model, k, alpha):
    """transformers 5 has no contrastive search without remote code: equation 5 of Su et al. 2022, spelt out in torch."""
    import torch

    for seed in range(3):
        tokens = torch.randint(3, 40, (5,), generator=torch.Generator().manual_seed(seed)).tolist()
        ours = drain(contrastive_search(lambda texts: forward(model, texts), tokens, k=k, alpha=alpha, max_tokens=10))
        expected = list(tokens)
        for _ in range(10):
            logits, _ = forward(model, [expected])
            best, score = None, -np.inf
            for v in np.argsort(-logits[0], kind="stable")[:k].tolist():
                states = torch.tensor(forward(model, [[*expected, v]])[1][0])
                similarity = max(torch.cosine_similarity(states[-1], h, dim=0).item() for h in states[:-1])
                value = (1 - alpha) * softmax(logits[0])[v] - alpha * similarity
                if value > score:
                    best, score = v, value
            expected.append(best)
        assert list(ours) == expected[5:]
        if alpha == 0:
            greedy = drain(beam_search(one_by_one(lambda text: forward(model, [text])[0][0]), tokens, width=1, max_tokens=10))
            assert greedy[0].tokens == ours
