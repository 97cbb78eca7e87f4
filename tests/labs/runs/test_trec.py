"""Runs and judgements in TREC's format: read, refused with the line, written and read again."""

import gzip
import re

import pytest

from core.errors import WorkbenchError
from core.labs.runs import trec

RUN = "q1 Q0 b 1 2.0 t\nq1 Q0 a 2 2.0 t\nq1 Q0 c 3 9 t\nq2\tQ0\td\t1\t-1e-3\tt\n"


def file(tmp_path, text, name="one.run"):
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return tmp_path / name


@pytest.mark.parametrize("name", ["one.run", "one.txt.gz"])
def test_scores_decide_and_among_equal_ones_the_larger_id(tmp_path, name):
    run = trec.read_run(file(tmp_path, RUN, name))
    assert run.name == "one" and list(run.ranked) == ["q1", "q2"]
    assert [document for document, _ in run.ranked["q1"]] == ["c", "b", "a"]
    same = trec.read_run(file(tmp_path, RUN.replace(" b 1 2.0", " a 1 2.0", 1).replace(" a 2 2.0", " b 2 2.0", 1)), "file")
    assert [document for document, _ in same.ranked["q1"]] == ["c", "a", "b"]


@pytest.mark.parametrize(("line", "what"), [
    ("q1 Q0 z 4 0.5", "5 fields"),
    ("q1 Q0 z 4 high t", "no number"),
    ("q1 Q0 z 4 nan t", "cannot be ranked"),
    ("q1 Q0 z 4 -inf t", "cannot be ranked"),
    ("q1 Q0 a 4 0.5 t", "ranked twice"),
])  # fmt: skip
def test_a_line_that_cannot_be_ranked_is_named_with_file_and_number(tmp_path, line, what):
    with pytest.raises(WorkbenchError, match=what) as error:
        trec.read_run(file(tmp_path, RUN + line + "\n"))
    assert error.value.where.endswith("one.run:5") and error.value.todo


def test_files_that_say_nothing_are_said_to(tmp_path):
    for text in ("", "\n\n"):
        with pytest.raises(WorkbenchError, match="ranks nothing"):
            trec.read_run(file(tmp_path, text))
    with pytest.raises(WorkbenchError, match="No document is judged"):
        trec.read_judgements(file(tmp_path, "q1 0 a 0\nq1 0 b -1\n"))
    with pytest.raises(WorkbenchError, match="no such file"):
        trec.read_run(tmp_path / "absent.run")


def test_judgements_have_grades_and_lines_that_cannot_be_read_are_told(tmp_path):
    questions, skipped = trec.read_judgements(file(tmp_path, "q1 0 a 3\nq1 0 b -2\nnonsense\nq2 Q0 c 1\n", "qrels.gz"))
    grades = {query.id: [(gold.document_id, gold.grade) for gold in query.gold] for query in questions}
    assert grades == {"q1": [("a", 3), ("b", 0)], "q2": [("c", 1)]}
    assert len(skipped) == 1 and re.search(r"qrels.*:3", skipped[0])


def test_what_is_written_is_read_again(tmp_path):
    run = trec.TrecRun("a b", {"q 1": [("d%1", 0.1), ("d\t2", 0.1), ("e", 1e-9)]})
    trec.write_run(run, tmp_path / "out.run.gz", depth=2)
    again = trec.read_run(tmp_path / "out.run.gz")
    assert [(d, pytest.approx(s)) for d, s in again.ranked["q%201"]] == [("d%251", 0.1), ("d%092", 0.1)]
