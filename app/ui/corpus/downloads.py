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
    st.caption(
        "Nothing is downloaded before you press its button. Files you already have are used if the environment variable "
        "GROUNDWORK_DATASETS names their folder."
    )
    card_of = lab.cards(workbench)
    for status in sorted(absent, key=lambda status: not card_of[status.name].fetched):  # first what a press brings
        card = card_of[status.name]
        with st.container(border=True):
            if not card.fetched:
                about(status, card)
                st.caption(cards.plain(status.note))
                continue
            left, right = st.columns([3, 2], gap="medium", vertical_alignment="center")
            with left:
                about(status, card)
            with right:
                download(status.name, len(card.files))


def download(name: str, files: int) -> None:
    takes = one_phase(cards.count(files, "file"), units=files, like=name)
    jobs.start_button(
        "Download", ["download", name], f"Download {name}", takes, icon=":material/download:", place=name, kind="secondary"
    )


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
