"""A study's own question, answered from its labels: the plan that was frozen, and whether its test is met.

A plan is words. What is understood of them is the primary measure "share of ... sentences" or mean helpfulness, a threshold or a
difference that leaves out 0, and the sign test of pairs; any other plan is shown beside its numbers and left to the reader. The
verdict belongs to the plan, so it follows none of the page's settings but the round.
"""

import re
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from core.agreement.annotators import speeds
from core.agreement.cannot_judge import cannot_judge, judged_by_nobody
from core.agreement.consensus import AgreedLabels, consensus, is_positive
from core.agreement.preferences import preferences
from core.agreement.sources import LabelSource, groups, table_of
from core.agreement.systems import difference, questions_of
from core.agreement.views import methods
from core.annotation.assignment import assignment
from core.annotation.attention import AttentionScore, attention_score
from core.annotation.disputes import disputed
from core.annotation.label_table import LabelTable
from core.annotation.labels import complete
from core.annotation.standing import agreed, stop_reached
from core.annotation.study import Study
from core.errors import WorkbenchError
from core.statistics.bootstrap import mean_interval
from core.statistics.proportion import wilson_grouped

DRAWS = 2000
ABOVE, BELOW = r"above|over|greater than|more than|exceeds", r"below|under|less than"
P_VALUE = r"\bp(?:[- ]?values?)? (?:(?:is|lies|of) )?"  # its bound is none of the measure's
SHARE = r"(\d*\.?\d+)\s*(%|per ?cent|)(?!\d|[.,]\d|\s*/)"
LEVELS = (  # of a test, as "level 5%", "alpha = 0.05", "p < 0.05", "p below 5%", "at the 5% level"
    rf"(?:\b(?:level|alpha|p(?:[- ]?values?)?)|α)(?: (?:is|lies|of))?\s*(?:[=<≤:]*|{BELOW}|at most)\s*{SHARE}",
    rf"{SHARE} (?:significance )?level",
)
OF_HUNDRED = r"(\d+(?:\.\d+)?)\s*(?:%|per ?cent)"
CONFIDENCE = (  # of an interval, as "95% interval", "99% bootstrap confidence interval", "90% CI", "interval of 95%"
    rf"{OF_HUNDRED}[ -](?:(?:two-sided|bootstrap|percentile|wilson(?:['’]s)?|score|confidence) )*(?:interval|CI\b)"
    rf"|\b(?:interval|CI) (?:of |at |\(){OF_HUNDRED}|\bconfidence(?: level)?(?: of)? {OF_HUNDRED}"
)
NO_ZERO = r"(leaves out|leave out|excludes?|does not (?:include|contain)) 0\b(?![.,]\d|\s*/)"
NEGATED = r"\b(?:no|not|never|nor|neither|cannot)\b|n['’]t\b"
NO_MEAN = (
    r"sentence|\b(?:share|proportion|fraction|percentage|per ?cent|median|number)\b|%"  # a measure of stars that is another one
)
ONE_SIDED = r"\bone[- ](?:sided|tailed)"


class PlanRow(NamedTuple):
    """One number that the plan's test is about. least, most: as the ties fall; None where there are none."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    units: int  # with a consensus
    items: int  # that have these
    met: bool | None  # None: the page cannot tell
    least: float | None = None
    most: float | None = None
    of_two: bool = False  # a difference
    note: str = ""


class Verdict(NamedTuple):
    """state: met, not met, split (of some of the rows), open (not decidable yet), or own (a test in words of its own)."""

    rows: tuple[PlanRow, ...]
    part: str
    measure: str  # of the rows, in words
    state: str
    why: str
    confidence: float
    agreed: AgreedLabels
    units: int  # with and without a consensus
    judged_by_nobody: int = 0  # more units, of which all, or the adjudicator, said that they cannot be judged
    alone: int = 0  # units whose label is one person's, as nobody else judged them


def verdict(source: LabelSource, round_name: str) -> Verdict | None:
    """What the labels of a round say to the plan; None without a study or labels of its measure."""
    study = source.study
    if study is None:
        return None
    part, yes, understood = _measure(study)
    table = table_of(source, part, round_name)
    if not table.items:
        return None
    agreed = consensus(source, part, table, methods(source, table)[0])
    confidence = _confidence(study.test)
    if part == "preference":
        rows, words = _duels(source, round_name, table, agreed, study), "share of the first among decided questions"
    elif understood:
        rows, words = _shares(source, table, agreed, yes, confidence), study.measure
        words = f"difference in {words}" if rows and rows[0].of_two else words
    else:
        rows, words = [], study.measure
    state, why = _state(source, round_name, study, rows, agreed)
    unjudged = int(agreed.unjudged.sum())
    nobody = unjudged + judged_by_nobody(table, cannot_judge(source, part, round_name))
    ruled = {label.item for label in source.labels if label.round == "adjudication"}
    many = (~np.isnan(table.values)).sum(axis=1)
    alone = sum(item not in ruled for item, labels in zip(table.item_ids, many, strict=True) if labels == 1)
    return Verdict(tuple(rows), part, words, state, why, confidence, agreed, len(table.items) - unjudged, nobody, alone)


def _measure(study: Study) -> tuple[str, tuple[str, ...], bool]:
    """The part that the primary measure is of, the labels that it counts, and whether its words are understood."""
    said = study.measure.casefold()
    if study.kind == "pairs":
        return "preference", (), True
    match = re.search(r"share of (.+?) sentences", said)
    names = {text.casefold(): label.name for label in study.rubric.labels for text in (label.title, label.name)}
    if (yes := names.get(match[1].strip()) if match else None) and "sentences" in study.ask:
        return "sentences", (yes,), True
    mean = "helpful" in said or (study.ask == ("helpful",) and re.search(r"\b(mean|average)\b", said))
    if "helpful" in study.ask and mean and not re.search(NO_MEAN, said):
        return "helpful", (), True
    return study.ask[0], (), False


def _confidence(test: str) -> float:
    """Of the interval that a test names; 95% where it says none."""
    match = re.search(CONFIDENCE, test, re.IGNORECASE)
    return float(next(filter(None, match.groups()))) / 100 if match else 0.95


def _threshold(test: str) -> tuple[bool, float] | None:
    """(above, the value) of a test that names one; None: it names none or several, or its words are not understood."""
    said = re.finditer(rf"({P_VALUE})?\b({ABOVE}|{BELOW}) {SHARE}", test, re.IGNORECASE)
    named = [each for each in said if not each[1]]
    limits = {(bool(re.match(ABOVE, each[2], re.IGNORECASE)), float(each[3]) / (100 if each[4] else 1)) for each in named}
    return limits.pop() if len(limits) == 1 and _plain(test, named[0]) else None


def _plain(test: str, match: re.Match) -> bool:
    """Is it said of an interval of two sides, and without a "not"?"""
    clause = re.split(r"[.;:,](?=\s)", test[: match.start()])[-1]
    return not re.search(NEGATED, clause, re.IGNORECASE) and not re.search(ONE_SIDED, test, re.IGNORECASE)


def _level(test: str) -> float | None:
    """Of a two-sided sign test, 5% where it names no share; None: of another test, or of a level that is not understood."""
    if "sign test" not in test.casefold() or re.search(ONE_SIDED, test, re.IGNORECASE):
        return None
    said = [each for pattern in LEVELS for each in re.findall(pattern, test, re.IGNORECASE)]
    levels = {float(number) / (100 if percent else 1) for number, percent in said}
    if not levels and not re.search(r"\.\d|\d\s*%", test):
        return 0.05
    return next(iter(levels)) if len(levels) == 1 and 0 < max(levels) < 0.5 else None


class _Value(NamedTuple):
    """A share or a difference with its interval; ties left out, all to the one side, all to the other."""

    value: float | None
    low: float | None
    high: float | None


def _shares(source: LabelSource, table: LabelTable, agreed: AgreedLabels, yes: Sequence[str], confidence: float) -> list[PlanRow]:
    """A row a system, or, where the plan is about a difference, a row for each two."""
    study, asked = source.study, questions_of(source, table)
    columns = tie_bounds(table, agreed, yes) if yes else (agreed.values,) * 3  # ties left out, none is yes, all that may be
    systems, of = np.array(table.systems, dtype=object), groups(table)
    names = list(dict.fromkeys(systems))
    of_difference, limit = decides_by_interval(study), _threshold(study.test)
    ties, rows = agreed.ties > 0, []

    def counted(mine: np.ndarray) -> tuple[int, int]:
        decided = mine & ~np.isnan(columns[0])
        return int(decided.sum()), len(set(of[decided]))

    if of_difference and len(names) > 1:
        for a, b in combinations(names, 2):
            mine, other = systems == a, systems == b
            three = []
            for first, second in ((columns[0],) * 2, columns[1:], columns[:0:-1]):
                paired = difference(np.where(mine, first, second), mine, other, asked, confidence)
                three.append(_Value(*paired[:3]))
            row = _row(f"{a} − {b}", three if ties else three[:1], counted(mine | other), _leaves_out_0)
            shares = [float(np.nanmean(columns[0][units])) for units in (mine, other) if not np.isnan(columns[0][units]).all()]
            note = " − ".join(f"{share:.3f}" for share in shares) if len(shares) == 2 else ""
            rows.append(row._replace(of_two=True, note=note))
        return rows
    for name in names:
        mine = systems == name
        three = [_mean(column[mine], of[mine], bool(yes), study, confidence) for column in columns]
        test = None if limit is None else lambda v: v.low > limit[1] if limit[0] else v.high < limit[1]
        rows.append(_row(str(name), three if ties else three[:1], counted(mine), test))
    return rows


def _mean(values: np.ndarray, of: np.ndarray, share: bool, study: Study, confidence: float) -> _Value:
    """By the interval that the plan names; Wilson's where it names none, as on the tab Consensus, and where all labels are the same: each
    resample of them is, so that a bootstrap from 1 to 1 would meet any threshold. Numbers that are all the same have none."""
    decided = ~np.isnan(values)
    same = bool(decided.any()) and np.ptp(values[decided]) < 1e-12
    if share and (same or not by_bootstrap(study)):
        return _Value(*wilson_grouped(values[decided], of[decided], confidence)[:3])
    value, low, high, *_ = mean_interval(values, of, DRAWS, confidence)
    return _Value(value, *((None, None) if same else (low, high)))


def by_bootstrap(study: Study) -> bool:
    return "bootstrap" in study.test.casefold()


def _leaves_out_0(estimate: _Value) -> bool:
    return estimate.low > 0 or estimate.high < 0


def _row(name: str, three: Sequence[_Value], counted: tuple[int, int], test) -> PlanRow:
    """met holds only if it does however the ties fall."""
    said = {None if test is None or estimate.low is None else bool(test(estimate)) for estimate in three}
    bounds = [estimate.value for estimate in three[1:] if estimate.value is not None]
    return PlanRow(
        name, *three[0], *counted, said.pop() if len(said) == 1 else None, min(bounds, default=None), max(bounds, default=None)
    )


def _duels(source: LabelSource, round_name: str, table: LabelTable, agreed: AgreedLabels, study: Study) -> list[PlanRow]:
    level = _level(study.test)
    return [
        PlanRow(
            f"{duel.a} over {duel.b}",
            *duel.sign.share[:3],
            duel.sign.share.n,
            duel.sign.share.n,
            None if level is None else duel.sign.p <= level,
            note=f"sign test, {p_words(duel.sign.p)}",
        )
        for duel in preferences(source, round_name, table, agreed).duels
    ]


def _state(source: LabelSource, round_name: str, study: Study, rows: Sequence[PlanRow], agreed: AgreedLabels) -> tuple[str, str]:
    if not rows or not study.test.strip():
        return (
            "own",
            "The plan names no test."
            if not study.test.strip()
            else "The measure is in the study's own words, so it is for you to read it from the tabs below.",
        )
    states = [row.met for row in rows]
    verdicts = {state for state in states if state is not None}
    if round_name == "pilot":
        return "open", "This is the pilot, which tries the rubric. The main round decides." + _so_far(verdicts, states)
    at = screens(source, round_name)
    if at and at[0] < at[1] and not _stopped(source, study, round_name):
        return "open", f"{at[1] - at[0]:,} of {at[1]:,} screens are not labelled yet." + _so_far(verdicts, states)
    if None in states:
        understood = _level(study.test) if study.kind == "pairs" else rows[0].of_two or _threshold(study.test)
        if understood and agreed.ties:
            return "open", f"The verdict depends on {'it' if agreed.ties == 1 else 'them'}."
        if any(row.low is None for row in rows):
            return "open", "There are too few labels for an interval."
        return "own", "The test is in the study's own words: compare the numbers with it."
    if len(verdicts) > 1:
        return "split", f"Met for {sum(states)} of {len(states)}."
    return "met" if states[0] else "not met", ""


def _so_far(verdicts: set, states: Sequence[bool | None]) -> str:
    if len(verdicts) != 1 or None in states:
        return ""
    return f" By the labels so far: {'met' if verdicts == {True} else 'not met'}."


def _stopped(source: LabelSource, study: Study, round_name: str) -> bool:
    labels = [label for label in source.labels if label.round == round_name]
    return study.stop.kind != "all_labelled" and bool(stop_reached(study, agreed(study, labels)))


def tie_bounds(table: LabelTable, agreed: AgreedLabels, yes: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """1 where a unit counts as yes, 0 where not, three times: ties NaN, all ties no, all ties yes. What cannot be judged is NaN."""
    positive = is_positive(table, agreed.values, yes)
    tied = np.isnan(positive) & ~agreed.unjudged
    return positive, np.where(tied, 0.0, positive), np.where(tied, 1.0, positive)


def screens(source: LabelSource, round_name: str) -> tuple[int, int] | None:
    """Screens labelled and assigned in a round; None where it cannot be known, as of an import from elsewhere."""
    try:
        mine = assignment(source.study, round_name)
    except WorkbenchError:
        return None
    labels = (label for label in source.labels if label.round == round_name)
    done = {(label.annotator, label.item) for label in labels if complete(source.study, label)}
    asked = {(name, item) for name, ids in mine.items() for item in ids}
    return (len(done & asked), len(asked)) if done <= asked else None


def items_of(source: LabelSource, round_name: str) -> int:
    """Items drawn for a round, without repeats and attention items."""
    return sum(item.plain for item in source.study.round_items(round_name))


def p_words(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p {p:.3f}"


class Careless(NamedTuple):
    name: str
    attention: AttentionScore
    seconds: float | None  # median on an item


def careless(source: LabelSource, round_name: str) -> list[Careless]:
    """Annotators who labelled too few sentences of the attention items as they are known to be."""
    if source.study is None:
        return []
    labels = [label for label in source.labels if label.round == round_name]
    pace = speeds(labels)
    return [
        Careless(name, attention, pace[name].median if name in pace else None)
        for name, attention in attention_score(source.study, labels).items()
        if attention.careless
    ]


def decides_by_interval(study: Study | None) -> bool:
    """Is the plan's test that an interval leaves out 0?"""
    match = re.search(NO_ZERO, study.test, re.IGNORECASE) if study else None
    return match is not None and _plain(study.test, match)


def undecided(source: LabelSource) -> int:
    """Items of the main round on which annotators differ and which no adjudicator has decided."""
    labels = {name: [label for label in source.labels if label.round == name] for name in ("main", "adjudication")}
    ruled = {label.item for label in labels["adjudication"] if complete(source.study, label)}
    return len(set(disputed(source.study, labels["main"])) - ruled)


def unit_name(source: LabelSource, name: str, item: str) -> str:
    """A unit by its place in its round, without repeats and attention items: "Item 4, sentence 1"."""
    if source.study is None:
        return name
    here = source.study.item(item)
    number = 1
    for earlier in source.study.items:
        if earlier.id == item:
            break
        number += earlier.plain and earlier.round == here.round
    parts = name[len(item) :].strip("/").split("/") if len(name) > len(item) else []
    return ", ".join([f"Item {number}", *(f"answer {part}" if part in ("A", "B") else f"sentence {part}" for part in parts)])
