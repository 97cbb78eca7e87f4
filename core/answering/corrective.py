"""Passages judged before they are used, and another search where none is of use."""

import time
from typing import Literal

from core.answering.deciding import YES_NO, decided
from core.answering.numbering import concluded, numbered
from core.answering.protocol import Answering, Material, Writing
from core.config import PartConfig, knob
from core.context.citations import plain
from core.records import Hit, Progress
from core.registry import part


@part("answering")
class Corrective(Answering):
    """Each passage is judged by the model; those of use are read, and where none is the question is asked in other words and searched
    for again. Choose it over `one_prompt` where the ranking often holds passages that mislead.

    CRAG, Yan et al. 2024, "Corrective Retrieval Augmented Generation", arXiv:2401.15884, section 4. There a trained model judges and the
    web is searched; here the recipe's own model judges and the same corpus is searched.
    """

    part: Literal["corrective"] = "corrective"
    rounds: int = knob(1, "Further searches at most, while no passage is of use.", ge=0, le=5)

    def texts(self, passages: int) -> int:
        return (passages + 1) * (self.rounds + 1)

    def check(self, generator: PartConfig) -> None:
        self.needs_schema(generator)

    def write(self, material: Material) -> Writing:
        started, texts, rows, seen, searches = time.perf_counter(), [], [], [], 0
        hits = material.hits[: material.context.passages]
        first, useful = len(hits), []
        numbered(hits, seen)
        while hits and not useful:
            for hit in hits:
                yield Progress(len(rows), 0, f"Judging passage {len(rows) + 1}")
                useful += [hit] if (yield from self._useful(material, hit, seen, rows, texts)) else []
            if useful or searches == self.rounds or material.search is None or material.left_s <= 0:
                break
            searches += 1
            prompt = f"Question: {plain(material.question)}\n\nWrite another wording of the question, to search with."
            made = yield from decided(material, prompt, {"query": {"type": "string", "minLength": 1, "maxLength": 120}}, texts)
            query = made.get("query", "")
            judged = [(hit.document_id, hit.start) for hit in seen]
            hits = [
                hit for hit in (material.search(query) if query.strip() else []) if (hit.document_id, hit.start) not in judged
            ]
            hits = hits[: material.context.passages]
            rows.append({"passage": 0, "text": query, "decision": "searched again", "score": None})
        read = useful or material.hits[: material.context.passages]
        yield Progress(len(rows), 0, "Answering")
        detail = {"decisions": rows, "searches": searches, "first": first}
        return (yield from concluded(material, material.prompt(read), seen, texts, started, detail))

    def _useful(self, material: Material, hit: Hit, seen: list[Hit], rows: list, texts: list) -> Writing:
        """Whether the model finds the passage of use; a judgement that fails keeps it."""
        [number] = numbered([hit], seen).values()
        style = material.context.citations
        asked = (
            f"Passage: {plain(hit.shown, style)}\n\nQuestion: {plain(material.question, style)}\n\nDoes the passage help to answer the "
            "question?"
        )
        said = (yield from decided(material, asked, {"helps": YES_NO}, texts)).get("helps", "")
        rows.append({"passage": number, "text": hit.title or hit.document_id, "decision": said or "not judged", "score": None})
        return said != "no"
