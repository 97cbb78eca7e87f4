"""Trials: which recipes were tried, and is one really better than another?"""

import streamlit as st

from app import session
from app.ui import cards, charts
from core import comparison
from core.comparison import COSTS, MOST, Comparison, Trial
from core.errors import WorkbenchError
from core.workbench import METRICS

SHOWN = METRICS[:4]
BOLD_UP_TO = 1000  # rows: styled cells are slow to send, ten thousands take a second
TABLE = "trials_table"


def page() -> None:
    cards.page_title("Trials", "Which recipes were tried, and is one really better than another?")
    everything = comparison.trials(session.workbench())
    if not everything:
        if cards.empty("Stored trials", "A trial is a recipe with all that it measured, kept for good. Save one on the page Search, live, or run "
                       f"{session.workbench().command(session.config())}", "Open Search, live", key="first", icon=":material/tune:"):  # fmt: skip
            st.switch_page("../pages/search_live.py")
        return
    sweeps = comparison.sweeps(everything)
    failed = sum(trial.status != "ok" for trial in everything)
    cards.status_strip([f"{len(everything):,} trials", f"{failed:,} without results" if failed else "", f"{len(sweeps):,} sweeps" if sweeps else ""])
    shown = filtered(everything, sweeps)
    chosen = choose(everything, shown, sweeps)
    measured = [trial for trial in chosen if trial.metrics]
    names = dict(zip((t.id for t in chosen), comparison.labels(chosen), strict=True))
    if chosen:
        one_trial(chosen, names)
    if len(chosen) > 1:
        differences(chosen, measured, names)
    quality_against_cost(shown, measured, names)


def filtered(everything: list[Trial], sweeps: dict[str, str]) -> list[Trial]:
    text, corpus, status, sweep = st.columns([3, 2, 1.3, 3])
    words = text.text_input("Search", key="words", bind="query-params", placeholder="words of recipe, corpus, reason or id")
    dataset = corpus.selectbox("Corpus", ["", *sorted({t.dataset for t in everything})], key="of_corpus", bind="query-params", format_func=_all)
    state = status.selectbox("Status", ["", *sorted({t.status for t in everything})], key="status", bind="query-params", format_func=_all)
    part = sweep.selectbox("Sweep", ["", *sweeps], key="sweep", bind="query-params", format_func=lambda s: sweeps.get(s, "All"))
    return comparison.matching(everything, dataset, state, part, words)


def choose(everything: list[Trial], shown: list[Trial], sweeps: dict[str, str]) -> list[Trial]:
    """The table. What is ticked stands in the address by id, so that a view can be shared."""
    asked, state = st.query_params.get("trials", ""), st.session_state
    if asked and asked != state.get("trials_asked"):  # a shared address, or the browser's back button
        state.chosen = asked.split(",")
    known = {trial.id: trial for trial in everything}
    chosen = [known[id] for id in state.get("chosen", ()) if id in known][:MOST]
    if lost := len(state.get("chosen", ())) - len(chosen):
        st.warning(f"{lost:,} of the chosen trials are left out: at most {MOST} are compared at once, and only those in this store.")
    state.chosen = [trial.id for trial in chosen]
    state.trials_asked = ",".join(state.chosen)
    if state.trials_asked:
        st.query_params["trials"] = state.trials_asked
    elif asked:
        del st.query_params["trials"]
    if not shown:
        st.info("No trial matches. Clear the search or choose All.", icon=":material/filter_alt_off:")
        return chosen
    marks = comparison.best(session.workbench(), shown, SHOWN) if len(shown) <= BOLD_UP_TO else {}
    about_bold = ("Bold: the best on its questions and what a paired t test does not tell from it (Holm, 5%)." if marks
                  else f"The best stand out in bold once {BOLD_UP_TO:,} trials or fewer are shown.")  # fmt: skip
    st.caption(f"{len(shown):,} of {len(everything):,} trials, newest first. Tick rows to compare them. {about_bold}")
    state.shown_trials = [trial.id for trial in shown]
    picked = set(state.chosen)
    state[TABLE] = {"selection": {"rows": [i for i, id in enumerate(state.shown_trials) if id in picked], "columns": [], "cells": []}}
    frame, columns = table(shown, sweeps, marks)
    st.dataframe(frame, hide_index=True, height=min(360, 36 * len(shown) + 38), key=TABLE, on_select=_ticked, selection_mode="multi-row",
                 column_config=columns, placeholder="")  # fmt: skip
    return chosen


def _ticked() -> None:
    shown, old = st.session_state.shown_trials, st.session_state.get("chosen", [])
    ticked = [shown[row] for row in st.session_state[TABLE]["selection"]["rows"]]
    hidden = set(old) - set(shown)  # ticked before, and filtered out now
    st.session_state.chosen = [id for id in old if id in hidden or id in ticked] + [id for id in ticked if id not in old]
    if not st.session_state.chosen:
        st.session_state.trials_asked = st.query_params.get("trials", "")


def table(shown: list[Trial], sweeps: dict[str, str], marks: dict[str, set[str]]):
    import pandas as pd

    depths = {trial.k for trial in shown if trial.metrics}
    heads = {metric: comparison.label(metric, depths.copy().pop() if len(depths) == 1 else "k") for metric in SHOWN}
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    columns = {
        "When": ([t.created for t in shown], st.column_config.DatetimeColumn(format="D MMM, HH:mm", timezone=st.context.timezone, width=105)),
        "Recipe": ([t.recipe for t in shown], text(width=270, help="Parts, and the settings that differ from their defaults.")),
        **{head: ([t.metrics.get(metric) for t in shown], number(format="%.3f", width=78)) for metric, head in heads.items()},
        "k": ([t.k for t in shown], number(width=40, help="Depth at which the rankings were judged.")),
        "n": ([t.n for t in shown], number(format="localized", width=62, help="Questions measured.")),
        "of": ([t.total for t in shown], number(format="localized", width=62, help="Questions asked; those without gold evidence cannot be measured.")),
        "Latency": ([t.costs.get("latency_ms") for t in shown], number(format="%.1f ms", width=85, help="Median of a single question.")),
        "Chunks": ([t.costs.get("chunks") for t in shown], number(format="localized", width=75)),
        "Context": ([t.costs.get("context_tokens") for t in shown], number(format="%.0f", width=75, help="Tokens that the passages put into a prompt, on average.")),
        "Status": ([t.status for t in shown], text(width=85)),
        "Reason": ([t.reason for t in shown], text(width=200, help="Why there is no result.")),
        "Corpus": ([t.dataset for t in shown], text(width=125)),
        "Questions": ([t.settings.get("corpus.questions", "") for t in shown], text(width=80, help="All of the corpus, or its dev or test half.")),
        "Sweep": ([sweeps.get(t.sweep, "") for t in shown], text(width=200)),
        "Trial": ([t.short for t in shown], text(width=75, help="The end of its id, as `show` takes it.")),
    }  # fmt: skip
    for name, needed in {"k": len(depths) > 1, "Reason": any(t.reason for t in shown), "Sweep": any(t.sweep for t in shown)}.items():
        if not needed:
            del columns[name]
    frame = pd.DataFrame({name: values for name, (values, _) in columns.items()})
    if marks:
        bold = pd.DataFrame({head: ["font-weight: 700" if t.id in marks[metric] else "" for t in shown] for metric, head in heads.items()})
        frame = frame.style.apply(lambda _: bold, axis=None, subset=list(bold))
    return frame, {name: config for name, (_, config) in columns.items()}


def one_trial(chosen: list[Trial], names: dict[str, str]) -> None:
    """What can be done with one of the chosen trials, and what it was."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        by_id = {trial.id: trial for trial in chosen}
        id = st.selectbox("Trial", list(by_id), format_func=names.get, key="one_trial") if len(chosen) > 1 else chosen[0].id
        trial, config = by_id[id], None
        try:
            config = comparison.recipe(trial)
        except WorkbenchError as error:  # stored by an older version
            cards.problem(error)
        if st.button("Open in Search, live", icon=":material/tune:", key="open_recipe", disabled=config is None):
            session.set_config(config)
            st.switch_page("../pages/search_live.py")
        st.button("Pin as baseline", icon=":material/keep:", key="pin_trial", disabled=config is None, on_click=session.pin, args=(config,))
        if config is not None:
            with st.popover("Reproduce", icon=":material/terminal:"):
                st.code(session.workbench().command(config), language="bash", wrap_lines=True)
                st.json(trial.config, expanded=1)
        st.button("Untick all", key="untick", type="tertiary", on_click=_untick)
    if len(chosen) == 1 or trial.status != "ok":
        measured = f"{trial.n:,} of {trial.total:,} questions" if trial.metrics else f"nothing: {trial.status}"
        cards.facts([("Trial", trial.id), ("Corpus", trial.dataset), ("Recipe", trial.recipe), ("Measured", measured), ("Reason", trial.reason)])
    if len(chosen) == 1:
        st.caption("Tick another row to compare the two.")


def _untick() -> None:
    st.session_state.chosen, st.session_state.trials_asked = [], st.query_params.get("trials", "")


def differences(chosen: list[Trial], measured: list[Trial], names: dict[str, str]) -> None:
    st.subheader("Differences", anchor=False)
    if left_out := [t for t in chosen if t not in measured]:
        st.info("Without results, so not compared: " + "; ".join(cards.plain(f"{names[t.id]}, {t.status}") for t in left_out))
    by_id = {trial.id: trial for trial in measured}
    left, right = st.columns(2)
    result = None
    if len(measured) > 1:
        reference = left.selectbox("Reference", list(by_id), format_func=names.get, key="reference", bind="query-params")
        metric = right.selectbox("Metric", METRICS, 3, format_func=lambda m: comparison.label(m, by_id[reference].k), key="metric", bind="query-params")
        others = [trial for trial in measured if trial.id != reference]
        result = comparison.compare(session.workbench(), by_id[reference], others, metric)
    tested, settings, questions = st.tabs(["Tests", "Settings that differ", "By question"], key="compare_view", on_change="rerun")
    if tested.open and result:
        with tested:
            tests(result, names)
    if settings.open:
        with settings:
            settings_table(chosen, names)
    if questions.open and result:
        with questions:
            by_question(result, names)


def tests(result: Comparison, names: dict[str, str]) -> None:
    head, level = comparison.label(result.metric, result.k), f"{result.confidence:.0%}"
    for row in result.rows:
        if row.note:
            st.warning(cards.plain(f"{names[row.trial.id]}: {row.note}."), icon=":material/info:")
    rows = [{
        "Trial": names[row.trial.id], head: row.mean, "Reference": row.reference_mean, "Verdict": result.verdict(row), "p (Holm)": row.p_holm,
        **({"Difference": p.difference, "Low": p.low, "High": p.high, "p": p.p, "Effect size": p.effect_size, "Won": p.wins,
            "Lost": p.losses, "Tied": p.ties, "n": p.n} if (p := row.paired) else {}),
    } for row in result.rows]  # fmt: skip
    drawn = [row for row in rows if row.get("Low") is not None]
    if drawn:
        labels = [cut(row["Trial"]) for row in drawn]
        bars = charts.bars(labels, {head: [row["Difference"] for row in drawn]}, errors={head: [(row["Low"], row["High"]) for row in drawn]},
                           horizontal=True, hover="%{y}<br>%{x:+.3f}")  # fmt: skip
        bars[0]["marker"]["color"] = [color(i) for i, row in enumerate(rows) if row in drawn]
        shape = charts.figure(bars, f"Difference in {head} to the reference", legend=False, height=90 + 34 * len(drawn),
                              xaxis={"zeroline": True, "zerolinecolor": charts.BASELINE}, yaxis={"autorange": "reversed", "showgrid": False}, bargap=0.45)  # fmt: skip
        charts.show(shape, "differences", data=rows, title=f"{head} minus {names[result.reference.id]}", caption=f"{level} intervals, paired by question")
    signed = st.column_config.NumberColumn(format="%+.3f", width=85)
    plain, count = st.column_config.NumberColumn(format="%.3f", width=80), st.column_config.NumberColumn(format="localized", width=60)
    p_value = st.column_config.NumberColumn(format="%.4f", width=75, help="Two-sided sign-flip permutation test.")
    order = ["Trial", "Verdict", head, "Reference", "Difference", "Low", "High", "p", "p (Holm)", "Effect size", "Won", "Lost", "Tied", "n"]
    st.dataframe(rows, hide_index=True, key="tests", column_order=order, placeholder="", column_config={
        "Trial": st.column_config.TextColumn(width=260), "Verdict": st.column_config.TextColumn(width=140), head: plain, "Reference": plain,
        **dict.fromkeys(("Difference", "Low", "High"), signed), "p": p_value, "p (Holm)": p_value,
        "Effect size": st.column_config.NumberColumn(format="%+.2f", width=85, help="Mean difference over the standard deviation of the differences (dz)."),
        **dict.fromkeys(("Won", "Lost", "Tied", "n"), count)})  # fmt: skip
    st.caption(f"Means over the questions that both measured. Low and High: {level} interval of the difference, for each alone. p (Holm) and the verdict "
               f"count the {result.tested} difference{'s' * (result.tested != 1)} compared here; {result.tried:,} different recipes have been measured on these "
               "questions, and the best of many looks better than it is: confirm a choice on questions that were not used to make it.")  # fmt: skip


def settings_table(chosen: list[Trial], names: dict[str, str]) -> None:
    different = comparison.differing(chosen)
    if not different:
        return st.caption("None: these trials measured the same recipe again.")
    rows = [{"Setting": comparison.setting_name(name), **{names[t.id]: value for t, value in zip(chosen, values, strict=True)}}
            for name, values in different.items()]  # fmt: skip
    st.dataframe(rows, hide_index=True, key="settings", height="content", column_config={"Setting": st.column_config.TextColumn(pinned=True)})
    st.caption(f"{len(different)} settings differ, all others are the same. {comparison.ABSENT} : the method in use does not have it.")


def by_question(result: Comparison, names: dict[str, str]) -> None:
    others = {row.trial.id: row.trial for row in result.rows if row.paired}
    if not others:
        return st.caption("No question was measured by both.")
    id = st.selectbox("Against the reference", list(others), format_func=names.get, key="against") if len(others) > 1 else next(iter(others))
    columns = comparison.by_question(session.workbench(), result.reference, others[id], result.metric)
    number = st.column_config.NumberColumn(format="%.3f", width=90)
    st.dataframe({name.capitalize(): values for name, values in columns.items()}, hide_index=True, height=300, key="questions_compared", column_config={
        "Question": st.column_config.TextColumn(width="large"), "Reference": number, "Value": number,
        "Change": st.column_config.NumberColumn(format="%+.3f", width=90)})  # fmt: skip
    st.caption(f"{comparison.label(result.metric, result.k)} of {len(columns['question']):,} questions, largest change first.")


def quality_against_cost(shown: list[Trial], measured: list[Trial], names: dict[str, str]) -> None:
    """Every trial shown as a point; only trials on the same questions share a picture."""
    groups = comparison.groups(shown)
    if not groups:
        return
    st.subheader("Quality against cost", anchor=False)
    choices = list(groups)
    titles = [f"{of[0].dataset}, {of[0].total:,} questions ({of[0].settings.get('corpus.questions', 'all')}), k {of[0].k}: {len(of):,} trials" for of in groups.values()]
    left, middle, right = st.columns([1, 1, 2])
    metric = left.selectbox("Metric", METRICS, 3, format_func=comparison.label, key="pareto_metric", bind="query-params")
    cost = middle.selectbox("Cost", list(COSTS), format_func=lambda name: COSTS[name][0], key="cost", bind="query-params")
    usual = next((i for i, group in enumerate(choices) if measured and measured[0].group == group), 0)
    number = right.selectbox("Questions", range(len(choices)), usual, format_func=titles.__getitem__, key="pareto_group") if len(choices) > 1 else 0
    points = [t for t in groups[choices[number]] if metric in t.metrics and cost in t.costs]
    if not points:
        return st.caption("No trial has this metric together with this cost.")
    x, y, (what, unit) = [t.costs[cost] for t in points], [t.metrics[metric] for t in points], COSTS[cost]
    traces = charts.pareto(x, y, ids=[f"{t.short}: {cut(t.recipe, 80)}" for t in points], y_direction=comparison.direction(metric), name="Frontier")
    for i, trial in enumerate(measured):
        if trial in points:
            traces += charts.scatter([trial.costs[cost]], [trial.metrics[metric]], ids=[trial.short], name=cut(names[trial.id]), color=color(i), current=0)
    wide = min(x) > 0 and max(x) / min(x) > 50
    shape = charts.figure(traces, f"{what} ({unit}), less is better", comparison.label(metric, points[0].k), height=380, xaxis={"type": "log"} if wide else {})
    best = len(charts.frontier(x, y, -1, comparison.direction(metric)))
    charts.show(shape, "quality-against-cost", title=f"{comparison.label(metric, points[0].k)} against {what[0].lower() + what[1:]}",
                caption=f"{len(points):,} trials, {best:,} on the frontier; means of {points[0].n:,} questions",
                data=[{"trial": t.id, "recipe": t.recipe, metric: t.metrics[metric], cost: t.costs[cost]} for t in points])  # fmt: skip


def color(position: int) -> str:
    return charts.COLORS[position % len(charts.COLORS)]


def cut(text: str, length: int = 48) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _all(value: str) -> str:
    return value or "All"


page()
