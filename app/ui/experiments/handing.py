"""An experiment as one file: packed to be handed on, and one that came from elsewhere, verified before anything is added."""

import tempfile
from pathlib import Path

import streamlit as st

from app import session
from app.ui import cards, jobs
from app.ui.experiments.desk import StudyDesk
from app.ui.export import download
from core.errors import WorkbenchError
from core.labs.experiments import exchange
from core.labs.experiments.exchange import Contents
from core.workbench import command_line, one_phase

PACKED = "study_packed"  # of the session: (what it is of, bytes)


def pack(here: StudyDesk) -> None:
    """Two presses: packing a large experiment takes its time, and is verified as whoever opens it will."""
    name, about = f"{here.id}{exchange.ENDING}", (here.id, here.version, len(here.trials))
    st.caption(
        "The experiment with its trials, their raw rankings and questions as one file. Another workbench opens it, checks every record and "
        "derives the metrics again. Documents are not in it."
    )
    if st.session_state.get(PACKED, (None,))[0] != about:
        place = st.empty()
        press = jobs.Press("experiment export", one_phase(cards.count(len(here.trials), "trial"), units=max(1, len(here.trials))))
        with place.container():
            pressed = jobs.press_button("Pack", press, key="pack_study", icon=":material/archive:")
        if not pressed:
            return
        place.empty()  # the download takes its place
        try:
            with tempfile.TemporaryDirectory(prefix="groundwork-") as folder:
                path = jobs.drain(exchange.export(session.workbench(), here.id, Path(folder) / name), press=press)
                st.session_state[PACKED] = about, path.read_bytes()
        except WorkbenchError as error:
            return cards.problem(error)
    data = st.session_state[PACKED][1]
    download(f"Download ({cards.size(len(data))})", data, name, "packed_study", type="primary")
    st.caption("The same on the command line")
    st.code(command_line("experiment", "export", here.id, name), language="bash", wrap_lines=True)


def unpack(name: str, data: bytes, press: jobs.Press) -> None:
    """Verifies a file from elsewhere and adds what is new; goes to its experiment. What is wrong with it is told, and nothing added."""
    with tempfile.TemporaryDirectory(prefix="groundwork-") as folder:
        path = Path(folder) / (Path(name).name or "study.zip")
        path.write_bytes(data)
        try:
            contents = jobs.drain(exchange.open_file(session.workbench(), path), press=press)
        except WorkbenchError as error:
            where = error.where.replace(str(path), path.name)  # of the person's file, not of its copy here
            return cards.problem(WorkbenchError(error.what, where=where, todo=error.todo))
    st.session_state.study_asked, st.session_state.study_verified = contents.experiment, contents
    st.rerun()


def verified(study_id: str) -> None:
    """What was verified of the file that this experiment came from, until the page is left."""
    contents: Contents | None = st.session_state.get("study_verified")
    if contents is None or contents.experiment != study_id:
        st.session_state.pop("study_verified", None)
        return
    parts = [
        cards.count(contents.versions, "version"),
        cards.count(contents.trials, "trial"),
        f"{cards.count(contents.question_sets, 'set')} of questions",
    ]
    told = (
        f"Opened and verified: {', '.join(parts)}. Every checksum holds; {contents.means:,} means were derived again from the "
        f"raw rankings and are the same. New here: {cards.count(contents.added, 'record')}; here before: {contents.present:,}."
    )
    if contents.diverged:
        more = cards.count(contents.diverged, "version")
        told += f" Here {'is' if contents.diverged == 1 else 'are'} {more} that the file does not have; the latest of all counts."
    st.success(cards.plain(told), icon=":material/verified:")
    for line in contents.unverified:
        st.warning(cards.plain(f"Not verified: {line}"), icon=":material/help:")
