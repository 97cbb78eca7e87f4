"""One way for each small thing: what the code does in one place only."""

import ast
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


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_are_put_in_place_by_one_module_only(path):
    """`files.write_whole`, `files.made_whole` and `files.take_place` do it: names that nobody shares, and synced."""
    if name_of(path) == "core/files.py":
        return
    for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        moves = name.endswith(".rename") or name in ("os.replace", "os.renames", "shutil.move")
        # text is replaced by two arguments, a time's parts by name
        moves |= name.endswith(".replace") and len(call.args) == 1 and not call.keywords
        assert not moves, f"line {call.lineno}: {name}"
