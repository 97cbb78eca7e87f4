"""Which system's answers people prefer."""

import streamlit as st

from app.ui import cards
from app.ui.agreement import figures
from app.ui.agreement.results import compute_once
from app.ui.agreement.tables import bounds, figure, span, table
from core.agreement import plan, preferences
from core.agreement.consensus import AgreedLabels
from core.agreement.views import View
from core.report.table import COUNT, MEAN, P_VALUE, SIGNED, Column, Table


def preference_cards(view: View, labels: AgreedLabels) -> None:
    comparison = compute_once(
        view, "preferences", lambda: preferences.preferences(view.source, view.round, view.table, labels), view.method
    )
    place = comparison.position.share
    names = figures.named(name for duel in comparison.duels for name in (duel.a, duel.b))
    shown = [
        cards.Card(
            f"{names[duel.a]} over {names[duel.b]}",
            duel.sign.share.mean,
            bounds(duel.sign.share),
            n=duel.sign.share.n,
            direction=0,
            note=f"sign test, {plan.p_words(duel.sign.p)}; {cards.count(duel.sign.ties, 'tie')}",
            help="Share of wins among decided pairs, Wilson's interval",
        )
        for duel in comparison.duels
    ]
    shown.append(
        cards.Card(
            "First on the screen",
            place.mean,
            bounds(place),
            n=place.n,
            direction=0,
            note=f"position bias, {plan.p_words(comparison.position.p)}" if place.mean is not None else "",
            help="Share of decided labels for the answer shown first: 0.5 without a bias",
        )
    )
    cards.row(shown)
    rows = [
        {
            "A": names[duel.a],
            "B": names[duel.b],
            "A better": duel.sign.wins,
            "B better": duel.sign.losses,
            "Tied": duel.sign.ties,
            "Share A": duel.sign.share.mean,
            **span(duel.sign.share),
            "p": duel.sign.p,
            "Difference": duel.sign.difference.mean,
            "Low ": duel.sign.difference.low,
            "High ": duel.sign.difference.high,
        }
        for duel in comparison.duels
    ]
    columns = (
        Column("A", width=266),
        Column("B", width=266),
        *(Column(name, "", COUNT) for name in ("A better", "B better", "Tied")),
        *(Column(name, "", MEAN) for name in ("Share A", "Low", "High")),
        Column("p", "p", P_VALUE),
        Column("Difference", "", SIGNED, "Mean of +1, 0, −1; bootstrap."),
        Column("Low ", "", SIGNED),
        Column("High ", "", SIGNED),
    )
    note, command = "Share of wins among decided pairs with Wilson's 95% interval, and a sign test", view.command("--systems")
    table(Table("preferences", columns, rows, "Preferences among systems", note, command))
    if comparison.strengths.note:
        return st.caption(cards.plain(f"Bradley and Terry: {comparison.strengths.note}."))
    data = [
        {"system": name, **strength._asdict()}
        for name, strength in zip(comparison.systems, comparison.strengths.strengths, strict=True)
    ]
    figure(
        view,
        figures.strengths(comparison),
        "bradley-terry",
        data=data,
        command=command,
        title="Bradley and Terry's strengths",
        caption="95% intervals by bootstrap over pairs; not all strengths were finite in "
        f"{comparison.strengths.undefined:,} of 1,000 resamples, and an interval may be open for that",
    )
