from collections.abc import Generator, Sequence
from typing import ClassVar, Literal

import numpy as np

from core.config import knob
from core.judging import judgement_models
from core.judging.claims import NOTHING_CLAIMED
from core.judging.combined import CLIP, SIGNALS, read_combination, signals
from core.judging.entailment import VERDICTS, judged_claims
from core.judging.evidence import best_sentence
from core.judging.judgement_models import EMBEDDED, WRONG, model_folder
from core.judging.measure import NOT_IN_CONTEXT, SUPPORTED, AnswerCase, AnswerMeasure, AnswerScore, Claim, JudgeTools
from core.judging.passage_words import new_share, words_of
from core.judging.wrong_words import marked, refuse_without_words
from core.records import Progress
from core.registry import part


@part("measure")
class Faithfulness(AnswerMeasure):
    """Probability that all of an answer is borne out by the passages: entailment of each sentence, its wrong words, and what no
    passage says word for word (words, pairs and triples of words, numbers, names), combined as fitted on answers that people judged.
    Choose it over each of these alone."""

    part: Literal["faithfulness"] = "faithfulness"
    label: ClassVar[str] = "Faithfulness"
    topic: ClassVar[str] = "faithfulness"
    source: ClassVar[str] = "this project: docs/methods.md, Faithfulness"
    needs: ClassVar[tuple[str, ...]] = ("passages",)
    order: ClassVar[int] = 10
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
            there = words_of(case.passages)
            rows = np.array([signals(case.answer[start:end], each, there) for start, end, each in some])
            logits = np.clip(combination.claims(rows), -CLIP, CLIP)
            claims = []
            for (start, end, each), logit in zip(some, logits, strict=True):
                doubt = float(1 / (1 + np.exp(-logit)))
                verdict = SUPPORTED if doubt < 0.5 else VERDICTS[1 + int(np.argmax(each.probabilities[1:]))]
                place = best_sentence(case.passages, case.answer[start:end])
                claims.append(Claim(start, end, 1 - doubt, verdict if place else NOT_IN_CONTEXT, *(place or (0, None))))
            new = new_share(" ".join(case.answer[start:end] for start, end, _ in some), there)
            detail = {"signals": [dict(zip(SIGNALS, map(float, row.round(4)), strict=True)) for row in rows], "new_words": new}
            words = marked(case, some, there, WRONG)
            results.append(AnswerScore(1 - combination.doubt(rows, new), claims=tuple(claims), words=words, detail=detail))
        return results
