"""The transformer written here with the bundled weights, loaded once; nothing here imports torch before it runs."""

from collections.abc import Generator
from functools import partial
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


def _load() -> LoadedTransformer:
    from tokenizers import Tokenizer

    from core.generation import llama_engine  # noqa: F401  before torch: it keeps waiting threads from spinning
    from core.scratch.models import transformer

    folder = transformer.bundled()
    template = (folder / "chat_template.jinja").read_text("utf-8")
    return LoadedTransformer(transformer.load(folder), Tokenizer.from_file(str(folder / "tokenizer.json")), template)
