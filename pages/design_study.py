"""Study design: what people judge, how many of them, and how that is fixed before the first label is seen."""

import streamlit as st

from app.ui import cards, recipe_strip
from app.ui.studies import beginning, choice, items, people, plan, power, record, rubric, steps

NAVIGATION = {
    "section": "Judge",
    "order": 20,
    "title": "Study design",
    "icon": "design_services",
    "entry": "Human studies",
    "step": "people",
    "press": True,
}
TABS = {
    "Plan": plan.draw,
    "Items": items.draw,
    "Rubric": rubric.draw,
    "People": people.draw,
    "Power": power.draw,
    "Record": record.draw,
}


def page() -> None:
    studies = choice.studies()
    recipe_strip.page_title(
        NAVIGATION["title"],
        "What should people judge, how many of them, and how is that fixed before the first label is seen?",
        recipe=not studies,  # a study holds answers, whichever recipe is in use
    )
    if not studies:
        if asked := st.query_params.get("study"):
            cards.not_there("study", asked, instead="No study is: begin one below.")
        return beginning.beginning()
    desk = choice.choice(studies)
    steps.stepper(desk)
    choice.told()
    steps.next_step(desk)
    if desk.piloted:
        st.caption(
            "The pilot is frozen. What you change below is for the main round; it is saved at once, and in force when that is frozen. "
            "Describe a changed rubric on its tab, then put it in force."
        )
    # a key of its own: the tab open on the page from which a link leads here would be taken for this one's
    views = st.tabs(list(TABS), key="section", on_change="rerun", bind="query-params")
    for tab, (title, draw) in zip(views, TABS.items(), strict=True):
        if tab.open:
            with tab, st.container(key=f"design_{title.lower()}"), cards.calm():
                draw(desk)


page()
