"""The step Draft."""

import streamlit as st

from app.ui import cards
from app.ui.studies.desk import Desk
from app.ui.studies.freezing import freeze
from app.ui.studies.next_box import _parts, keep, missing, next_box
from core.annotation.assignment import loads
from core.annotation.study import plain


def drafting(desk: Desk) -> None:
    pilot, main = (plain(desk.study.items, name) for name in ("pilot", "main"))
    round_name = "pilot" if pilot or not main else "main"
    lacks, told = missing(desk, round_name), ""
    if not lacks:
        screens, who = loads(desk.study, round_name), cards.count(len(desk.study.annotators), "annotator")
        sizes = [load.items + load.repeats + load.attention for load in screens]
        most = screens[sizes.index(max(sizes))]
        upto = "" if len({load[1:] for load in screens}) == 1 else "up to "
        told = f"Everything is filled in: {who}, {upto}{max(sizes):,} screens each: {_parts(*most[1:])}."
    with next_box(
        f"look through the tabs, then freeze the {round_name}",
        f"Still missing: {'; '.join(lacks)}."
        if lacks
        else f"{told} Change what you like below first. Once frozen, the round can be labelled.",
    ):
        if st.button(f"Freeze the {round_name}", type="primary", icon=":material/lock:", key="freeze", disabled=bool(lacks)):
            freeze(desk, round_name)
        hint = "Freezes the main round at once: nobody has tried the rubric then."
        if (
            round_name == "pilot"
            and main
            and st.button("Skip the pilot", type="tertiary", key="skip_pilot", help=hint, disabled=bool(missing(desk, "main")))
        ):
            freeze(desk, "main")
        keep(desk)
