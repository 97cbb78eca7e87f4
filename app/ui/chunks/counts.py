"""Of each chunker: how many chunks it makes, how much evidence it cuts, and what overlap and length cost."""

from html import escape

import streamlit as st

from app.ui import cards
from app.ui.chunks.cuts import Shown
from core.labs.corpus.chunks import GoldSpans, compare_cuts


def draw(shown: list[Shown], gold: GoldSpans, limit: int | None) -> None:
    rows = [row(each, shown[0], gold, limit) for each in shown]
    for place, (each, cards_of_it) in enumerate(zip(shown, rows, strict=True)):
        if len(shown) > 1:
            st.html(f'<span style="color:{each.color}">\u25cf</span> <b>{("First", "Second")[place]}</b> {escape(each.name)}')
        cards.row(cards_of_it)
    cards.in_sight(*rows)


def row(shown: Shown, first: Shown, gold: GoldSpans, limit: int | None) -> list[cards.Card]:
    summary = shown.summary
    return [
        cards.Card("Chunks", summary.chunks, digits=0, direction=0, note=f"mean {summary.mean_tokens:,.1f} tokens"),
        cards.Card(
            "Evidence cut",
            round(summary.cut.n * summary.cut.mean) if summary.cut.n else None,
            unit=f"of {cards.count(summary.cut.n, 'span')}",
            digits=0,
            direction=-1,
            note=cut_note(shown, first, gold),
            help="Share of gold spans that no single chunk contains whole, with Wilson's interval.",
        ),
        cards.Card(
            "Embedded twice",
            summary.repeated,
            unit="tokens",
            digits=0,
            direction=-1,
            note=f"{summary.repeated / max(1, summary.tokens):.1%} of {summary.tokens:,}",
            help="Tokens that an earlier chunk also contains: the cost of overlap.",
        ),
        cards.Card(
            "Too long",
            summary.too_long,
            unit="chunks",
            digits=0,
            direction=-1,
            note=f"for the encoder, which reads {limit:,} tokens" if limit else "the encoder's limit is unknown",
            help="Chunks whose end the encoder does not read. Dense retrieval cannot find what is written there.",
        ),
    ]


def cut_note(shown: Shown, first: Shown, gold: GoldSpans) -> str:
    """Why there is nothing to cut, or the share that is, and the difference to the first chunker."""
    cut = shown.summary.cut
    if not cut.n:
        return "all gold is whole documents" if gold.whole_documents else "no gold spans in this corpus"
    share = f"{cut.mean:.1%} ({cut.low:.1%} to {cut.high:.1%})"
    if shown is first:
        return share
    other = compare_cuts(shown.chunks, first.chunks, gold)
    p = "p < 0.001" if other.p < 0.001 else f"p {other.p:.3f}"
    return f"{share}; {other.only_one:,} cut only here, {other.only_other:,} only by the first, {p}"
