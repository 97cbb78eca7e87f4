"""Index: what each setting of an index trades, and whether the ranking notices."""

import shlex
import time
from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, charts, evidence, forms, index_charts, index_tabs, jobs, tables
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.index import glance, grids, measuring, points, questions
from core.labs.index.cost import ANSWER_METRICS
from core.labs.index.glance import Glance
from core.labs.index.points import AXES, IndexPoint
from core.labs.trials.comparison import label
from core.models.hardware import machine
from core.records import Corpus
from core.workbench import LIVE_INDEXED

PRESETS = {"Exact": "exact", "HNSW": "faiss_hnsw", "IVF": "faiss_ivf", "IVF-PQ": "faiss_ivf_pq"}
AXES_SHOWN = ("single_qps", "p95_us", "batch_qps", "memory_per_vector", "disk_per_vector", "build_s")
NOTICED = 0.005  # recall: a difference worth a sentence
FILTERS = (
    "Lost: neighbours of exact search are missing. Better, worse: the metric rose or fell. The rest is as with exact search."
)
COLUMNS = {"question": "Question", "recall": "Found", "change": "Change", "outcome": "Ranking", "group": "Group"}
POINT_COLUMNS = {
    "setting": "Setting",
    "recall": "Recall",
    "single_qps": "Questions/s",
    "p95_us": "p95",
    "build_s": "Build",
    "memory_per_vector": "Memory",
    "when": "Measured",
}
MISSED = "border-left:3px solid #D55E00;padding-left:.55rem;border-radius:.2rem"


def page() -> None:
    cards.page_title("Index", "How much recall, speed and memory does each index setting trade, and does the ranking notice?")
    workbench, config = session.workbench(), session.config()
    left, right = st.columns([1, 2], gap="medium")
    plan = workbench.plan(glance.to_prepare(config))
    with left:
        said = recipe(config, plan.live)
    with right:
        if not plan.live:
            return waiting(config, plan.what, plan.seconds)
        corpus = workbench.corpus(config)
        if not corpus.queries:
            return st.info(
                "This corpus has no questions to search with. Add a questions file on the page Corpus.", icon=":material/info:"
            )
        index = workbench.index_plan(config)
        if not index.live:
            return waiting(config, index.what, index.seconds)
        row = results(config, corpus, said)
    if row is not None:
        with tables.opened():
            side_by_side(config, corpus, row)


def waiting(config: TrialConfig, what: str, seconds: Any) -> None:
    """More than a moment: a job does it, which outlives this page."""
    workbench, about = session.workbench(), cards.about(seconds)
    cards.empty("Recall, speed and memory of this index", f"Still to do: {what}{about}. Everything after that answers at once.")
    jobs.start_button(
        "Prepare",
        ["prepare", *workbench.arguments(glance.to_prepare(config))],
        f"Preparing {config.corpus.dataset}",
        icon=":material/bolt:",
    )


# The recipe ----------------------------------------------------------------------------------------------------------


def recipe(config: TrialConfig, live: bool) -> Any:
    """Presets, query settings (at once), build settings (with what a rebuild takes), the other stages collapsed. Returns the
    place under the form for what is wrong with it."""
    workbench, part = session.workbench(), config.index
    forms.show_value("index/preset", {name: title for title, name in PRESETS.items()}.get(part.part))
    st.segmented_control(
        "Preset",
        list(PRESETS),
        default=st.session_state["index/preset"],
        key="index/preset",
        label_visibility="collapsed",
        on_change=choose,
    )
    for name in part.query_settings:
        query_slider(part, name)
    said = st.container()
    seconds = chunks = None
    if live:
        corpus = workbench.corpus(config)
        seconds = workbench.pipeline.build_seconds(config, corpus)
        chunks = len(jobs.drain(workbench.cut_chunks(config, corpus)))
    build = tuple(knob.name for knob in forms.knobs(type(part)) if knob.name not in part.query_settings)
    took = "" if part.part == "exact" else f"rebuilds, {cards.duration(seconds)}" if seconds else "rebuilds"
    forms.stage_form(
        "index", apply=(chunks or 0) > LIVE_INDEXED, baseline=session.baseline(), cost=took, expanded=True, only=build
    )
    forms.recipe_form(("embedding", "transform", "retrieval", "fusion", "evaluation"), show_presets=False)
    return said


def choose() -> None:
    if title := st.session_state["index/preset"]:
        session.change({"index.part": PRESETS[title]})


def query_slider(part: Any, name: str) -> None:
    """A query setting in steps of about a half; moving it searches again and builds nothing."""
    knob = next(knob for knob in forms.knobs(type(part)) if knob.name == name)
    key, now = f"query/{part.part}.{name}", getattr(part, name)
    steps = {m * 2**e for e in range(13) for m in (2, 3)} | {1, knob.low, now}
    forms.show_value(key, now)
    st.select_slider(
        f"{knob.label} ({knob.unit})" if knob.unit else knob.label,
        sorted(s for s in steps if knob.low <= s <= knob.high),
        now,
        key=key,
        help=f"{knob.help} Acts at once: nothing is built.",
        on_change=slide,
        args=(name, key),
    )


def slide(name: str, key: str) -> None:
    session.change({f"index.{name}": st.session_state[key]})


# What was measured ---------------------------------------------------------------------------------------------------


def results(config: TrialConfig, corpus: Corpus, said: Any) -> int | None:
    """Everything measured; returns the row of the question chosen in the table."""
    margin, started = float(st.session_state.get("margin", 1.0)), time.perf_counter()
    try:
        seen = {"ndcg_linear", st.session_state.get("index_metric", "ndcg_linear")}
        here = jobs.drain(glance.glance(session.workbench(), config, margin, sorted(seen)))
    except (WorkbenchError, RuntimeError, ValueError) as error:  # engines raise the latter two
        return impossible(error, said)
    strip(here, corpus, time.perf_counter() - started)
    if config.index.part == "exact":
        exact_note()
    metric_cards(here)
    if config.index.part != "exact":
        verdict(here)
    titles = {
        "Frontier": frontier,
        "Cost to the ranking": index_tabs.ranking_cost,
        "Inside": index_tabs.inside,
        "Filters": index_tabs.filters,
        "Exact fallback": index_tabs.fallback,
        "Life": index_tabs.life,
    }
    for tab, draw in zip(st.tabs(list(titles), key="view", on_change="rerun"), titles.values(), strict=True):
        if tab.open:
            with tab:
                draw(here, corpus)
    return question_table(here, corpus)


def impossible(error: Exception, said: Any) -> None:
    """A setting that cannot be built or searched: told at the form, which keeps it so that it can be changed."""
    with said:
        known = isinstance(error, WorkbenchError)
        cards.problem(error if known else WorkbenchError(f"The engine refused this setting: {error}"))
    cards.empty("Nothing to measure with this setting", "Why is said at the form. Change it there, or choose a preset.")


def strip(here: Glance, corpus: Corpus, seconds: float) -> None:
    workbench, point, config = session.workbench(), here.point, here.cost.config
    part = f"{point.num_queries:,} of " if point.num_queries < len(corpus.queries) else ""
    asked = part + cards.count(len(corpus.queries), "question")
    cards.status_strip(
        [
            config.corpus.dataset,
            f"{cards.count(point.n, 'vector')} × {point.dim} dimensions",
            f"{asked} ({config.corpus.questions})",
            machine(),
            f"{cards.duration(seconds)}, {'measured before' if here.cached else 'measured now'}",
        ]
    )
    with st.container(horizontal=True, gap="small"):
        if st.button(
            "Measure and keep",
            icon=":material/save:",
            key="keep",
            help="Times 1,000 single questions and three batches, and stores the point.",
        ):
            jobs.drain(measuring.measure_point(workbench, config), "Measuring")
            st.toast("The point is kept: see Frontier.", icon=":material/check:")
        with st.popover("Reproduce", icon=":material/terminal:"):
            st.caption("The command that compares this setting with exact search")
            command = f"{workbench.command(config, 'index-cost')} --margin {here.cost.margin_points:g}"
            st.code(command, language="bash", wrap_lines=True)
            st.caption("The recipe. The address of this page restores the view: copy it to share.")
            st.json(config.model_dump(mode="json"), expanded=1)


def exact_note() -> None:
    st.info(
        "Exact search compares every question with every vector: nothing is lost, and every other index is held against "
        "it. Choose an approximate index to see what it trades.",
        icon=":material/info:",
    )
    st.button(
        "Try HNSW", icon=":material/account_tree:", key="try", on_click=session.change, args=({"index.part": "faiss_hnsw"},)
    )


def metric_cards(here: Glance) -> None:
    point, recall, effect = here.point, here.recall, here.cost.fused.effects["ndcg_linear"]
    test, slow = effect.equivalence, point.p95_us or 0
    interval = None if recall.low is None else (recall.low, recall.high)
    disk = f"{point.disk_per_vector:,.0f} on disk" if point.disk_per_vector else "nothing on disk"
    built = "not timed on this machine" if point.build_s is None else "on this machine"
    built = "nothing to build" if point.part == "exact" else built
    changed = None if test.low is None else (test.low * 100, test.high * 100)
    shown = [
        cards.Card(
            f"Recall@{point.k}",
            recall.mean,
            interval,
            n=recall.n,
            of=recall.total,
            help=f"Share of exact search's first {point.k} chunks that the index finds, mean over questions.",
        ),
        cards.Card("Questions a second", point.single_qps, digits=0, note=_batch(point), help="One at a time, on one thread."),
        cards.Card(
            "p95 latency",
            slow / 1000 if slow >= 1000 else point.p95_us,
            unit="ms" if slow >= 1000 else "µs",
            digits=1 if slow >= 1000 else 0,
            direction=-1,
            note=f"median {_took(point.p50_us)}" if point.p50_us else "",
        ),
        cards.Card(
            "Memory of a vector",
            point.memory_per_vector,
            digits=0,
            unit="bytes",
            direction=-1,
            note=disk,
            help="All of the index divided by its vectors: links, lists and codebooks too.",
        ),
        cards.Card(
            "Build time",
            0.0 if point.part == "exact" else point.build_s,
            digits=1 if (point.build_s or 0) >= 1 else 2,
            unit="s",
            direction=-1,
            note=built,
        ),
        cards.Card(
            f"{effect.label} change",
            None if test.difference is None else test.difference * 100,
            changed,
            n=test.n,
            of=test.total,
            digits=2,
            unit="points",
            note=test.note if test.difference is None else "against exact, 90% interval",
            help="Mean change by question through the recipe's own fusion, in hundredths.",
        ),
    ]
    # three in a row, two where it is narrow
    wide = "grid-template-columns:repeat(auto-fit,minmax(max(9.5rem,30%),1fr))"
    st.html(f'<div class="gw gw-cards" style="{wide}">{"".join(map(cards.card_html, shown))}</div>')
    cards.in_sight(shown)


def _took(us: float) -> str:
    return f"{us / 1000:,.1f} ms" if us >= 1000 else f"{us:,.0f} µs"


def _batch(point: IndexPoint) -> str:
    return f"{point.batch_qps:,.0f} in batches" if point.batch_qps else ""


def verdict(here: Glance) -> None:
    """The test of equivalence in one sentence, with the margin that the researcher sets."""
    words, margin = st.columns([3, 1], vertical_alignment="center")
    margin.number_input(
        "Margin (points)",
        0.1,
        20.0,
        1.0,
        0.1,
        key="margin",
        format="%.1f",
        help="A smaller difference does not matter to you. Fewer points need more questions to show equality.",
    )
    effect, moved = here.cost.fused.effects["ndcg_linear"], here.cost.fused.moved
    with words:
        st.markdown(f"**{cards.plain(index_tabs.told(effect, here.cost.config))}.**")
        notes = [f"{cards.count(moved, 'question')} of {here.cost.questions:,} got another ranking."]
        asked, answered = here.recall.mean or 0, here.cost.recall.mean or 0
        if abs(asked - answered) > NOTICED:
            notes.append(
                f"Asked for the recipe's {here.cost.config.retrieval.candidates} candidates instead of {here.point.k}, the "
                f"index finds {answered:.1%} of the first {here.point.k} instead of {asked:.1%}."
            )
        st.caption(" ".join(notes))


# Frontier ------------------------------------------------------------------------------------------------------------


def frontier(here: Glance, corpus: Corpus) -> None:
    workbench, config = session.workbench(), here.cost.config
    found = points.latest(jobs.drain(points.stored(workbench, config)))
    good = [point for point in found if point.status == "ok"]
    st.session_state.shown_points = {point.id: point for point in good}
    axis = st.selectbox("Recall against", AXES_SHOWN, key="axis", format_func=lambda name: AXES[name][0], width=320)
    others = sum(not point.here for point in good)
    caption = f"{cards.count(len(good), 'kept point')}; click one to load it" if good else "nothing kept yet: start a sweep"
    caption += f"; open diamonds: {others:,} of another machine or code" if others else ""
    charts.show(
        index_charts.points(good, axis, here.point),
        "frontier",
        data=points.rows(found),
        config=config,
        command=workbench.command(config, "index-points"),
        title=f"Recall and {AXES[axis][0].lower()}",
        caption=caption,
        on_select=load_clicked,
    )
    sweep_form(here)
    if good:
        point_table(good)
    if failed := [point for point in found if point.status != "ok"]:
        with st.expander(f"{cards.count(len(failed), 'setting')} failed"):
            index_tabs.table([{"Setting": index_tabs.named(p.label, p.part), "Why": p.reason} for p in failed])


def load_clicked() -> None:
    chosen = st.session_state["chart/frontier"]["selection"]["points"]
    ids = [point["customdata"] for point in chosen if point.get("customdata")]
    if ids:
        load(ids[0][0] if isinstance(ids[0], list) else ids[0])


def load(id: str) -> None:
    """Makes a kept point's index the recipe's."""
    if point := st.session_state.shown_points.get(id):
        try:
            session.change({"index": point.config["index"], "transform": point.config["transform"]})
        except WorkbenchError as error:  # of a part that has changed since
            st.session_state["notes"] = [error.what]


def point_table(good: Sequence[IndexPoint]) -> None:
    ordered = sorted(good, key=lambda point: (point.built, point.recall or 0))
    st.session_state.listed_points = [point.id for point in ordered]
    rows = [
        {
            "setting": index_tabs.named(p.label, p.part),
            **{name: getattr(p, name) for name in POINT_COLUMNS if name in AXES},
            "when": "here" if p.here else "elsewhere",
        }
        for p in ordered
    ]
    number, away = st.column_config.NumberColumn, not all(p.here for p in ordered)
    wide = min(300, 30 + 7 * max(len(row["setting"]) for row in rows))
    looks = {
        "Recall": number(format="%.4f", width=62),
        "Questions/s": number(format="localized", width=92),
        "Setting": st.column_config.TextColumn(width=wide),
        "p95": number(format="%.0f µs", width=70),
        "Build": number(format="%.2f s", width=64),
        "Memory": number(format="%.0f B", width=68, help="Bytes of a vector."),
        "Measured": st.column_config.TextColumn(width=96, help="elsewhere: on another machine or by other code"),
    }
    cells.show(
        [
            {
                title: row[name] if name != "single_qps" or row[name] is None else round(row[name])
                for name, title in POINT_COLUMNS.items()
                if name != "when" or away
            }
            for row in rows
        ],
        hide_index=True,
        height=250 if len(rows) > 6 else "content",
        column_config=looks,
        key="points_table",
        on_select=load_row,
        selection_mode="single-cell",
        placeholder="–",
    )


def load_row() -> None:
    chosen, listed = st.session_state["points_table"]["selection"]["cells"], st.session_state.listed_points
    if chosen and chosen[0][0] < len(listed):
        load(listed[chosen[0][0]])


def sweep_form(here: Glance) -> None:
    """A grid of settings as a job; the command is shown before it starts."""
    workbench, config = session.workbench(), here.cost.config
    if config.index.part == "exact":
        return st.caption("Exact search has nothing to sweep. Choose another index on the left.")
    with st.expander("Sweep of settings", icon=":material/grid_on:", key="sweep"):
        grid = grids.default_grid(config.index, here.point.n, here.point.dim)
        columns, texts = st.columns(len(grid)), {}
        for column, (name, values) in zip(columns, grid.items(), strict=True):
            title = next((knob.label for knob in forms.knobs(type(config.index)) if knob.name == name), name)
            text = column.text_input(
                title, ",".join(map(str, values)), key=f"grid/{config.index.part}.{name}", help="Values with commas between them."
            )
            if text.strip():
                texts[f"index.{name}"] = text.replace(" ", "")
        if not texts:
            return st.caption("Give values for one setting or more.")
        try:
            configs = grids.grid_configs(config, grids.grid_of(texts))
        except WorkbenchError as error:
            return st.warning(cards.plain(error.what), icon=":material/error:")
        # what is swept is no part of the recipe: the job is found again while a slider moves
        usual = type(config.index).model_fields
        swept = config.index.model_copy(update={name: usual[name].default for name in grid})
        arguments = ["index-sweep", *workbench.arguments(config.model_copy(update={"index": swept}))]
        arguments += [word for path, text in texts.items() for word in ("--grid", f"{path}={text}")]
        st.caption(f"{cards.count(len(configs), 'setting')}. What is kept already is not measured again.")
        st.code(f"python -m core {shlex.join(arguments)}", language="bash", wrap_lines=True)
        jobs.start_button("Start the sweep", arguments, f"Sweeping {index_tabs.named(config.index.part, config.index.part)}")


# By question ---------------------------------------------------------------------------------------------------------


def question_table(here: Glance, corpus: Corpus) -> int | None:
    st.subheader("By question", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.segmented_control(
            "Show",
            ["all", "lost", "worse", "better"],
            default="all",
            key="index_show",
            width="content",
            format_func=str.capitalize,
            required=True,
            help=FILTERS,
        )
        metric = st.selectbox(
            "Metric", ANSWER_METRICS, 2, key="index_metric", width=150, format_func=lambda name: label(name, here.point.k)
        )
        text = st.text_input("Search the questions", key="index_find", placeholder="words of a question", width=180)
    table = questions.by_question(here.cost, corpus, metric, fused=True)
    fits = {"all": lambda row: True, "lost": lambda row: table["lost"][row]}.get(wanted) or (
        lambda row: table["outcome"][row] == wanted
    )
    rows = [row for row, question in enumerate(table["question"]) if fits(row) and text.lower() in question.lower()]
    st.caption(f"{len(rows):,} of {len(corpus.queries):,} questions. Click one to see both rankings.")
    shown = {title: [table[name][row] for row in rows] for name, title in COLUMNS.items() if any(table[name])}
    if "Change" in shown:  # in points, as the cards and the chart tell it
        shown["Change"] = [None if one is None else one * 100 for one in shown["Change"]]
    number = st.column_config.NumberColumn
    looks = {
        "Found": number(format="percent", width=66, help=f"Of exact search's first {here.point.k}."),
        "Change": number(format="%+.1f", width=70, help="Of the metric, against exact search, in points."),
        "Ranking": st.column_config.TextColumn(width=86),
        "Group": st.column_config.TextColumn(width=72),
        "Question": st.column_config.TextColumn(width=360),
    }
    row = tables.choose(shown, [corpus.queries[row].id for row in rows], "index_table", looks)
    return None if row is None else rows[row]


def side_by_side(config: TrialConfig, corpus: Corpus, row: int) -> None:
    """Both rankings by the vectors alone; what the index missed is marked in the exact one."""
    query, both = corpus.queries[row], jobs.drain(questions.side_by_side(session.workbench(), config, row))
    cards.question_title(query.text)
    names = "Exact search", index_charts.NAMES.get(config.index.part, config.index.part)
    for column, name, ranked, absent in zip(
        st.columns(2), names, both, ("missed by the index", "not among exact's"), strict=True
    ):
        with column:
            lost = sum(one.elsewhere is None for one in ranked)
            st.markdown(f"**{name}**" + (f" · {lost} {absent}" if lost else ""))
            evidence.show([passage(one, query, absent) for one in ranked])


def passage(one: questions.RankedHit, query: Any, absent: str) -> str:
    hit = one.hit
    place = absent if one.elsewhere is None else "" if one.elsewhere == hit.rank else f"rank {one.elsewhere} there"
    gold = evidence.gold_marks(hit.start, hit.end, query.gold, hit.document_id)
    html = evidence.passage_html(
        hit.text,
        title=hit.title or hit.document_id,
        facts=[f"rank {hit.rank}", f"score {hit.score:.3f}", place],
        gold=gold,
        query=query.text,
    )
    return f'<div style="{MISSED}">{html}</div>' if one.elsewhere is None else html


page()
