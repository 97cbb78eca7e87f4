"""What RAG-Sequence and RAG-Token share: a prompt a passage, and how probable each passage is."""

import math
from typing import Any, NamedTuple

import numpy as np

from core.answering.protocol import Answering, Material
from core.config import PartConfig, knob
from core.errors import WorkbenchError
from core.records import Hit


class Sides(NamedTuple):
    """The passages side by side."""

    prompts: list[list[dict[str, str]]]  # each with its passage alone, which keeps its number
    hits: tuple[Hit, ...]
    log_prior: list[float]  # natural logarithm of p(passage | question)
    notes: tuple[str, ...]


class Marginal(Answering):
    """Base of the ways that sum over the passages (Lewis et al. 2020, arXiv:2005.11401, section 2.1)."""

    temperature: float = knob(
        0.1,
        "Of the softmax that turns ranking scores into p(passage | question). Higher is more even; scores in [0, 1] want "
        "about 0.1, BM25's about 1.",
        ge=0.001,
        le=100.0,
        step=0.05,
    )

    def texts(self, passages: int) -> int:
        return 2 * passages  # each is read with every answer

    def check(self, generator: PartConfig) -> None:
        if not generator.mixes:
            raise WorkbenchError(
                f"The engine {generator.part} cannot answer by {self.part}: it does not hand out what several prompts say of the "
                "next token.",
                where="answering.part",
                todo="Choose transformers as generation.part, or one_prompt as answering.part.",
            )

    def sides(self, material: Material) -> Sides:
        made = [material.prompt([hit], number) for number, hit in enumerate(material.hits[: material.context.passages], 1)]
        hits = tuple(prompt.used[0] for prompt in made)
        notes = tuple(dict.fromkeys(note for prompt in made for note in prompt.notes))
        return Sides([prompt.messages for prompt in made], hits, self.log_prior(hits), notes)

    def log_prior(self, hits: tuple[Hit, ...]) -> list[float]:
        """log p(passage | question): softmax of the final ranking's scores."""
        scores = np.array([hit.score for hit in hits], np.float64) / self.temperature
        return (scores - _log_sum(scores)).tolist()


class Likelihood(NamedTuple):
    """Of one given answer, natural logarithms."""

    sequence: float  # log of the sum over passages of p(z) p(answer | z), RAG-Sequence
    token: float  # sum over tokens of the log of the sum over passages of p(z) p(token | z), RAG-Token
    each: tuple[float, ...]  # log p(answer | passage)
    posterior: tuple[float, ...]  # p(passage | question, answer), by RAG-Sequence
    responsible: tuple[tuple[float, ...], ...]  # p(passage | tokens so far) at each token and the end, by RAG-Sequence
    tokens: int  # of the answer, its end among them


def likelihood(log_prior: list[float], table: list[list[float]]) -> Likelihood:
    """table: log-probability of each token under each passage [passages, tokens]."""
    prior, logs = np.array(log_prior)[:, None], np.array(table, np.float64)
    so_far = prior + np.cumsum(logs, axis=1)  # [passages, tokens]
    each = logs.sum(axis=1)
    whole = prior[:, 0] + each
    posterior = np.exp(whole - _log_sum(whole))
    responsible = np.exp(so_far - np.apply_along_axis(_log_sum, 0, so_far))
    return Likelihood(
        sequence=_log_sum(whole),
        token=float(sum(_log_sum(column) for column in (prior + logs).T)),
        each=tuple(each.tolist()),
        posterior=tuple(posterior.tolist()),
        responsible=tuple(map(tuple, responsible.T.tolist())),
        tokens=logs.shape[1],
    )


def told(log_prior: list[float], pieces: tuple[str, ...], shares: Any) -> dict[str, Any]:
    """Weights of the passages and each token's shares, as an answer keeps them."""
    rows = [{"text": text, "shares": [round(share, 4) for share in row]} for text, row in zip(pieces, shares, strict=True)]
    return {"prior": [round(math.exp(log), 6) for log in log_prior], "tokens": rows}


def _log_sum(logs: np.ndarray) -> float:
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).sum()))
