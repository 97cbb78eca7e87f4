"""What a memory knows at the end of a life: everything added, against facts that supersede one another and a budget.

The store alone is measured, without a model that reads or judges: right is decided by strings. Memory and reader are thereby told apart.
"""

import tempfile
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import Rules, compared
from core.files import read_json
from core.memory.facts import FactDraft, FactHit
from core.memory.life import BEGIN, UNKNOWN, WEEK_S, Event, Life, LifeQuestion, LifeRules, lived
from core.memory.policy import K
from core.memory.ranking import STRENGTH_DAYS
from core.memory.recorded import encoded
from core.memory.store import FactStore
from core.pipeline.forecast import Forecast, one_phase
from core.progress import within
from core.records import Progress
from core.report.table import COUNT, MEAN, Column, Table, between
from core.statistics.equivalence import sentence, tost
from core.statistics.proportion import wilson
from core.store.batches import batches
from core.workbench import Workbench, command_line

KIND = "memory_lives"
ADD_ALL, SELECTIVE = "add-all", "selective"
LEAST = 0.4  # importance from which the selective memory takes a note
BUDGET = 1200  # facts that it holds
MARGIN = 0.02  # of recall, within which the two count as equal
RULES_OF_LIFE = LifeRules()
RULES = Rules(1000, 0.95, 0)
MEASURES = ("current", "stale", "cascade", "absence", "unchanged")


class ArmResult(NamedTuple):
    """What an arm's store held, and its values by question: measure -> [questions of all lives] float64, NaN: of another kind."""

    stored: int
    values: dict[str, np.ndarray]


class Simulated(NamedTuple):
    said: int
    arms: dict[str, ArmResult]


def simulate(
    workbench: Workbench, seed: int = 0, lives: int = 1, rules: LifeRules = RULES_OF_LIFE
) -> Generator[Progress, None, list[dict[str, Any]]]:
    """Lives with these seeds are lived by both arms, and what came of it is recorded: a row an arm."""
    made = []
    for number in range(lives):
        step = Progress(number, lives, f"Life {number + 1} of {lives}")
        made.append(
            (
                yield from within(_lived_by_both(lived(rules, seed + number)), step)
                if lives > 1
                else _lived_by_both(lived(rules, seed))
            )
        )
    rows = _rows(_together(made), seed, rules)
    life = f"{seed}+{lives}x{rules.weeks} {datetime.now(UTC).isoformat(timespec='seconds')}"
    batches(workbench.home).add(KIND, {f"{life} {row['arm']}": {"life": life, **row} for row in rows}, {})
    return rows


def simulation_cost(lives: int) -> Forecast:
    return one_phase(f"{lives:,} {'life' if lives == 1 else 'lives'} of 26 weeks, with two memories", units=lives)


def simulated(workbench: Workbench) -> list[dict[str, Any]]:
    """The lives that were simulated, the newest first."""
    rows = workbench.store.query(f"SELECT * EXCLUDE (id, created, key) FROM {KIND} ORDER BY id DESC, arm")
    return [row | {"equivalence": read_json(row["equivalence"] or "null")} for row in rows]


def _lived_by_both(life: Life) -> Generator[Progress, None, Simulated]:
    texts = [event.text for event in life.events]
    questions = [question.text for question in life.questions]
    vectors = dict(zip(texts, (yield from encoded(texts, False)), strict=True))
    asked = dict(zip(questions, (yield from encoded(questions, True)), strict=True))
    arms = {}
    for arm in (ADD_ALL, SELECTIVE):
        with tempfile.TemporaryDirectory() as home:
            arms[arm] = yield from _arm(life, arm, Path(home), vectors, asked)
    return Simulated(len(life.events), arms)


def _arm(life: Life, arm: str, home: Path, vectors: dict, asked: dict) -> Generator[Progress, None, ArmResult]:
    clock = [BEGIN]
    store = FactStore(
        home,
        encode=lambda texts, query: np.stack([(asked if query else vectors)[text] for text in texts]),
        clock=lambda: clock[0],
        adds_all=arm == ADD_ALL,
    )
    ids: dict[int, str] = {}  # key -> the fact as it was written last
    weeks = 1 + int(life.events[-1].week)
    for week in range(weeks):
        yield Progress(week, weeks, f"Living, {arm}")
        some = [event for event in life.events if int(event.week) == week]
        if arm == ADD_ALL:
            clock[0] = BEGIN + (week + 1) * WEEK_S
            store.write_all([FactDraft(event.text, event.subject, importance=event.importance) for event in some])
            continue
        for event in some:
            clock[0] = BEGIN + event.week * WEEK_S
            _select(store, event, ids)
        store.trim(BUDGET, STRENGTH_DAYS)
    values: dict[str, list[float]] = {measure: [] for measure in MEASURES}
    for done, question in enumerate(life.questions):
        if done % 20 == 0:
            yield Progress(done, len(life.questions), f"Asking, {arm}")
        hits = store.read(question.text, K, counted=False)
        for measure, value in _measured(question, hits).items():
            values[measure].append(value)
    stored = store.counts().facts
    store.close()
    return ArmResult(stored, {measure: np.array(each) for measure, each in values.items()})


def _select(store: FactStore, event: Event, ids: dict[int, str]) -> None:
    """What the selective memory makes of a sentence: an agent that writes it says subject, attribute and value."""
    if event.kind == "chatter":
        if event.importance >= LEAST:
            store.write(FactDraft(event.text, event.subject, importance=event.importance))
    elif event.kind == "end":
        if event.key in ids and store.there(ids[event.key]):
            store.end(ids.pop(event.key))
    else:
        behind = tuple(ids[parent] for parent in event.parents if parent in ids and store.there(ids[parent]))
        about = (event.subject, event.attribute, event.value, BEGIN + event.since * WEEK_S)
        whole = behind if len(behind) == len(event.parents) else ()
        written = store.write(FactDraft(event.text, *about, importance=event.importance, derived_from=whole))
        ids[event.key] = written.id


def _measured(question: LifeQuestion, hits: list[FactHit]) -> dict[str, float]:
    """Measure -> 1 or 0, NaN for those that it is no question of."""
    matter = [(hit, said) for hit in hits if (said := _said(question, hit)) is not None]
    if question.kind == "current":
        right = any(said == question.value for _, said in matter)
        own = {"current": right, "stale": bool(matter) and matter[0][1] != question.value}
    else:
        answer = ""
        if matter:
            hit, said = matter[0]
            answer = (hit.now or UNKNOWN) if hit.fact.stale else said
        own = {question.kind: answer == question.value}
    return {measure: float(own[measure]) if measure in own else np.nan for measure in MEASURES}


def _said(question: LifeQuestion, hit: FactHit) -> str | None:
    """Which of the values that ever held the fact states of the subject; None: none."""
    text = hit.fact.text.lower()
    if question.subject.lower() not in text or (question.kind != "current" and "help" not in text):
        return None
    return next((value for value in (question.value, *question.before) if value.lower() in text), None)


def _together(made: list[Simulated]) -> Simulated:
    """Several lives as one: their questions side by side."""
    arms = {
        arm: ArmResult(
            sum(each.arms[arm].stored for each in made),
            {measure: np.concatenate([each.arms[arm].values[measure] for each in made]) for measure in MEASURES},
        )
        for arm in (ADD_ALL, SELECTIVE)
    }
    return Simulated(sum(each.said for each in made), arms)


def _rows(made: Simulated, seed: int, rules: LifeRules) -> list[dict[str, Any]]:
    current = {arm: result.values["current"] for arm, result in made.arms.items()}
    equal = tost(current[SELECTIVE] - current[ADD_ALL], MARGIN)
    comparison = compared(
        {arm: {name: result.values[name] for name in ("current", "stale")} for arm, result in made.arms.items()}, RULES, ADD_ALL
    )
    rows = []
    for arm, result in made.arms.items():
        row: dict[str, Any] = {"arm": arm, "seed": seed, "weeks": rules.weeks, "said": made.said, "stored": result.stored}
        row["questions"] = int((~np.isnan(result.values["current"])).sum())
        for measure in MEASURES[:4]:
            values = result.values[measure][~np.isnan(result.values[measure])]
            mean, low, high = wilson(values.sum(), len(values))[:3]
            row |= {measure: mean, f"{measure}_low": low, f"{measure}_high": high}
        row["unchanged"] = (
            float(np.nanmean(result.values["unchanged"])) if (~np.isnan(result.values["unchanged"])).any() else None
        )
        row["equivalence"] = None
        if arm == SELECTIVE:
            words = sentence(equal, SELECTIVE, ADD_ALL, f"recall@{K}")
            tests = {name: comparison.of(SELECTIVE, name).columns() for name in ("current", "stale")}
            share = result.stored / made.arms[ADD_ALL].stored
            row["equivalence"] = {"verdict": equal.verdict, "words": words, "margin": MARGIN, "share": share, "tests": tests}
        rows.append(row)
    return rows


def lives_table(rows: list[dict[str, Any]]) -> Table:
    """Of simulated lives, a row an arm."""
    columns = [
        Column("arm", width=100),
        Column("seed", format=COUNT),
        Column("said", "Said", COUNT, "Sentences in the life."),
        Column("stored", "Stored", COUNT, "Facts at its end, with earlier versions.", direction=-1),
        Column("questions", format=COUNT),
    ]
    about = {
        "current": ("Current", "Share whose five best facts state the current value."),
        "stale": ("Stale", "Share of which the first fact on the matter states an earlier value."),
        "cascade": ("Cascade", "Derived facts answered with their new value after a fact behind them changed."),
        "absence": ("Absence", "Derived facts said to be unknown after nothing is behind them any more."),
    }
    for name, (label, told) in about.items():
        columns += [
            Column(name, label, MEAN, told, direction=-1 if name == "stale" else 1),
            Column(f"{name}_between", f"{label}, 95%", width=120),
        ]
    drawn = [row | {f"{name}_between": between(row[f"{name}_low"], row[f"{name}_high"], MEAN) for name in about} for row in rows]
    note = f"Recall@{K} of the store alone, by strings; Wilson intervals"
    return Table("memory_lives", columns, drawn, "Memory at the end of a simulated life", note, command_line("memory", "lives"))
