"""Score answers: how good answers are by every measure, how sure that is, and on what each score rests."""

import streamlit as st

from app.ui import cards, forms, recipe_strip, tables
from app.ui.scores import contamination, gate, measures, noise, pairs, people, questions, reasoning, sources, systems, thresholds
from app.ui.scores.sources import Shown

NAVIGATION = {"section": "Judge", "order": 10, "title": "Score answers", "icon": "fact_check"}


def page() -> None:
    first = next(iter(VIEWS))
    recipe_strip.page_title(
        NAVIGATION["title"],
        "How good are the answers, how certain is that, and what is each score based on?",
        recipe=sources.of_the_recipe() or sources.wanted("view", first) in OF_THE_RECIPE,
    )
    view = forms.one_of("View", list(VIEWS), "view", first, bind="query-params", label_visibility="collapsed")
    if view in OF_THE_RECIPE:
        return OF_THE_RECIPE[view]()
    shown = sources.chosen()
    if shown is not None:
        answers = shown.answers
        cards.status_strip(
            [
                answers.name,
                cards.count(len(answers.rows), "answer"),
                f"{cards.count(len(answers.measured), 'measure')} at hand, with 95% intervals",
                f"compared with {shown.other.name.replace('The', 'the')}" if shown.other else "",
            ]
        )
        if view != first:
            sources.by_a_model(shown)
    if shown is not None or view in ALONE:
        VIEWS[view](shown)
    return None


def scores(shown: Shown) -> None:
    """By every measure, then by question."""
    measures.overview(shown)
    first = measures.chosen(shown)
    if first is None:
        st.info("No measure at hand can score these answers: see why in the table below.", icon=":material/info:")
    else:
        measures.spread(shown, first)
    measures.about(shown)
    sources.by_a_model(shown)
    place = first and questions.table(shown, first)
    if place is not None:
        with tables.opened():
            questions.opened(shown, place, first)


OF_THE_RECIPE = {  # not of the answers that are shown
    "Confidence": thresholds.draw,
    "Contamination": contamination.draw,
    "Chain of thought": reasoning.draw,
    "Another system": systems.draw,
}
VIEWS = {
    "Scores": scores,
    "Against people's labels": people.draw,
    "Quality gate": gate.draw,
    "Judges on pairs": pairs.draw,
    "Variance components": noise.draw,
    **OF_THE_RECIPE,
}
ALONE = ("Judges on pairs", "Variance components")  # also of what is sent there

page()
