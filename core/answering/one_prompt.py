"""All passages in one prompt, and one answer to it."""

from typing import ClassVar, Literal

from core.answering.protocol import Answering, Material, Writing, whole
from core.registry import part


@part("answering")
class OnePrompt(Answering):
    """All passages in one prompt, one answer to it. Choose it over the others unless you study them: it is the fastest, and
    every engine can.

    Lewis et al. 2020, "Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks", arXiv:2005.11401, is the idea;
    passages side by side in one prompt are in-context retrieval, Ram et al. 2023, arXiv:2302.00083, section 3.
    """

    order: ClassVar[int] = -1  # the first, and the default
    idle: ClassVar[bool] = True  # recipes from before there were other ways mean it
    part: Literal["one_prompt"] = "one_prompt"

    def write(self, material: Material) -> Writing:
        prompt = material.prompt(material.hits)
        generated = yield from material.generator.generate(prompt.messages, material.seed, material.left_s)
        return whole(material, generated, prompt.used, notes=prompt.notes)
