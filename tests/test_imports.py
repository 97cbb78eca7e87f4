"""The import rules of the layout: who may import whom, and what a start-up must not load."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

from docs.rooms import FLOORS
from tests.support.sources import CORE, ROOT, SCREENS, name_of, nodes_of, tree_of

pytestmark = pytest.mark.usefixtures("trees")

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
    found, functions = set(), [n for n in nodes_of(path) if top_level and isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    inside = {id(n) for function in functions for n in ast.walk(function)}
    for node in nodes_of(path):
        if id(node) in inside:
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
    called = node.func if isinstance(node, ast.Call) else None
    name = getattr(called, "attr", getattr(called, "id", ""))  # of a dotted name its last part
    names = node.args[:1] if name in ("import_module", "__import__") else []
    return {name.value for name in names if isinstance(name, ast.Constant) and isinstance(name.value, str)}


def under(names: set[str], *prefixes: str) -> set[str]:
    return {n for n in names for p in prefixes if n == p or n.startswith(p + ".")}


FLOOR = {room.name: number for number, floor in enumerate(FLOORS) for room in floor}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in CORE + SCREENS}


def needs(path: Path) -> set[str]:
    """Modules of ours that a file imports anywhere, but not those it only names in types."""
    found, guards = set(), [n for n in nodes_of(path) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    typed = {id(inner) for guard in guards for node in guard.body for inner in ast.walk(node)}
    for node in nodes_of(path):
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
    tree_of.cache_clear()
    nodes_of.cache_clear()
    path = ROOT / "core" / "store" / "made_up.py"
    assert module in needs(path) and module in imports(path)


def upwards(path: Path) -> set[str]:
    """What a module of core imports from a floor above its own, from the screens, or of an engine that is another room's."""
    modules, module = imports(path), module_of(path)
    up = under(modules, "streamlit", "app", "pages")
    if "." in module:
        assert room(module) in FLOOR, f"docs/rooms.py has no room {room(module)}: give it a floor"
        up |= {other for other in needs(path) if FLOOR[room(other)] > FLOOR[room(module)]}
    engines = {"plotly": "core.report", "duckdb": "core.store."}
    return up | {found for engine, home in engines.items() if not module.startswith(home) for found in under(modules, engine)}


@pytest.mark.slow
def test_core_imports_downwards_only_and_keeps_to_its_engines():
    assert not {name_of(path): up for path in CORE if (up := upwards(path))}


@pytest.mark.slow
def test_no_rooms_import_each_other_in_a_circle():
    """Neither within functions nor for types only: rooms of one floor stand in an order, too."""
    arrows: dict[str, set[str]] = {}
    for path in CORE:
        if "." in (module := module_of(path)):
            others = {room(name) for name in imports(path) if name.startswith("core.")} & FLOOR.keys()
            arrows.setdefault(room(module), set()).update(others - {room(module)})
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.slow
def test_no_modules_import_each_other_in_a_circle():
    graph = {module: needs(path) for module, path in MODULES.items()}
    while leaves := [module for module, others in graph.items() if not others & graph.keys()]:
        for module in leaves:
            del graph[module]
    above = set()  # those that stand above a circle without being in it
    while tops := {m for m in graph.keys() - above if not any(m in graph[other] for other in graph.keys() - above)}:
        above |= tops
    assert not graph.keys() - above


def heavy(path: Path) -> set[str]:
    """What is heavy of what a file imports at its top."""
    allowed = {"plotly"} if path.name == "charts.py" else set()
    if path.is_relative_to(ROOT / "core/scratch/models"):  # to be read from top to bottom; itself imported inside functions only
        allowed = {"torch"}
    return under(imports(path, top_level=True), *(HEAVY - allowed))


@pytest.mark.slow
def test_nothing_heavy_is_imported_at_the_top():
    assert not {name_of(path): names for path in CORE + SCREENS if (names := heavy(path))}


@pytest.mark.slow
def test_screens_import_to_the_right_only():
    modules = {path: imports(path) for path in SCREENS}
    assert not [name_of(path) for path, names in modules.items() if under(names, "pages", "core.__main__", "core.cli")]
    assert not [name_of(path) for path, names in modules.items() if "ui" in path.parts and under(names, "app.main")]


@pytest.mark.slow
def test_only_the_charts_module_draws():
    assert {path.name for path in SCREENS if under(imports(path), "plotly")} <= {"charts.py"}


def test_no_file_hides_a_module_and_datasets_is_no_package():
    assert not list((ROOT / "datasets").rglob("__init__.py"))
    for path in SCREENS:
        assert path.stem not in sys.stdlib_module_names - {"__init__"}, path


@pytest.mark.slow
def test_importing_core_and_its_parts_loads_no_engine():
    code = (
        "import sys, core.workbench, core.registry as r; [r.parts(k) for k in r.kinds()];"
        f"print(sorted({HEAVY | {'streamlit'}} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def without_a_usual_choice(path: Path) -> list[int]:
    """Lines of the segmented controls bound to the address whose value is used as it is."""
    nodes = nodes_of(path)
    safe = {id(node.values[0]) for node in nodes if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or)}
    safe |= {id(getattr(node.left, "value", node.left)) for node in nodes if isinstance(node, ast.Compare)}
    lines = []
    for node in nodes:
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "segmented_control":
            named = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if (named.get("bind") or None in named) and id(node) not in safe:
                lines.append(node.lineno)
    return lines


@pytest.mark.slow
def test_a_choice_in_the_address_has_a_value_where_the_address_gives_none():
    """`?name=` clears a segmented control, also one that is required: Streamlit then gives None. Say `or` and the usual one."""
    assert not {name_of(path): lines for path in SCREENS if (lines := without_a_usual_choice(path))}
