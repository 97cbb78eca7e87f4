"""Every token by what all passages say of it together."""

from typing import Literal

from core.answering.marginal import Marginal, told
from core.answering.protocol import Material, Writing, whole
from core.registry import part


@part("answering")
class RagToken(Marginal):
    """Each passage in a prompt of its own, and each token by the sum of their next-token distributions, weighted by
    p(passage | question). Choose it over `one_prompt` to see which passage is responsible for which word.

    RAG-Token, Lewis et al. 2020, arXiv:2005.11401, section 2.1, with a model that was not trained for it and the ranking's
    scores in the place of a trained retriever's; greedy where the paper has a beam. With one passage it is greedy decoding of the
    plain prompt. The engine `transformers` only; its settings act on the mixed distribution, a JSON schema not at all.
    """

    part: Literal["rag_token"] = "rag_token"

    def write(self, material: Material) -> Writing:
        sides = self.sides(material)
        made = yield from material.generator.mix(sides.prompts, sides.log_prior, material.seed, material.left_s)
        detail = {**told(sides.log_prior, made.pieces, made.shares), "logprob": sum(made.logprobs)}
        return whole(material, made.generated, sides.hits, detail, notes=sides.notes)
