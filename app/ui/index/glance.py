"""The setting in use at a glance: cards, and whether the ranking notices."""

import os
from typing import Any

import streamlit as st

from app import session
from app.ui import cards
from app.ui.tables import minus
from core.errors import WorkbenchError
from core.labs.index.glance import Glance
from core.labs.index.points import IndexPoint
from core.models.hardware import machine
from core.records import Corpus

NOTICED = 0.005  # recall: a difference worth a sentence


def impossible(error: Exception, said: Any) -> None:
    """A setting that cannot be built or searched: told at the form, which keeps it so that it can be changed."""
    with said:
        refused = WorkbenchError(f"The engine refused this setting: {error}")
        cards.problem(error if isinstance(error, WorkbenchError) else refused)
    cards.empty("Nothing to measure with this setting", "The form says why. Change the setting there, or choose a preset.")


def strip(here: Glance, corpus: Corpus, seconds: float) -> None:
    point, config = here.point, here.cost.config
    part = f"{point.num_queries:,} of " if point.num_queries < len(corpus.queries) else ""
    asked = part + cards.count(len(corpus.queries), "question")
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    with row.container(width="stretch"):
        cards.status_strip(
            [
                config.corpus.dataset,
                f"{cards.count(point.n, 'vector')} × {point.dim} dimensions",
                f"{asked} ({config.corpus.questions})",
                machine(),
                f"{cards.duration(seconds)}, {'measured before' if here.cached else 'measured now'}",
                busy(here.load),
            ]
        )
    with row.popover("Reproduce", icon=":material/terminal:", type="tertiary"):
        st.caption("The command that compares this setting with exact search")
        command = f"{session.workbench().command(config, 'index-cost')} --margin {here.cost.margin_points:g}"
        st.code(command, language="bash", wrap_lines=True)
        st.caption("The recipe. The address of this page restores the view: copy it to share.")
        st.json(config.model_dump(mode="json"), expanded=1)


def busy(load: float) -> str:
    """Said where other work may have slowed what was measured."""
    processors = os.cpu_count() or 1
    return f"other work was running: load {load:.1f} on {cards.count(processors, 'processor')}" if load > processors else ""


def metric_cards(here: Glance) -> None:
    point, recall, effect = here.point, here.recall, here.cost.fused.effects["ndcg_linear"]
    test, slow = effect.equivalence, point.p95_us or 0
    interval = None if recall.low is None else (recall.low, recall.high)
    disk = f"{point.disk_per_vector:,.0f} on disk" if point.disk_per_vector else "nothing on disk"
    built = "not timed on this machine" if point.build_s is None else "on this machine"
    changed = None if test.low is None else (test.low * 100, test.high * 100)
    shown = [
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
            "Memory per vector",
            point.memory_per_vector,
            digits=0,
            unit="bytes",
            direction=-1,
            note=disk,
            help="Size of the index, with links, lists and codebooks, divided by the number of vectors.",
        ),
    ]
    if point.part != "exact":  # which has the recall and the ranking that the others are held against, and nothing is built
        shown = [
            cards.Card(
                f"Recall@{point.k} vs exact",
                recall.mean,
                interval,
                n=recall.n,
                of=recall.total,
                help=f"Share of exact search's first {point.k} chunks that the index finds, mean over questions.",
            ),
            *shown,
            cards.Card(
                "Build time", point.build_s, digits=1 if (point.build_s or 0) >= 1 else 2, unit="s", direction=-1, note=built
            ),
            cards.Card(
                f"{effect.label} change",
                None if test.difference is None else test.difference * 100,
                changed,
                n=test.n,
                of=test.total,
                digits=2,
                unit="points",
                note=test.note if test.difference is None else "90%, equivalence test",
                help="Mean change of a question's metric against exact search, through the recipe's own fusion, in hundredths. 90% "
                "makes two one-sided tests at 5%.",
            ),
        ]
    # six in a row, three where it is narrow
    st.html(f'<div class="gw gw-cards gw-close">{"".join(map(cards.card_html, shown))}</div>')
    cards.in_sight(shown)


def _took(us: float) -> str:
    return f"{us / 1000:,.1f} ms" if us >= 1000 else f"{us:,.0f} µs"


def _batch(point: IndexPoint) -> str:
    return f"{point.batch_qps:,.0f} in batches" if point.batch_qps else ""


def verdict(here: Glance) -> None:
    """The test of equivalence in one sentence, with the margin that the researcher sets."""
    words, margin = st.columns([4, 1], vertical_alignment="center")
    about = "A smaller difference does not matter to you. A smaller margin needs more questions to show equivalence."
    margin.number_input("Margin (points)", 0.1, 20.0, 1.0, 0.1, key="margin", format="%.1f", help=about)
    effect, moved = here.cost.fused.effects["ndcg_linear"], here.cost.fused.moved
    with words:
        st.markdown(f"**{cards.plain(minus(effect.sentence))}.**")
        notes = [f"{cards.count(moved, 'question')} of {here.cost.questions:,} got another ranking."]
        asked, answered = here.recall.mean or 0, here.cost.recall.mean or 0
        if abs(asked - answered) > NOTICED:
            notes.append(
                f"Asked for the recipe's {here.cost.config.retrieval.candidates} candidates instead of {here.point.k}, the "
                f"index finds {answered:.1%} of the first {here.point.k} instead of {asked:.1%}."
            )
        st.caption(" ".join(notes))
