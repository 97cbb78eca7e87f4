"""The claims of an answer as a model judges them: by all passages and the question."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from core.errors import WorkbenchError
from core.judging.claims import statements
from core.judging.evidence import claims, evidence, grounds
from core.judging.judgement_models import EMBEDDED, ClaimJudgement, Judgements, judging_model, pair_text, read_judgement
from core.judging.measure import CONTRADICTED, NOT_IN_CONTEXT, SUPPORTED, AnswerCase, JudgeTools, WrongWords
from core.judging.passage_words import PassageWords, joined, word_doubts
from core.records import Progress

VERDICTS = (SUPPORTED, CONTRADICTED, NOT_IN_CONTEXT)


class JudgedClaim(NamedTuple):
    """Characters [start, end) of the answer, what is claimed there, and the judgement of it."""

    start: int
    end: int
    text: str
    judgement: ClaimJudgement


def claimed(case: AnswerCase) -> list[tuple[int, int, str]]:
    """Characters of the answer and text of each claim: its statements, those that are too long to read at once in pieces."""
    return [
        (each.start + start, each.start + end, each.text[start:end])
        for each in statements(case)
        for start, end in claims(each.text)
    ]


def judged_claims(
    model: str, cases: Sequence[AnswerCase], tools: JudgeTools
) -> Generator[Progress, None, list[list[JudgedClaim]]]:
    """For each case its claims as the model judges them by all passages and the question."""
    places, texts = [], []
    for done, case in enumerate(cases):
        if done % 100 == 0:
            yield Progress(done, len(cases), "Choosing the evidence of each claim")
        places.append(claimed(case))
        told = grounds(case.passages, case.question)
        texts += (pair_text(evidence(told, text), text) for _, _, text in places[-1])
    vectors = iter((yield from tools.embed(Judgements(model), texts)) if texts else ())
    return [[JudgedClaim(*place, read_judgement(next(vectors))) for place in spans] for spans in places]


def refuse_without_words(model: str) -> None:
    if not judging_model(model).has_words:
        raise WorkbenchError(
            f"The model '{model}' judges whole claims, no words.",
            where="model",
            todo=f"Choose {EMBEDDED}, or a model trained here; `entailment` takes any NLI model.",
        )


def marked(claims: Sequence[JudgedClaim], there: PassageWords, least: float) -> tuple[WrongWords, ...]:
    """The wrong places of an answer's claims."""
    doubts = ((each.start, word_doubts(each.text, each.judgement.words, there)) for each in claims)
    return tuple(WrongWords(*place) for start, words in doubts for place in joined(words, start, least))
