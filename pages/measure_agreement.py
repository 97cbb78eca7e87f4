"""Agreement: how far can labels be trusted, what do they say of the systems, and can a machine stand in for people?"""

from pathlib import Path

import streamlit as st

from app import session
from app.ui import agreement_tabs as tabs
from app.ui import cards
from core import agreement_lab as lab
from core import annotation_lab

UPLOAD = "upload"
TABS = {"Agreement": tabs.agreement, "By annotator": tabs.people, "By item": tabs.items, "As labels come in": tabs.growing,
        "Consensus": tabs.consensus, "People against machines": tabs.machines}  # fmt: skip
DESIGN = "../pages/design_study.py"


def page() -> None:
    cards.page_title(
        "Agreement", "How far do annotators agree, what do they say together, and can a machine stand in for them?"
    )
    chosen = choose()
    if chosen is None:
        return
    view = read(chosen)
    if view is None:
        return
    tabs.headline_cards(view)
    for tab, draw in zip(
        st.tabs(list(TABS), key="view", on_change="rerun", bind="query-params"), TABS.values(), strict=True
    ):
        if tab.open:
            with tab:
                draw(view)


def choose() -> lab.Source | None:
    """The labels to look at: of a stored study, a known file, or files from this browser."""
    workbench = session.workbench()
    studies = {
        f"study:{one.study.id}": f"{one.study.title or one.study.id} · {one.round}"
        for one in annotation_lab.studies(workbench)
    }
    files = {f"file:{name}": path for name, path in lab.known_files().items()}
    options = [*studies, *files, UPLOAD]
    names = studies | {key: key.partition(":")[2] for key in files} | {UPLOAD: "Upload files …"}
    asked = st.query_params.get("source", "")
    if asked and asked not in options:
        st.warning(cards.plain(f"The address asks for {asked}, which is not here."), icon=":material/link_off:")
    left, *_ = st.columns([1.6, 1])
    source = left.selectbox("Labels of", options, key="source", bind="query-params", format_func=names.get)
    if source == UPLOAD:
        return upload(bool(studies))
    study_id = source.partition(":")[2]
    digest = lab.digest_of(workbench, study_id) if source in studies else str(files[source].stat().st_mtime_ns)
    kept = st.session_state.get("agreement_source")
    if kept is None or kept[:2] != (source, digest):
        with st.spinner("Reading the labels", show_time=True):
            found = lab.open_study(workbench, study_id) if source in studies else lab.open_file(files[source], study_id)
        kept = st.session_state.agreement_source = (source, digest, found)
    st.session_state.agreement_stored = kept[2].digest if source in studies else ""
    return kept[2]


def upload(other: bool) -> lab.Source | None:
    files = st.file_uploader(
        "Files", ["jsonl", "json", "csv"], accept_multiple_files=True, key="labels_files", label_visibility="collapsed"
    )
    if files:
        return lab.open_upload([(file.name, file.getvalue()) for file in files])
    why = ("Give a CSV with the columns item, annotator and value, a file of QAGS, or one of Groundwork's or Label Studio's exports together with its "
           "study.json. Uploaded labels are read here and not stored.")  # fmt: skip
    if (
        cards.empty("Agreement among annotators", why, "" if other else "Design a study", icon=":material/add:")
        and Path(__file__).with_name("design_study.py").exists()
    ):
        st.switch_page(DESIGN, query_params={})
    return None


def read(source: lab.Source) -> tabs.View | None:
    """How the labels are read: part, round, level, consensus, and what counts as yes."""
    if source.study is not None and not source.rounds:
        cards.empty("Agreement among annotators", "Nobody has labelled anything in this study yet.")
        return None
    part_at, round_at, level_at, method_at, yes_at = st.columns([1.5, 1, 1, 1.2, 1.8])
    part = part_at.segmented_control("Part", list(source.parts), default=source.parts[0], key="part", bind="query-params", required=True,
                                     format_func=lab.PARTS.get)  # fmt: skip
    round = round_at.selectbox("Round", list(source.rounds) or [""], key="of_round", bind="query-params", disabled=len(source.rounds) < 2,
                               format_func=lambda name: name.capitalize() or "All")  # fmt: skip
    found = lab.table_of(source, part, round)
    if not found.items:
        cards.empty("Agreement among annotators", f"There are no labels of this part in the {round} round yet.")
        return None
    level = level_at.selectbox("Level", list(lab.levels(found)), key="level", bind="query-params", disabled=len(lab.levels(found)) < 2,
                               format_func=str.capitalize, help="Nominal: different or not. Ordinal: by rank. Interval, ratio: by distance.")  # fmt: skip
    found = lab.table_of(source, part, round, level)
    methods = ["majority", *(["adjudicated"] if any(one.round == "adjudication" for one in source.labels) else []),
               *(["dawid_skene"] if found.categories else [])]  # fmt: skip
    method = method_at.selectbox("Consensus", methods, key="consensus", bind="query-params",
                                 format_func=lambda name: lab.METHODS[name] if found.categories else "Mean" if name == "majority" else lab.METHODS[name])  # fmt: skip
    positive = yes(yes_at, part, found)
    command = (
        source.command
        + (f" --part {part}" if source.study and part != "sentences" else "")
        + (f" --round {round}" if len(source.rounds) > 1 else "")
    )
    view = tabs.View(source, part, round, found, method, positive, command)
    strip(view)
    return view


def yes(place, part: str, found: lab.Table) -> tuple[str, ...]:
    if part == "preference":
        return ()
    usual = lab.usual_positive(found)
    if not found.categories:
        return (
            f"{place.number_input('Counts as yes from', value=float(usual[0]), step=0.5, key='yes_from', bind='query-params')}",
        )
    chosen = place.multiselect("Counts as yes", list(found.categories), list(usual), key="yes", bind="query-params",
                               help="For rates of systems and for machines; agreement keeps all labels apart.")  # fmt: skip
    return tuple(chosen) or usual


def strip(view: tabs.View) -> None:
    found = view.found
    labels = int((found.values == found.values).sum())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        cards.status_strip([f"{len(found.items):,} {view.units}", cards.count(len(found.annotators), "annotator"), cards.count(labels, "label"),
                            f"{labels / len(found.items):.1f} a unit", "95% intervals, 2,000 resamples"])  # fmt: skip
        with st.popover("Reproduce", icon=":material/terminal:"):
            st.caption("The command that computes the coefficients. The address of this page restores the view.")
            st.code(view.command, language="bash", wrap_lines=True)


page()
