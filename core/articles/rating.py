"""The editor: what a draft is worth in the gate's four dimensions, by measures, and which sentences are the reason.

Technical accuracy is the mean support of the sentences by the evidence they rest on. Calibration is 1 less the mean distance of a
sentence's sureness (1, or HEDGED with a word such as "may") from its evidence's times its support. Completeness is the share of the
searches of which something is told; clarity the share of sentences that are neither long nor said twice. A dimension's rating is 1 + 4
times its share.
"""

import re
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.articles.steps import Article
from core.config import TrialConfig, build
from core.judging.combined import read_combination
from core.judging.gate import GateDecision, gate
from core.judging.judgement_models import EMBEDDED, model_folder
from core.judging.measure import AnswerCase
from core.labs.scores.judging import measure_all, measures
from core.records import Progress
from core.workbench import Workbench

MEASURE = "faithfulness"
HEDGES = re.compile(  # May is a month
    r"\b((?-i:may)|might|could|possibly|perhaps|probably|likely|seems?|appears?|suggests?|about|roughly)\b", re.IGNORECASE
)
HEDGED = 0.6  # the sureness of a sentence with such a word; of any other it is 1
LONG = 40  # words


class Rating(NamedTuple):
    """support [n] of each sentence, NaN: unmeasured. means: by dimension, 1 to 5. wrong: sentence (from 0) -> why it is sent back."""

    support: list[float]
    means: dict[str, float]
    confident_hallucination: bool
    wrong: dict[int, str]


def support(
    workbench: Workbench, config: TrialConfig, topic: str, texts: Sequence[str], grounds: Sequence[tuple[str, ...]]
) -> Generator[Progress, None, np.ndarray]:
    """[n] float64: how surely each text follows from its passages, by the measure of faithfulness; NaN where it states nothing."""
    cases = [AnswerCase(topic, text, own) for text, own in zip(texts, grounds, strict=True)]
    [made] = yield from measure_all(workbench, config, measures([MEASURE]), cases)
    return made.values


def draft_support(workbench: Workbench, made: Article) -> Generator[Progress, None, np.ndarray]:
    """[sentences] of the draft, each by its evidence alone."""
    texts, grounds = [sentence.text for sentence in made.draft], [(note.text,) for note in made.evidence]
    return (yield from support(workbench, build(made.config), made.topic, texts, grounds))


def least_support() -> float:
    """From which a sentence counts as borne out, as the measure's model is shipped."""
    return 1 - read_combination(model_folder(EMBEDDED)).least


def sureness(texts: Sequence[str]) -> np.ndarray:
    """[n] float64 of each text."""
    return np.array([HEDGED if HEDGES.search(text) else 1.0 for text in texts])


def rated(texts: Sequence[str], values: np.ndarray, evidence: Sequence[str], complete: float) -> Rating:
    """texts, their support [n] and the sentences they rest on. complete: the share of the searches of which they tell something."""
    least, sure, own = least_support(), sureness(texts), np.nan_to_num(values)
    wrong = {
        place: f"support {value:.2f}, below {least:.2f}" if value == value else "it states nothing that can be checked"
        for place, value in enumerate(values.tolist())
        if not value >= least
    }
    grounds = sureness(evidence)
    same = [text.casefold().strip() in {other.casefold().strip() for other in texts[:place]} for place, text in enumerate(texts)]
    long = [len(text.split()) > LONG for text in texts]
    for place, text in enumerate(texts):
        if same[place]:
            wrong.setdefault(place, "it was said before")
        elif sure[place] > grounds[place]:
            wrong.setdefault(place, "it is surer than its evidence")
        elif long[place]:
            wrong.setdefault(place, f"{len(text.split())} words, above {LONG}")
    shares = {
        "technical_accuracy": float(own.mean()),
        "calibration": float(1 - np.abs(sure - grounds * own).mean()),
        "completeness": complete,
        "clarity": float(1 - np.mean(np.array(same) | np.array(long))),
    }
    return Rating(
        values.tolist(),
        {name: 1 + 4 * share for name, share in shares.items()},
        bool(np.any((own < least) & (sure == 1.0))),
        wrong,
    )


def not_borne_out(rating: Rating) -> int:
    """Sentences that their evidence does not bear out, however they are hedged."""
    least = least_support()
    return sum(not value >= least for value in rating.support)


def decided(rating: Rating, revisions: int) -> GateDecision:
    """The gate's decision. One sentence that is not borne out keeps a draft from being accepted: it would not be published."""
    return gate(rating.means, rating.confident_hallucination, revisions, not_borne_out(rating))


def judged(rating: Rating, revisions: int) -> dict[str, Any]:
    """The same as it is recorded."""
    made = decided(rating, revisions)
    support = [None if value != value else round(value, 4) for value in rating.support]
    wrong = {str(place): why for place, why in rating.wrong.items()}
    return {
        "verdict": made.verdict,
        "reasons": list(made.reasons),
        "means": rating.means,
        "confident_hallucination": rating.confident_hallucination,
        "support": support,
        "wrong": wrong,
        "revisions": revisions,
    }
