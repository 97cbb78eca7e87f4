"""Policy lab: half-life, novelty threshold and budget over a recorded life, and what they do to recall, staleness and size."""

from typing import Any

import streamlit as st

from app.ui import cards, charts, jobs, tables
from core.memory.policy import ADD_ALL, Policy, PolicyOutcome, half_lives, tried
from core.memory.recorded import RecordedLife, recorded_life
from core.memory.shown import policy_rows, policy_table, policy_words
from core.memory.simulation import lives_table, simulated, simulation_cost
from core.progress import Unready
from core.workbench import command_line

SEED = 0
HALF_LIVES = (3.0, 7.0, 14.0, 30.0, 90.0, 365.0, 3650.0)
BUDGETS = (100, 200, 400, 600, 800, 1200, 2000, 4000, 0)
CHOSEN, ALL = "This policy", "Add all"


def draw(workbench: Any) -> None:
    try:
        life = recorded_life(workbench, SEED)
    except Unready:
        cards.empty(
            "Nothing is simulated yet",
            "26 weeks of facts about a plant, and questions on them, are simulated once; after that every rule of remembering is tried at "
            "once, without a model.",
        )
        start(1)
        return
    over_policies(life)
    whole_lives(workbench)


def start(lives: int) -> None:
    arguments = ["memory", "simulate", "--seed", str(SEED), "--lives", str(lives)]
    jobs.start_button("Simulate", arguments, "Simulating a life", simulation_cost(lives), place="simulate")


def over_policies(life: RecordedLife) -> None:
    left, right = st.columns([1, 2.4], gap="large")
    with left:
        policy = chosen()
    outcomes = {CHOSEN: tried(life, policy), ALL: tried(life, ADD_ALL)}
    command = command_line(*policy_words(policy), "--seed", str(SEED))
    with right:
        by_week(
            outcomes,
            "recall",
            "Recall@5",
            command,
            "Share of questions for which one of the five best facts states the current value.",
        )
        by_week(
            outcomes,
            "stale",
            "Stale answers",
            command,
            "Share of questions for which the first relevant fact states another value.",
        )
        by_week(outcomes, "size", "Facts", command, "Facts that the policy holds.")
    tables.draw(policy_table(policy_rows(outcomes), command))
    over_half_lives(life, policy, command)


def chosen() -> Policy:
    half_life = st.select_slider(
        "Half-life (days)",
        HALF_LIVES,
        365.0,
        key="memory_half_life",
        format_func=lambda days: f"{days:,.0f}",
        help="After this time a fact counts half.",
    )
    novelty = st.slider(
        "Novelty threshold",
        0.5,
        1.0,
        0.95,
        0.01,
        key="memory_novelty",
        help="A sentence whose cosine with an earlier one reaches it is not stored; at 1 all are stored.",
    )
    budget = st.select_slider(
        "Budget (facts)",
        BUDGETS,
        1200,
        key="memory_budget",
        format_func=lambda facts: f"{facts:,}" if facts else "none",
        help="The strongest facts are kept: importance, halved with each half-life since the fact was stated.",
    )
    supersedes = st.toggle(
        "Supersede old values",
        True,
        key="memory_supersedes",
        help="A new value of a subject's attribute is always stored, and the old one is no longer used.",
    )
    return Policy(half_life, novelty, budget, supersedes)


def by_week(outcomes: dict[str, PolicyOutcome], field: str, title: str, command: str, about: str) -> None:
    traces = []
    for number, (name, outcome) in enumerate(outcomes.items()):
        values = [float(value) for value in getattr(outcome, field)]
        look = {"color": charts.COLORS[0] if not number else charts.BASELINE, "dash": "solid" if not number else "dot"}
        traces += charts.line(outcome.week.tolist(), values, name=name, **look)
    rows = [
        {"policy": name, "week": float(week), field: float(value)}
        for name, outcome in outcomes.items()
        for week, value in zip(outcome.week, getattr(outcome, field), strict=True)
    ]
    shape = charts.figure(traces, "Week", title, height=200)
    charts.show(shape, f"memory_{field}", command=command, data=rows, title=title, caption="by week")
    st.caption(about)


def over_half_lives(life: RecordedLife, policy: Policy, command: str) -> None:
    outcomes = half_lives(life, policy, HALF_LIVES)
    traces, rows = [], []
    for name, field, color in (("Recall@5", "overall", charts.COLORS[0]), ("Stale", "overall_stale", charts.COLORS[5])):
        values = [getattr(outcome, field) for outcome in outcomes]
        bounds = {"low": [value.low for value in values], "high": [value.high for value in values]}
        at = policy.half_life_days if policy.half_life_days in HALF_LIVES else None
        traces += charts.line(list(HALF_LIVES), [value.mean for value in values], name=name, color=color, current=at, **bounds)
        pairs = zip(HALF_LIVES, values, strict=True)
        rows += [
            {"measure": name, "half_life_days": days, "mean": value.mean, "low": value.low, "high": value.high}
            for days, value in pairs
        ]
    shape = charts.figure(traces, "Half-life (days)", "Share of questions", height=260, xaxis=charts.log_axis(HALF_LIVES))
    charts.show(shape, "memory_half_lives", command=command, data=rows, title="Over half-lives", caption="the rest as chosen")


def whole_lives(workbench: Any) -> None:
    """What the memory itself, not the lab's arrays, knew at the end of lives."""
    st.subheader("The memory itself at the end of a life", anchor=False)
    if rows := simulated(workbench):
        tables.draw(lives_table(rows))
        latest = next(row["equivalence"] for row in rows if row["equivalence"])
        st.caption(cards.plain(tables.minus(f"{latest['words']}.")))
    start(1)
