"""The researcher: sentences of the corpus that speak of the topic, each with its place."""

from collections.abc import Generator
from typing import NamedTuple

import numpy as np

from core.config import TrialConfig
from core.judging.claims import sentences
from core.pipeline.scores import judge_tools
from core.records import Hit, Progress
from core.workbench import Workbench

PASSAGES = 6  # read of each search
SEARCHES = 4  # for the topic, and for it in the documents found first
NOTES = 8
LEAST_WORDS, MOST_CHARACTERS = 5, 320  # of a sentence that can stand alone
LEAST_COSINE = 0.3  # to the topic; of unrelated sentences the bundled encoder's is about 0.1
ALIKE = 0.9  # cosine from which two sentences say the same


class EvidenceNote(NamedTuple):
    """A sentence, characters [start, end) of a document. search: of which it came."""

    document_id: str
    title: str
    page: int | None
    start: int
    end: int
    text: str
    search: str
    cosine: float  # to the topic


def gathered(workbench: Workbench, config: TrialConfig, topic: str) -> Generator[Progress, None, list[EvidenceNote]]:
    """Notes in the order of their worth for the topic, none said twice; [] where no sentence comes near it."""
    yield from workbench.prepare(config)
    hits: dict[tuple[str, int, int], tuple[Hit, str]] = {}
    searches = [topic]
    for number in range(SEARCHES):
        if number == len(searches):
            break
        yield Progress(number, SEARCHES, f"Searching: {searches[number]:.60}")
        for hit in workbench.search(config, searches[number])[:PASSAGES]:
            hits.setdefault((hit.document_id, hit.start, hit.end), (hit, searches[number]))
            other = f"{topic}: {hit.title}"
            if hit.title and other not in searches:
                searches.append(other)
    text_of = {document.id: document.text for document in workbench.corpus(config).documents}
    spots = [
        (hit, search, *span)
        for hit, search in hits.values()
        for span in _begun_within(hit, text_of[hit.document_id])
        if _stands_alone(hit.text[slice(*span)])
    ]
    tools = judge_tools(workbench.pipeline, config)
    texts = [hit.text[start:end] for hit, _, start, end in spots]
    vectors = yield from tools.embed(tools.encoder, [topic, *texts])
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    near, chosen = unit[1:] @ unit[0], list[int]()
    for place in np.argsort(-near, kind="stable").tolist():
        if near[place] < LEAST_COSINE or len(chosen) == NOTES:
            break
        if not chosen or float(np.max(unit[1:][chosen] @ unit[1 + place])) < ALIKE:
            chosen.append(place)
    return [_note(*spots[place], float(near[place])) for place in chosen]


def _begun_within(hit: Hit, text: str) -> list[tuple[int, int]]:
    """Sentences of the passage that begin in it: what it begins with may be the end of one."""
    before = text[max(0, hit.start - MOST_CHARACTERS) : hit.start]
    spans = [(each.start - len(before), each.end - len(before)) for each in sentences(before + hit.text)]
    return [(start, end) for start, end in spans if start >= 0]


def _stands_alone(text: str) -> bool:
    return (
        len(text.split()) >= LEAST_WORDS and len(text) <= MOST_CHARACTERS and text.rstrip()[-1:] in ".!?" and "\n\n" not in text
    )


def _note(hit: Hit, search: str, start: int, end: int, near: float) -> EvidenceNote:
    begin = hit.start + start
    return EvidenceNote(hit.document_id, hit.title, hit.page, begin, hit.start + end, hit.text[start:end], search, near)
