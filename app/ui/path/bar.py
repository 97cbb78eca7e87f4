"""The path from a question to the paper, on one line of every page: what is done, where one is, and the one press that comes next.

On pages that are no step of it, it is folded to what comes next.
"""

from typing import NamedTuple

import streamlit as st

from app import navigation, session
from app.ui import cards, jobs, ways
from core.labs.experiments.experiment import Experiment
from core.labs.papers import shelf
from core.labs.path import steps
from core.labs.path.steps import PathStep

TRY, WRITE = "try hybrid search", "write it down"
MARKS = {"done": "✓ ", "next": "", "open": "", "aside": "– "}


class Way(NamedTuple):
    """Where a step is done. press: what its button says while it is the next; here: what is pressed on that page, "" where the bar
    itself does it."""

    page: str
    address: dict[str, str]
    press: str
    here: str = ""


def draw(page: str, questions: int) -> None:
    """questions: how many the corpus in use has."""
    entry = navigation.entries().get(page)
    if entry is None or not entry.path:
        return
    workbench, dataset = session.workbench(), session.config().corpus.dataset
    version = steps.in_use(workbench, dataset, session.experiment())
    experiment = version and version.experiment
    taken, to = steps.path(workbench, dataset, questions, experiment), places(experiment)
    following = next((step for step in taken if step.state == "next"), None)
    if entry.step == taken[-1].name and taken[-1].state != "done":  # who writes the paper is not led back
        following = taken[-1]
    # a page where several steps are done is at the one that is next
    at = following.name if following and to[following.name].page == page else entry.step
    with st.container(horizontal=True, gap="xxsmall", vertical_alignment="center", key="path"):
        if entry.step:
            for step in taken:
                _step(step, to[step.name], here=step.name == at)
        if following and (following.name, page) != ("people", "design_study"):  # a study says by itself what comes next
            _next(following, to[following.name], experiment, page, entry)


def places(experiment: Experiment | None) -> dict[str, Way]:
    """Where each step is done: on the page of the experiment in use, where that does it."""
    study = {"study": experiment.id} if experiment and experiment.factors else {}
    workbench, reported = session.workbench(), study if study and experiment.report_on else {}
    paper = steps.paper_of(workbench, experiment)
    bundle = {"paper_view": "Bundle"} | ({"paper": paper} if paper != shelf.last(workbench) else {})  # which is open by itself
    return {
        "question": Way("run_study", study, TRY),
        "corpus": Way("browse_corpus", {"tab": "Own documents"}, "add questions", "add questions"),
        "recipe": Way("search_live", {}, "measure a recipe", "Save as trial"),
        "compare": Way("run_study", study, "compare", "Start" if study else "Begin an experiment"),
        "confirm": Way("run_study", reported, "confirm on test", "Start")
        if reported
        else Way("search_live", {}, "confirm on test", "Save as trial, on Test"),
        "people": Way("design_study", {}, "have people judge"),
        "paper": Way("write_paper", bundle, "bundle the paper", "Make the bundle")
        if paper
        else Way("write_paper", {}, WRITE, "" if study else "Create"),  # of an experiment the bar makes one with its result
    }


def _step(step: PathStep, to: Way, here: bool) -> None:
    with st.container(key=f"path_{step.state}{'_here' * here}_{step.name}", width="content"):
        ways.link(to.page, f"{MARKS[step.state]}{step.title}", "", about=cards.plain(step.words), **to.address)


def _next(step: PathStep, to: Way, experiment: Experiment | None, page: str, entry: navigation.Entry) -> None:
    # a widget's value says it before the address does
    said = {key: st.session_state.get(key, st.query_params.get(key)) for key in to.address}
    there = to.page == page and said == to.address
    if there and to.here:
        works = any(to.address.get("study") in job.arguments for job in jobs.active())
        words = "Next: the result, once it is measured" if works else f"Next, on this page: {to.here}"
        st.html(f'<div class="gw gw-small gw-next">{words}</div>', width="content")
    elif not entry.step:
        with st.container(key="path_folded", width="content"):
            ways.link(to.page, f"Next: {to.press}", "route", about=cards.plain(step.words), **to.address)
    elif st.button(
        f"Next: {to.press}", key="path_next", type="secondary" if entry.press else "primary", help=cards.plain(step.words)
    ):
        go_on(step, to, experiment)


def go_on(step: PathStep, to: Way, experiment: Experiment | None) -> None:
    """To where the step is done, with what it begins with: a question where there is none yet, the test questions, the result of
    the experiment."""
    from app.ui.path import asking  # which takes what experiments take, and a page does without

    if step.name == "question":
        ways.go("run_study", study=asking.hybrid())
    if step.name == "paper" and experiment and experiment.factors and to.press == WRITE:
        ways.go("write_paper", paper=asking.into_paper(experiment))
    if step.name == "confirm" and to.page == "search_live":
        session.change({"corpus.questions": "test"})
    ways.go(to.page, **to.address)
