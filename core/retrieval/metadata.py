"""Which documents may be found: a filter on their metadata, applied before anything is ranked.

A filter is conditions, all of which must hold, parted by semicolons:

    source=manual*          the whole field is this, capitals aside; * stands for any characters, ? for one
    id!=draft-?             the whole field is not this
    title=a|b               either
    intro                   title, source or id contain this
    source={group}          the question's own group (or {id}); a question without one may find all documents

What a filter hides cannot be found and counts as missed: `hidden_gold` says how many questions that is.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.errors import WorkbenchError
from core.records import Candidates, Corpus, Document, Query

_AT_FIRST = 2  # times as many found as the share of what is permitted asks for: mostly enough
_BLOCK = 2_000_000  # candidates of a sparse search before the filter, held at a time
FIELDS = ("title", "source", "id")
OF_QUESTION = re.compile(r"\{(\w+)\}")
WHERE = "retrieval.documents"


class Condition(NamedTuple):
    field: str  # "": any of them
    pattern: str
    negated: bool = False


class Filter(NamedTuple):
    """What each question may find."""

    masks: np.ndarray  # [m, num_documents] bool, each once; or of their chunks
    which: np.ndarray  # [num_questions] int64: the question's mask


def conditions(text: str) -> list[Condition]:
    """The conditions of a filter; WorkbenchError where one names no field or has no value."""
    read = []
    for said in filter(None, map(str.strip, text.split(";"))):
        field, sign, pattern = re.fullmatch(r"(?s)(?:(\w+)\s*(!?=))?\s*(.*)", said).groups()
        if (sign and field.lower() not in FIELDS) or not pattern:
            raise WorkbenchError(
                f"The filter '{said}' names no field of a document." if pattern else f"The filter '{said}' has no value.",
                where=WHERE,
                todo=f"Write FIELD=VALUE or FIELD!=VALUE with one of {', '.join(FIELDS)}, or a text that one of them contains.",
            )
        if unknown := set(OF_QUESTION.findall(pattern)) - {"group", "id"}:
            raise WorkbenchError(
                f"A question has no '{min(unknown)}'.", where=WHERE, todo="{group} and {id} stand for the question's own."
            )
        read.append(Condition((field or "").lower(), pattern, sign == "!="))
    return read


def permitted(text: str, documents: Sequence[Document], queries: Sequence[Query]) -> Filter:
    """Which documents each question may find."""
    asked = conditions(text)
    read = FIELDS if any(not condition.field for condition in asked) else {condition.field for condition in asked}
    fields = {name: _FieldValues([getattr(each, name) for each in documents]) for name in read}
    own = sorted({name for condition in asked for name in OF_QUESTION.findall(condition.pattern)})
    values = [tuple(getattr(query, name) for name in own) for query in queries]
    distinct = list(dict.fromkeys(values))
    masks = np.ones((len(distinct), len(documents)), bool)
    for mask, some in zip(masks, distinct, strict=True):
        said = dict(zip(own, some, strict=True))
        for condition in asked:
            if all(said[name] for name in OF_QUESTION.findall(condition.pattern)):
                mask &= _holds(condition, fields, said)
    place = {value: number for number, value in enumerate(distinct)}
    return Filter(masks, np.array([place[value] for value in values], np.int64))


class _FieldValues:
    """A field of all documents. Each value is matched once, however many documents have it."""

    def __init__(self, values: list[str]) -> None:
        self._number = {value: number for number, value in enumerate(dict.fromkeys(values))}
        self._of = np.fromiter(map(self._number.__getitem__, values), np.int64, len(values))

    def match(self, fits: Callable[[str], Any]) -> np.ndarray:
        """[num_documents] bool"""
        return np.fromiter((fits(value) is not None for value in self._number), bool, len(self._number))[self._of]


def _holds(condition: Condition, fields: dict[str, _FieldValues], said: dict[str, str]) -> np.ndarray:
    alternatives = "|".join(_expression(pattern.strip(), said) for pattern in condition.pattern.split("|") if pattern.strip())
    if not condition.field:
        inside = re.compile(alternatives, re.IGNORECASE | re.DOTALL).search
        return np.logical_or.reduce([fields[name].match(inside) for name in FIELDS])
    whole = re.compile(alternatives, re.IGNORECASE | re.DOTALL).fullmatch
    return fields[condition.field].match(whole) ^ condition.negated


def _expression(pattern: str, said: dict[str, str]) -> str:
    signs = {"*": ".*", "?": ".", **{f"{{{name}}}": re.escape(value) for name, value in said.items()}}
    return "".join(signs.get(piece) or re.escape(piece) for piece in re.split(r"(\*|\?|\{\w+\})", pattern))


def hidden_gold(allowed: Filter | None, corpus: Corpus) -> int:
    """Questions all of whose evidence lies in documents that they may not find: no retriever can answer them."""
    if allowed is None:
        return 0
    number = {each.id: i for i, each in enumerate(corpus.documents)}
    gold = [[number[g.document_id] for g in query.relevant] for query in corpus.queries]
    return sum(
        bool(some) and not allowed.masks[mask][some].any() for some, mask in zip(gold, allowed.which.tolist(), strict=True)
    )


class Within:
    """A searcher, sparse or dense, that finds the permitted chunks only: what a query transform searches with."""

    def __init__(self, searcher, mask: np.ndarray, dense: bool) -> None:
        self._searcher, self._mask, self._dense = searcher, mask, dense  # mask [num_chunks] bool

    def search(self, queries, depth: int, tie_order: np.ndarray | None = None, **settings) -> Candidates:
        if self._dense:
            return self._searcher.search(queries, depth, tie_order, among=self._mask, **settings)
        # of what it finds that which is permitted: the weights of words stay those of the whole corpus
        every, permitted = len(self._mask), np.count_nonzero(self._mask)
        wanted = min(every, _AT_FIRST * max(depth, 1) * every // max(permitted, 1))
        while True:
            whole = self._searcher.search(queries, wanted, tie_order)
            stays = (whole.chunk >= 0) & self._mask[np.maximum(whole.chunk, 0)]
            ended = whole.chunk[:, -1:] < 0
            if wanted >= every or ((stays.sum(axis=1) >= depth) | ended.any(axis=1)).all():
                break
            wanted = min(every, 4 * wanted)
        first = np.argsort(~stays, axis=1, kind="stable")[:, :depth]
        stays, chunk, score = (np.take_along_axis(each, first, axis=1) for each in (stays, whole.chunk, whole.score))
        return Candidates(np.where(stays, chunk, np.int32(-1)), np.where(stays, score, np.float32(np.nan)))

    def scores(self, queries) -> np.ndarray:
        return np.where(self._mask, self._searcher.scores(queries), -np.inf)


Search = Callable[[Any, Any], Candidates]  # of a searcher and questions


def searched(
    search: Search, searcher: Any, questions: Any, allowed: Filter | None, texts: Sequence[int], depth: int
) -> Candidates:
    """What each text finds among the chunks that its question may find. questions: tokens or vectors, a row a text, texts[q]
    of them for question q; allowed: chunks; None: all."""
    if allowed is None:
        return search(searcher, questions)
    which, size, dense = np.repeat(allowed.which, texts), allowed.masks.shape[1], isinstance(questions, np.ndarray)
    chunk, score = np.full((len(which), depth), -1, np.int32), np.full((len(which), depth), np.nan, np.float32)
    step = max(len(which), 1) if dense else max(1, _BLOCK // max(size, 1))
    for number, mask in enumerate(allowed.masks):
        mine = np.flatnonzero(which == number)
        for rows in (mine[at : at + step] for at in range(0, len(mine), step)):
            part = search(Within(searcher, mask, dense), questions[rows] if dense else questions.rows(rows))
            chunk[rows, : part.chunk.shape[1]], score[rows, : part.chunk.shape[1]] = part.chunk, part.score
    width = min(depth, size)
    return Candidates(chunk[:, :width], score[:, :width])
