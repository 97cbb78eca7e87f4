"""How many recipes were compared on these questions, and what that makes of a difference."""

from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import cards
from core.evaluation.metric import MAIN
from core.labs.trials import looks as lab
from core.labs.trials.comparison import label
from core.workbench import Evaluation

HELP = (
    "Recipes compared on these questions, and the p value corrected for all of them. Counted once each: recipes that you set here, the "
    "pinned baseline, and stored trials; not counted: curves and tables that the page draws by itself."
)


def draw(current: Evaluation, row: Sequence[cards.Card]) -> None:
    """A chip with the count and the main metric's corrected p, which opens what both mean. row: the cards of the recipe."""
    counts, main = lab.counted(session.workbench(), current.run.questions), label(MAIN, current.config.evaluation.k)
    p = next((card.delta.p for card in row if card.label == main and card.delta), None)
    words, told = lab.sentence(counts, p, main), lab.warning(counts)
    if not words:
        return
    corrects = p is not None and counts.looked > 2
    chip = f"{counts.looked:,}{'' if corrects else ' recipes'} compared" + (" on test" if counts.part == "test" else "")
    if corrects:
        [[left], _] = lab.corrected([p], counts.looked)
        chip += ", corrected p < 0.001" if left < 0.001 else f", corrected p {left:.3f}"
    with st.popover(
        f":orange[{cards.plain(chip)}]" if told else cards.plain(chip), icon=":material/visibility:", key="looks", help=HELP
    ):
        st.caption(cards.plain(words))
        if told:
            st.warning(cards.plain(told), icon=":material/visibility:")
