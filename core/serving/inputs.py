"""What an answer was written from: noted in the spans of its request, and read back, so that it can be written again without a search.

Of a request to a service that is its question, the passages of its ranking by their places, the corpus' fingerprint, and what of the
recipe differs from the defaults: some 2 kB. Of other programs it is the prompt's messages, where their spans hold them.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from core import files
from core.config import TrialConfig, difference, fingerprint, with_settings
from core.errors import WorkbenchError
from core.pipeline.pipeline import Pipeline
from core.pipeline.stages import Resolved
from core.records import Answer, Document, Hit
from core.serving.attribute_lists import DOCUMENTS, MESSAGES, OUTPUT, are_messages
from core.serving.spans import MOST_TEXT, TraceSpan

NOTED = 20  # passages of a ranking: as many as a prompt takes at most
DENSE = "dense"  # the retriever by whose score a question without a similar passage is told
CORPUS, RECIPE, SETTINGS, ALONE = "corpus_fingerprint", "recipe", "settings", "closed_book"

UNWRITTEN = "no model wrote an answer in it"
UNNOTED = "it holds neither its passages nor the messages of its prompt"
CUT = "a message of its prompt was cut, or is no text"
TOOLS = "a message of its prompt is a tool's"
ROLES = {"system", "user", "assistant"}
UNREADABLE = "its recipe or its passages cannot be read"
OTHERWISE = "its recipe reads otherwise by the defaults of today"

Place = tuple[str, int, int, float | None]  # document, start, end, dense similarity


class RequestInput(NamedTuple):
    """What the answer of a trace was written from. recipe None: the messages, which another program sent. passages: the ranking, best
    first; None: the question was asked alone. said: the answer, where the trace holds it."""

    trace: str
    question: str
    recipe: TrialConfig | None = None
    corpus: str = ""
    passages: tuple[Place, ...] | None = None
    messages: tuple[dict[str, str], ...] = ()
    said: str = ""

    @property
    def same(self) -> tuple[Any, ...]:
        """Equal of two traces that asked the same of the same: they say one thing, not two."""
        return self.question, self.recipe, self.corpus, self.passages, repr(self.messages)


def ranking_noted(corpus: str, hits: Sequence[Hit]) -> dict[str, Any]:
    """Attributes of the span of a search."""
    return _noted(corpus, [(hit.document_id, hit.start, hit.end, hit.scores.get(DENSE)) for hit in hits[:NOTED]])


def answer_noted(made: Answer) -> dict[str, Any]:
    """The same of an answer that tells where its passages come from."""
    origins = made.provenance.origins[:NOTED] if made.provenance else ()
    places = [(each.document_id, each.start, each.end, each.stages.get(DENSE)) for each in origins]
    corpus = made.provenance.corpus_checksum if made.provenance else ""
    return _noted(corpus, [(*place, rank and rank.score) for *place, rank in places])


def _noted(corpus: str, places: Sequence[Place]) -> dict[str, Any]:
    documents = [
        {"id": name, "start": start, "end": end} | ({} if score is None else {"score": score})
        for name, start, end, score in places
    ]
    return {CORPUS: corpus, DOCUMENTS: documents}


@lru_cache(16)
def recipe_noted(config: TrialConfig) -> dict[str, Any]:
    """Attributes of the span of a model: the recipe, by what differs from the defaults."""
    return {RECIPE: fingerprint(config), SETTINGS: difference(config)}


def input_of(spans: Sequence[TraceSpan]) -> RequestInput | str:
    """Of the spans of a trace, or why it cannot be written again: of several answers in it the last."""
    wrote = [span for span in spans if span.kind == "model"]
    if not wrote:
        return UNWRITTEN
    last = wrote[-1].attributes
    if isinstance(last.get(SETTINGS), dict):
        return _of_service(spans, last)
    messages = last.get(MESSAGES) or [{"role": "user", "content": last.get("input")}]
    if not are_messages(messages):
        return UNNOTED
    if any(not each["content"] or _is_cut(each["content"]) for each in messages):
        return CUT
    if any(each["role"] not in ROLES for each in messages):
        return TOOLS
    own = tuple({key: each[key] for key in ("role", "content")} for each in messages)
    asked = [each["content"] for each in own if each["role"] == "user"] or [own[-1]["content"]]
    said = last.get(OUTPUT)
    return RequestInput(spans[0].trace, asked[-1], messages=own, said=said if isinstance(said, str) else "")


def _of_service(spans: Sequence[TraceSpan], wrote: Mapping[str, Any]) -> RequestInput | str:
    searched = [span.attributes for span in spans if span.kind == "retrieval" and CORPUS in span.attributes]
    try:
        recipe, name = _recipe(json.dumps(wrote[SETTINGS]))
        places = tuple(_place(each) for each in searched[-1][DOCUMENTS])
        question, corpus = str(searched[-1]["query"]), str(searched[-1][CORPUS])
    except (WorkbenchError, IndexError, KeyError, TypeError, AttributeError):
        return UNREADABLE
    if _is_cut(question):
        return CUT
    if name != wrote.get(RECIPE):
        return OTHERWISE
    return RequestInput(spans[0].trace, question, recipe, corpus, None if wrote.get(ALONE) else places)


@lru_cache(64)
def _recipe(settings: str) -> tuple[TrialConfig, str]:
    """(recipe, fingerprint) of settings as JSON, which many traces share."""
    recipe = with_settings(TrialConfig(), files.read_json(settings, of=dict))
    return recipe, fingerprint(recipe)


def _place(told: Any) -> Place:
    start, end, score = told["start"], told["end"], told.get("score")
    if not (type(start) is type(end) is int and 0 <= start < end and isinstance(told["id"], str)):
        raise TypeError("no place in a document")
    return told["id"], start, end, float(score) if type(score) in (int, float) else None


def documents_of(pipeline: Pipeline, run: Resolved) -> dict[str, Document]:
    """Those of a recipe's corpus by their ids, made once."""
    return pipeline.remember(
        "documents", run.corpus.fingerprint, lambda: {document.id: document for document in run.corpus.documents}
    )


def _is_cut(text: str) -> bool:
    return len(text) >= MOST_TEXT and text.endswith("…")
