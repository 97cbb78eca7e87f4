"""The tab Searches: beam and contrastive search, drawn as they grow."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.ui import cards, cells, forms, jobs
from app.ui.sampling.tokens import visible
from core.config import TrialConfig
from core.labs.sampling import prompts
from core.labs.sampling.searches import Continuation, Searched, choice_rows, search
from core.progress import Running
from core.records import Progress
from core.sampling.search import SEARCHES
from core.workbench import one_phase

METHODS = {"beam": "Beam search", "contrastive": "Contrastive search"}


def chosen_search(name: str) -> Any:
    """The search with the settings that its sliders show, also while they are not drawn."""
    chosen = st.session_state.setdefault("searches", {})
    return chosen.get(name) or SEARCHES[name]()


def searches(config: TrialConfig, reading: prompts.Reading, most: int) -> None:
    """A search run on a button, drawn as it grows; afterwards its growth can be stepped through."""
    state = st.session_state
    name = forms.one_of("Search", METHODS, "search", bind="query-params", label_visibility="collapsed")
    how, values = chosen_search(name), {}
    st.caption(" ".join((type(how).__doc__ or "").split()))
    for column, knob in zip(st.columns(2), forms.knobs(type(how)), strict=True):
        with column:
            values[knob.name] = forms.kept_widget(knob, f"{name}.{knob.name}", getattr(how, knob.name))
    how = state.searches[name] = type(how)(**values)
    growth, about = state.get(f"searched/{name}"), (reading.key, how, most)
    with st.container(horizontal=True, vertical_alignment="center"):
        press = jobs.Press("sample-search", one_phase(f"{most:,} tokens at most", units=most, like=repr(how)))
        run = jobs.press_button("Search", press, icon=":material/play_arrow:", key="do/search", type="primary")
        if growth and growth[0] != about:
            st.caption("The results below are of another prompt or setting.", width="content")
    if run:
        with jobs.timed(press):
            growth = state[f"searched/{name}"] = about, *grown(config, reading, how, most)
    if not growth:
        return st.caption(
            "Deterministic: the chain plays no part. Computed with the same weights through transformers, which reads "
            "several texts at once; a token may differ from llama.cpp's."
        )
    _, history, searched = growth
    after = end = len(history)
    if end > 1:
        after = st.slider("Tokens generated", 1, end, end, key=f"after/{name}/{end}")
    last = after == end
    lines_table(searched.lines if last else history[after - 1], open_ones=not last)
    st.caption(f"{cards.duration(searched.seconds)} in all, {cards.duration(searched.first_s)} to the first token.")
    if searched.chosen:
        chosen_table(config, searched, after)


def grown(config: TrialConfig, reading: prompts.Reading, how: Any, most: int) -> tuple[list, Searched]:
    """(open lines after each token, what was found), drawn meanwhile; any click ends it."""
    place, history = st.empty(), []
    with place.container():
        st.button("Cancel", key="stop/search", icon=":material/close:", shortcut="Escape")
        told, table = st.empty(), st.empty()
        for step in (running := Running(search(config, reading, how, most))):
            if isinstance(step, Progress):
                told.caption(step.message)
                continue
            history.append(step)
            told.caption(f"token {len(history):,} of {most:,} at most")
            with table.container():
                lines_table(step, open_ones=True)
    place.empty()
    return history, running.result


def lines_table(lines: Sequence[Continuation], open_ones: bool) -> None:
    """Texts under each other; what all of them share is muted, so that one sees where they part."""
    same = zip(*(line.text for line in lines), strict=False)
    shared = next((i for i, letters in enumerate(same) if len(set(letters)) > 1), 0)
    score, body = lines[0].score is not None, ""
    for i, line in enumerate(lines, 1):
        numbers = [f"{line.logprob:.2f}", *([f"{line.score:.3f}"] if score else [])]
        body += (
            f'<tr><td class="num">{i}</td><td><span style="color:var(--gw-muted)">{cards.escape(line.text[:shared])}</span>'
            f"{cards.escape(line.text[shared:])}{'' if open_ones else ' ■' if line.ended else ' …'}</td>"
            + "".join(f'<td class="num">{number}</td>'.replace("-", "\u2212") for number in numbers)
            + "</tr>"
        )
    head = '<th class="num">Score</th>' if score else ""
    st.html(
        f'<table class="gw gw-table"><tr><th class="num"></th><th>{"Open beginnings" if open_ones and score else "Text"}</th>'
        f'<th class="num">log p</th>{head}</tr>{body}</table>'
    )
    if not open_ones:
        st.caption(
            "■ ended by itself, … cut at its length. log p: natural logarithm of the text's probability under the model."
            + (" Score: log p over length to the power of the penalty." if score else "")
        )


def chosen_table(config: TrialConfig, searched: Searched, after: int) -> None:
    """Contrastive search, token by token: what it took, and what greedy choice would have."""
    number = st.column_config.NumberColumn
    rows = [
        {
            "Place": row["place"],
            "Token": visible(row["token"]),
            "Probability": 100 * row["probability"],
            "Similarity": row["similarity"],
            "Score": row["score"],
            "Likeliest instead": f"{visible(row['likeliest'])} {row['likeliest_probability']:.0%}" if row["took_another"] else "",
        }
        for row in choice_rows(config, searched)[:after]
    ]
    cells.show(
        rows,
        hide_index=True,
        key="chosen_table",
        height=280,
        column_config={
            "Probability": number(format="%.1f%%"),
            "Score": number(format="%.3f"),
            "Similarity": number(format="%.3f", help="Highest cosine of its hidden state with that of an earlier token."),
        },
    )
