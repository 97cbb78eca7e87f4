"""What stands around the desk: the line that says whose it is, and the guidelines."""

import streamlit as st

from app.ui import cards
from app.ui.labelling import guide
from app.ui.labelling.desk import Desk
from app.ui.labelling.door import ROUNDS
from app.ui.labelling.keys import settings
from core.annotation.versions import Frozen


def desk_of(frozen: Frozen, annotator: str) -> Desk:
    """The desk of this window; another one for another study, version or annotator."""
    state, who = st.session_state, (frozen.id, annotator)
    if state.get("label_who") != who:
        state["label_settings"] = settings(frozen.study.rubric, annotator)
        state["label_desk"], state["label_who"] = Desk(frozen, annotator), who
    return state["label_desk"]


def head(frozen: Frozen, annotator: str) -> None:
    """One line that says whose desk it is."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="label_head"):
        title = frozen.study.title or frozen.study.id
        st.html(
            f'<h1 class="gw gw-strong" style="margin:0;padding:0">{cards.escape(title)} '
            f'<span class="gw-small">{ROUNDS[frozen.round]} · {cards.escape(annotator)}</span></h1>'
        )
        st.button("Guidelines", key="label_guidelines", icon=":material/menu_book:", on_click=_turn, args=("label_guide",))
        with st.container(key="label_keyboard", width="content"), st.popover("Keys", icon=":material/keyboard:"):
            guide.keys(frozen.study.rubric, annotator)
        st.button("Leave", key="label_leave", icon=":material/logout:", type="tertiary", on_click=_leave)


def guidelines(frozen: Frozen) -> None:
    """Beside the item where there is room; they stay while one labels, until they are closed."""
    if not st.session_state.get("label_guide"):
        return
    with st.container(key="lab_guide", gap="small"):
        st.button(
            "Close", key="label_guide_close", icon=":material/close:", type="tertiary", on_click=_turn, args=("label_guide",)
        )
        guide.guidelines(frozen.study.rubric)


def _turn(name: str) -> None:
    st.session_state[name] = not st.session_state.get(name)


def _leave() -> None:
    for name in ("label_who", "label_desk"):
        st.session_state.pop(name, None)
    for name in ("annotator", "token", "item"):
        st.query_params.pop(name, None)
