"""A language model asked to put several passages in order."""

import json
import re
from collections.abc import Generator, Sequence
from itertools import permutations
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from core import files
from core.config import knob
from core.context.prompt import plain
from core.generation.model_texts import Request, TextTools, written
from core.records import Progress
from core.registry import part
from core.reranking.protocol import Asked, Reranker

LISTED = 5  # so many passages have 120 orders, which the grammar can list one by one
TOKENS_A_NUMBER = 4  # "[12], " and the like


class Order(NamedTuple):
    """What an answer makes of a window."""

    places: list[int]  # of the window, best first
    verdict: Literal["ranking", "repaired", "none"]


@part("reranker")
class ModelListwise(Reranker):
    """The recipe's generator puts `window` passages in order, from the end of the ranking to its top, half of them seen twice.

    A generator that takes a JSON schema is bound to it: up to five passages to one of their orders, more to a list of their
    numbers. An answer that names some passages twice, or not all, is repaired (the rest follow in the order so far); one that
    names none leaves the order; both are counted and told. Choose it for large models: the bundled one is too small for it,
    see docs/methods.md. Passages are cut to `words`. A passage's score is its place, counted from below.
    Source: Sun et al. 2023, "Is ChatGPT Good at Search? Investigating Large Language Models as Re-Ranking Agents"
    (arXiv:2304.09542), section 3.1 (permutation generation) and 3.2 (sliding windows).
    """

    part: Literal["model_listwise"] = "model_listwise"
    order: ClassVar[int] = 70
    asks_model: ClassVar[bool] = True
    by_itself: ClassVar[bool] = False
    window: int = knob(
        4,
        "Passages that are put in order at once. More is seen side by side, and needs a larger model.",
        unit="chunks",
        ge=2,
        le=20,
    )
    words: int = knob(
        100,
        "Words of a passage that the model reads; the rest is cut off. All passages of a window have to fit into its context.",
        unit="words",
        ge=10,
        le=2000,
    )

    def scores(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> Generator[Progress, None, np.ndarray]:
        chunks = asked.pool.chunk[rows, columns]
        tools = asked.tools
        writer = TextTools(tools.generator, tools.seed, tools.home, tools.most)
        ranked = [np.flatnonzero(rows == row).tolist() for row in np.unique(rows).tolist()]  # cells, best so far first
        counted = dict.fromkeys(("ranking", "repaired", "none"), 0)
        steps = [windows(len(cells), self.window) for cells in ranked]
        for step in range(max(map(len, steps), default=0)):  # the next window holds what this one put first
            here = [(cells, begins[step]) for cells, begins in zip(ranked, steps, strict=True) if step < len(begins)]
            parts = [cells[begin : begin + self.window] for cells, begin in here]
            requests = [
                self._request(asked.queries[rows[some[0]]].text, [tools.texts[chunks[cell]] for cell in some]) for some in parts
            ]
            answers = yield from written(writer, requests)
            for (cells, begin), some, answer in zip(here, parts, answers, strict=True):
                order = read_order(answer.text, len(some))
                counted[order.verdict] += 1
                cells[begin : begin + self.window] = [some[place] for place in order.places]
            yield Progress(step + 1, max(map(len, steps)), told(counted))
        if counted["repaired"] or counted["none"]:
            files.tell(f"The model as listwise reranker: {told(counted)}.")
        scores = np.zeros(len(rows), np.float32)
        for cells in ranked:
            scores[cells] = np.arange(len(cells), 0, -1)
        return scores

    def longer(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> list[str]:
        passages = (asked.tools.texts[chunk] for chunk in asked.pool.chunk[rows, columns].tolist())
        return [f"its first {self.words:,} words" if len(text.split()) > self.words else "" for text in passages]

    def _request(self, question: str, passages: Sequence[str]) -> Request:
        number = len(passages)
        listed = "".join(f"[{i}] {plain(' '.join(text.split()[: self.words]))}\n\n" for i, text in enumerate(passages, 1))
        told = (
            f"{listed}Question: {plain(question)}\nPut the {number} passages in order by how well they answer the question, the "
            f"best first. Write all their numbers as a list, such as {json.dumps(list(range(number, 0, -1)))}."
        )
        return Request([{"role": "user", "content": told}], TOKENS_A_NUMBER * number + 8, json_schema=schema(number))


def windows(number: int, window: int) -> list[int]:
    """Where each window of a ranking begins, the last one first; half a window lies in the next."""
    return [*range(number - window, 0, -max(1, window // 2)), 0] if number > 1 else []


def schema(number: int) -> str:
    """The orders of so many passages as a JSON schema."""
    if number <= LISTED:
        return json.dumps({"enum": [list(order) for order in permutations(range(1, number + 1))]})
    item = {"type": "integer", "minimum": 1, "maximum": number}
    return json.dumps({"type": "array", "items": item, "minItems": number, "maxItems": number})


def read_order(text: str, number: int) -> Order:
    """The order that an answer says, repaired where it is none of all passages; the order so far where it says nothing."""
    said = [int(digits) - 1 for digits in re.findall(r"\d{1,9}", text)]
    named = list(dict.fromkeys(place for place in said if 0 <= place < number))
    places = [*named, *(place for place in range(number) if place not in named)]
    return Order(places, "none" if not named else "ranking" if said == places else "repaired")


def told(counted: dict[str, Any]) -> str:
    """What became of the answers, for people."""
    total = sum(counted.values())
    odd = {"repaired": "were no order of all passages and repaired", "none": "were none, and left the order as it was"}
    parts = [f"{counted[verdict]:,} {words}" for verdict, words in odd.items() if counted[verdict]]
    return f"{total:,} answers" + (f": {', '.join(parts)}" if parts else ", all of them orders of all passages")
