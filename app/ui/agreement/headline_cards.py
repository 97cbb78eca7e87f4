"""Alpha, which is the one to report, and few beside it."""

import streamlit as st

from app.ui import cards, tables
from app.ui.agreement.results import overview
from core.agreement import sources
from core.agreement.views import View
from core.statistics.agreement.coefficient import Agreement

SHOWN = ("Krippendorff", "Percent", "Gwet's AC1", "ICC(2,1)", "ICC(2,k)")  # beginnings of names
STYLE = "<style>.gw-first .gw-card:first-child { border-color: var(--gw-accent); box-shadow: inset 0 0 0 1px var(--gw-accent); }</style>"


def headline_cards(view: View) -> None:
    """Alpha, which is the one to report, and few beside it; next to a paradox, what it means."""
    agreement, shown = overview(view), []
    for start in (*SHOWN, "Cohen's kappa" if agreement.annotators == 2 else "Fleiss"):
        row = next((row for row in agreement.measures if row.name.startswith(start)), None)
        if row is not None:
            interval, of = None if row.low is None else (row.low, row.high), sources.drawn(view.source.study, row.drawn)
            shown.append(
                cards.Card(
                    row.name.split(", ")[0],
                    row.value,
                    interval,
                    direction=0,
                    note=judged_by(view, row),
                    help=f"{row.name}: 95% interval, 2,000 resamples of {of}",
                )
            )
    st.html(f'{STYLE}<div class="gw gw-cards gw-first">{"".join(map(cards.card_html, shown))}</div>')
    if agreement.measures and agreement.measures[0].name in agreement.words:
        st.caption(
            cards.plain(
                f"Report alpha with its interval: {agreement.words[agreement.measures[0].name]} "
                f"({agreement.sources[0].split(', ')[0]}). The others are for comparison with papers."
            ),
            help=cards.plain(agreement.sources[0]),
        )
    if agreement.paradox:
        st.warning(cards.plain(f"Kappa paradox. {tables.minus(agreement.paradox.sentence)}"), icon=":material/balance:")
    undefined = [row for row in agreement.measures if row.value is None]
    if undefined and agreement.shares and sum(n > 0 for _, n in agreement.shares) == 1:
        st.info(
            "All labels are the same, so chance would agree as well: coefficients that correct for chance are undefined. More, and "
            "more different, items are needed; percent agreement alone says little here.",
            icon=":material/info:",
        )


def judged_by(view: View, row: Agreement) -> str:
    """What a coefficient is of, in words; of an undefined one why."""
    if row.value is None:
        return row.note
    labelled, note = view.table.values == view.table.values, f"; {row.note}" if row.note else ""
    if row.items != (labelled.sum(axis=1) > 1).sum():  # some coefficients reckon chance from units with one label too
        return f"{row.items:,} {view.units}{note}"
    return f"{row.items:,} {view.units} judged by {'both' if labelled.shape[1] == 2 else 'two or more'}{note}"
