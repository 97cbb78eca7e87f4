"""A language model asked of each passage by itself whether it answers the question."""

from collections.abc import Generator
from typing import Any, ClassVar, Literal

import numpy as np

from core.config import PartConfig, code_version, fingerprint
from core.context.prompt import plain
from core.errors import WorkbenchError
from core.records import Progress
from core.registry import part
from core.reranking.protocol import APART, Asked, Pairs, Reranker, pairs_of

ASKED = "Does the passage answer the question? Say yes or no."
TEMPLATE_TOKENS = 128  # more than the marks of a chat around one message take
YES, NO = ("Yes", "yes", " Yes", " yes"), ("No", "no", " No", " no")


@part("reranker")
class ModelPointwise(Reranker):
    """log P(yes) - log P(no) for the first token that the recipe's generator would write, asked whether the passage answers.

    Needs a generator of this machine, whose probabilities can be read; nothing is sampled, so no answer is out of form. Choose
    it over `model_listwise` for many passages: a score is kept for good. The bundled model is too small for it: see
    docs/methods.md. A passage that does not fit into the context is read in parts, and its best part counts; of a question that fills
    half of it the beginning is read.
    Source: Sun et al. 2023, "Is ChatGPT Good at Search?" (arXiv:2304.09542), section 3, relevance generation, after Liang et al.
    2022; the odds of two tokens as in Nogueira et al. 2020, "Document Ranking with a Pretrained Sequence-to-Sequence Model".
    """

    part: Literal["model_pointwise"] = "model_pointwise"
    order: ClassVar[int] = 60
    asks_model: ClassVar[bool] = True

    def scores(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> Generator[Progress, None, np.ndarray]:
        generator = asked.tools.generator
        if not generator.local:
            raise WorkbenchError(
                f"The generator '{generator.part}' does not tell the probabilities of its tokens.",
                where="generation",
                todo="Choose a generator of this machine (llama_cpp, torch), or the reranker model_listwise.",
            )
        pairs = [APART.join(pair) for pair in pairs_of(asked, rows, columns)]
        return (yield from asked.tools.embed(Pairs(YesOrNo(generator)), pairs))[:, 0]

    def longer(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> list[str]:
        reader = YesOrNo(asked.tools.generator)
        parts = [reader.parts(*pair) for pair in pairs_of(asked, rows, columns)]
        return [f"in {count} parts, of which the best score counts" if count > 1 else "" for count in parts]


class YesOrNo:
    """What is kept by the two texts: the odds of one generator. Its sampling decides nothing here."""

    part = "model_pointwise"

    def __init__(self, generator: PartConfig) -> None:
        self.generator = generator

    def identity(self) -> str:
        return f"{self.part}-{fingerprint(self.generator.identity(), ASKED, code_version(self, self.generator))}"

    def reads(self) -> int | None:
        return None

    def read(self, pairs: list[tuple[str, str]]) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        yes, no = self._first(YES), self._first(NO)
        yes, no = yes - no, no - yes  # a space of its own is no answer
        if not yes or not no:
            raise WorkbenchError("The model's tokens for yes and no begin alike.", where=self.generator.model)
        # passages stand first in the prompt, and a passage read for one question is not read again for the next
        for index in sorted(range(len(pairs)), key=lambda i: (pairs[i][1], pairs[i][0])):
            question, passage = self._begun(pairs[index][0]), pairs[index][1]
            score = max(self._odds(question, piece, yes, no) for piece in self._parts(question, passage))
            yield np.array([index]), np.array([score], np.float32)

    def _odds(self, question: str, passage: str, yes: set[int], no: set[int]) -> float:
        logits = np.asarray(self.generator.next_logits(self.generator.read(_messages(question, passage))), np.float64)
        return float(np.logaddexp.reduce(logits[list(yes)]) - np.logaddexp.reduce(logits[list(no)]))

    def parts(self, question: str, passage: str) -> int:
        """In how many parts a passage is read. What has room whatever its tokens are asks no model: none is less than a byte."""
        bytes_asked = len(f"{_messages(question, passage)[0]['content']}".encode("utf-8", "replace"))
        whole = bytes_asked + TEMPLATE_TOKENS < self.generator.context_tokens
        return 1 if whole else len(self._parts(self._begun(question), passage))

    def _begun(self, question: str) -> str:
        """The question, or what of its beginning leaves a passage half of the context."""
        room = self.generator.context_tokens // 2
        while len(question) > 1 and len(self.generator.read(_messages(question, "")).tokens) > room:
            question = question[: len(question) // 2]
        return question

    def _parts(self, question: str, passage: str) -> list[str]:
        """The passage, halved until it fits into the context."""
        room = self.generator.context_tokens - 1
        if len(passage) < 2 or len(self.generator.read(_messages(question, passage)).tokens) <= room:
            return [passage]
        cut = passage.rfind(" ", 1, len(passage) // 2 + 1)
        cut = cut if cut > 0 else len(passage) // 2
        return [*self._parts(question, passage[:cut]), *self._parts(question, passage[cut:])]

    def _first(self, words: tuple[str, ...]) -> set[int]:
        """The tokens that these words begin with."""
        return {self.generator.read_text(word).tokens[-len(self.generator.pieces(word))] for word in words}


def _messages(question: str, passage: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"Passage: {plain(passage)}\n\nQuestion: {plain(question)}\n{ASKED}"}]
