"""The ladder as bands: how many questions are lost where, with intervals, and which moved between two recipes."""

from typing import Any

import streamlit as st

from app.ui import cards, charts, tables
from app.ui.failures.asking import Shown
from core.judging.reference import ACCEPTED
from core.labs.failures import ladder as lab
from core.labs.failures.ladder import BANDS, Ladder

NO_LOSS = {BANDS[name].title for name in ("absent", "answered", "reached")}
SHINING = 0.7  # of a bar's colour, so that the legend's square is as pale
METHOD = "Wilson's intervals of shares"
JUDGE = (
    f"An answer is right if it contains a reference answer whole, or reaches a token F1 of {ACCEPTED:g} with one (case, "
    f"punctuation and articles aside). A right answer in other words counts as wrong."
)


def strip(shown: Shown) -> None:
    corpus, config = shown.ladder.corpus, shown.config
    cards.status_strip(
        [
            f"{corpus.name}, {cards.count(len(corpus.documents), 'document')}",
            f"{cards.count(len(corpus.queries), 'question')} ({config.corpus.questions})",
            f"{cards.count(len(shown.ladder.climbs), 'question')} asked" if shown.asked else "no model asked",
            f"context of {cards.count(config.context.passages, 'passage')}",
        ]
    )


def chart(shown: Shown) -> None:
    """A bar a band; a click on it opens its questions."""
    both = {"This recipe": shown.ladder} | ({"Baseline": shown.other} if shown.other else {})
    sides = {name: ladder for name, ladder in both.items() if ladder.bands(shown.asked)}  # the baseline may not be asked
    traces = [trace for name, ladder in sides.items() for trace in _side(name, ladder, shown.asked, len(sides) > 1)]
    pale = "paler" if len(sides) > 1 else "grey"
    number, names = len(shown.ladder.bands(shown.asked)), lab.ANSWERS if shown.asked else lab.RETRIEVAL
    furthest = max(100 * share.high for ladder in sides.values() for share in lab.counts(ladder, shown.asked).values())
    shape = charts.figure(
        traces,
        f"Share of {number:,} questions (%)",
        height=80 + 34 * len(names) * max(1, len(sides)) ** 0.5,
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
        # with room for the numbers, but no mark above 100%
        xaxis={"range": [0, 1.35 * furthest], "showgrid": True, "tickvals": list(range(0, 101, 20)) if furthest > 60 else None},
        bargap=0.3,
        barmode="group",
    )
    charts.show(
        shape,
        "failures",
        data=lab.band_rows(shown.ladder, shown.asked),
        config=shown.config,
        title="Where questions are lost",
        caption=f"n {number:,}; {'answers' if shown.asked else 'retrieval alone'}; passages: the first "
        f"{shown.config.context.passages}; {pale}: not counted as lost",
        method=METHOD,
        command=shown.command(),
        on_select=_clicked,
    )
    st.caption(f"Click a bar to list its questions.{f' {JUDGE}' if shown.asked else ''}")


def _side(name: str, ladder: Ladder, asked: bool, compared: bool) -> list[dict[str, Any]]:
    """The bars of one recipe: what is lost in its colour, the rest in grey, or paler where grey is the baseline's; and behind the interval
    of each its count and share."""
    rows, color = lab.band_rows(ladder, asked), charts.COLORS[0] if name == "This recipe" else charts.BASELINE
    titles, rest = [row["band"] for row in rows], charts.faint(color, 0.4) if compared else charts.faint(charts.BASELINE, SHINING)
    ends = [(100 * row["low"], 100 * row["high"]) for row in rows]
    traces = []
    for lost, its in ((True, charts.faint(color, SHINING)), (False, rest)):
        values = [100 * row["share"] if (row["band"] not in NO_LOSS) == lost else None for row in rows]
        [bar] = charts.bars(
            titles, {name: values}, errors={name: ends}, colors={name: its}, horizontal=True, hover="%{y}: %{x:.1f}%"
        )
        bar["error_x"]["color"] = charts.INK  # a whisker crosses its bar and the ground, and bars shine through
        traces.append(bar | {"offsetgroup": name, "legendgroup": name, "showlegend": lost})
    told = [f"{row['questions']:,} ({row['share']:.0%})" for row in rows]
    unseen = {"marker": {"opacity": 0}, "hoverinfo": "skip", "showlegend": False, "offsetgroup": name, "orientation": "h"}
    text = {"text": told, "textposition": "outside", "textfont": {"size": 12}, "cliponaxis": False}
    text |= {} if compared else {"constraintext": "none"}  # beside each other they have less room than their type
    return [*traces, {"type": "bar", "x": [high for _, high in ends], "y": titles, **text, **unseen}]


def _clicked() -> None:
    points = st.session_state["chart/failures"]["selection"]["points"]
    titles = {band.title: name for name, band in BANDS.items()}
    st.session_state.band = titles.get(points[0]["y"], "") if points else ""


def rungs(shown: Shown) -> None:
    """What the model does with ever better passages: cards, a rung each."""
    row = [
        cards.Card(
            each["rung"],
            each["share"],
            None if each["low"] is None else (each["low"], each["high"]),
            n=each["of"],
            note="" if each["of"] else "no question with a reference answer was asked",
            help=HELP[each["rung"]],
        )
        for each in lab.rung_rows(shown.ladder)
    ]
    cards.row(row)


HELP = {
    "Closed book": "Right without any passage: known to the model, or guessed.",
    "Retrieved": "Right with the context of the fusion's ranking.",
    "Reranked": "Right with the context of the final ranking: the recipe's own answer.",
    "Gold evidence alone": "Right with the evidence as the only passages: what perfect retrieval would give.",
    "Gold among distractors": "Right with the evidence among the best wrong passages.",
    "Gold answer": "The judge accepts the reference answer itself, cut to the length that an answer may have.",
}


def pieces(shown: Shown) -> None:
    """How many pieces of evidence questions have, and how many of these the passages hold; nothing where none has several."""
    table = lab.piece_table(shown.ladder, shown.command())
    if table.rows:
        with st.expander(table.title, key="pieces"):
            tables.draw(table)
            st.caption(
                "Pieces of evidence among the first passages of the final ranking, whichever rule is chosen above. Low and "
                "High: Wilson's interval of the share of questions with all pieces there."
            )


def moved(shown: Shown) -> None:
    """Which questions are in another band than under the baseline."""
    if not shown.other:
        return
    pairs, bands = lab.compared(shown.ladder, shown.other, shown.asked)
    if not pairs:
        return st.caption("The baseline was not asked these questions: only its losses of retrieval can be compared.")
    changed = sum(before != after for before, after in pairs.values())
    st.markdown(f"**{changed:,} of {len(pairs):,} questions end differently than under the baseline**")
    tables.draw(lab.moved_table(pairs, bands, shown.command()))
