"""Which engines answer: the recipe with one generation or several, where their questions go, and what remote ones cost."""

import importlib.util
import json
from contextlib import suppress
from html import escape
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, charts, forms
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.generation import prices
from core.labs.answers import answering
from core.models import llama_packages

OTHERS = ("engine_2", "engine_3", "engine_4")  # names of the recipes whose generation is set beside the current one's
WARMER = (0.7, 1.0, 1.3)  # temperatures they start with
SAVED = "Saved. The next answers use these prices."
MARK = '<span style="color:{}">\u25cf</span> '


def chosen(config: TrialConfig) -> list[TrialConfig]:
    """The recipe as a line of chips, each with its knobs behind it; returns the recipe, and with engines side by side the same recipe
    with each of their generations."""
    line, count = forms.recipe_chips(("context", "answering")), st.session_state.get("engines") or 1
    with line.popover(forms.chip("generation") + (f", {count} engines" if count > 1 else ""), key="chip/generation"):
        others = _generations(config)
    return [config, *(config.model_copy(update={"generation": generation}) for generation in others)]


def _generations(config: TrialConfig) -> list[Any]:
    """The forms of the engines; returns what is set beside the recipe's own."""
    count = st.radio(
        "Engines side by side",
        range(1, len(OTHERS) + 2),
        horizontal=True,
        key="engines",
        bind="query-params",
        on_change=_others_differ,
        help="The same question and passages, answered by one after the other.",
    )
    forms.seed(config, "A sampled answer repeats with the same seed. At temperature 0 the seed has no effect.")
    if config.generation.part == "llama_cpp" and without_gpu():
        st.caption("This build of llama.cpp has no GPU support: the model runs on the CPU, whatever *GPU (layers)* is.")
    for number, name in enumerate((session.CURRENT, *OTHERS[: count - 1])):
        if count > 1:
            heading(number)
        pinned = session.baseline() if number == 0 else None
        forms.stage_form("generation", name=name, baseline=pinned, expanded=number == count - 1, folded=count > 1)
    return [session.config(name).generation for name in OTHERS[: count - 1]]


def _others_differ() -> None:
    """A comparison starts with different settings."""
    first = session.config().generation
    for name, temperature in zip(OTHERS[: st.session_state.engines - 1], WARMER, strict=False):
        if session.config(name).generation == first:
            with suppress(WorkbenchError):  # an engine without a temperature
                session.change({"generation.temperature": temperature}, name)


def destination(recipes: list[TrialConfig]) -> str:
    """Where question and passages go, in words; "" where they stay in this process."""
    hosts = {answering.destination(recipe) for recipe in recipes} - {""}
    words = [f"{host}, a server on this machine" if answering.is_here(host) else host for host in sorted(hosts)]
    return f"Question and passages are sent to {' and to '.join(words)}." if words else ""


def sent_to(recipes: list[TrialConfig]) -> None:
    if sent := destination(recipes):
        st.caption(f":material/cloud_upload: {cards.plain(sent)}")


def titles(recipes: list[TrialConfig]) -> list[str]:
    """Each engine in a few words: what it changes of the defaults, or of the first one where that is the same engine."""
    first, texts = recipes[0].generation, []
    for number, generation in enumerate(recipe.generation for recipe in recipes):
        other = first if number and generation.part == first.part else type(generation)()
        changed = [
            f"{knob.label.lower()} {value}"
            for knob in forms.knobs(type(generation))
            if (value := getattr(generation, knob.name)) != getattr(other, knob.name)
        ]
        texts.append(
            ", ".join([generation.part.replace("_", " "), *changed] if changed or other is not first else ["as the first"])
        )
    return texts


def named(model: str) -> str:
    """A model's setting in words: of a path its last part."""
    return "SmolLM2-135M-Instruct (bundled)" if model == "bundled" else model.rpartition("/")[2]


def model_of(recipe: TrialConfig, name: str) -> str:
    """The model that answers, with the adapters that it wears."""
    if recipe.generation.copies:  # the copy's own name says what it wears
        return name
    settings = recipe.generation.model_dump()
    worn, scale = settings.get("adapter", ""), settings.get("adapter_scale", 1.0)
    return f"{name} with {worn}{f', scale {scale:g}' * (scale != 1)}" if worn else name


def grid(count: int) -> list[Any]:
    """Boxes for answers, two a row."""
    if count == 1:
        return [st.container(border=True)]
    rows = [st.columns(2, gap="small") for _ in range(-(-count // 2))]
    boxes = [column for row in rows for column in row][:count]
    return [box.container(border=True, height="stretch") for box in boxes]


def heading(number: int, title: str = "") -> None:
    words = escape(f"Engine {number + 1}") + (f"</b> {escape(title)}" if title else "</b>")
    st.html(f'<div class="gw gw-small">{MARK.format(charts.shade(charts.COLORS[number]))}<b>{words}</div>')


def without_gpu() -> bool:
    """Whether llama.cpp is here and was built for the processor alone."""
    return bool(importlib.util.find_spec("llama_cpp")) and not llama_packages.offloads()


def notes(recipes: list[TrialConfig]) -> None:
    """What a setting does not say of itself: prices."""
    parts = [recipe.generation for recipe in recipes]
    if remote := [part for part in parts if not part.local]:
        with st.expander("Prices", icon=":material/payments:"):
            own_prices([part.model for part in remote])


def own_prices(models: list[str]) -> None:
    """The table of a person's own prices, to be written and saved."""
    st.caption(
        "USD per million tokens, by model. These prices override the built-in table; a model in neither has an unknown cost. "
        "cache_read and cache_write are prices of prompt tokens."
    )
    lines = [f"  {json.dumps(model)}: {{input: 0, output: 0}}" for model in models]
    st.text_area(
        "Own prices",
        prices.own_text(),
        key="prices",
        height=140,
        label_visibility="collapsed",
        placeholder="\n".join(["models:", *dict.fromkeys(lines)]),
    )
    st.button("Save prices", on_click=_save_prices, icon=":material/save:")
    if said := st.session_state.pop("prices!", None):
        (st.success if said == SAVED else st.error)(cards.plain(said))


def _save_prices() -> None:
    try:
        prices.save(st.session_state.prices)
        st.session_state["prices!"] = SAVED
    except WorkbenchError as error:
        st.session_state["prices!"] = error.what
