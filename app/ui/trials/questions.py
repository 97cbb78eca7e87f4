"""The tab Questions × recipes: two to eight ticked trials by question, and what each found and answered to the one that is opened."""

import streamlit as st

from app import session
from app.ui import cards, evidence, jobs, tables
from app.ui.trials.scope import Scope
from core.labs.trials import question_matrix as lab
from core.labs.trials.question_matrix import FEWEST, MOST, QuestionMatrix
from core.labs.trials.question_read import read_question

PAGE = 500  # rows sent at once
ABREAST = 4  # recipes of an opened question that stand beside each other


def draw(scope: Scope, names: dict[str, str]) -> None:
    if not FEWEST <= len(scope.chosen) <= MOST:
        return st.info(
            f"Tick {FEWEST} to {MOST} trials on the same questions in the table above; {len(scope.chosen)} are ticked.",
            icon=":material/grid_on:",
        )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        different = st.toggle("Different only", key="different", bind="query-params", help="Values or answers differ.")
        by = st.number_input(
            "by more than", 0.0, 1.0, 0.0, 0.05, key="apart", bind="query-params", width=140, disabled=not different
        )
        words = st.text_input("Search", key="matrix_words", bind="query-params", placeholder="question or answer", width=260)
    how = {"different": different, "by": by if different else 0.0, "words": words}
    result = lab.question_matrix(session.workbench(), scope.chosen, scope.metric, **how)
    told = [*["--different"] * different, *(["--by", str(by)] if different and by else []), *(["--find", words] if words else [])]
    made = lab.table(result, *told)
    said = f"{len(result.places):,} of {len(result.ids):,} questions, the furthest apart first. Click one to read all of it."
    if not any(result.answers):
        said += " These recipes have no recorded answers, so each cell has the rank of the first gold passage."
    st.caption(said)
    if not result.places:
        return None
    pages = -(-len(result.places) // PAGE)
    first = PAGE * (st.pagination(pages, key="matrix_page") - 1) if pages > 1 else 0
    shown = result.places[first : first + PAGE]
    some = made._replace(rows=made.rows[first : first + PAGE], command="")
    tables.choose(some, [result.ids[place] for place in shown], param="question", height=360, rows=made.rows, pinned=True)
    with st.popover("Command", icon=":material/terminal:", type="tertiary"):
        st.code(made.command, language="bash", wrap_lines=True)
    asked = st.query_params.get("question", "")
    if (place := next((place for place in result.places if result.ids[place] == asked), None)) is not None:  # on whichever page
        with tables.opened():
            opened(result, place)
    return None


def opened(result: QuestionMatrix, place: int) -> None:
    """The question, and a column a recipe: its answer, and its passages with gold evidence underlined."""
    asked = jobs.drain(read_question(session.workbench(), result.trials, result.ids[place]), "Reading the passages")
    cards.question_title(asked.question)
    st.text(f"Gold answer: {' '.join((', '.join(dict.fromkeys(asked.references)) or 'none in this corpus').split())}")
    if asked.note:
        st.caption(cards.plain(asked.note))
    for at in range(0, len(result.trials), ABREAST):
        some = range(at, min(at + ABREAST, len(result.trials)))
        for column, trial in zip(st.columns(min(ABREAST, len(result.trials))), some, strict=False):
            with column:
                st.markdown(f"**{cards.plain(result.names[trial])}**")
                st.caption(cards.plain(lab.value_words(result, trial, place)))
                answer(result, trial, place)
                hits = asked.found[trial]
                evidence.show([evidence.hit_html(hit, gold=asked.gold, query=asked.question) for hit in hits])


def answer(result: QuestionMatrix, trial: int, place: int) -> None:
    said = result.answers[trial].get(result.ids[place])
    if said is None:
        return
    st.caption(
        f"Recorded answer ({said.finish_reason})" + ", abstained: the model was not confident enough" * bool(said.withheld)
    )
    if said.text:
        evidence.show(evidence.answer_html(said.text, len(said.shown)))
