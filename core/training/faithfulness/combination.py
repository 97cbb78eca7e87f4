"""Fits how the signals of faithfulness are combined, and measures the model on what it has not seen.

Fitted is on QA-Feedback, whose answers were written from several passages as those of RAG are; on all three sets together the weights
told worse which answers people had marked (cross-validated AUC 0.851 and 0.837 on QA-Feedback, the same on XSumFaith, 0.596 and
0.589 on Citation Integrity). Weights are not negative: a signal may be useless, but no sign of doubt may speak for an answer.
"""

import math
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from core.judging.combined import CLIP, OF_ANSWER, SIGNALS, Combination, from_record, of_answer, signals
from core.judging.evidence import claims, evidence
from core.judging.judgement_models import WRONG, OwnModel
from core.judging.passage_words import joined, new_share, word_doubts, words_of
from core.records import Progress
from core.statistics.roc import roc
from core.training.faithfulness.sources import SUPPORTED, UNKNOWN, Marked

PENALTY = 0.02  # of the squares of the weights, beside a mean loss
FITTED_ON = "qa_feedback"
SETS = ("qa_feedback", "xsumfaith", "citation_integrity")


class SeenAnswer:
    """An answer as the model sees it. shift: log-odds added to each word."""

    def __init__(self, answer: Marked, judged: list, shift: float = 0.0) -> None:
        self.there = there = words_of(answer.passages)
        if shift:
            judged = [
                (a, b, each._replace(words=[(s, e, _shifted(p, shift)) for s, e, p in each.words])) for a, b, each in judged
            ]
        self.answer, self.judged = answer, judged
        self.signals = np.array([signals(answer.answer[a:b], each, there) for a, b, each in judged])
        self.new_words = new_share(answer.answer, there)
        self.source = answer.source.split()[0]
        self.wrong = answer.verdict != SUPPORTED


def seen(model: OwnModel, answers: Sequence[Marked]) -> Generator[Progress, None, list[SeenAnswer]]:
    places = [claims(answer.answer) for answer in answers]
    pairs = [
        (evidence(answer.passages, answer.answer[a:b]), answer.answer[a:b])
        for answer, spans in zip(answers, places, strict=True)
        for a, b in spans
    ]
    judged = {}
    for i, each in model.read(pairs):
        judged[i] = each
        if len(judged) % 100 == 0:
            yield Progress(len(judged), len(pairs), "Judging the answers that people judged")
    each = (judged[i] for i in range(len(pairs)))
    return [SeenAnswer(answer, [(a, b, next(each)) for a, b in spans]) for answer, spans in zip(answers, places, strict=True)]


def best_shift(answers: Sequence[SeenAnswer]) -> float:
    """Log-odds to add to each word, so that the mean of the sets' span F1 is best where 0.5 and more counts as wrong."""
    marked = [each for each in answers if each.answer.spans is not None]
    sets = [[each for each in marked if each.source == name] for name in SETS]
    sets = [some for some in sets if any(each.answer.spans for each in some)]
    cuts = [cut / 20 for cut in range(1, 17)]
    best = max(cuts, key=lambda cut: sum(span_f1(some, cut)[0] for some in sets))
    return round(math.log((1 - best) / best), 4)


def _shifted(p: float, shift: float) -> float:
    p = min(max(p, 1e-6), 1 - 1e-6)
    return 1 / (1 + math.exp(-(math.log(p / (1 - p)) + shift)))


def fitted(answers: Sequence[SeenAnswer]) -> dict[str, Any]:
    """The record of a combination: what `combination.json` holds."""
    usable = [each for each in answers if len(each.judged) and each.answer.verdict != UNKNOWN]
    usable = [each for each in usable if each.source == FITTED_ON] or usable
    rows, wanted = [], []
    for each in usable:
        if each.answer.spans is None and len(each.judged) > 1:
            continue
        for (start, end, _), row in zip(each.judged, each.signals, strict=True):
            spans = [s for s in each.answer.spans or () if s.start < end and s.end > start]
            rows.append(row)
            wanted.append(max((s.share for s in spans), default=0.0) if each.answer.spans is not None else float(each.wrong))
    bias, weights = logistic(np.array(rows), np.array(wanted))
    claim = {"bias": bias} | dict(zip(SIGNALS, weights.tolist(), strict=True))
    half = Combination(bias, weights, 0.0, np.zeros(len(OF_ANSWER)), 0.5)
    made = np.array([of_answer(np.clip(half.claims(each.signals), -CLIP, CLIP), each.new_words) for each in usable])
    wrong = np.array([each.wrong for each in usable])
    bias, weights = logistic(made, wrong.astype(float))
    record = {"claim": claim, "answer": {"bias": bias} | dict(zip(OF_ANSWER, weights.tolist(), strict=True)), "threshold": 0.5}
    whole = from_record(record)
    record["threshold"] = best_threshold(np.array([whole.doubt(each.signals, each.new_words) for each in usable]), wrong)
    return record


def logistic(x: np.ndarray, wanted: np.ndarray) -> tuple[float, np.ndarray]:
    """Bias and non-negative weights of least mean loss and penalty, where right and wrong count the same in all: how many are
    wrong differs from system to system."""
    from scipy.optimize import minimize
    from scipy.special import expit

    scale = np.maximum(x.std(0), 1e-6)
    wrong, right = wanted / max(wanted.sum(), 1e-9) / 2, (1 - wanted) / max((1 - wanted).sum(), 1e-9) / 2

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        bias, w = values[0], values[1:]
        z = bias + (x / scale) @ w
        error = right * expit(z) - wrong * expit(-z)
        gradient = np.concatenate([[error.sum()], (x / scale).T @ error + 2 * PENALTY * w])
        return float(wrong @ np.logaddexp(0, -z) + right @ np.logaddexp(0, z)) + PENALTY * float(w @ w), gradient

    start = np.concatenate([[0.0], np.full(x.shape[1], 0.1)])
    bounds = [(None, None)] + [(0, None)] * x.shape[1]
    best = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return float(best[0]), best[1:] / scale


def best_threshold(scores: np.ndarray, positive: np.ndarray) -> float:
    """From which the balanced accuracy is best: the middle between two scores."""
    order = np.sort(np.unique(scores))
    cuts = np.concatenate([[order[0] - 1e-6], (order[1:] + order[:-1]) / 2, [order[-1] + 1e-6]])
    gains = [(scores[positive] >= cut).mean() + (scores[~positive] < cut).mean() for cut in cuts] if positive.any() else [0.0]
    return float(cuts[int(np.argmax(gains))])


def measured(answers: Sequence[SeenAnswer], floors: Sequence[SeenAnswer], combination: Combination) -> dict[str, dict[str, Any]]:
    """By data set: how well the combination, and the lexical floor, tell hallucinated answers. floors: answers on which the
    floor's threshold is chosen."""
    result = {}
    for source in SETS:
        some = [each for each in answers if each.source == source and len(each.judged)]
        if not some:
            continue
        wrong = np.array([each.wrong for each in some])
        doubts = np.array([combination.doubt(each.signals, each.new_words) for each in some])
        lexical = np.array([each.new_words for each in some])
        same = [each for each in floors if each.source == source and len(each.judged)]
        cut = best_threshold(np.array([each.new_words for each in same]), np.array([each.wrong for each in same]))
        own = [combination.doubt(each.signals, each.new_words) for each in same]
        own_cut = best_threshold(np.array(own), np.array([each.wrong for each in same]))
        row = {
            "answers": len(some),
            "hallucinated": int(wrong.sum()),
            "combined": _told(doubts, wrong, combination.threshold),
            "combined, threshold of the set": _told(doubts, wrong, own_cut),
            "floor": _told(lexical, wrong, cut),
        }
        marked = [each for each in some if each.answer.spans is not None]
        if any(each.answer.spans for each in marked):
            row["span_f1"], row["floor_span_f1"] = span_f1(marked)
        result[source] = row
    return result


def accuracy(model: OwnModel, pairs: Sequence[Marked]) -> dict[str, Any]:
    """Of the verdicts of sentence pairs, in three classes."""
    right = 0
    for places, rows in model.entail([(pair.passages[0], pair.answer) for pair in pairs]):
        right += sum(int(row.argmax()) == pairs[i].verdict for i, row in zip(places, rows, strict=True))
    return {"pairs": len(pairs), "accuracy": round(right / max(1, len(pairs)), 4)}


def _told(scores: np.ndarray, wrong: np.ndarray, cut: float) -> dict[str, float]:
    said = scores >= cut
    hits, alarms, missed = (said & wrong).sum(), (said & ~wrong).sum(), (~said & wrong).sum()
    values = {
        "threshold": cut,
        "auc": roc(scores, wrong).auc.mean or 0.5,
        "balanced_accuracy": ((said & wrong).sum() / max(1, wrong.sum()) + (~said & ~wrong).sum() / max(1, (~wrong).sum())) / 2,
        "f1": 2 * hits / max(1, 2 * hits + alarms + missed),
    }
    return {name: round(float(value), 4) for name, value in values.items()}


def span_f1(answers: Sequence[SeenAnswer], least: float = WRONG) -> tuple[float, float]:
    """F1 of characters over all answers, of the words head and of the words that no passage has."""
    import re

    counts = np.zeros((2, 3))  # hits, said, marked
    for each in answers:
        text = each.answer.answer
        gold = np.zeros(len(text), bool)
        for span in each.answer.spans:
            if span.share >= 0.5:
                gold[span.start : span.end] = True
        said = np.zeros((2, len(text)), bool)
        for start, end, judged in each.judged:
            for a, b, _ in joined(word_doubts(text[start:end], judged.words, each.there), start, least):
                said[0, a:b] = True
        for match in re.finditer(r"\w+", text):
            said[1, match.start() : match.end()] = match.group().lower() not in each.there.runs[0]
        for row in (0, 1):
            counts[row] += (said[row] & gold).sum(), said[row].sum(), gold.sum()
    f1 = 2 * counts[:, 0] / np.maximum(1, counts[:, 1] + counts[:, 2])
    return round(float(f1[0]), 4), round(float(f1[1]), 4)
