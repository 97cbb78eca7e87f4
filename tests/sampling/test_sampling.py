"""Sampling steps, traces, searches and diversity on examples small enough to work out by hand."""

import itertools
import math

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.generation.protocol import Read
from core.judging import diversity
from core.progress import Running, drain
from core.sampling import writing
from core.sampling.filters import (
    STEPS,
    Chain,
    Epsilon,
    Eta,
    FrequencyPenalty,
    Greedy,
    History,
    MinP,
    Mirostat,
    PresencePenalty,
    RepetitionPenalty,
    Temperature,
    TopK,
    TopP,
    Typical,
    as_logits,
    chain,
    log_softmax,
    softmax,
)
from core.sampling.search import beam_search, contrastive_search, one_by_one
from core.sampling.trace import force, most_likely, pick, sample, trace, trace_answer

P = np.array([0.1, 0.4, 0.05, 0.3, 0.15])


def kept(step, p=P, history=History()):  # noqa: B008
    return set(np.flatnonzero(step.apply(np.log(p), history) > -np.inf).tolist())


@pytest.mark.parametrize(("step", "expected"), [
    (TopK(k=2), {1, 3}), (TopK(k=99), {0, 1, 2, 3, 4}),
    (TopP(p=0.6), {1, 3}), (TopP(p=0.71), {1, 3, 4}), (TopP(p=0.0), {1}), (TopP(p=1.0), {0, 1, 2, 3, 4}),
    (MinP(p=0.3), {1, 3, 4}), (MinP(p=0.0), {0, 1, 2, 3, 4}), (MinP(p=1.0), {1}),
    (Epsilon(epsilon=0.12), {1, 3, 4}), (Epsilon(epsilon=0.9), {1}),
    (Greedy(), {1}), (Temperature(temperature=0), {1}), (Temperature(temperature=3), {0, 1, 2, 3, 4}),
    (Typical(mass=1.0), {0, 1, 2, 3, 4}),
])  # fmt: skip
def test_what_each_step_keeps(step, expected):
    assert kept(step) == expected


def test_typical_cuts_the_most_likely_token_when_it_is_too_little_surprising():
    p = np.array([0.4, 0.15, 0.15, 0.15, 0.15])  # surprises 1.32 and 2.74 bits, entropy 2.17: the four are nearer
    assert kept(Typical(mass=0.5), p) == {1, 2, 3, 4} and kept(Typical(mass=0.7), p) == {0, 1, 2, 3, 4}


def test_eta_falls_as_entropy_rises():
    """epsilon 0.04, sqrt 0.2: flat over 8, exp(-H) = 1/8 and eta 0.025; over 2 tokens eta is epsilon."""
    flat = np.array([0.97 / 8] * 8 + [0.03])
    assert kept(Eta(epsilon=0.04), flat) == set(range(9))
    assert kept(Eta(epsilon=0.04), np.array([0.485, 0.485, 0.03])) == {0, 1}


def test_equals():
    flat = np.full(6, 1 / 6)
    assert kept(TopK(k=2), flat) == set(range(6)), "all tied with the k-th stay"
    assert kept(TopP(p=0.4), flat) == {0, 1, 2} and kept(Greedy(), flat) == {0}, "the lowest ids stay"


def test_penalties():
    logits, history = (np.array([2.0, -2.0, 1.0, 0.0]), History((0, 1, 1, 2, 2, 9), prompt_tokens=3))  # 9: not in the vocabulary
    np.testing.assert_allclose(RepetitionPenalty(penalty=2).apply(logits, history), [1, -4, 0.5, 0])
    np.testing.assert_allclose(RepetitionPenalty(penalty=2, last_tokens=3).apply(logits, history), [2, -2, 0.5, 0])
    np.testing.assert_allclose(FrequencyPenalty(penalty=0.5).apply(logits, history), [2, -2, 0, 0])
    np.testing.assert_allclose(PresencePenalty(penalty=0.5).apply(logits, history), [2, -2, 0.5, 0])
    np.testing.assert_allclose(FrequencyPenalty(penalty=0.5).apply(logits, History((0, 1, 1))), [1.5, -3, 1, 0])
    for step in (RepetitionPenalty(), FrequencyPenalty(), PresencePenalty()):
        np.testing.assert_array_equal(step.apply(logits, History()), logits)


def test_mirostat_by_hand():
    p, before = np.array([0.5, 0.25, 0.125, 0.125]), np.log([0.5, 0.25, 0.125, 0.125])
    step = Mirostat(tau=1.05, eta=0.1)  # mu starts at 2.1 bits: surprises 1 and 2 pass, 3 does not
    after = step.apply(before, History())
    assert kept(step, p) == {0, 1} and kept(step, p, History(mu=3.5)) == {0, 1, 2, 3} and kept(step, p, History(mu=-1.0)) == {0}
    assert step.next_mu(before, after, History(), 1) == pytest.approx(2.1 - 0.1 * (2 - 1.05))
    llama = step.model_copy(update={"surprise": "after"})
    assert llama.next_mu(before, after, History(), 1) == pytest.approx(2.1 - 0.1 * (math.log2(3) - 1.05))
    assert llama.next_mu(before, after, History(), 3) == pytest.approx(2.1 - 0.1 * (3 - 1.05)), "forced, though cut"
    gone = np.array([0.0, -np.inf])
    assert step.next_mu(gone, gone, History(mu=1.5), 1) == 1.5


def test_the_order_of_a_chain_matters_and_a_chain_is_plain_data():
    hot_first = chain([{"part": "temperature", "temperature": 2.0}, {"part": "top_p", "p": 0.65}])
    hot_last = hot_first[::-1]
    assert len(trace(np.log(P), hot_first)[-1].support) == 3 and len(trace(np.log(P), hot_last)[-1].support) == 2
    dumped = Chain(steps=hot_first).model_dump(mode="json")
    assert dumped["steps"][1] == {"part": "top_p", "p": 0.65} and chain(dumped["steps"]) == hot_first
    assert set(STEPS) >= {
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "typical",
        "repetition",
        "frequency",
        "presence",
        "mirostat",
        "greedy",
    }


@pytest.mark.parametrize("steps", [
    [{"part": "nucleus"}], [{"part": "top_k", "k": 0}], [{"part": "top_p", "p": 1.1}], [{"part": "min_p", "k": 3}],
    [{"part": "temperature", "temperature": float("nan")}], [{"part": "mirostat"}, {"part": "mirostat"}], [{}],
])  # fmt: skip
def test_a_bad_chain_says_so(steps):
    with pytest.raises(WorkbenchError):
        chain(steps)


@pytest.mark.parametrize("logits", [[], [[1.0]], [1.0, np.nan], [np.inf, 0.0], [-np.inf, -np.inf]])
def test_logits_that_are_no_distribution_are_refused(logits):
    with pytest.raises(WorkbenchError):
        as_logits(np.array(logits))


def test_a_trace_holds_every_stage():
    stages = trace(np.log(P).astype(np.float32), (TopK(k=3), Temperature(temperature=0.5), MinP(p=0.5)))
    assert [stage.step and stage.step.part for stage in stages] == [None, "top_k", "temperature", "min_p"]
    assert [stage.support.tolist() for stage in stages] == [[0, 1, 2, 3, 4], [1, 3, 4], [1, 3, 4], [1, 3]]
    assert [stage.cut.tolist() for stage in stages] == [[], [0, 2], [], [4]]
    assert stages[1].cut_mass == pytest.approx(0.15, abs=1e-6)
    np.testing.assert_allclose(stages[1].probabilities, np.array([0, 0.4, 0, 0.3, 0.15]) / 0.85, atol=1e-6)
    np.testing.assert_allclose(stages[3].probabilities[[1, 3]], [16 / 25, 9 / 25], atol=1e-6)
    assert stages[3].entropy_bits == pytest.approx(-(0.64 * math.log2(0.64) + 0.36 * math.log2(0.36)), abs=1e-5)
    uniform = trace(np.zeros(8), (Greedy(),))
    assert uniform[0].entropy_bits == pytest.approx(3) and uniform[0].perplexity == pytest.approx(8)
    assert uniform[1].entropy_bits == 0 and uniform[1].perplexity == 1


def test_most_likely_takes_the_lowest_ids_among_equals():
    assert most_likely(np.array([1.0, 3, 2, 3, 2, 2]), 4).tolist() == [1, 3, 2, 4]
    assert most_likely(P, 99).tolist() == [1, 3, 4, 0, 2]


def test_picks_follow_the_distribution():
    counts = np.bincount([pick(np.log(P), 3, position) for position in range(5000)], minlength=5)
    chi_square = np.sum((counts - 5000 * P) ** 2 / (5000 * P))
    assert chi_square < 18.5, "0.1% point of chi-square with 4 degrees of freedom"
    assert [pick(np.log(P), 1, i) for i in range(30)] == [pick(np.log(P), 1, i) for i in range(30)]
    assert [pick(np.log(P), 1, i) for i in range(30)] != [pick(np.log(P), 2, i) for i in range(30)]


def test_a_cut_changes_only_the_picks_it_took():
    cut = MinP(p=0.3).apply(np.log(P), History())
    pairs = [(pick(np.log(P), 0, i), pick(cut, 0, i)) for i in range(300)]
    assert all(a == b for a, b in pairs if a in (1, 3, 4)) and all(b in (1, 3, 4) for _, b in pairs)


TABLE = np.random.default_rng(0).normal(0, 2, (7, 7))


def after_last(tokens):
    return TABLE[tokens[-1]] + 0.1 * np.sin(len(tokens) + np.arange(7))


def finish(generator):
    found = list(running := Running(generator))
    return found, running.result


STEPS_OF_TESTS = [(), (Temperature(temperature=1.5), TopP(p=0.9)), (Mirostat(tau=1.5, eta=0.5), FrequencyPenalty(penalty=1.0))]


@pytest.mark.parametrize("steps", STEPS_OF_TESTS, ids=["plain", "top-p", "mirostat"])
def test_forcing_a_token_and_continuing(steps):
    start = History((3, 1), 2)
    picks, end = finish(sample(after_last, start, steps, max_tokens=12, seed=5))
    tokens = [p.token for p in picks]
    assert end == "length" and len(tokens) == 12 and all(p.before.answer == tuple(tokens[:i]) for i, p in enumerate(picks))
    same, _ = finish(force(after_last, picks, 4, tokens[4], steps, max_tokens=12, seed=5))
    assert [p.token for p in same] == tokens and same[4].forced and same[-1].before == picks[-1].before
    other = (tokens[4] + 1) % 7
    branch, _ = finish(force(after_last, picks, 4, other, steps, max_tokens=12, seed=5))
    assert [p.token for p in branch[:5]] == [*tokens[:4], other] and len(branch) == 12
    assert branch[5].before.tokens == (3, 1, *tokens[:4], other)
    again, _ = finish(sample(after_last, start, steps, max_tokens=12, seed=5, forced={4: other}))
    assert [p.token for p in again] == [p.token for p in branch]
    for p in picks:  # the page needs no model to filter anew
        assert trace(p.logits, steps, p.before)[-1].probabilities[p.token] == pytest.approx(p.chain_probability)
        assert p.logprob == pytest.approx(log_softmax(p.logits)[p.token])


def test_sampling_ends_at_a_stop_token_and_refuses_what_is_not_there():
    picks, end = finish(sample(after_last, History((0,), 1), (), max_tokens=50, stop={2, 3}))
    assert end == "stop" and picks[-1].token in (2, 3) and not {p.token for p in picks[:-1]} & {2, 3}
    assert picks[0].before == History((0,), 1) and finish(sample(after_last, History((0,)), (), max_tokens=0)) == ([], "length")
    with pytest.raises(WorkbenchError, match="no token 7"):
        finish(sample(after_last, History((0,), 1), (), max_tokens=5, forced={0: 7}))
    with pytest.raises(WorkbenchError):
        finish(force(after_last, picks, len(picks), 0, (), max_tokens=50))


def test_mirostat_holds_the_surprise_near_its_target():
    logits = -1.1 * np.log(np.arange(1, 2001))  # Zipf's law: some 7 bits
    for tau in (3.0, 5.0):
        picks = list(sample(lambda tokens: logits, History(), (Mirostat(tau=tau, eta=0.1),), max_tokens=400, seed=1))
        surprise = np.mean([-p.logprob / math.log(2) for p in picks[100:]])
        assert abs(surprise - tau) < 0.3


def test_an_answer_read_from_its_logits():
    logits = np.log([P, P[::-1], [0.2, 0.2, 0.2, 0.2, 0.2]])
    read = trace_answer(logits.astype(np.float32), [1, 0, 2], alternatives=2)
    np.testing.assert_allclose(read.probability, [0.4, 0.15, 0.2], rtol=1e-6)
    np.testing.assert_allclose(read.logprob, np.log([0.4, 0.15, 0.2]), rtol=1e-6)
    assert read.rank.tolist() == [1, 3, 3] and read.alternatives[:2].tolist() == [[1, 3], [3, 1]]
    np.testing.assert_allclose(read.alternative_probability[0], [0.4, 0.3], rtol=1e-6)
    assert read.entropy_bits[0] == pytest.approx(read.entropy_bits[1]) and read.entropy_bits[2] == pytest.approx(math.log2(5))
    assert read.perplexity == pytest.approx((0.4 * 0.15 * 0.2) ** (-1 / 3))
    assert math.isnan(trace_answer(np.zeros((0, 5)), []).perplexity)
    for tokens in ([1, 2], [1, 2, 5], [1, 2, -1]):
        with pytest.raises(WorkbenchError):
            trace_answer(logits, tokens)


def every_text(length: int, stop: int):
    """All answers of at most that length over TABLE's vocabulary, with their log probability behind token 0."""
    for n in range(1, length + 1):
        for tokens in itertools.product(range(7), repeat=n):
            if stop in tokens[:-1] or n < length and tokens[-1] != stop:
                continue
            path = (0, *tokens)
            yield tokens, sum(log_softmax(after_last(path[: i + 1]))[path[i + 1]] for i in range(n))


def test_a_beam_as_wide_as_the_tree_finds_the_best_text():
    texts = dict(every_text(3, stop=2))
    for penalty in (0.0, 1.0):
        beams = finish(beam_search(one_by_one(after_last), (0,), width=343, max_tokens=3, length_penalty=penalty, stop={2}))[1]
        best = sorted(texts, key=lambda t: -texts[t] / len(t) ** penalty)
        assert [beam.tokens for beam in beams[:20]] == best[:20]
        assert beams[0].logprob == pytest.approx(texts[best[0]]) and beams[0].stopped == (best[0][-1] == 2)


def test_beam_search_shows_its_open_beams_and_refuses_nonsense():
    rounds, beams = finish(beam_search(one_by_one(after_last), (0,), width=3, max_tokens=4))
    assert [len(beam.tokens) for beam in (r[0] for r in rounds)] == [1, 2, 3] and len(beams) == 3
    assert all(r[0].logprob >= r[-1].logprob for r in rounds) and not any(beam.stopped for beam in beams)
    with pytest.raises(WorkbenchError):
        finish(beam_search(one_by_one(after_last), (0,), width=0, max_tokens=4))


def test_contrastive_search_turns_away_from_what_was_said():
    """Token v has the state e_v, and 0 is always the likeliest: greedy repeats it, the penalty forbids it."""
    logits = np.log([0.5, 0.3, 0.15, 0.05])

    def states(texts):
        return np.tile(logits, (len(texts), 1)), np.eye(4)[np.array(texts)]

    steps, tokens = finish(contrastive_search(states, (0,), k=3, alpha=0.6, max_tokens=3))
    assert tokens == (1, 2, 0), "when all three were said, probability decides again"
    np.testing.assert_allclose(steps[0].score, [0.4 * 0.5 - 0.6, 0.4 * 0.3, 0.4 * 0.15])
    assert steps[0].candidates.tolist() == [0, 1, 2] and steps[0].similarity.tolist() == [1, 0, 0]
    assert finish(contrastive_search(states, (1,), k=3, alpha=0.0, max_tokens=3, stop={0}))[1] == (0,)
    with pytest.raises(WorkbenchError):
        finish(contrastive_search(states, (), k=3, alpha=0.5, max_tokens=3))


def test_searches_never_take_a_token_of_probability_zero():
    logits = np.array([0.0, 1.0, -np.inf, -np.inf])
    beams = finish(beam_search(lambda texts: np.tile(logits, (len(texts), 1)), (0,), width=9, max_tokens=3))[1]
    assert len(beams) == 8 and {token for beam in beams for token in beam.tokens} == {0, 1}
    steps, _ = finish(
        contrastive_search(
            lambda texts: (np.tile(logits, (len(texts), 1)), np.eye(4)[np.array(texts)]), (0, 1), k=4, alpha=1.0, max_tokens=3
        )
    )
    assert {step.token for step in steps} <= {0, 1}


# --- diversity and quality of answers ---

CATS = ["The cat sat on the mat.", "The cat sat on a mat.", "A dog barked at the mail man.", "The cat is on the mat, asleep."]


def test_distinct_n():
    assert diversity.distinct_n(["a b a b"], 1) == 0.5 and diversity.distinct_n(["a b a b"], 2) == pytest.approx(2 / 3)
    assert diversity.distinct_n(["a b", "A b"], 2) == 0.5, "no n-gram runs from one text into the next"
    assert math.isnan(diversity.distinct_n(["a"], 2)) and math.isnan(diversity.distinct_n([], 1))


@pytest.mark.parametrize(("max_n", "expected"), [
    (2, [1.0, 0.816496580928, 0.073192505471, 0.5]),
    (3, [0.843432665302, 0.643659589737, 0.044695176755, 0.329316878004]),
    (4, [0.622332977288, 0.508132748155, 0.036555522285, 0.156196996846]),
])  # fmt: skip
def test_self_bleu_has_nltks_numbers(max_n, expected):
    """nltk 3.10.4: sentence_bleu of each text with the others, equal weights, method1."""
    tokens = [diversity.words(text) for text in CATS]
    ours = [diversity.sentence_bleu(t, tokens[:i] + tokens[i + 1 :], max_n) for i, t in enumerate(tokens)]
    np.testing.assert_allclose(ours, expected, atol=1e-12)
    assert diversity.self_bleu(CATS, max_n) == pytest.approx(np.mean(expected))


def test_bleu_at_its_ends():
    assert diversity.self_bleu(["one two three four five"] * 3) == pytest.approx(1)
    assert diversity.self_bleu(["a b c d", "e f g h"]) == 0 and math.isnan(diversity.self_bleu(["alone"]))
    assert diversity.self_bleu(["", "a b"]) == 0
    # brevity: closest of the lengths 2 and 6 to 4 is, among equals, the shorter one, so nothing is taken off
    assert diversity.sentence_bleu(list("abcd"), [list("ab"), list("abcdef")], 1) == 1
    assert diversity.sentence_bleu(list("abcd"), [list("abcdef")], 1) == pytest.approx(math.exp(-0.5))


def test_entropy_over_clusters():
    paris = [0, 0, 1, 2]
    assert diversity.cluster_entropy_nats(paris) == pytest.approx(-(0.5 * math.log(0.5) + 0.5 * math.log(0.25)))
    logprobs = np.log([0.2, 0.2, 0.1, 0.3])  # of 0.8 in all
    expected = -sum(p * math.log(p) for p in (0.5, 0.125, 0.375))
    assert diversity.cluster_entropy_nats(paris, logprobs) == pytest.approx(expected)
    assert diversity.cluster_entropy_nats(paris, logprobs - 900) == pytest.approx(expected), "no underflow"
    assert diversity.cluster_entropy_nats([0] * 5) == 0 and math.isnan(diversity.cluster_entropy_nats([]))
    assert math.isnan(diversity.cluster_entropy_nats([0, 1], [0.0, -math.inf]))
    with pytest.raises(WorkbenchError):
        diversity.cluster_entropy_nats([0, 1], [0.0])


def test_meanings_are_clusters_of_texts_that_entail_each_other():
    entails = np.array([[1, 1, 0, 1], [1, 1, 1, 0], [0, 0, 1, 0], [1, 0, 0, 1]], bool)
    assert diversity.meaning_clusters(entails) == [0, 0, 1, 0], "one way alone is another meaning; its first member decides"


def test_embedding_clusters_are_led_by_their_first_member():
    angles = np.radians([0, 20, 40, 90, 0])
    vectors = np.c_[np.cos(angles), np.sin(angles)] * [[1], [2], [3], [1], [5]]
    assert diversity.embedding_clusters(vectors, math.cos(math.radians(30))) == [0, 0, 1, 2, 0]
    assert diversity.embedding_entropy_nats(vectors, -1.0) == 0
    assert diversity.embedding_entropy_nats(np.eye(4), 0.5) == pytest.approx(math.log(4))


@pytest.mark.parametrize(("answer", "golds", "em", "f1"), [
    ("The Eiffel Tower!", ["eiffel tower"], 1, 1),
    ("a  Cat", ["the cat", "dog"], 1, 1),
    ("in the city of Paris", ["Paris"], 0, 0.4),  # P 1/4, R 1
    ("Denver Broncos", ["Carolina Panthers", "The Denver Broncos team"], 0, 0.8),
    ("well-known", ["wellknown"], 1, 1),  # punctuation goes without leaving a space
    ("yes yes", ["yes"], 0, 2 / 3),  # a bag of words: the second yes has no partner
    ("theatre", ["atre"], 0, 0), ("", [""], 1, 1), ("the", [""], 1, 1), ("something", [""], 0, 0),
])  # fmt: skip
def test_squad_em_and_f1(answer, golds, em, f1):
    assert diversity.answer_em(answer, golds) == em and diversity.answer_f1(answer, golds) == pytest.approx(f1)


def test_summary_counts_what_was_not_measured():
    rows = [{"f1": float(i % 2), "self_bleu": math.nan if i < 4 else 0.5} for i in range(20)]
    found = diversity.summary(rows, seed=1)
    assert found["f1"].mean == 0.5 and found["f1"].low < 0.5 < found["f1"].high and found["f1"].n == 20
    assert (found["self_bleu"].n, found["self_bleu"].total) == (16, 20) and diversity.summary([]) == {}
    assert math.isnan(diversity.answer_f1("x", [])) and math.isnan(diversity.answer_em("x", []))


def test_softmax_of_far_logits():
    np.testing.assert_allclose(softmax(np.array([1e4, 1e4, -1e4])), [0.5, 0.5, 0])


@pytest.mark.parametrize("temperature", [1e-308, 5e-324, 1e-300])
def test_a_temperature_next_to_zero_is_the_greedy_choice(temperature):
    for logits in ([-3.0, 2.0, 1.0], [-9.0, -2.0, -4.0], [-1.0, 0.0, -np.inf]):
        [_, after] = trace(np.array(logits), (Temperature(temperature=temperature),))
        assert after.probabilities.tolist() == [0.0, 1.0, 0.0]


def test_what_the_model_ran_for_is_counted_though_the_memory_is_full(monkeypatch):
    monkeypatch.setattr(writing, "KEPT", 4)
    runs = []

    class Engine:
        context_tokens = 100
        ends = staticmethod(lambda: frozenset())
        bytes_of = staticmethod(lambda token: b"a")

        def next_logits(self, prompt, written):
            runs.append(written)
            return np.array([0.0, 1.0], np.float32)

    memory = {(9, 9, number): np.zeros(2, np.float32) for number in range(4)}
    made = drain(writing.write(Engine(), Read("", [0], [1]), memory, (Greedy(),), seed=0, max_tokens=6))
    assert made.ran == len(runs) == len(made.picks) == 6
