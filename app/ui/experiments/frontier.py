"""The tab Frontier: quality against cost of the experiment's recipes."""

import streamlit as st

from app.ui.experiments import words
from app.ui.experiments.desk import StudyDesk
from app.ui.experiments.leaderboard import chosen_results, scope_of
from app.ui.trials import cost_chart


def draw(here: StudyDesk) -> None:
    shown = chosen_results(here, st.columns(3))
    if shown is not None:
        scope = scope_of(shown)
        cost_chart.draw(scope, words.point_names(here.recorded, [*scope.chosen, *scope.members]))
