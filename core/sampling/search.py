"""Searches for a whole answer instead of drawing one: beam search and contrastive search.

Beam search looks for the likeliest text: right for short answers with one correct wording, dull and repetitive in longer
ones. Contrastive search stays close to greedy but avoids what would sound like the text so far; it needs the model's
hidden states. Both are deterministic and generators: a page can draw each step, and closing them ends the search.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from core.config import PartConfig, knob
from core.errors import WorkbenchError
from core.generation.odds import log_softmax
from core.sampling.filters import as_logits, softmax
from core.sampling.trace import NextLogits, most_likely

Tokens = tuple[int, ...]
BatchLogits = Callable[[list[Tokens]], np.ndarray]  # n texts of one length -> logits [n, vocab] of what follows
# n texts of one length -> logits [n, vocab] of what follows, last layer's hidden states [n, length, width]
HiddenStates = Callable[[list[Tokens]], tuple[np.ndarray, np.ndarray]]


class BeamSearch(PartConfig):
    """The likeliest text, as far as a few open beginnings find it. For short answers with one right wording."""

    part: Literal["beam"] = "beam"
    width: int = knob(4, "So many beginnings stay open. More find likelier texts and take longer.", unit="beams", ge=1, le=8)
    length_penalty: float = knob(
        1.0, "0 prefers short answers, 1 compares the mean per token, above 1 prefers long ones.", ge=0.0, le=3.0, step=0.1
    )


class ContrastiveSearch(PartConfig):
    """The likely token that is least like the text so far. For longer texts, in which greedy choice repeats itself."""

    part: Literal["contrastive"] = "contrastive"
    k: int = knob(4, "Chosen from so many likeliest tokens.", unit="tokens", ge=2, le=12)
    alpha: float = knob(0.6, "Weight of being unlike the text so far; 0 is the greedy choice.", ge=0.0, le=1.0, step=0.05)


SEARCHES: dict[str, type[PartConfig]] = {"beam": BeamSearch, "contrastive": ContrastiveSearch}


def torch_states(engine: Any) -> HiddenStates:
    """Hidden states from a loaded model of the transformers library (torch_lm.Engine). What one text has read is kept: a text
    that goes on from one of the call before by a token costs that token, and its states [n, 1, width] are of it alone."""
    import torch
    from transformers import DynamicCache

    cache: Any = None
    rows: list[Tokens] = []

    def asked(texts: list[Tokens]) -> tuple[np.ndarray, np.ndarray]:
        nonlocal cache, rows
        parents = [text[:-1] for text in texts]
        if cache is not None and all(parent in rows for parent in parents):
            cache.batch_select_indices(torch.tensor([rows.index(parent) for parent in parents], device=engine.device))
            new = [text[-1:] for text in texts]
        else:
            cache, new = DynamicCache(config=engine.model.config), texts
        with engine.lock, torch.inference_mode():
            out = engine.model(
                input_ids=torch.tensor(new, device=engine.device),
                past_key_values=cache,
                use_cache=True,
                output_hidden_states=True,
                logits_to_keep=1,
            )
        rows = list(texts)
        return out.logits[:, -1].float().cpu().numpy(), out.hidden_states[-1].float().cpu().numpy()

    return asked


def one_by_one(next_logits: NextLogits) -> BatchLogits:
    """A batched model from one that reads a single text."""
    return lambda texts: np.stack([next_logits(text) for text in texts])


class Beam(NamedTuple):
    tokens: Tokens  # of the answer alone, the stop token included
    logprob: float  # sum over its tokens, natural logarithm
    score: float  # logprob / len(tokens) ** length_penalty
    stopped: bool  # by a stop token, not by its length


def beam_search(
    batch_logits: BatchLogits,
    prompt: Sequence[int],
    *,
    width: int,
    max_tokens: int,
    length_penalty: float = 1.0,
    stop: Collection[int] = (),
) -> Generator[list[Beam], None, list[Beam]]:
    """Yields the open beams after each token, best first; returns up to `width` finished ones, best score first.

    Each round extends every open beam by every token and takes the best (stop tokens + 1) width candidates, at least 2
    width; of these a finished one counts if it is among the first `width`, and the best `width` others stay open. A score
    is log p(y) / |y|^a, a = `length_penalty`: 0 prefers short answers, 1 is the mean per token, above 1 prefers long ones.
    It ends when all `width` places are taken and the best open beam, scored at its present length, beats none of them. That
    end is a heuristic: with a > 0 a longer answer could still have won (transformers' `early_stopping=False`; the
    canonical search has a = 0). GNMT's penalty ((5 + |y|) / 6)^a (Wu et al. 2016, equation 14) is another one.

    Source: Graves 2012, "Sequence transduction with recurrent neural networks", algorithm 1; rules of transformers 5.
    """
    if width < 1 or max_tokens < 1:
        raise WorkbenchError("Beam search needs at least one beam and one token.", todo="Raise width and max_tokens.")
    prompt, stop = tuple(prompt), set(stop)
    open_beams, done = [Beam((), 0.0, 0.0, False)], []
    for length in range(1, max_tokens + 1):
        logits = np.stack([as_logits(row) for row in batch_logits([prompt + beam.tokens for beam in open_beams])])
        total = log_softmax(logits) + np.array([[beam.logprob] for beam in open_beams])  # [beams, vocab]
        scores, vocab = total.ravel(), total.shape[1]
        candidates = []
        for index in most_likely(scores, max(2, 1 + len(stop)) * width):
            token, logprob = int(index % vocab), float(scores[index])
            if logprob == -np.inf:  # forbidden by the model, for instance by a grammar
                break
            candidates.append(
                Beam((*open_beams[index // vocab].tokens, token), logprob, logprob / length**length_penalty, token in stop)
            )
        last = length == max_tokens
        ended = [beam for beam in candidates[:width] if beam.stopped or last]
        done = sorted(done + ended, key=lambda beam: -beam.score)[:width]
        open_beams = [] if last else [beam for beam in candidates if not beam.stopped][:width]
        if not open_beams:
            break
        yield open_beams
        if len(done) == width and open_beams[0].score <= done[-1].score:
            break
    return done


class ContrastiveStep(NamedTuple):
    """The candidates of one token, most likely first, and which was taken: the one of highest score."""

    token: int
    candidates: np.ndarray  # [k] int64
    probability: np.ndarray  # [k] float64, under the model
    similarity: np.ndarray  # [k] float64, highest cosine with a token before it
    score: np.ndarray  # [k] float64


def contrastive_search(
    hidden_states: HiddenStates, prompt: Sequence[int], *, k: int, alpha: float, max_tokens: int, stop: Collection[int] = ()
) -> Generator[ContrastiveStep, None, Tokens]:
    """Yields step after step; returns the answer's tokens, the stop token included.

    x_t = argmax over the k most likely v of (1 - alpha) p(v | x_<t) - alpha max_j cos(h_v, h_x_j), j < t, where h_v is the
    last layer's state at v read behind x_<t; the prompt's tokens are among the x_j. alpha = 0 is the greedy choice. Source:
    Su et al. 2022, "A contrastive framework for neural text generation", equation 5.
    """
    if k < 1 or not 0 <= alpha <= 1 or not prompt:
        raise WorkbenchError("Contrastive search needs a prompt, k of at least 1, and alpha between 0 and 1.")
    tokens = tuple(prompt)
    logits, hidden = hidden_states([tokens])
    past = _unit(hidden[0])  # [length, width]
    logits = as_logits(logits[0])
    for _ in range(max_tokens):
        candidates = most_likely(logits, min(k, int(np.sum(logits > -np.inf))))
        next_logits, hidden = hidden_states([(*tokens, int(v)) for v in candidates])
        now = _unit(hidden[:, -1])  # [k, width]
        similarity = (now @ past.T).max(axis=1)
        probability = softmax(logits)[candidates]
        score = (1 - alpha) * probability - alpha * similarity
        best = int(np.argmax(score))
        token = int(candidates[best])
        tokens += (token,)
        yield ContrastiveStep(token, candidates, probability, similarity, score)
        if token in stop:
            break
        past = np.vstack([past, now[best]])
        logits = as_logits(next_logits[best])
    return tokens[len(prompt) :]


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)
