"""The tab Side by side: chains, searches and engines on one prompt."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, evidence, jobs
from app.ui.sampling.searches import METHODS, chosen_search
from core.config import TrialConfig
from core.labs.answers.answering import alike
from core.labs.sampling import prompts
from core.labs.sampling.chains import presets, read_chain
from core.labs.sampling.sides import Side, engines, written_sides
from core.workbench import one_phase

MOST_SIDES = 4


def side_by_side(config: TrialConfig, reading: prompts.Reading, most: int) -> None:
    chains = presets(session.workbench())
    offered: dict[str, tuple[str, Any]] = {"now": ("This chain", st.session_state.chain)}  # -> (label, a chain's line or a part)
    offered |= {f"chain/{name}": (name, text) for name, text in chains.items()}
    offered |= {f"search/{name}": (label, chosen_search(name)) for name, label in METHODS.items()}
    offered |= {f"engine/{name}": (f"Engine: {name.replace('_', ' ')}", part) for name, part in engines(config).items()}
    chosen = st.pills(
        f"Up to {MOST_SIDES} chains, searches or engines on this prompt",
        list(offered),
        selection_mode="multi",
        wrap=True,
        default=["now", "chain/Deterministic"],
        key="sides",
        format_func=lambda option: cards.plain(offered[option][0]) if option in offered else "",
    )
    if len(chosen) > MOST_SIDES:
        st.caption(f"The first {MOST_SIDES} are taken.")
    chosen = chosen[:MOST_SIDES]
    if hosts := {offered[name][1].destination() for name in chosen if name.startswith("engine/")} - {""}:
        st.warning(f"The prompt with its passages is sent to {cards.plain(', '.join(sorted(hosts)))}.", icon=":material/public:")
    about = (reading.key, most, config.seed, tuple(offered[name] for name in chosen))
    written = st.session_state.get("sides_found")
    with st.container(horizontal=True, vertical_alignment="center"):
        texts = f"{cards.count(len(chosen), 'text')}, {most:,} tokens each at most"
        press = jobs.Press("sample-compare", one_phase(texts, units=len(chosen) * most, like=alike(config.generation)))
        look = {"icon": ":material/play_arrow:", "type": "primary", "disabled": not chosen}
        run = jobs.press_button("Write all", press, key="do/sides", **look)
        st.caption(
            "The results below are of another prompt or setting."
            if written and written[0] != about
            else "One after another, without a cache: these are the model's own speeds.",
            width="content",
        )
    if run:
        stop = st.empty()
        stop.button("Cancel", key="stop/sides", icon=":material/close:", shortcut="Escape")  # any click ends this run
        wanted = [(label, read_chain(what) if isinstance(what, str) else what) for label, what in about[3]]
        answers = jobs.drain(written_sides(config, reading, wanted, most), press=press)
        stop.empty()
        written = st.session_state.sides_found = about, answers, len(reading.hits)
        st.rerun()
    if written:
        sides(*written[1:])  # with the passages that they cite: those of their own prompt


def sides(answers: Sequence[Side], passages: int) -> None:
    for pair in (answers[:2], answers[2:]):
        for column, side in zip(st.columns(2), pair, strict=False):
            with column.container(border=True, gap="xsmall"):
                st.markdown(f"**{cards.plain(side.name)}**")
                st.caption(cards.plain(side.about))
                if side.problem:
                    st.error(cards.plain(f"No answer: {side.problem}"))
                    continue
                evidence.show(evidence.answer_html(side.text, passages))
                cards.facts(
                    [
                        ("Speed", f"{side.tokens_per_s:,.0f} tokens/s" if side.tokens_per_s else "not measured"),
                        ("First token", f"after {cards.duration(side.first_ms / 1000)}" if side.first_ms else ""),
                        (
                            "Length",
                            f"{side.tokens:,} tokens, {'ended by itself' if side.reason == 'stop' else 'cut'}"
                            if side.tokens
                            else "",
                        ),
                        ("Perplexity", f"{side.perplexity:.2f}" if side.perplexity else "no probabilities"),
                    ]
                )
