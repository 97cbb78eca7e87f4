"""Rows of charts that follow from stored trials, points that stand in rows, and words on the others."""

import pytest

from core.errors import WorkbenchError
from core.labs.papers import checking, derived
from core.labs.papers import paper as papers
from core.labs.trials import leaderboard, values
from core.progress import drain
from core.workbench import Workbench
from tests.support.small_paper import CHART
from tests.support.synthetic_trials import add_questions, add_trial

DRAWN = {
    "data": [
        {"x": [0.5, None, 0.7], "y": ["a &amp; b", "b", "size: 8"], "error_x": {"array": [0.1, 0, 0], "arrayminus": [0, 0, 0]}}
    ]
}
ROWS = [{"name": "a & b", "mean": 0.5, "high": 0.6}, {"setting": "size", "level": "8", "mean": 0.7}]


@pytest.fixture
def bench(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    for seed in range(3):
        add_trial(bench.store, questions, {"fusion.weight": 0.1 * seed}, 0.2 + 0.3 * seed, seed, "s")
    return bench


def test_a_leaderboard_follows_from_its_trials_and_is_stale_after_another(bench):
    board = leaderboard.leaderboard(bench, values.select(bench, "s")[1], "mrr")
    rows = leaderboard.rows(board)
    figure = {"data": [{"type": "scatter", "x": [row["mrr"] for row in rows], "y": [row["name"] for row in rows]}], "layout": {}}
    item = papers.add_chart(bench, "p", "board", figure, rows, "python -m core leaderboard s --metric mrr")
    assert item.derived and item.of_rows and len(item.trials) == 3
    assert [row.holds for row in drain(checking.check(bench, "p"))] == [True]
    add_trial(bench.store, add_questions(bench.store), {"fusion.weight": 0.9}, 0.9, 7, "s")
    [result] = drain(checking.check(bench, "p"))
    assert not result.holds and "1 new" in result.told and "added on its page again" in result.told


def test_other_rows_than_the_commands_are_taken_and_said_not_to_be_computed(bench):
    rows = [{"k": 1, "recall": 0.5}, {"k": 2, "recall": 0.75}]
    for command in ("python -m core leaderboard s", "python -m core curve --set a=b", ""):
        item = papers.add_chart(bench, "p", "chart", CHART, rows, command)
        assert not item.derived
    told = [row.told for row in drain(checking.check(bench, "p")) if row.holds is None]
    assert "answered other rows" in told[0] and "texts and models" in told[1]


def test_every_reason_is_of_a_verb_that_there_is():
    from core.cli.frame import VERBS

    names = {verb.name for verb in VERBS.values()}
    assert all(any(name.startswith(start) for name in names) for start in derived.WHY_NOT)
    assert derived.VERBS.keys() <= names
    assert "one machine" in derived.why_not(["index-points"]) and "page" in derived.why_not([])
    with pytest.raises(WorkbenchError, match="model"):
        derived.derived(None, ["ask", "x"], [])


def test_a_point_stands_in_a_row_with_its_ends_and_its_name():
    assert not list(derived.not_in_rows(DRAWN, ROWS))
    for change in ({"x": [0.51, None, 0.7]}, {"x": [0.7, None, 0.5]}, {"y": ["another", "b", "size: 8"]},
                   {"error_x": {"array": [0.2]}}, {"x": [0.5]}):  # fmt: skip
        assert list(derived.not_in_rows({"data": [{**DRAWN["data"][0], **change}]}, ROWS)), change
