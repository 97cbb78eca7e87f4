"""The tab Record: what was frozen and when, whether it still holds, and labels as files."""

import streamlit as st

from app import session
from app.ui import cards, cells
from app.ui.studies.desk import Desk
from app.ui.studies.export import exporting
from app.ui.studies.import_labels import importing
from app.ui.studies.label_studio import label_studio_server
from app.ui.studies.words import ROUNDS
from core.annotation import checking, versions
from core.annotation.study import plain


def draw(desk: Desk) -> None:
    """What was frozen and when, whether it still holds, and labels as files."""
    left, right = st.columns(2, gap="large")
    with left:
        _preregistration(desk)
        _versions(desk)
    with right:
        if desk.frozen.hash:
            exporting(desk)
            importing(desk)
            label_studio_server(desk)
        else:
            st.caption("Labels can be exported and imported once a round is frozen.")


def _preregistration(desk: Desk) -> None:
    frozen = desk.frozen
    st.markdown("**Preregistration**")
    if not frozen.hash:
        return st.caption("Nothing is frozen yet. Freezing stamps the plan, the rubric and the list of items with a hash.")
    cards.facts([("Round", ROUNDS[frozen.round]), ("Frozen", _when(frozen.created)), ("Hash", frozen.hash)])
    if st.button("Check it", icon=":material/verified:", key="check", help="Are records and labels what was frozen?"):
        with st.spinner("Reading every version and label", show_time=True):
            st.session_state.design_check = (frozen.id, checking.check(session.workbench(), frozen.study.id))
    id, found = st.session_state.get("design_check", ("", None))
    if id == frozen.id and found.ok:
        st.success(
            f"All versions are what their hashes say, and {cards.count(found.labels, 'label record')} fit them.",
            icon=":material/verified:",
        )
    elif id == frozen.id:
        st.error(
            "The study is not what was frozen:\n\n" + "\n".join(f"- {cards.plain(text)}" for text in found.findings),
            icon=":material/error:",
        )
    if id == frozen.id and found.notes:
        st.caption("Recorded on the way:\n\n" + "\n".join(f"- {cards.plain(text)}" for text in found.notes))


def _versions(desk: Desk) -> None:
    st.markdown("**Versions**")
    table = [
        {
            "No.": one.version,
            "Recorded": _when(one.created),
            "Round": one.round.capitalize(),
            "Items": len(plain(one.study.items)),
            "Rubric": one.study.rubric.version,
            "Hash": one.hash[:12],
        }
        for one in reversed(versions.history(session.workbench(), desk.study.id))
    ]
    cells.show(table, hide_index=True, height="content" if len(table) < 8 else 280, key="versions")
    with st.popover("On the command line", icon=":material/terminal:"):
        id = desk.study.id
        st.code(
            "\n".join(
                f"python -m core annotate {words}"
                for words in (
                    f"show {id}",
                    f"freeze {id} pilot",
                    f"progress {id}",
                    f"hand-over {id} ANNOTATOR",
                    f"close {id}",
                    f"check {id}",
                    f"export {id}",
                    f"import {id} FILE",
                )
            ),
            language="bash",
        )


def _when(created: str) -> str:
    return created[:16].replace("T", " ") + " UTC"
