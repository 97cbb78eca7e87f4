"""Where an answer comes from: its chunks with their places in each stage, and where its time went."""

from html import escape

import streamlit as st

from app.ui import cards, cells, evidence
from core.labs import answers
from core.records import Answer, Provenance


def draw(answer: Answer) -> None:
    origin = answer.provenance
    if origin is None:
        return st.caption("It was not noted where this answer comes from.")
    cards.status_strip([origin.corpus, f"checksum {origin.corpus_checksum[:20]}…", f"answer {answer.id}" if answer.id else ""])
    _chunks(origin)
    evidence.show(waterfall_html(origin))
    if answer.id:
        st.code(f"python -m core answer {answer.id} --json", language="bash")


def _chunks(origin: Provenance) -> None:
    """A row a chunk, down to the last that was given."""
    stages = dict.fromkeys(name for chunk in origin.origins for name in chunk.stages)
    rows = []
    for chunk in origin.origins:
        row = {
            "Passage": chunk.passage,
            "Document": chunk.document_id,
            "Characters": f"{chunk.start:,} to {chunk.end:,}",
            "Page": chunk.page,
            "Chunk": chunk.chunk,
        }
        for name in stages:
            place, title = chunk.stages.get(name), answers.stage_title(name)
            row |= {f"{title}: rank": place and place.rank, f"{title}: score": place and place.score}
        rows.append(row if any(c.page for c in origin.origins) else {k: v for k, v in row.items() if k != "Page"})
    st.caption("Each chunk down to the last that was given, with its rank and score in every stage that met it.")
    cells.show(rows, hide_index=True)


def waterfall_html(origin: Provenance) -> str:
    """A bar a step, each beginning where the one before ends."""
    total, begin, rows = sum(step.ms for step in origin.steps) or 1.0, 0.0, []
    for step in origin.steps:
        place = f"margin-left:{100 * begin / total:.2f}%;width:max(2px, {100 * step.ms / total:.2f}%)"
        title = escape(answers.step_title(step.name))
        bar = f'<div class="gw-span"><i style="{place}"></i></div>'
        rows.append(
            f'<tr><td>{title}</td><td class="num">{_ms(step.ms)}</td><td class="num">{step.ms / total:.0%}</td><td>{bar}</td></tr>'
        )
        begin += step.ms
    head = (
        f'<tr><th>Where {cards.duration(total / 1000)} went</th><th class="num">ms</th><th class="num">Share</th><th></th></tr>'
    )
    return f'<div class="gw"><table class="gw-table gw-waterfall">{head}{"".join(rows)}</table></div>'


def _ms(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
