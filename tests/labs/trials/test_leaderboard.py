"""The leaderboard: ranks, intervals, the group of the best, repeats; against the tests of scipy and plain numpy."""

import json

import numpy as np
import pytest
from scipy.stats import ttest_rel

from app.ui.trials.leaderboard import summary
from core.__main__ import main
from core.comparison.comparison import Gap
from core.errors import WorkbenchError
from core.labs.trials import comparison, leaderboard, values
from core.statistics.corrections import holm
from core.statistics.t_test import paired_t_p
from core.workbench import Workbench
from tests.support.synthetic_trials import add_failed, add_questions, add_trial


@pytest.fixture(scope="module")
def bench(home):
    bench = Workbench(home)
    questions = add_questions(bench.store, n=80)
    for seed, (weight, quality) in enumerate([(0.1, 0.2), (0.2, 0.9), (0.3, 0.88), (0.4, 0.5)]):
        add_trial(bench.store, questions, {"fusion.weight": weight}, quality, seed, "s")
    for seed in (1, 2):  # repeats of the first recipe, under other seeds
        add_trial(bench.store, questions, {"fusion.weight": 0.1, "seed": seed}, 0.2, 40 + seed, "s")
    add_trial(bench.store, questions, {"fusion.weight": 0.4}, 0.5, 3, "s")  # the same measurement once more
    add_trial(bench.store, add_questions(bench.store, name="few", n=10), {"fusion.weight": 0.9}, 1.0, 1)
    add_failed(bench.store)
    return bench


@pytest.fixture
def members(bench):
    return values.select(bench, "s")[1]


def by_question(bench, trial, metric="ndcg_linear"):
    return np.array(list(bench.trial_values(trial.id, metric, 10).values()))


def test_the_matrix_holds_each_trials_own_values(bench, members):
    table, places = values.matrix(bench, members, "mrr")
    assert places.tolist() == list(range(79))  # the last question has no gold evidence
    for row, trial in zip(table, members, strict=True):
        own = by_question(bench, trial, "mrr")
        assert row == pytest.approx(own[~np.isnan(own)])


def test_an_interval_at_odds_with_its_test_is_explained(bench, members):
    board = leaderboard.leaderboard(bench, members, "ndcg_linear")
    first, second, *_ = board.rows
    assert board.odd == "" and "exclude zero" not in summary(board)
    odd = board._replace(rows=[first, second._replace(gap=Gap(-0.1, -0.2, -0.01, 0.08))])
    assert odd.odd.endswith("the verdict follows the test.") and odd.odd in summary(odd)


def test_names_and_verdicts_have_the_room_that_they_need_and_no_more(bench, members):
    made = leaderboard.table(leaderboard.leaderboard(bench, members, "ndcg_linear"))
    widths = {column.key: column.width for column in made.columns}
    assert widths["name"] is None and widths["standing"] is None


def test_a_metric_that_the_store_has_not_is_derived(bench, members, monkeypatch):
    wanted = values.matrix(bench, members, "mrr")[0]
    frame = bench.store.frame
    monkeypatch.setattr(bench.store, "frame", lambda sql, given: frame(sql, [*given[:3], "none@10", *given[4:]]))
    assert values.matrix(bench, members, "mrr")[0] == pytest.approx(wanted)


def test_ranks_and_differences_are_those_of_the_paired_t_test(bench, members):
    board = leaderboard.leaderboard(bench, members, "ndcg_linear")
    assert (board.n, board.total, board.tested, board.left_out) == (79, 80, 3, 0)
    assert [row.interval.mean for row in board.rows] == sorted((row.interval.mean for row in board.rows), reverse=True)
    measured = values.scores(bench, members, "ndcg_linear")
    own = {trial.id: row for trial, row in zip(measured.recipes, measured.values, strict=True)}
    best = own[board.rows[0].trial.id]
    others = board.rows[1:]
    p = holm(np.array([ttest_rel(own[row.trial.id], best).pvalue for row in others]))
    assert [row.gap.p_holm for row in others] == pytest.approx(p.tolist())
    for row in others:
        assert (
            row.gap.difference == pytest.approx((own[row.trial.id] - best).mean())
            and row.gap.low <= row.gap.difference <= row.gap.high
        )
    assert [row.equal for row in board.rows] == [True, True, False, False] and board.equals == 2
    assert sum(row.first for row in board.rows) == pytest.approx(1) and board.rows[0].first > 0.3


def test_repeats_of_a_recipe_are_one_row_with_the_spread_between_seeds(bench, members):
    measured = values.scores(bench, members, "ndcg_linear")
    [place] = [place for place, trials_of in enumerate(measured.repeats) if len(trials_of) > 1]
    own = np.array([[v for v in by_question(bench, trial) if v == v] for trial in measured.repeats[place]])
    assert len(own) == 3 and measured.values[place] == pytest.approx(own.mean(axis=0))
    assert measured.seed_spread[place] == pytest.approx(own.mean(axis=1).std(ddof=1))
    assert len(measured.recipes) == 4  # the same seed again is no repeat
    row = next(row for row in leaderboard.leaderboard(bench, members, "ndcg_linear").rows if row.repeats > 1)
    assert row.seed_spread == pytest.approx(measured.seed_spread[place])


def test_equal_trials_share_the_first_place(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    ids = [add_trial(bench.store, questions, {"fusion.weight": weight}, seed=1) for weight in (0.1, 0.2)]
    board = leaderboard.leaderboard(bench, comparison.trials(bench), "hit")
    assert [row.first for row in board.rows] == [0.5, 0.5] and board.equals == 2
    assert [row.trial.id for row in board.rows] == ids, (
        "the first that was measured stands first, as the winner of a study is chosen"
    )
    assert (board.rows[1].gap.p_holm, board.rows[1].gap.difference) == (1, 0)
    assert leaderboard.worth(board) == "", "nothing was chosen by chance"


def test_of_a_measure_of_which_less_is_better_no_highest_mean_is_spoken_of(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    for number, weight in enumerate((0.1, 0.2)):
        answered = {"noise": {f"q{place}": float(place % (2 + 2 * number) == 0) for place in range(10)}}
        add_trial(bench.store, questions, {"fusion.weight": weight}, seed=number, answered=answered)
    board = leaderboard.leaderboard(bench, comparison.trials(bench), "noise")
    assert [row.interval.mean for row in board.rows] == [0.3, 0.5] and leaderboard.worth(board).startswith("The best of 2 means")
    shown = leaderboard.table(board)
    told = leaderboard.worth(board) + summary(board) + " ".join(column.help for column in shown.columns)
    assert "highest" not in told and "lower" not in told


def test_what_cannot_be_ranked_together_is_told(bench, tmp_path):
    with pytest.raises(WorkbenchError, match="answered other questions"):
        values.scores(bench, comparison.trials(bench), "ndcg_linear")
    with pytest.raises(WorkbenchError, match="no metric 'speed'"):
        values.select(bench, metric="speed")
    with pytest.raises(WorkbenchError, match="sweep 'none' has no measured trial"):
        values.select(bench, "none")
    with pytest.raises(WorkbenchError, match="The store has no measured trial"):
        values.select(Workbench(tmp_path))


def test_named_trials_that_do_not_compare_with_the_others_are_told(home, bench, members, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    others = [trial.id for trial in comparison.trials(bench) if trial.sweep != "s"]
    assert main(["trials", "leaderboard", "--only", members[0].id, members[-1].id, *others, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["left out"] == "1 trial on other questions or documents, or by other rules. 1 trial without a result."
    assert main(["trials", "leaderboard", "s", "--json"]) == 0 and not json.loads(capsys.readouterr().out)["left out"]


def test_beyond_what_is_compared_at_once_the_lowest_means_fall_out(bench, members, monkeypatch):
    monkeypatch.setattr(values, "MOST", 2)
    measured = values._scores(bench, members, "ndcg_linear")
    assert len(measured.recipes) == 2 and measured.left_out == 4  # a recipe, and of seven trials the three lowest
    assert min(trial.metrics["ndcg_linear"] for trial in measured.recipes) > 0.8


def test_the_command_prints_the_numbers(home, bench, members, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    assert main(["leaderboard", "s", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["leaderboard"] == leaderboard.rows(leaderboard.leaderboard(bench, members, "ndcg_linear"))
    assert record["questions"] == "tiny, 80 questions, k 10" and record["best and not distinguishable from it"] == 2
    assert main(["leaderboard", "s", "--settings", "--json"]) == 0
    assert {row["fusion.weight"] for row in json.loads(capsys.readouterr().out)["leaderboard"]} == {"0.1", "0.2", "0.3", "0.4"}
    assert main(["leaderboard", "--only", members[0].id, members[1].id]) == 0
    assert "best or not significantly worse" in capsys.readouterr().out


def test_two_questions_that_say_the_same_tell_nothing_apart():
    assert paired_t_p(np.ones((1, 2))) == 0.5 and paired_t_p(np.ones((1, 6))) == 2**-5  # as the test by signs has it
    assert paired_t_p(np.full((1, 2), [0.1, 0.1000001])) == 0.5
