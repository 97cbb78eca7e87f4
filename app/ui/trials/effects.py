"""The tab Effects: what each setting does, which depend on each other, and how much each accounts for."""

import streamlit as st

from app import session
from app.ui import cards, charts, dots, tables
from app.ui.trials.scope import Scope
from core.errors import WorkbenchError
from core.labs.trials import effects as lab
from core.labs.trials import importance
from core.labs.trials.effects import Effects

DRAWN = 40  # levels in the chart


def draw(scope: Scope, names: dict[str, str]) -> None:
    try:
        result = lab.effects(session.workbench(), scope.members, scope.metric)
    except WorkbenchError as error:
        return st.info(cards.plain(f"{error.what} {error.todo}"), icon=":material/tune:")
    if result.left_out:
        st.caption(
            f"{cards.count(result.left_out, 'recipe')} left out: the only one with some value, so its effect cannot be "
            "separated from the others'."
        )
    main_effects(scope, result)
    shares(scope)
    if result.interactions:
        interactions(scope, result)


def main_effects(scope: Scope, result: Effects) -> None:
    if all(level.mean is None for effect in result.main for level in effect.levels):
        return st.info(
            "These trials differ in several settings at once, so the effects cannot be separated. Choose one experiment above "
            "the table.",
            icon=":material/tune:",
        )
    places = [effect.setting for effect in result.main]
    marks = [
        dots.Mark(
            charts.safe(f"{effect.title}: {level.name}"),
            *((level.change or (None,) * 3)[:3] if place else (0.0, None, None)),
            charts.look(places.index(effect.setting))[0],
            "circle" if place else "circle-open",
        )
        for effect in result.main
        for place, level in enumerate(effect.levels)
        if level.mean is not None
    ]
    more = f", the first {DRAWN} of {len(marks)} levels" if len(marks) > DRAWN else ""
    made = lab.table(result, scope.command("effects"))
    charts.show(
        dots.marks(marks[:DRAWN], f"Difference in {scope.head} to the setting's first level (open)", lines=[(0.0, "")]),
        "main-effects",
        data=made.rows,
        command=made.command,
        title=made.title,
        caption=f"{scope.questions}; {result.recipes:,} recipes, n {result.n:,}; the widest apart first{more}",
        method=made.note,
    )
    tables.draw(made, rows=7)
    st.caption(
        "The mean of each level, averaged over the levels of the other settings, and its difference from the first level. Differences are "
        "paired by question, so one can be significant although the intervals of the means overlap. Holm's correction over all levels. "
        "A dash: these trials cannot separate the level from another setting. Valid for the settings tried."
    )


def shares(scope: Scope) -> None:
    try:
        result = importance.importance(session.workbench(), scope.members, scope.metric)
    except WorkbenchError as error:
        return st.caption(cards.plain(error.what))
    if result.note:
        st.warning(cards.plain(result.note), icon=":material/warning:")
    drawn = [share for share in result.shares if len(share.settings) == 1 or share.mean >= 0.01]
    marks = [
        dots.Mark(charts.safe(share.title), share.mean, share.low, share.high, charts.COLORS[len(share.settings) - 1])
        for share in drawn[:DRAWN]
    ]
    shape = dots.marks(marks, "Share of the variance between recipes")
    for trace in shape["data"]:
        trace |= {"name": "range of the five forests"} if trace.get("meta") == "sample" else {}
    charts.show(
        shape,
        "importance",
        data=importance.rows(result),
        command=scope.command("importance"),
        title="How much each setting accounts for",
        caption=f"{result.recipes:,} recipes; the forest explains {max(result.explained, 0):.0%} of the variance of held-out recipes",
        method="Functional ANOVA over random forests; whiskers: lowest and highest of five forests",
    )


def interactions(scope: Scope, result: Effects) -> None:
    titles = {effect.setting: effect.title for effect in result.main}
    pairs = {
        f"{row.first} × {row.second}": tuple(
            next(name for name, title in titles.items() if title == each) for each in (row.first, row.second)
        )
        for row in result.interactions
    }
    if st.session_state.get("pair") not in (None, *pairs):
        del st.session_state["pair"]
    chosen = st.selectbox("Two settings together", list(pairs), key="pair", width=520)
    first, second = pairs[chosen]
    means = lab.cells(session.workbench(), scope.members, scope.metric, first, second)
    if not means:
        return st.caption("These trials do not vary the two settings apart from the others, so no pair has a mean of its own.")
    levels = dict.fromkeys(row["first"] for row in means)
    traces = []
    for place, other in enumerate(dict.fromkeys(row["second"] for row in means)):
        own = {row["first"]: row for row in means if row["second"] == other}
        columns = [[own[level][key] if level in own else None for level in levels] for key in ("mean", "low", "high")]
        line = charts.line(
            list(levels),
            columns[0],
            name=f"{titles[second]} {other}",
            low=columns[1],
            high=columns[2],
            color=charts.look(place)[0],
        )
        line[-1] |= {"mode": "lines+markers"}  # whether lines are parallel is what is looked for
        traces += line
    charts.show(
        charts.figure(traces, titles[first], scope.head, height=340, xaxis={"type": "category"}),
        "interaction",
        data=means,
        command=scope.command("effects", "--cells", first, second),
        title=f"{scope.head} by {titles[first]} and {titles[second]}",
        caption="parallel lines: the effect of one setting does not depend on the other; its uncertainty: see the table",
        method=f"{100 * result.confidence:g}% percentile bootstrap over questions",
    )
    made = lab.interaction_table(result, scope.command("effects"))
    tables.draw(made, rows=5)
    sure = sum(row.gap.p_holm < 0.05 for row in result.interactions)
    st.caption(
        f"{sure:,} of {len(made.rows):,} interactions (differences of differences) are significant at 5%, Holm's correction over all."
    )
