"""How far an annotator is, and what the desk has to tell."""

from html import escape

import streamlit as st

from app.ui import cards
from app.ui.labelling.desk import Desk

PACED = 5  # items until a median says something
BREAK_S = 40 * 60.0  # of work: then a break is proposed


def draw(desk: Desk) -> None:
    total, done = len(desk.mine), desk.work.done
    pace = desk.work.median_seconds(PACED) or 0.0
    facts = [
        f"Screen {desk.mine.index(desk.item) + 1:,} of {total:,}" if desk.item else "",
        f"{done:,} {'decided' if desk.frozen.round == 'adjudication' else 'labelled'}",
        f"median {pace:.1f} s a screen" if pace else "",
        _left((total - done) * pace),
        f"saved {desk.saved}" if desk.saved else "saved at every key",
    ]
    spans = "".join(f"<span>{escape(fact)}</span>" for fact in facts if fact)
    bar = f'role="progressbar" aria-label="Screens labelled" aria-valuemax="{total}" aria-valuenow="{done}"'
    st.html(
        f'<div class="gw lab-progress" data-item="{escape(desk.item)}"><div class="gw-bar" {bar}>'
        f'<i style="width:{done / total:.2%}"></i></div><div class="gw-strip">{spans}</div></div>'
    )


def told(desk: Desk) -> None:
    """Messages, in places that are always there: what follows would be mounted anew if it moved, and miss the next key."""
    if desk.error:
        with st.empty():
            cards.problem(desk.error)
    else:
        st.empty()
    if desk.note:
        st.info(desk.note, icon=":material/info:")
    elif not desk.work.records:
        st.info(_welcome(desk), icon=":material/info:")
    elif desk.worked_s > BREAK_S:
        st.info(
            "You have worked for 40 minutes. A short break keeps judgements even; your place is kept.", icon=":material/coffee:"
        )
    else:
        st.empty()


def _welcome(desk: Desk) -> str:
    """The first screen of somebody who has labelled nothing."""
    how = "Answer with the buttons or the keys on them; each answer is saved at once, and you can stop at any time."
    if desk.frozen.round == "adjudication":
        return (
            f"You decide {cards.count(len(desk.mine), 'item')} on which the annotators differ. Their differences are marked "
            f"and come first, with each annotator's label; labels on which all agree are final. Names are not shown, and a "
            f"letter may mean another annotator in the next item. {how}"
        )
    return (
        f"You have {cards.count(len(desk.mine), 'screen')}, one answer each. Read the guidelines first, then judge by the evidence "
        f"beside the answer alone. {how}"
    )


def _left(seconds: float) -> str:
    if seconds <= 0:
        return ""
    minutes = max(round(seconds / 60), 1)
    return f"about {minutes} min left" if minutes < 100 else f"about {round(minutes / 60)} h left"
