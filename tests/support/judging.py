"""Answers for the tests of measures, and their scores without any model."""

from core.config import TrialConfig
from core.embedding.minilm import MiniLM
from core.embedding.vectors import encode_all
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore, JudgeTools, scores
from core.progress import drain


def said(answer: str, *references: str, **more) -> AnswerCase:
    return AnswerCase("What is it?", answer, references=references, **more)


def kept_nowhere(part, texts: list[str], query: bool = False):
    yield from ()
    return encode_all(part, texts, query)


def judged(measure: AnswerMeasure, *cases: AnswerCase) -> list[AnswerScore]:
    tools = JudgeTools(MiniLM(dtype="float32"), kept_nowhere, TrialConfig().generation)
    return drain(scores(measure, cases, tools))


def values(measure: AnswerMeasure, *cases: AnswerCase) -> list[float]:
    return [score.value for score in judged(measure, *cases)]
