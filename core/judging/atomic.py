"""Sentences of an answer as atomic claims, split by a model: "Ann and Bob, both doctors, left" says four things.

Min et al. 2023, "FActScore: Fine-grained Atomic Evaluation of Factual Precision in Long Form Text Generation", section 3.1.
"""

import json
from collections.abc import Generator, Sequence

from core.generation.model_texts import Request
from core.judging.asking import fields_of
from core.judging.claims import NOTHING_CLAIMED, Statement, statements
from core.judging.measure import AnswerCase, JudgeTools
from core.queries.by_model import plain
from core.records import Progress

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
    told = iter((yield from fields_of(tools, requests)))
    results = []
    for some in sentences:
        claims, whys = [], [] if some else [NOTHING_CLAIMED]
        for each in some:
            fields, why = next(told)
            if why:
                whys.append(why)
            else:
                made = (Statement(each.start, each.end, claim) for claim in fields["claims"])
                claims += [claim for claim in made if claim.words()] or [each]
        results.append(([], whys[0]) if whys else (claims, ""))
    return results
