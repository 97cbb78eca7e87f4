"""Ask: a question to one engine or several over the chosen corpus, streamed, with the passages that the answer rests on."""

import shlex
import time
from contextlib import closing, suppress
from functools import partial
from typing import Any

import streamlit as st

from app import session
from app.ui import answer_sources, answer_tabs, cards, cells, evidence, forms, jobs
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.judging.containment import THRESHOLD, Support, support
from core.models import own_process
from core.records import Answer, Corpus, Progress, Query

STAGES = ("chunking", "embedding", "sparse", "index", "retrieval", "fusion", "context")
OTHERS = ("engine_2", "engine_3", "engine_4")  # names of the recipes whose generation is set beside the current one's
WARMER = (0.7, 1.0, 1.3)  # temperatures they start with
DRAW_S = 0.15  # between two drawings of a growing answer: a browser on this machine draws with the model's cores


def page() -> None:
    cards.page_title("Ask", "What does the model make of the retrieved passages, and which of them carry its answer?")
    workbench = session.workbench()
    left, right = st.columns([1, 2], gap="medium")
    with left:
        recipes = recipe_column(session.config())
        answer_tabs.notes(recipes)
    with right:
        for config in recipes:
            plan = workbench.plan(config, answering=True)
            if not plan.live:
                return to_prepare(config, plan)
        config = recipes[0]
        corpus = jobs.drain(workbench.read_corpus(config), "Reading the corpus")
        model = config.generation.model.rpartition("/")[2]
        sent = answer_tabs.destination(recipes)
        cards.status_strip(
            [
                f"{corpus.name}, {cards.count(len(corpus.documents), 'document')}",
                cards.count(len(corpus.queries), "question"),
                f"model: {model}" if len(recipes) == 1 else f"{len(recipes)} engines",
                "" if sent else "on this machine, nothing leaves it",
            ]
        )
        for one in recipes:
            own_process.start(one.generation)
        ask_box(corpus)
        if sent:
            st.caption(f":material/cloud_upload: {cards.plain(sent)}")
        live, rest = st.empty(), st.empty()  # apart, so that what stood here is gone while the next answer grows
        if question := st.session_state.pop("ask_now", "").strip():
            with live.container():
                stream(recipes, question)
            live.empty()
        elif (number := st.session_state.pop("again_now", None)) is not None:
            with live.container():
                stream_again(number)
            live.empty()
        with rest.container():
            if asked := st.session_state.get("asked"):
                show(corpus, recipes, **asked)
            else:
                examples(corpus)
            answer_tabs.speed_here(config)


def to_prepare(config: TrialConfig, plan: Any) -> None:
    estimate = cards.about(plan.seconds)
    cards.empty(
        "Answers from this corpus", f"Still to do: {plan.what}{estimate}. After that, questions are searched in milliseconds."
    )
    arguments = ["prepare", *session.workbench().arguments(config)]
    jobs.start_button("Prepare", arguments, f"Preparing {config.corpus.dataset}", icon=":material/bolt:")


def recipe_column(config: TrialConfig) -> list[TrialConfig]:
    """The forms; returns the recipe, and with engines side by side the same recipe with each of their generations."""
    forms.recipe_form(STAGES)
    forms.show_value("seed", config.seed)
    st.number_input(
        "Seed",
        0,
        2**31 - 1,
        key="seed",
        on_change=lambda: session.change({"seed": st.session_state.seed}),
        help="With the same seed a sampled answer repeats. At temperature 0 it changes nothing.",
    )
    count = st.radio(
        "Engines side by side",
        range(1, len(OTHERS) + 2),
        horizontal=True,
        key="engines",
        bind="query-params",
        on_change=others_differ,
        help="The same question and passages, answered by each in turn.",
    )
    recipes = [config]
    for number, name in enumerate((session.CURRENT, *OTHERS[: count - 1])):
        if count > 1:
            answer_tabs.heading(number)
        pinned = session.baseline() if number == 0 else None
        forms.stage_form("generation", name=name, baseline=pinned, expanded=count == 1 or number == count - 1)
        if number:
            recipes.append(config.model_copy(update={"generation": session.config(name).generation}))
    return recipes


def others_differ() -> None:
    """A comparison starts with different settings."""
    first = session.config().generation
    for name, temperature in zip(OTHERS[: st.session_state.engines - 1], WARMER, strict=False):
        if session.config(name).generation == first:
            with suppress(WorkbenchError):  # an engine without a temperature
                session.change({"generation.temperature": temperature}, name)


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
        st.selectbox(
            "Questions of the corpus",
            [q.text for q in corpus.queries],
            index=None,
            key="known",
            label_visibility="collapsed",
            on_change=lambda: st.session_state.known and ask(st.session_state.known),
            placeholder=f"Or choose one of the {len(corpus.queries):,} questions of the corpus",
        )


def examples(corpus: Corpus) -> None:
    cards.empty(
        "The answer, with its sources",
        "The model reads the passages that the recipe finds and answers from "
        "them. The bundled one is very small: it shows how the parts work together, and is often wrong.",
    )
    known = [query for query in corpus.queries if query.answerable]
    with st.container(gap="xsmall"):
        for query in known[:: max(1, len(known) // 3)][:3]:
            st.button(
                cards.plain(query.text),
                key=f"example/{query.id}",
                type="tertiary",
                on_click=ask,
                args=(query.text,),
                icon=":material/arrow_forward:",
            )


def stream(recipes: list[TrialConfig], question: str) -> None:
    """Draws the answers as they come, one after the other. A click anywhere ends the run, and with it the answer: what had
    come stays."""
    runs = [{"recipe": recipe, "text": "", "answer": None, "error": None, "again": None} for recipe in recipes]
    st.session_state.asked = {"question": question, "runs": runs}
    cards.question_title(question)
    state = stop_row()
    bodies = []
    for number, (box, title) in enumerate(zip(answer_tabs.grid(len(runs)), answer_tabs.titles(recipes), strict=True)):
        with box:
            if len(runs) > 1:
                answer_tabs.heading(number, title)
            bodies.append(st.empty())
        drawn(bodies[-1], 0, "…")
    for run, body in zip(runs, bodies, strict=True):
        state.caption("Searching the passages")
        draw = partial(drawn, body, run["recipe"].context.passages)
        try:
            with closing(session.workbench().ask(run["recipe"], question)) as steps:
                run["answer"] = follow(steps, run, state, draw)
                draw(run["answer"].text)
        except WorkbenchError as error:
            run["error"] = error


def stream_again(number: int) -> None:
    """The second run of an answer, by its receipt."""
    asked = st.session_state.get("asked")
    if not asked:
        return
    run, text = asked["runs"][number], {"text": ""}
    run["again"] = WorkbenchError("The second run was stopped before its end.", todo="Run it again.")
    cards.question_title(asked["question"])
    state = stop_row()
    with st.container(border=True):
        body = st.empty()
    drawn(body, 0, "…")
    try:
        with closing(session.workbench().ask_again(run["recipe"], asked["question"], run["answer"])) as steps:
            run["again"] = follow(steps, text, state, partial(drawn, body, len(run["answer"].hits)))
    except WorkbenchError as error:
        run["again"] = error


def stop_row() -> Any:
    """The button, and the place that says what is going on."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Stop", key="stop", icon=":material/stop_circle:", shortcut="Escape")
        return st.empty()


def follow(steps: Any, run: dict[str, Any], state: Any, draw: Any) -> Any:
    """Draws what comes until the end, and returns what the verb returns."""
    last, said = 0.0, ""
    try:
        while True:
            step = next(steps)
            told = isinstance(step, Progress)
            doing = step.message if told else "Writing" if run["text"] or step else "Reading the passages"
            if doing != said:
                said = doing
                state.caption(said)
            if told:
                continue
            run["text"] += step
            if time.monotonic() - last > DRAW_S:  # drawing is also where a click gets through
                draw(run["text"])
                last = time.monotonic()
    except StopIteration as end:
        return end.value


def drawn(body: Any, passages: int, text: str) -> None:
    body.html(evidence.answer_html(text, passages))


def show(corpus: Corpus, recipes: list[TrialConfig], question: str, runs: list[dict[str, Any]]) -> None:
    cards.question_title(question)
    several, number = len(runs) > 1, 0
    names = answer_tabs.titles([run["recipe"] for run in runs])
    for place, (box, run) in enumerate(zip(answer_tabs.grid(len(runs)), runs, strict=True)):
        with box:
            if several:
                answer_tabs.heading(place, names[place])
            one_answer(corpus, question, run, place, several)
    if several:
        answer_tabs.table([run["answer"] for run in runs])
    if any(run["error"] for run in runs):
        retry("No answer was made; the failure is stored with its reason.", question)
    elif any(run["answer"] is None for run in runs):
        retry("Stopped before its end, by Stop or by another control. What had come is not stored.", question)
    elif any(answer_tabs.failure(run["answer"]) for run in runs):
        retry("What failed is stored with its reason and without a text.", question)
    elif [run["recipe"] for run in runs] != recipes:
        retry("The recipe, the engines or the corpus have changed since.", question)
    if several:
        number = st.segmented_control(
            "Look into",
            range(len(runs)),
            default=0,
            key="looked_into",
            required=True,
            format_func=lambda number: f"Engine {number + 1}",
        )
    if runs[number]["answer"]:
        query = next((q for q in corpus.queries if q.text == question), None)
        look_into(corpus, query, question, number, **runs[number])


def one_answer(corpus: Corpus, question: str, run: dict[str, Any], place: int, several: bool) -> None:
    """What came of one engine: an answer with what it cost, a part of one, or why there is none."""
    answer, context = run["answer"], run["recipe"].context
    if run["error"] is not None:
        return cards.problem(run["error"])
    if answer is None:
        evidence.show(evidence.answer_html(run["text"] or "…", context.passages))
        return st.caption("Not asked, or stopped before its end.") if several else None
    if why := answer_tabs.failure(answer):
        st.error(cards.plain(why), icon=":material/error:")
    else:
        query = next((q for q in corpus.queries if q.text == question), None)
        answer_sources.draw(answer, rests_of(answer), corpus, query, key=f"cited/{place}")
    if answer.finish_reason == "abstained":
        best = max((hit.scores["dense"] for hit in answer.hits if "dense" in hit.scores), default=None)
        st.caption(
            "No passage was found."
            if best is None
            else f"The best passage reaches a similarity of {best:.2f}; the threshold is {context.threshold:.2f}."
        )
    facts = answer_tabs.costs(answer)
    cards.status_strip([answer_tabs.ending(answer), *(facts[3:] if several else [*facts, answer.model])])


def look_into(
    corpus: Corpus,
    query: Query | None,
    question: str,
    number: int,
    recipe: TrialConfig,
    text: str,
    answer: Answer,
    error: None,
    again: tuple | WorkbenchError | None,
) -> None:
    """All that is known of one answer."""
    rests = rests_of(answer)
    answer_sources.listed(corpus, answer, rests, query)
    answer_tabs.faster_copy(answer, recipe.generation)
    if query is not None:
        known_answer(query, answer)
    if isinstance(again, WorkbenchError):
        cards.problem(again)
        again = None
    answer_tabs.receipt(answer, number, again, partial(st.session_state.__setitem__, "again_now", number))
    details(corpus, answer, rests, query, question, recipe)


def rests_of(answer: Answer) -> list[Support]:
    return [] if answer.finish_reason == "abstained" else support(answer.text, answer.hits)


def retry(why: str, question: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(why, width="stretch")
        st.button("Ask again", icon=":material/refresh:", on_click=ask, args=(question,))


def known_answer(query: Query, answer: Answer) -> None:
    if not query.answerable:
        st.info("The corpus does not hold the answer: “I don't know” is right.", icon=":material/rule:")
        return
    ranks = [
        str(number)
        for number, hit in enumerate(answer.hits, 1)
        if evidence.gold_marks(hit.start, hit.end, query.gold, hit.document_id)
    ]
    place = f"passage {' and '.join(ranks)}" if ranks else "none of the passages"
    with st.container(border=True):
        st.caption(f"Known answer; its evidence is in {place}" if query.gold else "Known answer")
        for text in dict.fromkeys(query.answers):
            evidence.show(f'<div class="gw gw-text">{evidence.marked(text, [])}</div>')


def details(
    corpus: Corpus, answer: Answer, rests: list[Support], query: Query | None, question: str, recipe: TrialConfig
) -> None:
    titles = [f"Passages ({len(answer.hits)})", "Sentence by sentence", "Prompt", "Reproduce", *["Tokens"] * bool(answer.tokens)]
    passages, sentences, prompt, reproduce, *tokens = st.tabs(titles)
    with passages:
        if answer.prompt and (missing := recipe.context.passages - len(answer.hits)) > 0:
            st.caption(f"{missing} more were not found, or did not fit into {recipe.context.max_tokens:,} tokens.")
        for number, hit in enumerate(answer.hits, 1):
            with st.container(gap=None):
                gold = query.gold if query else ()
                evidence.show(evidence.hit_html(hit, gold=gold, query=question, number=number))
                if st.button("Open in the document", key=f"open/{number}", type="tertiary", icon=":material/article:"):
                    answer_sources.open_source(answer, number, corpus, query)
    with sentences:
        st.caption(
            f"The share of a sentence's word trigrams that its nearest passage contains; from {THRESHOLD:.0%} it "
            "counts as repeated. This shows where words come from, not that a claim is right."
        )
        rows = [
            {
                "Sentence": answer.text[one.start : one.end],
                "Passage": one.passage if one.containment else None,
                "Share": 100 * one.containment,
            }
            for one in rests
        ]
        share = st.column_config.ProgressColumn(format="%.0f%%", min_value=0, max_value=100)
        cells.show(rows, hide_index=True, column_config={"Sentence": st.column_config.TextColumn(width="large"), "Share": share})
    with prompt:
        st.caption("As the model read it" if answer.prompt else "The model was not run.")
        if answer.prompt:
            st.code(answer.prompt, language=None, wrap_lines=True, height=480)
    with reproduce:
        st.caption("The command that asks this again")
        command = f"{session.workbench().command(recipe, 'ask')} {shlex.quote(question)}"
        st.code(command, language="bash", wrap_lines=True)
        st.caption("Stored with its passages, prompt, recipe and receipt: table answers on the page Query the store.")
    for place in tokens:
        with place:
            answer_tabs.tokens(answer)


page()
