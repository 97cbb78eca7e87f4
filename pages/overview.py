"""What is here, what was tried last, and where to start?"""

import streamlit as st

from app import session
from app.ui import cards, jobs, recipe_strip
from app.ui.overview import beginning, corpora, estimates, going_on, health, last, searching

NAVIGATION = {"section": "Start", "order": 10, "title": "Overview", "icon": "home", "step": "question", "press": True}
WHAT = (
    "A research workbench for retrieval-augmented generation: change any step between a document and an answer, and see at "
    "once, with its uncertainty, how that changes retrieval and answers."
)


def page() -> None:
    """From what has to be done before anything else to what is here."""
    recipe_strip.page_title("Groundwork", WHAT, recipe=bool(session.changed()))
    with cards.calm():  # a corpus without documents leaves the rest of the page
        beginning.prepare()
    every, asked = session.workbench().jobs.list(), st.query_params.get("job")
    for job in every:
        if job.id == asked or job.status == "up":  # its link above was followed
            jobs.watch(job.id)
    returned = False
    with cards.calm():
        returned = going_on.draw()
    with cards.calm():
        beginning.first_question()
    with cards.calm():
        searching.draw()
    if not returned:
        st.subheader("What to try first", anchor=False)
        beginning.starts()
    st.subheader("Last trials", anchor=False)
    last.trials()
    with st.container(key="stack"):
        left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Corpora", anchor=False)
        corpora.draw()
    with right:
        st.subheader("Health", anchor=False)
        health.draw()
        with cards.calm():
            estimates.draw()


page()
