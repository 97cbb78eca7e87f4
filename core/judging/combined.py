"""Faithfulness from several signals: what the model says of each claim, which of its words no passage has, and how it is copied.

A claim's signals are numbers that grow with doubt (`SIGNALS`). Their logistic combination is the probability that a claim is not
faithful; an answer is as faithful as its worst claim, allowing for their number. The weights are fitted on answers that people judged
and on claims made by rule, from which neither head has learnt (`core.training.faithfulness.combination`), are not negative, and
stand in the model's folder as `combination.json`.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.errors import WorkbenchError
from core.files import read_json
from core.judging.claims import WORD
from core.judging.copied import SourceWords, broken, fragments, jumps
from core.judging.frames import USUAL
from core.judging.judgement_models import ClaimJudgement
from core.judging.passage_words import RUN, PassageWords, new_numbers, runs_of, word_doubts

COMBINATION = "combination.json"
SIGNALS = ("wrong_words", "worst_word", "unsupported", "new_words", "new_triples", "new_numbers", "broken", "jumps")
SUREST = 3.0  # log-odds of being supported from which a claim is as sure as one that is copied whole
MOST_JUMPS = 5  # more say no more


class Combination(NamedTuple):
    """biases: one for each kind of answers, weights: of the signals. least: doubt from which a claim counts as not borne out,
    threshold: an answer as hallucinated. by_claims: log-odds by which an answer's doubt is lowered for each unit of ln(claims)."""

    biases: np.ndarray
    weights: np.ndarray
    least: float
    threshold: float
    by_claims: float = 0.0

    def claims(self, rows: np.ndarray) -> np.ndarray:
        """Probability [n] that each claim is not faithful, of signals [n, len(SIGNALS)]: the mean over the kinds of answers, as it is not
        known of which kind it is."""
        logits = (rows @ self.weights)[:, None] + self.biases
        return (1 / (1 + np.exp(-np.clip(logits, -30, 30)))).mean(axis=1)

    def doubt(self, rows: np.ndarray) -> float:
        """Doubt of an answer, 0 to 1: that of its worst claim, allowing for how many it is the worst of. The largest of n values
        moves up with ln(n) (Gumbel), though no claim be worse."""
        worst = float(self.claims(rows).max())
        odds = worst / (1 - worst) * len(rows) ** -self.by_claims
        return odds / (1 + odds)


def signals(claim: str, judged: ClaimJudgement, there: PassageWords, source: SourceWords) -> np.ndarray:
    """The claim's signals, in the order of SIGNALS; `worst_word` and `unsupported` count where one of its triples of words is new."""
    wrong = [p for _, _, p in word_doubts(claim, judged.words, there)]
    words = WORD.findall(claim.lower())
    telling = {word for word in words if word not in USUAL}
    triples = set(runs_of(words, RUN)) if len(words) >= RUN else set()
    new = len(triples - there.runs[RUN - 1]) / len(triples) if triples else float(any(w not in there.runs[0] for w in words))
    pieces = fragments(words, source)
    supported = min(max(float(judged.probabilities[0]), 1e-4), 1 - 1e-4)
    return np.array(
        [
            float(np.mean(wrong)) if wrong else 0.0,
            max((p for _, _, p in judged.words), default=0.0) if new else 0.0,
            max(0.0, SUREST - math.log(supported / (1 - supported))) if new else 0.0,
            len(telling - there.runs[0]) / len(telling) if telling else 0.0,
            new,
            float(bool(new_numbers(claim, there))),
            broken(words, pieces),
            float(min(MOST_JUMPS, jumps(pieces, source))),
        ]
    )


def read_combination(folder: Path) -> Combination:
    """That of a model's folder."""
    return from_record(read_json(folder / COMBINATION, "The combination", of=dict), str(folder))


def from_record(record: dict[str, Any], where: str = "") -> Combination:
    """What `combination.json` holds."""
    claim = record["claim"]
    if absent := [name for name in (*SIGNALS, "biases", "least") if name not in claim]:
        raise WorkbenchError(
            f"The model was trained before '{absent[0]}' was one of its signals.",
            where=where,
            todo="Train it again: python -m core train-faithfulness. Its claims can still be judged by `entailment` and `wrong_words`.",
        )
    biases, weights = np.array([*claim["biases"].values()]), np.array([claim[name] for name in SIGNALS])
    return Combination(biases, weights, claim["least"], record["threshold"], record.get("by_claims", 0.0))
