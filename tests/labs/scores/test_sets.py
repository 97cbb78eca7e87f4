"""The recipe's answers, scored from the command line as on the page."""

import json

import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.labs.scores import sets
from core.progress import drain
from tests.support.failing import failing, read, recipe


@pytest.mark.slow
def test_answers_are_made_once_scored_and_told_by_question(tmp_path, monkeypatch, capsys):
    bench, reader = failing(tmp_path / "data"), read(monkeypatch)
    told = drain(sets.score_answers(bench, recipe(), 5, names=["em", "f1"]))
    assert told["answers_scored"] == 5 and [row["measure"] for row in told["measures"]] == ["em", "f1"]
    asked = len(reader.prompts)
    again = drain(sets.score_answers(bench, recipe(), 5, names=["em", "f1"]))
    assert len(reader.prompts) == asked and again["answers"] == told["answers"]
    with pytest.raises(WorkbenchError, match="no stored answers"):
        drain(sets.score_answers(bench, recipe(), 5, system="nobody"))
    assert main(["score-answers", "--questions", "5", "--measure", "f1", *bench.arguments(recipe()), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["answers_scored"] == 5 and len(reader.prompts) == asked
