"""Tasks of lm-evaluation-harness (Gao et al. 2024) through its own library, with adapters and without, paired by item.

The library is no part of what is installed: it brings an older python-dateutil than other packages here have. A task whose data is on
this machine (a folder of tasks with their files, or what the library `datasets` has kept) is asked; of another one it is told that its
data is missing. A task's own folder may name Python files, which the library runs: take only those of people you trust.
"""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import rules_of
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.adapters.grid import AdapterSide, checked_sides, side_config
from core.records import Progress
from core.statistics.bootstrap import Interval, intervals
from core.statistics.corrections import correct_defined
from core.statistics.paired import Paired

PACKAGE = "lm-eval==0.4.13"


class TaskScore(NamedTuple):
    """A side on a measure of a task. against: minus the model without adapter, by item."""

    task: str
    measure: str
    side: AdapterSide
    score: Interval
    against: Paired | None


def harness(
    config: TrialConfig,
    names: Sequence[str],
    tasks: Sequence[str],
    folder: Path | None = None,
    limit: int | None = None,
    scales: Sequence[float] = (1.0,),
) -> Generator[Progress, None, list[TaskScore]]:
    """Each task by each side. Cancelled between two of them. limit: the first items of each task."""
    library, every = imported(), checked_sides(config, names, scales)
    manager = library.tasks.TaskManager(include_path=str(folder) if folder else None, include_defaults=folder is None)
    for task in tasks:
        if task not in manager.all_tasks:
            there = ", ".join(manager.all_tasks[:8]) or "none"
            raise WorkbenchError(f"There is no task '{task}'.", where=str(folder or PACKAGE), todo=f"Tasks here: {there} …")
    scores = []
    for place, task in enumerate(tasks):
        base: dict[str, np.ndarray] = {}
        for number, side in enumerate(every):
            yield Progress(place * len(every) + number, len(tasks) * len(every), f"{task}: {side.title}")
            values = _values(library, manager, config, side, task, limit)
            scores += [_score(config, task, side, name, column, base.get(name)) for name, column in values.items()]
            base = base or values
    return scores


def imported() -> Any:
    try:
        import lm_eval
        import lm_eval.models.huggingface
        import lm_eval.tasks
    except ImportError:
        raise WorkbenchError(
            "The library lm-evaluation-harness is not installed.", where="import lm_eval", todo=f"python -m pip install {PACKAGE}"
        ) from None
    return lm_eval


def _values(
    library: Any, manager: Any, config: TrialConfig, side: AdapterSide, task: str, limit: int | None
) -> dict[str, np.ndarray]:
    """Measure -> its value of each item [items] float64, higher being better."""
    part = side_config(config, side).generation
    model = part.load()
    with model.lock:
        model.ready(part)  # puts the adapter on, or takes it off
        asked = library.models.huggingface.HFLM(
            pretrained=model.model, tokenizer=model.tokenizer, backend="causal", batch_size=1, device=model.device
        )
        try:
            made = library.simple_evaluate(asked, tasks=[task], task_manager=manager, limit=limit, bootstrap_iters=0)
        except OSError as error:  # of the hub, and of files
            raise WorkbenchError(
                f"The data of the task '{task}' is not on this machine: {str(error).splitlines()[0][:200]}",
                where=task,
                todo="Fetch it where there is network, or name a folder of tasks whose data lies beside them with --tasks.",
            ) from None
    items = sorted(made["samples"][task], key=lambda item: item["doc_id"])
    better = made["higher_is_better"][task]
    columns = {name: [item.get(name) for item in items] for name in better}
    return {
        name: np.array(column, np.float64) * (1 if better[name] else -1)
        for name, column in columns.items()
        if all(isinstance(value, int | float) for value in column)
    }


def _score(
    config: TrialConfig, task: str, side: AdapterSide, name: str, values: np.ndarray, base: np.ndarray | None
) -> TaskScore:
    rules = rules_of(config)
    against = None if base is None else rules.difference(values, base)
    return TaskScore(task, name, side, intervals(values, *rules)[0], against)


def rows_of(scores: Sequence[TaskScore]) -> list[dict[str, Any]]:
    """A row a task, measure and side; Holm's correction over all of them."""
    corrected = correct_defined([each.against and each.against.p for each in scores])
    return [
        {"task": each.task, "measure": each.measure, "adapter": each.side.title, "score": each.score.mean}
        | {"low": each.score.low, "high": each.score.high, "n": each.score.n}
        | {"difference": each.against and each.against.difference, "p": each.against and each.against.p, "p (Holm)": p}
        for each, p in zip(scores, corrected, strict=True)
    ]
