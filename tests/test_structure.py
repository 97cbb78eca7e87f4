"""One way for each small thing: what the code does in one place only."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [path for folder in ("core", "app", "pages") for path in sorted((ROOT / folder).rglob("*.py"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_the_end_of_a_long_verb_is_told_by_progress_only(path):
    """Loop over `progress.Running(work)` and read its `result`; `StopIteration` is easily lost inside a generator."""
    assert not re.search(r"\bStopIteration\b", path.read_text("utf-8"))
