"""What each measure says of a set of answers: cards, what it means, and how its values are spread."""

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, charts, dots, forms, tables
from app.ui.cards import Card, Delta, delta_of
from app.ui.scores.sources import Shown, first_words, of_the_recipe
from core.judging.measure import TOPICS
from core.labs.scores import behind, sets
from core.labs.scores.judging import MeasureScores, lengths, note_of_groups
from core.report.table import MEAN, TWO, Column, Table, between

METHOD = "Wilson's intervals of shares, else by bootstrap over answers, or over groups of those that belong together"
SHORT = 2  # reasons on a card; the table has all
FEW = 8  # words: a longer reference is a sentence
BETTER = {1: "higher", -1: "lower", 0: "neither"}


def overview(shown: Shown) -> None:
    """The first measures of every topic as cards."""
    groups, first = [row.group for row in shown.answers.rows], []
    for topic in TOPICS:
        mine = [each for each in shown.answers.measured if each.measure.topic == topic]
        first += [each for each in mine if each.measure.headline] or mine[:4]
    cards.row([card(each, groups, shown) for each in first])


def about(shown: Shown) -> None:
    """What is to be said of the cards, and every measure with what it means."""
    if note := note_of_groups(shown.answers.rows):
        st.caption(note)
    ask_for_a_sentence(shown)
    table(shown, [row.group for row in shown.answers.rows])


def ask_for_a_sentence(shown: Shown) -> None:
    """Where the recipe asks for a few words, and references are sentences."""
    (words, wanted), asked = lengths(shown.answers.rows), session.config().context
    if of_the_recipe() and asked.length == "few_words" and not asked.template and wanted > max(FEW, 2 * words):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            text = f"The median reference has {wanted:g} words, the median answer {words:g}: token F1 is low for that alone."
            st.caption(text, width="content")
            sentence = {"context.length": "sentence"}
            st.button(
                "Ask for a sentence", type="tertiary", icon=":material/short_text:", on_click=session.change, args=(sentence,)
            )


def card(each: MeasureScores, groups: list[str], shown: Shown) -> Card:
    mean, measure = each.mean(groups), each.measure
    bounds = None if mean.low is None else (mean.low, mean.high)
    alone = mean.n == 1 < mean.total
    note = each.failed or f"{'measured on one answer only; ' * alone}{why_not(each, SHORT)}"
    if (runs := behind.spread(each.scores)) and not note:
        note = f"spread between runs {runs[0]:.3f}"
    help_ = f"{first_words(measure)} Source: {measure.source}."
    more = {"n": mean.n, "of": mean.total, "unit": measure.unit, "direction": measure.direction, "note": note, "help": help_}
    return Card(measure.label, None if alone else mean.mean, bounds, _delta(each, shown), **more)


def _delta(each: MeasureScores, shown: Shown) -> Delta | None:
    """The paired difference to the other set, over the questions of both."""
    if shown.other is None:
        return None
    return delta_of(sets.paired(shown.answers, shown.other, each.measure.part))


def why_not(each: MeasureScores, most: int | None = None) -> str:
    """Why how many answers are unmeasured. most: so many reasons of them, the commonest."""
    told = [f"{why}: {number:,}" for why, number in each.reasons.items()]
    return "; ".join(told[:most]) + " …" * (most is not None and len(told) > most)


def table(shown: Shown, groups: list[str]) -> None:
    """Every measure in a row, with its coverage and cost."""
    rows = []
    for each in shown.answers.measured:
        mean, measure = each.mean(groups), each.measure
        rows.append(
            {
                "measure": measure.label,
                "mean": mean.mean,
                "between": between(mean.low, mean.high, MEAN),
                "measured": f"{mean.n:,} of {mean.total:,}",
                "unmeasured because": why_not(each),
                "spread": (own := behind.spread(each.scores)) and own[0],
                "better": BETTER[measure.direction],
                "what it is": first_words(measure),
                "source": measure.source,
                "seconds": each.seconds,
            }
        )
    runs = any(row["spread"] is not None for row in rows)
    columns = (
        Column("measure", width=150),
        Column("mean", "", MEAN),
        Column("between", "95%", width=120),
        Column("measured"),
        Column("unmeasured because"),
        *[Column("spread", "Spread of runs", MEAN, "Standard deviation between a judge's runs on one answer, mean over answers.")]
        * runs,
        Column("better"),
        Column("what it is", width=400),
        Column("source"),
        Column("seconds", "", TWO, "For scores that are not stored yet."),
    )
    with st.expander(f"All {cards.count(len(rows), 'measure')}, with what each means"):
        made = Table("measures", columns, rows, "Measures of the answers", "", "" if runs else shown.command)
        tables.draw(made, "measures_table", pinned=True)
        for name, why in shown.answers.left.items():
            st.caption(f"{cards.plain(name)}: {cards.plain(why)}.")


def chosen(shown: Shown) -> MeasureScores | None:
    """The measure whose values are drawn and sorted by."""
    by_name = {each.measure.part: each for each in shown.answers.measured if not np.isnan(each.values).all()}
    if not by_name:
        return None
    preferred = next((name for name, each in by_name.items() if each.measure.topic == "faithfulness"), next(iter(by_name)))
    if st.session_state.get("measure") not in (None, *by_name):
        del st.session_state.measure
    titles = {name: each.measure.label for name, each in by_name.items()}
    return by_name[
        forms.one_of_many("Measure", titles, "measure", preferred, bind="query-params", width=300, label_visibility="collapsed")
    ]


def spread(shown: Shown, each: MeasureScores) -> None:
    """How the values of a measure are spread over the questions."""
    measure, values = each.measure, each.values[~np.isnan(each.values)]
    span = measure.range if np.isfinite(measure.range).all() else (float(values.min()), float(values.max()) or 1.0)
    sides = [(shown.answers.name, values, charts.COLORS[0])]
    if shown.other and (theirs := shown.other.of(measure.part)):
        sides.append((shown.other.name, theirs.values[~np.isnan(theirs.values)], charts.BASELINE))
    traces = []
    for name, mine, color in sides:
        traces += charts.histogram(mine, name=name if len(sides) > 1 else "", bins=20, color=color, span=span)
    mean = each.mean([row.group for row in shown.answers.rows])
    few = max((max(trace["y"]) for trace in traces), default=0) <= 4
    shape = charts.figure(
        traces, f"{measure.label}{f' ({measure.unit})' if measure.unit else ''}", "Answers", height=200, bargap=0.02
    )
    if few:  # no half answers on the axis
        shape["layout"]["yaxis"]["dtick"] = 1
    if mean.mean is not None:
        shape = dots.with_lines(shape, [(mean.mean, f"mean {mean.mean:.3f}")])
    charts.show(
        shape,
        "answer_scores",
        data=[
            {"question": row.case.question, "answer": row.case.answer, measure.part: None if np.isnan(value) else float(value)}
            for row, value in zip(shown.answers.rows, each.values, strict=True)
        ],
        title=measure.label,
        caption=f"{BETTER[measure.direction]} is better; n {mean.n:,} of {mean.total:,}",
        method=METHOD,
        command=shown.command,
    )
