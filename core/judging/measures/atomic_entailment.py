from collections.abc import Generator, Sequence
from typing import ClassVar, Literal

from core.judging.atomic import atomic
from core.judging.entailment import JudgedClaim
from core.judging.evidence import evidence, grounds
from core.judging.judgement_models import Judgements, pair_text, read_judgement
from core.judging.measure import AnswerCase, AnswerScore, JudgeTools
from core.judging.measures.entailment import Entailment
from core.records import Progress
from core.registry import part


@part("measure")
class AtomicEntailment(Entailment):
    """As `entailment`, of atomic claims into which a model splits each sentence. Choose it over `entailment` for long sentences that
    are right in part; a weak model loses claims and invents others, which stand in the detail."""

    part: Literal["atomic_entailment"] = "atomic_entailment"
    label: ClassVar[str] = "Entailment of atomic claims"
    source: ClassVar[str] = "Min et al. 2023, section 3.1; Honovich et al. 2022, section 4.1"
    asks_model: ClassVar[bool] = True
    order: ClassVar[int] = 25

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        split = yield from atomic(cases, tools)
        texts = [
            pair_text(evidence(grounds(case.passages, case.question), claim.text), claim.text)
            for case, (claims, _) in zip(cases, split, strict=True)
            for claim in claims
        ]
        vectors = iter((yield from tools.embed(Judgements(self.model), texts)) if texts else ())
        results = []
        for case, (claims, why) in zip(cases, split, strict=True):
            judged = [JudgedClaim(claim.start, claim.end, claim.text, read_judgement(next(vectors))) for claim in claims]
            score = AnswerScore(float("nan"), why) if why else self.of_claims(case, judged)
            results.append(score._replace(detail={"atomic": [claim.text for claim in claims]}))
        return results
