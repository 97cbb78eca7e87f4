"""What a section gives to the paper: its words, its items as `paper.yaml` holds them, and what it found."""

import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

Item = dict[str, Any]


class Finding(NamedTuple):
    """A difference that was measured on questions on which nothing was chosen. what: in words, as "X against Y on Z"."""

    what: str
    measure: str
    difference: float
    low: float
    high: float
    p: float
    n: int
    command: str


class Unbeaten(NamedTuple):
    """A base that no recipe beat on dev. mean: its own on test."""

    what: str
    measure: str
    mean: float
    recipes: int  # compared on dev, itself among them
    n: int
    command: str


class Told(NamedTuple):
    """A section. text: its paragraphs in Markdown, with items by name in braces."""

    title: str
    text: str
    items: list[Item]
    findings: list[Finding | Unbeaten]


def section(name: str, title: str, text: str, place: str = "results") -> Item:
    return {"kind": "text", "name": name, "place": place, "text": f"# {title}\n\n{text}"}


def number(
    name: str, command: str, value: str, caption: str, form: str = "plain", digits: int = 3, trials: Sequence[str] = ()
) -> Item:
    about = {"value": value, "form": form, "digits": digits, "caption": caption, "trials": [*trials]}
    return {"kind": "number", "name": name, "command": shlex.split(command), **about}


def table(name: str, command: str, caption: str, trials: Sequence[str] = (), width_mm: float = 174) -> Item:
    about = {"caption": caption, "width_mm": width_mm, "trials": [*trials]}
    return {"kind": "table", "name": name, "command": shlex.split(command), **about}


def figure(name: str, command: str, drawing: str, caption: str) -> Item:
    return {
        "kind": "figure",
        "name": name,
        "command": shlex.split(command),
        "drawing": drawing,
        "caption": caption,
        "width_mm": 174,
    }


def equal(p: float, name: str) -> str:
    """ "p = 0.031" or "p < 0.001", with the number by its name."""
    return f"p {'' if p < 0.001 else '= '}{{{name}}}"
