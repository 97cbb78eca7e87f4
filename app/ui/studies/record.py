"""The tab Record: what was frozen and when, whether it still holds, and labels as files."""

import streamlit as st

from app import session
from app.ui import cards, tables
from app.ui.studies.desk import Desk
from app.ui.studies.export import exporting
from app.ui.studies.import_labels import importing, label_studio_server
from app.ui.studies.words import ROUNDS
from core.annotation import checking, versions
from core.annotation.study import plain
from core.report.table import Column, Table


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
    if st.button("Check it", icon=":material/verified:", key="check", help="Check records and labels against the frozen plan"):
        with st.spinner("Reading every version and label", show_time=True):
            st.session_state.design_check = (frozen.id, checking.check(session.workbench(), frozen.study.id))
    version_id, check = st.session_state.get("design_check", ("", None))
    if version_id == frozen.id and check.ok:
        st.success(
            f"All versions match their hashes, and {cards.count(check.labels, 'label record')} fit them.",
            icon=":material/verified:",
        )
    elif version_id == frozen.id:
        st.error(
            "The study differs from what was frozen:\n\n" + "\n".join(f"- {cards.plain(text)}" for text in check.findings),
            icon=":material/error:",
        )
    if version_id == frozen.id and check.notes:
        st.caption("Recorded on the way:\n\n" + "\n".join(f"- {cards.plain(text)}" for text in check.notes))


def _versions(desk: Desk) -> None:
    st.markdown("**Versions**")
    rows = [
        {
            "No.": version.version,
            "Recorded": _when(version.created),
            "Round": version.round.capitalize(),
            "Items": len(plain(version.study.items)),
            "Rubric": version.study.rubric.version,
            "Hash": version.hash[:12],
        }
        for version in reversed(versions.history(session.workbench(), desk.study.id))
    ]
    tables.draw(Table("versions", [*map(Column, ("No.", "Recorded", "Round", "Items", "Rubric", "Hash"))], rows), rows=7)
    with st.popover("On the command line", icon=":material/terminal:"):
        study_id = desk.study.id
        st.code(
            "\n".join(
                f"python -m core annotate {words}"
                for words in (
                    f"show {study_id}",
                    f"freeze {study_id} pilot",
                    f"progress {study_id}",
                    f"hand-over {study_id} ANNOTATOR",
                    f"close {study_id}",
                    f"check {study_id}",
                    f"export {study_id}",
                    f"import {study_id} FILE",
                )
            ),
            language="bash",
        )


def _when(created: str) -> str:
    return created[:16].replace("T", " ") + " UTC"
