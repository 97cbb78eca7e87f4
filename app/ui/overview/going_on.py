"""Where one was: the page left last, the experiment with its best, the study of people, the paper, and jobs that ended meanwhile."""

from typing import NamedTuple

import streamlit as st

from app import navigation, session
from app.ui import cards, ways
from app.ui.cells import cut
from core.annotation import versions
from core.labs.papers import shelf
from core.labs.path import returning, steps

ENDED = {"done": "done", "failed": "failed", "died": "stopped unexpectedly"}
MOST_JOBS = 3


class Line(NamedTuple):
    """One thing to go on with, and where that is. of: the key of the address that names it, "" where the whole address does."""

    title: str
    page: str
    icon: str
    words: str
    address: dict[str, str]
    of: str = ""

    @property
    def name(self) -> str:
        return self.address.get(self.of, "")


def draw() -> bool:
    """A line each, with the way back to it; whether there is more than a page that was looked at."""
    made = [line for part in (_experiment, _people, _paper) for line in part()]
    made += _jobs({line.name for line in made})
    lines = _once(_view(), made)
    if lines:
        st.subheader("Go on", anchor=False)
        with st.container(key="go_on", gap="xxsmall"):
            for line in lines:
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    ways.link(line.page, cards.plain(cut(line.title, 72)), line.icon, **line.address)
                    st.html(f'<div class="gw gw-small">{cards.escape(line.words)}</div>')
    return bool(made)


def _once(views: list[Line], made: list[Line]) -> list[Line]:
    """The page left last before all else, with the words of what it was of, which has then no line of its own."""
    for view in views:
        for line in made:
            if line.of and line.page == view.page and view.address.get(line.of, line.name) == line.name:
                rest = [other for other in made if other is not line]
                return [view._replace(words=f"{line.title} · {line.words}"), *rest]
    return [*views, *made]


def _view() -> list[Line]:
    """The page left last, with the recipe and the baseline of then: its address holds them."""
    view = session.last_view()
    entry = view and navigation.entries().get(view.page)
    return [Line(f"Back to {entry.title}", view.page, entry.icon, view.words, view.address)] if entry else []


def _experiment() -> list[Line]:
    row = returning.last_experiment(session.workbench())
    if row is None:
        return []
    words, name = returning.experiment_words(session.workbench(), row), row.experiment.id
    return [Line(f"Experiment: {row.experiment.title or name}", "run_study", "science", words, {"study": name}, "study")]


def _people() -> list[Line]:
    newest = next(iter(versions.studies(session.workbench())), None)
    if newest is None:
        return []
    study = newest.study
    return [
        Line(
            f"Human study: {study.title or study.id}",
            "design_study",
            "edit_note",
            steps.how_far(session.workbench(), newest)[1],
            {"study": study.id},
            "study",
        )
    ]


def _paper() -> list[Line]:
    if not (name := shelf.last(session.workbench())):
        return []
    title, words = returning.paper_words(session.workbench(), name)
    return [Line(f"Paper: {title}", "write_paper", "article", words, {"paper": name}, "paper")]


def _jobs(named: set[str]) -> list[Line]:
    """Those that ended since the page left last was left; what one made of something that is named has its line there."""
    view, every = session.last_view(), session.workbench().jobs.list()
    ended = [job for job in every if job.status in ENDED and (job.finished or job.heartbeat or 0) > (view.when if view else 0)]
    ended = [job for job in ended if not job.alive and (job.status != "done" or named.isdisjoint(job.arguments))]
    return [Line(job.label, "overview", "task_alt", ENDED[job.status], {"job": job.id}) for job in ended[:MOST_JOBS] if view]
