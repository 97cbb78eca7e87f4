"""Which system's answers people prefer."""

import streamlit as st

from app.ui import cards
from app.ui.agreement import figures
from app.ui.agreement.results import compute_once
from app.ui.agreement.tables import COUNT, NUMBER, SIGNED, TEXT, THREE, bounds, figure, span, table
from core.agreement import plan, preferences
from core.agreement.consensus import AgreedLabels
from core.agreement.views import View


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
    table(
        rows,
        "preferences",
        {
            "A": TEXT(width=266),
            "B": TEXT(width=266),
            **dict.fromkeys(("A better", "B better", "Tied"), COUNT),
            **dict.fromkeys(("Share A", "Low", "High", "p"), THREE),
            "Low ": SIGNED,
            "High ": SIGNED,
            "Difference": NUMBER(format="%+.3f", width=84, help="Mean of +1, 0, −1; bootstrap."),
        },
    )
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
        command=view.command("--systems"),
        title="Bradley and Terry's strengths",
        caption="95% intervals by bootstrap over pairs; not all strengths were finite in "
        f"{comparison.strengths.undefined:,} of 1,000 resamples, and an interval may be open for that",
    )
