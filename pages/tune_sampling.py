"""Sampling: what each step of the chain does to the next token, token by token through an answer, and over questions."""

import json
import time
from collections.abc import Generator
from contextlib import closing
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, evidence, forms, jobs, sampling_study, sampling_tabs
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.sampling import chains, prompts
from core.records import Corpus
from core.sampling.filters import STEPS, Step, chain
from core.sampling.writing import Written, write

MANNERS = {"question": "Question", "message": "Message", "text": "Text to continue"}
STAGES = ("retrieval", "fusion", "context")
GENERATION = (
    "model",
    "weights",
    "device",
    "dtype",
    "context_tokens",
    "threads",
    "gpu_layers",
    "max_tokens",
)  # the rest: the chain's
LIVE_TOKENS = 96  # an answer on the page has no more
DRAW_S = 0.08
PLACEHOLDER = {"message": "What is a generator in Python?", "text": "The three primary colours are"}
PARTS = {"top_k": "Top-k", "top_p": "Top-p", "min_p": "Min-p"}
TABS = ("Next token", "The answer", "Searches", "Side by side", "Study")


def page() -> None:
    cards.page_title("Sampling", "What does each sampling step do to the next token, to the answer, and to its quality?")
    workbench, config = session.workbench(), session.config()
    steps = current_chain()
    left, right = st.columns([1, 2], gap="medium")
    with left:
        recipe(config, steps)
    with right, cards.calm():
        plan = workbench.plan(config, answering=True)
        if not plan.live:
            return waiting(config, plan)
        corpus = jobs.drain(workbench.read_corpus(config), "Reading the corpus")
        results(config.model_copy(update={"generation": config.generation.usable()}), corpus, steps)


def waiting(config: TrialConfig, plan: Any) -> None:
    about = cards.about(plan.seconds)
    cards.empty(
        "The next token over retrieved passages",
        f"Still to do: {plan.what}{about}. After that, questions are searched in milliseconds.",
    )
    jobs.start_button(
        "Prepare",
        ["prepare", *session.workbench().arguments(config)],
        f"Preparing {config.corpus.dataset}",
        icon=":material/bolt:",
    )


# The chain -----------------------------------------------------------------------------------------------------------


def current_chain() -> tuple[Step, ...]:
    """The chain of the session, or of the address where the page is entered by it; what that cannot mean is told.

    Later the address only follows: the browser's lags behind a slider that moves.
    """
    state, asked = st.session_state, st.query_params.get("chain", "")
    if asked and "add" not in state:  # the key of a widget below: the page was not drawn yet
        try:
            state.chain = chains.write_chain(chains.read_chain(asked))
        except WorkbenchError as error:
            st.warning(f"The chain in the address was left out: {cards.plain(error.what)}", icon=":material/link_off:")
    state.setdefault("chain", chains.PRESETS["llama.cpp"])
    st.query_params["chain"] = state.chain
    return chains.read_chain(state.chain)


def put(steps: Any) -> None:
    """Callback: another chain; one that cannot be is told and changes nothing."""
    try:
        take(chains.write_chain(chain([s if isinstance(s, dict) else s.model_dump() for s in steps])))
        st.session_state.pop("chain_problem", None)
    except WorkbenchError as error:
        st.session_state.chain_problem = error.what


def take(text: str) -> None:
    st.session_state.chain = text


def recipe(config: TrialConfig, steps: tuple[Step, ...]) -> None:
    presets()
    st.html(f"<style>{sampling_tabs.STEPS_LOOK}</style>")
    st.markdown("**Chain**, applied from top to bottom")
    with st.container(gap="xsmall"):
        for i, step in enumerate(steps):
            step_form(i, step, steps)
        if not steps:
            st.caption("No step: tokens are drawn from the model's own distribution.")
    if problem := st.session_state.get("chain_problem"):
        st.warning(cards.plain(problem), icon=":material/error:")
    st.selectbox(
        "Add a step",
        list(STEPS),
        index=None,
        key="add",
        on_change=add,
        args=(steps,),
        format_func=word,
        placeholder="Add a step",
        label_visibility="collapsed",
    )
    forms.show_value("seed", config.seed)
    st.number_input(
        "Seed",
        0,
        2**31 - 1,
        key="seed",
        on_change=lambda: session.change({"seed": st.session_state.seed}),
        help="Noise belongs to seed, place and token: a setting changes only the tokens it reaches.",
    )
    forms.recipe_form(STAGES, show_presets=False)
    forms.stage_form("generation", baseline=session.baseline(), only=GENERATION)
    st.caption("The chain replaces the engine's own temperature, top-p and top-k.")


def presets() -> None:
    known, here, key = chains.presets(session.workbench()), st.session_state.chain, "chain/-preset"
    forms.show_value(key, next((name for name, text in known.items() if text == here), None))
    st.pills(
        "Preset",
        list(known),
        key=key,
        label_visibility="collapsed",
        wrap=True,
        format_func=cards.plain,
        on_change=lambda: st.session_state[key] and take(known[st.session_state[key]]),
    )
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Random",
            key="random",
            icon=":material/shuffle:",
            help="Two to four steps with random settings.",
            on_click=lambda: take(chains.write_chain(chains.random_chain(time.time_ns() % 2**32))),
        )
        with st.popover("Save", icon=":material/save:"):
            name = st.text_input("Name of the preset", key="preset_name")
            if st.button("Save this chain", key="save", disabled=not name.strip()):
                try:
                    chains.save_preset(session.workbench(), name, chains.read_chain(here))
                    st.rerun()
                except WorkbenchError as error:
                    st.warning(cards.plain(error.what))


def word(part: str) -> str:
    return PARTS.get(part, part.capitalize())


def step_form(i: int, step: Step, steps: tuple[Step, ...]) -> None:
    """One step: its place in the chain, its knobs. The name of the step labels a single knob."""
    knobs, last = forms.knobs(type(step)), i + 1 == len(steps)
    alone = len(knobs) == 1
    with st.container(border=True, gap=None if alone else "xsmall", key=f"step-{i}"):
        with st.container(horizontal=True, vertical_alignment="center", gap=None):
            about = " ".join([*(type(step).__doc__ or "").split(), *(knob.help for knob in knobs if alone)])
            st.markdown(f"{i + 1}. **{word(step.part)}**", help=cards.plain(about), width="stretch")
            for name, icon, to, off in (("up", "arrow_upward", i - 1, i == 0), ("down", "arrow_downward", i + 1, last)):
                moved = [*steps[:i], *steps[i + 1 :]]
                moved.insert(max(to, 0), step)
                st.button(
                    "",
                    key=f"{name}/{i}",
                    icon=f":material/{icon}:",
                    type="tertiary",
                    disabled=off,
                    on_click=put,
                    args=(moved,),
                    help=f"Move {name}",
                )
            st.button(
                "",
                key=f"remove/{i}",
                icon=":material/close:",
                type="tertiary",
                on_click=put,
                args=([*steps[:i], *steps[i + 1 :]],),
                help="Remove",
            )
        for knob in knobs:
            key = f"chain/{i}.{step.part}.{knob.name}"
            forms.show_value(key, getattr(step, knob.name))
            forms.widget(
                knob._replace(help="") if alone else knob,
                key,
                on_change=change,
                args=(i, knob.name, key),
                label_visibility="collapsed" if alone else "visible",
            )


def change(i: int, name: str, key: str) -> None:
    steps = [step.model_dump() for step in chains.read_chain(st.session_state.chain)]
    steps[i][name] = st.session_state[key]
    put(steps)


def add(steps: tuple[Step, ...]) -> None:
    if st.session_state["add"]:
        put([*steps, {"part": st.session_state["add"]}])
    st.session_state["add"] = None


# The prompt and its answer -------------------------------------------------------------------------------------------


def results(config: TrialConfig, corpus: Corpus, steps: tuple[Step, ...]) -> None:
    strip = st.empty()
    text, manner = prompt(corpus)
    if not text.strip():
        facts(strip, config, corpus, [])
        return examples(corpus, manner)
    started, workbench = time.perf_counter(), session.workbench()
    opened = waited(prompts.read(workbench, config, text, manner), (config, text, manner))
    if opened is None:
        return facts(strip, config, corpus, [])
    reading, seconds = opened.reading, time.perf_counter() - started
    written, came = answer_of(config, reading, steps), "prompt read now" if opened.ran else "the model did not run"
    facts(
        strip,
        config,
        corpus,
        [
            f"prompt {len(reading.prompt.tokens):,} tokens",
            cards.count(len(reading.hits), "passage") if reading.hits else "",
            f"{cards.duration(seconds)}, {came}",
        ],
    )
    place = answer_row(config, written, steps) if written else 0
    for tab, title in zip(st.tabs(TABS, key="view", on_change="rerun", bind="query-params"), TABS, strict=True):
        if tab.open:
            with tab:
                draw(title, config, reading, steps, written, place)


def waited(work: Generator, what: Any) -> Any:
    """What the work returns; it can be cancelled. None where it was: nothing is begun again by itself."""
    state, place = st.session_state, st.empty()
    if state.get("cancelled") == what:
        with place.container():
            cards.empty(
                "The model has not read this prompt",
                "It was cancelled.",
                "Read it now",
                key="read_now",
                on_click=state.pop,
                args=("cancelled",),
            )
        return None
    try:
        with place.container(), closing(work):
            next(work)
            st.button(
                "Cancel",
                key="cancel",
                icon=":material/close:",
                shortcut="Escape",
                on_click=state.__setitem__,
                args=("cancelled", what),
            )
            return jobs.drain(work)
    except StopIteration as end:  # it was at hand
        return end.value
    finally:
        place.empty()


def prompt(corpus: Corpus) -> tuple[str, str]:
    """(the text, how the model is to take it); both are in the address."""
    manner = (
        st.segmented_control(
            "Prompt",
            list(MANNERS),
            default="question",
            key="manner",
            bind="query-params",
            required=True,
            format_func=MANNERS.get,
            label_visibility="collapsed",
        )
        or "question"
    )
    if manner == "question":
        known = [query.text for query in corpus.queries if query.answerable]
        text = st.selectbox(
            "Question",
            known,
            index=None,
            key="question",
            accept_new_options=True,
            bind="query-params",
            placeholder=f"One of the {len(known):,} questions of the corpus, or your own",
        )
        return text or "", manner
    return st.text_area("Prompt", key="prompt", height=80, placeholder=PLACEHOLDER[manner], bind="query-params"), manner


def examples(corpus: Corpus, manner: str) -> None:
    cards.empty(
        "The next token, step by step",
        "Choose a question of the corpus, or type a prompt. The model then reads it once; every slider works on what it said.",
    )
    known = [query.text for query in corpus.queries if query.answerable]
    offered = known[:: max(1, len(known) // 3)][:3] if manner == "question" else [PLACEHOLDER[manner]]
    key = "question" if manner == "question" else "prompt"
    with st.container(gap="xsmall"):
        for text in offered:
            st.button(
                cards.plain(text),
                key=f"example/{text}",
                type="tertiary",
                on_click=st.session_state.__setitem__,
                args=(key, text),
                icon=":material/arrow_forward:",
            )


def facts(strip: Any, config: TrialConfig, corpus: Corpus, more: list[str]) -> None:
    model = config.generation.model.rpartition("/")[2]
    named = "SmolLM2-135M-Instruct" if model == "bundled" else model
    with strip.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            cards.status_strip([f"{corpus.name}, {cards.count(len(corpus.documents), 'document')}", named, *more])
        with st.popover("Reproduce", icon=":material/terminal:"):
            st.caption(
                "The address of this page restores prompt, chain and recipe. The command studies this chain on the corpus:"
            )
            st.code(sampling_tabs.command(config), language="bash", wrap_lines=True)
            st.caption("The chain and the recipe")
            st.code(st.session_state.chain, language=None, wrap_lines=True)
            st.json(json.dumps(config.model_dump(mode="json")), expanded=1)


def draw(title: str, config: TrialConfig, reading: prompts.Reading, steps: Any, written: Written | None, place: int) -> None:
    most = min(config.generation.max_tokens, LIVE_TOKENS)
    if title == TABS[0]:
        sampling_tabs.next_token(config, reading, steps, written, place, lambda token: order(place, token))
    elif title == TABS[1] and written is None:
        cards.empty("The answer, token by token", "It is not written yet: press Write the answer above.")
    elif title == TABS[1]:
        sampling_tabs.answer(config, written, reading.hits)
    elif title == TABS[2]:
        sampling_tabs.searches(config, reading, most)
    elif title == TABS[3]:
        sampling_tabs.side_by_side(config, reading, most)
    else:
        sampling_study.study(config)


def order(place: int | None = None, token: int = 0) -> None:
    """Callback: the run that follows writes the answer, or goes on from another token at a place of it."""
    st.session_state.write_now = (place, token)


def answer_of(config: TrialConfig, reading: prompts.Reading, steps: tuple[Step, ...]) -> Written | None:
    """The answer to this prompt, written now if that was asked for; None before."""
    state = st.session_state
    key, kept = state.get("sampled_answer", ("", None))
    kept = kept if key == reading.key else None
    if (asked := state.pop("write_now", None)) is None:
        if kept is None:
            st.button("Write the answer", icon=":material/play_arrow:", type="primary", key="write", on_click=order)
        return kept
    place, token = asked
    live = st.empty()
    with live.container():
        if kept is None and place is not None:  # forced before there was an answer: one token to go on from
            kept = stream(config, reading, steps, limit=1)
        kept = stream(config, reading, steps, kept if place is not None else None, place or 0, token)
    live.empty()
    state.sampled_answer, state.writings = (reading.key, kept), state.get("writings", 0) + 1
    return kept


def stream(
    config: TrialConfig,
    reading: prompts.Reading,
    steps: Any,
    after: Written | None = None,
    at: int = 0,
    token: int = 0,
    limit: int = 0,
) -> Written:
    """Writes and draws. Any click ends it; what the model said by then is at hand for the next time."""
    body, text, drawn = st.empty(), "", 0.0
    if not limit:
        st.button("Stop", key="stop", icon=":material/stop_circle:", shortcut="Escape")
    most = limit or min(config.generation.max_tokens, LIVE_TOKENS)
    pieces = write(
        config.generation,
        reading.prompt,
        prompts.remembered(session.workbench(), reading),
        steps,
        seed=config.seed,
        max_tokens=most,
        after=after,
        at=at,
        token=token,
    )
    with closing(pieces):
        while True:
            try:
                text += next(pieces)
            except StopIteration as end:
                return end.value
            if time.monotonic() - drawn > DRAW_S:
                body.html(evidence.answer_html(text or "…", len(reading.hits)))
                drawn = time.monotonic()


def answer_row(config: TrialConfig, written: Written, steps: tuple[Step, ...]) -> int:
    """The answer as coloured tokens, what the colour says, and whether chain and answer still belong together."""
    with st.container(border=True):
        place = sampling_tabs.tokens_row(config, written)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            by = st.segmented_control(
                "Colour",
                list(sampling_tabs.HEATS),
                default="probability",
                key="heat",
                required=True,
                width="content",
                format_func=lambda name: sampling_tabs.HEATS[name][0],
                label_visibility="collapsed",
            )
            stale = written.steps != steps or written.seed != config.seed
            st.button(
                "Write again", icon=":material/refresh:", key="write", on_click=order, type="primary" if stale else "secondary"
            )
            forced = sum(pick.forced for pick in written.picks)
            told = [
                f"{len(written.picks):,} tokens, {'ended by itself' if written.reason == 'stop' else 'cut here'}",
                f"{cards.count(forced, 'token')} forced" if forced else "",
                sampling_tabs.HEATS[by or "probability"][1],
                f"written with {chains.describe_chain(written.steps)}, seed {written.seed}" if stale else "",
            ]
            st.caption(cards.plain("; ".join(filter(None, told))), width="stretch")
    return place


page()
