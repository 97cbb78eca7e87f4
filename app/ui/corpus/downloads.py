"""The public data sets that are not here yet, each with the button that fetches it."""

import streamlit as st

from app import session
from app.ui import cards, jobs
from core.corpus.cards import Card, Status
from core.labs.corpus import contents as lab
from core.workbench import one_phase


def draw() -> None:
    workbench = session.workbench()
    absent = [status for status in workbench.datasets() if status.kind == "downloadable" and not status.present]
    if not absent:
        cards.empty("Everything is here", "All data sets that Groundwork knows are on this machine.")
    st.text(
        "Nothing is downloaded before you press its button. Files you already have are used if the environment variable "
        "GROUNDWORK_DATASETS names their folder."
    )
    card_of = lab.cards(workbench)
    for status in absent:
        with (
            st.container(border=True),
            st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"),
        ):
            with st.container(width="stretch"):
                about(status, card_of[status.name])
            if not card_of[status.name].fetched:
                st.text(status.note)
                continue
            number = len(card_of[status.name].files)
            takes = one_phase(cards.count(number, "file"), units=number, like=status.name)
            arguments, title = ["download", status.name], f"Download {status.name}"
            jobs.start_button("Download", arguments, title, takes, icon=":material/download:", place=status.name)


def about(status: Status, card: Card) -> None:
    st.markdown(f"**{cards.plain(card.title)}**  \n:gray[{cards.plain(card.description)}]")
    cards.status_strip(
        [
            f"{status.documents:,} documents" if status.documents else "",
            f"{status.questions:,} questions" if status.questions else "",
            f"licence: {card.licence}",
            card.homepage,
        ]
    )
