from collections.abc import Generator, Sequence
from typing import ClassVar, Literal

from core.config import knob
from core.judging import judgement_models
from core.judging.claims import NOTHING_CLAIMED, WORD
from core.judging.entailment import judged_claims, marked, refuse_without_words
from core.judging.judgement_models import EMBEDDED
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore, JudgeTools
from core.judging.passage_words import words_of
from core.records import Progress
from core.registry import part


@part("measure")
class WordsBorneOut(AnswerMeasure):
    """Share of the answer's words that the passages support, by a model that judges each word in its sentence. Choose it to see which
    words of an answer are wrong, rather than that it is."""

    part: Literal["wrong_words"] = "wrong_words"
    label: ClassVar[str] = "Supported words"
    topic: ClassVar[str] = "faithfulness"
    source: ClassVar[str] = "after Kovács and Recski 2025 (LettuceDetect), section 3; the model is this project's"
    needs: ClassVar[tuple[str, ...]] = ("passages",)
    order: ClassVar[int] = 30
    by_sentence: ClassVar[bool] = True
    model: str = knob(EMBEDDED, f"{EMBEDDED} (embedded), or the name of a model trained here.")
    least: float = knob(0.5, "Probability from which a word counts as wrong. Lower marks more words.", gt=0.0, lt=1.0)

    def identity(self) -> str:
        return judgement_models.identity(self.model)

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        refuse_without_words(self.model)
        results = []
        judged = yield from judged_claims(self.model, cases, tools)
        for case, some in zip(cases, judged, strict=True):
            places = marked(some, words_of(case.passages), self.least)
            said = [(a + each.start, b + each.start) for each in some for a, b in (m.span() for m in WORD.finditer(each.text))]
            wrong = sum(any(a < place.end and b > place.start for place in places) for a, b in said)
            if said:
                results.append(AnswerScore(1 - wrong / len(said), words=places))
            else:
                results.append(AnswerScore(float("nan"), NOTHING_CLAIMED))
        return results
