"""Labels taken from files."""

import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells
from app.ui.studies.desk import Desk
from core.annotation import imports, label_files


def names_from(text: str) -> dict[str, str]:
    """Name in the file -> annotator, from lines "them = Annotator 1"."""
    pairs = (line.rpartition("=") for line in text.splitlines() if "=" in line)
    return {before.strip(): after.strip() for before, _, after in pairs if before.strip() and after.strip()}


def importing(desk: Desk) -> None:
    st.markdown("**Import**")
    id = desk.study.id
    given = st.file_uploader("Labels as JSONL, CSV or Label Studio's JSON", ["jsonl", "csv", "json"], key=f"{id}/import")
    names = st.text_area(
        "Names in the file, one a line: name = annotator",
        key=f"{id}/import.names",
        height=68,
        placeholder="label-studio-user = Annotator 1",
    )
    if given is None:
        return
    replace = st.checkbox(
        "Replace labels that say otherwise",
        key=f"{id}/import.replace",
        help="Without it they are told, and stay as they are. What a file does not speak of always stays.",
    )
    with st.container(horizontal=True, gap="small"):
        asked = st.button("Import", icon=":material/upload:", key="import_labels")
        known, problems = st.session_state.get("design_import", ("", ()))
        known = known == (id, given.file_id)
        good = known and problems and st.button("Import the good labels only", key="import_good")
    if asked or good:
        try:
            found = _imported(id, given, bool(good), names_from(names), replace)
            st.session_state.design_import = ("", ())
            st.success(f"{taken_words(found)}.", icon=":material/check:")
        except label_files.ImportProblems as error:
            st.session_state.design_import = ((id, given.file_id), error.problems)
            st.rerun()
    elif known and problems:
        st.error(
            f"{cards.count(len(problems), 'problem')}, so nothing was imported. Mend the file, or import the good labels only.",
            icon=":material/error:",
        )
        cells.show(
            [{"Line": one.line, "Problem": one.what, "What to do": one.todo} for one in problems],
            hide_index=True,
            height="content" if len(problems) < 8 else 280,
            key="import_problems",
        )


def taken_words(found: imports.Imported) -> str:
    """What an import took and left, in words."""
    told = {"of them in place of others": found.replaced, "of them with what others had left open": found.completed}
    more = "".join(f", {number:,} {what}" for what, number in told.items() if number)
    since = f" ({found.changed:,} of them changed or taken back here since, and left so)" if found.changed else ""
    left = f", {cards.count(len(found.problems), 'row')} left out" if found.problems else ""
    return f"{cards.count(found.added, 'label')} added{more}, {found.known:,} were here already{since}{left}"


def _imported(study: str, given: Any, keep_good: bool, names: dict[str, str], replace: bool) -> imports.Imported:
    """The name of the file is the sender's text: only its ending is used."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"labels{Path(given.name).suffix.lower()[:6]}"
        path.write_bytes(given.getvalue())
        return imports.import_labels(session.workbench(), study, path, keep_good, names, replace)
