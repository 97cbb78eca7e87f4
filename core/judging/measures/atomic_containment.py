import math
from collections.abc import Generator, Sequence
from typing import ClassVar, Literal

from core.judging.atomic import atomic
from core.judging.measure import AnswerCase, AnswerScore, JudgeTools
from core.judging.measures.containment import Containment
from core.records import Progress
from core.registry import part


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
                score = self.of_claims(case, claims)
                results.append(score._replace(detail=score.detail | {"atomic": [claim.text for claim in claims]}))
        return results
