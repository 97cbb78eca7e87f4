"""The tab Frontier: quality against cost of the experiment's points."""

import streamlit as st

from app import session
from app.ui.experiments import words
from app.ui.experiments.desk import StudyDesk
from app.ui.experiments.leaderboard import chosen_results, questions_words
from app.ui.trials import cost_chart
from app.ui.trials.scope import Scope
from core.labs.experiments.results import StudyResults
from core.labs.trials import listing


def draw(here: StudyDesk) -> None:
    shown = chosen_results(here, st.columns(3))
    if shown is not None:
        scope = scope_of(here, shown)
        cost_chart.draw(scope, words.point_names(here.recorded, [*scope.chosen, *scope.members]))


def scope_of(here: StudyDesk, shown: StudyResults, beside: bool = True) -> Scope:
    """The experiment's points as the tabs of *Trials* take them, with the base and the best marked. beside: a baseline too that is
    no point."""
    everything = listing.everything(session.workbench())
    members = [row.trial for row in shown.rows if beside or not row.beside]
    chosen = list({trial.id: trial for trial in (shown.baseline, shown.best) if trial}.values())
    [group] = everything.groups_of([shown.best.id])
    listed = sorted(members, key=lambda trial: trial.id, reverse=True)
    return Scope(
        questions_words(members), listed, chosen, everything.of_group(group), shown.metric, everything, shown.board.left_out
    )
