"""Where the study stands, and what to do now, with the one button that does it."""

import streamlit as st

from app import session
from app.ui import cards
from app.ui.studies.desk import Desk
from app.ui.studies.each_step import adjudicate, analyse, drafting, labelling_step, revise
from app.ui.studies.progress import hand_over, people
from core.annotation import rounds, standing, versions
from core.annotation.study import plain

STYLE = """<style>
ol.gw-steps { display: flex; gap: .5rem; list-style: none; margin: 0 !important; padding: 0 !important; }
.gw-steps li { flex: 1; min-width: 0; margin: 0 !important; border-top: 3px solid var(--gw-line); padding: .35rem 0 0;
  color: var(--gw-muted); font-size: .9rem; }
.gw-steps li.done { border-color: var(--gw-accent); }
.gw-steps li.now { border-color: var(--gw-accent); color: inherit; font-weight: 600; }
.gw-steps small { display: block; font-weight: 400; font-size: .76rem; color: var(--gw-muted); line-height: 1.35; }
.st-key-next_buttons { flex-direction: row-reverse; justify-content: flex-start; }
.gw-who { font-size: .88rem; overflow-wrap: anywhere; }
.gw-warn { color: var(--gw-bad); }
.st-key-links .stCode pre { padding-right: 3rem; }
.st-key-links .stCode > div { opacity: 1 !important; visibility: visible !important; }
@media (max-width: 1100px) {
  :is(.st-key-design_items, .st-key-design_rubric, .st-key-design_people, .st-key-design_power, .st-key-design_record, .st-key-next_head)
    > div > .stHorizontalBlock > .stColumn { min-width: 100%; }
  .st-key-design_power > div > .stHorizontalBlock { flex-wrap: wrap-reverse; }
}
</style>"""


SKIPPED = "skipped"


def stepper(desk: Desk) -> None:
    """Where the study stands."""
    study, now = desk.study, standing.STEPS.index(desk.standing.step)
    pilot, main = (len(plain(study.items, name)) for name in ("pilot", "main"))
    skipped = now > 1 and not any(version.round == "pilot" for version in versions.history(session.workbench(), study.id))
    notes = {
        "Draft": f"{len(study.annotators)} annotators",
        "Pilot": SKIPPED if skipped else cards.count(pilot, "item"),
        "Revise": SKIPPED if skipped else f"rubric {desk.frozen.study.rubric.version}{', the next in work' * desk.revision}",
        "Main": cards.count(main, "item") if main else "items to draw",
        "Adjudicate": _disputed(desk) if now >= 3 else "",
        "Analyse": "",
    }
    marks = "".join(
        f'<li class="{"done" if n < now else "now" if n == now else ""}"{" aria-current=step" if n == now else ""}>'
        f"{('– ' if notes[step] == SKIPPED else '✓ ') if n < now else ''}{step}<small>{notes[step]}</small></li>"
        for n, step in enumerate(standing.STEPS)
    )
    st.html(f'{STYLE}<ol class="gw gw-steps" aria-label="Steps of the study">{marks}</ol>')


def _disputed(desk: Desk) -> str:
    count, left = desk.standing.disputed, desk.standing.undecided
    return f"{count - left:,} of {count:,} decided" if desk.frozen.round == "adjudication" else f"{count:,} disputed"


def next_step(desk: Desk) -> None:
    """What to do now, with the one button that does it."""
    with st.container(border=True, key="next_step"):
        {
            "Draft": drafting,
            "Pilot": labelling_step,
            "Revise": revise,
            "Main": labelling_step,
            "Adjudicate": adjudicate,
            "Analyse": analyse,
        }[desk.standing.step](desk)
        if desk.frozen.hash and desk.standing.people:
            people(desk)
    if name := st.session_state.pop("design_leaver", ""):
        with cards.calm():  # asked here: after the click the dialog itself runs once more, and then there is nothing to hand over
            hand_over(desk, rounds.handing_over(session.workbench(), desk.study.id, name))
