"""The charts of a recipe, a tab each; and while another is not prepared yet, what was measured last."""

import streamlit as st

from app.ui import cards, forms
from app.ui.search import ablation, depth_chart, latency_chart, questions, rag, results, setting_chart, study
from core.workbench import Evaluation


def before(last: Evaluation | None) -> None:
    """The last result, greyed, while the recipe in use is not prepared."""
    if last is None:
        return
    with st.container(key="of_before"):
        st.caption(f"The last result: {cards.plain(forms.describe_recipe(last.config))}.")
        baseline = results.measured_baseline(last.run)
        results.metric_cards(last, baseline)
        depth_chart.draw(last, baseline)
        questions.table(last, baseline)


def main_chart(current: Evaluation, baseline: Evaluation | None) -> None:
    titles = ["Trade-off of a setting", "By depth", "Latency", "Ablation", "RAG ablation", "Study"]
    knob, depth, speed, ablated, rag_ablated, studied = st.tabs(titles, key="chart", on_change="rerun")
    if knob.open:
        with knob:
            setting_chart.draw(current.run)
    if depth.open:
        with depth:
            depth_chart.draw(current, baseline)
    if speed.open:
        with speed:
            latency_chart.draw(current.config)
    if ablated.open:
        with ablated, cards.calm():
            ablation.draw(current.run)
    if rag_ablated.open:
        with rag_ablated, cards.calm():
            rag.draw(current.run)
    if studied.open:
        with studied, cards.calm():
            study.draw(current.config)
