"""What to do first: prepare the corpus, and pages to begin with."""

import streamlit as st

from app import session
from app.ui import jobs, ways

STARTS = (
    (
        "search_live",
        "Move a slider, watch the metrics",
        "Recall, MRR and nDCG with their intervals, at once, on every question.",
        "tune",
    ),
    ("tune_chunks", "See where chunks cut", "Chunk boundaries and gold evidence in the text itself.", "content_cut"),
    ("ask_model", "Ask a question", "An answer from a local model, with citations that open the text.", "forum"),
    ("design_study", "Have people judge answers", "A blind study, planned and frozen, with agreement measured.", "edit_note"),
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
        workbench.jobs.start(arguments, title)
        st.rerun()  # the sidebar, drawn before, shows it too
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown("**Not prepared yet.** After that every slider answers at once.", width="stretch")
        jobs.prepare_button(recipe, plan)


def starts() -> None:
    with st.container(key="starts"):
        for column, (page, title, why, icon) in zip(st.columns(len(STARTS)), STARTS, strict=True):
            with column.container(border=True, height="stretch"):
                ways.link(page, f"**{title}**", icon)
                st.html(f'<div class="gw gw-small">{why}</div>')
