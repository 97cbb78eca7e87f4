"""Retrieval between the sentences of a chain of thought."""

import time
from collections.abc import Generator, Sequence
from typing import Literal

from core.answering.deciding import thought
from core.answering.numbering import concluded, numbered
from core.answering.protocol import Answering, Material, Writing
from core.config import knob
from core.context.citations import uncited
from core.context.passages import sentences
from core.generation.protocol import Generated
from core.records import Hit, Progress
from core.registry import part

CONCLUDES = "answer is"  # in a sentence that ends the chain
NEXT = (
    "$passages\n\nQuestion: $question\nThink step by step, one sentence a time, from the passages. Once you know it, write: So the answer "
    "is …\n"
)


@part("answering")
class Ircot(Answering):
    """Each sentence of a chain of thought is the query of the next retrieval, until it concludes; then the answer is written over all
    passages found. Choose it over `one_prompt` for questions whose second passage can be searched for only once the first is read, and
    over `react` for models too small to choose among tools.

    IRCoT, Trivedi et al. 2023, "Interleaving Retrieval with Chain-of-Thought Reasoning for Knowledge-Intensive Multi-Step Questions",
    arXiv:2212.10509, section 3. There with examples of chains in the prompt; here without any.
    """

    part: Literal["ircot"] = "ircot"
    rounds: int = knob(3, "Sentences at most, with a retrieval each.", ge=1, le=10)
    most: int = knob(
        9, "Passages of the last prompt at most: the first of the question, then the latest found.", unit="passages", ge=2, le=20
    )
    sentence_tokens: int = knob(48, "A sentence is cut here.", unit="tokens", ge=8, le=256)

    def texts(self, passages: int) -> int:
        return self.rounds + 1

    def write(self, material: Material) -> Writing:
        started, texts, chain = time.perf_counter(), [], []
        passages = list(material.hits[: min(material.context.passages, self.most)])
        seen, first = list(passages), len(passages)
        while len(chain) < self.rounds and material.left_s > 0:
            yield Progress(len(chain), self.rounds + 1, f"Thought {len(chain) + 1}")
            sentence = yield from self._next(material, passages, [row["text"] for row in chain], texts)
            if not sentence or sentence in [row["text"] for row in chain]:
                break
            row = {"text": sentence, "query": "", "passages": []}
            chain.append(row)
            if CONCLUDES in sentence.casefold() or material.search is None:
                break
            row["query"] = uncited(sentence, material.context.citations)
            hits = material.search(row["query"])[: material.context.passages]
            row["passages"] = list(numbered(hits, seen).values())
            places = [(hit.document_id, hit.start) for hit in passages]
            fresh = [hit for hit in hits if (hit.document_id, hit.start) not in places]
            passages[1:1] = fresh  # a short prompt leaves out the last
            del passages[self.most :]
        yield Progress(self.rounds, self.rounds + 1, "Answering from all passages")
        detail = {"thoughts": chain, "first": first, "searches": sum(bool(row["query"]) for row in chain)}
        return (yield from concluded(material, material.prompt_over(passages), seen, texts, started, detail))

    def _next(
        self, material: Material, passages: Sequence[Hit], chain: Sequence[str], texts: list[Generated]
    ) -> Generator[str | Progress, None, str]:
        """The next sentence of the chain; "" where the model writes none."""
        template = NEXT + "".join(f"{sentence}\n" for sentence in chain).replace("$", "$$")
        text = yield from thought(material, passages, template, self.sentence_tokens, texts)
        spans = sentences(text)
        return " ".join(text[slice(*spans[0])].split()) if spans else ""
