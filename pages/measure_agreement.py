"""Agreement: how far can labels be trusted, what do they say of the systems, and can a machine stand in for people?"""

import streamlit as st

from app import session
from app.ui import agreement_tabs as tabs
from app.ui import cards
from core import agreement_lab as lab
from core import annotation_lab

UPLOAD = "Upload files"
TABS = {"Agreement": tabs.agreement, "By annotator": tabs.people, "By item": tabs.items, "As labels come in": tabs.growing,
        "Consensus": tabs.consensus, "People against machines": tabs.machines}  # fmt: skip


def page() -> None:
    question = "How far do annotators agree, what do they say together, and can a machine stand in for them?"
    cards.page_title("Agreement", question)
    if (source := choose()) is None or (view := read(source)) is None:
        return
    tabs.headline_cards(view)
    drawn = st.tabs(list(TABS), key="view", on_change="rerun", bind="query-params")
    for tab, draw in zip(drawn, TABS.values(), strict=True):
        if tab.open:
            with tab:
                draw(view)


def choose() -> lab.Source | None:
    """The labels to look at: of a stored study, a known file, or files from this browser."""
    workbench, state = session.workbench(), st.session_state
    studies = {one.study.id: one.study.title for one in annotation_lab.studies(workbench)}
    files = lab.known_files()
    options, asked = [*studies, *files, UPLOAD], st.query_params.get("source", "")
    if asked and asked not in options:
        st.warning(cards.plain(f"The address asks for {asked}, which is not here."), icon=":material/link_off:")
    if asked not in options and state.get("source") not in options:
        state.source = options[0]
    # the last one is the default, which alone does not stand in the address: it cannot be shared anyway
    name = st.selectbox("Labels of", options, len(options) - 1, key="source", bind="query-params", width=340)
    state.agreement_stored = ""
    if name == UPLOAD:
        return upload()
    digest = lab.digest_of(workbench, name) if name in studies else str(files[name].stat().st_mtime_ns)
    kept = state.get("agreement_source")
    if kept is None or kept[:2] != (name, digest):
        with st.spinner("Reading the labels", show_time=True):
            found = lab.open_study(workbench, name) if name in studies else lab.open_file(files[name], name)
        kept = state.agreement_source = (name, digest, found)
    if name in studies:
        state.agreement_stored = kept[2].digest
    return kept[2]


def upload() -> lab.Source | None:
    types = ["jsonl", "json", "csv"]
    files = st.file_uploader("Files", types, True, key="labels_files", label_visibility="collapsed")
    if files:
        return lab.open_upload([(file.name, file.getvalue()) for file in files])
    cards.empty("Agreement among annotators", "It is read from a study whose answers were labelled here, or from files: a CSV with the "
                "columns item, annotator and value, a file of QAGS, or an export of Groundwork or Label Studio together with its "
                "study.json. Uploaded labels are not stored.")  # fmt: skip
    return None


def read(source: lab.Source) -> tabs.View | None:
    """How the labels are read: part, round, level, consensus, and what counts as yes."""
    if source.study is not None and not source.rounds:
        cards.empty("Agreement among annotators", "Nobody has labelled anything in this study yet.")
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        part = source.parts[0]
        if len(source.parts) > 1:
            part = st.segmented_control("Part", list(source.parts), default=part, key="part", required=True, bind="query-params",
                                        format_func=lab.PARTS.get)  # fmt: skip
        round = one_of("Round", list(source.rounds) or [""], "of_round", 110, format_func=str.capitalize)
        found = lab.table_of(source, part, round)
        level = one_of("Level", list(lab.levels(found)), "level", 130, format_func=str.capitalize,
                       help="Nominal: different or not. Ordinal: by rank. Interval, ratio: by distance.")  # fmt: skip
        found = lab.table_of(source, part, round, level)
        method = one_of("Consensus", lab.methods(source, found), "consensus", 190, format_func=lab.METHODS.get)
        positive = () if part == "preference" else yes(found)
    if not found.items:
        cards.empty("Agreement among annotators", f"There are no labels of this part in the {round} round yet.")
        return None
    view = tabs.View(source, part, round, found, method, positive, lab.command(source, part, round))
    strip(view)
    return view


def one_of(title: str, options: list[str], key: str, width: int, **more) -> str:
    """A choice, where there is one."""
    if len(options) == 1:
        return options[0]
    return st.selectbox(title, options, key=key, width=width, bind="query-params", **more)


def yes(found: lab.Table) -> tuple[str, ...]:
    """The labels that count as yes; of numbers the least."""
    usual = lab.usual_positive(found)
    if not found.categories:
        least = st.number_input(
            "Counts as yes from", None, None, float(usual[0]), 0.5, key="yes_from", bind="query-params", width=160
        )
        return (f"{least:g}",)
    chosen = st.multiselect("Counts as yes", list(found.categories), list(usual), key="yes", bind="query-params", width=320,
                            help="For rates of systems and for machines; agreement keeps all labels apart.")  # fmt: skip
    return tuple(chosen) or usual


def strip(view: tabs.View) -> None:
    found, labels = view.found, int((view.found.values == view.found.values).sum())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        cards.status_strip([view.source.name, f"{len(found.items):,} {view.units}", cards.count(len(found.annotators), "annotator"),
                            cards.count(labels, "label"), f"{labels / len(found.items):.1f} a unit", found.level])  # fmt: skip
        with st.popover("Reproduce", icon=":material/terminal:"):
            st.caption("The command that computes the coefficients. The address of this page restores the view.")
            st.code(view.command, language="bash", wrap_lines=True)


page()
