"""docs/python.md: its lines run as they stand there, and print what the verbs say."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.labs.systems import asking
from core.report.differences import differences_figure
from core.report.figures import find_browser
from core.statistics.paired import paired_difference
from tests.support.small_corpora import THINGS, WAYS, with_towns

ROOT = Path(__file__).resolve().parents[1]
TEN, LONG, OWN = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text("utf-8"), re.DOTALL)


def run(code: str, folder: Path) -> str:
    """What the code prints, in a process of its own that stands in the folder, as a notebook's does."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GROUNDWORK_HOME": str(folder / "data")}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def without_browser(code: str) -> str:
    return code if find_browser() else code.rsplit("\n", 2)[0] + "\n"  # the last line draws


@pytest.mark.slow
def test_ten_lines_lead_from_a_corpus_to_a_comparison_and_a_figure(tmp_path):
    assert len(TEN.split("\n")) - TEN.count("\n\n") - 1 == 10, "lines with something in them"
    asked = [
        {"id": thing, "question": f"Where does {thing} come from?", "document": f"{thing}.txt", "answer": WAYS[place % 4]}
        for place, thing in enumerate(THINGS)
    ]
    texts = {f"{thing}.txt": f"In this town {thing} {WAYS[place % 4]}. It rains." for place, thing in enumerate(THINGS)}
    bench = with_towns(tmp_path / "data", texts, asked)
    first, *lines = run(without_browser(TEN.replace("python-reference", "towns")) + LONG + OWN, tmp_path).splitlines()
    told = ast.literal_eval(first)
    assert list(told) == ["recall", "mrr", "ndcg_linear"]
    difference, low, high, p = told["mrr"]
    assert low <= difference <= high and 0 < p <= 1
    assert [trial["dataset"] for trial in bench.trials()] == ["towns"], "what a notebook stores, the pages show"
    assert "my RAG answered 10 of 10 questions" in lines[0] and "30 stand in the corpus" in lines[1]
    rows = [ast.literal_eval(line) for line in lines if line.startswith("{")]
    assert [(row["measure"], row["n"]) for row in rows] == [("recall", 10), ("f1", 10)]
    assert asking.systems(bench, "towns") == {"my RAG": 10}
    if find_browser():
        assert (tmp_path / "differences.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.slow
def test_the_lines_run_on_the_built_in_corpus(embedded, tmp_path):
    shutil.copytree(embedded, tmp_path / "data")
    told = ast.literal_eval(run(without_browser(TEN), tmp_path))
    assert told["ndcg_linear"][0] > 0 and told["ndcg_linear"][3] < 0.05, "with the encoder more is found than by words alone"


def test_a_figure_of_differences_has_their_intervals_and_leaves_out_what_is_undefined():
    [known] = paired_difference([1.0, 0.5, 0.2, 0.9] * 3, [0.4, 0.5, 0.1, 0.2] * 3, 200)
    [undefined] = paired_difference([float("nan")], [0.1], 200)
    figure = differences_figure({"mrr": known, "recall": undefined})
    [points] = figure["data"]
    assert points["y"] == ["mrr"] and points["x"] == [known.difference]
    assert points["x"][0] + points["error_x"]["array"][0] == pytest.approx(known.high)
    assert points["x"][0] - points["error_x"]["arrayminus"][0] == pytest.approx(known.low)
