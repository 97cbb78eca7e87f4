"""Broken files of rephrasings: each is told with its line, and no model is loaded for it."""

import json

import pytest

from core.errors import WorkbenchError
from core.labs.answers import rephrasing


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", "mine.jsonl"),
        (b"\n\n", "mine.jsonl"),
        (b'{"question": "Who?", "rephrased": "By whom?"}\n{broken', "mine.jsonl:2"),
        (b'["Who?", "By whom?"]', "mine.jsonl:1"),
        (b'{"question": "Who?"}', "mine.jsonl:1"),
        (b'{"rephrased": "By whom?"}', "mine.jsonl:1"),
        (b'{"question": "Who?", "rephrased": ["By whom?"]}\n' + b"[" * 100_000, "mine.jsonl:2"),
        (bytes(range(256)), "mine.jsonl:1"),
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path, data, where):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(data)
    with pytest.raises(WorkbenchError) as told:
        rephrasing.read_file(path)
    assert str(told.value.where).endswith(where) and told.value.todo


def test_a_folder_and_a_missing_file_are_told(tmp_path):
    for path in (tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(WorkbenchError):
            rephrasing.read_file(path)


def test_an_empty_wording_is_a_question_without_one(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, [{"id": "a", "question": "Who?", "rephrased": ""}])))
    assert rephrasing.read_file(path) == {"a": "", "Who?": ""}
