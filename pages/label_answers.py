"""Label answers: which sentences are supported by their evidence, as a person judges?"""

import streamlit as st

from app.ui import cards
from app.ui.labelling import door, screen, workplace


def page() -> None:
    frozen, annotator = door.chosen()
    if frozen and annotator:
        workplace.draw(frozen, annotator)
    elif frozen and door.finished(frozen, st.query_params.get("annotator", "")):
        finished()
    else:
        cards.page_title(
            "Label answers", "Which sentences of an answer are supported by their evidence, as a person judges?", recipe=False
        )
        door.draw(frozen)


def finished() -> None:
    """An annotator of an earlier round; the other pages say which system wrote what, and are not shown."""
    st.html(screen.STYLE)
    cards.empty(
        "Your labels are complete, thank you",
        "The rounds in which you labelled are closed, and everything you said is "
        "kept. There is nothing more to do; you can close this window.",
    )


page()
