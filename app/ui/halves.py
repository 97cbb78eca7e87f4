"""What a page says where there are no questions to ask: none at all, or none in the chosen half."""

import streamlit as st

from app import session
from app.ui import cards
from core.config import TrialConfig, with_settings


def no_questions(config: TrialConfig, told: str = "", instead: str = "", *, title: str = "", gold: bool = False) -> None:
    """In the place of a view: that the corpus has none, or only the chosen half, with the press that changes to the other. told: what
    follows of it; instead: what else there is to do; title: of a view that is not there yet; gold: of those with evidence."""
    other, what = _other_half(config, gold), f"no questions{' with gold evidence' * gold}{told}"
    why = f"This corpus has {what}. Add a questions file on the page Corpus{instead}."
    if other:
        why = (
            f"The {config.corpus.questions} half of this corpus has {what}: those of one document stay together, and of few documents "
            f"all may fall into the {other} half."
        )
    if title:
        cards.empty(title, why)
    else:
        st.info(why, icon=":material/info:")
    if other:
        cards.press(f"Use the {other} half", "swap_horiz", f"other_half/{title}", session.change, {"corpus.questions": other})


def _other_half(config: TrialConfig, gold: bool) -> str:
    """The half that has such questions where the chosen one has none; "": no half is chosen, or that has none either."""
    if not (other := {"dev": "test", "test": "dev"}.get(config.corpus.questions, "")):
        return ""
    there = session.workbench().corpus(with_settings(config, {"corpus.questions": other}))
    return other if (there.measurable if gold else there.queries) else ""
