"""The table of encoders, best first, with their differences to the reference; and what is still to be prepared."""

import time
from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import cards, cells, jobs
from app.ui.encoders.cells import difference, html_table, named, number
from app.ui.encoders.press import button, cancellable
from app.ui.export import download
from app.ui.halves import no_questions
from core.config import TrialConfig
from core.evaluation.metric import MAIN
from core.labs.encoders import comparison, training
from core.labs.encoders.comparison import EncoderResult, Offer
from core.labs.trials.comparison import label
from core.workbench import one_phase

SHOWN = (MAIN, "recall", "mrr")


def results(config: TrialConfig, chosen: Sequence[Offer], reference: Offer, metric: str) -> list[EncoderResult]:
    workbench, everything = session.workbench(), st.session_state.get("all_questions") == config
    started = time.perf_counter()
    work = comparison.leaderboard(workbench, config, chosen, reference, everything)
    rows = cancellable(work, "all_questions", _press_all(config)) if everything else jobs.drain(work)
    ready = [row for row in rows if row.evaluation]
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            strip(config, rows, ready, time.perf_counter() - started)
        reproduce(config, rows, metric, reference, compare_command(config, chosen, reference, everything))
    if ready and not ready[0].intervals[metric].n:
        no_questions(config, ", so nothing can be measured; the geometry and the map work without", gold=True)
    elif ready:
        leaderboard(config, rows, reference, metric)
    trained = training.trained() if any(row.offer.part.part == "trained" for row in ready) else []
    for row in rows:
        name = cards.plain(row.offer.name)
        if row.error:
            told = f"{row.error.what} {row.error.todo}"
            st.warning(f"**{name}:** {cards.plain(told)}", icon=":material/error:")
        elif row.evaluation and training.learnt_from(row, trained):
            st.warning(
                f"**{name}** was trained on questions of this corpus, which are asked again here. Choose *Test* at the top for its "
                "held-out questions.",
                icon=":material/info:",
            )
    if waiting := [row for row in rows if row.plan]:
        still_to_do(waiting, bool(ready))
    return rows


def compare_command(config: TrialConfig, chosen: Sequence[Offer], reference: Offer, everything: bool) -> str:
    """What prints the table: the first encoder of the command is its reference."""
    ids = dict.fromkeys([reference.id, *(offer.id for offer in chosen)])
    words = [word for name in ids for word in ("--encoder", name)]
    return session.workbench().command(config, "encoders-compare", *words, *["--everything"] * everything)


def columns_of(metric: str) -> list[str]:
    return list(dict.fromkeys([metric, *SHOWN]))


def strip(config: TrialConfig, rows: Sequence[EncoderResult], ready: Sequence[EncoderResult], seconds: float) -> None:
    workbench, facts = session.workbench(), [config.corpus.dataset]
    if ready:
        corpus, whole = ready[0].evaluation.corpus, workbench.corpus(config)
        facts = [
            f"{config.corpus.dataset}, {cards.count(len(corpus.documents), 'document')}",
            f"{corpus.measurable:,} of {len(whole.queries):,} questions ({config.corpus.questions})",
        ]
    cards.status_strip(
        [
            *facts,
            f"{len(ready)} of {cards.count(len(rows), 'encoder')} measured",
            config.embedding.device(),
            cards.duration(seconds),
        ]
    )


def reproduce(config: TrialConfig, rows: Sequence[EncoderResult], metric: str, reference: Offer, command: str) -> None:
    with st.popover("Reproduce", icon=":material/terminal:", type="tertiary"):
        if any(row.evaluation and row.intervals[metric].n for row in rows):
            download(
                "The table as CSV",
                lambda: cells.to_csv(comparison.table(rows, columns_of(metric), reference)),
                "encoders.csv",
                "export/leaderboard",
            )
        st.caption("The command that prints this table; `encoders questions` prints the questions of one or two encoders")
        st.code(command, language="bash", wrap_lines=True)
        st.caption("The commands that measure each encoder and store a trial")
        st.code("\n".join(session.workbench().command(row.config) for row in rows), language="bash", wrap_lines=True)
        st.caption("The recipe. The address of this page restores the view: copy it to share.")
        st.json(config.model_dump(mode="json"), expanded=1)


def leaderboard(config: TrialConfig, rows: Sequence[EncoderResult], reference: Offer, metric: str) -> None:
    """Best first. The difference is coloured only where it is distinguishable after the correction."""
    shown = columns_of(metric)
    ready = sorted((row for row in rows if row.evaluation), key=lambda row: -row.intervals[metric].mean)
    first, *others = (label(name, config.evaluation.k) for name in shown)
    html_table(
        ["Encoder", first, "Against the reference", *others, "Dimensions", "Speed"],
        [leader_cells(row, rows, shown, metric, reference, row is ready[0]) for row in ready],
    )
    n, tests = ready[0].intervals[metric], sum(bool(comparison.verdict(row, metric)) for row in rows)
    st.caption(
        f"n {n.n:,} of {n.total:,} questions, {100 * config.evaluation.confidence:g}% intervals"
        + (f"; p corrected for {tests} comparisons (Holm)" if tests > 1 else "")
        + ". Speed: texts embedded a second, last measured on this machine."
    )
    whole = session.workbench().corpus(config).queries
    if len(whole) > n.total:
        about = f"{comparison.QUESTIONS} questions are sampled by the seed, so that a slider answers at once."
        button(f"Ask all {len(whole):,} questions", _press_all(config), "ask_all", "all_questions", config, about)


def _press_all(config: TrialConfig) -> jobs.Press:
    questions = len(session.workbench().corpus(config).queries)
    return jobs.Press("encoders-compare", one_phase(cards.count(questions, "question"), units=questions))


def leader_cells(
    row: EncoderResult, rows: Sequence[EncoderResult], shown: Sequence[str], metric: str, reference: Offer, best: bool
) -> list[str]:
    lost = f"{cards.count(row.transform.lost, 'chunk')} left without a direction" if row.transform.lost else ""
    cells = [named(row, rows, ", ".join(filter(None, ["reference" if row.offer == reference else "", lost])))]
    for name in shown:
        interval = row.intervals[name]
        span = "" if interval.low is None else f"{interval.low:.3f} to {interval.high:.3f}"
        cells.append(number(f"{interval.mean:.3f}", span, strong=name == metric and best))
    paired, p = (change.paired, change.p_holm) if (change := row.changes.get(metric)) else (None, None)
    cells.insert(2, difference(paired, p, comparison.verdict(row, metric)))
    return [
        *cells,
        number(f"{row.transform.dim:,}", f"{row.transform.bytes_per_vector:,.0f} bytes"),
        number(f"{row.texts_per_s:,.0f}" if row.texts_per_s else "–", "texts/s"),
    ]


def still_to_do(waiting: Sequence[EncoderResult], some: bool) -> None:
    """Encoders that need more than a moment: jobs do it, which outlive this page."""
    if not some:
        cards.empty(
            "A table of encoders with their differences",
            "Nothing is embedded yet. Prepare an encoder to measure it here; after that every setting answers at once.",
        )
    names = " and ".join(row.offer.name for row in waiting) if len(waiting) < 3 else f"{len(waiting)} more encoders"
    # of a table that stands the evidence comes first
    with st.popover(f"Prepare {cards.plain(names)}", icon=":material/bolt:") if some else st.container():
        for row in waiting:
            name = row.offer.name
            jobs.prepare_button(comparison.prepared(row.config), row.plan, label=f"Prepare {name}", of=name, place=row.offer.id)
