"""Labels taken from files, and a Label Studio server as another place to label in."""

import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, jobs
from app.ui.studies.desk import Desk
from core.annotation import imports, label_files
from core.workbench import one_phase


def names_from(text: str) -> dict[str, str]:
    """Name in the file -> annotator, from lines "them = Annotator 1"."""
    pairs = (line.rpartition("=") for line in text.splitlines() if "=" in line)
    return {before.strip(): after.strip() for before, _, after in pairs if before.strip() and after.strip()}


def importing(desk: Desk) -> None:
    st.markdown("**Import**")
    study_id = desk.study.id
    upload = st.file_uploader("Labels as JSONL, CSV or Label Studio's JSON", ["jsonl", "csv", "json"], key=f"{study_id}/import")
    names = st.text_area(
        "Names in the file, one a line: name = annotator",
        key=f"{study_id}/import.names",
        height=68,
        placeholder="label-studio-user = Annotator 1",
    )
    if upload is None:
        return
    replace = st.checkbox(
        "Replace labels that differ",
        key=f"{study_id}/import.replace",
        help="Otherwise they are reported and kept. Labels that the file does not mention are always kept.",
    )
    with st.container(horizontal=True, gap="small"):
        asked = st.button("Import", icon=":material/upload:", key="import_labels")
        about, problems = st.session_state.get("design_import", ("", ()))
        refused = about == (study_id, upload.file_id)
        good = refused and problems and st.button("Import the good labels only", key="import_good")
    if asked or good:
        try:
            imported = _imported(study_id, upload, bool(good), names_from(names), replace)
            st.session_state.design_import = ("", ())
            st.success(f"{taken_words(imported)}.", icon=":material/check:")
        except label_files.ImportProblems as error:
            st.session_state.design_import = ((study_id, upload.file_id), error.problems)
            st.rerun()
    elif refused and problems:
        st.error(
            f"{cards.count(len(problems), 'problem')}, so nothing was imported. Correct the file, or import the good labels only.",
            icon=":material/error:",
        )
        cells.show(
            [{"Line": problem.line, "Problem": problem.what, "What to do": problem.todo} for problem in problems],
            hide_index=True,
            height="content" if len(problems) < 8 else 280,
            key="import_problems",
        )


def taken_words(imported: imports.Imported) -> str:
    """What an import took and left, in words."""
    told = {"of them in place of others": imported.replaced, "of them with what others had left open": imported.completed}
    more = "".join(f", {number:,} {what}" for what, number in told.items() if number)
    since = f" ({imported.changed:,} of them changed or taken back here since, and left so)" if imported.changed else ""
    left = f", {cards.count(len(imported.problems), 'row')} left out" if imported.problems else ""
    return f"{cards.count(imported.added, 'label')} added{more}, {imported.known:,} were here already{since}{left}"


def _imported(study: str, upload: Any, keep_good: bool, names: dict[str, str], replace: bool) -> imports.Imported:
    """The name of the file is the sender's text: only its ending is used."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"labels{Path(upload.name).suffix.lower()[:6]}"
        path.write_bytes(upload.getvalue())
        return imports.import_labels(session.workbench(), study, path, keep_good, names, replace)


def label_studio_server(desk: Desk) -> None:
    with st.expander("Label Studio server"):
        st.caption("Another place to label in. Groundwork reads the key from LABEL_STUDIO_API_KEY and never stores it.")
        study_id = desk.study.id
        url = st.text_input(
            "Address", key="label_studio_url", placeholder="http://127.0.0.1:8080, or leave empty for LABEL_STUDIO_URL"
        )
        if "@" in url:  # a job's command line can be read by everybody on this machine
            st.error("The address holds a name or password. Leave it out: the key comes from LABEL_STUDIO_API_KEY.")
            return
        where = ["--url", url.strip()] if url.strip() else []
        sent = ["annotate", "push", study_id, *where]
        title = f"Pushing {study_id} to Label Studio"
        takes = one_phase(f"{cards.count(len(desk.study.items), 'item')} sent", units=max(1, len(desk.study.items)))
        jobs.start_button("Push as a new project", sent, title, takes, icon=":material/cloud_upload:", place="push")
        if (job := jobs.latest(sent)) and job.status == "done" and isinstance(job.result, dict):
            st.caption(
                cards.plain(f"Project {job.result.get('project')}, {job.result.get('tasks'):,} tasks, pushed {_ago(job)}.")
            )
        project = st.number_input(
            "Project to pull from", 0, 10_000_000, key="label_studio_project", help="The number in its address."
        )
        names = st.text_area("Names there, one a line: name = annotator", key="label_studio_names", height=68)
        good = st.toggle("Good labels only, if some have problems", key="label_studio_good")
        replace = st.toggle("Replace labels that differ", key="label_studio_replace")
        mapped = [word for name, who in names_from(names).items() for word in ("--as", f"{name}={who}")]
        taken = [
            "annotate",
            "pull",
            study_id,
            str(project),
            *where,
            *mapped,
            *(["--keep-good"] if good else []),
            *(["--replace"] if replace else []),
        ]
        if project:
            title = f"Pulling labels of {study_id}"
            takes = one_phase("the labels of the project fetched and checked", units=1)
            jobs.start_button("Pull its labels", taken, title, takes, icon=":material/cloud_download:", place="pull")
        if project and (job := jobs.latest(taken)) and job.status == "done" and isinstance(job.result, dict):
            st.caption(f"{taken_words(imports.Imported(**job.result))}; pulled {_ago(job)}.")


def _ago(job: Any) -> str:
    import time

    return f"{cards.duration(max(time.time() - (job.finished or job.created), 1))} ago"
