"""What can be done with one of the chosen trials, what it is called, and what it was."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, forms, ways
from app.ui.trials import runs, table
from app.ui.trials.choice import choice_of, reference_first
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.trials import comparison
from core.labs.trials.comparison import COSTS, MOST_CHARACTERS, OF_ANSWERS, Spread, Trial
from core.labs.trials.costs import own_or_alike
from core.labs.trials.listing import Listing
from core.report.tables import cost_digits

PROBLEM = "trial_problem"


def draw(chosen: list[Trial], everything: Listing, tags: list[str]) -> None:
    config = problem = None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        trial = choice_of(chosen, "Trial", "one_trial", width=200) if len(chosen) > 1 else chosen[0]
        try:
            config = comparison.recipe(trial)
        except WorkbenchError as error:  # stored by another version
            problem = error
        buttons(trial, config, tags)
        taken(chosen)
    if problem:
        cards.problem(problem)
    if said := st.session_state.pop(PROBLEM, ""):
        st.warning(cards.plain(said), icon=":material/error:")
    if len(chosen) > 1:
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        facts(trial, everything)
        st.caption("Tick another row to compare the two.")
    with right:
        note(trial)


def buttons(trial: Trial, config: TrialConfig | None, tags: list[str]) -> None:
    """config: its recipe, None where another version stored it."""
    if st.button("Open in Search, live", icon=":material/tune:", key="open_trial", disabled=config is None, type="tertiary"):
        session.set_config(config)
        ways.go("search_live")
    about = "Its recipe becomes the baseline."
    cards.press("Pin this trial", "keep", "pin_trial", session.pin, config, disabled=config is None, type="tertiary", help=about)
    with st.popover("Name, tags", icon=":material/label:", key="described", width="content", type="tertiary"):
        describe(trial, tags)
        if len(st.session_state.chosen) > 1:  # of a single one it is written beside what it was
            note(trial)
    with st.popover("Reproduce", icon=":material/terminal:", disabled=config is None, type="tertiary"):
        st.code(session.workbench().command(config) if config else "", language="bash", wrap_lines=True)
        st.json(trial.config, expanded=1)
    if trial.metrics:
        with st.popover("As a run", icon=":material/download:", help="In TREC's format.", type="tertiary"):
            runs.as_run(trial)


def taken(chosen: list[Trial]) -> None:
    """What is done with all that is ticked."""
    if st.button(
        "Table for a paper",
        icon=":material/table:",
        key="into_paper",
        type="tertiary",
        help="Takes the ticked trials to *Write a paper*.",
    ):
        st.session_state.chosen = [trial.id for trial in reference_first(chosen)]
        ways.go("write_paper", paper_view="Add")
    cards.press("Untick all", "", "untick", table.untick, type="tertiary")


def facts(trial: Trial, everything: Listing) -> None:
    measured = f"{trial.n:,} of {trial.total:,} questions" if trial.metrics else f"nothing, {trial.status}"
    repeat = everything.repeat(trial.id)
    shown = ("context_at_k", "latency_ms", *OF_ANSWERS) if trial.metrics else ()
    costs = {name: own_or_alike(session.workbench(), [trial], name).get(trial.id) for name in shown}
    cards.facts(
        [
            ("Name", trial.title),
            ("Tags", ", ".join(trial.tags)),
            ("Trial", trial.id),
            ("Corpus", trial.stages.get("corpus", "")),
            ("Recipe", trial.recipe),
            ("Measured", measured),
            *((COSTS[name][0], spread_words(cost, COSTS[name][1])) for name, cost in costs.items()),
            ("Repeat", f"{repeat[0]} of {repeat[1]} with this recipe on these questions" if repeat else ""),
            ("Reason", trial.reason),
        ]
    )


def spread_words(cost: Spread | None, unit: str) -> str:
    """A cost with its spread: "8.2 ms (6.2 to 14.6 over 30 questions)"."""
    if cost is None:
        return "unmeasured"
    digits = cost_digits(cost.value) if cost.value < 100 else 0
    spread = "" if cost.low is None else f" ({cost.low:,.{digits}f} to {cost.high:,.{digits}f} over {cost.n:,} questions)"
    return f"{cost.value:,.{digits}f} {unit}{spread}"


def describe(trial: Trial, tags: list[str]) -> None:
    """tags: of all trials, to choose from."""
    left, right = st.columns([1, 1])
    own, most, about = list(trial.tags), MOST_CHARACTERS, "Empty: named by what differs from the default recipe."
    _field(trial, left.text_input, "name", trial.name, placeholder=trial.made_name, max_chars=most["name"], help=about)
    every = sorted({*tags, *own})
    _field(trial, right.multiselect, "tags", own, options=(every, own), accept_new_options=True, placeholder="Choose or type")


def note(trial: Trial) -> None:
    hint = "Why it was run, what it showed: a column of the table, found by its search"
    _field(trial, st.text_area, "note", trial.note, height=110, max_chars=MOST_CHARACTERS["note"], placeholder=hint)


def _field(trial: Trial, make: Any, what: str, value: Any, **look: Any) -> None:
    # what is stored is the widget's default too: what the session alone holds is lost where a run ends before it was sent,
    # and the browser would then send the empty default as if a person had cleared the field
    look = look if "options" in look else look | {"value": value}
    forms.field(make, what.capitalize(), f"{what}/{trial.id}", value, _describe, trial.id, what, **look)


def _describe(trial: str, what: str, key: str) -> None:
    try:
        session.workbench().describe(trial, **{what: st.session_state[key]})
    except WorkbenchError as error:
        st.session_state[PROBLEM] = f"{error.what} {error.todo}"
