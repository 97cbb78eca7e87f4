"""What stands behind a score: the judge's prompts and runs, as they were kept, and other answers to the question."""

import pytest

from core import registry
from core.config import TrialConfig
from core.judging.measure import AnswerCase
from core.judging.measures.atomic_containment import AtomicContainment
from core.judging.measures.rubric import JudgeRubric
from core.labs.scores import behind
from core.labs.scores.judging import measure_all
from core.progress import drain
from core.workbench import Workbench
from tests.support.failing import failing, read, recipe
from tests.support.recorded_judge import RecordedJudge

CASE = AnswerCase("Of what is the moon?", "The moon is of rock.", ("The moon is of rock.",))


class Counting(RecordedJudge):
    """Each text is counted."""

    def says(self, prompt: str, seed: int) -> str:
        TEXTS.append(prompt)
        return super().says(prompt, seed)


TEXTS: list[str] = []


@pytest.fixture
def bench(tmp_path, monkeypatch):
    registry.parts("generator")
    monkeypatch.setitem(registry._parts["generator"], "recorded", Counting)
    TEXTS.clear()
    return Workbench(tmp_path / "home")


def test_a_judges_prompt_is_told_with_every_run_and_nothing_is_asked_anew(bench):
    config = TrialConfig.model_construct(**dict(TrialConfig()) | {"generation": Counting(temperature=0.5)})
    [scored] = drain(measure_all(bench, config, [JudgeRubric()], [CASE]))
    assert len(TEXTS) == 3 and len(scored.scores[0].detail["runs"]) == 3
    [asked] = drain(behind.judge_prompts(bench, config, JudgeRubric(), CASE))
    assert asked.prompt == TEXTS[0] and [draw for draw, _ in asked.replies] == [0, 1, 2]
    assert all('"words"' in text for _, text in asked.replies)
    [split] = drain(behind.judge_prompts(bench, config, AtomicContainment(), CASE))
    assert len(TEXTS) == 3, "the claims were never asked for, and are not now"
    assert "not asked" in split.replies[0][1]


def test_the_spread_is_the_mean_over_answers_that_were_judged_twice(bench):
    config = TrialConfig.model_construct(**dict(TrialConfig()) | {"generation": Counting(temperature=0.5)})
    other = CASE._replace(answer="It is of cheese.")
    [scored] = drain(measure_all(bench, config, [JudgeRubric()], [CASE, other, CASE._replace(answer=" ")]))
    spreads = [score.detail["spread"] for score in scored.scores[:2]]
    assert behind.spread(scored.scores) == (pytest.approx(sum(spreads) / 2), 2)
    assert behind.spread(scored.scores[2:]) is None


@pytest.mark.slow
def test_other_answers_to_the_question_are_those_of_its_corpus_without_itself(tmp_path, monkeypatch):
    bench = failing(tmp_path)
    read(monkeypatch)
    for question in ("When does the market of Lund open?", "When does the market of Lund open?", "Which grade has Kiel?"):
        for _ in bench.ask(recipe(), question):
            pass
    case = AnswerCase("When does the market of Lund open?", "x")
    first, *earlier = behind.others(bench, "towns", case)
    assert len(earlier) == 1
    [row] = bench.store.query("SELECT id, prompt FROM answers WHERE question LIKE '%Lund%' ORDER BY id LIMIT 1")
    [other] = behind.others(bench, "towns", case, row["id"])
    assert other == first and other.case.passages and "Lund" in other.text
    assert behind.others(bench, "elsewhere", case) == []
    assert behind.prompt_of(bench, row["id"]) == row["prompt"] and behind.prompt_of(bench, "nobody") == ""
