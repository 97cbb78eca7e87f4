"""Sentences of an answer as atomic claims, split by a model: "Ann and Bob, both doctors, left" says four things.

Min et al. 2023, "FActScore: Fine-grained Atomic Evaluation of Factual Precision in Long Form Text Generation", section 3.1.
"""

import json
import math
from collections.abc import Generator, Sequence
from typing import ClassVar, Literal

from core.files import read_json
from core.judging.asking import replies, unfit, why_none
from core.judging.claims import NOTHING_CLAIMED, Statement, statements
from core.judging.containment import Containment
from core.judging.measure import AnswerCase, AnswerScore, JudgeTools
from core.queries.by_model import plain
from core.queries.model_texts import Request
from core.records import Progress
from core.registry import part

TOKENS, MOST = 512, 8  # of a sentence's claims
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "claims": {"type": "array", "items": {"type": "string", "maxLength": 160}, "minItems": 1, "maxItems": MOST}
        },
        "required": ["claims"],
    }
)
TASK = (
    "Split the sentence into its atomic claims: short sentences that each state one thing, and stand alone. Add nothing.\n"
    'Example: "Ann, a doctor, left Rome in 1990." gives {"claims": ["Ann is a doctor.", "Ann left Rome.", "Ann left in 1990."]}'
)


def atomic(cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[tuple[list[Statement], str]]]:
    """Of each case (its atomic claims, each with the characters of its sentence; why there are none)."""
    sentences = [statements(case) for case in cases]
    requests = [
        Request([{"role": "user", "content": f"{TASK}\nSentence: {plain(each.text)}"}], TOKENS, json_schema=SCHEMA)
        for some in sentences
        for each in some
    ]
    texts = iter((yield from replies(tools, requests)))
    results = []
    for some in sentences:
        claims, whys = [], [] if some else [NOTHING_CLAIMED]
        for each in some:
            text = next(texts)
            if why := why_none(text) or unfit(text.text, SCHEMA):
                whys.append(why)
            else:
                made = (Statement(each.start, each.end, claim) for claim in read_json(text.text)["claims"])
                claims += [claim for claim in made if claim.words()] or [each]
        results.append(([], whys[0]) if whys else (claims, ""))
    return results


@part("measure")
class AtomicContainment(Containment):
    """As `containment`, of atomic claims into which a model splits each sentence. Choose it over `containment` for long sentences
    that are right in part; a weak model loses claims and invents others, which stand in the detail."""

    part: Literal["atomic_containment"] = "atomic_containment"
    label: ClassVar[str] = "Containment of atomic claims"
    source: ClassVar[str] = "Min et al. 2023, section 3.1; Broder 1997, section 2"
    asks_model: ClassVar[bool] = True
    headline: ClassVar[bool] = False
    order: ClassVar[int] = 35

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        split = yield from atomic(cases, tools)
        results = []
        for case, (claims, why) in zip(cases, split, strict=True):
            if why:
                results.append(AnswerScore(math.nan, why))
            else:
                score = self.scored(case, claims)
                results.append(score._replace(detail=score.detail | {"atomic": [claim.text for claim in claims]}))
        return results
