"""The answers that are recorded of stored trials: nothing is asked, and no stage is computed.

Answers are recorded by their context, not by trial. One belongs to a trial where the same recipe asked for it, or where another recipe
did with the same prompt, way of answering, model and seed, over the same passages.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from core.config import doing, fingerprint
from core.labs.trials.comparison import Trial
from core.pipeline.answers import KIND, LEAST, KeptAnswer, answers_of
from core.workbench import Workbench

WRITING = ("context", "answering", "generation", "seed")  # what makes an answer of a ranking


def recorded_answers(workbench: Workbench, trials: Sequence[Trial]) -> list[dict[str, KeptAnswer]]:
    """Of each trial question id -> its answer, of those that have one. Of several records the last before the trial was stored holds,
    else the first after it: a trial's scores are of what was known then."""
    return [_recorded(workbench, trial) for trial in trials]


def _recorded(workbench: Workbench, trial: Trial) -> dict[str, KeptAnswer]:
    # records of others that are merged may be older than the newest here
    [state] = workbench.store.query(f"SELECT max(id) AS last, count(*) AS number FROM {KIND} WHERE dataset = ?", [trial.dataset])
    if not state["number"]:
        return {}
    key = fingerprint(trial.id, state)
    keys = workbench.pipeline.remember("answers of trials", key, lambda: _keys(workbench, trial))
    texts = answers_of(workbench.pipeline, keys.values())
    return {question: texts[own] for question, own in keys.items() if own in texts}


def _keys(workbench: Workbench, trial: Trial) -> dict[str, str]:
    """Question id -> key of its answer."""
    batches = workbench.store.query(
        f"SELECT id, any_value(config) AS config FROM {KIND} WHERE dataset = ? AND config IS NOT NULL GROUP BY id",
        [trial.dataset],
    )
    own = doing(trial.config)
    recipes = {row["id"]: doing(json.loads(row["config"])) for row in batches}
    same = {batch for batch, recipe in recipes.items() if _but(recipe) == _but(own)}
    alike = {batch for batch, recipe in recipes.items() if _writing(recipe) == _writing(own)}
    if not alike:
        return {}
    asked = workbench.store.query("SELECT query_id, text FROM questions WHERE fingerprint = ?", [trial.questions])
    ids = {row["text"]: row["query_id"] for row in asked}
    read = _read(workbench, trial)
    rows = workbench.store.query(
        f"SELECT id, key, question, shown FROM {KIND} WHERE id IN (SELECT unnest(?::VARCHAR[])) ORDER BY id", [sorted(alike)]
    )
    recorded: dict[str, str] = {}
    for row in rows:
        question = ids.get(row["question"])
        if question is None or not (row["id"] in same or _spans(row["shown"]) == read.get(question)):
            continue
        if question not in recorded or row["id"] < trial.id:
            recorded[question] = row["key"]
    least = (own.get("context") or {}).get("confidence") or 0.0
    return {question: f"{key}{LEAST}{least!r}" if least else key for question, key in recorded.items()}


def _but(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe without which of the questions were asked, and how rankings are judged."""
    corpus = {name: value for name, value in (recipe.get("corpus") or {}).items() if name != "questions"}
    return {stage: value for stage, value in recipe.items() if stage != "evaluation"} | {"corpus": corpus, **_writing(recipe)}


def _writing(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What makes an answer of passages; how sure the model has to be is asked of what was written."""
    context = {name: value for name, value in (recipe.get("context") or {}).items() if name != "confidence"}
    return {stage: recipe.get(stage) for stage in WRITING} | {"context": context}


Spans = tuple[tuple[str, int, int], ...]


def _read(workbench: Workbench, trial: Trial) -> dict[str, Spans]:
    """Question id -> the passages that a prompt of this trial holds, in their order; {} where that is another than the ranking's."""
    context = trial.config.get("context") or {}
    if context.get("order") != "best_first":
        return {}
    passages = context.get("passages", 0)
    rows = workbench.store.query(
        "SELECT query_id, documents[1:?] AS documents, starts[1:?] AS starts, ends[1:?] AS ends FROM rankings WHERE trial_id = ?",
        [passages, passages, passages, trial.id],
    )
    return {row["query_id"]: tuple(zip(row["documents"], row["starts"], row["ends"], strict=True)) for row in rows}


def _spans(shown: str | None) -> Spans | None:
    """The spans that stood in a prompt; None: none did, so that no ranking is recognised by them."""
    return tuple(tuple(span) for spans in json.loads(shown or "[]") for span in spans) or None
