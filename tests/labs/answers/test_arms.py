"""Arms over drawn questions: who is drawn, what is missing, nothing written twice, and what an arm that asks only some is worth."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.labs.answers import arms
from core.progress import drain
from tests.labs.answers.test_answering import many, template  # noqa: F401


def test_questions_without_references_or_evidence_are_not_drawn(bench):
    queries = bench.evaluate(many()).corpus.queries[:3]
    queries = [queries[0], queries[1]._replace(answers=()), queries[2]._replace(gold=())]
    few = SimpleNamespace(corpus=SimpleNamespace(name="towns", queries=queries), config=many())
    assert arms.drawn(few, 9, evidence=True) == [0] and sorted(arms.drawn(few, 9)) == [0, 2]
    few.corpus.queries = queries[1:]
    with pytest.raises(WorkbenchError, match="no question with a reference answer and evidence"):
        arms.drawn(few, 9, evidence=True)


def test_an_arm_may_ask_only_some_questions_and_judge_by_other_references(bench, reader):
    draw = arms.standing_draw(bench, many(), 3)
    asked = {"every": draw.over_retrieved(), "first": [draw.over_retrieved()[0], None, None]}
    before = draw.arms(asked)
    assert arms.missing(bench, before.values()).answers == 3 and not any(before["every"].answers)
    drain(arms.write(bench, [*before.values()]))
    after = draw.arms(asked)
    assert arms.missing(bench, after.values()).answers == 0 and len(reader.prompts) == 3, "what two arms ask is written once"
    assert arms.missing(bench, before.values()).answers == 3, "of what was read before a job wrote, that is missing still"
    every, first = (arms.values(bench, after[name], ("em", "f1")) for name in asked)
    assert first["f1"][0] == every["f1"][0] and np.isnan(first["f1"][1:]).all()
    places = []

    def itself(place, case):
        places.append(place)
        return case._replace(references=(case.answer,))

    assert arms.values(bench, after["every"], ("f1",), itself)["f1"].tolist() == [1.0] * 3 and places == [0, 1, 2]
    assert arms.measure_column("f1", "gold f1", "F1 gold")[:2] == ("gold f1", "F1 gold")
