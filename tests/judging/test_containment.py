"""Sentences by the passages that hold their words, words that no passage has, and the generator's own probabilities."""

import math

import pytest

from core.judging.containment import sentence_of
from core.judging.measure import NOT_IN_CONTEXT, SUPPORTED
from core.judging.measures.containment import Containment
from core.judging.measures.generator_probability import GeneratorProbability
from core.judging.measures.lexical_floor import LexicalFloor
from core.records import Token
from tests.support.judging import judged, said, values

PASSAGES = ("Bread needs flour.", "The tower is tall. It was built in 1889 by Eiffel. It stands in Paris.")
ANSWER = "It was built in 1889 [2]. Napoleon baked it himself."


def test_each_sentence_has_its_share_its_passage_and_its_sentence_there():
    (score,) = judged(Containment(), said(ANSWER, passages=PASSAGES))
    copied, made_up = score.claims
    assert ANSWER[copied.start : copied.end].startswith("It was built in 1889")
    assert (copied.score, copied.verdict, copied.passage) == (1.0, SUPPORTED, 2)
    assert PASSAGES[1][slice(*copied.evidence)] == "It was built in 1889 by Eiffel."
    assert (made_up.score, made_up.verdict, made_up.passage, made_up.evidence) == (0.0, NOT_IN_CONTEXT, 0, None)
    assert score.value == 0.5 and score.detail == {"claims": 2, "supported": 1, "hallucinated": 0.5}


def test_the_threshold_and_the_length_of_runs_decide():
    case = said("It was built in Rome.", passages=PASSAGES)  # 2 of 3 trigrams
    assert values(Containment(), case) == [pytest.approx(2 / 3)]
    (strict,) = judged(Containment(threshold=0.7), case)
    assert strict.claims[0].verdict == NOT_IN_CONTEXT
    assert values(Containment(n=1), case) == [pytest.approx(4 / 5)]


@pytest.mark.parametrize("answer", ["I don't know.", "?!…", "[1]"])
def test_who_claims_nothing_is_unmeasured(answer):
    for measure in (Containment(), LexicalFloor()):
        (score,) = judged(measure, said(answer, passages=PASSAGES))
        assert math.isnan(score.value) and score.reason == "it claims nothing"


def test_a_citation_behind_the_full_stop_belongs_to_the_sentence_before():
    (score,) = judged(Containment(), said("It stands in Paris. [2] Bread needs flour.[1]", passages=PASSAGES))
    assert [claim.passage for claim in score.claims] == [2, 1] and score.value == 1.0


def test_the_sentence_of_a_passage_shares_most():
    assert sentence_of(["tall", "tower"], PASSAGES[1]) == (0, 18)
    assert sentence_of(["moon"], PASSAGES[1]) is None and sentence_of(["moon"], "") is None


def test_words_that_no_passage_has_are_marked():
    answer = "The tower was built by Napoleon [1]. Napoleon!"
    (score,) = judged(LexicalFloor(), said(answer, passages=PASSAGES))
    assert [answer[words.start : words.end] for words in score.words] == ["Napoleon", "Napoleon"]
    assert score.value == pytest.approx(1 / 6)
    assert values(LexicalFloor(content=True), said(answer, passages=PASSAGES)) == [pytest.approx(1 / 3)]  # tower built napoleon


def test_the_generators_probability_is_the_geometric_mean():
    tokens = (Token("In", math.log(0.5)), Token(" 1889.", math.log(0.125)), Token(" Yes.", 0.0))
    (score,) = judged(GeneratorProbability(), said("In 1889. Yes.", tokens=tokens))
    assert score.value == pytest.approx((0.5 * 0.125) ** (1 / 3))
    assert [claim.score for claim in score.claims] == pytest.approx([0.25, 1.0])


def test_a_token_without_a_probability_leaves_it_unmeasured():
    (score,) = judged(GeneratorProbability(), said("In.", tokens=(Token("In", -1.0), Token(".", math.nan))))
    assert math.isnan(score.value) and "log-probability" in score.reason
    assert values(GeneratorProbability(), said("In.", tokens=(Token("In.", -math.inf),))) == [0.0]
    (put_together,) = judged(GeneratorProbability(), said("Something else.", tokens=(Token("In.", 0.0),)))
    assert put_together.value == 1.0 and not put_together.claims
