"""The questions of the built-in corpus: well formed, spread as documented, answered by the running Python's topics."""

import json
from collections import Counter
from pathlib import Path
from pydoc_data.topics import topics

import pytest

PATH = Path(__file__).resolve().parents[2] / "datasets" / "python-reference" / "questions.jsonl"
KEYS = {"id", "question", "topic", "answer", "level", "answerable"}


def one_line(text: str) -> str:
    """`text` with every run of white space as one space: line wrapping differs between Python releases."""
    return " ".join(text.split())


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def answerable(rows: list[dict]) -> list[dict]:
    return [row for row in rows if row["answerable"]]


def test_every_row_has_the_documented_keys_and_types(rows: list[dict]) -> None:
    for row in rows:
        assert set(row) == KEYS, row
        assert isinstance(row["answerable"], bool), row
        assert row["level"] in {"easy", "medium", "hard"}, row
        for key in ("topic", "answer"):
            assert isinstance(row[key], str if row["answerable"] else type(None)), row
        assert row["question"].strip() == row["question"] and row["question"].endswith("?"), row


def test_there_are_enough_questions_topics_and_levels(rows: list[dict], answerable: list[dict]) -> None:
    assert len(answerable) >= 150
    assert len(rows) - len(answerable) >= 15
    assert len({row["topic"] for row in answerable}) >= 60
    levels = Counter(row["level"] for row in answerable)
    assert min(levels[level] for level in ("easy", "medium", "hard")) >= 40, levels


def test_ids_and_questions_are_unique_and_rows_sorted_by_id(rows: list[dict]) -> None:
    ids = [row["id"] for row in rows]
    assert ids == sorted(set(ids))
    questions = Counter(one_line(row["question"]).casefold() for row in rows)
    assert [question for question, count in questions.items() if count > 1] == []


def test_answers_are_short_passages_and_never_shared(answerable: list[dict]) -> None:
    assert [row["id"] for row in answerable if not 20 <= len(row["answer"]) <= 400] == []
    answers = Counter((row["topic"], one_line(row["answer"])) for row in answerable)
    assert [answer for answer, count in answers.items() if count > 1] == []


def test_no_question_quotes_its_answer(answerable: list[dict]) -> None:
    quoting = [row["id"] for row in answerable if one_line(row["answer"]).casefold() in one_line(row["question"]).casefold()]
    assert quoting == []


def test_nearly_all_answers_occur_in_the_topics_of_the_running_python(answerable: list[dict]) -> None:
    texts = {name: one_line(text) for name, text in topics.items()}
    missing = [row["id"] for row in answerable if one_line(row["answer"]) not in texts.get(row["topic"], "")]
    assert len(missing) <= 0.05 * len(answerable), f"answers not in the topics: {', '.join(missing)}"
    if missing:
        print(f"answers not in the topics of this Python: {', '.join(missing)}")
