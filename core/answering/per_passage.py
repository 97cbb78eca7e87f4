"""An answer from each passage alone, then one from those answers."""

import time
from dataclasses import replace
from typing import Literal

from core.answering.protocol import Answering, Material, Writing, together, whole
from core.context.citations import cited, pattern
from core.context.prompt import UNKNOWN, says_unknown
from core.progress import Running
from core.records import Progress
from core.registry import part

# what stands in the passages' places is no piece of a document: it can neither grow nor be cut
AS_IT_IS = {"order": "best_first", "duplicates": 1.0, "hand_on": "chunk", "compress": 1.0}


@part("answering")
class PerPassage(Answering):
    """An answer from each passage alone, then one from those answers, in the same prompt. Choose it over `one_prompt` as a
    baseline, or where many passages do not fit into one prompt.

    In the manner of fusion-in-decoder (Izacard and Grave 2021, arXiv:2007.01282, section 3), and only in its manner: there
    the decoder attends to all encoded passages at once and is trained to; here texts are read, and what a first answer left
    out is lost. Passages whose answer is "I don't know." are left out of the second prompt.
    """

    part: Literal["per_passage"] = "per_passage"

    def texts(self, passages: int) -> int:
        return passages + 1

    def write(self, material: Material) -> Writing:
        started, engine, hits, drafts = time.perf_counter(), material.generator, [], []
        chosen = material.hits[: material.context.passages]
        for number, hit in enumerate(chosen, 1):
            yield Progress(number - 1, len(chosen) + 1, f"Answering from passage {number} of {len(chosen)}")
            prompt = material.prompt([hit])
            for _ in (running := Running(engine.generate(prompt.messages, material.seed, material.left_s))):
                yield ""
            hits.append(prompt.used[0])
            drafts.append(running.result)
        texts = [pattern(material.context.citations).sub("", draft.text).strip() for draft in drafts]
        taken = [place for place, text in enumerate(texts) if text and not says_unknown(text, begins=True)]
        order = [*taken, *(place for place in range(len(texts)) if place not in taken)]  # those in the prompt come first
        first = [
            {"passage": n, "text": drafts[p].text, "ended": drafts[p].finish_reason, "used": p in taken}
            for n, p in enumerate(order, 1)
        ]
        hits, detail = tuple(hits[place] for place in order), {"answers": first, "calls": len(drafts)}
        if not taken:
            last = next((draft for draft in drafts if draft.text), drafts[0])
            if last.text:
                last = last._replace(text=UNKNOWN, finish_reason="stop", tokens=())
                yield UNKNOWN
            return whole(material, together(last, drafts, started), hits, detail)
        answers = [replace(hit, text=texts[place], excerpts=()) for hit, place in zip(hits, taken, strict=False)]
        second = material._replace(context=material.context.model_copy(update=AS_IT_IS)).prompt(answers)
        began = time.perf_counter() - started
        generated = yield from engine.generate(second.messages, material.seed, material.left_s)
        cost = together(generated, [*drafts, generated], started, began + generated.first_token_ms / 1000)
        numbers = cited(
            generated.text, second.used, material.context.citations
        )  # all of `hits` may share a title that one had there
        return whole(material, cost, hits, {**detail, "calls": len(drafts) + 1}, cited=numbers, notes=second.notes)
