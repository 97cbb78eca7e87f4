"""Parts find their own way in: a file in the kind's folder, one decorator, nothing else to edit.

A part is a frozen pydantic config (its knobs) whose methods do the work; heavy imports stand inside the methods.
"""

import importlib
import pkgutil
import re
from collections import defaultdict
from functools import cache
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
    folder: str
    about: str  # what its parts are


@cache
def kinds() -> dict[str, Kind]:
    """Every kind of part: a folder of core says in `KINDS` which it holds."""
    packages = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.ispkg]
    held = {folder: getattr(importlib.import_module(f"core.{folder}"), "KINDS", {}) for folder in packages}
    return {kind: Kind(folder, about) for folder, said in held.items() for kind, about in said.items()}


def parts(kind: str) -> dict[str, type]:
    """Name -> class of every part of a kind, in the order that they say, then by name. Importing a part's module loads no
    engine."""
    if kind not in kinds():
        raise WorkbenchError(f"There is no kind '{kind}'.", todo=f"Kinds: {', '.join(kinds())}.")
    folder = kinds()[kind].folder
    if folder not in _searched:
        for module in pkgutil.iter_modules([str(Path(__file__).parent / folder)]):
            importlib.import_module(f"core.{folder}.{module.name}")
        _searched.add(folder)
    return dict(sorted(_parts[kind].items(), key=lambda item: (item[1].order, item[0])))


def find(kind: str, name: str) -> type:
    by_name = parts(kind)
    if name not in by_name:
        raise WorkbenchError(f"There is no {kind} '{name}'.", todo=f"Choose one of: {', '.join(by_name)}.")
    return by_name[name]


# What parts and their settings are called where a person reads them ------------------------------------------------------

# pieces of names that are written otherwise
WRITTEN = {
    "faiss": "FAISS", "hnsw": "HNSW", "ivf": "IVF", "pq": "PQ", "opq": "OPQ", "sq": "SQ", "pca": "PCA", "lsa": "LSA", "llm": "LLM",
    "lancedb": "LanceDB",
}  # fmt: skip
# names that are no words of the field
NAMED = {
    "bm25s": "BM25", "dora": "DoRA", "dtype": "number format", "idf": "IDF", "llama_cpp": "llama.cpp",
    "model_listwise": "language model, listwise", "model_pointwise": "language model, pointwise", "nbits": "bits of a code",
    "opq": "OPQ", "openai_compatible": "OpenAI-compatible", "rslora": "rsLoRA",
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
