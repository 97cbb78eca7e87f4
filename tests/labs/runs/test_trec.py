"""Runs and judgements in TREC's format: read, refused with the line, written and read again."""

import gzip
import re
import subprocess
import sys
from pathlib import Path

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
    with pytest.raises(WorkbenchError, match="No such file"):
        trec.read_run(tmp_path / "absent.run")


def test_judgements_have_grades_and_lines_that_cannot_be_read_are_told(tmp_path):
    questions, skipped = trec.read_judgements(file(tmp_path, "q1 0 a 3\nq1 0 b -2\nnonsense\nq2 Q0 c 1\n", "qrels.gz"))
    grades = {query.id: [(gold.document_id, gold.grade) for gold in query.gold] for query in questions}
    assert grades == {"q1": [("a", 3), ("b", 0)], "q2": [("c", 1)]}
    assert len(skipped) == 1 and re.search(r"qrels.*:3", skipped[0])


def test_the_mark_that_windows_puts_before_utf_8_belongs_to_no_question(tmp_path):
    mark, judged = "\ufeff", "q1 0 a 1\nq2 0 d 1\n"
    for name in ("marked.run", "marked.run.gz"):
        assert trec.read_run(file(tmp_path, mark + RUN, name)).ranked.keys() == {"q1", "q2"}
    assert trec.read_judgements(file(tmp_path, mark + judged)) == trec.read_judgements(file(tmp_path, judged))

    for read, text in ((trec.read_run, RUN), (trec.read_judgements, judged)):
        (tmp_path / "wide").write_bytes(text.encode("utf-16"))
        with pytest.raises(WorkbenchError, match="written in UTF-16"):
            read(tmp_path / "wide")


def test_what_is_written_is_read_again(tmp_path):
    ids = map(trec.written, ("d%1", "d\t2", "e"))
    run = trec.TrecRun("a b", {trec.written("q 1"): list(zip(ids, (0.1, 0.1, 1e-9), strict=True))})
    trec.write_run(run, tmp_path / "out.run.gz", depth=2)
    again = trec.read_run(tmp_path / "out.run.gz")
    assert [(d, pytest.approx(s)) for d, s in again.ranked["q%201"]] == [("d%251", 0.1), ("d%092", 0.1)]
    trec.write_run(again, tmp_path / "again.run", depth=9)
    assert trec.read_run(tmp_path / "again.run").ranked.keys() == again.ranked.keys(), "ids stay whatever passes through"


def test_white_space_of_ids_between_tabs_is_as_runs_have_it(tmp_path):
    told, _ = trec.read_judgements(file(tmp_path, "query-id\tcorpus-id\tscore\nq 1\tmy notes.txt\t1\nq%202\ta%20b\t1\n"))
    assert [(query.id, query.gold[0].document_id) for query in told] == [("q%201", "my%20notes.txt"), ("q%202", "a%20b")]


def test_a_ranking_is_a_sequence_of_documents_with_their_scores():
    entries = [("d1", 3.5), ("D\u00fc2", 0.1), ("d3", -1e300)]
    ranking = trec.Ranking(entries)
    assert list(ranking) == entries and len(ranking) == 3 and ranking[1] == entries[1] and ranking[-1] == entries[-1]
    for place in (slice(2), slice(0), slice(9), slice(1, 3), slice(None, None, -1), slice(None), slice(-1)):
        assert ranking[place] == entries[place]
    assert list(trec.Ranking([])) == [] and trec.Ranking([])[:5] == []


def test_lines_of_a_run_may_stand_in_any_order(tmp_path):
    lines = [f"q{q} Q0 d{d} 0 {10 * q + d} t" for q in range(5) for d in range(7)]
    one, other = tmp_path / "one.run", tmp_path / "other.run"
    one.write_text("\n".join(lines))
    other.write_text("\n".join(sorted(lines, key=lambda line: line.split()[2])))
    ranked = [{q: list(r) for q, r in trec.read_run(path).ranked.items()} for path in (one, other)]
    assert ranked[0] == ranked[1] and ranked[0]["q3"][0] == ("d6", 36.0)


def test_a_document_ranked_twice_is_told_with_its_line_wherever_it_stands(tmp_path):
    path = tmp_path / "twice.run"
    path.write_text("q1 Q0 a 1 3 t\nq2 Q0 a 1 3 t\nq1 Q0 b 2 2 t\nq2 Q0 b 2 1 t\nq1 Q0 a 3 1 t\n")
    with pytest.raises(WorkbenchError, match="'a' is ranked twice for question 'q1'") as error:
        trec.read_run(path)
    assert error.value.where.endswith("twice.run:5")


MEMORY = """
import resource, sys
from pathlib import Path
from core.labs.runs import measuring, trec
questions, _ = trec.read_judgements(Path(sys.argv[2]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run = trec.read_run(Path(sys.argv[1]))
measuring.report([run], None, questions, [measuring.measure_of(words) for words in measuring.METRICS])
trec.write_run(run, Path(sys.argv[3]), 1000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_the_lines_of_a_long_run_take_less_than_90_bytes_each(tmp_path):
    """So that 10,000,000 take less than 1 GB, with the run that is written again."""
    lines, run, judged = 2_000_000, tmp_path / "long.run", tmp_path / "judged.txt"
    with run.open("w") as file:
        for q in range(lines // 1000):
            file.writelines(
                f"topic{q} Q0 document-{(q * 7919 + d * 104729) % 8_800_000} {d} {1000 - d}.25 long\n" for d in range(1000)
            )
    judged.write_text("".join(f"topic{q} 0 document-{(q * 7919) % 8_800_000} 1\n" for q in range(lines // 1000)))
    command = [sys.executable, "-c", MEMORY, str(run), str(judged), str(tmp_path / "again.run.gz")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[3])
    assert 1024 * int(done.stdout) < 90 * lines
