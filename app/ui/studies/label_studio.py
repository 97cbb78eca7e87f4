"""A Label Studio server as another place to label in."""

from typing import Any

import streamlit as st

from app.ui import cards, jobs
from app.ui.studies.desk import Desk
from app.ui.studies.import_labels import names_from, taken_words
from core.annotation import imports
from core.workbench import one_phase


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
        replace = st.toggle("Replace labels that say otherwise", key="label_studio_replace")
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
