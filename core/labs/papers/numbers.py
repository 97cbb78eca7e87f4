"""Numbers of a paper's text: a LaTeX macro each, and behind it the command, the trials and a checksum."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from core.labs.papers import sources
from core.labs.papers.paper import PaperNumber, checksum, macro
from core.report.caption import escape
from core.report.table import minus
from core.report.tables import UNMEASURED, number


def written(item: PaperNumber, value: Any) -> str:
    """The value as it is read, without markup."""
    unit = f" {item.unit}" if item.unit else ""
    if value is None:
        return UNMEASURED
    if isinstance(value, bool | str):
        return f"{value}{unit}"
    if item.form == "p" and value < 10**-item.digits:
        return f"< {10**-item.digits:.{item.digits}f}"
    if item.form == "percent":
        return f"{number(100 * value, item.digits)}%{unit}"
    if item.form == "signed":
        return minus(f"{value:+,.{item.digits}f}") + unit
    return (minus(f"{value:,}") if isinstance(value, int) else number(value, item.digits)) + unit


def record(item: PaperNumber, value: Any) -> dict[str, Any]:
    """All that a number needs to be traced."""
    return {
        "name": item.name,
        "macro": macro(item.name),
        "written": written(item, value),
        "value": value,
        "command": sources.shown(item.command),
        "place": item.value,
        "trials": list(item.trials),
        "checksum": checksum(value),
    }


def to_json(items: Sequence[PaperNumber], values: Mapping[str, Any]) -> str:
    return json.dumps([record(item, values[item.name]) for item in items], indent=1) + "\n"


def to_tex(items: Sequence[PaperNumber], values: Mapping[str, Any]) -> str:
    """A `\\newcommand` each, with what is behind it as a comment."""
    lines = ["% made from numbers.json: change the paper's items, not this file"]
    for item in items:
        behind = record(item, values[item.name])
        about = " ".join(f"{behind['command']} at {item.value}".split())  # a comment ends with its line
        lines += [f"% {about}; sha256 {behind['checksum'][:16]}"]
        lines += [defined(behind["macro"], behind["written"])]
    return "\n".join(lines) + "\n"


def defined(macro: str, words: str) -> str:
    """The definition of a macro."""
    return f"\\newcommand{{{macro}}}{{{escape(words)}}}"
