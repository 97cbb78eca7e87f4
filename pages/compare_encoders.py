"""Encoders: which one finds the evidence, what a transform makes of its vectors, and what those look like."""

import time
from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import cards, charts, evidence, forms, jobs, tables
from app.ui import encoder_tabs as tabs
from core.config import TransformConfig, TrialConfig
from core.evaluation.metric import MAIN, metric_names
from core.labs.encoders import comparison, trade_off, training
from core.labs.encoders.comparison import EncoderResult, Offer
from core.labs.trials.comparison import label

SHOWN = (MAIN, "recall", "mrr")
MOST = len(charts.COLORS)  # encoders at once: each has a colour of its own
SIMILARITIES = {"cosine": "Cosine", "dot": "Dot", "l2": "L2"}
PROJECTIONS = {"none": "None", "pca": "PCA", "whitening": "Whitening"}
FILTERS = (
    "Against the reference. Changed: another ranking, also where the metric is equal. Won, lost: it rose or fell. "
    "Missed: no relevant chunk in the ranking."
)
COLUMNS = {
    "question": "Question",
    "value": "Value",
    "change": "Change",
    "rank": "Rank",
    "baseline_rank": "Reference",
    "outcome": "Outcome",
    "group": "Group",
}


def page() -> None:
    cards.page_title(
        "Encoders", "Which encoder, and which treatment of its vectors, finds the evidence, and what do its vectors look like?"
    )
    config, picked = session.config(), None
    offers = comparison.offers(config)
    left, right = st.columns([1, 2], gap="medium")
    with left:
        chosen = controls(config, offers)
    with right:
        if not chosen:
            cards.empty("A table of encoders", "Choose at least one encoder on the left.")
            return
        own = comparison.own(offers, config)
        reference, metric = own if own in chosen else chosen[0], st.session_state["metric"]
        rows = results(config, chosen, reference, metric)
        row = closer_look(config, rows, reference, metric)
        base = next((one for one in rows if one.evaluation and one.offer == reference), None)
        if row:
            picked = by_question(row, None if base is row else base, metric)
    if picked is not None:
        with tables.opened():
            side_by_side(row, None if base is row else base, picked)


# Left: what is compared ----------------------------------------------------------------------------------------------


def controls(config: TrialConfig, offers: Sequence[Offer]) -> list[Offer]:
    known = {offer.id: offer for offer in offers}
    usual = dict.fromkeys([comparison.own(offers, config).id, "minilm-mean", "minilm-cls", "lsa"])
    chosen = st.pills(
        "Encoders side by side",
        list(known),
        selection_mode="multi",
        wrap=True,
        default=list(usual)[:3],
        key="encoders",
        bind="query-params",
        format_func=lambda id: cards.plain(known[id].name if id in known else id),
        help="The recipe's own encoder is the reference, or the first one. Each is measured alone: dense retrieval by "
        "exact search.",
    )
    if len(chosen) > MOST:
        st.caption(f"At most {MOST} at once: the first are shown.")
    st.selectbox(
        "Judged by",
        metric_names(),
        metric_names().index(MAIN),
        key="metric",
        bind="query-params",
        format_func=lambda name: label(name, config.evaluation.k),
    )
    choice(
        "Similarity",
        "index.metric",
        SIMILARITIES,
        config.index.metric,
        "How question and chunk are compared: cosine, dot product or distance. On vectors of length 1 all rank alike.",
    )
    choice(
        "Projection",
        "transform.projection",
        PROJECTIONS,
        config.transform.projection,
        "PCA keeps the directions of most variance; whitening also gives them equal weight. Both centre.",
    )
    dimension_slider(config)
    above = {"projection", "dimensions", *trade_off.idle(config.transform)}
    with st.container(gap="xsmall"):
        forms.stage_form(
            "transform",
            baseline=session.baseline(),
            expanded=True,
            only=tuple(name for name in TransformConfig.model_fields if name not in above),
        )
        forms.recipe_form(("embedding", "chunking", "evaluation"), show_presets=False)
    st.caption(
        "Chunk sizes are counted in each encoder's own tokens, so chunks may differ between encoders. Evidence is judged by "
        "characters, which keeps the numbers comparable."
    )
    return [offer for offer in offers if offer.id in chosen][:MOST]


def choice(title: str, setting: str, options: dict[str, str], now: str, help: str) -> None:
    """A setting of the recipe whose few values stand side by side."""
    forms.show_value(f"lab/{setting}", now)
    st.segmented_control(
        title,
        list(options),
        default=now,
        key=f"lab/{setting}",
        format_func=options.get,
        required=True,
        on_change=change,
        args=(setting,),
        width="stretch",
        wrap=True,
        help=help,
    )


def dimension_slider(config: TrialConfig) -> None:
    """The dimension that the projection keeps; all, 0 in the recipe, stands at the right."""
    whole, now = trade_off.dimension(session.workbench(), config), config.transform.dimensions
    stops = [*sorted({*(d for d in trade_off.DIMENSIONS if not whole or d < whole), *([now] if now else [])}), 0]
    forms.show_value("lab/transform.dimensions", now)
    st.select_slider(
        "Dimensions kept",
        stops,
        now,
        key="lab/transform.dimensions",
        on_change=change,
        args=("transform.dimensions",),
        format_func=lambda d: f"{d:,}" if d else f"all {whole:,}" if whole else "all",
        disabled=config.transform.projection == "none",
        help="By PCA or whitening: choose one first. Fewer are smaller and faster, and lose detail.",
    )


def change(setting: str) -> None:
    session.change({setting: st.session_state[f"lab/{setting}"]})


# Right: the answer ---------------------------------------------------------------------------------------------------


def results(config: TrialConfig, chosen: Sequence[Offer], reference: Offer, metric: str) -> list[EncoderResult]:
    workbench, everything = session.workbench(), st.session_state.get("all_questions") == config
    started = time.perf_counter()
    work = comparison.leaderboard(workbench, config, chosen, reference, everything)
    rows = tabs.cancellable(work, "all_questions") if everything else jobs.drain(work)
    ready = [row for row in rows if row.evaluation]
    strip(config, rows, ready, time.perf_counter() - started)
    if ready and not ready[0].intervals[metric].n:
        st.info(
            "This corpus has no questions with gold evidence, so nothing can be measured. The geometry and the map work "
            "without. Add a questions file on the page Corpus.",
            icon=":material/info:",
        )
    elif ready:
        leaderboard(config, rows, reference, metric)
    trained = training.trained(workbench) if any(row.offer.part.part == "trained" for row in ready) else []
    for row in rows:
        name = cards.plain(row.offer.name)
        if row.error:
            told = f"{row.error.what} {row.error.todo}"
            st.warning(f"**{name}:** {cards.plain(told)}", icon=":material/error:")
        elif row.evaluation and training.learnt_from(row, trained):
            st.warning(
                f"**{name}** learnt from questions of this corpus, and is asked them again here. Choose the questions *Test* "
                "in the sidebar: those it never saw.",
                icon=":material/info:",
            )
    if waiting := [row for row in rows if row.plan]:
        still_to_do(config, waiting, bool(ready))
    return rows


def strip(config: TrialConfig, rows: Sequence[EncoderResult], ready: Sequence[EncoderResult], seconds: float) -> None:
    workbench, facts = session.workbench(), [config.corpus.dataset]
    if ready:
        corpus, whole = ready[0].evaluation.corpus, workbench.corpus(config)
        measured = sum(bool(query.gold) for query in corpus.queries)
        facts = [
            f"{config.corpus.dataset}, {cards.count(len(corpus.documents), 'document')}",
            f"{measured:,} of {len(whole.queries):,} questions ({config.corpus.questions})",
        ]
    cards.status_strip(
        [
            *facts,
            f"{len(ready)} of {cards.count(len(rows), 'encoder')} measured",
            config.embedding.device(),
            cards.duration(seconds),
        ]
    )
    with st.popover("Reproduce", icon=":material/terminal:"):
        st.caption("The commands that measure each encoder and store a trial")
        st.code("\n".join(workbench.command(row.config) for row in rows), language="bash", wrap_lines=True)
        st.caption("The recipe. The address of this page restores the view: copy it to share.")
        st.json(config.model_dump(mode="json"), expanded=1)


def leaderboard(config: TrialConfig, rows: Sequence[EncoderResult], reference: Offer, metric: str) -> None:
    """Best first. The difference is coloured only where it is distinguishable after the correction."""
    shown = list(dict.fromkeys([metric, *SHOWN]))
    ready = sorted((row for row in rows if row.evaluation), key=lambda row: -row.intervals[metric].mean)
    first, *others = (label(name, config.evaluation.k) for name in shown)
    tabs.html_table(
        ["Encoder", first, "Against the reference", *others, "Dimensions", "Speed"],
        [leader_cells(row, rows, shown, metric, reference) for row in ready],
    )
    n, tests = ready[0].intervals[metric], sum(metric in row.p_holm for row in rows)
    left, right = st.columns([1, 0.2], vertical_alignment="center")
    left.caption(
        f"n {n.n:,} of {n.total:,} questions, {config.evaluation.confidence:.0%} intervals"
        + (f"; p corrected for {tests} comparisons (Holm)" if tests > 1 else "")
        + ". Speed: texts embedded a second when this machine last did it."
    )
    right.download_button(
        "CSV",
        lambda: charts.to_csv(comparison.table(rows, shown, reference)),
        "encoders.csv",
        "text/csv",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        key="export/leaderboard",
    )
    whole = session.workbench().corpus(config).queries
    if len(whole) > n.total:
        st.button(
            f"Ask all {len(whole):,} questions",
            icon=":material/play_arrow:",
            key="ask_all",
            on_click=tabs.keep,
            args=("all_questions", config),
            help=f"So that a slider answers at once, {comparison.QUESTIONS} are asked, drawn by the seed.",
        )


def leader_cells(
    row: EncoderResult, rows: Sequence[EncoderResult], shown: Sequence[str], metric: str, reference: Offer
) -> list[str]:
    lost = f"{cards.count(row.transform.lost, 'chunk')} left without a direction" if row.transform.lost else ""
    cells = [tabs.named(row, rows, ", ".join(filter(None, ["reference" if row.offer == reference else "", lost])))]
    for name in shown:
        one = row.intervals[name]
        span = "" if one.low is None else f"{one.low:.3f} to {one.high:.3f}"
        cells.append(tabs.number(f"{one.mean:.3f}", span, strong=name == metric))
    cells.insert(2, tabs.difference(row.paired.get(metric), row.p_holm.get(metric), comparison.verdict(row, metric)))
    return [
        *cells,
        tabs.number(f"{row.transform.dim:,}", f"{row.transform.bytes_per_vector:,.0f} bytes"),
        tabs.number(f"{row.texts_per_s:,.0f}" if row.texts_per_s else "–", "texts/s"),
    ]


def still_to_do(config: TrialConfig, waiting: Sequence[EncoderResult], some: bool) -> None:
    """Encoders that need more than a moment: jobs do it, which outlive this page."""
    if not some:
        cards.empty(
            "A table of encoders with their differences",
            "Nothing is embedded yet. Prepare an encoder, and it is measured here; everything after that answers at once.",
        )
    for row in waiting:
        about = cards.about(row.plan.seconds) or ("; how long is known once it has run on this machine" if row.plan.what else "")
        with st.container(horizontal=True, vertical_alignment="center", key=f"todo/{row.offer.id}"):
            st.markdown(f"**{cards.plain(row.offer.name)}** still needs {cards.plain(row.plan.what + about)}.")
            jobs.start_button(
                f"Prepare {row.offer.name}",
                ["prepare", *session.workbench().arguments(comparison.prepared(row.config))],
                f"Preparing {row.offer.name} on {config.corpus.dataset}",
                icon=":material/bolt:",
            )


def closer_look(config: TrialConfig, rows: Sequence[EncoderResult], reference: Offer, metric: str) -> EncoderResult | None:
    """The tabs, of the encoder chosen here; returns it where its questions are measured and belong under the tab."""
    known, row = {row.offer.id: row for row in rows if row.evaluation}, None
    if known:
        if st.session_state.get("look") not in known:
            st.session_state["look"] = next((id for id in known if id != reference.id), reference.id)
        row = known[
            st.selectbox(
                "Look closer at",
                list(known),
                list(known).index(st.session_state["look"]),
                key="look",
                width=320,
                bind="query-params",
                format_func=lambda id: known[id].offer.name,
            )
        ]
    views = {
        "Dimension and bytes": tabs.curve,
        "Geometry": tabs.geometry,
        "Gold against random": tabs.separation,
        "Map": tabs.corpus_map,
    }
    *drawn, train = st.tabs([*views, "Train"], key="view", on_change="rerun", bind="query-params")
    for tab, draw in zip(drawn, views.values(), strict=True):
        if tab.open:
            with tab, cards.calm():
                draw(row, list(known.values()), metric) if row else st.caption("Prepare an encoder first.")
    if train.open:
        with train, cards.calm():
            tabs.train(config)
    return row if row and row.intervals[metric].n and not train.open else None


# By question ---------------------------------------------------------------------------------------------------------


def by_question(row: EncoderResult, base: EncoderResult | None, metric: str) -> int | None:
    """The questions of an encoder against the reference; returns the place of the one chosen."""
    st.subheader("By question", anchor=False)
    offered = ["all", "changed", "won", "lost", "missed"] if base else ["all", "missed"]
    if st.session_state.get("show") not in offered:
        st.session_state["show"] = "all"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.segmented_control(
            "Show", offered, key="show", width="content", format_func=str.capitalize, required=True, help=FILTERS
        )
        text = st.text_input("Search the questions", key="find", placeholder="words of a question", width=200)
    table = session.workbench().by_question(row.evaluation, base.evaluation if base else None, metric)
    fits = {"all": lambda i: True, "changed": lambda i: table["changed"][i], "missed": lambda i: table["missed"][i]}
    test = fits.get(wanted) or (lambda i: table["outcome"][i] == wanted)
    kept = [i for i, question in enumerate(table["question"]) if test(i) and text.lower() in question.lower()]
    against = f"{row.offer.name} against {base.offer.name}" if base else row.offer.name
    st.caption(f"{cards.plain(against)}: {len(kept):,} of {len(table['id']):,} questions. Click one to read its rankings.")
    shown = {title: [table[name][i] for i in kept] for name, title in COLUMNS.items() if any(table.get(name, ()))}
    number = st.column_config.NumberColumn
    value = number(format="%.3f", width=76, help=label(metric, row.config.evaluation.k))
    rank = number(format="%d", width=92, help="Rank of the first relevant chunk; empty: not in the ranking.")
    looks = {"Value": value, "Change": value, "Rank": rank, "Reference": rank, "Question": st.column_config.TextColumn(width=280)}
    picked = tables.choose(shown, [table["id"][i] for i in kept], "encoder_questions", looks)
    return None if picked is None else kept[picked]


def side_by_side(row: EncoderResult, base: EncoderResult | None, place: int) -> None:
    query, shown = row.evaluation.corpus.queries[place], [one for one in (base, row) if one]
    cards.question_title(query.text)
    for column, one in zip(st.columns(len(shown)), shown, strict=True):
        with column:
            st.markdown(f"**{cards.plain(one.offer.name)}**" + (" (reference)" if one is base else ""))
            hits = session.workbench().hits(one.evaluation, place)[: one.config.evaluation.k]
            evidence.show([evidence.hit_html(hit, gold=query.gold, query=query.text) for hit in hits])


page()
