"""Labels of a study as files."""

import io
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import streamlit as st

from app import session
from app.ui import cards, tables
from app.ui.export import download
from app.ui.studies.desk import Desk
from app.ui.studies.words import ROUNDS
from core.annotation import exports
from core.annotation.rubric import FOLDER
from core.annotation.study import systems_of
from core.report.table import Column, Table
from core.workbench import Workbench

FORMATS = {"jsonl": "JSONL", "csv": "CSV", "label_studio": "Label Studio", "dpo": "DPO pairs"}


def exporting(desk: Desk) -> None:
    st.markdown("**Export**")
    study_id = desk.study.id
    offered = [name for name in FORMATS if name != "dpo" or len(systems_of(desk.study)) > 1]  # pairs need two answers
    left, right = st.columns([1, 2])
    round_name = left.selectbox("Round", list(ROUNDS), key="export_round", format_func=ROUNDS.get)
    usual = [name for name in offered if name in exports.usual(desk.study)]
    stars = "dpo" in offered and "dpo" not in usual
    formats = right.pills(
        "Formats",
        offered,
        default=usual,
        key=f"{study_id}/export_formats",
        format_func=FORMATS.get,
        selection_mode="multi",
        help="The DPO pairs of this study would rest on the stars alone: nobody chose between two answers." if stars else None,
    )
    made = partial(_zipped, session.workbench(), study_id, formats, round_name)
    download("Download ZIP", made, f"{study_id}.zip", "export_zip", type="primary", disabled=not formats)
    with st.expander("Or write the files into a folder", key=f"{study_id}/export_folder"):
        folder = st.text_input(
            "Folder on the machine that runs Groundwork",
            str(FOLDER / study_id),
            key=f"{study_id}/folder",
            help="It is created if it does not exist.",
        )
        if st.button("Write", icon=":material/folder:", key="export_labels", disabled=not formats or not folder.strip()):
            place = FOLDER.parent / folder.strip()  # an absolute path stands for itself
            with st.spinner("Writing the files", show_time=True):
                st.session_state.design_export = (
                    study_id,
                    exports.export(session.workbench(), study_id, formats, place, round_name),
                )
    exported_id, made = st.session_state.get("design_export", ("", None))
    if exported_id == study_id:
        told = ", ".join(f"{number:,} {what}" for what, number in made.counts.items())
        st.caption(f"{cards.plain(made.folder)}: {told}, and manifest.json with the checksums")
        rows = [{"File": file["name"], "Size": cards.size(file["bytes"])} for file in made.files]
        tables.draw(Table("exported", [*map(Column, ("File", "Size"))], rows))


def _zipped(workbench: Workbench, study_id: str, formats: list[str], round_name: str) -> bytes:
    """The files of an export with their manifest."""
    with tempfile.TemporaryDirectory() as folder, io.BytesIO() as file:
        exports.export(workbench, study_id, formats, Path(folder) / study_id, round_name)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((Path(folder) / study_id).iterdir()):
                archive.write(path, f"{study_id}/{path.name}")
        return file.getvalue()
