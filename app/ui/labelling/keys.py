"""Keys, which each annotator may choose; kept under their name."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from app import session
from core.annotation.rubric import Rubric
from core.errors import WorkbenchError
from core.files import read_json, write_whole

# action -> (its key unless the annotator chose another, what it does); the buttons first, then what the answer's script does
ACTIONS = {
    "undo": ("u", "Undo"), "back": ("b", "Back"), "skip": ("s", "Skip"), "next": ("n", "Next unlabelled"),
    "cannot": ("x", "Cannot judge the item"), "earlier": ("k", "Sentence before"), "later": ("j", "Sentence after"),
    "words": ("e", "Mark wrong words"), "find": ("f", "Find in the evidence"), "comment": ("m", "Comment"),
    "guidelines": ("g", "Guidelines"),
}  # fmt: skip
SCRIPTED = ("earlier", "later", "words", "find", "comment", "guidelines")  # what the script of the answer does
ICONS = {"undo": "undo", "back": "arrow_back", "skip": "arrow_forward", "next": "skip_next", "cannot": "block"}
BUTTON_KEY = r"[abd-qs-z0-9]|f[1-9]|up|down|left|right|home|end"  # c and r belong to the browser
SPARE = (*"1234567890abdefghijklmnopqstuvwxyz", *(f"f{n}" for n in range(1, 10)))


def default_keys(rubric: Rubric) -> dict[str, str]:
    """Action -> key. answer1 … are the labels of the rubric, rank1 … stars and preferences: two rows that never stand together."""
    actions, taken = {name: key for name, (key, _) in ACTIONS.items()}, [key for key, _ in ACTIONS.values()]
    for label in rubric.labels:  # a key that cannot be, or that another has, gives way to a free one
        wanted = label.key.lower()
        taken.append(wanted if re.fullmatch(BUTTON_KEY, wanted) and wanted not in taken else "")
    spare = (key for key in SPARE if key not in taken)
    rows = {f"answer{n}": key or next(spare, "") for n, key in enumerate(taken[len(actions) :], 1)}
    return {**rows, **{f"rank{n}": str(n) for n in range(1, 6)}, **actions}


def _row(name: str) -> str:
    return name.rstrip("0123456789")


def key_problem(keys: dict[str, str]) -> str:
    """Why these keys cannot be used; empty: they can."""
    for name, key in keys.items():
        if not re.fullmatch(BUTTON_KEY, key):
            return f"“{key}” cannot be a key: choose a letter except c and r, a digit, f1 to f9, or up, down, left, right, home, end."
        together = [action for action in keys if action != name and {_row(action), _row(name)} != {"answer", "rank"}]
        if other := next((action for action in together if keys[action] == key), ""):
            return f"“{key}” would do two things: {key_title(name)}, and {key_title(other)}."
    return ""


def key_title(name: str) -> str:
    titles = {"answer": "Label", "rank": "Stars or preference"}
    return ACTIONS[name][1] if name in ACTIONS else f"{titles[_row(name)]}, {name.removeprefix(_row(name))}"


def settings(rubric: Rubric, annotator: str) -> dict[str, Any]:
    """{"keys": …, "go_on": …} as this annotator left them."""
    keys, go_on = default_keys(rubric), True
    try:
        choice = read_json(settings_file(annotator), of=dict)
        keys, go_on = {**keys, **{k: v for k, v in choice["keys"].items() if k in keys}}, choice.get("go_on", True) is True
    except (WorkbenchError, KeyError, AttributeError):
        pass  # none, or of no use
    return {"keys": default_keys(rubric) if key_problem(keys) else keys, "go_on": go_on}


def keep_settings(annotator: str, chosen: dict[str, Any]) -> None:
    path = settings_file(annotator)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(chosen), "The keys")


def settings_file(annotator: str) -> Path:
    name = hashlib.sha256(annotator.encode()).hexdigest()[:16]
    return session.workbench().home / "annotation" / "keys" / f"{name}.json"
