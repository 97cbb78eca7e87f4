"""Files that people bring: what is broken is told with its line, the rest is kept."""

import gzip
import json

import pytest

from core.errors import WorkbenchError
from core.judging.measure import AnswerCase
from core.judging.measures.answered import AnswerStated
from core.judging.measures.em import ExactMatch
from core.labs.scores.answer_file import LONGEST, line_of, read
from core.progress import drain

GOOD = {"question": "Who?", "passages": ["It was Ann."], "answer": "Ann."}


def written(tmp_path, *lines):
    path = tmp_path / "answers.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return path


def test_everything_a_line_may_hold(tmp_path):
    more = {
        "reference": ["Ann", "Anne"],
        "label": 1,
        "spans": [[0, 3]],
        "domain": "law",
        "id": "x",
        "group": "g",
        "answerable": True,
    }
    objects = {**GOOD, "passages": [{"text": "It was Ann.", "title": "T"}], "reference": "Ann", "spans": [{"start": 0, "end": 4}]}
    file = drain(read(written(tmp_path, GOOD | more, b"", objects, {**GOOD, "passages": "It was Ann.", "label": 0.25})))
    first, second, third = file.rows
    assert first.case.references == ("Ann", "Anne") and first.label == 1.0 and first.spans == ((0, 3),)
    assert (first.domain, first.id, first.group, first.case.answerable) == ("law", "x", "g", True)
    assert second.case.passages == third.case.passages == ("It was Ann.",) and second.case.references == ("Ann",)
    assert second.spans == ((0, 4),) and second.label is None and third.label == 0.25 and third.spans is None
    assert second.group == third.group and file.lines == 3 and not file.notes and second.place == "answers.jsonl:3"


def test_an_answer_is_read_back_as_it_was_written(tmp_path):
    """Its citations are no words, and one that failed says nothing: otherwise its scores would be others in a file."""
    cited = AnswerCase("Who?", "Ann (1).", ("It was Ann.",), ("Ann",), True, citations="parentheses", asked_to_cite=True)
    failed = AnswerCase("Who?", "", ("It was Ann.",), ("Ann",), finish_reason="failed: HTTP 500", asked_to_cite=True)
    file = drain(read(written(tmp_path, *(line_of(case, str(n)) for n, case in enumerate((cited, failed))))))
    assert [row.case for row in file.rows] == [cited, failed] and [row.id for row in file.rows] == ["0", "1"]
    assert ExactMatch().scored(file.rows[0].case).value == 1 and "no answer" in AnswerStated().unmeasurable(file.rows[1].case)
    odd = drain(read(written(tmp_path, {**GOOD, "citations": ["APA"], "finish_reason": 3, "asked_to_cite": "no"})))
    assert odd.rows[0].case == AnswerCase("Who?", "Ann.", ("It was Ann.",)) and "Citations are read as brackets" in odd.notes[0]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b'{"question": ', "Not a JSON object"),
        (b"[1]", "Not a JSON object"),
        (b"[" * 100_000, "Not a JSON object"),
        ({**GOOD, "answer": None}, '"answer" (there is none)'),
        ({**GOOD, "answer": 3}, '"answer"'),
        ({**GOOD, "passages": [1]}, '"passages"'),
        ({**GOOD, "reference": [{"a": 1}]}, '"reference"'),
        ({**GOOD, "question": ["Who?"]}, '"question"'),
        ({**GOOD, "answer": "a" * LONGEST}, "longer than"),
    ],
)
def test_a_broken_line_is_left_out_and_named(tmp_path, line, word):
    file = drain(read(written(tmp_path, GOOD, line, GOOD)))
    assert len(file.rows) == 2 and file.lines == 3
    [note] = file.notes
    assert word in note and "answers.jsonl:2" in note


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("label", "yes", "not a number"),
        ("spans", [[0, 99]], "not characters"),
        ("spans", [[2, 1]], "not characters"),
        ("spans", 5, "not characters"),
        ("spans", [[0, 1, 2]], "not characters"),
        ("spans", [["a", "b"]], "not characters"),
        ("spans", [{"start": 0}], "not characters"),
    ],
)
def test_a_label_that_is_none_is_told_and_the_answer_stays(tmp_path, field, value, word):
    file = drain(read(written(tmp_path, GOOD, {**GOOD, field: value})))
    assert getattr(file.rows[1], field) is None and word in file.notes[0] and "answers.jsonl:2" in file.notes[0]


def test_what_is_no_number_in_json_is_nothing(tmp_path):
    file = drain(read(written(tmp_path, GOOD, *({**GOOD, "label": value} for value in (float("nan"), float("inf"), None)))))
    assert len(file.rows) == 4 and [row.label for row in file.rows[1:]] == [None] * 3


def test_other_encodings_are_read_or_named(tmp_path):
    latin = json.dumps({**GOOD, "answer": "Zoë"}, ensure_ascii=False).encode("cp1252")
    file = drain(read(written(tmp_path, GOOD, latin)))
    assert file.rows[1].case.answer == "Zoë" and "answers.jsonl:2" in file.notes[0]
    path = tmp_path / "wide.jsonl"
    path.write_text(json.dumps(GOOD), "utf-16")
    with pytest.raises(WorkbenchError, match="UTF-8"):
        drain(read(path))
    packed = tmp_path / "answers.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(GOOD).encode()))
    assert len(drain(read(packed)).rows) == 1


def test_a_file_without_answers_says_what_a_line_is(tmp_path):
    (tmp_path / "empty.jsonl").write_text("")
    for path in (tmp_path / "empty.jsonl", written(tmp_path, b"{", b"[]"), tmp_path, tmp_path / "absent.jsonl"):
        with pytest.raises(WorkbenchError) as error:
            drain(read(path))
        assert error.value.where


def test_a_group_a_domain_and_an_id_of_zero_are_kept(tmp_path):
    rows = drain(
        read(written(tmp_path, *({**GOOD, "question": f"q{n}", "group": 0, "id": 0, "domain": 0} for n in range(2))))
    ).rows
    assert [(row.group, row.id, row.domain) for row in rows] == [("0", "0", "0")] * 2
