"""The tab Forecast: what the recipe's index is on the whole corpus, told from samples, and whether the whole kept to it."""

import streamlit as st

from app import session
from app.ui import cards, jobs, tables
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.index import scale_forecast as lab
from core.labs.index.glance import Glance
from core.records import Corpus
from core.workbench import Forecast, Plan


def forecast(here: Glance, corpus: Corpus) -> None:
    workbench, config = session.workbench(), here.cost.config
    run, shares = workbench.resolve(config), lab.usual_shares(len(corpus.documents))
    try:
        prices = [lab.price(workbench, run, shares, whole) for whole in (False, True)]
    except WorkbenchError as error:  # too few documents
        return cards.problem(error)
    left, right = st.columns(2)
    with left:
        button("Forecast", config, prices[0])
    with right:
        button("Check against the whole", config, prices[1], "--whole")
    drawn(config)


def before(plan: Plan) -> None:
    """While the corpus is not embedded: the forecast that tells whether it is worth it."""
    if plan.run and len(plan.run.corpus.documents) >= lab.LEAST_SAMPLED:
        button("Forecast", plan.run.config, lab.rough_price(len(plan.run.corpus.documents)))
        drawn(plan.run.config)


def button(label: str, config: TrialConfig, takes: Forecast, *options: str) -> None:
    workbench = session.workbench()
    arguments = ["index-forecast", *options, *workbench.arguments(config)]
    jobs.start_button(label, arguments, f"{label}: {config.corpus.dataset}", takes, place=label, kind="secondary")


def drawn(config: TrialConfig) -> None:
    workbench = session.workbench()
    if told := lab.forecast(lab.recorded(workbench, workbench.resolve(config)), config):
        made = lab.table(told, config, workbench.command(config, "index-forecast"))
        tables.draw(made)
        st.caption(f"{cards.plain(made.note)}.")
    else:
        st.caption(
            "Predicts recall, ranking, latency, memory and build time of the whole corpus from samples; only the samples are embedded."
        )
