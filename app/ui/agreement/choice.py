"""The labels to look at: of a stored study, a known file, or files from this browser."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, ways
from core.agreement import sources
from core.annotation import latest, versions

UPLOAD, QAGS = "Upload files", sources.QAGS.as_posix()


def choose(row: Any) -> sources.LabelSource | None:
    """The labels to look at: of a stored study, a known file, or files from this browser. Own labels come first."""
    workbench, state = session.workbench(), st.session_state
    studies = {version.study.id: version.study.title or version.study.id for version in versions.studies(workbench)}
    files = sources.known_files()
    labelled = [study_id for study_id in studies if latest.labels_there(workbench, study_id)]
    own = [*labelled, *(study_id for study_id in studies if study_id not in labelled)]
    options = [*own, *sorted(files, key=lambda name: name == QAGS), UPLOAD]
    usual = labelled[0] if labelled else QAGS if QAGS in files else options[0]
    if "study" in st.query_params:  # as the other pages name it
        st.query_params["source"] = st.query_params.pop("study")
    asked = st.query_params.get("source", "")
    if asked and asked.casefold() not in {option.casefold() for option in options}:
        st.warning(
            cards.plain(f"The labels of “{asked}” that the address asks for are not here. Others are shown."),
            icon=":material/link_off:",
        )

    named = cells.with_ids(studies)

    def titled(name: str) -> str:
        if name in studies:
            return named[name]
        return "Example: QAGS CNN/DailyMail" if name == QAGS else name.replace("annotations/", "Export: ")

    name = addressed(
        "source", options, usual, lambda key: row.selectbox("Labels of", options, key=key, width=320, format_func=titled)
    )
    state.agreement_stored = name if name in studies else ""
    if name == UPLOAD:
        return upload()
    digest = sources.digest_of(workbench, name) if name in studies else str(files[name].stat().st_mtime_ns)
    entry = state.get("agreement_source")
    if entry is None or entry[:2] != (name, digest):
        with st.spinner("Reading the labels", show_time=True):
            source = sources.open_study(workbench, name) if name in studies else sources.open_file(files[name], name)
        entry = state.agreement_source = (name, digest, source)
    if name == QAGS:
        example(entry[2], not labelled)
    return entry[2]


def addressed(key: str, options: Sequence[str], usual: str, draw: Callable[[str], str | None]) -> str:
    """A choice that stands in the address by its name, whatever is shown for it; the usual one only where it was chosen. Nothing is
    written on arrival: that would make a step in the browser's history from which there is no way back."""
    state, asked = st.session_state, st.query_params.get(key, "")
    if asked != state.get(f"{key}_told") or key not in state:
        state[key] = {option.casefold(): option for option in options}.get(asked.casefold(), usual)
    if state[key] not in options:
        state[key] = usual
    value = draw(key) or usual
    if value.casefold() != asked.casefold() and (asked or value != usual):
        st.query_params[key] = value
    state[f"{key}_told"] = st.query_params.get(key, "")
    return value


ROUNDS = {"pilot": "Pilot", "main": "Main", "": "All"}


def chosen_round(row: Any, source: sources.LabelSource) -> str:
    """Chosen where there are several; the facts below the numbers name it."""
    rounds = list(source.rounds)
    if source.study is None or not rounds:
        return ""
    if len(rounds) == 1:
        return rounds[0]
    return addressed(
        "of_round",
        rounds,
        rounds[0],
        lambda key: row.segmented_control("Round", rounds, key=key, required=True, format_func=ROUNDS.get),
    )


def example(source: sources.LabelSource, alone: bool) -> None:
    """Says that these are nobody's own labels."""
    table = source.plain or sources.table_of(source, source.parts[0], source.rounds[0])
    what = (
        f"an example, QAGS (Wang, Cho and Lewis 2020): {len(table.items):,} sentences of machine-written summaries, judged by "
        f"{len(table.annotators):,} crowd workers."
    )
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.caption(f"No study of yours has labels yet. Shown is {what}" if alone else f"This is {what}", width="stretch")
        if alone and st.button("Design a study", icon=":material/assignment:", key="to_design"):
            ways.go("design_study")


def upload() -> sources.LabelSource | None:
    types = ["jsonl", "json", "csv"]
    files = st.file_uploader("Files", types, True, key="labels_files", label_visibility="collapsed")
    if files:
        return sources.open_upload([(file.name, file.getvalue()) for file in files])
    if cards.empty(
        "Agreement among annotators",
        "It is read from a study whose answers were labelled here, or from files: a CSV with the "
        "columns item, annotator and value, a file of QAGS, or an export of Groundwork or Label Studio together with its "
        "study.json. Uploaded labels are not stored.",
        "Design a study",
        icon=":material/assignment:",
    ):
        ways.go("design_study")
    return None


def link_to_study(row: Any) -> None:
    if name := st.session_state.agreement_stored:
        with row:
            ways.link("design_study", "Study design", "assignment", study=name)


def nothing_labelled() -> None:
    name = st.session_state.agreement_stored
    if cards.empty(
        "Agreement among annotators",
        "Nobody has labelled anything in this study yet.",
        "Open the study",
        icon=":material/assignment:",
    ):
        ways.go("design_study", **({"study": name} if name else {}))
