"""How many recipes were looked at on these questions, and what that makes of a difference."""

import streamlit as st

from app import session
from app.ui import cards
from core.evaluation.metric import MAIN
from core.labs.trials import looks as lab
from core.labs.trials.comparison import label
from core.statistics.paired import Paired
from core.workbench import Evaluation


def draw(current: Evaluation, difference: Paired | None) -> None:
    """Below the cards. difference: of the main metric to the baseline; None where there is none."""
    counts = lab.counted(session.workbench(), current.run.questions)
    st.caption(cards.plain(lab.sentence(counts, difference and difference.p, label(MAIN, current.config.evaluation.k))))
    if told := lab.warning(counts):
        st.warning(cards.plain(told), icon=":material/visibility:")
