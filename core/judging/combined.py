"""Faithfulness from several signals: what the model says of each claim, and which of its words no passage has.

A claim's signals are numbers that grow with doubt (`SIGNALS`). Their logistic combination is the probability that a claim is not
faithful; the answer's is one of its claims' mean and worst and of the share of its words that no passage has. All weights are
fitted on answers that people judged and that neither head has learnt from (`core.training.faithfulness.combination`), are not
negative, and stand in the model's folder as `combination.json`.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.judging.claims import WORD
from core.judging.judgement_models import ClaimJudgement
from core.judging.passage_words import RUN, PassageWords, new_numbers, runs_of, word_doubts

COMBINATION = "combination.json"
SIGNALS = ("wrong_words", "unsupported", "new_words", "new_triples", "new_numbers")
OF_ANSWER = ("mean_claim", "worst_claim", "new_words")
CLIP = 6.0  # of log-odds
USUAL = frozenset(
    "a an the of in on at to for from by with and or but is are was were be been being it its this that these those he she they his "
    "her their as not no have has had do does did will would can could may might which who whom what when where while also there "
    "than then so such if into about over after before between during i you we our your".split()
)  # words that tell nothing where a passage lacks them


class Combination(NamedTuple):
    """claim, answer: the bias and the weights of the signals. threshold: doubt from which an answer counts as hallucinated."""

    claim_bias: float
    claim: np.ndarray
    answer_bias: float
    answer: np.ndarray
    threshold: float

    def claims(self, signals: np.ndarray) -> np.ndarray:
        """Log-odds [n] that each claim is not faithful, of signals [n, len(SIGNALS)]."""
        return self.claim_bias + signals @ self.claim

    def doubt(self, signals: np.ndarray, new_words: float) -> float:
        """Probability that the answer of these claims is not faithful."""
        logits = np.clip(self.claims(signals), -CLIP, CLIP)
        value = self.answer_bias + float(np.dot(self.answer, of_answer(logits, new_words)))
        return float(1 / (1 + np.exp(-np.clip(value, -30, 30))))


def of_answer(logits: np.ndarray, new_words: float) -> np.ndarray:
    """What the answer's combination is made of [len(OF_ANSWER)], of the log-odds of its claims."""
    return np.array([logits.mean(), logits.max(), new_words])


def signals(claim: str, judged: ClaimJudgement, there: PassageWords) -> np.ndarray:
    """The claim's signals, in the order of SIGNALS; `unsupported` counts as far as its triples of words are new."""
    wrong = [p for _, _, p in word_doubts(claim, judged.words, there)]
    words = WORD.findall(claim.lower())
    telling = {word for word in words if word not in USUAL}
    triples = set(runs_of(words, RUN))
    new = len(triples - there.runs[RUN - 1]) / len(triples) if triples else 0.0
    return np.array(
        [
            float(np.mean(wrong)) if wrong else 0.0,
            (1 - float(judged.probabilities[0])) * new,
            len(telling - there.runs[0]) / len(telling) if telling else 0.0,
            new,
            float(bool(new_numbers(claim, there))),
        ]
    )


def read_combination(folder: Path) -> Combination:
    """That of a model's folder."""
    return from_record(json.loads((folder / COMBINATION).read_text("utf-8")))


def from_record(record: dict[str, Any]) -> Combination:
    claim, answer = record["claim"], record["answer"]
    return Combination(
        claim["bias"],
        np.array([claim[name] for name in SIGNALS]),
        answer["bias"],
        np.array([answer[name] for name in OF_ANSWER]),
        record["threshold"],
    )
