"""Label answers: which sentences are supported by their evidence, as a person judges?"""

import streamlit as st

from app.ui import cards, recipe_strip
from app.ui.labelling import door, screen, workplace

NAVIGATION = {
    "section": "Judge",
    "order": 30,
    "title": "Label answers",
    "icon": "edit_note",
    "entry": "Human studies",
    "path": False,
}
QUESTION = "Which sentences of an answer are supported by their evidence, as a person judges?"


def page() -> None:
    """The desk of whoever came with a link; else the door, and thanks to those who have done their part."""
    frozen, annotator = door.chosen()
    if frozen and annotator:
        at_work = workplace.desk_of(frozen, annotator)
        workplace.head(frozen, annotator)
        screen.draw(at_work)
        workplace.guidelines(frozen)
    elif frozen and door.finished(frozen, st.query_params.get("annotator", "")):
        finished()
    else:
        recipe_strip.page_title(NAVIGATION["title"], QUESTION, recipe=False)
        door.draw(frozen)


def finished() -> None:
    """An annotator of an earlier round; the other pages say which system wrote what, and are not shown."""
    st.html(screen.STYLE)
    cards.empty(
        "Your labels are complete, thank you",
        "The rounds in which you labelled are closed, and all your labels are stored. There is nothing more to do; you can "
        "close this window.",
    )


page()
