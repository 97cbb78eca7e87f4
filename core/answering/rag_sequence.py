"""One answer a passage, and the one that is likeliest under all passages together."""

import time
from typing import Literal

from core.answering.marginal import Marginal, likelihood, told
from core.answering.numbering import retitled
from core.answering.protocol import Material, Writing, together, whole
from core.context.citations import marks
from core.registry import part


@part("answering")
class RagSequence(Marginal):
    """An answer from each passage alone, each scored under every passage; the one of the greatest marginal likelihood is
    taken. Choose it over `rag_token` where an answer should come from one passage and be borne out by the others.

    RAG-Sequence, Lewis et al. 2020, arXiv:2005.11401, section 2.1, with the thorough decoding of section 2.5 over one greedy
    answer a passage where the paper has a beam. Probabilities of whole answers favour short ones; they are not normalised, as
    in the paper. The engine `transformers` only.
    """

    part: Literal["rag_sequence"] = "rag_sequence"

    def write(self, material: Material) -> Writing:
        started, sides = time.perf_counter(), self.sides(material)
        engine = material.generator.having(json_schema="")
        seeds = [material.seed] * len(sides.prompts)
        drafts = yield from engine.generate_many(sides.prompts, seeds, material.left_s, len(seeds))
        texts = list(dict.fromkeys(draft.text for draft in drafts if draft.text))
        if not texts:
            return whole(material, together(drafts[0], drafts, started), sides.hits, {}, notes=sides.notes)
        tables = yield from engine.answer_logprobs(sides.prompts, texts, material.left_s)
        scores = [likelihood(sides.log_prior, table) for table in tables]
        best = max(range(len(texts)), key=lambda place: scores[place].sequence)
        own = next(place for place, draft in enumerate(drafts) if draft.text == texts[best])
        pieces = (*engine.pieces(texts[best]), "")  # the end
        style, hit = material.context.citations, sides.hits[own]
        text = retitled(texts[best], style, dict.fromkeys(marks(style, [hit]), own + 1), sides.hits)
        yield text
        detail = {
            "calls": len(drafts),
            **told(sides.log_prior, pieces, scores[best].responsible),
            "logprob": scores[best].sequence,
            "answers": [
                {
                    "passage": number,
                    "text": draft.text,
                    "logprob": scores[texts.index(draft.text)].sequence if draft.text else None,
                }
                for number, draft in enumerate(drafts, 1)
            ],
        }
        return whole(material, together(drafts[own]._replace(text=text), drafts, started), sides.hits, detail, notes=sides.notes)
