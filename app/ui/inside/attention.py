"""The tab Attention: where the model looks in a prompt, head by head."""

from html import escape
from typing import Any

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, charts, evidence, forms, jobs
from app.ui.halves import no_questions
from app.ui.held import result_of
from app.ui.inside import figures
from app.ui.tables import wrapped_table
from core.config import TrialConfig
from core.labs.inside.attention import MOST_TOKENS, PromptAttention, attention_share, look
from core.records import Query
from core.workbench import one_phase

OFFERED = 300  # questions offered for a prompt


def attention(config: TrialConfig) -> None:
    corpus = jobs.drain(session.workbench().read_corpus(config), "Reading the corpus")
    if not corpus.queries:
        return no_questions(config, " to make a prompt from")
    left, right = st.columns([1, 2], gap="medium")
    with left:
        question, passages, tokens = prompt_form(corpus.queries)
    with right:
        looked = result_of(
            "attention",
            (config, question.id, passages, tokens),
            "Read the prompt",
            jobs.Press("inside-attention", one_phase("the prompt, and the maps of all heads", units=1)),
            lambda: look(session.workbench(), config, question, passages, tokens),
            why="The bundled model reads the prompt of Ask with shortened passages; the maps of all heads are kept.",
        )
        if looked is None:
            return cards.empty(
                "Where the model looks",
                "Maps by layer and head, how focused each head is, and the share of attention on the question, each passage "
                "and the first token.",
            )
        query = asking(looked)
        with left:
            layer, head = (
                st.slider(name, 0, most - 1, key=name.lower(), bind="query-params")
                for name, most in zip(("Layer", "Head"), looked.maps.shape, strict=False)
            )
        prompt_text(looked, query, layer, head)
    about = "--passages", str(passages), "--tokens", str(tokens), "--looking", str(query)
    place = "--layer", str(layer), "--head", str(head)
    command = session.workbench().command(config, "inside-attention", looked.question, *about, *place)
    heads(looked, query, layer, head, command)


def prompt_form(queries: tuple[Query, ...]) -> tuple[Query, int, int]:
    some = {query.id: query for query in queries[:OFFERED]}
    chosen = st.selectbox(
        "Question",
        list(some),
        key="asked_about",
        persist_state="session",
        format_func=lambda id: some[id].text if id in some else str(id),
    )
    passages = st.slider("Passages", 1, 5, 3, key="look_passages", bind="query-params")
    tokens = st.slider(
        "Tokens of each passage",
        16,
        96,
        48,
        8,
        key="look_tokens",
        bind="query-params",
        help="Cut around the gold evidence if the passage has some, else from its start.",
    )
    st.caption(f"At most {MOST_TOKENS} tokens of prompt: the maps of all heads grow with their square.")
    return some[chosen], passages, tokens


def asking(looked: PromptAttention) -> int:
    """The token that looks; the last by default, from which the answer starts."""
    last = len(looked.tokens) - 1
    key = f"asking/{last}"
    return st.slider("Query token", 0, last, last, key=key, help="The last one, by default: the answer starts from it.")


def prompt_text(looked: PromptAttention, query: int, layer: int, head: int) -> None:
    """The prompt, shaded by what the token attends to in the chosen head, or in the mean of all."""
    left, right = st.columns([1, 1])
    left.caption(f"Outlined: token {query}, {cards.plain(repr(looked.tokens[query]))}")
    whole = right.toggle("Mean of all heads", key="mean_heads", persist_state="session")
    weights = (looked.maps[:, :, query].mean((0, 1)) if whole else looked.maps[layer, head, query]).astype(np.float32)
    pieces = []
    for number, ((start, end), value) in enumerate(zip(looked.offsets, weights, strict=True)):
        edge = "outline:1.5px solid #D55E00;" if number == query else ""
        style = f"{edge}background:rgba(0,158,115,{min(0.85, float(value) ** 0.5):.2f});border-radius:2px"
        pieces.append(f'<span style="{style}" title="{number}: {value:.4f}">{escape(looked.text[start:end])}</span>')
    evidence.show(f'<div class="gw gw-scroll" style="max-height:17rem"><div class="gw-text">{"".join(pieces)}</div></div>')


def heads(looked: PromptAttention, query: int, layer: int, head: int, command: str) -> None:
    share, (layers, many) = attention_share(looked, query), looked.maps.shape[:2]
    about = {"question": looked.question, "layer": layer, "head": head, "looking_token": query}
    tip = "Entropy: 0 bits if all attention is on one token. Otherwise: the share of attention on that part."
    what = forms.one_of("Colour of a head", ["Entropy", *share.parts], "head_colour", help=tip)
    part = share.parts.index(what) if what in share.parts else None
    values = share.entropy_bits if part is None else share.mass[:, :, part]
    rows = [
        {"layer": i, "head": j, "entropy_bits": float(share.entropy_bits[i, j])}
        | {name: float(share.mass[i, j, n]) for n, name in enumerate(share.parts)}
        for i in range(layers)
        for j in range(many)
    ]
    title = "Entropy of the heads" if part is None else f"Share on {what}"
    charts.show(
        figures.heads(values, "bits" if part is None else "", layer, head, None if part is None else 1.0),
        "heads",
        data=rows,
        config=about,
        command=command,
        title=title,
        caption="click a head to open it",
        on_select=open_head,
    )
    mean = share.mass.mean((0, 1))
    data = [
        {"part": name, "tokens": size, "this head": float(share.mass[layer, head, n]), "all heads": float(mean[n])}
        for n, (name, size) in enumerate(zip(share.parts, _sizes(looked), strict=True))
    ]
    left, right = st.columns([1.2, 1], gap="medium")
    with left:
        charts.show(
            figures.shares(share.parts, share.mass[layer, head], mean),
            "attention-by-part",
            data=data,
            config=about,
            command=command,
            title="On the parts of the prompt",
            caption=f"layer {layer}, head {head}",
        )
    with right:
        wrapped_table([{name.capitalize(): value for name, value in row.items()} for row in data])
        st.caption(
            "Attention shows where information could flow, not that it was used. A longer part gets more attention by its length alone."
        )
    charts.show(
        figures.attention_map(looked.maps[layer, head], looked.tokens, looked.spans, query),
        "attention-map",
        config=about,
        command=command,
        data=map_rows(looked, layer, head),
        title="Attention map",
        caption=f"layer {layer}, head {head}, {len(looked.tokens)} tokens",
    )


def map_rows(looked: PromptAttention, layer: int, head: int) -> Any:
    """The map as a table for export, a row a looking token; made into text only when it is asked for."""
    import pandas as pd

    names = [f"{number} {token}" for number, token in enumerate(looked.tokens)]
    frame = pd.DataFrame(looked.maps[layer, head], columns=names)
    frame.insert(0, "looking", names)
    return frame


def _sizes(looked: PromptAttention) -> list[int]:
    """Tokens of each part, the first token and the rest."""
    parts = [end - start for start, end in looked.spans.values()]
    return [*parts, 1, len(looked.tokens) - sum(parts) - 1]


def open_head() -> None:
    chosen = st.session_state["chart/heads"]["selection"]["points"]
    if chosen:
        st.session_state.layer, st.session_state.head = int(chosen[0]["x"]), int(chosen[0]["y"])
