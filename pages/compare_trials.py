"""Trials: which recipes were tried, and is one really better than another?"""

import streamlit as st

from app import session
from app.ui import recipe_strip
from app.ui.trials import (
    cost_chart,
    details,
    differences,
    effects,
    filters,
    leaderboard,
    left_out,
    parallel,
    runs,
    scope,
    side_by_side,
    table,
)
from app.ui.trials.choice import is_baseline
from core.labs.trials import comparison, listing
from core.labs.trials.comparison import Trial
from core.labs.trials.listing import Listing

WHOSE = ("Trials", "Runs in TREC's format")
VIEWS = ("Tests", "Settings that differ", "By question")
TOGETHER = {
    "Leaderboard": leaderboard.draw,
    "Frontier": cost_chart.draw,
    "Effects": effects.draw,
    "Parallel coordinates": parallel.draw,
    "Side by side": side_by_side.draw,
    "Leave one article out": left_out.draw,
}


def page() -> None:
    recipe_strip.page_title("Trials", "Which recipes were tried, and is one really better than another?", recipe=False)
    views = {"default": WHOSE[0], "key": "whose", "bind": "query-params", "required": True, "label_visibility": "collapsed"}
    if st.segmented_control("View", WHOSE, **views) == WHOSE[1]:
        return runs.draw(table.chosen())
    everything = listing.everything(session.workbench())
    summary = everything.summary()
    if not summary.trials:
        return table.none()
    table.status(summary)
    # the baseline first: it is the reference, and grey in every chart
    chosen = sorted(table.chosen(), key=lambda trial: not is_baseline(trial))
    shown = filters.filtered(everything, summary)
    table.draw(shown, summary)
    names = dict(zip((trial.id for trial in chosen), comparison.labels(chosen), strict=True))
    if chosen:
        details.draw(chosen, everything, summary.tags)
    if len(chosen) > 1:
        st.subheader("Differences", anchor=False)
        compare(chosen, names)
    together(shown, everything, [trial for trial in chosen if trial.metrics], names)


def together(shown: Listing, everything: Listing, chosen: list[Trial], names: dict[str, str]) -> None:
    """What many trials say together; only the open tab computes."""
    of = scope.choose(shown, everything, chosen)
    if of is None:
        if len(shown):
            st.info(
                "None of these trials measured anything, so there is nothing to compare. Tick one to read why.",
                icon=":material/info:",
            )
        return
    differences.view_remembered("together")
    tabs = st.tabs(list(TOGETHER), key="together", on_change="rerun", bind="query-params")
    st.session_state.together_remembered = st.session_state.together
    for tab, draw in zip(tabs, TOGETHER.values(), strict=True):
        if tab.open:
            with tab:
                draw(of, names)


def compare(chosen: list[Trial], names: dict[str, str]) -> None:
    result = differences.compared(chosen, names)
    differences.view_remembered("compare_view")
    tested, settings, questions = st.tabs(list(VIEWS), key="compare_view", on_change="rerun", bind="query-params")
    st.session_state.compare_view_remembered = st.session_state.compare_view
    if tested.open and result:
        with tested:
            differences.tests(result, names)
    if settings.open:
        with settings:
            differences.settings(chosen, names)
    if questions.open and result:
        with questions:
            differences.by_question(result)


page()
