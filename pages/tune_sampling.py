"""Sampling: what each step of the chain does to the next token, token by token through an answer, and over questions."""

import json
import time
from contextlib import closing

import streamlit as st

from app import session
from app.ui import cards, evidence, forms, jobs, sampling_tabs
from core import sampling_lab as lab
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.generation.sampling.filters import STEPS, History, Step, chain
from core.generation.sampling.trace import trace
from core.records import Corpus

MANNERS = {"question": "Question on the corpus", "message": "Message to the model", "text": "Text to continue"}
STAGES = ("retrieval", "fusion", "context")
GENERATION = ("model", "weights", "context_tokens", "threads", "gpu_layers", "max_tokens")  # the rest is the chain's
LIVE_TOKENS = 96  # an answer on the page has no more
DRAW_S = 0.08
PLACEHOLDER = {"message": "What is a generator in Python?", "text": "The three primary colours are"}


def page() -> None:
    cards.page_title(
        "Sampling", "What does each sampling step do to the next token, to the answer, and to its quality?"
    )
    workbench, config = session.workbench(), session.config()
    steps = current_chain()
    left, right = st.columns([1, 2], gap="medium")
    with left:
        recipe(config, steps)
    with right:
        plan = workbench.plan(config)
        if not plan.live:
            return waiting(config, plan)
        corpus = jobs.drain(workbench.pipeline.corpus(config), "Reading the corpus")
        results(config, corpus, steps)


def waiting(config: TrialConfig, plan) -> None:
    about = f", about {cards.duration(plan.seconds)}" if plan.seconds else ""
    cards.empty("The next token over retrieved passages", f"Still to do: {plan.what}{about}. After that, questions are searched in "
                "milliseconds.")  # fmt: skip
    jobs.start_button("Prepare now", ["prepare", *session.workbench().arguments(config)], f"Preparing {config.corpus.dataset}",
                      icon=":material/bolt:")  # fmt: skip


# The chain -----------------------------------------------------------------------------------------------------------


def current_chain() -> tuple[Step, ...]:
    """The chain of the address or of the session, whichever is newer; what the address cannot mean is told."""
    state, asked = st.session_state, st.query_params.get("chain", "")
    if asked and asked != state.get("chain_asked"):
        try:
            state.chain = lab.write_chain(lab.read_chain(asked))
        except WorkbenchError as error:
            st.warning(f"The chain in the address was left out: {cards.plain(error.what)}", icon=":material/link_off:")
    state.setdefault("chain", lab.PRESETS["llama.cpp"])
    state.chain_asked = st.query_params["chain"] = state.chain
    return lab.read_chain(state.chain)


def put(steps) -> None:
    """Callback: another chain; one that cannot be is told and changes nothing."""
    try:
        st.session_state.chain = lab.write_chain(chain([s if isinstance(s, dict) else s.model_dump() for s in steps]))
        st.session_state.pop("chain_problem", None)
    except WorkbenchError as error:
        st.session_state.chain_problem = error.what


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
    st.selectbox("Add a step", list(STEPS), index=None, key="add", on_change=add, args=(steps,), format_func=word,
                 placeholder="Add a step", label_visibility="collapsed")  # fmt: skip
    forms.show_value("seed", config.seed)
    st.number_input("Seed", 0, 2**31 - 1, key="seed", on_change=lambda: session.change({"seed": st.session_state.seed}),
                    help="Noise belongs to seed, place and token: a setting changes only the tokens it reaches.")  # fmt: skip
    forms.recipe_form(STAGES, show_presets=False)
    forms.stage_form("generation", baseline=session.baseline(), only=GENERATION)
    st.caption("The chain replaces the engine's own temperature, top-p and top-k.")


def presets() -> None:
    known, here = lab.presets(session.workbench()), st.session_state.chain
    forms.show_value("chain/-preset", next((name for name, text in known.items() if text == here), None))
    st.pills("Preset", list(known), key="chain/-preset", label_visibility="collapsed", wrap=True, format_func=cards.plain,
             on_change=lambda: st.session_state["chain/-preset"] and take(known[st.session_state["chain/-preset"]]))  # fmt: skip
    with st.container(horizontal=True, gap="small"):
        st.button("Random", key="random", icon=":material/shuffle:", on_click=shuffle,
                  help="Two to four steps with random settings.")  # fmt: skip
        with st.popover("Save", icon=":material/save:"):
            name = st.text_input("Name of the preset", key="preset_name")
            if st.button("Save this chain", key="save", disabled=not name.strip()):
                lab.save_preset(session.workbench(), name, lab.read_chain(here))
                st.rerun()


def shuffle() -> None:
    take(lab.write_chain(lab.random_chain(time.time_ns() % 2**32)))


def take(text: str) -> None:
    st.session_state.chain = text


def word(part: str) -> str:
    return {"top_k": "Top-k", "top_p": "Top-p", "min_p": "Min-p"}.get(part, part.capitalize())


def step_form(i: int, step: Step, steps: tuple[Step, ...]) -> None:
    """One step: its place in the chain, its knobs."""
    with st.container(border=True, gap="xsmall", key=f"step-{i}"):
        with st.container(horizontal=True, vertical_alignment="center", gap=None):
            about = " ".join((type(step).__doc__ or "").split())
            st.markdown(f"{i + 1}. **{word(step.part)}**", help=cards.plain(about), width="stretch")
            for name, icon, to, off in (
                ("up", "arrow_upward", i - 1, i == 0),
                ("down", "arrow_downward", i + 1, i + 1 == len(steps)),
            ):
                st.button("", key=f"{name}/{i}", icon=f":material/{icon}:", type="tertiary", disabled=off, on_click=put,
                          args=([*moved(steps, i, to)],), help=f"Move {name}")  # fmt: skip
            st.button("", key=f"remove/{i}", icon=":material/close:", type="tertiary", on_click=put,
                      args=([*steps[:i], *steps[i + 1 :]],), help="Remove")  # fmt: skip
        for knob in forms.knobs(type(step)):
            key = f"chain/{i}.{step.part}.{knob.name}"
            forms.show_value(key, getattr(step, knob.name))
            forms.widget(knob, key, on_change=change, args=(i, knob.name, key))


def moved(steps: tuple[Step, ...], i: int, to: int) -> list[Step]:
    rest = [*steps[:i], *steps[i + 1 :]]
    return [*rest[: max(to, 0)], steps[i], *rest[max(to, 0) :]]


def change(i: int, name: str, key: str) -> None:
    steps = [step.model_dump() for step in lab.read_chain(st.session_state.chain)]
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
        return examples(strip, config, corpus, manner)
    started = time.perf_counter()
    with st.spinner("Reading the prompt", show_time=True):
        reading = lab.reading(session.workbench(), config, text, manner)
        at_hand = len(lab.remembered(session.workbench(), reading))
        first = lab.first_logits(session.workbench(), config, reading)
    seconds = time.perf_counter() - started
    written = answer_of(config, reading, steps)
    facts(strip, config, corpus, reading, at_hand, seconds)
    place = answer_row(config, written, steps) if written else 0
    titles = ["Next token", "The answer", "Side by side", "Study"]
    for tab, title in zip(st.tabs(titles, key="view", on_change="rerun"), titles, strict=True):
        if tab.open:
            with tab:
                draw(title, config, reading, steps, first, written, place)


def examples(strip, config: TrialConfig, corpus: Corpus, manner: str) -> None:
    with strip.container():
        cards.status_strip(
            [f"{corpus.name}, {cards.count(len(corpus.documents), 'document')}", f"model: {model(config)}"]
        )
    cards.empty("The next token, step by step", "Choose a question of the corpus, or type a prompt. The model then reads it once; every "
                "slider works on what it said.")  # fmt: skip
    known = [query.text for query in corpus.queries if query.answerable]
    offered = known[:: max(1, len(known) // 3)][:3] if manner == "question" else [PLACEHOLDER[manner]]
    key = "sampled_question" if manner == "question" else f"prompt/{manner}"
    with st.container(gap="xsmall"):
        for text in offered:
            st.button(cards.plain(text), key=f"example/{text}", type="tertiary", on_click=ask, args=(key, text),
                      icon=":material/arrow_forward:")  # fmt: skip


def ask(key: str, text: str) -> None:
    st.session_state[key] = text


def model(config: TrialConfig) -> str:
    return str(getattr(config.generation, "model", config.generation.part)).rpartition("/")[2]


def draw(
    title: str, config: TrialConfig, reading: lab.Reading, steps, first, written: lab.Written | None, place: int
) -> None:
    if title == "Side by side":
        return sampling_tabs.side_by_side(config, reading, most(config))
    if title == "Study":
        return sampling_tabs.study(config)
    if title == "The answer":
        if written is None:
            return cards.empty("The answer, token by token", "It is not written yet: press Write above.")
        return sampling_tabs.answer(config, written)
    size = len(reading.prompt.tokens)
    pick = written.picks[place] if written else None
    stages = (
        trace(pick.logits, steps, pick.before)
        if pick
        else trace(first, steps, History(tuple(reading.prompt.tokens), size))
    )
    sampling_tabs.stage_cards(stages)
    sampling_tabs.next_token(config, stages, pick.token if pick else None, place, lambda token: order(place, token))


def prompt(corpus: Corpus) -> tuple[str, str]:
    """(the text, how the model is to take it)."""
    manner = st.segmented_control("Prompt", list(MANNERS), default="question", key="manner", bind="query-params", required=True,
                                  format_func=MANNERS.get, label_visibility="collapsed")  # fmt: skip
    if manner == "question":
        known = [query.text for query in corpus.queries if query.answerable]
        text = st.selectbox("Question", known, index=None, key="sampled_question", accept_new_options=True,
                            placeholder=f"One of the {len(known):,} questions of the corpus, or your own")  # fmt: skip
        return text or "", manner
    return st.text_area("Prompt", key=f"prompt/{manner}", height=80, placeholder=PLACEHOLDER[manner]), manner


def facts(strip, config: TrialConfig, corpus: Corpus, reading: lab.Reading, at_hand: int, seconds: float) -> None:
    size = f"prompt {len(reading.prompt.tokens):,} tokens"
    passages = cards.count(len(reading.hits), "passage") if reading.hits else ""
    came = f"{cards.duration(seconds)}, {'the model did not run' if at_hand else 'prompt read now'}"
    with strip.container():
        cards.status_strip(
            [
                f"{corpus.name}, {cards.count(len(corpus.documents), 'document')}",
                f"model: {model(config)}",
                size,
                passages,
                came,
            ]
        )
        with st.popover("Reproduce", icon=":material/terminal:"):
            st.caption(
                "The command that studies this chain on the corpus. The address of this page restores chain and recipe."
            )
            st.code(sampling_tabs.command(config), language="bash", wrap_lines=True)
            st.caption("The chain and the recipe")
            st.code(st.session_state.chain, language=None, wrap_lines=True)
            st.json(json.dumps(config.model_dump(mode="json")), expanded=1)


def most(config: TrialConfig) -> int:
    return min(getattr(config.generation, "max_tokens", LIVE_TOKENS), LIVE_TOKENS)


def order(place: int | None = None, token: int = 0) -> None:
    """Callback: the run that follows writes the answer, or goes on from another token at a place of it."""
    st.session_state.write_now = (place, token)


def answer_of(config: TrialConfig, reading: lab.Reading, steps: tuple[Step, ...]) -> lab.Written | None:
    """The answer to this prompt, written now if that was asked for; None before."""
    state = st.session_state
    kept = state.get("sampled_answer")
    kept = kept if kept is not None and kept.reading.key == reading.key else None
    if (asked := state.pop("write_now", None)) is None:
        if kept is None:
            st.button("Write the answer", icon=":material/play_arrow:", type="primary", key="write", on_click=order)
        return kept
    place, token = asked
    if kept is None and place is not None:  # forced before there was an answer: one token to go on from
        kept = stream(config, reading, steps, limit=1)
    live = st.empty()
    with live.container():
        state.sampled_answer = stream(config, reading, steps, kept if place is not None else None, place or 0, token)
    live.empty()
    state.writings = state.get("writings", 0) + 1
    return state.sampled_answer


def stream(config: TrialConfig, reading: lab.Reading, steps, after: lab.Written | None = None, at: int = 0, token: int = 0,
           limit: int = 0) -> lab.Written:  # fmt: skip
    """Writes and draws. Any click ends it; what the model said by then is at hand for the next time."""
    body, text, drawn = st.empty(), "", 0.0
    if not limit:
        st.button("Stop", key="stop", icon=":material/stop_circle:", shortcut="Escape")
    pieces = lab.write(session.workbench(), config, reading, steps, seed=config.seed, max_tokens=limit or most(config),
                       after=after, at=at, token=token)  # fmt: skip
    with closing(pieces):
        while True:
            try:
                text += next(pieces)
            except StopIteration as end:
                return end.value
            if time.monotonic() - drawn > DRAW_S:
                body.html(evidence.answer_html(text or "…", len(reading.hits)))
                drawn = time.monotonic()


def answer_row(config: TrialConfig, written: lab.Written, steps: tuple[Step, ...]) -> int:
    """The answer as coloured tokens, what the colour says, and whether chain and answer still belong together."""
    with st.container(border=True):
        place = sampling_tabs.tokens_row(config, written)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.segmented_control("Colour", list(sampling_tabs.HEATS), default="probability", key="heat", required=True, width="content",
                                 format_func=sampling_tabs.HEATS.get, label_visibility="collapsed",
                                 help="Stronger: less probable, or more entropy (8 bits is the strongest).")  # fmt: skip
            stale = written.steps != steps or written.seed != config.seed
            st.button(
                "Write again",
                icon=":material/refresh:",
                key="write",
                on_click=order,
                type="primary" if stale else "secondary",
            )
            forced = sum(pick.forced for pick in written.picks)
            told = [f"{len(written.picks):,} tokens, {'ended by itself' if written.reason == 'stop' else 'cut here'}",
                    f"{cards.count(forced, 'token')} forced" if forced else "",
                    f"written with {lab.describe_chain(written.steps)}" if stale else ""]  # fmt: skip
            st.caption(cards.plain("; ".join(filter(None, told))), width="stretch")
    return place


page()
