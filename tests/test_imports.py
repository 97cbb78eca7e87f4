"""The import rules of the layout: who may import whom, and what a start-up must not load."""

import ast
import subprocess
import sys
from importlib.util import resolve_name
from pathlib import Path

import pytest

from docs.rooms import FLOORS

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {
    "torch",
    "transformers",
    "sentence_transformers",
    "chromadb",
    "llama_cpp",
    "bm25s",
    "rank_bm25",
    "plotly",
    "pypdf",
    "docx",
    "bs4",
    "scipy.stats",
    "kaleido",
    "faiss",
    "hnswlib",
    "lancedb",
    "sklearn",
    "gensim",
    "peft",
    "pypdfium2",
    "PIL",
    "anthropic",
    "httpx2",
    "openai",
    "label_studio_sdk",
    "cv2",
    "nltk",
    "optuna",
}


def imports(path: Path, *, top_level: bool = False) -> set[str]:
    """Modules imported anywhere in a file, or only those outside functions."""
    tree, found = ast.parse(path.read_text("utf-8")), set()
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef)) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if top_level and id(node) in inside:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {origin(node, path), *(f"{origin(node, path)}.{alias.name}" for alias in node.names)}
        else:
            found |= by_name(node)
    return found


def origin(node: ast.ImportFrom, path: Path) -> str:
    """The module from which it imports, also where that is told from where the file stands (`from ..store import`)."""
    return resolve_name("." * node.level + (node.module or ""), ".".join(path.parent.relative_to(ROOT).parts))


def by_name(node: ast.AST) -> set[str]:
    """What `import_module("…")` and `__import__("…")` import, where the name stands there."""
    called = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
    names = node.args[:1] if called in ("import_module", "__import__") else []
    return {name.value for name in names if isinstance(name, ast.Constant) and isinstance(name.value, str)}


def under(names: set[str], *prefixes: str) -> set[str]:
    return {n for n in names for p in prefixes if n == p or n.startswith(p + ".")}


CORE = sorted((ROOT / "core").rglob("*.py"))
SCREENS = sorted((ROOT / "pages").glob("*.py")) + sorted((ROOT / "app").rglob("*.py"))
FLOOR = {room.name: number for number, floor in enumerate(FLOORS) for room in floor}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in CORE + SCREENS}


def needs(path: Path) -> set[str]:
    """Modules of ours that a file imports anywhere, but not those it only names in types."""
    tree, found = ast.parse(path.read_text("utf-8")), set()
    guards = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    typed = {id(inner) for guard in guards for node in guard.body for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in typed:
            whole = (f"{origin(node, path)}.{alias.name}" for alias in node.names)
            found |= {name if name in MODULES else origin(node, path) for name in whole}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            found |= by_name(node)
    return found & MODULES.keys() - {"core", module_of(path) if path in MODULES.values() else ""}


def room(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize(
    "line, module",
    [
        ("from core.workbench import Workbench", "core.workbench"),
        ("from ..workbench import Workbench", "core.workbench"),
        ("from .. import workbench", "core.workbench"),
        ("def late():\n    from .journal import Journal", "core.store.journal"),
        ("import importlib\nimportlib.import_module('core.workbench')", "core.workbench"),
        ("from importlib import import_module\nimport_module('core.workbench')", "core.workbench"),
        ("__import__('core.workbench')", "core.workbench"),
    ],
)
def test_every_way_to_import_is_seen(monkeypatch, line, module):
    monkeypatch.setattr(Path, "read_text", lambda *_: line)
    path = ROOT / "core" / "store" / "made_up.py"
    assert module in needs(path) and module in imports(path)


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_core_imports_downwards_only_and_keeps_to_its_engines(path):
    found, module = imports(path), module_of(path)
    if "." in module:
        assert room(module) in FLOOR, f"docs/rooms.py has no room {room(module)}: give it a floor"
        up = {(module, other) for other in needs(path) if FLOOR[room(other)] > FLOOR[room(module)]}
        assert not up
    assert not under(found, "streamlit", "app", "pages")
    if not module.startswith("core.report"):
        assert not under(found, "plotly")
    if not module.startswith("core.store."):
        assert not under(found, "duckdb")


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: needs(path) for module, path in MODULES.items()}
    while leaves := [module for module, others in graph.items() if not others & graph.keys()]:
        for module in leaves:
            del graph[module]
    above = set()  # those that stand above a circle without being in it
    while tops := {m for m in graph.keys() - above if not any(m in graph[other] for other in graph.keys() - above)}:
        above |= tops
    assert not graph.keys() - above


@pytest.mark.parametrize("path", CORE + SCREENS, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_heavy_is_imported_at_the_top(path):
    allowed = {"plotly"} if path.name == "charts.py" else set()
    if path.is_relative_to(
        ROOT / "core/scratch/models"
    ):  # written to be read from top to bottom; itself imported inside functions only
        allowed = {"torch"}
    assert not under(imports(path, top_level=True), *(HEAVY - allowed))


@pytest.mark.parametrize("path", SCREENS, ids=lambda p: str(p.relative_to(ROOT)))
def test_screens_import_to_the_right_only(path):
    found = imports(path)
    assert not under(found, "pages", "core.__main__", "core.cli")
    if "ui" in path.parts:
        assert not under(found, "app.main")


@pytest.mark.parametrize("path", SCREENS, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_charts_module_draws(path):
    assert path.name == "charts.py" or not under(imports(path), "plotly")


def test_no_file_hides_a_module_and_datasets_is_no_package():
    assert not list((ROOT / "datasets").rglob("__init__.py"))
    for path in SCREENS:
        assert path.stem not in sys.stdlib_module_names - {"__init__"}, path


def test_importing_core_and_its_parts_loads_no_engine():
    code = (
        "import sys, core.workbench, core.registry as r; [r.parts(k) for k in r.kinds()];"
        f"print(sorted({HEAVY | {'streamlit'}} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("path", SCREENS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_choice_in_the_address_has_a_value_where_the_address_gives_none(path):
    """`?name=` clears a segmented control, also one that is required: Streamlit then gives None."""
    tree = ast.parse(path.read_text("utf-8"))
    kept = {id(node.values[0]) for node in ast.walk(tree) if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or)}
    kept |= {id(node.left) for node in ast.walk(tree) if isinstance(node, ast.Compare)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "segmented_control":
            named = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if named.get("bind") or None in named:
                assert id(node) in kept, f"line {node.lineno}: say `or` and the usual choice"
