from collections.abc import Generator, Sequence
from typing import ClassVar, Literal

import numpy as np

from core.config import knob
from core.judging import judgement_models
from core.judging.claims import NOTHING_CLAIMED
from core.judging.combined import SIGNALS, read_combination, signals
from core.judging.copied import SourceWords
from core.judging.entailment import VERDICTS, judged_claims, marked, refuse_without_words
from core.judging.evidence import best_sentence, grounds
from core.judging.judgement_models import EMBEDDED, WRONG, model_folder
from core.judging.measure import NOT_IN_CONTEXT, SUPPORTED, AnswerCase, AnswerMeasure, AnswerScore, Claim, JudgeTools
from core.judging.passage_words import new_share, words_of
from core.records import Progress
from core.registry import part


@part("measure")
class Faithfulness(AnswerMeasure):
    """Probability that the worst sentence of an answer is supported by the passages: the sentence's entailment, its wrong words, what no
    passage says word for word (words, triples of words, numbers) and how broken a copy it is, combined as fitted on answers that people
    judged. Choose it over each of these alone."""

    part: Literal["faithfulness"] = "faithfulness"
    label: ClassVar[str] = "Faithfulness"
    topic: ClassVar[str] = "faithfulness"
    source: ClassVar[str] = "this project: docs/methods.md, Faithfulness"
    needs: ClassVar[tuple[str, ...]] = ("passages",)
    order: ClassVar[int] = 10
    by_sentence: ClassVar[bool] = True
    headline: ClassVar[bool] = True
    model: str = knob(EMBEDDED, f"{EMBEDDED} (embedded), or the name of a model trained here.")

    def identity(self) -> str:
        return judgement_models.identity(self.model)

    def fixed_threshold(self) -> float | None:
        return 1 - read_combination(model_folder(self.model)).threshold

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        refuse_without_words(self.model)
        combination = read_combination(model_folder(self.model))
        results = []
        judged = yield from judged_claims(self.model, cases, tools)
        for case, some in zip(cases, judged, strict=True):
            if not some:
                results.append(AnswerScore(float("nan"), NOTHING_CLAIMED))
                continue
            told = grounds(case.passages, case.question)
            there, source = words_of(told), SourceWords(told)
            rows = np.array([signals(each.text, each.judgement, there, source) for each in some])
            doubts, claims = combination.claims(rows).tolist(), []
            for (start, end, text, judged_so), doubt in zip(some, doubts, strict=True):
                verdict = SUPPORTED if doubt < combination.least else VERDICTS[1 + int(np.argmax(judged_so.probabilities[1:]))]
                place = best_sentence(case.passages, text)
                claims.append(Claim(start, end, 1 - doubt, verdict if place else NOT_IN_CONTEXT, *(place or (0, None))))
            new = new_share(" ".join(each.text for each in some), there)
            detail = {"signals": [dict(zip(SIGNALS, map(float, row.round(4)), strict=True)) for row in rows], "new_words": new}
            detail["claims_mean"] = float(np.mean([claim.score for claim in claims]))
            words = marked(some, words_of(case.passages), WRONG)
            results.append(AnswerScore(1 - combination.doubt(rows), claims=tuple(claims), words=words, detail=detail))
        return results
