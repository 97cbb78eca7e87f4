"""Exact fallback: questions whose approximate result looks unsafe are searched exactly.

A rule gives each question a number, the smaller the less safe; below the threshold it goes to exact search. Whether a
rule knows anything is a question of its own: `fallback_curve` puts it beside sending as many questions at random.
"""

from collections.abc import Callable, Generator
from typing import NamedTuple

import numpy as np

from core.config import TrialConfig, fingerprint
from core.errors import WorkbenchError
from core.labs.index import reference
from core.labs.index.measure import latencies_ms, recall
from core.labs.index.reference import exact_searcher
from core.records import Candidates, Progress
from core.workbench import Workbench

TIMED = 50  # questions that exact search is timed on


class Rule(NamedTuple):
    """safety(found, k, among) -> [num_queries] float64, small is unsafe. fetch(k): candidates that it looks at."""

    safety: Callable[[Candidates, int, np.ndarray | None], np.ndarray]
    fetch: Callable[[int], int]
    what: str


def margin(candidates: Candidates, k: int, among: np.ndarray | None = None) -> np.ndarray:
    """Score of the k-th candidate less that of the next one, as a share of the spread of the first k.

    Assumes that what the index missed scores about as the candidates around rank k do, so that a clear step there means
    that nothing missed would have entered. It does not see a miss far above the step: a graph that never reached the
    right region returns a confident list of the wrong chunks. A search that found no next one stopped short: unsafe.
    """
    score = candidates.score.astype(np.float64)
    if score.shape[1] <= k:
        return np.full(len(score), np.inf)  # everything there is was found
    step = (score[:, k - 1] - score[:, k]) / np.maximum(score[:, 0] - score[:, k - 1], 1e-9)
    return np.where(np.isnan(step), 0.0, step)


def crowding(candidates: Candidates, k: int, among: np.ndarray | None = None) -> np.ndarray:
    """Score of the k-th candidate less that of the last of 3k fetched ones.

    Assumes that a question with many chunks almost as good as the k-th is hard for an approximate search: its k nearest
    are told apart by little, and each of them has many near rivals for the places in the queue. On score scales that
    differ between questions it favours those with small scores.
    """
    score = candidates.score.astype(np.float64)
    if score.shape[1] <= k:
        return np.full(len(score), np.inf)
    return np.where(np.isnan(score[:, -1]), 0.0, score[:, k - 1] - score[:, -1])


def likeness(candidates: Candidates, k: int, among: np.ndarray | None = None) -> np.ndarray:
    """Score of the first candidate.

    Assumes that a question far from every chunk lies outside what the index was built on: graph walks end in a place
    that is near nothing, and cells of an inverted list are all about equally far. Scores have to be comparable between
    questions, as cosine's are.
    """
    if not candidates.score.shape[1]:
        return np.zeros(len(candidates.score))
    return np.nan_to_num(candidates.score[:, 0].astype(np.float64), nan=-np.inf)


def complete(candidates: Candidates, k: int, among: np.ndarray | None = None) -> np.ndarray:
    """Share of the k that were found at all (threshold 1: fewer than k go to exact search).

    Assumes nothing: an index that holds k allowed chunks and returns fewer is known to be wrong. It sees no other error.
    """
    wanted = k if among is None else min(k, int(among.sum()))
    return (candidates.chunk[:, :k] >= 0).sum(axis=1) / max(wanted, 1)


def selectivity(candidates: Candidates, k: int, among: np.ndarray | None = None) -> np.ndarray:
    """Share of the chunks that the filter allows, the same for all questions of a call.

    Assumes that an approximate search walks through what the filter forbids: the fewer are allowed, the fewer it meets,
    while exact search gets faster. Needs no search to decide.
    """
    return np.full(len(candidates.chunk), 1.0 if among is None else float(among.mean()) if len(among) else 0.0)


RULES: dict[str, Rule] = {
    "margin": Rule(margin, lambda k: k + 1, "small step behind the k-th"),
    "crowding": Rule(crowding, lambda k: 3 * k, "many almost as good as the k-th"),
    "likeness": Rule(likeness, lambda k: k, "nothing similar found"),
    "complete": Rule(complete, lambda k: k, "fewer than k found"),
    "selectivity": Rule(selectivity, lambda k: k, "narrow filter"),
}


class Fallback(NamedTuple):
    """One threshold. Recall is the mean over questions; times are per question, on average."""

    threshold: float
    sent: float  # share of the questions searched exactly
    recall_before: float
    recall_after: float
    recall_sent: float  # of the approximate results of the questions sent; as high as recall_before: the rule is blind
    recall_random: float  # expected after sending as many at random
    random_low: float  # 95% of random choices reach a recall between these two
    random_high: float
    ms: float  # approximate search of all and exact search of those sent
    saved_ms: float  # against exact search of all; negative: exact search of all is faster


def fallback_curve(
    candidates: Candidates,
    truth: Candidates,
    k: int,
    rule: str,
    thresholds: np.ndarray | None = None,
    *,
    among: np.ndarray | None = None,
    approximate_ms: np.ndarray | float = 0.0,
    exact_ms: np.ndarray | float = 0.0,
) -> tuple[Fallback, ...]:
    """What each threshold sends, gains and costs, from results at hand: nothing is searched.

    candidates: at the rule's fetch(k), which alone may find more (a graph walks further for more). truth: exact search at k
    or deeper, see measure.recall. Times in ms, of each question [num_queries] or their mean. thresholds: None takes
    those that send 0, 5, … 100% of the questions.
    Questions with nothing to find are left out.
    """
    values = recall(candidates, truth, k)
    measured = ~np.isnan(values)
    safety, values = _rule(rule).safety(candidates, k, among)[measured], values[measured]
    slow, fast = (np.broadcast_to(ms, measured.shape)[measured].astype(np.float64) for ms in (exact_ms, approximate_ms))
    if not len(values):
        return ()
    if thresholds is None:
        thresholds = steps(safety)
    lost, number = 1 - values, len(values)
    before = float(values.mean())
    curve = []
    for threshold in thresholds:
        sent = safety < threshold
        share = float(sent.mean())
        # m of n drawn without replacement: the sum of their losses has variance m (1 - m/n) S^2 (Cochran 1977, theorem 2.2)
        deviation = float(np.sqrt(share * (1 - share) * lost.var(ddof=1) / number)) if number > 1 else 0.0
        by_chance = before + share * (1 - before)
        curve.append(
            Fallback(
                float(threshold),
                share,
                before,
                before + float((lost * sent).sum()) / number,
                float(values[sent].mean()) if sent.any() else float("nan"),
                by_chance,
                max(before, by_chance - 1.96 * deviation),
                min(1.0, by_chance + 1.96 * deviation),
                float((fast + slow * sent).mean()),
                float((slow - fast - slow * sent).mean()),
            )
        )
    return tuple(curve)


def steps(safety: np.ndarray, count: int = 20) -> np.ndarray:
    """Thresholds that send about 0, 1/count, 2/count … of these questions, the last one all; ties go together."""
    ranked = np.sort(safety[np.isfinite(safety)])
    if not len(ranked):
        return np.array([0.0])
    cuts = ranked[np.minimum(np.arange(count) * len(ranked) // count, len(ranked) - 1)]
    return np.unique(np.append(cuts, np.nextafter(ranked[-1], np.inf)))


def _rule(name: str) -> Rule:
    if name not in RULES:
        raise WorkbenchError(f"There is no fallback rule '{name}'.", where="rule", todo=f"Allowed: {', '.join(RULES)}.")
    return RULES[name]


def exact_fallback(
    workbench: Workbench, config: TrialConfig, rule: str, approximate_us: float
) -> Generator[Progress, None, tuple[Fallback, ...]]:
    """What sending the questions that `rule` calls unsafe to exact search gains and costs, by threshold."""
    pipeline, k = workbench.pipeline, config.evaluation.k
    ground = yield from reference.exact_reference(workbench, config)
    run = yield from pipeline.resolve(config)
    searcher = yield from pipeline.index(run)
    exact = yield from exact_searcher(workbench, run)
    yield Progress(0, 0, "Timing exact search")
    exact_ms = pipeline.remember(
        "exact ms",
        fingerprint(ground.vectors, config.index.metric, k),
        lambda: latencies_ms(lambda i: exact.search(ground.asked[i : i + 1], k), min(TIMED, len(ground.asked))),
    )
    key = fingerprint(run.vector_search_key(), k, rule)
    candidates = pipeline.remember(
        "fallback", key, lambda: searcher.search(ground.asked, RULES[rule].fetch(k), settings=config.index)
    )
    return fallback_curve(
        candidates, ground.truth, k, rule, approximate_ms=approximate_us / 1000, exact_ms=float(np.mean(exact_ms))
    )
