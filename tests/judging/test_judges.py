"""The rubric, the gate, and pairs in both orders, by judges whose bias is planted."""

import json
import math
from functools import partial

import numpy as np
import pytest

from core.embedding.minilm import MiniLM
from core.embedding.vectors import embed
from core.errors import WorkbenchError
from core.judging import pairs as pairwise
from core.judging.gate import DIMENSIONS, gate
from core.judging.measure import AnswerCase, JudgeTools, scores
from core.judging.measures.rubric import JudgeRubric
from core.judging.pairs import AnswerPair
from core.progress import drain
from tests.support.recorded_judge import RecordedJudge

CASES = [
    AnswerCase("When was it built?", "In 1889.", ("The tower was built in 1889.",), ("1889",)),
    AnswerCase("Who built it?", "A bad answer of aliens.", ("Eiffel built it.",)),
    AnswerCase("Where?", "In Paris."),
]


def tools(judge, folder) -> JudgeTools:
    return JudgeTools(MiniLM(), partial(embed, folder=folder), judge, 0, folder / "texts")


class Rater(RecordedJudge):
    """2 for what is called bad, 4 for the rest."""

    def says(self, prompt: str, seed: int) -> str:
        value = 2 if "bad answer" in prompt else 4
        return json.dumps({"words": "So.", **dict.fromkeys(DIMENSIONS, value), "confident_hallucination": value == 2})


class Odd(RecordedJudge):
    """Prose, 7 of 5, NaN, nothing or a good rating, by its model's name."""

    def says(self, prompt: str, seed: int) -> str:
        good = {"words": "So.", **dict.fromkeys(DIMENSIONS, 4), "confident_hallucination": False}
        odd = {"prose": "I like it: 4 of 5!", "seven": json.dumps(good | {"clarity": 7}), "nan": json.dumps(good | {"clarity": math.nan}),
               "nothing": "", "half": json.dumps(good)[:40]}  # fmt: skip
        return odd[self.model] if "bad answer" in prompt else json.dumps(good)


def test_the_rubric_is_the_mean_of_four_dimensions_with_the_judges_words(tmp_path):
    good, bad, bare = drain(scores(JudgeRubric(), CASES, tools(Rater(), tmp_path)))
    assert (good.value, bad.value, bare.value) == (4, 2, 4) and good.detail["technical_accuracy"] == 4
    assert good.detail["runs"] == [4, 4, 4] and good.detail["spread"] == 0 and good.detail["replies"][0]["words"] == "So."
    drawn = drain(scores(JudgeRubric(), CASES, tools(RecordedJudge(model="draws"), tmp_path)))
    assert any(score.detail["spread"] > 0 for score in drawn), "runs are other draws"


@pytest.mark.parametrize("kind", ["prose", "seven", "nan", "nothing", "half"])
def test_what_is_no_rating_is_unmeasured_with_the_reason_and_the_rest_kept(kind, tmp_path):
    good, bad, _ = drain(scores(JudgeRubric(), CASES, tools(Odd(model=kind), tmp_path)))
    assert good.value == 4 and math.isnan(bad.value) and "0 of 3 runs" in bad.reason and bad.detail["unmeasured"]
    assert not bad.reason.startswith("failed"), "asking again would give the same"


@pytest.mark.parametrize("ratings, hallucination, revisions, verdict, words", [
    ((3, 3, 3, 4), False, 0, "accept", ""),
    ((3, 3, 3, 3), False, 0, "revise", "mean 3, below 3.25"),
    ((2.9, 5, 5, 5), False, 0, "revise", "technical accuracy 2.9, below 3"),
    ((5, 2, 5, 5), False, 3, "reject", "calibration 2, below 3"),
    ((5, 5, 5, 5), True, 2, "revise", "a confident hallucination"),
    ((5, 5, 5, 5), True, 3, "reject", "3 revisions"),
    ((5, 5, 5, 5), False, 9, "accept", ""),
    ((5, math.nan, 5, 5), False, 0, "undecided", "unmeasured: calibration"),
])  # fmt: skip
def test_the_editors_gate(ratings, hallucination, revisions, verdict, words):
    made = gate(dict(zip(DIMENSIONS, ratings, strict=True)), hallucination, revisions)
    assert made.verdict == verdict and words in "; ".join(made.reasons) and bool(made.reasons) == (verdict != "accept")


class Comparer(RecordedJudge):
    """first: whatever stands first; longer: the longer answer; right: the one with a 7; noise: by the draw."""

    def says(self, prompt: str, seed: int) -> str:
        first, second = prompt.rpartition("First answer: ")[2].split("\nSecond answer: ")
        better = {
            "first": "first",
            "longer": "first" if len(first) > len(second) else "second",
            "right": "first" if "7" in first else "second",
            "noise": ("first", "second")[int(np.random.default_rng([seed, *prompt.encode()]).integers(2))],
        }[self.model]
        return json.dumps({"words": "So.", "better": better})


PAIRS = [
    AnswerPair(f"Question {i}?", "It is 7" + " indeed" * (i % 2), "It is 8" + " really" * ((i + 1) % 2), better=1.0)
    for i in range(12)
]


@pytest.mark.parametrize("judge, position, length, consistent, right", [
    ("first", 1, 0, 0, 0), ("longer", 0, 1, 1, 0.5), ("right", 0, 0, 1, 1),
])  # fmt: skip
def test_a_planted_bias_is_told(judge, position, length, consistent, right, tmp_path):
    made = drain(pairwise.verdicts(PAIRS, tools(Comparer(model=judge), tmp_path), 2, 0.3))
    told = pairwise.bias(made.places, PAIRS)
    assert [told.position.mean, told.length.mean, told.consistent.mean] == [position, length, consistent]
    assert told.right.mean == right and told.spread == 0 and (told.measured, told.asked) == (24, 24) and not made.unmeasured


def test_noise_has_a_spread_and_no_bias_and_a_panel_outvotes_it(tmp_path):
    places = [
        drain(pairwise.verdicts(PAIRS, tools(Comparer(model=m), tmp_path), 4, 0.5)).places for m in ("noise", "right", "right")
    ]
    told = pairwise.bias(places[0], PAIRS)
    assert told.spread > 0.2 and told.position.low < 0 < told.position.high and told.length.low < 0 < told.length.high
    assert (pairwise.panel(places) == 1).all()


def test_a_pair_that_one_order_lacks_is_in_no_mean():
    places = np.array([[[1.0, np.nan]], [[1.0, -1.0]], [[np.nan, np.nan]]])
    told = pairwise.bias(places, PAIRS[:3])
    assert told.position.n == told.consistent.n == told.measured == 1 and told.consistent.mean == 1 and told.spread is None
    assert np.isnan(pairwise.panel([places])).tolist() == [True, False, True]


class Dying(Rater):
    def says(self, prompt: str, seed: int) -> str:
        if "Who" in prompt:
            raise WorkbenchError("The endpoint cannot be reached.")
        return super().says(prompt, seed)


def test_a_judge_that_cannot_be_reached_is_unmeasured_and_asked_again(tmp_path):
    made = drain(scores(JudgeRubric(), CASES, tools(Dying(), tmp_path)))
    assert any(score.reason.startswith("failed: The endpoint cannot be reached.") for score in made)
    assert [score.value for score in drain(scores(JudgeRubric(), CASES, tools(Rater(), tmp_path)))] == [4, 2, 4]
