"""The trials' table as somebody wants it: own columns, order, groups with intervals, saved views."""

import json
import time

import numpy as np
import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.files import hold
from core.files import ids as identifiers
from core.labs.trials import grouped, own_columns, views
from core.labs.trials.listing import everything
from core.labs.trials.views import TrialView
from core.progress import drain
from core.workbench import Workbench
from tests.support.synthetic_trials import add_failed, add_questions, add_trial


@pytest.fixture(scope="module")
def ids(home):
    bench = Workbench(home)
    first, other = add_questions(bench.store), add_questions(bench.store, name="other", dataset="other")
    made = [add_trial(bench.store, first, {"fusion.weight": weight}, weight, i) for i, weight in enumerate((0.9, 0.5, 0.2))]
    made += [
        add_trial(bench.store, first, {"fusion.part": "sparse_only"}, 0.4, 7),
        add_trial(bench.store, other, {"fusion.weight": 0.5}, 0.5, 8),
    ]
    bench.describe(made[1], note="=the middle one")
    return [*made, add_failed(bench.store)]


@pytest.fixture
def bench(home, ids):
    return Workbench(home)


def shown(bench, names, sort="", ascending=False):
    return own_columns.rows(everything(bench), own_columns.read(bench, names), own_columns.order_of(bench, sort, ascending))


def test_settings_metrics_and_costs_are_columns_and_sort(bench, ids):
    rows = shown(bench, ["fusion.weight", "recall", "latency_ms"], "fusion.weight")
    assert [row["fusion.weight"] for row in rows[:4]] == [0.9, 0.7, 0.5, 0.5] and rows[-1]["fusion.weight"] is None
    assert [row["id"] for row in rows if row["fusion.weight"] == 0.5] == [ids[4], ids[1]], "the newest of equals first"
    by_cost = [row["latency_ms"] for row in shown(bench, ["latency_ms"], "latency_ms", ascending=True)]
    assert by_cost == [2.0, 3.0, 4.0, 9.0, 10.0, None]
    by_recall = [row["recall"] for row in shown(bench, ["recall"], "recall") if row["recall"] is not None]
    assert by_recall == sorted(by_recall, reverse=True)
    assert shown(bench, [], "note")[0]["note"] == "=the middle one"
    assert [row["id"] for row in shown(bench, [])] == ids[::-1]
    for names, sort in ((["fusion.nothing"], ""), (["recall"], "x' OR 1=1 --")):
        with pytest.raises(WorkbenchError, match="There is no column"):
            shown(bench, names, sort)


def test_a_group_has_the_mean_of_its_trials_over_the_questions_of_all_with_its_interval(bench, ids):
    result = grouped.grouped(bench, everything(bench), views.grouping(bench, "fusion.part"), ["ndcg_linear"])
    told = {(group.level, group.questions): group for group in result.groups}
    group = next(group for (level, name), group in told.items() if level == "convex" and name.startswith("tiny"))
    assert set(group.ids) == set(ids[:3])
    values = np.mean([list(bench.trial_values(trial, "ndcg_linear").values()) for trial in ids[:3]], axis=0)
    mean = group.means["ndcg_linear"]
    assert mean.mean == pytest.approx(np.nanmean(values)) and mean.low < mean.mean < mean.high and mean.n == 39
    assert len({name for _, name in told}) == 2, "trials on other questions are never in one mean"


def test_the_intervals_of_groups_are_called_by_the_level_at_which_they_were_made(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    for seed, part in enumerate(("rrf", "sparse_only")):
        add_trial(bench.store, questions, {"fusion.part": part, "evaluation.confidence": 0.8}, 0.5, seed)
    result = grouped.grouped(bench, everything(bench), views.grouping(bench, "fusion.part"), ["ndcg_linear"])
    columns = {column.key: column.title for column in grouped.table(result).columns}
    assert columns["ndcg_linear interval"] == "80%"


def test_a_saved_view_lists_what_it_did_and_the_last_of_a_name_holds(bench, ids):
    kept = TrialView(("fusion.weight", "recall"), find="middle", sort="recall", group="fusion.part")
    assert views.save_view(bench, "  The   middle ", kept) == "The middle"
    assert views.view(bench, "The middle") == kept and kept.listing(bench).ids == [ids[1]]
    views.save_view(bench, "The middle", TrialView(dataset="other"))
    drain(bench.store.rebuild())
    assert views.views(Workbench(bench.home)) == {"The middle": TrialView(dataset="other")}
    views.drop_view(bench, "The middle")
    assert not views.views(bench)
    for name, wrong in (("x" * 61, TrialView()), ("a", TrialView(("nothing",))), ("a", TrialView(group="recall"))):
        with pytest.raises(WorkbenchError):
            views.save_view(bench, name, wrong)


def test_each_is_a_command(home, ids, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))

    def said(*words):
        assert main(["trials", *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    said("save-view", "mine", "--columns", "fusion.weight", "ndcg_linear", "--dataset", "tiny", "--group", "fusion.part")
    assert said("views")[0]["name"] == "mine"
    rows = said("rows", "--view", "mine", "--sort", "ndcg_linear")["rows"]
    assert len(rows) == 5 and rows[0]["ndcg_linear"] >= rows[1]["ndcg_linear"] and "note" in rows[0]
    assert [row["level"] for row in said("groups", "--view", "mine")["rows"]] == ["Hybrid convex", "BM25"]
    assert [row["level"] for row in said("groups", "fusion.weight")["rows"]][:2] == ["0.2", "0.5"]
    said("drop-view", "mine")
    assert said("views") == []


def test_a_view_counts_as_soon_as_it_is_saved_and_whatever_the_clock_says(tmp_path, monkeypatch):
    bench = Workbench(tmp_path, patience_s=0.0)
    assert views.views(bench) == {}
    with hold(tmp_path / "locks" / "fold", purpose="a test", seconds=10):
        views.save_view(bench, "mine", TrialView(status="ok"))
        assert list(views.views(bench)) == ["mine"], "others fold, and hold nobody up"
    now = time.time_ns
    monkeypatch.setattr(identifiers, "_last", 0)  # as in another process
    monkeypatch.setattr(identifiers.time, "time_ns", lambda: now() - 3600 * 10**9)  # the clock was set back
    views.save_view(bench, "mine", TrialView(status="failed"))
    assert views.views(bench)["mine"].status == "failed"
    monkeypatch.setattr(identifiers, "_last", 0)
    views.drop_view(bench, "mine")
    assert views.views(bench) == {} == views.views(Workbench(tmp_path))


def test_costs_are_written_in_digits_that_a_person_reads(workbench):
    from app.ui.trials.details import spread_words
    from core.labs.trials.comparison import Spread
    from core.report.table import in_words

    questions = add_questions(workbench.store)
    costs = {"context_at_k": 2092.315972, "answer_s": 0.3217, "latency_ms": 5.24, "chunks": 705}
    add_trial(workbench.store, questions, costs=costs)
    columns = own_columns.read(workbench, ["context_at_k", "answer_s", "latency_ms", "chunks"])
    [row] = own_columns.rows(everything(workbench), columns)
    said = [in_words(row[column.name], column.drawn().format) for column in columns]
    assert said == ["2,092.3", "0.32 s", "5.2 ms", "705"]
    assert spread_words(Spread(0.0321, 0.0279, 0.0405, 30), "s") == "0.032 s (0.028 to 0.041 over 30 questions)"
    assert spread_words(Spread(5.24, 5.1, 5.4, 30), "ms") == "5.2 ms (5.1 to 5.4 over 30 questions)"
