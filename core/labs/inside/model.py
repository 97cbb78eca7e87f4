"""The transformer written here with the bundled weights, loaded once; nothing here imports torch before it runs."""

from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.generation.loading import beside
from core.models.loading import load_once
from core.records import Progress


class LoadedTransformer(NamedTuple):
    model: Any
    tokenizer: Any
    template: str


def load() -> Generator[Progress, None, LoadedTransformer]:
    """The bundled model in the transformer written here, once a process (540 MB)."""
    loading = partial(load_once, f"transformer written here {files.home()}", _load)
    return (yield from beside(loading, "Loading the bundled model; the first time it is converted"))


def bundled() -> Path:
    """Folder of the bundled SmolLM2-135M-Instruct, converted from its GGUF file when first asked for (some 15 s)."""
    from core.generation.llama_engine import LlamaCpp
    from core.models.gguf_weights import converted

    return converted(LlamaCpp().path())


def _load() -> LoadedTransformer:
    from tokenizers import Tokenizer

    from core.generation import llama_engine  # noqa: F401  before torch: it keeps waiting threads from spinning
    from core.scratch.models import transformer

    folder = bundled()
    template = (folder / "chat_template.jinja").read_text("utf-8")
    return LoadedTransformer(transformer.load(folder), Tokenizer.from_file(str(folder / "tokenizer.json")), template)
