"""Two to five trials on shared questions: what differs in their settings, who wins which question, and what each cost.

Each pair is counted by question: won, lost, tied. A trial's trace says how long each stage took and what came from the cache.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from core.config import fingerprint
from core.errors import WorkbenchError
from core.labs.trials.comparison import Trial, differing, direction, label, labels, setting_name
from core.labs.trials.values import matrix
from core.workbench import Workbench

FEWEST, MOST = 2, 5
TIE = 1e-12
LETTERS = "ABCDE"


class SideBySide(NamedTuple):
    metric: str
    k: int
    trials: list[Trial]
    names: list[str]
    settings: dict[str, list[str]]  # setting in words -> its value in each
    values: np.ndarray  # [trials, questions] float64
    questions: list[str]  # in words
    won: np.ndarray  # [trials, trials] int: questions on which the row is better than the column
    trace: list[dict[str, tuple[float, bool]]]  # of each trial: stage -> milliseconds, from the cache


def side_by_side(workbench: Workbench, chosen: Sequence[Trial], metric: str) -> SideBySide:
    """Of trials of one group, in this order."""
    if not FEWEST <= len({trial.id for trial in chosen}) <= MOST:
        raise WorkbenchError(
            f"Side by side stand {FEWEST} to {MOST} trials; these are {len(chosen)}.", todo="Choose fewer or more."
        )
    if idle := next((trial for trial in chosen if not trial.metrics), None):
        why = "it measured no question" if idle.status == "ok" else idle.status
        raise WorkbenchError(f"Trial {idle.short} has no results: {why}.", todo="Choose another trial.")
    if len({trial.group for trial in chosen}) > 1:
        raise WorkbenchError(
            "These trials answered other questions, or by other rules: no question is shared.",
            todo="Choose trials of one corpus, question set, depth and rule of relevance.",
        )
    key = fingerprint([trial.id for trial in chosen], metric)
    result = workbench.pipeline.remember("side by side", key, lambda: _side_by_side(workbench, chosen, metric))
    return result._replace(trials=list(chosen), names=labels(chosen))  # people may have named them since


def _side_by_side(workbench: Workbench, chosen: Sequence[Trial], metric: str) -> SideBySide:
    values, places = matrix(workbench, chosen, metric)
    asked = workbench.store.query("SELECT position, text FROM questions WHERE fingerprint = ?", [chosen[0].questions])
    text = {row["position"]: row["text"] for row in asked}
    gaps = direction(metric) * (values[:, None, :] - values[None, :, :])
    stages = workbench.store.query(
        "SELECT trial_id, stage, ms, cached FROM stages WHERE trial_id IN (SELECT unnest(?::VARCHAR[]))", [[t.id for t in chosen]]
    )
    trace: dict[str, dict[str, tuple[float, bool]]] = {trial.id: {} for trial in chosen}
    for row in stages:
        trace[row["trial_id"]][row["stage"]] = (row["ms"], bool(row["cached"]))
    return SideBySide(
        metric,
        chosen[0].k,
        list(chosen),
        labels(chosen),
        {setting_name(name): words for name, words in differing(chosen).items()},
        values,
        [text[place] for place in places.tolist()],
        (gaps > TIE).sum(axis=2),
        list(trace.values()),
    )


def lettered(result: SideBySide) -> SideBySide:
    """Named with letters, which are short and no two alike, where names that differ in the middle would be cut to the same."""
    return result._replace(names=[f"{letter} · {name}" for letter, name in zip(LETTERS, result.names, strict=False)])


def pairs(result: SideBySide) -> list[dict[str, Any]]:
    """A row a pair: questions won, lost and tied by the first."""
    n, count = result.values.shape[1], len(result.trials)
    return [
        {
            "pair": f"{LETTERS[a]} against {LETTERS[b]}",
            "trial": result.names[a],
            "against": result.names[b],
            "won": int(result.won[a, b]),
            "lost": int(result.won[b, a]),
            "tied": n - int(result.won[a, b] + result.won[b, a]),
            "difference": float((result.values[a] - result.values[b]).mean()),
        }
        for a in range(count)
        for b in range(a + 1, count)
    ]


def by_question(result: SideBySide) -> list[dict[str, Any]]:
    """A row a question with the value of each trial, the widest apart first."""
    order = np.argsort(-np.ptp(result.values, axis=0), kind="stable") if result.values.size else []
    return [
        {"question": result.questions[at], **dict(zip(result.names, result.values[:, at].tolist(), strict=True))} for at in order
    ]


def traces(result: SideBySide) -> list[dict[str, Any]]:
    """A row a stage: milliseconds of each trial, and which of them had it from the cache."""
    stages = dict.fromkeys(stage for trace in result.trace for stage in trace)
    table = []
    for stage in stages:
        own = [trace.get(stage) for trace in result.trace]
        cached = [name for name, step in zip(result.names, own, strict=True) if step and step[1]]
        times = dict(zip(result.names, (step and step[0] for step in own), strict=True))
        table.append({"stage": stage, **times, "from the cache": "all" if len(cached) == len(own) else ", ".join(cached)})
    return table


def record(result: SideBySide) -> dict[str, Any]:
    """All of it as tables."""
    return {
        "metric": label(result.metric, result.k),
        "questions shared": result.values.shape[1],
        "means": [
            {"trial": trial.id, "name": name, "mean": float(own.mean()) if len(own) else None}
            for trial, name, own in zip(result.trials, result.names, result.values, strict=True)
        ],
        "settings": [{"setting": name, **dict(zip(result.names, own, strict=True))} for name, own in result.settings.items()],
        "pairs": pairs(result),
        "trace, milliseconds": traces(result),
    }
