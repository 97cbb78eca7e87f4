"""Trials: which recipes were tried, and is one really better than another?"""

from zlib import crc32

import streamlit as st

from app import session
from app.ui import cards, cells, charts, cost_chart, dots, tables, trials
from app.ui.trials import cut
from core.errors import WorkbenchError
from core.evaluation.metric import MAIN, metric_names
from core.labs.trials import comparison
from core.labs.trials.comparison import COSTS, Comparison, Spread, Trial

SEARCH = "../pages/search_live.py"  # switched to with query_params={}: without, a filter in the address makes it fail
OUTCOMES = {
    "All": lambda change: True,
    "Won": lambda change: change > 0,
    "Lost": lambda change: change < 0,
    "Tied": lambda change: change == 0,
}
NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn


def page() -> None:
    cards.page_title("Trials", "Which recipes were tried, and is one really better than another?")
    everything = comparison.trials(session.workbench())
    if not everything:
        why = (
            "A trial is a recipe with all that it measured, kept for good. Save one on the page Search, live, or run: "
            + session.workbench().command(session.config())
        )
        if cards.empty("Stored trials", why, "Open Search, live", key="first", icon=":material/tune:"):
            st.switch_page(SEARCH, query_params={})
        return
    sweeps = comparison.sweeps(session.workbench(), everything)
    failed = sum(trial.status != "ok" for trial in everything)
    cards.status_strip(
        [
            cards.count(len(everything), "trial"),
            f"{failed:,} without results" if failed else "",
            cards.count(len(sweeps), "sweep") if sweeps else "",
        ]
    )
    # the baseline first: it is the reference, and grey in every chart
    chosen = sorted(trials.chosen(everything), key=lambda trial: not is_baseline(trial))
    shown = filtered(everything, sweeps)
    trials.table(shown, everything, sweeps)
    names = dict(zip((trial.id for trial in chosen), comparison.labels(chosen), strict=True))
    if chosen:
        one_trial(chosen, everything)
    if len(chosen) > 1:
        differences(chosen, names)
    cost_chart.draw(shown, everything, [trial for trial in chosen if trial.metrics], names, lambda trial: look(names, trial))


def filtered(everything: list[Trial], sweeps: dict[str, str]) -> list[Trial]:
    """The trials that the filters leave; a filter with one choice is not offered."""
    tags = sorted({tag for trial in everything for tag in trial.tags})
    offered = {
        "dataset": ("Corpus", "of_corpus", {name: name for name in sorted({t.dataset for t in everything})}, 2),
        "status": ("Status", "status", {name: name for name in sorted({t.status for t in everything})}, 1.5),
        "tag": ("Tag", "tag", {"": ""} | {tag: tag for tag in tags} if tags else {}, 1.5),
        "sweep": ("Sweep", "sweep", {"": ""} | sweeps if sweeps else {}, 3),
    }
    offered = {name: one for name, one in offered.items() if len(one[2]) > 1 or one[1] in st.query_params}
    search, *columns = st.columns([3, *(width for *_, width in offered.values())])
    text = search.text_input("Search", key="words", bind="query-params", placeholder="name, recipe, note, corpus, id")
    wanted = {
        name: column.selectbox(
            title,
            ["", *(key for key in options if key)],
            key=key,
            bind="query-params",
            format_func=({"": "All"} | {key: word for key, word in options.items() if key}).get,
        )
        for column, (name, (title, key, options, _)) in zip(columns, offered.items(), strict=True)
    }
    found = comparison.matching(everything, text=text, **wanted)
    last = trials.last_repeats(found)
    if len(last) == len(found):
        return found
    title = f"Show every repeat ({len(found) - len(last):,} more of equal recipes)"
    return found if st.toggle(title, key="repeats", bind="query-params") else last


def one_trial(chosen: list[Trial], everything: list[Trial]) -> None:
    """What can be done with one of the chosen trials, what it is called, and what it was."""
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
        st.button(
            "Pin as baseline",
            icon=":material/keep:",
            key="pin_trial",
            disabled=config is None,
            on_click=session.pin,
            args=(config,),
        )
        with st.popover("Name, tags, note", icon=":material/label:", key="described", width="content"):
            trials.describe(trial, everything)
        with st.popover("Reproduce", icon=":material/terminal:", disabled=config is None):
            st.code(session.workbench().command(config) if config else "", language="bash", wrap_lines=True)
            st.json(trial.config, expanded=1)
        st.button("Untick all", key="untick", type="tertiary", on_click=trials.untick)
    if problem:
        cards.problem(problem)
    if len(chosen) == 1:
        measured = f"{trial.n:,} of {trial.total:,} questions" if trial.metrics else f"nothing, {trial.status}"
        repeat = comparison.repeats(everything).get(trial.id)
        cards.facts(
            [
                ("Name", trial.title),
                ("Tags", ", ".join(trial.tags)),
                ("Note", trial.note),
                ("Trial", trial.id),
                ("Corpus", trial.stages.get("corpus", "")),
                ("Recipe", trial.recipe),
                ("Measured", measured),
                *(
                    (COSTS[name][0], spread_words(trial.costs[name], COSTS[name][1]))
                    for name in ("context_at_k", "latency_ms")
                    if name in trial.costs
                ),
                ("Repeat", f"{repeat[0]} of {repeat[1]} with this recipe on these questions" if repeat else ""),
                ("Reason", trial.reason),
            ]
        )
        st.caption("Tick another row to compare the two.")


def spread_words(cost: Spread, unit: str) -> str:
    """A cost with its spread: "8.2 ms (6.2 to 14.6 over 30 questions)"."""
    digits = 1 if cost.value < 100 else 0
    spread = "" if cost.low is None else f" ({cost.low:,.{digits}f} to {cost.high:,.{digits}f} over {cost.n:,} questions)"
    return f"{cost.value:,.{digits}f} {unit}{spread}"


def differences(chosen: list[Trial], names: dict[str, str]) -> None:
    st.subheader("Differences", anchor=False)
    measured, result = [trial for trial in chosen if trial.metrics], None
    for trial in chosen:
        if trial not in measured:
            why = f"{trial.status.capitalize()}: {trial.reason}"
            st.caption(cards.plain(f"Not compared: {names[trial.id]} has no results. {why}"))
    if len(measured) > 1:
        left, right = st.columns(2)
        pinned = [trial for trial in measured if is_baseline(trial)]
        if pinned:
            reference = choice_of(pinned, "Reference, the pinned baseline", "reference_pinned", left)
        else:
            reference = choice_of(measured, "Reference", "reference", left)
        metrics = metric_names()
        metric = right.selectbox(
            "Metric",
            metrics,
            metrics.index(MAIN),
            format_func=lambda name: comparison.label(name, reference.k),
            key="metric",
            bind="query-params",
        )
        others = [trial for trial in measured if trial is not reference]
        result = comparison.compare(session.workbench(), reference, others, metric)
    views, state = ["Tests", "Settings that differ", "By question"], st.session_state
    if "compare_view" not in state and "compare_view" not in st.query_params and "compared_view" in state:
        state.compare_view = state.compared_view  # the page was left: its widgets are forgotten
    tested, settings, questions = st.tabs(views, key="compare_view", on_change="rerun", bind="query-params")
    state.compared_view = state.compare_view
    if tested.open and result:
        with tested:
            tests(result, names)
    if settings.open:
        with settings:
            rows = [
                {"Setting": comparison.setting_name(name), **dict(zip(names.values(), values, strict=True))}
                for name, values in comparison.differing(chosen).items()
            ]
            if rows:
                looks = {"Setting": TEXT(pinned=True)}
                cells.show(rows, hide_index=True, key="settings", height="content", column_config=looks)
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
    if drawn := [row for row in result.rows if row.paired and row.paired.low is not None]:
        shape = dots.marks(
            [
                dots.Mark(names[row.trial.id], row.paired.difference, row.paired.low, row.paired.high, **look(names, row.trial))
                for row in drawn
            ],
            f"Difference in {head}",
            lines=[(0.0, "")],
        )
        of = result.reference
        charts.show(
            shape,
            "differences",
            data=rows,
            title=f"{head} minus that of {cut(names[of.id], 60)}",
            caption=f"n {min(row.paired.n for row in drawn):,}, {level} intervals, paired by question",
            method=f"Corpus: {of.stages.get('corpus', of.dataset)}. Intervals: percentile bootstrap of the mean difference over "
            f"the questions that both measured ({of.settings['evaluation.resamples']:,} resamples)",
        )
    wide = 120 if all(len(row["Verdict"]) < 18 for row in rows) else 228  # with its cost in context
    mean, signed = NUMBER(format="%.3f", width=80), NUMBER(format="%+.3f", width=68)
    p_value = NUMBER(format="%.4f", width=66, help="Two-sided sign-flip permutation test, paired by question.")
    looks = {
        "Trial": TEXT(width=200),
        "Verdict": TEXT(width=wide),
        head: mean,
        "Reference": mean,
        "Difference": NUMBER(format="%+.3f", width=82),
        "Low": signed,
        "High": signed,
        "p": p_value,
        "p (Holm)": p_value,
        "Effect": NUMBER(format="%+.2f", width=60, help="Mean difference over the standard deviation of the differences (dz)."),
        **dict.fromkeys(("Won", "Lost", "Tied", "n"), NUMBER(format="localized", width=48)),
    }
    table = [dict(zip(looks, row.values(), strict=True)) for row in rows]
    cells.show(table, hide_index=True, key="tests", placeholder="", column_config=looks)
    tables.export(table, "tests")
    st.caption(
        f"Means over the questions that both measured. Low and High: {level} interval of each difference alone. p (Holm) and the "
        f"verdict are corrected for {cards.count(result.tested, 'comparison')}. On these questions {result.tried:,} different "
        "recipes are stored as trials; values looked at in curves are not counted. The best of many looks better than it is, so "
        "confirm a choice on questions not used to make it."
    )


def by_question(result: Comparison) -> None:
    others = [row.trial for row in result.rows if row.paired]
    if not others:
        return st.caption("No question was measured by both.")
    other = choice_of(others, "Against the reference", "against")
    table = comparison.by_question(session.workbench(), result.reference, other, result.metric)
    number, change = NUMBER(format="%.3f", width=90), NUMBER(format="%+.3f", width=90)
    looks = {"Question": TEXT(width="large"), "Reference": number, "Value": number, "Change": change}
    wanted = (
        st.segmented_control(
            "Show", list(OUTCOMES), default="All", key="outcome", bind="query-params", required=True, label_visibility="collapsed"
        )
        or "All"
    )
    better = comparison.direction(result.metric)
    rows = [row for row in zip(*table.values(), strict=True) if OUTCOMES[wanted](row[-1] * better)]
    table = {head: [row[place] for row in rows] for place, head in enumerate(looks)}
    cells.show(table, hide_index=True, height=300, key="compared_questions", column_config=looks)
    tables.export([dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)], "compared_questions")
    st.caption(f"{comparison.label(result.metric, result.k)} of {len(table['Question']):,} questions, largest change first.")


def is_baseline(trial: Trial) -> bool:
    """Whether it is a trial of the pinned recipe, whatever questions it was asked."""
    pinned = session.baseline()
    if pinned is None:
        return False
    mine = {stage: value for stage, value in trial.config.items() if stage not in session.VIEW_STAGES}
    return mine == pinned.model_dump(mode="json", exclude=set(session.VIEW_STAGES))


def look(names: dict[str, str], trial: Trial) -> dict[str, str]:
    """Colour and marker of a chosen trial in every chart; the first, the reference unless another is chosen, is grey."""
    place, others = list(names).index(trial.id) - 1, charts.COLORS[1:]  # blue is for those that are not chosen
    if place < 0:
        return {"color": charts.BASELINE, "symbol": "circle"}
    return {"color": others[place % len(others)], "symbol": charts.SYMBOLS[place // len(others)]}


def choice_of(found: list[Trial], title: str, key: str, place=st, **options) -> Trial:
    """One of these trials. It stands in the address by its id: a name may change."""
    by_id, state, held = {trial.id: trial for trial in found}, st.session_state, f"{key}_id"
    names = {trial.id: f"{trial.title} ({trial.short})" for trial in found}
    asked = st.query_params.get(key, "")
    if asked and asked != state.get(f"{key}_written"):  # a shared address; older ones hold the name with the id's end
        state[held] = next((id for id in by_id if id == asked or f"({id[-6:]})" in asked), "")
    if state.get(held) not in by_id:
        state[held] = next(iter(by_id))
    # the browser knows an option by its words alone: where they change it is another box, with the same trial in it
    box = f"{key}/{crc32(chr(10).join(names.values()).encode()):x}"
    if state.get(box, state[held]) != state[held]:
        state[box] = state[held]
    place.selectbox(
        title,
        list(by_id),
        list(by_id).index(state[held]),
        format_func=names.get,
        key=box,
        on_change=lambda: state.update({held: state[box]}),
        **options,
    )
    state[f"{key}_written"] = st.query_params[key] = state[held]
    return by_id[state[held]]


page()
