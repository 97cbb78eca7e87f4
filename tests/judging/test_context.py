"""Context precision, recall, noise and use by gold spans, and who is to blame, on cases made by hand."""

import math

import pytest

from core.judging.measures.blame import Blame
from core.judging.measures.context_precision import ContextPrecision
from core.judging.measures.context_recall import ContextRecall
from core.judging.measures.context_use import ContextUse
from core.judging.measures.noise import ContextNoise
from tests.support.judging import judged, said, values

TOWER, TALL, BREAD = "The tower was built in 1889.", "It is 330 metres tall.", "Bread is made of flour and water."


def case(answer: str = TOWER, covered=(set(), {0}, {0, 1}), units=3, references=(), **more):
    return said(
        answer,
        *references,
        passages=(BREAD, TOWER, TALL),
        units=units,
        covered=tuple(map(frozenset, covered)),
        answerable=True,
        **more,
    )


def test_precision_recall_and_noise_of_the_passages():
    (precision,) = judged(ContextPrecision(), case())
    assert precision.value == pytest.approx(2 / 3) and precision.detail["average_precision"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    (recall,) = judged(ContextRecall(), case())
    assert recall.value == pytest.approx(2 / 3) and recall.detail == {"missing": [2]}
    (noise,) = judged(ContextNoise(), case())
    assert noise.value == pytest.approx(1 / 3) and noise.detail["words"] == pytest.approx(7 / 18)


def test_they_tell_of_the_context_of_a_silent_answer_too():
    assert values(ContextRecall(), case("I don't know.", units=2), case("", units=2)) == [1.0, 1.0]


def test_other_numbers_of_passages_than_of_gold_evidence_are_unmeasured():
    for measure in (ContextPrecision(), ContextUse()):
        (score,) = judged(measure, case(covered=({0},)))
        assert math.isnan(score.value) and score.reason == "gold evidence of 1 passages told, for 3"


def test_use_is_the_share_of_statements_on_gold_passages():
    answer = f"{TOWER} {BREAD} Napoleon baked it himself."
    (score,) = judged(ContextUse(), case(answer))
    assert score.value == 0.5 and score.detail == {"gold": 1, "other": 1, "none": 1}
    nothing, on_none = judged(ContextUse(), case("I don't know."), case("Napoleon baked it himself."))
    assert (nothing.reason, on_none.reason) == ("it claims nothing", "it rests on no passage")
    (no_gold,) = judged(ContextUse(), case(covered=(set(), set(), set())))
    assert no_gold.reason == "no passage holds gold evidence"


@pytest.mark.parametrize(("answer", "reference", "value"), [
    (BREAD, f"{TOWER} {TALL}", 0.0),  # both were handed over, and not said: the generator
    (BREAD, "Napoleon died on an island.", 1.0),  # no passage has it: the retriever
    (BREAD, f"{TOWER} Napoleon died on an island.", 0.5),
    ("I don't know.", TOWER, 0.0),
    ("", "Napoleon died on an island.", 1.0),
])  # fmt: skip
def test_what_is_missed_is_blamed_on_who_did_not_have_it(answer, reference, value):
    assert values(Blame(), case(answer, references=(reference,))) == [value]


def test_ragcheckers_metrics_by_hand():
    reference = f"{TOWER} Napoleon died on an island."
    answer = f"{TOWER} {BREAD} Napoleon died on an island. Cats sleep all day long."
    (score,) = judged(Blame(), case(answer, references=(reference,)))
    assert math.isnan(score.value) and score.reason == "the answer says all of the reference"
    assert score.detail == {
        "claim_recall": 1 / 2,
        "context_precision": 1 / 3,
        "context_utilisation": 1.0,
        "noise_sensitivity_relevant": 0.0,
        "noise_sensitivity_irrelevant": 1 / 4,  # the bread
        "hallucination": 1 / 4,  # the cats
        "self_knowledge": 1 / 4,  # Napoleon
        "faithfulness": 1 / 2,
        "precision": 1 / 2,
        "recall": 1.0,
        "missed_in_context": 0,
        "missed_not_in_context": 0,
    }


def test_a_short_reference_is_met_by_a_sentence_that_says_it():
    (score,) = judged(Blame(), case("Built in 1889.", references=("1889", "in 1889")))
    assert score.detail["precision"] == score.detail["recall"] == 1.0


def test_who_declines_has_no_metrics_of_statements():
    (score,) = judged(Blame(), case("I don't know.", references=(TOWER,)))
    assert score.detail["precision"] is None and score.detail["recall"] == 0.0


def test_by_entailment_use_and_blame_read_other_words():
    (use,) = judged(ContextUse(by="entailment"), case("The building of the tower was in 1889. Flour and water make bread."))
    assert use.detail == {"gold": 1, "other": 1, "none": 0}
    (copied,) = judged(ContextUse(), case("The building of the tower was in 1889."))
    assert copied.reason == "it rests on no passage"
    assert values(Blame(by="entailment"), case("Flour and water make bread.", references=("Its height is 330 metres.",))) == [0.0]
    assert values(Blame(by="entailment"), case("Flour and water make bread.", references=("Napoleon died on an island.",))) == [
        1.0
    ]
