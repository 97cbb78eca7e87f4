"""Search, live: the recipe on the left, what it does to retrieval on the right, at once."""

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, charts, evidence, forms, jobs, setting_chart, tables
from app.ui.held import kept
from core.config import TrialConfig
from core.labs.trials import comparison
from core.labs.trials import curve as setting_curve
from core.labs.trials.comparison import label
from core.report.caption import interval_method
from core.workbench import METRICS, Evaluation

SHOWN = METRICS[:4]
TRIALS = "../pages/compare_trials.py"  # relative to app/main.py
COLUMNS = {
    "question": "Question",
    "value": "Value",
    "change": "Change",
    "rank": "Rank",
    "baseline_rank": "Was",
    "outcome": "Outcome",
    "group": "Group",
}
FILTERS = (
    "Changed: the ranking is another one, also where the metric is equal. Won, lost: the metric rose or fell. "
    "Missed: no relevant chunk among the first k."
)
FEW = 20  # questions: below, an interval says little


def page() -> None:
    cards.page_title("Search, live", "What does each retrieval setting do to ranking quality, and is the difference real?")
    workbench, config = session.workbench(), session.config()
    left, right = st.columns([1, 2], gap="medium")
    plan = workbench.plan(config)
    with left:
        dense = "dense" in config.fusion.needs()
        mark = f"re-embeds{cards.about(workbench.embedding_time(config))}" if plan.live and dense else ""
        forms.recipe_form(open_stage="fusion", costs={"chunking": mark, "embedding": mark})
    with right:
        if not plan.live:
            return waiting(config, plan)
        current = jobs.drain(workbench.evaluating(config))
        if not any(query.gold for query in current.corpus.queries):
            return without_questions(config)
        baseline = measured_baseline(config)
        row = results(current, baseline)
    if row is not None:
        with tables.opened():
            side_by_side(current, baseline, row)


def measured_baseline(config: TrialConfig) -> Evaluation | None:
    """The pinned recipe on the same questions; None where there is none, or nothing to compare."""
    workbench, pinned = session.workbench(), session.baseline()
    if pinned is None or pinned == config:
        return None
    plan = workbench.plan(pinned)
    if not plan.live:
        st.caption(f"No differences are shown: the baseline still needs {plan.what} on this corpus.")
        return None
    return jobs.drain(workbench.evaluating(pinned))


def waiting(config: TrialConfig, plan) -> None:
    """The recipe needs more than a moment: a job does it, which outlives this page."""
    cards.empty(
        "Metrics of this recipe", f"Still to do: {plan.what}{cards.about(plan.seconds)}. Everything after that answers at once."
    )
    jobs.start_button(
        "Prepare",
        ["prepare", *session.workbench().arguments(config)],
        f"Preparing {config.corpus.dataset}",
        icon=":material/bolt:",
    )


def without_questions(config: TrialConfig) -> None:
    """Own documents without a questions file: searching still works."""
    st.info(
        "This corpus has no questions with gold evidence, so there is nothing to measure. Add a questions file on the page Corpus, "
        "or try a question here.",
        icon=":material/info:",
    )
    if question := st.text_input("Question", key="typed", bind="query-params"):
        evidence.show([evidence.hit_html(hit, query=question) for hit in session.workbench().search(config, question)])


def results(current: Evaluation, baseline: Evaluation | None) -> int | None:
    """Everything measured; returns the row of the question chosen in the table."""
    config, k = current.config, current.config.evaluation.k
    strip(current)
    metric_cards(current, baseline)
    knob, depth, speed = st.tabs(["Trade-off of a setting", "By depth", "Latency"], key="chart", on_change="rerun")
    if knob.open:
        with knob:
            setting_chart.draw(config)
    if depth.open:
        with depth:
            recall_chart(current, baseline)
    if speed.open:
        with speed:
            latency_chart(config)
    return question_table(current, baseline, k)


def strip(current: Evaluation) -> None:
    workbench, config, trace = session.workbench(), current.config, current.trace
    kept = sum(trace.cached.values())
    measured, asked = sum(bool(query.gold) for query in current.corpus.queries), len(current.corpus.queries)
    without = f"; {asked - measured:,} without evidence are not measured" if measured < asked else ""
    cards.status_strip(
        [
            f"{config.corpus.dataset}, {cards.count(len(current.corpus.documents), 'document')}",
            f"{measured:,} questions ({config.corpus.questions}){without}",
            config.embedding.device(),
            f"{cards.duration(current.elapsed_ms / 1000)}, {kept} of {len(trace.cached)} stages cached",
        ]
    )
    with st.container(horizontal=True, gap="small"):
        if st.button(
            "Save as trial",
            icon=":material/save:",
            key="save",
            help="Keeps the rankings of every question, with 30 questions timed.",
        ):
            saved = jobs.drain(workbench.run(config), "Timing single questions")
            equal = workbench.repeats(saved)
            again = f" The same recipe as trial {equal[0][-6:]}: kept as repeat {len(equal) + 1}." if equal else ""
            st.toast(f"Trial {saved[-6:]} saved. It is on the page Trials.{again}", icon=":material/check:")
            st.session_state.saved_trial = (config, saved)
        recipe, saved = st.session_state.get("saved_trial", (None, ""))
        if recipe == config:  # there it is named, noted and tagged
            st.page_link(
                TRIALS, label=f"Saved as {saved[-6:]}: name it on Trials", icon=":material/check:", query_params={"trials": saved}
            )
        with st.popover("Reproduce", icon=":material/terminal:"):
            st.caption("The command that computes and stores this")
            st.code(workbench.command(config), language="bash", wrap_lines=True)
            st.caption("The recipe. The address of this page restores the view: copy it to share.")
            st.json(config.model_dump(mode="json"), expanded=1)


def metric_cards(current: Evaluation, baseline: Evaluation | None) -> None:
    k, found = current.config.evaluation.k, []
    both = [current, baseline] if baseline else [current]
    # with one piece of evidence a question, hit and recall are the same number
    same = all(np.array_equal(one.values["hit"], one.values["recall"], equal_nan=True) for one in both)
    names = [name for name in SHOWN if not (same and name == "hit")]
    differences = session.workbench().differences(current, baseline, names) if baseline else {}
    tokens, before = (setting_curve.context_at_k(session.workbench(), one) if baseline else 0 for one in (current, baseline))
    times = comparison.times_context(tokens, before)
    caution = f"{times}: compare at equal context" if times else ""
    for name in names:
        one, delta = current.intervals[name], None
        if d := differences.get(name):
            delta = cards.Delta(d.difference, d.low, d.high, d.p, caution) if d.low is not None else None
        interval = None if one.low is None else (one.low, one.high)
        note = one.note or ("few questions: an uncertain interval" if one.n < FEW else "")
        help = (
            f"{label('hit', k)} is the same: no question has more than one piece of evidence."
            if same and name == "recall"
            else ""
        )
        found.append(cards.Card(label(name, k), one.mean, interval, delta, one.n, one.total, note=note, help=help))
    if baseline and (caution or baseline.config.chunking != current.config.chunking):
        found.append(
            cards.Card(
                f"First {k} chunks",
                tokens,
                unit="tokens",
                digits=0,
                direction=0,
                note=f"baseline {before:,.0f}",
                help=f"Context of the first {k} chunks: their tokens, mean of a question.",
            )
        )
    cards.row(found)
    cards.in_sight(found)
    if k > current.config.retrieval.top_k:
        st.caption(f"Judged at depth {k}, but the ranking is cut at {current.config.retrieval.top_k}: raise top k in Retrieval.")


def recall_chart(current: Evaluation, baseline: Evaluation | None) -> None:
    k, rows, traces = current.config.evaluation.k, [], []
    both = [baseline, current] if baseline else [current]
    named = [comparison.made_name(one.config.model_dump(mode="json")) for one in both] if baseline else [""]
    if baseline:
        named[0] += " (baseline)"
    for name, one in zip(named, both, strict=True):
        color = charts.BASELINE if one is baseline else charts.COLORS[0]
        curve = session.workbench().recall_curve(one)
        depths = list(range(1, len(curve) + 1))
        traces += charts.line(
            depths,
            [c.mean for c in curve],
            name=name,
            low=[c.low for c in curve],
            high=[c.high for c in curve],
            current=k if one is current else None,
            color=color,
        )
        rows += [
            {"system": name, "k": d, "recall": c.mean, "low": c.low, "high": c.high} for d, c in zip(depths, curve, strict=True)
        ]
    shape = charts.figure(traces, "k (chunks)", "Recall@k")
    charts.show(
        shape,
        "recall-by-depth",
        data=rows,
        config=current.config,
        command=session.workbench().command(current.config),
        title="Recall by depth",
        caption=f"n {curve[0].n:,}, {current.config.evaluation.confidence:.0%} intervals",
        method=interval_method(current.config),
    )


def latency_chart(config: TrialConfig) -> None:
    workbench = session.workbench()
    about = config.model_dump_json(exclude={"evaluation", "context", "generation"})
    table = kept(
        "latency",
        about,
        "Time 30 questions",
        True,
        lambda: workbench.latency(config),
        show_old=True,
        why="Milliseconds of a single question by step, one at a time on this machine, with the models loaded.",
    )
    if table is None:
        return
    steps, quantiles = list(table), workbench.latency_quantiles(table)
    shares = {"Median": "p50", "95th percentile": "p95"}  # of one system, so in one colour
    bars = charts.bars(
        steps,
        {name: [quantiles[step][p] for step in steps] for name, p in shares.items()},
        colors=dict(zip(shares, (charts.COLORS[0], charts.faint(charts.COLORS[0], 0.4)), strict=True)),
    )
    charts.show(
        charts.figure(bars, "", "milliseconds"),
        "latency",
        title="Latency of a question",
        caption=f"n {len(table['total'])}",
        data=[{"step": step, **quantiles[step]} for step in steps],
        config=config,
    )


def question_table(current: Evaluation, baseline: Evaluation | None, k: int) -> int | None:
    st.subheader("By question", anchor=False)
    filters = ["all", "changed", "won", "lost", "missed"] if baseline else ["all", "missed"]
    with st.container(horizontal=True, vertical_alignment="bottom"):  # wraps where the window is narrow
        wanted = (
            st.segmented_control(
                "Show",
                filters,
                default="all",
                key="show",
                bind="query-params",
                width="content",
                format_func=str.capitalize,
                required=True,
                help=FILTERS if baseline else None,
            )
            or "all"
        )
        metric = st.selectbox(
            "Metric", METRICS, 3, key="metric", bind="query-params", width=150, format_func=lambda name: label(name, k)
        )
        text = st.text_input("Search the questions", key="find", placeholder="words of a question", width=180)
    table = session.workbench().by_question(current, baseline, metric)
    picked = {"all": lambda row: True, "changed": lambda row: table["changed"][row], "missed": lambda row: table["missed"][row]}
    fits = picked.get(wanted) or (lambda row: table["outcome"][row] == wanted)
    kept = [row for row, question in enumerate(table["question"]) if fits(row) and text.lower() in question.lower()]
    st.caption(f"{len(kept):,} of {len(table['id']):,} questions. Click one to see what was retrieved for it.")
    shown = {title: [table[name][row] for row in kept] for name, title in COLUMNS.items() if any(table.get(name, ()))}
    number = st.column_config.NumberColumn(format="%.3f", width=70)
    whole = st.column_config.NumberColumn(
        format="%d", width=60, help="Rank of the first relevant chunk; empty: not in the ranking."
    )
    text_column = st.column_config.TextColumn
    looks = {
        "Value": number,
        "Change": number,
        "Rank": whole,
        "Was": whole,
        "Outcome": text_column(width=72),
        "Group": text_column(width=72),
        "Question": text_column(width=300 if baseline else 410),
    }
    row = tables.choose(shown, [table["id"][row] for row in kept], "questions_table", looks)
    return None if row is None else kept[row]


def side_by_side(current: Evaluation, baseline: Evaluation | None, row: int) -> None:
    query = current.corpus.queries[row]
    cards.question_title(query.text)
    answers = ", ".join(dict.fromkeys(query.answers)) or "none in this corpus"
    st.text(f"Gold answer: {' '.join(answers.split())}")
    systems = [("Baseline", baseline)] if baseline else []
    for column, (name, one) in zip(st.columns(len(systems) + 1), [*systems, ("This recipe", current)], strict=True):
        with column:
            st.markdown(f"**{name}**")
            hits = session.workbench().hits(one, row)[: current.config.evaluation.k]
            evidence.show([evidence.hit_html(hit, gold=query.gold, query=query.text) for hit in hits])


page()
