"""A chain of steps applied to logits with all that a page draws of it; sampling by it; and an answer read afterwards.

Sampling uses the Gumbel-max trick: argmax_i (z_i + G_i) with G_i = -ln(-ln U_i) is a draw from softmax(z) (Gumbel 1954;
Maddison, Tarlow and Minka 2014, "A* sampling", section 2). The noise belongs to (seed, position, token), not to the number
of draws made, so that a changed setting gives another token only where the change reaches it, and settings compared under
one seed are paired.
"""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from core.errors import WorkbenchError
from core.generation.odds import log_softmax
from core.sampling.filters import History, Mirostat, Step, as_logits, softmax

NextLogits = Callable[[Sequence[int]], np.ndarray]  # tokens -> logits [vocab] of the one that follows


class Distribution(NamedTuple):
    """The distribution after a step; the first stage of a trace is the model's own, with no step."""

    step: Step | None
    logits: np.ndarray  # [vocab] float64, -inf: cut by now
    probabilities: np.ndarray  # [vocab] float64
    support: np.ndarray  # token ids, rising
    cut: np.ndarray  # token ids that this step took, rising
    cut_mass: float  # their probability before the step
    entropy_bits: float
    perplexity: float  # 2 ** entropy_bits: as many equally likely tokens


def trace(logits: np.ndarray, steps: Sequence[Step], history: History = History()) -> list[Distribution]:  # noqa: B008
    """The distribution before the chain and after each of its steps; logits [vocab]. No model is run."""
    logits = as_logits(logits)
    stages = [_stage(None, logits, None)]
    for step in steps:
        stages.append(_stage(step, step.apply(stages[-1].logits, history), stages[-1]))
    return stages


def _stage(step: Step | None, logits: np.ndarray, before: Distribution | None) -> Distribution:
    p = softmax(logits)
    support = np.flatnonzero(logits > -np.inf)
    cut = before.support[logits[before.support] == -np.inf] if before else support[:0]
    entropy = entropy_bits(p)
    return Distribution(
        step, logits, p, support, cut, float(before.probabilities[cut].sum()) if before else 0.0, entropy, 2**entropy
    )


def entropy_bits(probabilities: np.ndarray) -> float:
    """-sum p log2 p (Shannon 1948); 0 log 0 is 0."""
    p = probabilities[probabilities > 0]
    return float(max(0.0, -np.sum(p * np.log2(p))))


def most_likely(values: np.ndarray, n: int) -> np.ndarray:
    """Ids of the n highest values (probabilities or logits), best first, the lowest id among equals."""
    n = min(n, len(values))
    ids = np.flatnonzero(values >= np.partition(values, -n)[-n])
    return ids[np.argsort(-values[ids], kind="stable")][:n]


def pick(logits: np.ndarray, seed: int, position: int) -> int:
    """A token drawn from softmax(logits [vocab]); the same for the same seed and position."""
    noise = np.random.default_rng([seed, position]).gumbel(size=len(logits))
    return int(np.argmax(logits + noise))


class Pick(NamedTuple):
    """One written token with what it was chosen from. `before` is where to start from to choose another one."""

    token: int
    before: History
    logits: np.ndarray  # [vocab] as the model gave them: `trace(logits, other_steps, before)` needs no model
    logprob: float  # natural logarithm, under the model itself
    chain_probability: float  # under the chain; 0 for a forced token that the chain had cut
    forced: bool


def sample(
    next_logits: NextLogits,
    start: History,
    steps: Sequence[Step],
    *,
    max_tokens: int,
    seed: int = 0,
    stop: Collection[int] = (),
    forced: Mapping[int, int] | None = None,
) -> Generator[Pick, None, str]:
    """Yields token after token, the stop token included; returns "stop" or "length". Closing it ends it.

    `forced` maps positions of the answer (0: its first token) to the tokens that must stand there.
    """
    forced, history = forced or {}, start
    mirostat = next((i for i, step in enumerate(steps) if isinstance(step, Mirostat)), None)
    for _ in range(max_tokens):
        position = len(history.answer)
        raw = next_logits(history.tokens)
        stages = [as_logits(raw)]
        for step in steps:
            stages.append(step.apply(stages[-1], history))
        token = forced[position] if position in forced else pick(stages[-1], seed, position)
        if not 0 <= token < len(stages[0]):
            raise WorkbenchError(f"There is no token {token}.", todo=f"Tokens go from 0 to {len(stages[0]) - 1:,}.")
        yield Pick(
            token, history, raw, float(log_softmax(stages[0])[token]), float(softmax(stages[-1])[token]), position in forced
        )
        if token in stop:
            return "stop"
        mu = history.mu if mirostat is None else steps[mirostat].next_mu(*stages[mirostat : mirostat + 2], history, token)
        history = History((*history.tokens, token), history.prompt_tokens, mu)
    return "length"


def force(
    next_logits: NextLogits,
    answer: Sequence[Pick],
    position: int,
    token: int,
    steps: Sequence[Step],
    *,
    max_tokens: int,
    seed: int = 0,
    stop: Collection[int] = (),
) -> Generator[Pick, None, str]:
    """The answer again with another token at `position`: the picks before it as they were, the rest sampled anew.

    Under the seed of the first time, forcing the token that stood there gives the same answer.
    """
    if not 0 <= position < len(answer):
        raise WorkbenchError(f"The answer has {len(answer)} tokens, none at {position}.", todo="Choose one of them.")
    yield from answer[:position]
    start = answer[position].before
    return (
        yield from sample(
            next_logits, start, steps, max_tokens=max_tokens - position, seed=seed, stop=stop, forced={len(start.answer): token}
        )
    )


class AnswerTrace(NamedTuple):
    """An answer under the model's own distribution (no chain), one row a token."""

    token: np.ndarray  # [n] int64
    probability: np.ndarray  # [n] float64
    logprob: np.ndarray  # [n] float64, natural
    rank: np.ndarray  # [n] int64, 1: the most likely token
    entropy_bits: np.ndarray  # [n] float64, of the whole distribution at that place
    alternatives: np.ndarray  # [n, alternatives] int64, best first (the token itself may be among them)
    alternative_probability: np.ndarray  # [n, alternatives] float64
    perplexity: float  # exp of the mean of -logprob; NaN for an empty answer


def trace_answer(logits: np.ndarray, tokens: Sequence[int], alternatives: int = 5) -> AnswerTrace:
    """Reads an answer from logits [n, vocab] (any float type; row i before token i was written) and its tokens [n]."""
    tokens = np.asarray(tokens, np.int64)
    if np.ndim(logits) != 2 or len(logits) != len(tokens):
        raise WorkbenchError(f"{len(tokens)} tokens need as many rows of logits, not {np.shape(logits)}.")
    if len(tokens) == 0:
        none, table = np.zeros(0), np.zeros((0, alternatives))
        return AnswerTrace(tokens, none, none, tokens, none, table.astype(np.int64), table, float("nan"))
    ids = np.arange(logits.shape[1])
    if not np.isin(tokens, ids).all():
        raise WorkbenchError(f"The answer has tokens that are not among the {len(ids):,} of the logits.")
    columns: list[tuple] = []
    for row, token in zip(map(as_logits, logits), tokens, strict=True):
        logp, best = log_softmax(row), most_likely(row, alternatives)
        p = np.exp(logp)
        rank = 1 + np.sum((row > row[token]) | (row == row[token]) & (ids < token))
        columns.append((p[token], logp[token], rank, entropy_bits(p), best, p[best]))
    probability, logprob, rank, entropy, best, best_p = map(np.array, zip(*columns, strict=True))
    return AnswerTrace(tokens, probability, logprob, rank, entropy, best, best_p, float(np.exp(-logprob.mean())))
