"""The listed trials by a setting: a row a group with its means, folded until one is opened."""

import streamlit as st

from app import session
from app.ui import cards, tables
from core.labs.trials import grouped as lab
from core.labs.trials import own_columns, views
from core.labs.trials.listing import Listing
from core.labs.trials.views import TrialView


def draw(shown: Listing, view: TrialView) -> Listing | None:
    """The trials of the opened group; None where all are folded."""
    workbench = session.workbench()
    setting = views.grouping(workbench, view.group)
    result = lab.grouped(workbench, shown, setting, own_columns.metrics_of(workbench, view.columns))
    counted, what = sum(len(group.ids) for group in result.groups), setting.title().lower()
    without = f"{len(shown) - counted:,} without results, or left out, are in no group." if counted < len(shown) else ""
    told = (
        f"{cards.count(counted, 'trial')} in {cards.count(len(result.groups), 'group')} by {what}: means over a group's trials,",
        "with intervals over the questions that all of them measured.",
        without,
        result.left_out,
        "Click a group for its trials.",
    )
    st.caption(cards.plain(" ".join(filter(None, told))))
    made = lab.table(result, *view.words())
    place = tables.choose(made._replace(command=""), [group.key for group in result.groups], param="in_group")
    with st.popover("Command", icon=":material/terminal:", type="tertiary"):
        st.code(made.command, language="bash", wrap_lines=True)
    if place is None:
        return None
    group = result.groups[place]
    st.markdown(
        f"**{cards.plain(setting.title())} {cards.plain(lab.level_words(result, group))}**, {cards.plain(group.questions)}"
    )
    return shown.among(group.ids)
