"""The recipe's answers, scored from the command line as on the page."""

import json

import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.judging.measure import AnswerCase
from core.judging.measures.citation_recall import CitationRecall
from core.judging.measures.em import ExactMatch
from core.labs.scores import behind, sets
from core.labs.scores.answer_file import AnswerRow
from core.progress import drain
from tests.support.failing import failing, read, recipe
from tests.support.judging import values


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


@pytest.mark.slow
def test_stored_answers_are_read_in_the_style_in_which_they_cite(tmp_path, monkeypatch):
    bench, reader, question = failing(tmp_path), read(monkeypatch), "When does the market of Lund open?"
    monkeypatch.setattr(reader, "answer", lambda prompt: "Opens at five (1).")
    for _ in bench.ask(recipe(**{"context.citations": "parentheses"}), question):
        pass
    [[row]] = sets.stored(bench, "towns").values()
    [other] = behind.others(bench, "towns", AnswerCase(question, "x"))
    for case in (row.case, other.case):
        assert case.citations == "parentheses"
        assert values(ExactMatch(), case._replace(references=("opens at five",))) == [1.0]
        assert values(CitationRecall(threshold=0.1), case) == [1.0], "it cites, whoever asked it to"


def rows(*told: tuple[str, str]) -> list[AnswerRow]:
    """(id, question) of each."""
    return [
        AnswerRow(str(place), AnswerCase(question, "yes", ()), id=identity) for place, (identity, question) in enumerate(told)
    ]


def pairs(a: list[AnswerRow], b: list[AnswerRow]) -> list[tuple[int, int]]:
    """Places in both sets of the same questions."""
    mine, theirs = sets.same_questions(a, b)
    return [(place, theirs.index(key)) for place, key in enumerate(mine) if key in theirs]


def test_answers_to_questions_in_the_same_words_are_paired_by_their_ids():
    a, b = rows(("1", "Why?"), ("2", "Who?"), ("3", "Why?")), rows(("3", "Why?"), ("1", "Why?"))
    assert pairs(a, b) == [(0, 1), (2, 0)]
    assert pairs(a, rows(("1", "Who?"), ("2", "Why?"), ("3", "Why?"))) == [(0, 1), (1, 0), (2, 2)], (
        "such ids are of other questions"
    )


def test_without_ids_the_first_of_the_same_words_belongs_to_the_first_and_unequal_numbers_are_refused():
    a, b = rows(("", "Why?"), ("", "Who?"), ("", "Why?")), rows(("", "Who?"), ("", "Why?"), ("", "Why?"), ("", "When?"))
    assert pairs(a, b) == [(0, 1), (1, 0), (2, 2)]
    assert pairs(a, rows(("", "When?"), ("", "When?"), ("", "Who?"))) == [(1, 2)]
    with pytest.raises(WorkbenchError, match=r"2 answers to the question 'Why\?', the other 1"):
        pairs(a, rows(("", "Why?"), ("", "Who?")))
