"""Which experiment is on the desk, and what is done with it as a whole."""

import streamlit as st

from app import session
from app.ui import cards, ways
from app.ui.experiments import desk, engine, handing
from app.ui.experiments.desk import StudyDesk
from app.ui.export import download
from core.labs.experiments import book, experiment
from core.labs.experiments.book import Version
from core.labs.path import steps
from core.workbench import command_line


def asked() -> str:
    """The id of the experiment that the last click, the address, or the last visit to the page asks for, that one as long as the
    corpus in use is its own; "" shows the list."""
    state, there = st.session_state, book.latest(session.workbench())
    before = state.get("study_open", "")
    name = state.pop("study_asked", "") or st.query_params.get("study", "")
    if not name and before in there and (not session.entered() or _corpus(there[before]) == session.config().corpus.dataset):
        name = before
    state.study_missing = "" if name in there else name
    state.study_open = name if name in there else ""
    if state.study_open:
        st.query_params["study"] = name
        if session.entered() or name != before:
            _take_up(there[name])
    return state.study_open


def _take_up(version: Version) -> None:
    """Has the bars on top, which are drawn before, speak of the experiment that is opened and of its corpus."""
    dataset, name = _corpus(version), version.experiment.id
    if (dataset, name) != (session.config().corpus.dataset, session.experiment()):
        session.change({"corpus.dataset": dataset})
        session.set_experiment(name)
        st.rerun()


def _corpus(version: Version) -> str:
    """The one that it is on; of a folder of trials, which has none of its own, the one in use."""
    return steps.corpus_of(session.workbench(), version) if version.experiment.factors else session.config().corpus.dataset


def leave() -> None:
    """Callback: back to the list."""
    st.session_state.pop("study_open", None)
    for key in ("study", "chosen"):
        st.query_params.pop(key, None)


def missing() -> None:
    if name := st.session_state.study_missing:
        cards.not_there("experiment", name)


def head(here: StudyDesk) -> None:
    """What the experiment is, in the place of the page's title, and what can be done with it."""
    study = here.recorded
    with st.container(horizontal=True, vertical_alignment="center", key="study_head"):
        st.title(cards.plain(here.title), anchor=False, width="stretch")
        # together on a line of their own where there is no room beside the title
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            doings(here)
    if study.question:
        st.caption(cards.plain(study.question))
    handing.verified(here.id)
    if study.archived:
        st.info("This experiment is archived: no list shows it.", icon=":material/archive:")


def doings(here: StudyDesk) -> None:
    study = here.recorded
    cards.press("All experiments", "list", "all_studies", leave, type="tertiary")
    about = "A copy under a new name, without its trials: to change it and compare."
    cards.press("Clone", "content_copy", "clone_study", desk.clone, study, type="tertiary", help=about)
    way = ("Restore", "unarchive", book.restore) if study.archived else ("Archive", "archive", book.archive)
    about = "Hides it from the lists, or shows it again; its trials stay."
    cards.press(*way[:2], "archive_study", way[2], session.workbench(), study.id, type="tertiary", help=about)
    if st.button(
        "Trials",
        key="study_trials",
        icon=":material/compare_arrows:",
        type="tertiary",
        disabled=not here.trials,
        help="Its trials on the page Trials.",
    ):
        ways.go("compare_trials", sweep=study.id)
    with st.popover("Export", icon=":material/ios_share:", type="tertiary", key="hand_on"):
        handing.pack(here)
    with st.popover("Reproduce", icon=":material/terminal:", type="tertiary"):
        reproduce(here)


def reproduce(here: StudyDesk) -> None:
    text = experiment.written(here.draft.experiment or here.recorded)
    st.caption("The experiment as a file")
    st.code(text, language="yaml", wrap_lines=True)
    download("Download YAML", text, f"{here.id}.yaml", "study_yaml")
    st.caption("The commands that run it, here or from that file elsewhere")
    options = engine.of(here.id).options
    commands = [command_line("study", name, *options) for name in (here.id, f"{here.id}.yaml")]
    st.code("\n".join(commands), language="bash", wrap_lines=True)
