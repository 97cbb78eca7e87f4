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
DRAW_S = 0.05  # between two drawings of a growing answer
REASONS = {"stop": "ended by itself", "abstained": "the model was not asked", "deadline": "cut at the time limit"}
OUTLINED = '<span class="gw-chip" style="background:none;color:var(--gw-accent);border:1px solid var(--gw-accent)">'


def page() -> None:
    cards.page_title("Ask", "What does the model make of the retrieved passages, and which of them carry its answer?")
    workbench, config = session.workbench(), session.config()
    left, right = st.columns([1, 2], gap="medium")
    with left:
        recipe_column(config)
    with right:
        plan = workbench.plan(config)
        if not plan.live:
            estimate = f", about {cards.duration(plan.seconds)}" if plan.seconds else ""
            cards.empty("Answers from this corpus", f"Still to do: {plan.what}{estimate}. After that, questions are "
                        "searched in milliseconds.")  # fmt: skip
            arguments = ["prepare", *workbench.arguments(config)]
            return jobs.start_button(
                "Prepare now", arguments, f"Preparing {config.corpus.dataset}", icon=":material/bolt:"
            )
        corpus = jobs.drain(workbench.pipeline.corpus(config), "Reading the corpus")
        model = str(getattr(config.generation, "model", config.generation.part)).rpartition("/")[2]
        cards.status_strip([f"{corpus.name}, {cards.count(len(corpus.documents), 'document')}",
                            cards.count(len(corpus.queries), "question"), f"model: {model}",
                            "on this machine, nothing leaves it"])  # fmt: skip
        ask_box(corpus)
        live, rest = st.empty(), st.empty()  # apart, so that what stood here is gone while the next answer grows
        if question := st.session_state.pop("ask_now", "").strip():
            with live.container():
                stream(config, question)
            live.empty()
        with rest.container():
            if asked := st.session_state.get("asked"):
                show(corpus, config, **asked)
            else:
                examples(corpus)


def recipe_column(config: TrialConfig) -> None:
    forms.recipe_form(STAGES, open_stage="generation")
    forms.show_value("seed", config.seed)
    st.number_input("Seed", 0, 2**31 - 1, key="seed", on_change=lambda: session.change({"seed": st.session_state.seed}),
                    help="With the same seed a sampled answer repeats. At temperature 0 it changes nothing.")  # fmt: skip


def ask(question: str | None = None) -> None:
    """Callback: the run that follows streams the answer to this question, or to the one in the box."""
    if question:
        st.session_state.question = question
    st.session_state.ask_now = st.session_state.question or ""


def ask_box(corpus: Corpus) -> None:
    with st.form("ask", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Question", key="question", bind="query-params", placeholder=f"A question about {corpus.name}")
        st.form_submit_button("Ask", type="primary", icon=":material/send:", on_click=ask)
    if corpus.queries:
        st.selectbox("Questions of the corpus", [q.text for q in corpus.queries], index=None, key="known",
                     label_visibility="collapsed", on_change=lambda: st.session_state.known and ask(st.session_state.known),
                     placeholder=f"Or choose one of the {len(corpus.queries):,} questions of the corpus")  # fmt: skip


def examples(corpus: Corpus) -> None:
    cards.empty("The answer, with its sources", "The model reads the passages that the recipe finds and answers from "
                "them. The bundled one is very small: it shows how the parts work together, and is often wrong.")  # fmt: skip
    known = [query for query in corpus.queries if query.answerable]
    with st.container(gap="xsmall"):
        for query in known[:: max(1, len(known) // 3)][:3]:
            st.button(cards.plain(query.text), key=f"example/{query.id}", type="tertiary", on_click=ask,
                      args=(query.text,), icon=":material/arrow_forward:")  # fmt: skip


def stream(config: TrialConfig, question: str) -> None:
    """Draws the answer as it comes. A click anywhere ends the run, and with it the answer: what had come stays."""
    asked = {"question": question, "recipe": config, "text": "", "answer": None, "error": None}
    st.session_state.asked = asked
    cards.question_title(question)
    with st.container(border=True):
        body = st.empty()
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Stop", key="stop", icon=":material/stop_circle:", shortcut="Escape")
            state, drawn = st.empty(), 0.0
    state.caption("Searching the passages")
    try:
        with closing(session.workbench().ask(config, question)) as pieces:
            while True:
                asked["text"] += next(pieces)
                if time.monotonic() - drawn > DRAW_S:  # drawing is also where a click gets through
                    state.caption("Writing" if asked["text"] else "Reading the passages")
                    body.html(evidence.answer_html(asked["text"], config.context.passages))
                    drawn = time.monotonic()
    except StopIteration as end:
        asked["answer"] = end.value
    except WorkbenchError as error:
        asked["error"] = error


def show(
    corpus: Corpus, config: TrialConfig, question: str, recipe: TrialConfig, text: str, answer: Answer | None,
    error: WorkbenchError | None,
) -> None:  # fmt: skip
    cards.question_title(question)
    if error is not None:
        cards.problem(error)
        return again("No answer was made, and none is stored.", question)
    if answer is None:
        with st.container(border=True):
            evidence.show(evidence.answer_html(text or "…", recipe.context.passages))
        return again("Stopped before its end, by Stop or by another control. What had come is not stored.", question)
    query = next((q for q in corpus.queries if q.text == question), None)
    rests = [] if answer.finish_reason == "abstained" else support(answer.text, answer.hits)
    with st.container(border=True):
        evidence.show(marked_answer(answer, rests))
        outcome(answer, recipe)
        sources(corpus, answer, rests, query)
    if recipe != config:
        again("The recipe or corpus has changed since.", question)
    if query is not None:
        known_answer(query, answer)
    details(corpus, answer, rests, query, question, recipe)


def again(why: str, question: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(why, width="stretch")
        st.button("Ask again", icon=":material/refresh:", on_click=ask, args=(question,))


def marked_answer(answer: Answer, rests: list[Support]) -> str:
    """The answer with the model's citations as chips; an outlined number after a sentence is the passage it repeats."""
    text = answer.text.replace("\ue000", "").replace("\ue001", "") if answer.text else ""
    for one in reversed(rests):
        if one.containment >= THRESHOLD:
            text = f"{text[: one.end]} \ue000{one.passage}\ue001{text[one.end :]}"
    html = evidence.answer_html(text, len(answer.hits))
    return html.replace("\ue000", OUTLINED).replace("\ue001", "</span>") if text else ""


def outcome(answer: Answer, recipe: TrialConfig) -> None:
    """How it ended, and what it cost."""
    reason = REASONS.get(answer.finish_reason, answer.finish_reason)
    if answer.finish_reason == "length":
        reason = f"cut at {answer.answer_tokens:,} tokens"
    if answer.finish_reason.startswith("failed"):
        st.error(cards.plain(f"There is no answer: {answer.finish_reason.removeprefix('failed: ')}."))
    if answer.finish_reason == "abstained":
        best = max((hit.scores["dense"] for hit in answer.hits if "dense" in hit.scores), default=None)
        st.caption("No passage was found." if best is None else f"The best passage reaches a similarity of {best:.2f}; "
                   f"the threshold is {recipe.context.threshold:.2f}.")  # fmt: skip
    ran, writing_ms = [], answer.generation_ms - answer.first_token_ms
    if answer.prompt:
        reused = f", {answer.reused_tokens:,} from the cache" if answer.reused_tokens else ""
        ran = [f"prompt {answer.prompt_tokens:,} tokens{reused}", f"answer {answer.answer_tokens:,} tokens",
               f"first token {cards.duration(answer.first_token_ms / 1000)}",
               f"generation {cards.duration(answer.generation_ms / 1000)}"]  # fmt: skip
    if answer.answer_tokens > 1 and writing_ms > 0:
        ran.append(f"{1000 * (answer.answer_tokens - 1) / writing_ms:,.0f} tokens/s")
    retrieval = f"retrieval {cards.duration(answer.retrieval_ms / 1000)}"
    cards.status_strip([reason, retrieval, *ran, answer.model.partition(" (")[0]])


def sources(corpus: Corpus, answer: Answer, rests: list[Support], query: Query | None) -> None:
    """The passages that the answer cites or repeats, each opening in its document."""
    repeated = {one.passage for one in rests if one.containment >= THRESHOLD}
    with st.container(gap="xsmall"):
        for number in sorted({*answer.cited, *repeated}):
            hit = answer.hits[number - 1]
            why = " and ".join(["cited"] * (number in answer.cited) + ["repeated"] * (number in repeated))
            label = f"{number} · {cards.plain(named(hit))} :gray[{why}]"
            if st.button(label, key=f"source/{number}", icon=":material/article:", type="tertiary"):
                open_passage(corpus, hit, query)
    if rests and not answer.cited:
        outlined = " An outlined number marks a sentence that repeats a passage." if repeated else ""
        st.caption(f"The model cites no passage itself.{outlined}")


def known_answer(query: Query, answer: Answer) -> None:
    if not query.answerable:
        st.info("The corpus does not hold the answer: “I don't know” is right.", icon=":material/rule:")
        return
    ranks = [str(number) for number, hit in enumerate(answer.hits, 1)
             if evidence.gold_marks(hit.start, hit.end, query.gold, hit.document_id)]  # fmt: skip
    place = f"passage {' and '.join(ranks)}" if ranks else "none of the passages"
    with st.container(border=True):
        st.caption(f"Known answer; its evidence is in {place}" if query.gold else "Known answer")
        for text in dict.fromkeys(query.answers):
            evidence.show(f'<div class="gw gw-text">{evidence.marked(text, [])}</div>')


def details(
    corpus: Corpus, answer: Answer, rests: list[Support], query: Query | None, question: str, recipe: TrialConfig
) -> None:
    titles = [f"Passages ({len(answer.hits)})", "Sentence by sentence", "Prompt", "Reproduce"]
    passages, sentences, prompt, reproduce = st.tabs(titles)
    with passages:
        if answer.prompt and (missing := recipe.context.passages - len(answer.hits)) > 0:
            st.caption(f"{missing} more were not found, or did not fit into {recipe.context.max_tokens:,} tokens.")
        for number, hit in enumerate(answer.hits, 1):
            with st.container(gap=None):
                gold = query.gold if query else ()
                evidence.show(evidence.hit_html(hit, gold=gold, query=question, number=number))
                if st.button("Open in the document", key=f"open/{number}", type="tertiary", icon=":material/article:"):
                    open_passage(corpus, hit, query)
    with sentences:
        st.caption(f"The share of a sentence's word trigrams that its nearest passage contains; from {THRESHOLD:.0%} it "
                   "counts as repeated. This shows where words come from, not that a claim is right.")  # fmt: skip
        rows = [{"Sentence": answer.text[one.start : one.end], "Passage": one.passage if one.containment else None,
                 "Share": 100 * one.containment} for one in rests]  # fmt: skip
        share = st.column_config.ProgressColumn(format="%.0f%%", min_value=0, max_value=100)
        st.dataframe(rows, hide_index=True, column_config={
            "Sentence": st.column_config.TextColumn(width="large"), "Share": share})  # fmt: skip
    with prompt:
        st.caption("As the model read it" if answer.prompt else "The model was not run.")
        if answer.prompt:
            st.code(answer.prompt, language=None, wrap_lines=True, height=480)
    with reproduce:
        st.caption("The command that asks this again")
        command = f"{session.workbench().command(recipe, 'ask')} {shlex.quote(question)}"
        st.code(command, language="bash", wrap_lines=True)
        st.caption(
            "The answer is stored with its passages, prompt and recipe: table answers on the page Query the store."
        )


def named(hit: Hit) -> str:
    return (hit.title or hit.document_id) + (f", page {hit.page}" if hit.page else "")


def open_passage(corpus: Corpus, hit: Hit, query: Query | None) -> None:
    st.dialog(cards.plain(hit.title or hit.document_id), width="large")(passage_in_document)(corpus, hit, query)


def passage_in_document(corpus: Corpus, hit: Hit, query: Query | None) -> None:
    """The document around the passage; the passage is shaded, gold evidence underlined."""
    document = next((d for d in corpus.documents if d.id == hit.document_id), None)
    if document is None or document.text[hit.start : hit.end] != hit.text:
        st.warning("The document has changed or gone since. This is the passage as the model read it.")
        return evidence.show(evidence.hit_html(hit, cut=len(hit.text)))
    text, pages = document.text, f"page {hit.page} of {len(document.pages)}" if hit.page else ""
    place = f"characters {hit.start:,} to {hit.end:,} of {len(text):,}"
    cards.status_strip([document.source, pages, place])
    begin, end = max(0, hit.start - AROUND), min(len(text), hit.end + AROUND)
    if end - begin < len(text) and st.toggle("Whole document", key="whole"):
        begin, end = 0, len(text)
    marks = [evidence.Mark(hit.start, hit.end, "a")]
    marks += evidence.gold_marks(0, len(text), query.gold if query else (), document.id)
    body = evidence.marked(text, marks, begin, end)
    before, after = "…" if begin else "", "…" if end < len(text) else ""
    evidence.show(f'<div class="gw gw-scroll"><div class="gw-text">{before}{body}{after}</div></div>')


page()
