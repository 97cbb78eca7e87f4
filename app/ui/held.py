"""What was computed on a page stays on it: results are kept in the session by what they depend on."""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, forms, jobs
from core.config import TrialConfig, difference

MOST_TOLD = 3  # settings named in which an older result differs


class Held(NamedTuple):
    about: Any  # what the value depends on
    value: Any
    recipe: TrialConfig  # with which it was measured

    def same_questions(self) -> bool:
        """Whether it answers the questions asked now on this corpus, judged alike."""
        now = session.config()
        return all(getattr(self.recipe, stage) == getattr(now, stage) for stage in session.VIEW_STAGES)


def result_of(
    name: str,
    about: Any,
    action: str,
    press: jobs.Press | None,
    work: Callable[[], Generator],
    why: str = "",
    key: str = "",
    show_old: bool = False,
    over: str = "",
) -> Any:
    """What `work` returns for these settings. press: what that is and takes, where it is done on a button only. None: not yet.

    key: tells apart results that stand in the same place, such as the curves of different settings.  show_old: where
    other settings were measured last on the same questions, their value is returned and said to be theirs, instead of
    None.  over: the setting whose whole range was measured, which does not tell two recipes apart.
    """
    store = st.session_state.setdefault("held", {})
    held = store.get((name, key))
    if held and held.about == about:
        store[name, key] = held._replace(recipe=session.config())  # in all that it depends on it is this one
        return held.value
    box = st.empty()
    if press:
        old = held is not None and show_old and held.same_questions()
        with box.container(horizontal=True, vertical_alignment="center"):
            if old:
                st.caption(f":material/history: {_of_before(held.recipe, over)}", width="stretch")
            elif why or held:
                st.caption(f"{why} {'Other settings were measured last.' if held else ''}".strip(), width="stretch")
            pressed = jobs.press_button(action, press, key=f"do/{name}", icon=":material/play_arrow:")
        if not pressed:
            return held.value if old else None
        # any click ends this run, and the work with it
        box.button("Cancel", key=f"stop/{name}", icon=":material/close:")
    result = jobs.drain(work(), press=press)
    box.empty()
    store[name, key] = Held(about, result, session.config())
    return result


def recipe_of(name: str, key: str = "") -> TrialConfig:
    """The recipe of what `result_of` returned, for its export and its command: the one before where an older result is shown."""
    return st.session_state["held"][name, key].recipe


def _of_before(recipe: TrialConfig, over: str) -> str:
    """What a result of another recipe is of, by the settings in which it differs from the one in use."""
    paths = [path for path in difference(recipe, session.config()) if path != over]
    words = [cards.plain(forms.setting_words(path, recipe)) for path in paths[:MOST_TOLD]]
    more = f" and {len(paths) - MOST_TOLD} more" if len(paths) > MOST_TOLD else ""
    return "These are the results of the previous recipe" + (f": {'; '.join(words)}{more}." if words else ".")
