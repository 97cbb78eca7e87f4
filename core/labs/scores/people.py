"""Scores of answers against people's labels: which way a label points, and how well each measure tells the same."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from core.judging.measure import AnswerMeasure, AnswerScore
from core.labs.scores.answer_file import AnswerRow
from core.statistics.agreement.coefficient import Agreement
from core.statistics.bootstrap import Interval
from core.statistics.calibration import Calibration, calibration
from core.statistics.correlation import pearson, spearman
from core.statistics.detection import Detection, Overlap, balanced_gain, detection, overlap
from core.statistics.roc import Roc, roc
from core.statistics.threshold import fit_threshold, half

Means = Literal["faithful", "wrong"]
WRONG_FROM = 0.5  # probability from which a word counts as wrong
FEW = 20  # answers of a domain, below which no threshold is fitted to it


class Labels(NamedTuple):
    """What people say of the answers. faithful, positive [n], NaN: not labelled."""

    means: Means  # what a higher label means
    cut: float  # labels from here on are "faithful", or "wrong"
    note: str  # how both were decided, and what speaks against it
    faithful: np.ndarray  # higher is better
    positive: np.ndarray  # 1 faithful, 0 wrong
    groups: np.ndarray
    domains: np.ndarray


class AtThreshold(NamedTuple):
    """What an answer is told by a threshold. value: in the measure's own unit."""

    value: float | None
    fitted_on: int  # answers; 0: it is shipped with the measure
    tested_on: int
    told: Detection | None
    note: str = ""


class AgainstPeople(NamedTuple):
    """A measure against people's labels; each score is turned so that more is better."""

    n: int
    roc: Roc
    pearson: Agreement
    spearman: Agreement
    fitted: AtThreshold  # on one half, told of the other
    shipped: AtThreshold | None  # the measure's own, told of all; None: it ships none
    domains: dict[str, AtThreshold]  # each with its own threshold, where the file names several
    calibration: Calibration | None  # None: its scores are no shares of 1
    spans: Overlap | None  # of wrong characters; None: nobody marked them, or the measure marks none
    note: str = ""


def labels(rows: Sequence[AnswerRow], means: Means | None = None, cut: float | None = None) -> Labels | None:
    """None where no answer is labelled. means, cut: as the user says; None: decided here, and told in the note."""
    values = np.array([np.nan if row.label is None else row.label for row in rows], np.float64)
    if np.isnan(values).all():
        return None
    marked = np.array([np.nan if row.spans is None else bool(row.spans) for row in rows])
    both = ~np.isnan(values) & ~np.isnan(marked)
    wrong, right = values[both & (marked == 1)], values[both & (marked == 0)]
    spans_say = None if not len(wrong) or not len(right) else "wrong" if wrong.mean() > right.mean() else "faithful"
    note = ""
    if means is None:
        means = spans_say or "faithful"
        why = "as the spans of wrong words say" if spans_say else "by default"
        note = f"A higher label is taken to mean {means}, {why}, unless 'label means' is set."
    elif spans_say not in (None, means):
        note = f"A higher label is said to mean {means}, but the spans of wrong words say that it means {spans_say}."
    if cut is None:
        low, high = np.nanmin(values), np.nanmax(values)
        binary = np.isin(values[~np.isnan(values)], (0, 1)).all()
        cut = 0.5 if binary else float(low + high) / 2
        if not binary:
            note += f" Labels from {cut:g} on, the middle of their range, count as {means}, unless 'label from' is set."
    above = np.where(np.isnan(values), np.nan, values >= cut)
    turned = values if means == "faithful" else -values
    positive = above if means == "faithful" else 1 - above
    groups = np.array([row.group for row in rows], dtype=object).astype(str)
    return Labels(means, cut, note.strip(), turned, positive, groups, np.array([row.domain for row in rows]).astype(str))


def against(
    measure: AnswerMeasure,
    scores: Sequence[AnswerScore],
    rows: Sequence[AnswerRow],
    told: Labels | None,
    resamples: int = 2000,
    seed: int = 0,
) -> AgainstPeople | None:
    """None where there is nothing to hold the measure against, or where neither direction of it is better."""
    spans = span_overlap(scores, rows, resamples, seed)
    if told is None and spans is None or not measure.direction:
        return None
    if told is None:
        told = Labels("faithful", 0.5, "", *[np.full(len(rows), np.nan)] * 2, *[np.array([row.group for row in rows])] * 2)
    turned = measure.direction * np.array([score.value for score in scores], np.float64)
    usable = ~(np.isnan(turned) | np.isnan(told.positive))
    groups = told.groups
    curve = roc(turned, told.positive, groups=groups)
    pearsons, spearmans = (of(turned, told.faithful, resamples, seed=seed, groups=groups) for of in (pearson, spearman))
    note = ""
    if curve.auc.high is not None and curve.auc.high < 0.5:
        note = "It ranks against the labels. If a higher label means the opposite, say so."
    own, shipped = measure.fixed_threshold(), None
    fitted = _fitted(turned, told.positive, groups, measure.direction, resamples, seed)
    if own is not None:
        shipped = _at(measure.direction * own, turned, told.positive, groups, usable, measure.direction, 0, resamples, seed)
        if fitted.value is not None:
            unseen = _unseen(turned, told.positive, groups, seed)
            cuts = measure.direction * own, measure.direction * fitted.value
            why = misfit(*cuts, turned[unseen], told.positive[unseen], groups[unseen], resamples, seed)
            shipped = shipped._replace(note=why)
    names = [name for name in dict.fromkeys(told.domains) if name]
    domains = {}
    for name in names if len(names) > 1 else ():
        mine = told.domains == name
        if (usable & mine).sum() >= FEW:
            masked = np.where(mine, told.positive, np.nan)
            domains[name] = _fitted(turned, masked, groups, measure.direction, resamples, seed)
    unit = measure.range == (0.0, 1.0)
    means = np.where(np.isnan(turned), np.nan, turned if measure.direction > 0 else 1 + turned)
    return AgainstPeople(
        int(usable.sum()),
        curve,
        pearsons,
        spearmans,
        fitted,
        shipped,
        domains,
        calibration(means, told.positive, 5, resamples, seed=seed, groups=groups) if unit else None,
        spans,
        note,
    )


def _fitted(turned: np.ndarray, positive: np.ndarray, groups: np.ndarray, sign: int, resamples: int, seed: int) -> AtThreshold:
    cut = fit_threshold(turned, positive, seed=seed, groups=groups)
    if cut.threshold is None:
        return AtThreshold(None, cut.fitted_on, cut.tested_on, None, cut.note)
    unseen = _unseen(turned, positive, groups, seed)
    return _at(cut.threshold, turned, positive, groups, unseen, sign, cut.fitted_on, resamples, seed)


def _unseen(turned: np.ndarray, positive: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """[n] bool: the half that a fitted threshold has not seen."""
    usable = ~(np.isnan(turned) | np.isnan(positive))
    return usable & ~half(np.where(usable, positive, np.nan), seed, groups)


def misfit(
    shipped: float,
    fitted: float,
    turned: np.ndarray,
    positive: np.ndarray,
    groups: np.ndarray,
    resamples: int = 2000,
    seed: int = 0,
) -> str:
    """Why a shipped threshold does not fit these labels, which neither was fitted on; "": it tells them no worse than the fitted one."""
    by = [turned < cut for cut in (fitted, shipped)]
    gain = balanced_gain(*by, positive < 0.5, resamples, seed=seed, groups=groups)
    if gain.low is None or gain.low <= 0:
        return ""
    shares = [(said[positive > 0.5].mean(), said[positive < 0.5].mean()) for said in by]
    (alarms, hits), (own_alarms, own_hits) = shares
    return (
        f"its own threshold does not fit these labels: it calls {own_alarms:.0%} of the faithful answers wrong and finds "
        f"{own_hits:.0%} of the wrong ones; the fitted one {alarms:.0%} and {hits:.0%}"
    )


def _at(
    cut: float,
    turned: np.ndarray,
    positive: np.ndarray,
    groups: np.ndarray,
    rows: np.ndarray,
    sign: int,
    fitted_on: int,
    resamples: int,
    seed: int,
) -> AtThreshold:
    wrong = detection(turned[rows] < cut, positive[rows] < 0.5, resamples, seed=seed, groups=groups[rows])
    return AtThreshold(sign * cut, fitted_on, int(rows.sum()), wrong)


def span_overlap(scores: Sequence[AnswerScore], rows: Sequence[AnswerRow], resamples: int, seed: int) -> Overlap | None:
    """Wrong characters as the measure marks them and as people do, over the answers where people looked."""
    looked = [(s, row) for s, row in zip(scores, rows, strict=True) if row.spans is not None and not np.isnan(s.value)]
    if not any(score.words for score, _ in looked) or not looked:
        return None
    cells = []
    for score, row in looked:
        chosen, wanted = (np.zeros(len(row.case.answer), bool) for _ in range(2))
        for words in score.words:
            chosen[words.start : words.end] |= words.probability >= WRONG_FROM
        for start, end in row.spans:
            wanted[start:end] = True
        cells.append(((chosen & wanted).sum(), chosen.sum(), wanted.sum()))
    return overlap(*np.array(cells).T, resamples, seed=seed, groups=np.array([row.group for _, row in looked]))


def record(against_people: AgainstPeople | None) -> dict[str, Any] | None:
    """As the command line tells it."""
    if against_people is None:
        return None
    a = against_people
    return {
        "n": a.n,
        "auc": interval(a.roc.auc),
        "pearson": interval(a.pearson),
        "spearman": interval(a.spearman),
        "fitted": _told(a.fitted),
        "shipped": a.shipped and _told(a.shipped),
        "domains": {name: _told(each) for name, each in a.domains.items()},
        "calibration_error": a.calibration and interval(a.calibration.error),
        "spans": a.spans and {name: interval(each) for name, each in a.spans._asdict().items()},
        "note": a.note,
    }


def _told(at: AtThreshold) -> dict[str, Any]:
    told = at.told._asdict() if at.told else {}
    rest = {"threshold": at.value, "fitted_on": at.fitted_on, "tested_on": at.tested_on, "note": at.note}
    return rest | {name: interval(each) for name, each in told.items()}


def interval(of: Interval | Agreement) -> dict[str, Any]:
    """Value with its bounds, and why it has none."""
    value = of.mean if isinstance(of, Interval) else of.value
    return {"value": value, "low": of.low, "high": of.high, **({"note": of.note} if of.note else {})}
