"""The links and tokens that annotators are sent."""

import streamlit as st

from app import session
from app.ui import cards
from app.ui.studies.desk import Desk
from core.annotation import tokens


def links(desk: Desk, names: list[str]) -> None:
    from urllib.parse import quote, urlsplit

    tokens = desk.frozen.study.tokens
    label = "Links and tokens to send" if tokens else "Links to send"
    issued = st.session_state.setdefault("issued", {})  # (study, name) -> token, until the list of links is closed
    with st.popover(label, icon=":material/link:", key="links_to_send", on_change=issued.clear), st.container(key="links"):
        place = urlsplit(st.context.url or "")
        if place.hostname in ("127.0.0.1", "localhost", "::1"):
            st.caption("These open on this machine only. For others start the app on an address that they can reach.")
        root = f"{place.scheme}://{place.netloc}{place.path.rpartition('/')[0]}" if place.netloc else ""
        for name in names:
            st.caption(cards.plain(name))
            st.code(f"{root}/label_answers?study={quote(desk.study.id)}&annotator={quote(name)}", language=None, wrap_lines=True)
            if tokens:
                key = f"{desk.study.id}/token.{name}"
                st.button(
                    "New token",
                    key=key,
                    icon=":material/key:",
                    on_click=_issue,
                    args=(desk, name),
                    help="An earlier token of this person no longer holds.",
                )
                if token := issued.get((desk.study.id, name)):
                    st.code(token, language=None)
                    st.caption("Shown until this list is closed: copy it now. Only its hash is kept.")


def _issue(desk: Desk, name: str) -> None:
    st.session_state.issued[desk.study.id, name] = tokens.issue_token(session.workbench(), desk.study.id, name)
