"""Fits how the signals of faithfulness are combined, and measures the model on what it has not seen.

Fitted is by claim, on QA-Feedback, whose answers were written from several passages as those of RAG are, on XSumFaith, whose summaries
use words of their own, and on claims made by rule, which are copied: each kind has a bias of its own, and the weights are common (in
econometrics fixed effects). In each kind right and wrong count the same, as how many are wrong differs from system to system.
Weights are not negative: a signal may be useless, but no sign of doubt may speak for an answer. Of what kind a claim is that will
be judged is not known: its doubt is the mean of those with each bias.
"""

import math
import re
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from core.judging.combined import SIGNALS, Combination, signals
from core.judging.copied import SourceWords
from core.judging.entailment import JudgedClaim, claimed
from core.judging.evidence import evidence, grounds
from core.judging.judgement_models import WRONG, OwnModel
from core.judging.measure import AnswerCase
from core.judging.measures.containment import Containment
from core.judging.passage_words import joined, new_share, word_doubts, words_of
from core.records import Progress
from core.statistics.roc import roc
from core.training.faithfulness.sources import EXPERTS, OWN, SUPPORTED, UNKNOWN, Marked

PENALTY = 0.02  # of the squares of the weights, beside a mean loss
ANSWERS = ("qa_feedback", "xsumfaith", EXPERTS)  # kinds of whole answers on which the threshold is chosen
SHIFTS = [step / 20 for step in range(41)]  # of log-odds by ln(claims)
FITTED_ON = ("qa_feedback", "xsumfaith", "made")
FEWEST = 20  # right answers, and wrong ones, by which measures are compared
SETS = ("qa_feedback", "xsumfaith", "citation_integrity", EXPERTS)


class SeenAnswer:
    """An answer as the model sees it. shift: log-odds added to each word."""

    def __init__(self, answer: Marked, judged: list[JudgedClaim], shift: float = 0.0) -> None:
        told = grounds(answer.passages, answer.question)
        there, self.said = words_of(told), words_of(answer.passages)
        if shift:
            judged = [
                each._replace(
                    judgement=each.judgement._replace(words=[(s, e, _shifted(p, shift)) for s, e, p in each.judgement.words])
                )
                for each in judged
            ]
        self.answer, self.judged = answer, judged
        source = SourceWords(told)
        self.signals = np.array([signals(each.text, each.judgement, there, source) for each in judged])
        self.new_words = new_share(answer.answer, self.said)
        case = AnswerCase(answer.question, answer.answer, answer.passages)
        self.copied = Containment().scored(case).value if answer.passages else 0.0
        self.source = answer.source.split()[0]
        self.wrong = answer.verdict != SUPPORTED


def seen(model: OwnModel, answers: Sequence[Marked]) -> Generator[Progress, None, list[SeenAnswer]]:
    places = [claimed(AnswerCase(answer.question, answer.answer, answer.passages)) for answer in answers]
    pairs = [
        (evidence(grounds(answer.passages, answer.question), text), text)
        for answer, spans in zip(answers, places, strict=True)
        for _, _, text in spans
    ]
    judged = {}
    for i, each in model.read(pairs):
        judged[i] = each
        if len(judged) % 100 == 0:
            yield Progress(len(judged), len(pairs), "Judging the answers that people judged")
    each = (judged[i] for i in range(len(pairs)))
    return [
        SeenAnswer(answer, [JudgedClaim(*place, next(each)) for place in spans])
        for answer, spans in zip(answers, places, strict=True)
    ]


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


def fitted(answers: Sequence[SeenAnswer], made: Sequence[SeenAnswer] = ()) -> dict[str, Any]:
    """The record of a combination: what `combination.json` holds. made: whole answers made by rule."""
    usable = [each for each in answers if len(each.judged) and each.answer.verdict != UNKNOWN]
    sets = {name: some for name in FITTED_ON if (some := _by_claim([each for each in usable if each.source == name]))}
    sets = sets or {"all": _by_claim(usable)}
    biases, weights = logistic(*zip(*sets.values(), strict=True))
    claim = {"biases": dict(zip(sets, biases.tolist(), strict=True))} | dict(zip(SIGNALS, weights.tolist(), strict=True))
    plain, (x, wanted) = Combination(biases, weights, 0.5, 0.5), next(iter(sets.values()))
    claim["least"] = best_threshold(plain.claims(x), wanted >= 0.5)
    return {"claim": claim} | of_answers(usable, made, plain)


def of_answers(answers: Sequence[SeenAnswer], made: Sequence[SeenAnswer], plain: Combination) -> dict[str, float]:
    """What of the record is of whole answers. by_claims: of answers made by rule, the shift with which doubt tells the wrong ones of any
    number of claims from the right ones of any other best (AUC of all together). threshold: that of people's answers of every kind then, as
    of which kind an answer is that will be judged is not known."""

    def doubts(some: Sequence[SeenAnswer], shift: float) -> np.ndarray:
        combination = plain._replace(by_claims=shift)
        return np.array([combination.doubt(each.signals) for each in some])

    def wrong(some: Sequence[SeenAnswer]) -> np.ndarray:
        return np.array([each.wrong for each in some])

    made = [each for each in made if len(each.judged)]
    best = max(SHIFTS, key=lambda shift: roc(doubts(made, shift), wrong(made).astype(float)).auc.mean) if made else 0.0
    there = [each for each in answers if len(each.judged)]
    kinds = [some for name in ANSWERS if (some := [each for each in there if each.source == name])] or [there]
    return {"threshold": best_of_kinds([(doubts(some, best), wrong(some)) for some in kinds]), "by_claims": best}


def told_by_claims(made: Sequence[SeenAnswer], combinations: dict[str, Combination]) -> list[dict[str, Any]]:
    """A row for each kind and number of claims of answers made by rule: of the right and of the wrong ones the share that each of the
    combinations calls hallucinated."""
    rows = []
    for source in dict.fromkeys(each.answer.source for each in made):
        some = [each for each in made if each.answer.source == source and len(each.judged)]
        wrong, (_, kind, claims) = np.array([each.wrong for each in some]), source.split()
        row = {"kind": kind, "claims": int(claims), "right": int((~wrong).sum()), "wrong": int(wrong.sum())}
        for name, combination in combinations.items():
            said = np.array([combination.doubt(each.signals) >= combination.threshold for each in some])
            row |= {
                f"{name}: false alarms": round(float(said[~wrong].mean()), 3),
                f"{name}: found": round(float(said[wrong].mean()), 3),
            }
        rows.append(row)
    return rows


def trusted(answers: Sequence[SeenAnswer], combination: Combination) -> dict[str, dict[str, Any]]:
    """By kind of text: AUC of the combination, and of what asks no model, over answers from which no head has learnt; measure: the
    best of them. Only of kinds with 20 right and 20 wrong answers."""
    rows = {}
    for source in dict.fromkeys(each.source for each in answers):
        some = [each for each in answers if each.source == source and len(each.judged) and each.answer.verdict != UNKNOWN]
        wrong = np.array([each.wrong for each in some])
        if min(wrong.sum(), len(wrong) - wrong.sum()) < FEWEST:
            continue
        doubts = {
            "faithfulness": [combination.doubt(each.signals) for each in some],
            "containment": [-each.copied for each in some],
            "lexical_floor": [each.new_words for each in some],
        }
        aucs = {name: round(float(roc(np.array(each), wrong).auc.mean), 4) for name, each in doubts.items()}
        rows[source] = {"answers": len(some), "wrong": int(wrong.sum())} | aucs | {"measure": max(aucs, key=aucs.__getitem__)}
    return rows


def _by_claim(answers: Sequence[SeenAnswer]) -> tuple[np.ndarray, np.ndarray] | None:
    """Signals and share of people who call it wrong, of each claim of which that is known; None: of none."""
    rows, wanted = [], []
    for each in answers:
        if each.answer.spans is None and len(each.judged) > 1:
            continue
        for (start, end, *_), row in zip(each.judged, each.signals, strict=True):
            spans = [s for s in each.answer.spans or () if s.start < end and s.end > start]
            rows.append(row)
            wanted.append(max((s.share for s in spans), default=0.0) if each.answer.spans is not None else float(each.wrong))
    return (np.array(rows), np.array(wanted)) if rows else None


def logistic(sets: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A bias for each set, and common non-negative weights, of least mean loss and penalty, where the sets count the same, and right
    and wrong of each."""
    from scipy.optimize import minimize
    from scipy.special import expit

    n, scale = len(sets), np.maximum(np.sqrt(np.mean([x.var(0) for x in sets], axis=0)), 1e-6)
    x = np.concatenate(sets) / scale
    own = np.eye(n)[np.repeat(np.arange(n), [len(each) for each in sets])]
    wrong, right = (np.concatenate([y / max(y.sum(), 1e-9) / 2 / n for y in some]) for some in (wanted, [1 - y for y in wanted]))

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        w = values[n:]
        z = own @ values[:n] + x @ w
        error = right * expit(z) - wrong * expit(-z)
        gradient = np.concatenate([own.T @ error, x.T @ error + 2 * PENALTY * w])
        return float(wrong @ np.logaddexp(0, -z) + right @ np.logaddexp(0, z)) + PENALTY * float(w @ w), gradient

    start = np.concatenate([np.zeros(n), np.full(x.shape[1], 0.1)])
    bounds = [(None, None)] * n + [(0, None)] * x.shape[1]
    best = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return best[:n], best[n:] / scale


def best_threshold(scores: np.ndarray, positive: np.ndarray) -> float:
    """From which the balanced accuracy is best: the middle between two scores."""
    order = np.sort(np.unique(scores))
    cuts = np.concatenate([[order[0] - 1e-6], (order[1:] + order[:-1]) / 2, [order[-1] + 1e-6]])
    gains = [(scores[positive] >= cut).mean() + (scores[~positive] < cut).mean() for cut in cuts] if positive.any() else [0.0]
    return float(cuts[int(np.argmax(gains))])


def best_of_kinds(kinds: Sequence[tuple[np.ndarray, np.ndarray]], drawn: int = 400) -> float:
    """From which doubt the balanced accuracy is best, each kind counting alike: the mean over samples drawn with replacement, as the
    best of one is chance. kinds: doubts [n], and which are wrong [n] bool."""
    draw, grid, best = np.random.default_rng(0), np.linspace(0, 1, 201), []
    for _ in range(drawn):
        gains = np.zeros(len(grid))
        for doubts, wrong in kinds:
            some = draw.integers(len(doubts), size=len(doubts))
            hits, alarms = (np.sort(doubts[some][wrong[some] == which]) for which in (True, False))
            if len(hits) and len(alarms):
                gains += np.searchsorted(alarms, grid) / len(alarms) - np.searchsorted(hits, grid) / len(hits)
        best.append(grid[gains >= gains.max() - 1e-12].mean())
    return float(np.mean(best))


def measured(answers: Sequence[SeenAnswer], floors: Sequence[SeenAnswer], combination: Combination) -> dict[str, dict[str, Any]]:
    """By data set: how well the combination, and the lexical floor, tell hallucinated answers. floors: answers on which the
    floor's threshold is chosen."""
    result = {}
    for source in (*SETS, "made", OWN):
        some = [each for each in answers if each.source == source and len(each.judged)]
        if not some:
            continue
        wrong = np.array([each.wrong for each in some])
        doubts = np.array([combination.doubt(each.signals) for each in some])
        lexical = np.array([each.new_words for each in some])
        same = [each for each in floors if each.source == source and len(each.judged)]
        cut = best_threshold(np.array([each.new_words for each in same]), np.array([each.wrong for each in same]))
        own = [combination.doubt(each.signals) for each in same]
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
    counts = np.zeros((2, 3))  # hits, said, marked
    for each in answers:
        text = each.answer.answer
        gold = np.zeros(len(text), bool)
        for span in each.answer.spans:
            if span.share >= 0.5:
                gold[span.start : span.end] = True
        said = np.zeros((2, len(text)), bool)
        for start, _, claim, judged in each.judged:
            for a, b, _ in joined(word_doubts(claim, judged.words, each.said), start, least):
                said[0, a:b] = True
        for match in re.finditer(r"\w+", text):
            said[1, match.start() : match.end()] = match.group().lower() not in each.said.runs[0]
        for row in (0, 1):
            counts[row] += (said[row] & gold).sum(), said[row].sum(), gold.sum()
    f1 = 2 * counts[:, 0] / np.maximum(1, counts[:, 1] + counts[:, 2])
    return round(float(f1[0]), 4), round(float(f1[1]), 4)
