"""Ask: a question to the local model over the chosen corpus, streamed, with the passages that the answer rests on."""

import shlex
import time
from contextlib import closing

import streamlit as st

from app import session
from app.ui import cards, evidence, forms, jobs
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.generation.support import THRESHOLD, Support, support
from core.records import Answer, Corpus, Hit, Query

STAGES = ("chunking", "embedding", "sparse", "index", "retrieval", "fusion", "context", "generation")
AROUND = 700  # characters of the document shown before and after an opened passage
REASONS = {"stop": "ended by itself", "abstained": "not asked: nothing near enough", "deadline": "cut at the time limit"}


def page() -> None:
    cards.page_title("Ask", "What does the model make of the retrieved passages, and which of them does its answer rest on?")
    workbench, config = session.workbench(), session.config()
    left, right = st.columns([1, 2], gap="medium")
    with left:
        recipe(config)
    with right:
        plan = workbench.plan(config)
        if not plan.live:
            time = f", about {cards.duration(plan.seconds)}" if plan.seconds else ""
            cards.empty("Answers from this corpus", f"There are {plan.what}{time}. Every question after that is searched in milliseconds.")
            return jobs.start_button("Prepare now", ["prepare", *workbench.arguments(config)], f"Preparing {config.corpus.dataset}",
                                     icon=":material/bolt:")  # fmt: skip
        corpus = jobs.drain(workbench.pipeline.corpus(config), "Reading the corpus")
        ask_box(corpus)
        slot = st.empty()
        if question := st.session_state.pop("ask_now", "").strip():
            stream(config, question, slot)
        asked = st.session_state.get("asked")
        if asked is None:
            return examples(corpus)
        show(corpus, config, **asked)


def recipe(config: TrialConfig) -> None:
    forms.recipe_form(STAGES, open_stage="generation")
    forms.show_value("seed", config.seed)
    st.number_input("Seed", 0, 2**31 - 1, key="seed", on_change=lambda: session.change({"seed": st.session_state.seed}),
                    help="The same seed and settings give the same answer. At temperature 0 it changes nothing.")  # fmt: skip


def ask(question: str | None = None) -> None:
    """Callback: this run streams the answer to the question, or to the one in the box."""
    if question:
        st.session_state.question = question
    st.session_state.ask_now = st.session_state.question or ""


def ask_box(corpus: Corpus) -> None:
    with st.form("ask", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Question", key="question", bind="query-params", placeholder=f"A question about {corpus.name}")
        st.form_submit_button("Ask", type="primary", icon=":material/send:", on_click=ask)
    if corpus.queries:
        st.selectbox("Question of the corpus", [q.text for q in corpus.queries], index=None, key="known", label_visibility="collapsed",
                     placeholder=f"Or one of the corpus's {len(corpus.queries):,} questions, whose answers are known",
                     on_change=lambda: st.session_state.known and ask(st.session_state.known))  # fmt: skip


def examples(corpus: Corpus) -> None:
    cards.empty("The answer, with its sources", "A model on this machine answers from the passages that the recipe finds. Nothing leaves it. "
                "The bundled model is very small: it shows how the parts work together, and is often wrong.")  # fmt: skip
    known = [q for q in corpus.queries if q.answerable]
    for query in known[:: max(1, len(known) // 3)][:3]:
        st.button(cards.plain(query.text), key=f"example/{query.id}", type="tertiary", icon=":material/arrow_forward:", on_click=ask, args=(query.text,))


def stream(config: TrialConfig, question: str, slot) -> None:
    """Draws the answer as it comes. A click anywhere ends the run, and with it the answer: what had come stays."""
    asked = st.session_state.asked = {"question": question, "recipe": config, "text": "", "answer": None}
    with slot.container():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Stop", key="stop", icon=":material/stop_circle:", shortcut="Escape")
            state = st.empty()
        body, drawn = st.empty(), 0.0
        state.caption("Searching the passages")
        try:
            with closing(session.workbench().ask(config, question)) as pieces:
                while True:
                    piece = next(pieces)
                    asked["text"] += piece
                    if time.monotonic() - drawn > 0.05:  # drawing is also where a click gets through
                        state.caption("Writing" if asked["text"] else "Reading the passages")
                        body.html(evidence.answer_html(asked["text"], config.context.passages))
                        drawn = time.monotonic()
        except StopIteration as end:
            asked["answer"] = end.value
        except WorkbenchError as error:
            del st.session_state["asked"]
            slot.empty()
            cards.problem(error)
            st.stop()
    slot.empty()


def show(corpus: Corpus, config: TrialConfig, question: str, recipe: TrialConfig, text: str, answer: Answer | None) -> None:
    st.subheader(cards.plain(question), anchor=False)
    if answer is None:
        evidence.show(evidence.answer_html(text or "…", recipe.context.passages))
        st.warning("Stopped before its end, by the button or by another control. What had come is shown and not stored.", icon=":material/stop_circle:")
        st.button("Ask again", icon=":material/refresh:", on_click=ask, args=(question,))
        return
    query = next((q for q in corpus.queries if q.text == question), None)
    rests = support(answer.text, answer.hits) if answer.finish_reason != "abstained" else []
    with st.container(border=True):
        if answer.text:
            st.html(answer_html(answer, rests))
        outcome(answer, recipe)
        sources(corpus, answer, rests, query)
    if recipe != config:
        st.info("The recipe or corpus has changed since. Ask again to see what that does.", icon=":material/sync:")
        st.button("Ask again", icon=":material/refresh:", on_click=ask, args=(question,))
    known(query, answer)
    details(corpus, answer, rests, query, question, recipe)


def answer_html(answer: Answer, rests: list[Support]) -> str:
    """The answer; after a sentence the outlined number of the passage whose words it repeats, beside the model's own."""
    text = answer.text.replace("\ue000", "").replace("\ue001", "")
    for one in reversed(rests):
        if one.containment >= THRESHOLD:
            text = f"{text[: one.end]}\ue000{one.passage}\ue001{text[one.end :]}"
    chip = ' <span class="gw-chip" style="background:none;color:var(--gw-accent);border:1px solid var(--gw-accent)">'
    return evidence.answer_html(text, len(answer.hits)).replace("\ue000", chip).replace("\ue001", "</span>")


def outcome(answer: Answer, recipe: TrialConfig) -> None:
    """How it ended, and what it cost."""
    reason = REASONS.get(answer.finish_reason, answer.finish_reason)
    if answer.finish_reason == "length":
        reason = f"cut at {answer.answer_tokens:,} tokens"
    if answer.finish_reason == "abstained":
        best = max((hit.scores["dense"] for hit in answer.hits if "dense" in hit.scores), default=None)
        found = "No passage was found." if best is None else f"The best passage reaches a similarity of {best:.2f}; the threshold is {recipe.context.threshold:.2f}."
        st.caption(f"{found} The model was not run.")
    if answer.finish_reason.startswith("failed"):
        st.error(cards.plain(f"There is no answer: {answer.finish_reason.removeprefix('failed: ')}."), icon=":material/error:")
    writing_s = (answer.generation_ms - answer.first_token_ms) / 1000
    speed = f"{(answer.answer_tokens - 1) / writing_s:,.0f} tokens/s" if answer.answer_tokens > 1 and writing_s > 0 else ""
    ran = [f"prompt {answer.prompt_tokens:,} tokens", f"answer {answer.answer_tokens:,} tokens", f"first token {cards.duration(answer.first_token_ms / 1000)}",
           f"generation {cards.duration(answer.generation_ms / 1000)}", speed, answer.model.partition(" (")[0]] if answer.prompt_tokens else []  # fmt: skip
    cards.status_strip([reason, f"retrieval {cards.duration(answer.retrieval_ms / 1000)}", *ran])


def sources(corpus: Corpus, answer: Answer, rests: list[Support], query: Query | None) -> None:
    """The passages that the answer cites or repeats, each opening in its document."""
    repeated = {one.passage for one in rests if one.containment >= THRESHOLD}
    for number in sorted({*answer.cited, *repeated}):
        hit = answer.hits[number - 1]
        why = " and ".join(["cited"] * (number in answer.cited) + ["repeated"] * (number in repeated))
        if st.button(f"{number}  {cards.plain(name(hit))}  :gray[{why}]", key=f"source/{number}", icon=":material/article:", type="tertiary"):
            open_passage(corpus, hit, query)
    if rests and not answer.cited:
        st.caption("The model cites no passage itself." + (" Outlined numbers say whose words a sentence repeats." if repeated else ""))


def known(query: Query | None, answer: Answer) -> None:
    if query is None:
        return
    if not query.answerable:
        st.info("The corpus does not hold the answer to this question: \u201cI don't know\u201d is the right one.", icon=":material/rule:")
        return
    ranks = [n for n, hit in enumerate(answer.hits, 1) if evidence.gold_marks(hit.start, hit.end, query.gold, hit.document_id)]
    where = f"its evidence is in passage {', '.join(map(str, ranks))}" if ranks else "its evidence is in none of the passages"
    with st.container(border=True):
        st.caption(f"Known answer; {where}" if query.gold else "Known answer")
        for text in dict.fromkeys(query.answers):
            evidence.show(f'<div class="gw gw-text">{evidence.marked(text, [])}</div>')


def details(corpus: Corpus, answer: Answer, rests: list[Support], query: Query | None, question: str, recipe: TrialConfig) -> None:
    passages, sentences, prompt, again = st.tabs([f"Passages ({len(answer.hits)})", "Sentence by sentence", "Prompt", "Reproduce"])
    with passages:
        left_out = recipe.context.passages - len(answer.hits)
        if answer.prompt and left_out > 0:
            st.caption(f"{left_out} more did not fit into {recipe.context.max_tokens:,} tokens, or were not found.")
        for number, hit in enumerate(answer.hits, 1):
            evidence.show(evidence.hit_html(hit, gold=query.gold if query else (), query=question, number=number))
            if st.button("Open in the document", key=f"open/{number}", type="tertiary", icon=":material/open_in_full:"):
                open_passage(corpus, hit, query)
    with sentences:
        st.caption(f"The share of a sentence's word trigrams that stand in its best passage; from {THRESHOLD:.0%} it counts as repeated. "
                   "That shows where the words come from, not that the claim is right.")  # fmt: skip
        if rests:
            st.dataframe([{"Sentence": answer.text[one.start : one.end], "Passage": one.passage if one.containment else None, "Share": one.containment}
                          for one in rests], hide_index=True, column_config={"Sentence": st.column_config.TextColumn(width="large"),
                          "Share": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)})  # fmt: skip
    with prompt:
        st.caption(f"{answer.prompt_tokens:,} tokens, as the model read them" if answer.prompt else "The model was not run.")
        if answer.prompt:
            st.code(answer.prompt, language=None, wrap_lines=True, height=480)
    with again:
        st.caption("The command that asks this again")
        st.code(f"{session.workbench().command(recipe, 'ask')} {shlex.quote(question)}", language="bash", wrap_lines=True)
        st.caption("The answer is stored with its passages, prompt and recipe; on the page Query the store it is the newest row of the table answers.")


def name(hit: Hit) -> str:
    return (hit.title or hit.document_id) + (f", page {hit.page}" if hit.page else "")


@st.dialog("Passage in its document", width="large")
def open_passage(corpus: Corpus, hit: Hit, query: Query | None) -> None:
    document = next((d for d in corpus.documents if d.id == hit.document_id), None)
    if document is None or document.text[hit.start : hit.end] != hit.text:
        st.warning("This document has changed or is gone since the answer was given; the passage as the model read it:")
        return evidence.show(evidence.hit_html(hit))
    pages = f"page {hit.page} of {len(document.pages)}" if hit.page else ""
    st.subheader(cards.plain(document.title or document.id), anchor=False)
    cards.status_strip([document.source, pages, f"characters {hit.start:,} to {hit.end:,} of {len(document.text):,}"])
    whole = len(document.text) > 2 * AROUND + len(hit.text) and st.toggle("Whole document", key="whole")
    begin, end = (0, len(document.text)) if whole else (max(0, hit.start - AROUND), min(len(document.text), hit.end + AROUND))
    marks = [evidence.Mark(hit.start, hit.end, "a")]
    marks += [evidence.Mark(g.start, g.end, "gold") for g in (query.gold if query else ()) if g.document_id == hit.document_id]
    before, after = "…" if begin else "", "…" if end < len(document.text) else ""
    evidence.show(f'<div class="gw gw-scroll"><div class="gw-text">{before}{evidence.marked(document.text, marks, begin, end)}{after}</div></div>')


page()
