"""As much retrieval as the question asks for: none, once, or several times."""

import time
from dataclasses import replace
from typing import Literal

from core.answering.deciding import decided
from core.answering.ircot import Ircot
from core.answering.one_prompt import OnePrompt
from core.answering.protocol import Answering, Material, Writing, together, whole
from core.config import PartConfig, knob
from core.context.citations import plain
from core.records import Progress
from core.registry import part

KINDS_OF_QUESTION = ("general knowledge", "one fact", "several facts")


@part("answering")
class AdaptiveRetrieval(Answering):
    """The model says what kind of question it is, and it is answered without passages, in one prompt over them, or by `ircot`. Choose it
    over these where questions differ much and tokens count; it is as good as the model's judgement of the question.

    Adaptive-RAG, Jeong et al. 2024, "Adaptive-RAG: Learning to Adapt Retrieval-Augmented Large Language Models through Question
    Complexity", arXiv:2403.14403, section 3. There a classifier is trained, here the recipe's model is asked.
    """

    part: Literal["adaptive"] = "adaptive"
    closed: bool = knob(False, "Questions of general knowledge are answered without passages; off, in one prompt over them.")

    def texts(self, passages: int) -> int:
        return 1 + Ircot().texts(passages)

    def check(self, generator: PartConfig) -> None:
        self.needs_schema(generator)

    def write(self, material: Material) -> Writing:
        started, texts = time.perf_counter(), []
        question = plain(material.question, material.context.citations)
        yield Progress(0, 2, "Which kind of question is it?")
        asked = f"Question: {question}\n\nWhat does it take to answer it: {', '.join(KINDS_OF_QUESTION[:2])}, or {KINDS_OF_QUESTION[2]}?"
        said = (yield from decided(material, asked, {"needs": KINDS_OF_QUESTION}, texts)).get("needs", "")
        rows = [{"passage": 0, "text": material.question, "decision": said or "not judged", "score": None}]
        if said == KINDS_OF_QUESTION[0] and self.closed:
            chat = [{"role": "user", "content": f"Question: {question}\nAnswer in a few words."}]
            generated = yield from material.generator.generate(chat, material.seed, material.left_s)
            detail = {"decisions": rows, "calls": 2, "first": 0}
            return whole(material, together(generated, [*texts, generated], started), (), detail)
        made = yield from (Ircot() if said == KINDS_OF_QUESTION[2] else OnePrompt()).write(material)
        spent = {
            name: _sum(*(getattr(each, name) for each in (made, *texts)))
            for name in ("prompt_tokens", "answer_tokens", "cost_usd")
        }
        first_ms = made.first_token_ms + sum(text.generation_ms for text in texts)
        whole_ms = 1000 * (time.perf_counter() - started)
        detail = {**made.detail, "decisions": rows, "calls": made.detail.get("calls", 1) + len(texts)}
        return replace(made, detail=detail, first_token_ms=first_ms, generation_ms=whole_ms, **spent)


def _sum(*numbers: float | None) -> float | None:
    return None if None in numbers else sum(numbers)
