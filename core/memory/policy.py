"""The policy lab: what a rule of remembering does to recall, staleness and size over a recorded life, without a model.

Everything is a pass over arrays: which sentences a rule takes up, which of them its budget leaves, and what the questions of each week are
given of these. Two things are simpler than in the memory itself: all facts are candidates of a question, and what counts as said before is
measured against all that was said, not only what was taken up.
"""

from typing import NamedTuple

import numpy as np

from core.memory.ranking import STRENGTH_DAYS, USUAL, Weights, parts_of_score
from core.memory.recorded import RecordedLife
from core.statistics.bootstrap import Interval
from core.statistics.proportion import wilson

K = 5
WEEK_DAYS = 7.0
DAY_S = 86_400.0


class Policy(NamedTuple):
    """novelty: cosine with what was said before from which a sentence is not taken up; 1: all are. budget: facts, at most; 0: any
    number. supersedes: a new value of a subject's attribute is taken up whatever it resembles, and takes the place of the old one.
    half_life_days: of the strength by which the budget decides, and of recency."""

    half_life_days: float = STRENGTH_DAYS
    novelty: float = 0.95
    budget: int = 1200
    supersedes: bool = True


ADD_ALL = Policy(novelty=1.0, budget=0, supersedes=False)


class PolicyOutcome(NamedTuple):
    """By week [W]: its end, recall@5 of the current value, share of stale answers, facts that are there; and over all questions."""

    week: np.ndarray
    recall: np.ndarray
    stale: np.ndarray
    size: np.ndarray
    overall: Interval
    overall_stale: Interval


def tried(life: RecordedLife, policy: Policy) -> PolicyOutcome:
    """What the policy makes of the life. A question of a week is right where one of the five best facts states the current value, and
    stale where the first of them on the matter states another."""
    weights = USUAL._replace(half_life_days=policy.half_life_days)
    own, ended = np.arange(len(life.week)), life.value == -1
    fact = life.key >= 0
    taken = (life.similar < policy.novelty) | (policy.novelty >= 1)
    if policy.supersedes:
        taken = np.where(fact, (life.first == own) | ended, taken)
    weeks = np.unique(life.asked_week)
    rows = []
    for week in weeks.tolist():
        there = np.flatnonzero(taken & (life.week <= week))
        told = _last_told(life, week)[there]
        current = _current(life, there) if policy.supersedes else np.ones(len(there), bool)
        strength = life.importance[there] * np.exp2(-(week - told) * WEEK_DAYS / policy.half_life_days)
        if policy.budget and len(there) > policy.budget:
            order = np.lexsort((-strength, ~current))[: policy.budget]  # what has ended goes first
            there, told, current = there[order], told[order], current[order]
        asked = np.flatnonzero(life.asked_week == week)
        right, stale = _answered(life, asked, there[current], (week - told[current]) * WEEK_DAYS * DAY_S, weights)
        rows.append((right.mean(), stale.mean(), len(there), right.sum(), stale.sum(), len(asked)))
    recall, stale, size, rights, stales, number = np.array(rows).T
    asked_all = int(number.sum())
    overall, overall_stale = wilson(float(rights.sum()), asked_all), wilson(float(stales.sum()), asked_all)
    return PolicyOutcome(weeks, recall, stale, size.astype(int), overall, overall_stale)


def _last_told(life: RecordedLife, week: float) -> np.ndarray:
    """[E] week in which each was said last, up to this one."""
    seen = life.week <= week
    last = life.week.copy()
    np.maximum.at(last, life.first[seen], life.week[seen])
    return last


def _current(life: RecordedLife, there: np.ndarray) -> np.ndarray:
    """[n] of those that are there: what no younger value of its key supersedes, and did not end."""
    key, since = life.key[there], life.since[there]
    youngest = np.full(int(life.key.max()) + 2, -np.inf)  # the last place is chatter's
    np.maximum.at(youngest, key, since)
    return (life.value[there] != -1) & ((key < 0) | (since >= youngest[key]))


def _answered(
    life: RecordedLife, asked: np.ndarray, there: np.ndarray, age_s: np.ndarray, weights: Weights
) -> tuple[np.ndarray, np.ndarray]:
    """(right, stale) [questions] bool."""
    if not len(there):
        return np.zeros(len(asked), bool), np.zeros(len(asked), bool)
    relevance = life.relevance[np.ix_(asked, there)]
    score = sum(parts_of_score(relevance, age_s[None], life.importance[there][None], weights))  # [questions, facts]
    depth = min(K, len(there))
    best = np.argpartition(-score, depth - 1, axis=1)[:, :depth]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(score, best, 1), axis=1, kind="stable"), 1)
    matter = life.key[there][best] == life.asked_key[asked, None]
    same = life.value[there][best] == life.asked_value[asked, None]
    first = np.take_along_axis(same, matter.argmax(axis=1)[:, None], 1)[:, 0]
    return (matter & same).any(axis=1), matter.any(axis=1) & ~first


def half_lives(life: RecordedLife, policy: Policy, days: tuple[float, ...]) -> list[PolicyOutcome]:
    """The same policy with other half-lives."""
    return [tried(life, policy._replace(half_life_days=each)) for each in days]
