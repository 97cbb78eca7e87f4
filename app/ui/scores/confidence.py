"""The view Confidence by how sure the model is of an answer: the share answered against the share right, and the threshold that it
is to reach."""

import streamlit as st

from app import session
from app.ui import cards, charts, tables
from app.ui.cards import Card
from core.config import TrialConfig
from core.labs.scores import confidence as lab
from core.labs.scores.confidence import SETTING, Confidence
from core.statistics.bootstrap import Interval

METHOD = "Wilson's interval of the effective number of questions, those with evidence in one document together"


def shown(made: Confidence, config: TrialConfig, command: str) -> None:
    cards.row(headline(made))
    chart(made, config, command)
    tables.sentences(lab.sentences(made))
    if made.chosen is not None and made.chosen.threshold != made.present.threshold:
        words = f"Use {made.chosen.threshold:.3f} in the recipe" if made.chosen.threshold else "Answer everything in the recipe"
        cards.press(words, "tune", "use_confidence", session.change, {SETTING: made.chosen.threshold}, type="primary")
    with st.expander("The curve as a table"):
        tables.draw(lab.point_table(made, command))


def headline(made: Confidence) -> list[Card]:
    at = f"threshold {made.present.threshold:g}" if made.present.threshold else "no threshold"
    row = [
        share_card(
            "Area under the risk",
            made.curve.area,
            "AURC: mean risk over all coverages. Less is better: the more confident answers are the right ones.",
            -1,
        ),
        share_card(
            f"Answered, {at}", made.present.coverage, "Share of the questions that get an answer with the recipe's threshold.", 0
        ),
        share_card(f"Right of those, {at}", made.present.right, f"Right: {lab.judged_rule(made.measure)}."),
    ]
    if made.chosen is not None:
        at = f"test, {made.chosen.threshold:.3f}"
        row.append(share_card(f"Answered, {at}", made.on_test.coverage, "With the threshold chosen on the dev questions.", 0))
        row.append(
            share_card(
                f"Right of those, {at}", made.on_test.right, "Measured on test questions, which had no part in the choice."
            )
        )
    return row


def share_card(title: str, share: Interval, about: str, direction: int = 1) -> Card:
    bounds = None if share.low is None else (share.low, share.high)
    return Card(title, share.mean, bounds, n=share.n, of=share.total, direction=direction, note=share.note, help=about)


def chart(made: Confidence, config: TrialConfig, command: str) -> None:
    """The curve, with the recipe's present threshold ringed and the wish as a line."""
    curve, here = made.curve, made.present
    ringed = float(here.coverage.mean) if here.right.n else None
    x, y = curve.coverage.tolist(), curve.right.tolist()
    low, high = ([None if value != value else value for value in side.tolist()] for side in (curve.low, curve.high))
    traces = charts.line(x, y, name="share right", low=low, high=high, current=ringed, hover="answered %{x:.3f}, right %{y:.3f}")
    rule = lab.judged_rule(made.measure)
    marks = charts.mark_line(made.wished, f"wanted {made.wished:g}")
    layout = {"yaxis": {"range": [0, 1.03]}, "xaxis": {"range": [0, 1.03]}, **marks}
    charts.show(
        charts.figure(traces, "Share answered (coverage)", "Selective accuracy (share right)", **layout),
        "risk_coverage",
        data=lab.points(made),
        config=config,
        title="Risk and coverage",
        caption=f"{rule}; n {curve.area.n:,} answers to {made.questions:,} questions; ringed: the recipe's threshold",
        method=METHOD,
        command=command,
    )
