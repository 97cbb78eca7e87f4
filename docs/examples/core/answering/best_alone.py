from typing import Literal

from core.answering.protocol import Answering, Material, Writing, whole
from core.registry import part


@part("answering")
class BestAlone(Answering):
    """The best passage alone in the prompt. Choose it over `one_prompt` where further passages distract a small model."""

    part: Literal["best_alone"] = "best_alone"

    def write(self, material: Material) -> Writing:
        prompt = material.prompt(material.hits[:1])
        generated = yield from material.generator.generate(prompt.messages, material.seed, material.left_s)
        return whole(material, generated, prompt.used)
