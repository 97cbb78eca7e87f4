"""The tab Factors: what each setting does. One or two factors make lines or dots against the base, more make main effects."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.ui import charts, dots, forms
from app.ui.experiments import by_context, words
from app.ui.experiments.desk import StudyDesk
from app.ui.experiments.leaderboard import chosen_results, scope_of
from app.ui.experiments.shown import DIFFERENCE, VALUE, Shown
from app.ui.search.setting_chart import powers
from app.ui.trials import effects
from core.labs.experiments import results
from core.labs.experiments.experiment import Experiment
from core.labs.experiments.results import PointResult, StudyResults
from core.labs.trials import comparison
from core.labs.trials.leaderboard import NOT_WORSE

LINES = 6  # of a second factor
DOTS = 40  # points one below the other
SETTING, CONTEXT = "Setting", "Context"
TICKS = 9  # values that each have one


def draw(here: StudyDesk) -> None:
    place = st.container(horizontal=True, vertical_alignment="bottom", key="study_controls")
    shown = chosen_results(here, [place, place])
    if shown is None:
        return
    experiment = here.recorded
    own = [row for row in shown.rows if not row.beside]
    varied = [f.setting for f in experiment.factors if len({words.as_token(r.settings.get(f.setting)) for r in own}) > 1]
    if not varied:
        return st.caption("Every point so far has the same settings: there is nothing to draw yet.")
    if len(varied) > 2:
        return effects.draw(scope_of(shown, beside=False), {})
    drawn = Shown(experiment, shown, switch(place, "Shown", (DIFFERENCE, VALUE), "study_way") if shown.baseline else VALUE)
    along = next((setting for setting in varied if numeric(shown, setting)), "")
    other = next((setting for setting in varied if setting != along), "")
    several = len({words.as_token(row.settings.get(other)) for row in own}) if other else 1
    tokens = {row.trial.id: results.context(row.trial) for row in shown.rows}
    if comparison.context_differs(tokens.values()):
        told = "Context: tokens of the first chunks of a question. Points at the same x had equally long contexts."
        if switch(place, "Along", (SETTING, CONTEXT), "study_along", help=told) == CONTEXT:
            return by_context.draw(drawn, along if several <= LINES else "", other, tokens)
    if along and several <= LINES:
        lines(drawn, along, other)
    else:
        points(drawn)


def switch(place: Any, title: str, options: tuple[str, str], key: str, **look: Any) -> str:
    """Which of two the charts show; it stands in the address."""
    return forms.one_of(title, options, key, place=place, bind="query-params", width="content", **look)


def numeric(shown: StudyResults, setting: str) -> bool:
    values = [row.settings[setting] for row in shown.rows if setting in row.settings and not row.beside]
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values) and len(set(values)) > 2


def lines(shown: Shown, along: str, other: str) -> None:
    """A line a value of the other factor; what is planned and not measured is a gap."""
    experiment, every = shown.experiment, shown.results.rows
    recipe, factor = experiment.recipe, next(f for f in experiment.factors if f.setting == along)
    rows = [row for row in every if along in row.settings and not row.beside]
    values = sorted({row.settings[along] for row in rows} | {v for v in factor.values if isinstance(v, int | float)})
    traces = []
    for (title, members), color in zip(shown.by(rows, other), charts.COLORS, strict=False):
        at = {row.settings[along]: row for row in members}
        traces += shown.line(values, [at.get(value) for value in values], name=title, color=color)
    traces += shown.marked(rows, lambda row: row.settings[along])
    knob = words.knob_of(along, recipe)
    axis = words.setting_title(along, recipe).partition(": ")[2]
    layout: dict[str, Any] = {"xaxis": powers(values) if knob and knob.kind == "grid" else {}}
    if len(values) <= TICKS:
        layout["xaxis"] |= {"tickvals": values, "ticktext": [forms.number(value) for value in values]}
    if shown.way == DIFFERENCE:
        layout |= charts.mark_line(0.0, shown.base)
    elif beside := [row for row in every if row.beside]:
        layout |= charts.mark_line(beside[0].interval.mean, shown.base)
    shown.show(charts.figure(traces, titled(axis, knob), shown.title, height=380, **layout))
    if left := [row for row in every if along not in row.settings and not row.beside]:
        st.caption(f"Not drawn, as their method lacks this setting: {', '.join(names_of(experiment, left))}.")


def titled(axis: str, knob: Any) -> str:
    return f"{axis[:1].upper()}{axis[1:]}" + (f" ({knob.unit})" if knob and knob.unit else "")


def names_of(experiment: Experiment, rows: Sequence[PointResult]) -> list[str]:
    return list(words.coordinates(experiment, [row.trial for row in rows]).values())


def points(shown: Shown) -> None:
    """One below the other: names have no order along an axis."""
    every, best = shown.results.rows, shown.results.best.id
    order = {row.trial.id: place for place, row in enumerate(shown.results.board.rows)}
    rows = every if len(every) <= DOTS else sorted(every, key=lambda row: order[row.trial.id])[:DOTS]
    drawn = [
        dots.Mark(
            name + (", best" if row.trial.id == best else f", {NOT_WORSE}" if row.equal else ""),
            *shown.read(row),
            color=charts.COLORS[0] if row.equal else charts.BASELINE,
            symbol="star" if row.trial.id == best else "circle",
        )
        for name, row in zip(names_of(shown.experiment, rows), rows, strict=True)
    ]
    shown.show(dots.marks(drawn, shown.title, lines=[(0.0, shown.base)] if shown.way == DIFFERENCE else ()))
    if len(rows) < len(every):
        st.caption(f"The best {len(rows):,} of {len(every):,} points.")
