"""What a file asks of another module of ours is there: a move that forgets a reader is seen without running the reader."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.support.sources import ALL, ROOT, name_of, tree_of
from tests.test_imports import module_of, origin

MODULES = {module_of(path): path for path in ALL}
OURS = {name.partition(".")[0] for name in MODULES}
SCOPES = {ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp}
LEAVES = {ast.Constant, ast.Load, ast.Store}  # most of a tree, and they name nothing


@cache
def is_module(name: str) -> bool:
    return name in MODULES or (name.partition(".")[0] in OURS and (ROOT / name.replace(".", "/")).is_dir())


@cache
def defined(module: str) -> frozenset[str] | None:
    """Names that a module binds outside functions; None where it answers for names itself."""
    path, below = MODULES.get(module), ROOT / module.replace(".", "/")
    found = set(told_by(path)[0]) if path else set()
    found |= {child.stem for child in below.iterdir()} if below.is_dir() else set()
    return None if "__getattr__" in found else frozenset(found | {"__file__", "__name__", "__doc__", "__path__"})


def scope_of(nodes: Iterable[ast.AST]) -> tuple[list[ast.AST], list[ast.AST]]:
    """All nodes under these that belong to their scope, and those with which a scope of its own begins."""
    own, inner, within = [], [], list(nodes)
    while within:
        node = within.pop()
        if type(node) in SCOPES:
            inner.append(node)
        elif type(node) not in LEAVES:
            own.append(node)
            within += () if type(node) is ast.Name else ast.iter_child_nodes(node)
    return own, inner


def bound(own: list[ast.AST], inner: list[ast.AST]) -> set[str]:
    """Names that a scope binds."""
    found = {node.name for node in inner if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    for node in own:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ClassDef | ast.ExceptHandler | ast.MatchAs):
            found.add(node.name)
    return found


def asked(nodes: Iterable[ast.AST], path: Path, known: Mapping[str, str] = MappingProxyType({})) -> Iterator[tuple[str, str]]:
    """(module of ours, what is asked of it), in one scope and the scopes within it. known: modules by the names outside."""
    own, inner = scope_of(nodes)
    names = bound(own, inner)
    known = {name: module for name, module in known.items() if name not in names}
    for node in own:
        if isinstance(node, ast.ImportFrom) and is_module(module := origin(node, path)):
            yield from ((module, alias.name) for alias in node.names if alias.name != "*")
            whole = {alias.asname or alias.name: f"{module}.{alias.name}" for alias in node.names}
            known |= {name: module for name, module in whole.items() if is_module(module)}
    for node in own:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            yield known[node.value.id], node.attr
    for scope in inner:
        yield from asked(ast.iter_child_nodes(scope), path, known)


@cache
def told_by(path: Path) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """Names that a file binds outside functions, and what it asks of modules of ours; its tree is not kept."""
    body = tree_of.__wrapped__(path).body
    return frozenset(bound(*scope_of(body))), frozenset(asked(body, path))


def absent(path: Path) -> set[str]:
    wanted = told_by(path)[1]
    return {f"{module}.{name}" for module, name in wanted if (there := defined(module)) is not None and name not in there}


def test_what_is_asked_of_a_module_is_there():
    assert not {name_of(path): there for path in ALL if (there := absent(path))}


def test_what_an_example_of_the_docs_imports_is_there():
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", *(ROOT / "docs" / "examples").rglob("*.py")]
    lines = [
        line
        for page in pages
        for line in re.findall(r"^ *from (?:core|app|datasets)\S* import .+$", page.read_text("utf-8"), re.M)
    ]
    wanted = {pair for line in lines for pair in asked(ast.parse(line.strip()).body, ROOT / "docs" / "example.py")}
    assert len(wanted) > 20
    assert not {f"{m}.{name}" for m, name in wanted if is_module(m) and name not in (defined(m) or {name})}


@pytest.mark.parametrize(("text", "missing"), [
    ("from core.answering import answer\ndef f():\n    return answer.nothing", {"core.answering.answer.nothing"}),
    ("from core.answering.answer import nothing", {"core.answering.answer.nothing"}),
    ("def f():\n    from core.answering import answer\n    return [answer.nothing for _ in ()]", {"core.answering.answer.nothing"}),
    ("from core.answering import answer\ndef f(answer):\n    return answer.nothing", set()),
    ("from core.answering import answer\nx = [answer.nothing for answer in ()]", set()),
    ("from core.answering import answer\ndef f():\n    for answer in (): answer.nothing", set()),
])  # fmt: skip
def test_a_name_that_moved_is_seen(text, missing, tmp_path, monkeypatch):
    broken = ROOT / "tests" / f"{tmp_path.name}.py"  # of another name for each case: a file is read once
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, *words: text if path == broken else read(path, *words))
    assert absent(broken) == missing
