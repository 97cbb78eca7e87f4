"""Trials: which recipes were tried, and is one really better than another?"""

from functools import partial

import streamlit as st

from app import session
from app.ui import cards, forms, recipe_strip
from app.ui.trials import (
    cost_chart,
    details,
    differences,
    effects,
    filters,
    groups,
    leaderboard,
    left_out,
    parallel,
    questions,
    runs,
    scope,
    side_by_side,
    table,
    views,
)
from app.ui.trials.choice import is_baseline
from core.labs.trials import comparison, listing
from core.labs.trials.comparison import Trial
from core.labs.trials.listing import Listing

NAVIGATION = {
    "section": "Compare",
    "order": 20,
    "title": "Trials",
    "icon": "compare_arrows",
    "entry": "Trials and SQL",
    "step": "confirm",
    "press": True,
}
WHOSE = ("Stored trials", "TREC runs")
TOGETHER = {
    "Leaderboard": leaderboard.draw,
    "Frontier": cost_chart.draw,
    "Effects": effects.draw,
    "Parallel coordinates": parallel.draw,
    "Side by side": side_by_side.draw,
    "Questions × recipes": questions.draw,
    "Leave one article out": left_out.draw,
}


def page() -> None:
    question = "Which recipes were tried, and is one really better than another?"
    of = partial(forms.one_of, "View", WHOSE, "whose", bind="query-params", label_visibility="collapsed")
    if recipe_strip.page_title(NAVIGATION["title"], question, recipe=False, aside=of) == WHOSE[1]:
        return runs.draw(table.chosen())
    everything = listing.everything(session.workbench())
    if not (summary := everything.summary()).trials:
        return table.none()
    # the baseline first: it is the reference, and grey in every chart
    chosen = sorted(table.chosen(), key=lambda trial: not is_baseline(trial))
    views.apply()
    shown = filters.filtered(everything, summary)
    view = views.current()
    listed = groups.draw(shown, view) if view.group else shown
    if listed is not None:
        table.draw(listed, summary, view)
    names = dict(zip((trial.id for trial in chosen), comparison.labels(chosen), strict=True))
    if chosen:
        details.draw(chosen, everything, summary.tags)
    if len(chosen) > 1:
        compare(chosen, names)
    together(shown, everything, [trial for trial in chosen if trial.metrics], names)


def together(shown: Listing, everything: Listing, chosen: list[Trial], names: dict[str, str]) -> None:
    """What many trials say together; only the open tab computes."""
    of = scope.choose(shown, everything, chosen)
    if of is None:
        if len(shown):
            st.info("None of these trials measured anything. Tick one to read why.", icon=":material/info:")
        return
    differences.view_remembered("together")
    cards.tabs(TOGETHER, "together", of, names)


def compare(chosen: list[Trial], names: dict[str, str]) -> None:
    result = differences.compared(chosen, names)
    differences.view_remembered("compare_view")
    views = {
        "Tests": lambda: result and differences.tests(result, names),
        "Settings that differ": lambda: differences.settings(chosen, names),
        "By question": lambda: result and differences.by_question(result),
    }
    cards.tabs(views, "compare_view")


page()
