"""The project's own Python files, each parsed once, for the tests that hold its rules."""

import ast
import gc
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def of(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


CORE = of("core")
SCREENS = of("pages", "app")
PAGES = sorted((ROOT / "pages").glob("*.py"))
SOURCES = CORE + SCREENS
ALL = SOURCES + of("tests", "benchmarks", "docs")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    looks = gc.isenabled()
    gc.disable()  # a tree has no circles: looking for them takes three times as long as parsing
    try:
        return ast.parse(path.read_text("utf-8"))
    finally:
        if looks:
            gc.enable()


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    """All of a file's tree, walked once for all who look for something in it."""
    return list(ast.walk(tree_of(path)))


@pytest.fixture(scope="module")
def trees():
    """For a file of tests that reads all trees: nobody looks for circles among their two million nodes, and none stays behind."""
    gc.disable()
    yield
    gc.enable()
    tree_of.cache_clear()
    nodes_of.cache_clear()
