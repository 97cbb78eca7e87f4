"""The sentences nearest to the one in question, on the annotator's other screens: to go to, or to be labelled together with it.

Only where the study's frozen design allows it, and never in adjudication, where each dispute is decided by itself.
"""

import streamlit as st

from app import session
from app.ui import cards, jobs
from app.ui.labelling.desk import Desk, do, give_together, go_to, take_back_together
from core.annotation import similar
from core.annotation.labels import Label
from core.annotation.similar import SimilarSentence
from core.annotation.steps import answer_to
from core.errors import WorkbenchError


def draw(desk: Desk) -> None:
    """Closed at first: opening it compares the sentences, which takes a moment the first time."""
    step = desk.sheet.steps[desk.at]
    if not desk.study.bulk or desk.frozen.round == "adjudication" or step.kind != "sentence":
        st.empty()
        return
    box = st.expander(
        "Similar sentences on your other screens", icon=":material/join_inner:", key="label_similar", on_change="rerun"
    )
    if not box.open:
        return
    with box:
        try:
            work = similar.nearest(session.workbench(), desk.frozen, desk.annotator, desk.sheet.item, step)
            rows = jobs.drain(work, "Comparing sentences")
        except WorkbenchError as error:
            return cards.problem(error)
        if not rows:
            return st.caption("There is no other sentence to label.")
        _rows(desk, rows)


def _rows(desk: Desk, rows: list[SimilarSentence]) -> None:
    titles = {category.name: category.title for category in desk.study.rubric.labels}
    ticks = {}
    for row in rows:
        said = answer_to(label, row.step) if (label := desk.work.label(row.item)) else None
        ticks[f"alike/{desk.item}/{desk.at}/{row.item}/{row.step.response}.{row.step.sentence}"] = row
        _row(desk, row, said and titles.get(said, said), label, list(ticks)[-1])
    act = do, desk, give_together, desk.item, desk.at
    st.caption("Ticked and this one get:")
    with st.container(horizontal=True, gap="xsmall"):
        for number, (name, title) in enumerate(titles.items(), 1):
            cards.press(cards.plain(title), "", f"together/{desk.name}/{number}", *act, name, ticks)
        if desk.together:
            words = f"Take back on {cards.count(len(desk.together), 'other screen')}"
            cards.press(words, "undo", f"together/{desk.name}/back", do, desk, take_back_together, type="tertiary")
    st.caption("Read the evidence of each before you tick it. Labels given together are recorded as such.")


def _row(desk: Desk, row: SimilarSentence, said: str | None, label: Label | None, key: str) -> None:
    near = "equal" if row.equal else f"similarity {row.cosine:.2f}"
    facts = [f"Screen {desk.mine.index(row.item) + 1:,}", near, "same evidence" if row.same_evidence else "other evidence"]
    facts += [f"you said: {said}"] if said else ["you said: cannot judge"] if label and label.cannot_judge else []
    words, way = st.columns([1, 0.14], vertical_alignment="center")
    with words:
        off = said is not None or bool(label and label.cannot_judge)
        st.checkbox(cards.plain(row.text), key=key, disabled=off)
        st.caption(cards.plain(" · ".join(facts)))
    with way:
        cards.press(
            "", "arrow_outward", f"{key}/go", do, desk, go_to, row.item, row.step, type="tertiary", help="Go to its screen"
        )
