"""What can be done with one of the chosen trials, what it is called, and what it was."""

import streamlit as st

from app import session
from app.ui import cards
from app.ui.trials import description, runs, table
from app.ui.trials.choice import choice_of, reference_first
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.trials import comparison
from core.labs.trials.comparison import COSTS, Spread, Trial
from core.labs.trials.costs import spreads
from core.labs.trials.listing import Listing

PAPER = "../pages/write_paper.py"


def draw(chosen: list[Trial], everything: Listing, tags: list[str]) -> None:
    config = problem = None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        trial = choice_of(chosen, "Trial", "one_trial", width=420) if len(chosen) > 1 else chosen[0]
        try:
            config = comparison.recipe(trial)
        except WorkbenchError as error:  # stored by another version
            problem = error
        buttons(trial, config, tags)
        taken(chosen)
    if problem:
        cards.problem(problem)
    if len(chosen) == 1:
        facts(trial, everything)
        st.caption("Tick another row to compare the two.")


def buttons(trial: Trial, config: TrialConfig | None, tags: list[str]) -> None:
    """config: its recipe, None where another version stored it."""
    if st.button("Open in Search, live", icon=":material/tune:", key="open_trial", disabled=config is None):
        session.set_config(config)
        st.switch_page(table.SEARCH, query_params={})
    st.button(
        "Pin as baseline", icon=":material/keep:", key="pin_trial", disabled=config is None, on_click=session.pin, args=(config,)
    )
    with st.popover("Name, tags, note", icon=":material/label:", key="described", width="content"):
        description.draw(trial, tags)
    with st.popover("Reproduce", icon=":material/terminal:", disabled=config is None):
        st.code(session.workbench().command(config) if config else "", language="bash", wrap_lines=True)
        st.json(trial.config, expanded=1)
    if trial.metrics:
        with st.popover("As a run", icon=":material/download:", help="In TREC's format."):
            runs.as_run(trial)


def taken(chosen: list[Trial]) -> None:
    """What is done with all that is ticked."""
    if st.button(
        "Table for a paper", icon=":material/table:", key="into_paper", help="What is ticked, taken to *Write a paper*."
    ):
        st.session_state.chosen = [trial.id for trial in reference_first(chosen)]
        st.switch_page(PAPER, query_params={"paper_view": "Add"})
    st.button("Untick all", key="untick", type="tertiary", on_click=table.untick)


def facts(trial: Trial, everything: Listing) -> None:
    measured = f"{trial.n:,} of {trial.total:,} questions" if trial.metrics else f"nothing, {trial.status}"
    repeat = everything.repeat(trial.id)
    shown = ("context_at_k", "latency_ms") if trial.metrics else ()
    costs = {name: trial.costs.get(name) or spreads(session.workbench(), [trial], name).get(trial.id) for name in shown}
    cards.facts(
        [
            ("Name", trial.title),
            ("Tags", ", ".join(trial.tags)),
            ("Note", trial.note),
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
    digits = 1 if cost.value < 100 else 0
    spread = "" if cost.low is None else f" ({cost.low:,.{digits}f} to {cost.high:,.{digits}f} over {cost.n:,} questions)"
    return f"{cost.value:,.{digits}f} {unit}{spread}"
