"""How many recipes were compared on these questions, and what that makes of a difference."""

import streamlit as st

from app import session
from app.ui import cards
from core.evaluation.metric import MAIN
from core.labs.trials import looks as lab
from core.labs.trials.comparison import label
from core.statistics.paired import Paired
from core.workbench import Evaluation

HELP = (
    "Counted once each: recipes that you set here, the pinned baseline, and stored trials. Curves and tables that the page draws by "
    "itself are not counted."
)


def draw(current: Evaluation, difference: Paired | None) -> None:
    """difference: of the main metric to the baseline; None where there is none."""
    counts = lab.counted(session.workbench(), current.run.questions)
    if words := lab.sentence(counts, difference and difference.p, label(MAIN, current.config.evaluation.k)):
        st.caption(cards.plain(words), help=HELP)
    if told := lab.warning(counts):
        st.warning(cards.plain(told), icon=":material/visibility:")
