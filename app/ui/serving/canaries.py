"""Canaries: what was found at publication is asked again, and a loss is told with its deployment and stage."""

import math

import streamlit as st

from app import session
from app.ui import cards, charts, jobs
from app.ui.serving import service
from core.serving.publishing import Publication
from core.serving.watching import Watched, canary_cost, watched
from core.statistics.canary import ALPHA
from core.workbench import command_line


def draw(publication: Publication) -> None:
    url = st.text_input("Address of the service", service.address(), key="watch_url")
    told = watched(session.workbench(), publication)
    look = st.error if told.alarm is not None else st.info if told.asked else st.caption
    look(cards.plain(told.sentence))
    arguments = ["serving", "canaries", publication.name, "--url", url]
    jobs.start_button(
        "Ask the canaries",
        arguments,
        f"Canaries of {publication.name}",
        canary_cost(publication),
        icon=":material/notifications_active:",
        place="canaries",
    )
    if told.asked:
        evidence(publication, told)


def evidence(publication: Publication, told: Watched) -> None:
    """The e-value after each canary, as its logarithm, against the threshold."""
    asked, values = list(range(1, told.asked + 1)), [value / math.log(10) for value in told.log_e]
    layout = charts.mark_line(-math.log10(ALPHA), "alarm")
    title = "Log10 of the e-value"
    charts.show(
        charts.figure(charts.line(asked, values), "Canaries asked", title, height=320, **layout),
        "canaries",
        command=command_line("serving", "canaries", publication.name, "--url", ""),
        data=[{"canary": number, "log10_e": value} for number, value in zip(asked, values, strict=True)],
        title=f"Canaries of {publication.name}",
        caption=f"{told.asked:,} asked",
    )
    st.caption(
        "Each canary is a question whose evidence was found at publication. The e-value, the evidence of a loss, grows if more than "
        f"{publication.floor:.2%} are lost; without a change it ever reaches {1 / ALPHA:g} (log10: {-math.log10(ALPHA):g}) with a "
        f"chance of {ALPHA:.0%} at most."
    )
    if told.questions:
        with st.expander(f"Lost since {told.since}: {cards.count(len(told.questions), 'question')}"):
            for question in told.questions:
                st.text(question)
