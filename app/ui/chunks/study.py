"""Which chunker, and which size, finds the evidence: an experiment with both, in place."""

import streamlit as st

from app import session
from app.ui.chunks.cuts import SECOND
from app.ui.experiments import here
from core.config import TrialConfig

SIZE = "chunking.size_tokens"


def draw(config: TrialConfig) -> None:
    """Nothing is computed as long as it is closed."""
    box = st.expander(
        "Experiment: which chunks find the evidence?", icon=":material/science:", key="study_here", bind="query-params"
    )
    if box.open:
        with box:
            here.draw(config, {"chunking": chunkers(config), SIZE: ()})


def chunkers(config: TrialConfig) -> list:
    """Those of the page: the recipe's, and the second where two are compared, else another that cuts by size."""
    own = here.as_value(config.chunking, ["size_tokens"])
    if st.session_state.get("compare"):
        other = here.as_value(session.config(SECOND).chunking, ["size_tokens"])
    else:
        other = "recursive" if config.chunking.part == "fixed" else "fixed"
    return [own] if other == own else [own, other]
