"""Study design: what people judge, how many of them, and how that is fixed before the first label is seen."""

import streamlit as st

from app import session
from app.ui import cards, design_record, design_tabs, jobs
from core.annotation import answers, draft, rounds, system_names, versions
from core.annotation.study import plain, systems_of

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
        "Study design", "What should people judge, how many of them, and how is that fixed before the first label is seen?"
    )
    studies = {one.study.id: one for one in versions.studies(session.workbench())}
    if not studies:
        return beginning()
    desk = choice(studies)
    design_record.stepper(desk)
    told()
    design_record.next_step(desk)
    if desk.piloted:
        st.caption(
            "The pilot is frozen. What you change below is for the main round; it is saved at once, and in force when that is frozen. "
            "A changed rubric says on its tab what it changes, and is then put in force."
        )
    # a key of its own: the tab open on the page from which a link leads here would be taken for this one's
    views = st.tabs(list(TABS), key="section", on_change="rerun", bind="query-params")
    for tab, draw in zip(views, TABS.values(), strict=True):
        if tab.open:
            with tab, st.container(key=f"design_{draw.__name__}"), cards.calm():
                draw(desk)


def beginning() -> None:
    """No study yet: the way from stored answers to a first draft."""
    what, found = "A study in which people judge stored answers", answers.candidates(session.workbench())
    job = next((job for job in jobs.active() if job.arguments[0] == "answer-questions"), None)
    few = len(found) < draft.PILOT
    if job and few:
        cards.empty(
            what,
            f"Answers are being made. Once they are stored, a press on “Start a study” here makes a draft: a pilot of "
            f"{draft.PILOT}, two annotators, a rubric for faithfulness. You can leave this page meanwhile.",
        )
        return jobs.watch(job.id)
    if not found:
        cards.empty(
            what,
            f"There are no stored answers to judge yet. {lost(found)}Have some questions of the corpus answered first; "
            f"40 give a pilot of {draft.PILOT} and some to spare. You can leave this page meanwhile.",
        )
        return design_tabs.answering()
    stored = f"{cards.count(len(found), 'answer')} of {cards.count(len(system_names.systems(found)), 'system')} can be judged."
    cards.empty(
        what,
        f"{stored} {lost(found)}"
        + (
            f"A pilot wants {draft.PILOT}: have more questions answered, or start with these."
            if few
            else f"“Start a study” makes a draft with everything filled in: a pilot of {draft.PILOT}, two annotators, a rubric for "
            "faithfulness. You can change all of it before it is frozen."
        ),
    )
    new_study(primary=not few)
    if job:
        jobs.watch(job.id)
    elif few:
        design_tabs.answering()


WHY = {"abstained": "found no passage that is similar enough", "empty": "came back without a word", "failed": "failed"}


def lost(found: list) -> str:
    """How many questions gave nothing to judge, and why."""
    seen = answers.asked(session.workbench(), found)
    told = [f"{number:,} {WHY[why]}" for why, number in seen.why.items()]
    return f"Of {cards.count(seen.asked, 'question')} asked, {' and '.join(told)}. " if told else ""


def new_study(primary: bool = False) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Title", key="new_title", placeholder="Faithfulness", width=320)
        look = "primary" if primary else "secondary"
        st.button("Start a study", key="start_study", icon=":material/add:", type=look, on_click=begin)


def begin() -> None:
    """Callback: a draft with everything filled in is recorded and opened."""
    workbench = session.workbench()
    drawn = draft.start(workbench, st.session_state.get("new_title", ""), session.config().corpus.dataset)
    design_tabs.drawings()[drawn.study.id] = drawn.drawing
    st.session_state.study = rounds.save(workbench, drawn.study).study.id
    st.session_state.new_title = ""


def choice(studies: dict[str, versions.Frozen]) -> design_tabs.Desk:
    """The study on the desk. It stands in the address, yet not bound to it: a link to another page could not name a study then."""
    state, asked = st.session_state, st.query_params.get("study")
    last = state.get("study_written")
    if asked in studies and (asked != last or "study" not in state):
        state.study = asked
    elif state.get("study") not in studies:
        state.study = last if last in studies else next(iter(studies))
    if asked and asked not in studies:
        state.study_missing = asked
    if missing := state.get("study_missing"):
        st.warning(
            cards.plain(f"The address asks for the study “{missing}”, which is not here. Shown is another."),
            icon=":material/link_off:",
        )

    def title(id: str) -> str:
        return f"{studies[id].study.title or id} ({id})"

    with st.container(horizontal=True, vertical_alignment="center"):
        id = st.selectbox(
            "Study",
            list(studies),
            key="study",
            format_func=title,
            width=340,
            label_visibility="collapsed",
            on_change=lambda: state.pop("study_missing", None),
        )
        # its key changes with each study, so that it closes once one is begun
        with st.popover("New study", icon=":material/add:", key=f"new_study.{len(studies)}"):
            new_study()
        desk = design_tabs.desk(studies[id])
        strip(desk)
    state.study_written = st.query_params["study"] = id
    return desk


def strip(desk: design_tabs.Desk) -> None:
    one, study = desk.frozen, desk.study
    cards.status_strip(
        [
            cards.count(len(plain(study.items)), "item"),
            cards.count(len(systems_of(study)), "system"),
            f"rubric version {one.study.rubric.version}",
            f"frozen as {one.hash[:12]}" if one.hash else "a draft, not frozen",
            f"recorded {one.created[:16].replace('T', ' ')} UTC",
        ]
    )


def told() -> None:
    """What the last click did, or why it could not."""
    if note := st.session_state.pop("design_note", ""):
        st.success(cards.plain(note), icon=":material/check:")
    if problem := st.session_state.pop("design_problem", ""):
        st.warning(f"Not changed: {cards.plain(problem)}", icon=":material/error:")


page()
