"""Lists of trials told in memory, one whole trial after the other: what is asked of the database has to be the same."""

from collections import defaultdict
from collections.abc import Iterable

from core.labs.trials.comparison import Trial


def matching(trials: Iterable[Trial], dataset="", status="", sweep="", text="", tag="") -> list[Trial]:
    """Those of this corpus, status, sweep and tag that hold every word of the text in what is said of them."""
    words = text.lower().split()

    def said(t: Trial) -> str:
        return f"{t.id} {t.dataset} {t.title} {t.recipe} {t.status} {t.reason} {t.note} {' '.join(t.tags)}".lower()

    return [
        t
        for t in trials
        if dataset in ("", t.dataset)
        and status in ("", t.status)
        and sweep in ("", t.sweep)
        and (not tag or tag in t.tags)
        and (not words or all(word in said(t) for word in words))
    ]


def numbered_repeats(trials: Iterable[Trial]) -> dict[str, tuple[int, int]]:
    """trial -> (which repeat it is, of how many), the oldest first, for recipes that were measured more than once."""
    members = defaultdict(list)
    for trial in sorted(trials, key=lambda trial: trial.id):
        if trial.metrics:
            members[trial.equal].append(trial.id)
    return {trial_id: (number, len(ids)) for ids in members.values() if len(ids) > 1 for number, trial_id in enumerate(ids, 1)}
