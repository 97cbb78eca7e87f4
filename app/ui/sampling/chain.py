"""Left on the page Sampling: the chain of steps, its presets, and the rest of the recipe."""

import shlex
import time
from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, forms
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.sampling import chains
from core.registry import lower
from core.sampling.filters import STEPS, Step, chain
from core.sampling.writing import Written

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
    "adapter",
    "adapter_scale",
)  # the rest: the chain's
# of an engine, at the values that do nothing
SAMPLING = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0}
PARTS = {"top_k": "Top-k", "top_p": "Top-p", "min_p": "Min-p"}


def command(config: TrialConfig, chains: Sequence[str] = (), rest: Sequence[str] = ()) -> str:
    words = [word for text in chains or [st.session_state.chain] for word in ("--chain", text)]
    return f"{session.workbench().command(config, 'sample-study')} {shlex.join([*words, *rest])}"


def trace_command(config: TrialConfig, written: Written | None, steps: Sequence[Step], place: int = 0) -> str:
    """The command that writes this answer and tells of each token, and of one place after each of these steps. Tokens that
    were put there, and those of another chain or seed, are named."""
    state, begin, tokens = st.session_state, 0, []
    manner = state.get("manner") or "question"
    prompt = state.get("question" if manner == "question" else "prompt") or ""
    if written:
        tokens = [pick.token for pick in written.picks]
        begin = max((number for number, pick in enumerate(written.picks, 1) if pick.forced), default=0)
        if written.steps != tuple(steps) or written.seed != config.seed:
            begin = len(tokens)
    words = "--manner", manner, "--chain", chains.write_chain(steps), "--tokens", str(len(tokens) or 1), "--place", str(place + 1)
    forced = ["--begin", *map(str, tokens[:begin])] if begin else []
    return session.workbench().command(config, "sample-trace", prompt, *words, *forced)


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
    state.setdefault("chain", chains.PRESETS["llama.cpp defaults"])
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
    head, edit = st.columns(2, vertical_alignment="center")
    head.markdown("**Chain**", help="Applied from top to bottom, each step to what the one before it left.")
    with edit.popover("Edit", icon=":material/reorder:", key="edit_chain", width="stretch"):
        editor(steps)
    if told := recipe_samples(config, steps):
        st.caption(f"This chain applies on this page only; the recipe samples with {told}.")
    for i, step in enumerate(steps):
        step_form(i, step)
    if not steps:
        st.caption("No step: tokens are drawn from the model's own distribution.")
    if problem := st.session_state.get("chain_problem"):
        st.warning(cards.plain(problem), icon=":material/error:")
    about = "Random numbers depend on seed, place and token only: changing a setting changes only the tokens it affects."
    forms.seed(config, about)
    with st.popover("Other settings", icon=":material/tune:", key="other_settings"):
        forms.recipe_form(STAGES, show_presets=False)
        forms.stage_form("generation", baseline=session.baseline(), only=GENERATION)
        st.caption("The chain replaces the engine's own temperature, top-p and top-k.")


def recipe_samples(config: TrialConfig, steps: tuple[Step, ...]) -> str:
    """The settings by which the recipe's engine samples, where the chain does otherwise; else ""."""
    own = SAMPLING | {name: value for name, value in config.generation if name in SAMPLING}
    mine = dict(SAMPLING)
    for step in steps:
        name = {"greedy": "temperature", "repetition": "repeat_penalty"}.get(step.part, step.part)
        mine[name] = next((value for knob, value in step if knob != "part"), 0.0)
    same = mine == own if own["temperature"] else mine["temperature"] == 0
    labels = {knob.name: lower(knob.label) for knob in forms.knobs(type(config.generation))}
    told = [name for name in labels if name in own and (name == "temperature" or own[name] != SAMPLING[name])]
    return "" if same else ", ".join(f"{labels[name]} {own[name]:g}" for name in told)


def presets() -> None:
    """The chains that are known by a name; the one in use is marked."""
    lines, here, key = chains.presets(session.workbench()), st.session_state.chain, "chain/-preset"
    forms.show_value(key, next((name for name, text in lines.items() if text == here), None))
    st.selectbox(
        "Preset",
        list(lines),
        index=None,
        key=key,
        placeholder="A chain of your own",
        on_change=lambda: st.session_state[key] and take(lines[st.session_state[key]]),
    )


def editor(steps: tuple[Step, ...]) -> None:
    """Which steps the chain has, in which order; and chains kept by a name."""
    for i, step in enumerate(steps):
        step_row(i, step, steps)
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
    st.button(
        "Random",
        key="random",
        icon=":material/shuffle:",
        help="Two to four steps with random settings.",
        on_click=lambda: take(chains.write_chain(chains.random_chain(time.time_ns() % 2**32))),
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name of the preset", key="preset_name")
        if st.button("Save this chain", key="save", icon=":material/save:", disabled=not name.strip()):
            try:
                chains.save_preset(session.workbench(), name, chains.read_chain(st.session_state.chain))
                st.rerun()
            except WorkbenchError as error:
                st.warning(cards.plain(error.what))
    if (chosen := st.session_state["chain/-preset"]) and chosen not in chains.PRESETS:
        saved, about = (session.workbench(), chosen), "Deletes this saved chain."
        cards.press(cards.plain(f"Delete {chosen}"), "delete", "delete_preset", chains.delete_preset, *saved, help=about)


def word(part: str) -> str:
    return PARTS.get(part, part.capitalize())


def step_row(i: int, step: Step, steps: tuple[Step, ...]) -> None:
    """One step in the editor: its place in the chain, what it does, and its buttons."""
    last = i + 1 == len(steps)
    with st.container(horizontal=True, vertical_alignment="center", gap=None):
        about = " ".join([*(type(step).__doc__ or "").split(), *(knob.help for knob in forms.knobs(type(step)))])
        st.markdown(f"{i + 1}. **{word(step.part)}**", help=cards.plain(about), width="stretch")
        for name, icon, to, off in (("up", "arrow_upward", i - 1, i == 0), ("down", "arrow_downward", i + 1, last)):
            moved = [*steps[:i], *steps[i + 1 :]]
            moved.insert(max(to, 0), step)
            cards.press("", icon, f"{name}/{i}", put, moved, type="tertiary", disabled=off, help=f"Move {name}")
        cards.press("", "close", f"remove/{i}", put, [*steps[:i], *steps[i + 1 :]], type="tertiary", help="Remove")


def step_form(i: int, step: Step) -> None:
    """The knobs of one step; the name of the step labels a single one."""
    knobs = forms.knobs(type(step))
    alone, title = len(knobs) == 1, f"{i + 1}. {word(step.part)}"
    with st.container(border=True, gap="xsmall", key=f"step-{i}"):
        if not alone:
            st.markdown(f"**{title}**")
        for knob in knobs:
            key = f"chain/{i}.{step.part}.{knob.name}"
            forms.show_value(key, getattr(step, knob.name))
            forms.widget(
                knob._replace(label=f"**{title}**", help="") if alone else knob,  # what it does is told in the editor
                key,
                on_change=change,
                args=(i, knob.name, key),
            )


def change(i: int, name: str, key: str) -> None:
    steps = [step.model_dump() for step in chains.read_chain(st.session_state.chain)]
    steps[i][name] = st.session_state[key]
    put(steps)


def add(steps: tuple[Step, ...]) -> None:
    if st.session_state["add"]:
        put([*steps, {"part": st.session_state["add"]}])
    st.session_state["add"] = None
