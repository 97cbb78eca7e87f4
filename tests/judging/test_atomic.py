import json
import math

from core.judging.measure import SUPPORTED, AnswerCase, JudgeTools, scores
from core.judging.measures.atomic_containment import AtomicContainment
from core.judging.measures.atomic_entailment import AtomicEntailment
from core.judging.measures.containment import Containment
from core.progress import drain
from tests.support.judging import kept_nowhere
from tests.support.recorded_judge import RecordedJudge

PASSAGES = ("Ann is a doctor. Ann left Rome in 1990.",)
LONG = AnswerCase("Who?", "Ann is a doctor and left Paris [1]. She did so late.", PASSAGES)
SPLIT = {"Ann is a doctor and left Paris": ["Ann is a doctor.", "Ann left Paris.", "!"], "She did so late": ["Ann left late."]}


class Splitter(RecordedJudge):
    def says(self, prompt: str, seed: int) -> str:
        if self.model == "prose":
            return "It says that Ann is a doctor."
        return json.dumps({"claims": next(claims for said, claims in SPLIT.items() if said in prompt)})


def scored(measure, model: str, folder):
    (score,) = drain(scores(measure, [LONG], JudgeTools(None, kept_nowhere, Splitter(model=model), 0, folder)))
    return score


def test_each_claim_of_a_sentence_is_held_against_the_passages_by_itself(tmp_path):
    score = scored(AtomicContainment(), "splits", tmp_path)
    assert score.detail["atomic"] == ["Ann is a doctor.", "Ann left Paris.", "Ann left late."]
    assert [claim.score for claim in score.claims] == [1, 0, 0] and score.detail["supported"] == 1
    first, second, third = ((claim.start, claim.end) for claim in score.claims)
    assert first == second != third and LONG.answer[slice(*first)].startswith("Ann is a doctor and left Paris")
    assert scored(Containment(), "splits", tmp_path).detail["claims"] == 2


def test_a_model_that_splits_nothing_leaves_it_unmeasured(tmp_path):
    score = scored(AtomicContainment(), "prose", tmp_path)
    assert math.isnan(score.value) and "the judge's answer is not JSON" in score.reason


def test_by_entailment_a_sentence_that_is_right_in_part_counts_in_part(tmp_path):
    score = scored(AtomicEntailment(), "splits", tmp_path)
    assert score.detail["atomic"] == ["Ann is a doctor.", "Ann left Paris.", "Ann left late."]
    assert [claim.verdict == SUPPORTED for claim in score.claims] == [True, False, False] and score.claims[0].score > 0.5
    assert score.value == sum(claim.score for claim in score.claims) / 3
    assert math.isnan(scored(AtomicEntailment(), "prose", tmp_path).value)
