"""Sentences of an annotator's other screens that are nearest to the one being judged, to see or to label together.

Nearness is the cosine of the default recipe's encoder, the bundled one. Items that measure the annotators (attention items and hidden
repeats) are never offered: they are judged on their own screens, one by one.
"""

from collections.abc import Generator
from typing import NamedTuple

import numpy as np

from core.annotation.assignment import assignment
from core.annotation.steps import Step
from core.annotation.study import Item
from core.annotation.versions import Frozen
from core.config import TrialConfig
from core.pipeline.scores import judge_tools
from core.records import Progress
from core.workbench import Workbench

SHOWN = 8  # of the nearest


class SimilarSentence(NamedTuple):
    """A sentence of another screen. cosine: to the sentence being judged; equal: word for word, whatever the spaces."""

    item: str
    step: Step
    text: str
    cosine: float
    equal: bool
    same_evidence: bool


def text_of(item: Item, step: Step) -> str:
    response = item.responses[step.response]
    return " ".join(response.text[slice(*response.sentences[step.sentence])].split())


def nearest(
    workbench: Workbench, frozen: Frozen, annotator: str, item: Item, step: Step, most: int = SHOWN
) -> Generator[Progress, None, list[SimilarSentence]]:
    """The nearest sentences on the annotator's other screens of the round, nearest first. Vectors are kept by content: only sentences
    that were never compared are embedded."""
    others = [frozen.study.item(name) for name in assignment(frozen.study, frozen.round)[annotator] if name != item.id]
    places = [
        (other, Step("sentence", response, sentence))
        for other in others
        if other.plain and other.id != item.duplicate_of
        for response, answer in enumerate(other.responses)
        for sentence in range(len(answer.sentences))
    ]
    texts = [text_of(item, step), *(text_of(*place) for place in places)]
    tools = judge_tools(workbench.pipeline, TrialConfig())
    vectors = yield from tools.embed(tools.encoder, texts)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)  # [1 + num_found, dim]
    cosines = unit[1:] @ unit[0]
    return [
        SimilarSentence(
            places[place][0].id,
            places[place][1],
            texts[1 + place],
            float(cosines[place]),
            texts[1 + place] == texts[0],
            _evidence(*places[place]) == _evidence(item, step),
        )
        for place in np.argsort(-cosines, kind="stable")[:most].tolist()
    ]


def _evidence(item: Item, step: Step) -> list[str]:
    return [passage.text for passage in item.responses[step.response].passages]
