"""Trials: which recipes were tried, and is one really better than another?"""

import streamlit as st

from app import session
from app.ui import cards, charts, trials
from core import comparison
from core.comparison import COSTS, Comparison, Trial
from core.errors import WorkbenchError
from core.workbench import METRICS

SEARCH = "../pages/search_live.py"  # switched to with query_params={}: without, a filter in the address makes it fail
NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn


def page() -> None:
    cards.page_title("Trials", "Which recipes were tried, and is one really better than another?")
    everything = comparison.trials(session.workbench())
    if not everything:
        why = ("A trial is a recipe with all that it measured, kept for good. Save one on the page Search, live, or run: "
               + session.workbench().command(session.config()))  # fmt: skip
        if cards.empty("Stored trials", why, "Open Search, live", key="first", icon=":material/tune:"):
            st.switch_page(SEARCH, query_params={})
        return
    sweeps = comparison.sweeps(session.workbench(), everything)
    failed = sum(trial.status != "ok" for trial in everything)
    cards.status_strip([f"{len(everything):,} trials", f"{failed:,} without results" if failed else "",
                        f"{len(sweeps):,} sweeps" if sweeps else ""])  # fmt: skip
    chosen, shown = trials.chosen(everything), filtered(everything, sweeps)
    trials.table(shown, everything, sweeps)
    names = dict(zip((trial.id for trial in chosen), comparison.labels(chosen), strict=True))
    if chosen:
        one_trial(chosen)
    if len(chosen) > 1:
        differences(chosen, names)
    quality_against_cost(shown, [trial for trial in chosen if trial.metrics], names)


def filtered(everything: list[Trial], sweeps: dict[str, str]) -> list[Trial]:
    def choice(column, title: str, key: str, options: dict[str, str]) -> str:
        return column.selectbox(
            title, ["", *options], key=key, bind="query-params", format_func=({"": "All"} | options).get
        )

    search, corpus, status, sweep = st.columns([3, 2, 1.5, 3])
    text = search.text_input("Search", key="words", bind="query-params", placeholder="recipe, corpus, reason, id")
    dataset = choice(corpus, "Corpus", "of_corpus", {name: name for name in sorted({t.dataset for t in everything})})
    state = choice(status, "Status", "status", {name: name for name in sorted({t.status for t in everything})})
    return comparison.matching(everything, dataset, state, choice(sweep, "Sweep", "sweep", sweeps), text)


def one_trial(chosen: list[Trial]) -> None:
    """What can be done with one of the chosen trials, and what it was."""
    config = problem = None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        trial = choice_of(chosen, "Trial", "one_trial", width=420) if len(chosen) > 1 else chosen[0]
        try:
            config = comparison.recipe(trial)
        except WorkbenchError as error:  # stored by another version
            problem = error
        if st.button("Open in Search, live", icon=":material/tune:", key="open_trial", disabled=config is None):
            session.set_config(config)
            st.switch_page(SEARCH, query_params={})
        st.button("Pin as baseline", icon=":material/keep:", key="pin_trial", disabled=config is None,
                  on_click=session.pin, args=(config,))  # fmt: skip
        with st.popover("Reproduce", icon=":material/terminal:", disabled=config is None):
            st.code(session.workbench().command(config) if config else "", language="bash", wrap_lines=True)
            st.json(trial.config, expanded=1)
        st.button("Untick all", key="untick", type="tertiary", on_click=trials.untick)
    if problem:
        cards.problem(problem)
    if len(chosen) == 1:
        measured = f"{trial.n:,} of {trial.total:,} questions" if trial.metrics else f"nothing, {trial.status}"
        cards.facts([("Trial", trial.id), ("Corpus", trial.stages.get("corpus", "")), ("Recipe", trial.recipe),
                     ("Measured", measured), ("Reason", trial.reason)])  # fmt: skip
        st.caption("Tick another row to compare the two.")


def differences(chosen: list[Trial], names: dict[str, str]) -> None:
    st.subheader("Differences", anchor=False)
    measured, result = [trial for trial in chosen if trial.metrics], None
    for trial in chosen:
        if trial not in measured:
            why = f"{trial.status.capitalize()}: {trial.reason}"
            st.caption(cards.plain(f"Not compared: {names[trial.id]} has no results. {why}"))
    if len(measured) > 1:
        left, right = st.columns(2)
        reference = choice_of(measured, "Reference", "reference", left, bind="query-params")
        metric = right.selectbox("Metric", METRICS, 3, format_func=lambda name: comparison.label(name, reference.k),
                                 key="metric", bind="query-params")  # fmt: skip
        others = [trial for trial in measured if trial is not reference]
        result = comparison.compare(session.workbench(), reference, others, metric)
    views = ["Tests", "Settings that differ", "By question"]
    tested, settings, questions = st.tabs(views, key="compare_view", on_change="rerun")
    if tested.open and result:
        with tested:
            tests(result, names)
    if settings.open:
        with settings:
            rows = [{"Setting": comparison.setting_name(name), **dict(zip(names.values(), values, strict=True))}
                    for name, values in comparison.differing(chosen).items()]  # fmt: skip
            if rows:
                looks = {"Setting": TEXT(pinned=True)}
                st.dataframe(rows, hide_index=True, key="settings", height="content", column_config=looks)
            st.caption("All other settings are the same. A dash: the method in use does not have the setting.")
    if questions.open and result:
        with questions:
            by_question(result)


def tests(result: Comparison, names: dict[str, str]) -> None:
    head, level = comparison.label(result.metric, result.k), f"{result.confidence:.0%}"
    for row in result.rows:
        if row.note:
            st.warning(cards.plain(f"{names[row.trial.id]}: {row.note}."), icon=":material/info:")
    rows = comparison.rows(result, names)
    colors = [color(names, row.trial) for row in result.rows if row.paired and row.paired.low is not None]
    if drawn := [row for row in rows if row["Low"] is not None]:
        bars = charts.bars([cut(row["Trial"]) for row in drawn], {head: [row["Difference"] for row in drawn]},
                           errors={head: [(row["Low"], row["High"]) for row in drawn]}, horizontal=True,
                           hover="%{y}<br>%{x:+.3f}")  # fmt: skip
        bars[0]["marker"]["color"] = colors
        shape = charts.figure(
            bars, f"Difference in {head}", legend=False, height=90 + 34 * len(drawn), bargap=0.45,
            xaxis={"zeroline": True, "zerolinecolor": charts.BASELINE}, yaxis={"autorange": "reversed", "showgrid": False},
        )  # fmt: skip
        charts.show(shape, "differences", data=rows, title=f"{head} minus that of {cut(names[result.reference.id], 60)}",
                    caption=f"{level} intervals, paired by question")  # fmt: skip
    mean, signed = NUMBER(format="%.3f", width=80), NUMBER(format="%+.3f", width=68)
    p_value = NUMBER(format="%.4f", width=66, help="Two-sided sign-flip permutation test, paired by question.")
    looks = {
        "Trial": TEXT(width=200), "Verdict": TEXT(width=110), head: mean, "Reference": mean,
        "Difference": NUMBER(format="%+.3f", width=82), "Low": signed, "High": signed, "p": p_value, "p (Holm)": p_value,
        "Effect": NUMBER(format="%+.2f", width=60, help="Mean difference over the standard deviation of the differences (dz)."),
        **dict.fromkeys(("Won", "Lost", "Tied", "n"), NUMBER(format="localized", width=48)),
    }  # fmt: skip
    table = [dict(zip(looks, row.values(), strict=True)) for row in rows]
    st.dataframe(table, hide_index=True, key="tests", placeholder="", column_config=looks)
    st.caption(
        f"Means over the questions that both measured. Low and High: {level} interval of each difference alone. p (Holm) and the "
        f"verdict are corrected for {cards.count(result.tested, 'comparison')}. On these questions {result.tried:,} different "
        "recipes have been measured: the best of many looks better than it is, so confirm a choice on questions not used to make it."
    )


def by_question(result: Comparison) -> None:
    others = [row.trial for row in result.rows if row.paired]
    if not others:
        return st.caption("No question was measured by both.")
    other = choice_of(others, "Against the reference", "against")
    table = comparison.by_question(session.workbench(), result.reference, other, result.metric)
    number, change = NUMBER(format="%.3f", width=90), NUMBER(format="%+.3f", width=90)
    looks = {"Question": TEXT(width="large"), "Reference": number, "Value": number, "Change": change}
    table = dict(zip(looks, table.values(), strict=True))
    st.dataframe(table, hide_index=True, height=300, key="compared_questions", column_config=looks)
    st.caption(
        f"{comparison.label(result.metric, result.k)} of {len(table['Question']):,} questions, largest change first."
    )


def quality_against_cost(shown: list[Trial], chosen: list[Trial], names: dict[str, str]) -> None:
    """Every trial shown is a point; only trials on the same questions share a picture."""
    groups = comparison.named_groups(shown)
    if not groups:
        return
    st.subheader("Quality against cost", anchor=False)
    left, middle, right = st.columns([1, 1.4, 1.6])
    metric = left.selectbox(
        "Metric", METRICS, 3, format_func=comparison.label, key="pareto_metric", bind="query-params"
    )
    cost = middle.selectbox(
        "Cost", list(COSTS), format_func=lambda name: COSTS[name][0], key="cost", bind="query-params"
    )
    usual = next((i for i, of in enumerate(groups.values()) if chosen and chosen[0] in of), 0)
    group = groups[right.selectbox("Questions", list(groups), usual, key="same_questions")]
    points = [trial for trial in group if metric in trial.metrics and cost in trial.costs]
    if len(points) < 2:
        return st.caption("It takes two trials with this metric and cost on the same questions to show a trade-off.")
    x, y, (what, unit) = [t.costs[cost] for t in points], [t.metrics[metric] for t in points], COSTS[cost]
    head, up = comparison.label(metric, points[0].k), comparison.direction(metric)
    traces = charts.pareto(x, y, ids=[cut(f"{t.short}: {t.recipe}", 80) for t in points], y_direction=up)
    for trial in chosen:
        if trial in points:
            own = {"ids": [trial.short], "name": cut(names[trial.id]), "color": color(names, trial), "current": 0}
            traces += charts.scatter([trial.costs[cost]], [trial.metrics[metric]], **own)
    shape = charts.figure(
        traces, f"{what} ({unit}), less is better", head, height=360 + 20 * len(chosen),
        xaxis={"type": "log"} if min(x) > 0 and max(x) > 50 * min(x) else {},
    )  # fmt: skip
    best = len(charts.frontier(x, y, -1, up))
    rows = [{"trial": t.id, "recipe": t.recipe, cost: x[i], metric: y[i]} for i, t in enumerate(points)]
    charts.show(shape, "quality-against-cost", title=f"{head} against {what[0].lower() + what[1:]}",
                caption=f"{len(points):,} trials, {best:,} on the frontier; means of {points[0].n:,} questions",
                data=rows)  # fmt: skip


def color(names: dict[str, str], trial: Trial) -> str:
    """One colour a chosen trial in every chart; the first, the reference unless another is chosen, is grey."""
    position = list(names).index(trial.id)
    others = charts.COLORS[1:]  # the frontier is blue
    return others[(position - 1) % len(others)] if position else charts.BASELINE


def choice_of(found: list[Trial], title: str, key: str, place=st, **options) -> Trial:
    """One of these trials, under a name that does not change with what else is chosen."""
    by_id = {trial.id: trial for trial in found}
    names = {trial.id: f"{trial.recipe} ({trial.short})" for trial in found}
    return by_id[place.selectbox(title, list(by_id), format_func=names.get, key=key, **options)]


def cut(text: str, length: int = 52) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


page()
