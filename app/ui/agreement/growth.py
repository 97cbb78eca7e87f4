"""The tab As labels come in: alpha over the labels, and the study's stop rule."""

import streamlit as st

from app.ui import cards
from app.ui.agreement import figures
from app.ui.agreement.results import compute_once
from app.ui.agreement.tables import figure
from core.agreement import coefficients, plan, sources
from core.agreement.views import View
from core.annotation.study import StopRule


def draw(view: View) -> None:
    rule, study = view.source.study.stop if view.source.study else StopRule(), view.source.study
    own = rule.kind != "all_labelled"
    if study is not None:
        st.markdown(f"**The study's stop rule:** {stop_rule(view)}")
    if not own:
        left, _ = st.columns([1, 3])
        half = left.number_input(
            "What if: a half-width of",
            0.01,
            0.5,
            0.1,
            0.01,
            key="half_width",
            bind="query-params",
            help="Half the width of alpha's 95% interval. A what-if, not the study's rule.",
        )
        rule = StopRule(kind="half_width", value=half)
    growing = compute_once(view, "growing", lambda: coefficients.growing(view.table, rule), rule.kind, rule.value)
    if not any(alpha.low is not None for _, alpha in growing.points):
        return cards.empty(
            "Alpha as labels come in", "Alpha is undefined so far: no two annotators labelled the same, or all said one thing."
        )
    rows = [
        {"labels": n, "alpha": alpha.value, "low": alpha.low, "high": alpha.high, "units": alpha.items, "resampled": alpha.drawn}
        for n, alpha in growing.points
    ]
    last = next(alpha for _, alpha in reversed(growing.points) if alpha.low is not None)
    wanted = f"half-width {growing.target:g}" if growing.rule == "half_width" else f"alpha {growing.target:g}"
    met = (
        f"met at {growing.stop_at:,} labels"
        if growing.stop_at
        else f"not met; the half-width is {(last.high - last.low) / 2:.3f} now"
    )
    growth = f"--growth {rule.value:g}" if rule.kind == "half_width" else "--growth"
    figure(
        view,
        figures.growth(growing),
        "alpha-as-labels-come-in",
        data=rows,
        command=view.command(growth),
        title="Alpha as labels came in",
        caption=f"{'stop rule' if own else 'what if'}: {wanted}, {met}",
    )
    st.caption(
        (
            "In the order in which they were given. "
            if growing.timed
            else "The labels have no times, so they are taken in the order of the file. "
        )
        + (
            f"Alpha is undefined before {first:,} labels: nothing has two labels yet, or all are the same. "
            if (first := next(n for n, alpha in growing.points if alpha.low is not None)) > growing.points[0][0]
            else ""
        )
        + ("Dotted: the width at which the rule is met. " if growing.rule == "half_width" else "")
        + f"The rule is checked from {sources.drawn(view.source.study, 30)} with two labels on. A rule on the half-width "
        "favours no result, however often it is checked; a rule on alpha itself stops at values that are high by chance."
    )


def stop_rule(view: View) -> str:
    """The rule that was frozen, and whether it is met."""
    rule, at = view.source.study.stop, plan.screens(view.source, view.round)
    name = {
        "all_labelled": "all items are labelled",
        "alpha": f"alpha reaches {rule.value:g}",
        "half_width": f"the half-width of alpha's interval is at most {rule.value:g}",
    }[rule.kind]
    if at is None:
        return f"{name}."
    met = "" if rule.kind != "all_labelled" else ", met" if at[0] == at[1] else ", not yet met"
    return f"{name}{met}: {at[0]:,} of {cards.count(at[1], 'screen')} are labelled."
