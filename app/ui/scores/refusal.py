"""The view Confidence by how likely the model is to abstain: the curve, right and wrong abstentions, and the threshold."""

import streamlit as st

from app import session
from app.ui import cards, charts, tables
from app.ui.cards import Card
from app.ui.scores.confidence import share_card
from core.config import TrialConfig
from core.labs.scores import refusal as lab
from core.labs.scores.confidence import judged_rule
from core.labs.scores.refusal import RefusalCurve

METHOD = "Shares by Wilson's interval, questions with evidence in one document together"


def shown(made: RefusalCurve, config: TrialConfig, command: str) -> None:
    cards.row(headline(made))
    with st.container(key="two_charts"):
        left, right = st.columns(2, gap="medium")
        with left:
            coverage(made, config, command)
        with right:
            abstained(made, config, command)
    for sentence in lab.sentences(made)[1:]:  # the first says what the cards do
        st.caption(cards.plain(sentence))
    if made.chosen is not None and made.chosen.threshold != made.present.threshold:
        words = f"Use {made.chosen.threshold:g} in the recipe"
        cards.press(words, "tune", "use_refusal", session.change, {lab.SETTING: made.chosen.threshold}, type="primary")
    with st.expander("The curve as a table"):
        tables.draw(lab.threshold_table(made, command))


def headline(made: RefusalCurve) -> list[Card]:
    here = made.present
    return [
        share_card(f"Answered at {here.threshold:g}", here.answered, "Share of the questions that get an answer.", 0),
        share_card("Right of those", here.right, f"Right: {judged_rule(made.measure)}."),
        share_card("Wrongly abstained", here.wrongly, "Share of the questions whose answer the passages contain.", -1),
        share_card("Rightly abstained", here.rightly, "Share of the questions whose answer the passages do not contain."),
    ]


def coverage(made: RefusalCurve, config: TrialConfig, command: str) -> None:
    """Share answered against share right, a point a threshold, that of the recipe ringed and the wish as a line."""
    points = [each for each in made.curve if each.right.n]
    traces = charts.line(
        [each.answered.mean for each in points],
        [each.right.mean for each in points],
        name="share right",
        low=[each.right.low for each in points],
        high=[each.right.high for each in points],
        current=made.present.answered.mean,
        hover="from %{customdata:.2f}: answered %{x:.3f}, right %{y:.3f}",
    )
    for trace in traces:
        if "hovertemplate" in trace:
            trace["customdata"] = [each.threshold for each in points]
    layout = {
        "yaxis": {"range": [-0.04, 1.03]},
        "xaxis": {"range": [0, 1.03]},
        **charts.mark_line(made.wished, f"wanted {made.wished:g}"),
    }
    charts.show(
        charts.figure(traces, "Share answered (coverage)", "Selective accuracy (share right)", **layout),
        "refusal_coverage",
        data=lab.rows(made.curve),
        config=config,
        title="Risk and coverage",
        caption=f"{judged_rule(made.measure)}; n {made.present.answered.n:,} questions; a point a threshold",
        method=METHOD,
        command=command,
    )


def abstained(made: RefusalCurve, config: TrialConfig, command: str) -> None:
    """The share of abstentions by the threshold: of questions whose answer the passages hold and of others; the recipe's as a line."""
    traces = []
    for side, color in (("rightly", charts.COLORS[2]), ("wrongly", charts.COLORS[5])):
        shares = [getattr(each, side) for each in made.curve]
        if shares[0].n:
            traces += charts.line(
                [each.threshold for each in made.curve],
                [share.mean for share in shares],
                name=side,
                low=[share.low for share in shares],
                high=[share.high for share in shares],
                color=color,
                hover="from %{x:.2f}: %{y:.3f} abstained",
            )
    mark = charts.mark_line(made.present.threshold, " recipe", vertical=True)
    layout = {"yaxis": {"range": [-0.04, 1.03]}, "xaxis": {"range": [-0.02, 1.02]}, **mark}
    charts.show(
        charts.figure(traces, "Abstain from (probability)", "Share abstained", **layout),
        "refusal_abstained",
        data=lab.rows(made.curve),
        config=config,
        title="Abstention by threshold",
        caption=f"rightly: the passages lack the answer, n {made.present.rightly.n:,}; wrongly: they contain it, n "
        f"{made.present.wrongly.n:,}",
        method=METHOD,
        command=command,
    )
