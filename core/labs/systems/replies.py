"""What a system says to a question: an answer, passages, or both. A retriever of LangChain or LlamaIndex is told by what it has;
nothing of theirs is imported."""

import time
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, NamedTuple

from core.corpus.reading import clean
from core.errors import WorkbenchError

RETRIEVES = ("retrieve", "invoke", "get_relevant_documents")  # of LlamaIndex, LangChain, and LangChain before 0.2
TEXT = ("text", "page_content", "content")
DOCUMENT = ("document", "document_id", "doc_id", "source", "file_name", "ref_doc_id")  # the first that is told
START, END = ("start", "start_index", "start_char_idx"), ("end", "end_index", "end_char_idx")
FORM = (
    "Return the answer as text, or (answer, passages), or a list of passages. A passage is a text, a mapping with text, document, "
    "start, end, or a document of LangChain or LlamaIndex."
)


class SystemPassage(NamedTuple):
    """As the system tells it. start, end: characters of the document; None: it does not say."""

    text: str
    document: str = ""
    start: int | None = None
    end: int | None = None


class SystemReply(NamedTuple):
    """answer None: a retriever's, which gives none. passages: best first; None: it tells none."""

    answer: str | None
    passages: tuple[SystemPassage, ...] | None
    seconds: float = 0.0


def called(system: Any, question: str) -> SystemReply:
    """What a callable or a retriever says. WorkbenchError: it is neither, or what it returns is no reply."""
    began = time.perf_counter()
    said = _way(system)(question)
    seconds = time.perf_counter() - began
    if isinstance(said, tuple) and len(said) == 2:
        answer, passages = said
    else:
        answer, passages = (None, said) if isinstance(said, list | tuple) else (said, None)
    if not isinstance(answer, str | None) or not isinstance(passages, list | tuple | None) or answer is passages is None:
        raise WorkbenchError(f"The system returns {type(said).__name__}, which is not a reply.", todo=FORM)
    told = None if passages is None else tuple(map(passage, passages))
    return SystemReply(answer if answer is None else clean(answer), told, seconds)


def _way(system: Any) -> Callable[[str], Any]:
    """What is called with a question."""
    way = next((getattr(system, name) for name in RETRIEVES if hasattr(system, name)), system)
    if not callable(way):
        raise WorkbenchError(f"A {type(system).__name__} cannot be asked.", todo="Give a callable that takes a question.")
    return way


def passage(said: Any) -> SystemPassage:
    """From a text, a mapping, or a document or node of a library."""
    if isinstance(said, str):
        return SystemPassage(clean(said))
    fields = said if isinstance(said, Mapping) else _fields(said)
    text, document = _first(fields, TEXT), _first(fields, DOCUMENT)
    if not isinstance(text, str) and (text is not None or document is None):
        raise WorkbenchError(f"A {type(said).__name__} is no passage: it has no text.", todo=FORM)
    name = "" if document is None else clean(str(document))
    return SystemPassage(clean(text or ""), name, _place(_first(fields, START)), _place(_first(fields, END)))


def _fields(said: Any) -> dict[str, Any]:
    """Of a document of LangChain, or of a node of LlamaIndex, which stands beside its score."""
    node = getattr(said, "node", said)
    text = node.get_content() if hasattr(node, "get_content") else getattr(node, "page_content", None)
    own = {name: getattr(node, name, None) for name in ("ref_doc_id", "start_char_idx", "end_char_idx")}
    return {**dict(getattr(node, "metadata", None) or {}), **own, "text": text}


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _place(value: Any) -> int | None:
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) and 0 <= value < 2**31 else None
