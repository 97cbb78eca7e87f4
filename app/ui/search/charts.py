"""The tabs below the chart of a setting, and while another recipe is not prepared yet, what was measured last."""

import streamlit as st

from app.ui import cards, forms
from app.ui.search import ablation, answers, asked, depth_chart, latency_chart, questions, rag, reranking, results, study
from core.workbench import Evaluation


def before(last: Evaluation | None) -> None:
    """The last result, greyed, while the recipe in use is not prepared."""
    if last is None:
        return
    with st.container(key="of_before"):
        st.caption(f"Previous result: {cards.plain(forms.describe_recipe(last.config))}.")
        baseline = results.measured_baseline(last.run)
        cards.row(results.row_of(last, baseline))
        depth_chart.draw(last, baseline)
        questions.table(last, baseline)


def tabs(current: Evaluation, baseline: Evaluation | None) -> None:
    """What concerns this recipe comes first."""
    views = {
        "Reranking": reranking.effect if reranking.reranks(current) else None,
        "Query transform": None if current.config.query.idle else asked.draw,
        "Questions": lambda current: questions.draw(current, baseline),
        "By depth": lambda current: depth_chart.draw(current, baseline),
        "Answers": (lambda current: answers.draw(current, baseline)) if answers.possible(current) else None,
        "Latency": lambda current: latency_chart.draw(current.config),
        "Ablation": lambda current: ablation.draw(current.run),
        "RAG ablation": lambda current: rag.draw(current.run),
        "Experiment": lambda current: study.draw(current.config),
    }
    views = {name: view for name, view in views.items() if view}
    first, state = next(iter(views)), st.session_state
    if "first_tab" not in state and "chosen" in st.query_params and "chart" not in st.query_params:
        state.chart = "Questions"  # a link to one of them
    elif state.get("first_tab", first) != first:
        state.chart = first  # what was switched on tells what it is worth
    state.first_tab = first
    cards.tabs(views, "chart", current)
