"""Which adapters the model wears: one, or several, each with a slider of how much of it counts."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.models.adapters import MOST, at_hand, weights_of, written

SHARE = 0.5  # of each, where one becomes several


def worn(label: str, key: str, on_change: Callable[..., None] | None = None, args: Any = (), **looks: Any) -> None:
    """The widgets of the setting that the session holds at `key`; on_change is called when any of them changes it."""
    state, weights = st.session_state, weights_of(st.session_state[key])
    names = _names(key)
    if state.get(names) != list(weights):
        state[names] = list(weights)
    offered = list(dict.fromkeys([*at_hand(), *weights]))
    events = {"on_change": _changed, "args": (key, on_change, args)}
    st.multiselect(label, offered, list(weights), key=names, placeholder="none", **events, **looks)
    if written(weights) not in ("", *weights):
        for name, weight in weights.items():
            if state.get(_weight(key, name)) != weight:
                state[_weight(key, name)] = weight
            st.slider(f"{name} counts", 0.0, MOST, weight, step=0.05, key=_weight(key, name), **events)


def _changed(key: str, on_change: Callable[..., None] | None, args: Any) -> None:
    state, before = st.session_state, weights_of(st.session_state[key])
    names = state[_names(key)]
    if set(names) == set(before):
        weights = {name: state[_weight(key, name)] for name in names}
    else:
        usual = SHARE if len(names) > 1 else 1.0
        weights = {name: before[name] if name in before and len(before) > 1 < len(names) else usual for name in names}
    state[key] = written(weights)
    if on_change:
        on_change(*args)


def _names(key: str) -> str:
    return f"{key}|names"


def _weight(key: str, name: str) -> str:
    return f"{key}|{name}"
