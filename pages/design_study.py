"""Study design: what people judge, how many of them, and how that is fixed before the first label is seen."""

import streamlit as st

from app import session
from app.ui import cards, design_record, design_tabs
from core import annotation_lab as lab
from core import design_lab as design

TABS = {
    "Plan": design_tabs.plan,
    "Items": design_tabs.items,
    "Rubric": design_tabs.rubric,
    "People": design_tabs.people,
    "Power": design_tabs.power,
    "Record": design_record.record,
}


def page() -> None:
    cards.page_title(
        "Study design",
        "What should people judge, how many of them, and how is that fixed before the first label is seen?",
    )
    studies = {one.study.id: one for one in lab.studies(session.workbench())}
    if not studies:
        return beginning()
    desk = design_tabs.desk(studies[choice(studies)])
    design_record.stepper(desk)
    told()
    design_record.next_step(desk)
    views = st.tabs(list(TABS), key="view", on_change="rerun", bind="query-params")
    for tab, draw in zip(views, TABS.values(), strict=True):
        if tab.open:
            with tab, cards.calm():
                draw(desk)


def beginning() -> None:
    """No study yet: the way from stored answers to a first draft."""
    found = lab.candidates(session.workbench())
    if found:
        names = lab.systems(found)
        cards.empty("A study in which people judge stored answers",
                    f"{cards.count(len(found), 'answer')} of {cards.count(len(names), 'system')} {'are' if len(found) > 1 else 'is'} stored. A first "
                    f"draft has everything filled in: a pilot of {min(design.PILOT, len(found))} answers, two annotators, a rubric for "
                    "faithfulness. You can change all of it before it is frozen.")  # fmt: skip
        return new_study(primary=True)
    cards.empty("A study in which people judge stored answers", "There are no stored answers to judge yet. Have some questions of the corpus "
                "answered first; 40 give a pilot of 30 and some to spare. It goes on when you leave this page.")  # fmt: skip
    design_tabs.answering()


def new_study(primary: bool = False) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Title", key="new_title", placeholder="Faithfulness", width=320)
        st.button(
            "Start a study",
            key="start_study",
            icon=":material/add:",
            type="primary" if primary else "secondary",
            on_click=begin,
        )


def begin() -> None:
    """Callback: a draft with everything filled in is recorded and opened."""
    workbench = session.workbench()
    drawn = design.start(workbench, st.session_state.get("new_title", ""), session.config().corpus.dataset)
    st.session_state[f"{drawn.study.id}/drawing"] = drawn.drawing
    st.session_state.study = lab.save(workbench, drawn.study).study.id


def choice(studies: dict[str, lab.Frozen]) -> str:
    """The study on the desk, from the address."""
    if st.session_state.get("study") not in (None, *studies):
        del st.session_state["study"]

    def title(id: str) -> str:
        one = studies[id]
        return f"{one.study.title or id} ({id}, {one.round})"

    with st.container(horizontal=True, vertical_alignment="bottom"):
        id = st.selectbox("Study", list(studies), key="study", format_func=title, bind="query-params", width=420)
        with st.popover("New study", icon=":material/add:"):
            new_study()
    one = studies[id]
    cards.status_strip([f"{len(design.plain(one.study.items)):,} items", f"{len(design.systems(one.study)):,} systems",
                        f"rubric version {one.study.rubric.version}", f"frozen as {one.hash[:12]}" if one.hash else "a draft, not frozen",
                        f"recorded {one.created[:16].replace('T', ' ')} UTC"])  # fmt: skip
    return id


def told() -> None:
    """What the last click did, or why it could not."""
    if note := st.session_state.pop("design_note", ""):
        st.success(cards.plain(note), icon=":material/check:")
    if problem := st.session_state.pop("design_problem", ""):
        st.warning(f"Not changed: {cards.plain(problem)}", icon=":material/error:")


page()
