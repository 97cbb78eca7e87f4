"""All that is known of one answer: its known answer, passages, sentences, prompt, command and tokens."""

import math
import shlex
from html import escape

import streamlit as st

from app import session
from app.ui import cards, cells, evidence
from app.ui.answers import likelihood, origins, sources, written
from core.config import TrialConfig
from core.judging.containment import THRESHOLD, Support
from core.labs.scores.confidence import notes_of
from core.records import Answer, Corpus, Query


def known_answer(query: Query, answer: Answer) -> None:
    if not query.answerable:
        st.info("The corpus does not contain the answer: “I don't know” is right.", icon=":material/rule:")
        return
    ranks = [
        str(number)
        for number, hit in enumerate(answer.hits, 1)
        if evidence.gold_marks(hit.start, hit.end, query.gold, hit.document_id)
    ]
    place = f"passage {' and '.join(ranks)}" if ranks else "none of the passages"
    with st.container(border=True):
        st.caption(f"Known answer; its evidence is in {place}" if query.relevant else "Known answer")
        for text in dict.fromkeys(query.answers):
            evidence.show(f'<div class="gw gw-text">{evidence.marked(text, [])}</div>')


def tabs(corpus: Corpus, answer: Answer, rests: list[Support], query: Query | None, question: str, recipe: TrialConfig) -> None:
    way = written.TABS.get(answer.way.get("part", "")) if answer.detail else None
    titles = [
        f"Passages ({len(answer.hits)})",
        "Sentence by sentence",
        "Prompt",
        "Where it comes from",
        "Likelihood",
        "Reproduce",
        *["Tokens"] * bool(answer.tokens),
    ]
    in_way, in_passages, in_sentences, in_prompt, in_origins, in_likelihood, in_reproduce, *in_tokens = (
        st.tabs([way.title, *titles]) if way else (None, *st.tabs(titles))
    )
    if way:
        with in_way:
            way.draw(answer, corpus, query)
    with in_passages:
        passages(corpus, answer, query, question, recipe)
    with in_sentences:
        sentences(answer, rests)
    with in_prompt:
        prompt(answer)
    with in_origins:
        origins.draw(answer)
    with in_likelihood:
        likelihood.draw(question, recipe, answer, query)
    with in_reproduce:
        reproduce(question, recipe)
    for place in in_tokens:
        with place:
            tokens(answer)


def passages(corpus: Corpus, answer: Answer, query: Query | None, question: str, recipe: TrialConfig) -> None:
    notes = [note for note in answer.notes if note not in notes_of(answer)]  # those stand under the answer
    for note in notes:
        st.caption(f":material/content_cut: {cards.plain(note)}")
    whole = recipe.context.hand_on == "chunk" and not notes  # else passages are joined, or it is told
    if answer.prompt and whole and (missing := recipe.context.passages - len(answer.hits)) > 0:
        st.caption(f"{missing} more were not found, or did not fit into {recipe.context.max_tokens:,} tokens.")
    for number, hit in enumerate(answer.hits, 1):
        with st.container(gap=None):
            gold = query.gold if query else ()
            evidence.show(evidence.hit_html(hit, gold=gold, query=question, number=number))
            if st.button("Open in the document", key=f"open/{number}", type="tertiary", icon=":material/article:"):
                sources.open_source(answer, number, corpus, query)


def sentences(answer: Answer, rests: list[Support]) -> None:
    st.caption(
        f"The share of a sentence's word trigrams that its nearest passage contains; from {THRESHOLD:.0%} on it "
        "counts as repeated. This shows where words come from, not that a claim is right."
    )
    rows = [
        {
            "Sentence": answer.text[rest.start : rest.end],
            "Passage": rest.passage if rest.containment else None,
            "Share": 100 * rest.containment,
        }
        for rest in rests
    ]
    share = st.column_config.ProgressColumn(format="%.0f%%", min_value=0, max_value=100)
    cells.show(rows, hide_index=True, column_config={"Sentence": st.column_config.TextColumn(width="large"), "Share": share})


def prompt(answer: Answer) -> None:
    st.caption("As the model read it" if answer.prompt else "The model was not run.")
    if answer.prompt:
        st.code(answer.prompt, language=None, wrap_lines=True, height=480)


def reproduce(question: str, recipe: TrialConfig) -> None:
    st.caption("The command for this question")
    command = f"{session.workbench().command(recipe, 'ask')} {shlex.quote(question)}"
    st.code(command, language="bash", wrap_lines=True)
    st.caption("Stored with its passages, prompt, recipe and receipt: table answers on the page SQL.")


def tokens(answer: Answer) -> None:
    """The answer coloured by how sure the model was of each token, and the tokens with their rivals."""
    st.caption("The stronger the colour, the less probable the token was under the model, before sampling.")
    spans = [
        f'<span style="background:rgba(230,159,0,{0.8 * (1 - math.exp(token.logprob)):.2f})" '
        f'title="{escape(f"{token.text!r} {math.exp(token.logprob):.1%}")}">{escape(token.text)}</span>'
        for token in answer.tokens
    ]
    evidence.show(f'<div class="gw gw-text">{"".join(spans)}</div>')
    percent = st.column_config.NumberColumn(format="%.1f%%")
    cells.show(
        [
            {
                "Token": token.text,
                "Probability": 100 * math.exp(token.logprob),
                "Likeliest there": "   ".join(f"{text!r} {math.exp(logprob):.0%}" for text, logprob in token.top),
            }
            for token in answer.tokens
        ],
        column_config={"Probability": percent},
    )
