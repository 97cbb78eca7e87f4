"""Under the title of each page: what of the recipe in use is not default, each setting to be reset, undo and redo.

Settings act on every page. What was left somewhere else is seen here before it misleads.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st

from app import navigation, session
from app.ui import cards, forms, ways
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError

PROBLEM = "recipe_strip!"


def page_title(title: str, question: str, recipe: bool = True, aside: Callable[[], Any] | None = None) -> Any:
    """The title with the pages that share its link, the one sentence that says which question the page answers, and what of the
    recipe is not default. aside: draws what stands at the right of them; its result is returned."""
    left, right = st.columns([1.5, 1], vertical_alignment="top") if aside else (st.container(), None)
    with left, st.container(horizontal=True, vertical_alignment="center", gap="medium", key="page_head"):
        st.title(title, anchor=False, width="content")
        _beside(st.session_state.get("page", ""))
    with st.container(horizontal=True, vertical_alignment="center", key="page_question"):
        st.caption(question, width="content")
        if recipe:
            draw()
    if aside and right:
        with right.container(horizontal_alignment="right", key="page_aside"):
            return aside()
    return None


def _beside(page: str) -> None:
    """The pages that share a link with this one, as a row; they say so themselves, in `NAVIGATION`."""
    row = navigation.beside(page)
    if len(row) > 1:
        with st.container(horizontal=True, gap="xxsmall", key="beside", width="content"):
            for name, entry in row.items():
                with st.container(key=f"beside_{'here' if name == page else 'other'}_{name}", width="content"):
                    ways.link(name, entry.title, entry.icon)


def draw() -> None:
    recipe, changed = session.config(), session.changed()
    past, future = session.step("past"), session.step("future")
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="recipe_strip"):
        st.html(f'<div class="gw gw-small">{"Not default" if changed else "Default recipe"}</div>', width="content")
        for path in changed:
            words = forms.setting_words(path, recipe)
            idle = forms.unused(path.partition(".")[0], recipe)
            title = cards.plain(words) + (" (not used)" if idle else "")
            look = {"icon_position": "right", "help": f"Back to the default: {cards.plain(_usual(path, recipe))}."}
            cards.press(title, "close", f"recipe_strip/{path}", _reset, path, words, **look)
        if len(changed) > 1:
            look = {"type": "tertiary", "help": "The default recipe; the corpus stays."}
            cards.press("Reset all", "restart_alt", "recipe_strip/all", _tell, "", session.reset_all, **look)
        if past is not None or future is not None:
            for title, icon, keys, step, act in (
                ("Undo", "undo", "Alt+Z", past, session.undo),
                ("Redo", "redo", "Alt+Shift+Z", future, session.redo),
            ):
                look = {"type": "tertiary", "shortcut": keys, "disabled": step is None, "help": _told(step, recipe)}
                cards.press(title, icon, f"recipe_strip/{icon}", _tell, "", act, **look)
    if problem := st.session_state.pop(PROBLEM, ""):
        st.warning(cards.plain(problem), icon=":material/error:")


def _reset(path: str, words: str) -> None:
    try:
        session.reset(path)
    except WorkbenchError as error:
        st.session_state[PROBLEM] = (
            f"“{words}” cannot be reset while the others stand. {error.what} Reset the other setting first, or all."
        )


def _tell(problem: str, act: Any) -> None:
    st.session_state[PROBLEM] = problem
    act()


def _usual(path: str, recipe: TrialConfig) -> str:
    """What a setting becomes when it is reset, in words."""
    stage, _, knob = path.partition(".")
    usual = getattr(session.defaults(), stage)
    value = getattr(recipe, stage)
    if knob != "part" and type(value) is not type(usual):
        usual = type(value)()
    return forms.setting_words(path, recipe.model_copy(update={stage: usual}))


def _told(step: dict[str, Any] | None, recipe: TrialConfig) -> str | None:
    """What a step sets, for its button's help."""
    if step is None:
        return None
    if not step:
        return "A setting of the second recipe"
    target = with_settings(recipe, step)
    return cards.plain(", ".join(forms.setting_words(path, target) for path in list(step)[:3]) + " …" * (len(step) > 3))
