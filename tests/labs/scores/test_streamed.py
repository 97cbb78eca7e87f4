"""A file of more answers than memory should hold says what it says whole: the same numbers, the same lines."""

import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from core.config import TrialConfig
from core.corpus.reading import SHOWN, Notes
from core.errors import WorkbenchError
from core.labs.scores import answer_file, judged_file, judging, sets, streamed
from core.labs.scores.answer_file import AnswerRow
from core.progress import Running
from core.workbench import Workbench
from tests.labs.scores.test_judging import SEEN, _registered, file, judged, labelled  # noqa: F401, fixtures

ROOT = Path(__file__).resolve().parents[3]


def told(*judged_and_left):
    record = judging.record(*judged_and_left)
    return record | {"measures": [{**row, "seconds": 0} for row in record["measures"]]}


@pytest.fixture
def few(monkeypatch):
    """More than ten answers are many, and seven a block."""
    monkeypatch.setattr(answer_file, "MOST_WHOLE", 10)
    monkeypatch.setattr(streamed, "MOST", 7)


@pytest.mark.slow
@pytest.mark.parametrize("names", [(), ("shared_words", "f1")])
def test_many_answers_have_the_numbers_of_few(file, tmp_path, monkeypatch, names):  # noqa: F811
    with file.open("a") as lines:
        lines.write("\n{broken\n\n" + json.dumps(labelled(40, 1) | {"label": None}) + "\n")
    whole = told(*judged(file, *names, out=tmp_path / "whole.jsonl"))
    monkeypatch.setattr(answer_file, "MOST_WHOLE", 10)
    monkeypatch.setattr(streamed, "MOST", 7)
    many = told(*judged(file, *names, out=tmp_path / "many.jsonl"))
    assert whole["answers_scored"] == 41 and whole["lines_left_out"] == 1
    assert many | {"answers": 0, "notes": 0} == whole | {"answers": 0, "notes": 0}
    assert many["answers"] == [] and "--answers FILE" in many["notes"][-1] and many["notes"][:-1] == whole["notes"]
    lines = [[json.loads(line) for line in (tmp_path / f"{name}.jsonl").open()] for name in ("whole", "many")]
    assert lines[0] == lines[1] and len(lines[0]) == 41 and lines[0][1]["scores"]["shared_words"]["words"][0]["text"] == "zzz"


def test_no_more_than_a_block_is_judged_at_once_and_each_is_told(file, few):  # noqa: F811
    work, steps, seen = judged_file.judge(Workbench(), TrialConfig(), file, ("shared_words",)), [], [0]
    for step in Running(work):
        steps.append(step)
        seen.append(len(SEEN))
    assert max(b - a for a, b in pairwise(seen)) <= 7 and len(SEEN) == 40
    assert sum("from answer" in step.message and step.total == file.stat().st_size for step in steps) == 6


def test_large_answers_are_blocks_of_their_own(tmp_path, monkeypatch):
    path = tmp_path / "large.jsonl"
    path.write_text("\n".join(json.dumps({"answer": "a" * size, "passages": ["b"]}) for size in (5, 60, 60, 300, 1, 1)))
    monkeypatch.setattr(streamed, "MOST_TEXT", 100)
    blocks = [[len(row.case.answer) for row in rows] for _, rows in streamed._blocks(answer_file.AnswerLines(path))]
    assert blocks == [[5, 60], [60], [300], [1, 1]]


def test_a_measure_that_fails_leaves_the_others_as_they_are(file, few, monkeypatch):  # noqa: F811
    from tests.labs.scores.test_judging import SharedWords

    real = SharedWords.score

    def breaks(self, cases, tools):
        if len(SEEN) > 20:
            raise WorkbenchError("It broke.")
        return (yield from real(self, cases, tools))

    monkeypatch.setattr(SharedWords, "score", breaks)
    result, _ = judged(file, "shared_words", "f1")
    broken, whole = result.measured
    assert all(map(math.isnan, broken.values))
    assert broken.failed == "It broke." and sum(broken.reasons.values()) == 40 and not whole.failed and not whole.reasons
    SEEN.clear()
    with pytest.raises(WorkbenchError, match="It broke"):
        judged(file, "shared_words")


def test_rows_and_scores_are_as_they_were_put_in():
    rows = streamed.ManyRows("a.jsonl")
    case = streamed.AnswerCase("", "twelve words")
    for line, label in ((3, None), (5, 0.5)):
        rows.add(AnswerRow("", case, label, ((1, 4),) if label else None, f"group {line}", "law"), line)
    assert [row.place for row in rows] == ["a.jsonl:3", "a.jsonl:5"] and [row.label for row in rows] == [None, 0.5]
    assert rows[1].spans == ((1, 4),) and len(rows[1].case.answer) == 12 and rows[0].spans is None
    assert rows[0].group != rows[1].group and rows[0].domain == "law" and len(rows) == 2


def test_a_page_shows_no_more_than_it_holds(file, few):  # noqa: F811
    with pytest.raises(WorkbenchError, match="more than 10 answers") as error:
        sets.received(Workbench(), file.read_bytes())
    assert "core scores file" in error.value.todo


def test_of_what_is_broken_a_few_places_are_kept():
    notes = Notes()
    for number in range(10_000):
        notes.add("Broken", f"a:{number}")
    assert notes.count("Broken") == 10_000 and sum(map(len, notes._places.values())) == SHOWN
    assert notes.lines() == ("Broken: 10,000 (a:0, a:1, a:2, a:3, a:4, …).",)


MEMORY = """
import resource, sys
from pathlib import Path
from core.config import TrialConfig
from core.labs.scores import judged_file
from core.progress import drain
from core.workbench import Workbench
drain(judged_file.judge(Workbench(), TrialConfig(), Path(sys.argv[1]), ("em", "answered")))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_line_of_a_long_file_takes_less_than_600_bytes(tmp_path, monkeypatch):
    """So that 1,000,000 take less than 1 GB, what the process needs besides included."""
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    most = []
    for lines in (30_000, 130_000):
        path = tmp_path / f"{lines}.jsonl"
        with path.open("w") as out:
            for number in range(lines):
                row = {
                    "question": f"Q{number}",
                    "passages": ["A passage of some words. " * 8],
                    "answer": "Some words.",
                    "label": number % 2,
                }
                out.write(json.dumps(row | {"reference": "Some words"}) + "\n")
        done = subprocess.run([sys.executable, "-c", MEMORY, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)
        most.append(1024 * int(done.stdout))
    assert (most[1] - most[0]) / 100_000 < 600
