"""What the four measures of ragas say together of one question: which step of the pipeline to look at."""

import math
from collections.abc import Mapping
from typing import NamedTuple

HIGH, LOW, ZERO = 0.8, 0.3, 0.05  # from, at most, at most
_HOLDS = {"high": lambda value: value >= HIGH, "low": lambda value: value <= LOW, "zero": lambda value: value <= ZERO}
FAITHFULNESS, RELEVANCY, PRECISION, RECALL = (
    f"ragas_{name}" for name in ("faithfulness", "answer_relevancy", "context_precision", "context_recall")
)


class Signature(NamedTuple):
    name: str
    wants: dict[str, str]  # measure -> "high", "low" or "zero"; an unmeasured one meets none
    sentence: str

    def meets(self, scores: Mapping[str, float]) -> bool:
        return all(_HOLDS[level](scores.get(measure, math.nan)) for measure, level in self.wants.items())


# in the order in which they are tried, the more telling ones first
SIGNATURES = (
    Signature(
        "declined",
        {FAITHFULNESS: "high", RELEVANCY: "zero", RECALL: "high"},
        "The passages contain the answer, but the model did not give it: check the prompt and the generator.",
    ),
    Signature(
        "cut out",
        {FAITHFULNESS: "high", RELEVANCY: "zero"},
        "All statements are in the passages, but none of them answers: the chunker cut the answer out, or it was not retrieved.",
    ),
    Signature(
        "from memory",
        {FAITHFULNESS: "low", RELEVANCY: "high", RECALL: "low"},
        "To the point, but not from the passages, which lack the answer: the model answered from memory. Check retrieval.",
    ),
    Signature(
        "made up",
        {FAITHFULNESS: "low", RECALL: "high"},
        "The passages contain the answer, but the model said something else: check the generator.",
    ),
    Signature(
        "fluent invention",
        {FAITHFULNESS: "low", RELEVANCY: "high"},
        "To the point, but not supported by the passages: a fluent invention.",
    ),
    Signature("off the point", {FAITHFULNESS: "low", RELEVANCY: "low"}, "Neither from the passages nor to the point."),
    Signature(
        "not retrieved",
        {RECALL: "low"},
        "The passages lack the reference's content: check chunks, query transform and retrieval.",
    ),
    Signature(
        "ranked low",
        {PRECISION: "low", RECALL: "high"},
        "The useful passage is ranked below useless ones: try a reranker, or fewer passages.",
    ),
    Signature("evasive", {RELEVANCY: "zero"}, "The judge calls the answer evasive."),
)


def signature(scores: Mapping[str, float]) -> Signature | None:
    """The first that a question's scores meet, by measure; None where they stand out in no way."""
    return next((each for each in SIGNATURES if each.meets(scores)), None)
