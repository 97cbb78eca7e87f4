"""What to do first: prepare the corpus, one question led through the real pages, and pages to begin with."""

import streamlit as st

from app import session
from app.ui import cards, jobs, ways
from core.labs.experiments import book
from core.labs.experiments.experiment import slug
from core.labs.papers import shelf
from core.labs.path import steps
from core.labs.trials.comparison import trials
from core.workbench import Forecast

OWN = {"tab": "Own documents"}
STARTS = (
    ("search_live", "Drag a slider", "Recall, MRR and nDCG with their intervals follow, on every question.", "tune", {}),
    ("tune_chunks", "See where chunks cut", "Chunk boundaries and gold evidence in the text itself.", "content_cut", {}),
    ("ask_model", "Ask a question", "An answer from a local model, with citations that open the text.", "forum", {}),
    ("browse_corpus", "Use your own documents", "Your files, with questions if you have them, as a corpus.", "upload_file", OWN),
)


def prepare() -> None:
    """At the very first start the built-in corpus is prepared without being asked for."""
    workbench, recipe = session.workbench(), session.config()
    arguments, title = ["prepare", *workbench.arguments(recipe)], f"Preparing {recipe.corpus.dataset}"
    job = jobs.latest(arguments)
    if job and job.status != "done":
        jobs.watch(job.id)
        return
    plan = workbench.plan(recipe)
    if plan.live:
        return
    if not job and recipe == session.defaults():
        jobs.start(arguments, title, Forecast(plan.phases))
        st.rerun()  # the bar, drawn before, shows it too
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown("**Not prepared yet.** After that every slider answers at once.", width="stretch")
        jobs.prepare_button(recipe, plan)


def starts() -> None:
    with st.container(key="starts"):
        for column, (page, title, why, icon, address) in zip(st.columns(len(STARTS)), STARTS, strict=True):
            with column.container(border=True, height="stretch"):
                ways.link(page, f"**{title}**", icon, **address)
                st.html(f'<div class="gw gw-small">{why}</div>')


def first_question() -> None:
    """Whether hybrid search helps, asked on the pages where every question is asked. How far it is follows from what is stored;
    nothing where trials were measured without it, and once there is a paper."""
    workbench, dataset = session.workbench(), worked_on()
    title, has = steps.first_question(dataset), steps.stored(workbench, dataset)
    name = slug(title)
    begun = name in book.latest(workbench)
    asked = any(status.name == dataset and status.questions for status in workbench.datasets())
    if not asked or shelf.names(workbench) or has.trials and not begun:
        return
    with st.container(border=True, key="first_question", gap="xsmall"):
        st.markdown(f"**A first question: {cards.plain(title[0].lower() + title[1:])}**")
        if not begun:
            st.caption(
                "BM25, dense and hybrid search are measured on half of the questions. On the other half hybrid is compared with each "
                "by a paired test, and the result goes into a paper, all on the pages you will use for your own questions."
            )
            if st.button("Begin", icon=":material/play_arrow:", key="begin_question"):
                from app.ui.path import asking  # which takes what experiments take, and the first page does without

                ways.go("run_study", study=asking.hybrid())
            return
        with st.container(horizontal=True, gap="medium"):
            of = {"study": name}
            ways.link("run_study", f"{'✓ ' * (has.recipes > 1)}Which is best?", "looks_one", **of)
            ways.link("run_study", f"{'✓ ' * (has.tested > 0)}Does it hold on test?", "looks_two", study_view="Leaderboard", **of)
            ways.link("explain_failures", "Where do the rest fail?", "looks_3", **{"corpus.dataset": dataset})
            ways.link("write_paper", "Into a paper", "looks_4")


def worked_on() -> str:
    """The corpus in use; where that is the one that everybody begins with, the one measured last."""
    dataset = session.config().corpus.dataset
    newest = trials(session.workbench(), 8) if dataset == session.defaults().corpus.dataset else ()
    return next((trial.dataset for trial in newest if trial.n), dataset)
