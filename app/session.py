"""Every cache and every key of the session that more than one page needs.

A session holds named recipes (TrialConfig). "current" is the one every page shows; a page that compares two things
keeps its second recipe under a name of its own. What differs from the defaults stands in the URL, so a view can be
shared, reloaded and carried from page to page. Widgets never own a setting: they show the recipe and change it.
"""

import gc
import json
import time
from contextlib import suppress
from typing import Any, NamedTuple

import streamlit as st

from core.config import FIELDS, TrialConfig, difference, with_settings
from core.errors import WorkbenchError
from core.files import read_json, write_whole
from core.labs.trials.comparison import made_name

CURRENT, BASELINE = "current", "baseline"
LAST_VIEW = "last_view.json"  # in the data folder
EXPERIMENT = "experiment"  # of the session, and of the address
STAGES = tuple(FIELDS)
# the questions and how they are judged are the view's, not the recipe's: a baseline always answers the same ones
VIEW_STAGES = ("corpus", "evaluation")
STEPS = 100  # changes that can be undone
SAME_STEP_S = 2.0  # a slider tells its value while it is dragged: so soon after, the same setting is the same step


@st.cache_resource(show_spinner=False)
def workbench():
    """The one Workbench of this process; sessions share its caches and models."""
    from core.workbench import Workbench

    workbench = Workbench(patience_s=0.1)  # a page does not wait for what others are recording; it is told what is behind
    gc.freeze()  # what is loaded by now lives as long as the process: no collection need look at it again
    return workbench


@st.cache_resource(show_spinner=False)
def defaults() -> TrialConfig:
    return TrialConfig()


def config(name: str = CURRENT) -> TrialConfig:
    """The recipe of that name; a name not seen before starts as a copy of the current one."""
    recipes = _recipes()
    if name not in recipes:
        recipes[name] = recipes[CURRENT]
    used = st.session_state.setdefault("used_recipes", set())
    if name not in used:
        used.add(name)
        write_url()
    return recipes[name]


def set_config(new: TrialConfig, name: str = CURRENT) -> None:
    """Replaces a recipe and the address with it. Call it in a callback, or before the widgets that show it."""
    recipes = _recipes()
    if name in recipes and recipes[name] != new:
        changed = difference(new, recipes[name])
        drawn = all(isinstance(value, int | float) and not isinstance(value, bool) for value in changed.values())
        _keep(_without_baseline(), (name, *changed) if drawn else ())
    recipes[name] = new
    write_url()


def change(settings: dict[str, Any], name: str = CURRENT) -> TrialConfig:
    """Changes settings of a recipe by dotted path, {"fusion.weight": 0.5}; raises WorkbenchError, changing nothing."""
    before = config(name)
    new = with_settings(before, settings)
    set_config(new, name)
    moved = difference(new, before)
    if name == CURRENT and moved:  # a new method brings settings of its own, which nobody moved
        path = next((path for path in moved if path.endswith(".part")), next(iter(moved)))
        st.session_state.moves = (path, moves()[1] + 1)
    return new


def moves() -> tuple[str, int]:
    """The setting of the current recipe that was moved last, "" before the first, and how many moves there were."""
    return st.session_state.get("moves", ("", 0))


def reset(path: str) -> TrialConfig:
    """Puts one setting back to its default, a whole method where the path ends in `.part`; raises WorkbenchError where
    the default does not go together with the other settings."""
    stage, _, knob = path.partition(".")
    value, usual = getattr(config(), stage), getattr(defaults(), stage)
    if knob == "part":
        return change({path: usual.part})
    if knob:  # of another part than the default recipe's, that part's own default
        usual = getattr(type(value)() if type(value) is not type(usual) else usual, knob)
    return change({path: list(usual) if isinstance(usual, tuple) else usual})


def reset_all() -> None:
    """The default recipe on the corpus in use."""
    set_config(defaults().model_copy(update={"corpus": config().corpus}))


def changed() -> dict[str, Any]:
    """Dotted settings in which the current recipe differs from the default one; the corpus is the view's."""
    return {path: value for path, value in difference(config(), defaults()).items() if not path.startswith("corpus.")}


# --- undo and redo -------------------------------------------------------------------------------------------------


def undo() -> None:
    _go("past", "future")


def redo() -> None:
    _go("future", "past")


def step(direction: str) -> dict[str, Any] | None:
    """What undo ("past") or redo ("future") would set in the current recipe; None where there is nothing to go to."""
    steps = st.session_state.get(direction)
    return difference(steps[-1][CURRENT], config()) if steps else None


def _go(source: str, target: str) -> None:
    state, recipes = st.session_state, _recipes()
    if not state.get(source):
        return
    state.setdefault(target, []).append(_without_baseline())
    recipes.update(state[source].pop())
    state.moved = None
    write_url()


def _keep(before: dict[str, TrialConfig], moved: tuple[str, ...]) -> None:
    """Makes what the recipes were the last step to go back to. moved: the recipe, then the settings that change,
    where they are numbers: a slider that is dragged tells many."""
    state, now = st.session_state, time.monotonic()
    same = len(moved) == 2 and state.get("moved") == moved and now - state.moved_at < SAME_STEP_S
    if not same:
        state.past = [*state.get("past", ()), before][-STEPS:]
    state.future, state.moved, state.moved_at = [], moved, now


def _without_baseline() -> dict[str, TrialConfig]:
    return {name: recipe for name, recipe in _recipes().items() if name != BASELINE}


# --- the baseline --------------------------------------------------------------------------------------------------


def baseline() -> TrialConfig | None:
    """The pinned recipe, asked the questions of the current one; None where nothing is pinned."""
    pinned = _recipes().get(BASELINE)
    if pinned is None:
        return None
    return pinned.model_copy(update={stage: getattr(config(), stage) for stage in VIEW_STAGES})


def pin(recipe: TrialConfig | None) -> None:
    """Pins the baseline; None unpins it."""
    if recipe is None:
        _recipes().pop(BASELINE, None)
    else:
        _recipes()[BASELINE] = recipe
    write_url()


# --- the experiment ------------------------------------------------------------------------------------------------


def experiment() -> str:
    """Id of the experiment into which saved trials go; "" for none."""
    return st.session_state.get(EXPERIMENT, "")


def set_experiment(name: str) -> None:
    st.session_state[EXPERIMENT] = name
    write_url()


# --- the address ---------------------------------------------------------------------------------------------------


def start(page: str) -> None:
    """First thing of a run: restores the recipes from the address of a new session, or of a page gone back to."""
    st.session_state.late = workbench().late()
    state = st.session_state
    if "recipes" not in state:
        _read_url()
    elif state.get("page") != page:
        present = _present()
        if present and present != state.get("written"):
            before = _without_baseline()
            _read_url()  # the browser's back button, or a link that carries settings
            if before[CURRENT] != config():
                _keep(before, ())
        state.used_recipes = set()
    state.entered = state.get("page") != page
    state.page = page
    write_url()


def on_page(name: str) -> bool:
    """Whether it is the page that this run draws."""
    return st.session_state.get("page") == name


def entered() -> bool:
    """Whether this run is the first since another page was left."""
    return st.session_state.get("entered", False)


def write_url() -> None:
    """Makes the address say what differs from the defaults; keys of other widgets are left alone."""
    recipes, used = _recipes(), st.session_state.get("used_recipes", set())
    wanted = {}
    for name, recipe in recipes.items():
        if name not in (CURRENT, BASELINE) and name not in used:
            continue
        changed = difference(recipe, defaults())
        if name == BASELINE:  # it takes these stages from the current recipe
            changed = {k: v for k, v in changed.items() if k.partition(".")[0] not in VIEW_STAGES} or {"": "default"}
        prefix = "" if name == CURRENT else name
        for path, value in changed.items():
            wanted[".".join(filter(None, (prefix, path)))] = (
                value if isinstance(value, str) and not _read_as_json(value) else json.dumps(value)
            )
    if experiment():
        wanted[EXPERIMENT] = experiment()
    st.session_state.written, present = wanted, _present()
    for key in present.keys() - wanted.keys():
        del st.query_params[key]
    if missing := {key: value for key, value in wanted.items() if present.get(key) != value}:
        st.query_params.update(missing)


class LastView(NamedTuple):
    """Where somebody was: page, its address, what it was of in words, and when (seconds since 1970)."""

    page: str
    address: dict[str, str]
    words: str
    when: float


def remember_view(page: str) -> None:
    """Last thing of a run: where one is, for who comes back; an address alone knows it else. A disk that refuses costs that only."""
    view = {"page": page, "address": st.query_params.to_dict()}
    if st.session_state.get("remembered") != view:
        st.session_state.remembered = view
        names = [made_name(recipe.model_dump(mode="json")) for recipe in (config(), baseline()) if recipe is not None]
        words = f"{', compared with '.join(names)}, on {config().corpus.dataset}"
        with suppress(WorkbenchError, OSError):
            write_whole(workbench().home / LAST_VIEW, json.dumps(view | {"words": words}), sync=False)


def last_view() -> LastView | None:
    """Of this data folder, whoever was there; None where nothing can be read."""
    file = workbench().home / LAST_VIEW
    with suppress(WorkbenchError, OSError, KeyError, AttributeError):
        read, when = read_json(file, of=dict), file.stat().st_mtime
        return LastView(
            str(read["page"]), {str(key): str(value) for key, value in read["address"].items()}, str(read["words"]), when
        )
    return None


def _recipes() -> dict[str, TrialConfig]:
    if "recipes" not in st.session_state:
        st.session_state.recipes = {CURRENT: defaults()}
    return st.session_state.recipes


def _present() -> dict[str, str]:
    """The settings that stand in the address now."""
    return {key: st.query_params[key] for key in st.query_params if _own(key)}


def _own(key: str) -> bool:
    """Is this key of the address of all pages: `stage.knob`, `seed`, `name.stage.knob`, the baseline or the experiment?"""
    head, _, rest = key.partition(".")
    return key in ("seed", BASELINE, EXPERIMENT) or (head in STAGES and "." in key) or rest.partition(".")[0] in STAGES


def _read_url() -> None:
    settings: dict[str, dict[str, Any]] = {CURRENT: {}}
    present, notes = _present(), []
    if asked := present.pop(EXPERIMENT, ""):
        from core.labs.experiments import book

        if asked in book.latest(workbench()):
            st.session_state[EXPERIMENT] = asked
        else:
            notes.append(f"{EXPERIMENT}={asked[:80]}: there is no such experiment.")
    for key, text in present.items():
        head, _, rest = key.partition(".")
        name, path = (CURRENT, key) if head in STAGES else (head, rest)
        values = settings.setdefault(name, {})
        if path:
            values[path] = _value(text)
    st.session_state.recipes = st.session_state.get("recipes", {}) | {n: _valid(values, notes) for n, values in settings.items()}
    tell([f"A setting in the address was left out: {note}" for note in notes])


def _value(text: str) -> Any:
    """Numbers and words are left to the config's own validation."""
    try:
        return read_json(text) if _read_as_json(text) else text
    except WorkbenchError:
        return text


def _read_as_json(text: str) -> bool:
    """null, a list, a mapping, or a text that would be taken for one of them (a JSON schema), in quotes."""
    return text == "null" or text[:1] in ("[", "{", '"')


def _valid(settings: dict[str, Any], notes: list[str]) -> TrialConfig:
    """The recipe of these settings; what is not valid is left out and noted, the rest of the view is kept."""
    try:
        return with_settings(defaults(), settings)
    except WorkbenchError:
        pass
    recipe = defaults()
    for path, value in sorted(settings.items(), key=lambda item: not item[0].endswith(".part")):
        try:
            recipe = with_settings(recipe, {path: value})
        except WorkbenchError as error:
            notes.append(f"{path}={value!s:.80}: {error.what}")
    return recipe


def tell(notes: list[str]) -> None:
    """What was asked for and could not be had, and why."""
    st.session_state.notes, st.session_state.told_at = notes, None


def told() -> list[str]:
    """What `tell` was told, for as long as the page and the recipe stay: a run that follows at once must not take it away."""
    state, here = st.session_state, (st.session_state.page, config())
    if state.get("told_at") not in (None, here):
        state.notes = []
    state.told_at = here
    return state.get("notes", [])
