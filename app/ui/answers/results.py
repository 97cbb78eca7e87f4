"""What came of each engine: an answer with what it cost, a part of one, or why there is none."""

import math
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, evidence, forms, ways
from app.ui.answers import asking, cost, engines, sources
from core.answering.answer import best_similarity
from core.config import TrialConfig
from core.context.prompt import BEYOND
from core.judging.containment import Support, support
from core.judging.reference import ACCEPTED
from core.labs.answers.freshness import stale
from core.labs.scores import refusal
from core.labs.scores.confidence import as_sure, notes_of
from core.records import Answer, Corpus
from core.workbench import context_of


def draw(corpus: Corpus, question: str, runs: list[dict[str, Any]]) -> None:
    cards.question_title(question)
    names = engines.titles([run["recipe"] for run in runs])
    for place, (box, run) in enumerate(zip(engines.grid(len(runs)), runs, strict=True)):
        with box:
            if len(runs) > 1:
                engines.heading(place, names[place])
            one_answer(corpus, question, run, place, len(runs) > 1)
    if len(runs) > 1:
        cost.table([run["answer"] for run in runs])


def ask_again(question: str, runs: list[dict[str, Any]], recipes: list[TrialConfig]) -> None:
    """The button, and why one would press it; nothing where all is as it was asked."""
    if any(run["error"] for run in runs):
        asking.retry("No answer was made; the failure is stored with its reason.", question)
        if len(runs) == 1 and runs[0]["error"].where == "answering.part":
            asking.otherwise(question)
    elif any(run["answer"] is None for run in runs):
        asking.retry(
            "Stopped before its end, by *Stop* or by another control. The part that was written is not stored.", question
        )
    elif any(cost.failure(run["answer"]) for run in runs):
        asking.retry("Failures are stored with their reason and without a text.", question)
    elif [run["recipe"] for run in runs] != recipes:
        asking.retry("The recipe, the engines or the corpus have changed since this answer.", question)


def looked_into(runs: list[dict[str, Any]]) -> int:
    """Place of the answer of which all is shown below."""
    if len(runs) == 1:
        return 0
    return forms.one_of("Look into", {number: f"Engine {number + 1}" for number in range(len(runs))}, "looked_into")


def one_answer(corpus: Corpus, question: str, run: dict[str, Any], place: int, several: bool) -> None:
    """What came of one engine: an answer with what it cost, a part of one, or why there is none."""
    answer, context = run["answer"], run["recipe"].context
    if run["error"] is not None:
        return cards.problem(run["error"])
    if answer is None:
        evidence.show(evidence.answer_html(run["text"] or "…", context.passages))
        return st.caption("Not asked, or stopped before its end.") if several else None
    if why := cost.failure(answer):
        st.error(cards.plain(why), icon=":material/error:")
    else:
        query = next((q for q in corpus.queries if q.text == question), None)
        sources.draw(answer, rests_of(answer), corpus, query, key=f"cited/{place}")
    least = context_of(run["recipe"]).threshold
    if answer.finish_reason == "abstained" and not answer.withheld and (math.isfinite(least) or not answer.hits):
        best = best_similarity(list(answer.hits))
        st.caption(
            "No passage was found."
            if best is None
            else f"The best passage reaches a similarity of {best:.2f}; the threshold is {least:.2f}."
        )
    for note in answer.notes:  # what else was left out stands by the passages
        if BEYOND in note:
            st.warning(cards.plain(note), icon=":material/content_cut:")
    for document, words in stale(session.workbench(), corpus, answer.hits).items():
        st.warning(cards.plain(f"{document}: {words}."), icon=":material/history:")
    for note in notes_of(answer):
        st.caption(cards.plain(note))
    confidence(answer, run["recipe"])
    abstaining(answer, run["recipe"])
    facts = cost.costs(answer)
    cards.status_strip(
        [cost.ending(answer), *(facts[3:] if several else [*facts, engines.model_of(run["recipe"], answer.model)])]
    )


def confidence(answer: Answer, recipe: TrialConfig) -> None:
    """How sure the model was, and what answers as sure as this were worth, where the recipe's answers tell."""
    if not answer.tokens or (told := as_sure(session.workbench(), recipe, answer)) is None:
        return
    sure, right = told
    bounds = "" if right.low is None else f" ({100 * right.low:.0f} to {100 * right.high:.0f}%)"
    st.caption(
        f"The answer's tokens have a mean probability of {sure:.3f}. Of {cards.count(right.n, 'recorded answer')} at least that sure, "
        f"{right.mean:.0%}{bounds} were right (token F1 of at least {ACCEPTED:g}); Confidence on the page Score answers has the curve."
    )


def abstaining(answer: Answer, recipe: TrialConfig) -> None:
    """What the threshold to abstain from is worth, and the way to its curve."""
    if told := refusal.about(session.workbench(), recipe, answer):
        st.caption(cards.plain(told))
        ways.link("score_answers", "Curve of Abstain from", "show_chart", view="Confidence", threshold="Abstain from")


def rests_of(answer: Answer) -> list[Support]:
    return [] if answer.finish_reason == "abstained" else support(answer.text, answer.hits, answer.citations)
