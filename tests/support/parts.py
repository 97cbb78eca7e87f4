"""What the contract suites share: what holds of a part of any kind, other values for its knobs, and what a suite says of one.

A suite's tests take the part's name, so that they run over the registry, and over a part that is registered for a test.
"""

import inspect
import typing
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from core import registry
from core.config import PartConfig, fingerprint

SENTENCES = 2  # of a knob's description, at most


def is_described(kind: str, name: str, base: type[PartConfig]) -> None:
    """Form, command line, keys and docs are made of the class alone: what they read has to be there."""
    cls = registry.find(kind, name)
    assert issubclass(cls, base), f"{cls.__name__} is no {base.__name__}: derive it from {base.__module__}.{base.__name__}"
    assert typing.get_args(cls.model_fields["part"].annotation) == (name,), (
        f'the recipe cannot tell {cls.__name__} from others: write `part: Literal["{name}"] = "{name}"`'
    )
    assert "hoose" in (cls.__doc__ or ""), (
        f"{cls.__name__} does not say when to take it: end its docstring's first paragraphs with `Choose it over … when …`"
    )
    for knob, field in cls.model_fields.items():
        if knob == "part":
            continue
        words = field.description or ""
        assert words, f'the knob `{knob}` has no description: write `{knob}: … = knob(default, "What more of it does.")`'
        assert words.count(". ") < SENTENCES, f"`{knob}` is described in more than {SENTENCES} sentences: shorten it"
        numeric = field.annotation in (int, float)
        bounded = any(hasattr(bound, name) for bound in field.metadata for name in ("ge", "gt", "le", "lt"))
        assert bounded or not numeric, f"the knob `{knob}` has no bounds: give `ge` and `le`, which form and search need"
    missing = sorted(cls.__abstractmethods__)
    assert not missing, f"{cls.__name__} lacks {', '.join(missing)}: write them as {base.__module__}.{base.__name__} says"
    part = cls()
    again = cls.model_validate_json(part.model_dump_json())
    assert again == part and fingerprint(again) == fingerprint(part), "it does not survive JSON: take plain values as knobs"


def others(cls: type[PartConfig], leave: tuple[str, ...] = ()) -> Iterator[PartConfig]:
    """The part with one knob at a time at another value: whole numbers one smaller and one larger, others at their bounds."""
    for knob, field in cls.model_fields.items():
        if knob == "part" or knob in leave:
            continue
        for value in _values(field):
            try:
                yield cls(**{knob: value})
            except ValidationError:  # it does not go with the other defaults
                continue


def _values(field: Any) -> list[Any]:
    default = field.default
    if field.annotation is bool:
        return [not default]
    if typing.get_origin(field.annotation) is typing.Literal:
        return [value for value in typing.get_args(field.annotation) if value != default]
    if field.annotation not in (int, float):
        return []
    bounds = {name: getattr(bound, name) for bound in field.metadata for name in ("ge", "gt", "le", "lt") if hasattr(bound, name)}
    near = (default - 1, default + 1) if field.annotation is int else ()
    ends = (bounds["ge"], bounds["le"]) if field.annotation is float and {"ge", "le"} <= bounds.keys() else ()
    return [value for value in (*near, *ends) if value != default]


def verdicts(suite: ModuleType, name: str, folder: Path, **fixtures: Any) -> list[str]:
    """What the tests of a suite say of a part: a message each that fails. fixtures: those that the suite has of its own."""
    said = []
    for number, (test, knobs) in enumerate(_cases(suite)):
        (folder / str(number)).mkdir(parents=True)
        wanted = inspect.signature(test.hypothesis.inner_test if hasattr(test, "hypothesis") else test).parameters
        try:
            with pytest.MonkeyPatch.context() as monkeypatch:
                values = {**fixtures, **knobs, "name": name, "tmp_path": folder / str(number), "monkeypatch": monkeypatch}
                test(**{word: value for word, value in values.items() if word in wanted})
        except pytest.skip.Exception:
            continue
        except Exception as error:
            said.append(f"{type(error).__name__}: {error}")
    return said


def _cases(suite: ModuleType) -> Iterator[tuple[Any, dict[str, Any]]]:
    for word, test in vars(suite).items():
        if not word.startswith("test_"):
            continue
        marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize" and mark.args[0] != "name"]
        for values in product(*(mark.args[1] for mark in marks)):
            yield test, {mark.args[0]: value for mark, value in zip(marks, values, strict=True)}
