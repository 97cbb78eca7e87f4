"""Compare adapters: what did an adapter do to the answers, and to the use of context?"""

import streamlit as st

from app import session
from app.ui import cards, recipe_strip
from app.ui.adapters import forgetting, grid
from app.ui.search import results
from core.labs.adapters import grid as lab

NAVIGATION = {"section": "Generate", "order": 50, "title": "Compare adapters", "icon": "difference", "entry": "Adapters"}


def page() -> None:
    recipe_strip.page_title(
        NAVIGATION["title"], "What did an adapter do to the answers, and does it follow the context or its memory?"
    )
    workbench, config = session.workbench(), session.config()
    if grid.none_trained():
        return None
    run = workbench.resolve(config)
    if not any(query.answers for query in run.corpus.queries):
        return st.info("No question of this corpus has a reference answer, so no answer can be judged.", icon=":material/info:")
    plan = workbench.plan(config)
    if not plan.live:
        return results.waiting(config, plan, "What an adapter did")
    names, scales, count = grid.chosen(run)
    if not names:
        return st.info("Choose an adapter to compare with the model without it.", icon=":material/info:")
    made, left = lab.standing(workbench, run, names, scales, count)
    if made is None:
        grid.nothing_yet()
    grid.start(config, left, names, scales, count)
    if made is None:
        grid.about(names, scales)
        return forgetting.section(config, names, scales)
    counts = cards.count(made.questions, "question"), cards.count(len(made.reliance) - 1, "adapter")
    cards.status_strip([*counts, f"{made.memorised:,} possibly memorised"])
    grid.shown(made, config, workbench.command(config, *grid.words_of(names, scales, count)))
    forgetting.section(config, names, scales)
    return grid.opened(made)


page()
