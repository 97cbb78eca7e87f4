"""A chain of thought over the passages, then the answer."""

import time
from typing import Literal

from core.answering.deciding import thought
from core.answering.numbering import concluded
from core.answering.protocol import Answering, Material, Writing
from core.config import knob
from core.context.citations import plain, uncited
from core.context.passages import distinct
from core.context.template import before_question
from core.records import Progress
from core.registry import part

THINK = "$passages\n\nQuestion: $question\nThink step by step from the passages, in a few sentences."


@part("answering")
class ChainOfThought(Answering):
    """The model thinks step by step over the passages, and the prompt of the answer holds its thoughts before the question. Choose it
    over `one_prompt` where an answer must be inferred from what is said, and measure whether that helps: small models think little.

    Zero-shot chain of thought in two prompts, Kojima et al. 2022, "Large Language Models are Zero-Shot Reasoners", arXiv:2205.11916,
    section 3.1, after Wei et al. 2022, arXiv:2201.11903.
    """

    part: Literal["chain_of_thought"] = "chain_of_thought"
    thought_tokens: int = knob(128, "The chain is cut here.", unit="tokens", ge=16, le=1024)

    def texts(self, passages: int) -> int:
        return 2

    def write(self, material: Material) -> Writing:
        started, texts, context = time.perf_counter(), [], material.context
        yield Progress(0, 2, "Thinking step by step")
        text = yield from thought(material, distinct(material.hits, context)[0], THINK, self.thought_tokens, texts)
        chain = plain(uncited(text, context.citations), context.citations)
        if chain:
            context = context.model_copy(update={"template": before_question(context.template, f"Thoughts: {chain}")})
        yield Progress(1, 2, "Answering")
        prompt = material._replace(context=context).prompt(material.hits)
        detail = {"thoughts": [{"text": chain, "query": "", "passages": []}] * bool(chain), "first": len(prompt.used)}
        return (yield from concluded(material, prompt, list(prompt.used), texts, started, detail))
