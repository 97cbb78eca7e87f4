"""Cells of the tables of encoders."""

from collections.abc import Sequence
from html import escape
from typing import Any

import streamlit as st

from app.ui import charts
from core.labs.encoders.comparison import EncoderResult
from core.report.table import minus

FEW = 20  # pairs: below, their number stands beside the difference


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]], fold: bool = False) -> None:
    """Cells of two lines, which a grid does not have; wider than the page, it scrolls; fold: its second lines take two."""
    first, *rest = (escape(head) for head in heads)
    top = f"<th>{first}</th>" + "".join(f'<th class="num">{head}</th>' for head in rest)
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    kind = "gw-table gw-fold" if fold else "gw-table"
    st.html(f'<div class="gw gw-scrolled"><table class="{kind}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>')


def number(text: str, under: str = "", strong: bool = False) -> str:
    weight = ' style="font-weight:600"' if strong else ""
    return f'<td class="num"><span{weight}>{escape(text)}</span><div class="gw-small">{escape(under)}</div></td>'


def difference(paired: Any, p: float | None, verdict: str) -> str:
    if paired is None or paired.low is None:
        return number("–") if paired is None else number(signed(paired.difference), f"{paired.note}, n {paired.n:,}")
    style, arrow = {"better": ("up", "▲ "), "worse": ("down", "▼ ")}.get(verdict, ("", ""))
    few = f", n {paired.n:,}" if paired.n < FEW else ""
    said = "" if p is None else ", p &lt; 0.001" if p < 0.001 else f", p {p:.3f}"
    return (
        f'<td class="num"><div class="gw-delta {style}" style="margin:0"><b>{arrow}{signed(paired.difference)}</b>'
        f'<div class="gw-small">{signed(paired.low)} to {signed(paired.high)}{said}{few}</div></div></td>'
    )


def signed(value: float) -> str:
    return minus(f"{value:+.3f}")


def named(row: EncoderResult, rows: Sequence[EncoderResult], under: str = "") -> str:
    wrap = "white-space:nowrap" if len(row.offer.name) < 24 else "overflow-wrap:anywhere"
    return (
        f'<td><span style="{wrap}"><span style="color:{charts.shade(color(row, rows))}">●</span> {escape(row.offer.name)}</span>'
        f'<div class="gw-small">{escape(under)}</div></td>'
    )


def color(row: EncoderResult, rows: Sequence[EncoderResult]) -> str:
    return charts.COLORS[[other.offer.id for other in rows].index(row.offer.id) % len(charts.COLORS)]
