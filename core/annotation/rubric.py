"""The rubric: what the labels of a sentence mean, in versions that all stay in the study."""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from core import files
from core.config import StageConfig, valid

FOLDER = Path(__file__).resolve().parents[2] / "annotations"
SLUG = r"^[a-z0-9][a-z0-9_-]{0,63}$"


class Category(StageConfig):
    """One label of a sentence."""

    name: str = Field(pattern=SLUG)
    title: str
    key: str = ""  # the key that gives it, unless the annotator chose another
    meaning: str = ""


class Example(StageConfig):
    """A judged sentence that the guidelines show."""

    question: str
    passage: str
    sentence: str
    label: str
    why: str


class Rubric(StageConfig):
    """What the labels mean. A revision is a new version that says what changed; the old ones stay in the study."""

    version: int = 1
    changed: str = ""
    labels: tuple[Category, ...]
    guidelines: str = ""
    examples: tuple[Example, ...] = ()

    @model_validator(mode="after")
    def _distinct(self):
        names = [label.name for label in self.labels]
        keys = [label.key for label in self.labels if label.key]
        if not names or len(set(names)) < len(names) or len(set(keys)) < len(keys):
            raise ValueError("a rubric needs labels of different names and keys")
        if stray := {example.label for example in self.examples} - set(names):
            raise ValueError(f"judged examples use labels that are not in the rubric: {', '.join(sorted(stray))}")
        return self


@lru_cache(1)
def default_rubric() -> Rubric:
    """The rubric in use, from annotations/."""
    settings = files.read_yaml(FOLDER / "rubric.yaml")
    return Rubric.model_validate({**settings, "guidelines": (FOLDER / "guidelines.md").read_text("utf-8")})


def old_titles(rubric: Rubric, before: Iterable[Rubric], titles: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Titles that the guidelines still use of labels that were renamed since -> what each is called now. titles: more such
    ones, (name of the label, title)."""
    now = {label.name: label.title for label in rubric.labels}
    were = [*((label.name, label.title) for version in before for label in version.labels), *titles]
    old = {title: now[name] for name, title in were if name in now and title.strip() and title not in now.values()}
    return {title: new for title, new in old.items() if with_titles(rubric, {title: new}) != rubric.guidelines}


def with_titles(rubric: Rubric, old: dict[str, str]) -> str:
    """The guidelines with today's titles in place of old ones, inside a sentence too; never inside another label's title."""
    now = [label.title for label in rubric.labels]
    small = {title.lower(): new.lower() for title, new in old.items() if " " in title}  # one word may be prose
    new = {**{title.lower(): title.lower() for title in now}, **small, **{title: title for title in now}, **old}
    pattern = "|".join(re.escape(title) for title in sorted(new, key=len, reverse=True) if title)
    return re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", lambda match: new[match[0]], rubric.guidelines)


def altered_rubric(rubric: Rubric, settings: dict[str, Any]) -> Rubric:
    """The rubric with these settings in place of its own, checked as a whole."""
    return valid(Rubric, {name: getattr(rubric, name) for name in Rubric.model_fields} | settings)
