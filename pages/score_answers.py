"""Score answers: how good answers are by every measure, how sure that is, and on what each score rests."""

import streamlit as st

from app.ui import cards, recipe_strip, tables
from app.ui.scores import contamination, measures, people, questions, sources

SCORES, PEOPLE, CONTAMINATION = "Scores", "Against people's labels", "Contamination"


def page() -> None:
    recipe_strip.page_title("Score answers", "How good are the answers, how sure is that, and on what does each score rest?")
    views = [SCORES, PEOPLE, CONTAMINATION]
    view = st.segmented_control("View", views, default=SCORES, key="view", bind="query-params", required=True) or SCORES
    if view == CONTAMINATION:
        return contamination.draw()
    shown = sources.chosen()
    if shown is None:
        return None
    answers = shown.answers
    cards.status_strip(
        [
            answers.name,
            cards.count(len(answers.rows), "answer"),
            f"{cards.count(len(answers.measured), 'measure')} at hand",
            f"compared with {shown.other.name}" if shown.other else "",
        ]
    )
    if view == PEOPLE:
        return people.draw(shown)
    measures.overview(shown)
    first = measures.chosen(shown)
    if first is None:
        return st.info("No measure at hand can score these answers: see why in the table above.", icon=":material/info:")
    measures.spread(shown, first)
    place = questions.table(shown, first)
    if place is not None:
        with tables.opened():
            questions.opened(shown, place, first)
    return None


page()
