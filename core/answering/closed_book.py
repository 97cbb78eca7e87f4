"""No passages: what the model answers from its weights."""

from typing import Literal

from core.answering.protocol import Answering, Material, Writing, whole
from core.context.citations import plain
from core.registry import part


@part("answering")
class ClosedBook(Answering):
    """No passages: the question alone, answered from the model's weights. Choose it over `one_prompt` as the baseline that says what
    retrieval is worth, and whether an adapter has learnt the corpus by heart.

    Roberts et al. 2020, "How Much Knowledge Can You Pack Into the Parameters of a Language Model?", arXiv:2002.08910, section 2.
    """

    part: Literal["closed_book"] = "closed_book"

    def write(self, material: Material) -> Writing:
        question = plain(material.question, material.context.citations)
        chat = [{"role": "user", "content": f"Question: {question}\nAnswer in a few words."}]
        generated = yield from material.generator.generate(chat, material.seed, material.left_s)
        return whole(material, generated, (), {"calls": 1})
