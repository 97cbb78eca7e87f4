"""The steps of a sampling chain: each is a frozen config whose `apply` maps logits to logits. -inf marks a cut token.

    steps = chain([{"part": "top_k", "k": 40}, {"part": "temperature", "temperature": 0.7}])
    for step in steps:
        logits = step.apply(logits, history)

Logits are [vocab] float64. Every step reads the distribution that the step before it left, so their order matters: a
temperature before top-p changes what top-p cuts. At least one token always survives. Among equal logits the lowest token
id goes first, as in the greedy choice; where a cut falls between equals the docstring says what happens.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from core.config import PartConfig, StageConfig, knob, valid
from core.errors import WorkbenchError
from core.generation.odds import log_softmax


class History(NamedTuple):
    """What was written before the next token. The first `prompt_tokens` of `tokens` are the prompt's."""

    tokens: tuple[int, ...] = ()
    prompt_tokens: int = 0
    mu: float | None = None  # Mirostat's bound in bits; None: its start, 2 tau

    @property
    def answer(self) -> tuple[int, ...]:
        return self.tokens[self.prompt_tokens :]


class Temperature(PartConfig):
    """Softmax at temperature T: z_i / T. Below 1 sharpens, above 1 flattens; 0 keeps the maximum alone.

    Source: Ackley, Hinton and Sejnowski 1985, "A learning algorithm for Boltzmann machines". T = 0 is llama.cpp's
    reading; transformers refuses it.
    """

    part: Literal["temperature"] = "temperature"
    temperature: float = knob(
        1.0, "Below 1 the likely tokens gain, above 1 the unlikely ones; 0 is the greedy choice.", ge=0.0, le=5.0, step=0.05
    )

    def apply(self, logits: np.ndarray, history: History) -> np.ndarray:
        with np.errstate(all="ignore"):
            scaled = logits / self.temperature if self.temperature > 0 else logits
        cold = self.temperature == 0 or not np.isfinite(scaled.max())  # so near 0 that the quotients are no numbers
        return Greedy().apply(logits, history) if cold else scaled


class TopK(PartConfig):
    """Keeps the k highest logits: V = {i: z_i >= z_(k)}. Tokens tied with the k-th are all kept.

    Source: Fan, Lewis and Dauphin 2018, "Hierarchical neural story generation". transformers keeps the ties
    as well; llama.cpp keeps exactly k, in no stated order.
    """

    part: Literal["top_k"] = "top_k"
    k: int = knob(40, "Only the k most likely tokens may be chosen.", unit="tokens", ge=1, le=100_000)

    def apply(self, logits: np.ndarray, history: History) -> np.ndarray:
        if self.k >= len(logits):
            return logits
        return _keep(logits, logits >= np.partition(logits, -self.k)[-self.k])


class TopP(PartConfig):
    """Nucleus: the smallest set of most likely tokens with sum p_i >= P. Among equals the lowest ids are kept.

    Source: Holtzman et al. 2020, "The curious case of neural text degeneration", equation 2. Computed from the small
    end, as transformers does: a token goes while it and all below it have no more than 1 - P. As many tokens are kept as by
    transformers and llama.cpp; which ones among equals is there left to an unstable sort.
    """

    part: Literal["top_p"] = "top_p"
    p: float = knob(0.95, "The most likely tokens that together reach this probability may be chosen.", ge=0.0, le=1.0, step=0.01)

    def apply(self, logits: np.ndarray, history: History) -> np.ndarray:
        upwards = len(logits) - 1 - np.argsort(logits[::-1], kind="stable")  # rising; among equals the highest id first
        keep = np.empty(len(logits), bool)
        keep[upwards] = np.cumsum(softmax(logits)[upwards]) > 1 - self.p
        keep[upwards[-1]] = True
        return _keep(logits, keep)


class MinP(PartConfig):
    """Keeps tokens with at least a share of the best token's probability: p_i >= P max p. Ties at the bound stay.

    Source: Nguyen et al. 2024, "Turning up the heat: min-p sampling for creative and coherent LLM outputs", section 3.
    transformers and llama.cpp agree.
    """

    part: Literal["min_p"] = "min_p"
    p: float = knob(0.05, "A token needs this share of the most likely token's probability.", ge=0.0, le=1.0, step=0.01)

    def apply(self, logits: np.ndarray, history: History) -> np.ndarray:
        p = softmax(logits)
        return _keep(logits, p >= self.p * p.max())


class Typical(PartConfig):
    """Locally typical: tokens in the order of |-ln p_i - H| (closest to the entropy first) until sum p_i >= mass.

    Source: Meister et al. 2023, "Locally typical sampling", section 4. Tokens as far from the entropy as the last one
    are kept with it, as in transformers; llama.cpp cuts among them, and asks for sum p_i > mass.
    """

    part: Literal["typical"] = "typical"
    mass: float = knob(
        0.95, "Probability of the kept tokens, those of average surprise first; 1 keeps all.", gt=0.0, le=1.0, step=0.01
    )

    def apply(self, logits: np.ndarray, history: History) -> np.ndarray:
        if self.mass == 1:
            return logits
        logp = log_softmax(logits)
        p = np.exp(logp)
        entropy = -np.sum(p[p > 0] * logp[p > 0])
        distance = np.abs(-logp - entropy)
        order = np.argsort(distance, kind="stable")
        last = min(int(np.sum(np.cumsum(p[order]) < self.mass)), len(order) - 1)
        return _keep(logits, distance <= distance[order[last]])


class Epsilon(PartConfig):
    """Keeps tokens with p_i >= epsilon, or the most likely ones where none has it.

    Source: Hewitt, Manning and Liang 2022, "Truncation sampling as language model desmoothing" (epsilon sampling).
    """

    part: Literal["epsilon"] = "epsilon"
    epsilon: float = knob(0.0003, "Probability that a token needs.", gt=0.0, lt=1.0, step=0.0001)

    def apply(self, logits: np.ndarray, history: History) -> np.ndarray:
        return _keep(logits, (softmax(logits) >= self.epsilon) | (logits == logits.max()))


class Eta(PartConfig):
    """Keeps tokens with p_i >= eta = min(epsilon, sqrt(epsilon) exp(-H)), H in nats: the bound falls as entropy rises.

    Source: Hewitt, Manning and Liang 2022 (eta sampling, with alpha = sqrt(epsilon)).
    """

    part: Literal["eta"] = "eta"
    epsilon: float = knob(
        0.0003, "Probability that a token needs where the model is sure; less where it is not.", gt=0.0, lt=1.0, step=0.0001
    )

    def apply(self, logits: np.ndarray, history: History) -> np.ndarray:
        p = softmax(logits)
        entropy = -np.sum(p[p > 0] * np.log(p[p > 0]))
        eta = min(self.epsilon, np.sqrt(self.epsilon) * np.exp(-entropy))
        return _keep(logits, (p >= eta) | (logits == logits.max()))


class RepetitionPenalty(PartConfig):
    """Tokens of prompt and answer, each once: z_i / theta where z_i > 0, z_i theta where z_i < 0.

    Source: Keskar et al. 2019, "CTRL", section 4.1, with the case of negative logits that the formula there gets wrong
    (dividing would raise them); transformers, vLLM and llama.cpp all have it.
    """

    part: Literal["repetition"] = "repetition"
    penalty: float = knob(1.2, "Above 1 makes tokens that occurred less likely; 1 changes nothing.", gt=0.0, le=5.0, step=0.05)
    last_tokens: int = knob(0, "Looks back so far only; 0: at prompt and answer whole.", unit="tokens", ge=0, le=1_000_000)

    def apply(self, logits: np.ndarray, history: History) -> np.ndarray:
        seen = _counts(history.tokens[-self.last_tokens :], len(logits)) > 0
        return np.where(seen, np.where(logits < 0, logits * self.penalty, logits / self.penalty), logits)


class FrequencyPenalty(PartConfig):
    """z_i - alpha c_i, where c_i counts the token in the answer so far.

    Source: OpenAI's API reference, "frequency and presence penalties": mu[j] - c[j] alpha_frequency - 1[c[j] > 0]
    alpha_presence, c over what was sampled, so without the prompt, as in vLLM. llama.cpp counts the prompt as well and looks
    back 64 tokens.
    """

    part: Literal["frequency"] = "frequency"
    penalty: float = knob(
        0.5, "Taken off a token's logit for each time the answer has it; below 0 it is added.", ge=-2.0, le=2.0, step=0.05
    )

    def apply(self, logits: np.ndarray, history: History) -> np.ndarray:
        return logits - self.penalty * _counts(history.answer, len(logits))


class PresencePenalty(PartConfig):
    """z_i - alpha 1[c_i > 0]: once for every token that the answer has, however often. Source: as frequency."""

    part: Literal["presence"] = "presence"
    penalty: float = knob(
        0.5, "Taken off the logit of every token the answer has; below 0 it is added.", ge=-2.0, le=2.0, step=0.05
    )

    def apply(self, logits: np.ndarray, history: History) -> np.ndarray:
        return logits - self.penalty * (_counts(history.answer, len(logits)) > 0)


class Mirostat(PartConfig):
    """Mirostat v2: cuts tokens of surprise -log2 p_i > mu, and steers mu so that the surprise seen stays near tau.

    mu starts at 2 tau; after token x: mu - eta (S(x) - tau). Source: Basu et al. 2021, "Mirostat: a neural text decoding
    algorithm that directly controls perplexity", in its authors' simpler second version. S(x) is taken under the
    distribution that reaches this step ("before", the paper and its authors' code), or under what the cut left,
    renormalised ("after", llama.cpp): the second is smaller, so the same tau lets llama.cpp keep more tokens.
    """

    part: Literal["mirostat"] = "mirostat"
    tau: float = knob(
        5.0, "Surprise to hold on to; 2 to the power of it is the perplexity aimed at.", unit="bits", gt=0.0, le=20.0, step=0.1
    )
    eta: float = knob(0.1, "How fast the bound follows; 0 holds it at twice the target.", ge=0.0, le=1.0, step=0.01)
    surprise: Literal["before", "after"] = knob("before", "Surprise measured before the cut (the paper) or after it (llama.cpp).")

    def apply(self, logits: np.ndarray, history: History) -> np.ndarray:
        surprise = -log_softmax(logits) / np.log(2)
        keep = surprise <= self.mu(history)
        keep[np.argmax(logits)] = True
        return _keep(logits, keep)

    def mu(self, history: History) -> float:
        return 2 * self.tau if history.mu is None else history.mu

    def next_mu(self, before: np.ndarray, after: np.ndarray, history: History, token: int) -> float:
        """mu for the next token, from this step's logits [vocab] before and after its cut.

        A forced token that the cut took has no surprise after it and is measured before it.
        """
        logits = after if self.surprise == "after" and after[token] > -np.inf else before
        surprise = -log_softmax(logits)[token] / np.log(2)
        if np.isinf(surprise):  # forced, though an earlier step had cut it: it says nothing about the model
            return self.mu(history)
        return float(self.mu(history) - self.eta * (surprise - self.tau))


class Greedy(PartConfig):
    """Keeps the highest logit alone, the lowest id among equals."""

    part: Literal["greedy"] = "greedy"

    def apply(self, logits: np.ndarray, history: History) -> np.ndarray:
        return _keep(logits, np.arange(len(logits)) == np.argmax(logits))


Step = (
    Temperature
    | TopK
    | TopP
    | MinP
    | Typical
    | Epsilon
    | Eta
    | RepetitionPenalty
    | FrequencyPenalty
    | PresencePenalty
    | Mirostat
    | Greedy
)
STEPS: dict[str, type[PartConfig]] = {cls.model_fields["part"].default: cls for cls in Step.__args__}


class Chain(StageConfig):
    """Steps in the order in which they are applied; the same step may come twice, Mirostat once."""

    steps: tuple[Annotated[Step, Field(discriminator="part")], ...] = ()


def chain(steps: Iterable[Mapping[str, Any] | Step]) -> tuple[Step, ...]:
    """Steps from plain mappings ({"part": "top_k", "k": 40}); raises WorkbenchError naming each bad setting."""
    built = valid(Chain, {"steps": tuple(steps)}).steps
    if sum(isinstance(step, Mirostat) for step in built) > 1:
        raise WorkbenchError("A chain can hold Mirostat once.", where="mirostat", todo="Take one of them out.")
    return built


def as_logits(logits: np.ndarray) -> np.ndarray:
    """The same as float64 [vocab]; raises WorkbenchError where no distribution can be made of them."""
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 1 or np.isnan(logits).any() or not -np.inf < logits.max(initial=-np.inf) < np.inf:
        raise WorkbenchError(
            "These logits are no distribution: they need one row of numbers, one of them finite.",
            todo="Look at the model: NaN and infinity come from broken weights or overflow.",
        )
    return logits


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _keep(logits: np.ndarray, keep: np.ndarray) -> np.ndarray:
    return np.where(keep, logits, -np.inf)


def _counts(tokens: tuple[int, ...], vocab: int) -> np.ndarray:
    tokens = np.array(tokens, np.int64)
    return np.bincount(tokens[(tokens >= 0) & (tokens < vocab)], minlength=vocab)
