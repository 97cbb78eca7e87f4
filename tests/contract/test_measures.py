"""One suite for every measure of answers: a part joins by existing. `core/judging/measure.py` says the contract in words."""

import math
from functools import partial

import numpy as np
import pytest

from core import registry
from core.config import fingerprint
from core.embedding.minilm import MiniLM
from core.embedding.vectors import embed
from core.judging.measure import TOPICS, AnswerCase, AnswerMeasure, AnswerScore, JudgeTools, scores
from core.progress import drain
from core.records import Token
from tests.support.parts import is_described
from tests.support.recorded_judge import RecordedJudge

pytestmark = pytest.mark.parametrize("name", list(registry.parts("measure")))
PASSAGES = (
    "The Eiffel Tower in Paris was built in 1889 by the company of Gustave Eiffel. It is 330 metres tall.",
    "Bread is made of flour, water, salt and yeast. It rises for two hours before it is baked.",
)


def said(answer: str, *references: str, **more) -> AnswerCase:
    tokens = tuple(Token(word + " ", -0.1) for word in answer.split())
    settings = {"answerable": True, "units": 1, "covered": (frozenset({0}), frozenset()), "tokens": tokens, **more}
    return AnswerCase("When was the Eiffel Tower built?", answer, PASSAGES, references or ("1889", "in 1889"), **settings)


CASES = (
    said("1889"),
    said("The Eiffel Tower in Paris was built in 1889 [1]. It is 330 metres tall [1]."),
    said("It was built in 1950 by Napoleon on the moon [2]."),
    said("I don't know."),
    said("Der Turm wurde von Gustave Eiffel gebaut, und zwar 1889 in Paris."),
    said("?!…"),
    said("tower " * 3000),
)


def judge_tools(folder) -> JudgeTools:
    return JudgeTools(MiniLM(dtype="float32"), partial(embed, folder=folder), RecordedJudge())


def part(name: str) -> AnswerMeasure:
    return registry.find("measure", name)()


def made(name: str, cases, folder) -> list[AnswerScore]:
    return drain(scores(part(name), list(cases), judge_tools(folder)))


def test_it_is_described(name):
    is_described("measure", name, AnswerMeasure)
    measure = part(name)
    assert getattr(measure, "label", ""), 'it has no label: write `label: ClassVar[str] = "Name"`'
    assert measure.topic in TOPICS, f"its topic is none of {', '.join(TOPICS)}: write `topic: ClassVar[str]`"
    assert measure.source, "it does not say whose definition it is: write `source: ClassVar[str]`"
    assert measure.range[0] < measure.range[1] and measure.direction in (-1, 0, 1), "`range` is (lowest, highest)"
    fingerprint(measure.identity())


def test_a_score_for_every_case_within_the_range_or_unmeasured_with_the_reason(name, tmp_path):
    measure = part(name)
    results, (low, high) = made(name, CASES, tmp_path), measure.range
    assert len(results) == len(CASES), f"score gives {len(results)} scores for {len(CASES)} cases: give one for each, no mean"
    for case, result in zip(CASES, results, strict=True):
        if math.isnan(result.value):
            assert result.reason, f"{case.answer[:30]!r} is unmeasured without a reason: give `AnswerScore(math.nan, why)`"
        else:
            assert low <= result.value <= high, f"{result.value} is outside the range {low:g} to {high:g} that it states"


def test_claims_and_words_are_characters_of_the_answer_and_evidence_of_its_passage(name, tmp_path):
    for case, result in zip(CASES, made(name, CASES, tmp_path), strict=True):
        for claim in result.claims:
            assert 0 <= claim.start < claim.end <= len(case.answer), "a claim lies outside the answer"
            assert math.isnan(claim.score) or 0 <= claim.score <= 1, "a claim's score is 0 to 1"
            assert 0 <= claim.passage <= len(case.passages), "passages count from 1, 0 is none"
            if claim.evidence:
                start, end = claim.evidence
                assert claim.passage and 0 <= start < end <= len(case.passages[claim.passage - 1]), "evidence is of no passage"
        for words in result.words:
            assert 0 <= words.start < words.end <= len(case.answer) and 0 <= words.probability <= 1


def test_what_is_missing_is_unmeasured_with_the_reason_and_never_a_score(name, tmp_path):
    measure = part(name)
    lacking = {
        "references": said("1889")._replace(references=("",)),
        "passages": said("1889")._replace(passages=()),
        "units": said("1889")._replace(units=None, covered=()),
        "answerable": said("1889")._replace(answerable=None),
        "tokens": said("1889")._replace(tokens=()),
    }
    for need in measure.needs:
        (result,) = made(name, [lacking[need]], tmp_path)
        assert math.isnan(result.value) and result.reason, f"without {need} there is nothing to measure: name it in `needs`"
    failed, empty = made(name, [said("")._replace(finish_reason="failed: it hung"), said("")], tmp_path)
    assert math.isnan(failed.value) and "hung" in failed.reason
    assert measure.judges_silence or (math.isnan(empty.value) and empty.reason)


def test_a_case_is_scored_without_the_others_and_the_same_again(name, tmp_path):
    whole = made(name, CASES, tmp_path / "a")
    alone = [made(name, [case], tmp_path / "b")[0] for case in CASES[:4]]
    assert np.allclose([r.value for r in whole[:4]], [r.value for r in alone], equal_nan=True, atol=2e-2), (
        "a case's score changes with the cases beside it, or draws at random"
    )


def test_it_says_which_tools_it_asks(name, tmp_path):
    measure, tools = part(name), judge_tools(tmp_path)
    tools = tools._replace(encoder=tools.encoder if measure.encodes else None)
    tools = tools._replace(generator=tools.generator if measure.asks_model else None)
    todo = (
        "it asks an encoder or a generator: say `encodes: ClassVar[bool] = True`, or `asks_model`, else scores are kept too long"
    )
    try:
        results = drain(scores(measure, CASES[:2], tools))
    except AttributeError as error:
        raise AssertionError(todo) from error
    before = made(name, CASES[:2], tmp_path)
    assert np.allclose([r.value for r in results], [r.value for r in before], equal_nan=True), todo
