"""Trials side by side: settings, questions won and lost, values and traces."""

import json

import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.labs.trials import comparison, side_by_side
from core.workbench import Workbench
from tests.support.synthetic_trials import add_failed, add_questions, add_trial


@pytest.fixture(scope="module")
def ids(home):
    store = Workbench(home).store
    questions = add_questions(store)
    changes = ({}, {"fusion.part": "rrf"}, {"fusion.weight": 0.2})
    return [
        add_trial(store, questions, change, 0.3 * i, i, cached={"sparse": i == 1, "metrics": True})
        for i, change in enumerate(changes)
    ]


@pytest.fixture
def bench(home):
    return Workbench(home)


def of(bench, ids):
    stored = {trial.id: trial for trial in comparison.trials(bench)}
    return side_by_side.side_by_side(bench, [stored[trial_id] for trial_id in ids], "ndcg_linear")


def test_questions_won_and_lost_are_those_of_the_comparison_of_two(bench, ids):
    for row, (a, b) in zip(side_by_side.pairs(of(bench, ids)), ((0, 1), (0, 2), (1, 2)), strict=True):
        wanted = bench.compare(ids[b], ids[a], "ndcg_linear")
        assert (row["won"], row["lost"], row["tied"]) == (wanted["wins"], wanted["losses"], wanted["ties"])
        assert row["difference"] == pytest.approx(wanted["difference"])


def test_values_stand_by_question_the_widest_apart_first(bench, ids):
    rows = side_by_side.by_question(of(bench, ids))
    own = [list(row.values())[1:] for row in rows]
    assert [max(values) - min(values) for values in own] == sorted((max(v) - min(v) for v in own), reverse=True)
    texts = {q["id"]: q["text"] for q in bench.store.questions("tiny")["queries"]}
    first = bench.trial_values(ids[0], "ndcg_linear", 10)
    assert {row["question"]: values[0] for row, values in zip(rows, own, strict=True)} == pytest.approx(
        {texts[query]: value for query, value in first.items() if value == value}
    )


def test_settings_and_traces_of_each_are_told(bench, ids):
    result = of(bench, ids)
    assert result.settings["fusion"] == ["Hybrid convex", "Hybrid RRF", "Hybrid convex"]
    [sparse, metrics] = side_by_side.traces(result)
    assert list(sparse.values())[1:] == [20.0, 20.0, 20.0, result.names[1]] and metrics["from the cache"] == "all"


def test_the_command_prints_it(home, ids, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    assert main(["side-by-side", *ids, "--questions", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["questions shared"] == 39 == len(record["by question"]) and len(record["pairs"]) == 3
    assert main(["side-by-side", ids[0], ids[1]]) == 0 and "from the cache" in capsys.readouterr().out


@pytest.mark.slow
def test_what_cannot_stand_side_by_side_is_refused(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    first = add_trial(bench.store, questions)
    with pytest.raises(WorkbenchError, match="2 to 5 trials"):
        of(bench, [first])
    many = [add_trial(bench.store, questions, {"fusion.weight": i / 10}) for i in range(6)]
    with pytest.raises(WorkbenchError, match="2 to 5 trials"):
        of(bench, many)
    with pytest.raises(WorkbenchError, match="no question is shared"):
        of(bench, [first, add_trial(bench.store, add_questions(bench.store, name="other"))])
    with pytest.raises(WorkbenchError, match="no results"):
        of(bench, [first, add_failed(bench.store)])
