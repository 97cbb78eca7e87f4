"""Ask: a question to one engine or several over the chosen corpus, streamed, with the passages that the answer rests on."""

from functools import partial
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs, recipe_strip
from app.ui.answers import (
    asking,
    details,
    engines,
    faster_copy,
    preparing,
    prompt_editor,
    receipt,
    results,
    sources,
    speed,
    streaming,
)
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.records import Corpus

NAVIGATION = {"section": "Generate", "order": 10, "title": "Ask", "icon": "forum"}


def page() -> None:
    recipe_strip.page_title(
        NAVIGATION["title"], "What does the model answer from the retrieved passages, and which of them support it?"
    )
    recipes = engines.chosen(session.config())
    engines.notes(recipes)
    for recipe in recipes:
        plan = session.workbench().plan(recipe, answering=True)
        if not plan.live:
            return preparing.draw(recipe, plan)
    corpus = jobs.drain(session.workbench().read_corpus(recipes[0]), "Reading the corpus")
    preparing.status(recipes, corpus)
    preparing.models(recipes)
    priced = asking.box(corpus, recipes)
    engines.sent_to(recipes)
    live, rest = st.empty(), st.empty()  # apart, so that what stood here is gone while the next answer grows
    if streaming.draw(recipes, live):
        asking.price(priced, recipes)
    with rest.container():
        if asked := st.session_state.get("asked"):
            answers(corpus, recipes, **asked)
        else:
            asking.examples(corpus)
        prompt_editor.draw(corpus, recipes[0])
        speed.draw(recipes[0])


def answers(corpus: Corpus, recipes: list[TrialConfig], question: str, runs: list[dict[str, Any]]) -> None:
    """The answers, then all that is known of one of them."""
    results.draw(corpus, question, runs)
    results.ask_again(question, runs, recipes)
    number = results.looked_into(runs)
    if runs[number]["answer"]:
        look_into(corpus, question, number, runs[number])


def look_into(corpus: Corpus, question: str, number: int, run: dict[str, Any]) -> None:
    answer, rests = run["answer"], results.rests_of(run["answer"])
    query = next((query for query in corpus.queries if query.text == question), None)
    sources.listed(corpus, answer, rests, query)
    if query is not None:
        details.known_answer(query, answer)
    again = run["again"]
    if isinstance(again, WorkbenchError):
        cards.problem(again)
        again = None
    receipt.draw(answer, number, again, partial(st.session_state.__setitem__, "again_now", number))
    details.tabs(corpus, answer, rests, query, question, run["recipe"])
    faster_copy.draw(answer, run["recipe"].generation)


page()
