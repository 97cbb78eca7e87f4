"""Rows of charts that follow from stored trials, points that stand in rows, and words on the others."""

import json

import pytest

from core.__main__ import parse
from core.errors import WorkbenchError
from core.labs.papers import bundle, checking, derived, sources, text, verification
from core.labs.papers import paper as papers
from core.labs.trials import comparison, leaderboard, values
from core.progress import drain
from core.records import plain
from core.report import tables
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


@pytest.mark.slow
def test_a_leaderboard_follows_from_its_trials_and_is_stale_after_another(bench):
    board = leaderboard.leaderboard(bench, values.select(bench, "s")[1], "mrr")
    rows = leaderboard.rows(board)
    figure = {"data": [{"type": "scatter", "x": [row["mrr"] for row in rows], "y": [row["name"] for row in rows]}], "layout": {}}
    item = papers.add_chart(bench, "p", "board", figure, rows, "python -m core leaderboard s --metric mrr")
    assert item.command[:2] == ("trials", "leaderboard") and len(item.trials) == 3
    assert [row.holds for row in drain(checking.check(bench, "p"))] == [True]
    add_trial(bench.store, add_questions(bench.store), {"fusion.weight": 0.9}, 0.9, 7, "s")
    [result] = drain(checking.check(bench, "p"))
    assert not result.holds and "1 new" in result.told and "add it again on its page" in result.told


@pytest.mark.slow
def test_other_rows_than_the_commands_are_taken_and_said_not_to_be_computed(bench):
    rows = [{"k": 1, "recall": 0.5}, {"k": 2, "recall": 0.75}]
    for command in ("python -m core leaderboard s", "python -m core curve --set a=b", ""):
        item = papers.add_chart(bench, "p", "chart", CHART, rows, command)
        assert not derived.able(item.command), "a command that gives another chart is left out"
    told = [row.told for row in drain(checking.check(bench, "p")) if row.holds is None]
    assert "no command gives exactly this chart" in told[0] and "texts and models" in told[1]


def test_every_reason_is_of_a_verb_that_there_is():
    from core.cli.frame import VERBS

    names = {verb.key for verb in VERBS.values()}
    assert all(any(name.startswith(start) for name in names) for start in derived.WHY_NOT)
    assert derived.VERBS.keys() <= names
    assert "one machine" in derived.why_not(["index", "points"]) == derived.why_not(
        ["index-points"]
    ) and "page" in derived.why_not([])
    with pytest.raises(WorkbenchError, match="model"):
        derived.derived(None, ["ask", "x"], [])


def test_a_point_stands_in_a_row_with_its_ends_and_its_name():
    assert not list(derived.not_in_rows(DRAWN, ROWS))
    for change in ({"x": [0.51, None, 0.7]}, {"x": [0.7, None, 0.5]}, {"y": ["another", "b", "size: 8"]},
                   {"error_x": {"array": [0.2]}}, {"x": [0.5]}):  # fmt: skip
        assert list(derived.not_in_rows({"data": [{**DRAWN["data"][0], **change}]}, ROWS)), change


@pytest.mark.slow
def test_a_leaderboard_is_a_table_of_a_paper_with_the_numbers_of_its_command(bench):
    papers.create(bench, "Board", "b")
    item = papers.add_table(bench, "b", "board", "python -m core leaderboard s --metric mrr --first 2", "All & more")
    assert item.command == ("trials", "leaderboard", "s", "--metric", "mrr", "--first", "2") and len(item.trials) == 3
    answer, table = parse([*item.command]).work(bench), papers.taken(bench, "b", "board").content
    assert sources.answer(bench, item.command, item.trials) | {"questions": ""} == plain(answer) | {"questions": ""}
    best, second = answer["leaderboard"]
    assert [row["cells"]["mrr"]["mean"] for row in table["rows"]] == [best["mrr"], second["mrr"]] and answer["recipes"] == 3
    tex, markdown = tables.latex(table, "board", item.caption, 3, 174), tables.markdown(table, item.caption, 3)
    assert r"\toprule" in tex and rf"\textbf{{{best['mrr']:.3f}}}" in tex and r"{\scriptsize [" in tex and r"$\uparrow$" in tex
    assert f"**{best['mrr']:.3f}**" in markdown and tables.number(second["to the best"], 3).replace("-", tables.MINUS) in markdown
    assert "paired t test, Holm over 2 tests" in markdown and "The first 2 of 3 recipes" in markdown and "cost" not in markdown
    stars = next((mark for level, mark in tables.LEVELS if second["p (Holm)"] < level), "")
    assert tables.to_csv(table).count("\n") == 5 and f"{second['mrr']:.3f}" + stars.replace("*", r"\*") in markdown
    papers.add(bench, "b", {"kind": "figure", "name": "drawn", "command": item.command, "drawing": "differences"})
    lines = papers.taken(bench, "b", "drawn").content["figure"]["layout"]["yaxis"]["ticktext"]
    assert lines == [row["name"] for row in table["rows"]][1:], "the best does not differ from itself"
    number = {"kind": "number", "name": "top", "command": ["leaderboard", "s"], "value": "leaderboard.0.ndcg_linear"}
    papers.add(bench, "b", number)
    assert [row.holds for row in drain(checking.check(bench, "b"))] == [True] * 3
    board = papers.load(bench, "b")
    assert "paired t tests" in text.texts(bench, board, papers.showed(bench, board))["text/methods.tex"]
    add_trial(bench.store, add_questions(bench.store), {"fusion.weight": 0.9}, 0.9, 7, "s")
    told = [row.told for row in drain(checking.check(bench, "b"))]
    assert all(row.startswith("its command now finds other trials: 1 new, 0 gone; ") for row in told)
    with pytest.raises(WorkbenchError, match=r"3 of 3 items are stale.*table board.*figure drawn.*number top"):
        drain(bundle.current(bench, papers.load(bench, "b")))
    papers.take_again(bench, "b")
    assert all(row.holds for row in drain(checking.check(bench, "b"))) and len(papers.load(bench, "b").item("top").trials) == 4


@pytest.mark.slow
def test_named_trials_of_a_leaderboard_are_kept_by_their_ids(bench):
    first, second, _ = (row["id"] for row in bench.trials())
    words, trials = sources.exact(bench, ("leaderboard", "--only", first[-8:], second, "--metric", "mrr"), ())
    assert words == ("trials", "leaderboard", "--only", first, second, "--metric", "mrr") and set(trials) == {first, second}


@pytest.mark.slow
def test_a_command_that_finds_nothing_any_more_is_stale_in_words(bench, monkeypatch):
    papers.create(bench, "Board", "b")
    papers.add_table(bench, "b", "board", "leaderboard s --metric mrr")
    monkeypatch.setattr(checking.derived, "derived", lambda *words: derived._picked(bench, [bench.trials(1)[0]["id"]]))
    [result] = drain(checking.check(bench, "b"))
    assert not result.holds and "now finds no such trials" in result.told


@pytest.mark.slow
def test_only_numbers_that_an_item_shows_make_it_stale(bench):
    """What stands beside them, in cells and digits that are not printed and columns that are not drawn, is told."""
    papers.create(bench, "Shown", "b")
    ids = [row["id"] for row in bench.trials()]
    papers.add(bench, "b", {"kind": "table", "name": "main", "command": ["trials-table", *ids, "--metric", "mrr"]})
    papers.add(bench, "b", {"kind": "number", "name": "mean", "command": ["show", ids[0]], "value": "metrics.mrr.mean"})
    board = leaderboard.rows(leaderboard.leaderboard(bench, values.select(bench, "s")[1], "mrr"))
    drawn = {"data": [{"type": "scatter", "x": [row["mrr"] for row in board], "y": [row["name"] for row in board]}], "layout": {}}
    papers.add_chart(bench, "b", "board", drawn, board, "python -m core leaderboard s --metric mrr")

    def with_change(name, change) -> checking.Checked:
        paper, showed = papers.load(bench, "b"), papers.taken(bench, "b", name)
        content = json.loads(json.dumps(showed.content))
        content = change(content) or content
        papers.put_back(bench, "b", paper.item(name), showed._replace(content=content), 1)
        [result] = [row for row in drain(checking.check(bench, "b")) if row.what.endswith(f" {name}")]
        papers.put_back(bench, "b", paper.item(name), showed, 1)
        return result

    beside = [
        with_change("main", lambda content: content["rows"][1]["cells"]["mrr"].update(difference=9.0)),
        with_change("mean", lambda content: content + 1e-6),
        with_change("board", lambda content: content["data"][0].update(repeats=9)),
    ]
    assert all(row.holds and "what stands beside it is not: " in row.told for row in beside), beside
    shown = [
        with_change("main", lambda content: content["rows"][1]["cells"]["mrr"].update(mean=0.5)),
        with_change("mean", lambda content: content + 0.01),
        with_change("board", lambda content: content["figure"]["data"][0]["x"].reverse()),
    ]
    assert not any(row.holds for row in shown), shown


@pytest.mark.slow
def test_a_trial_that_changes_no_number_makes_no_item_stale(bench):
    papers.create(bench, "Board", "b")
    papers.add(
        bench, "b", {"kind": "number", "name": "top", "command": ["leaderboard", "s"], "value": "leaderboard.0.ndcg_linear"}
    )
    add_trial(bench.store, add_questions(bench.store), {"fusion.weight": 0.9}, 0.01, 7, "s")
    [result] = drain(checking.check(bench, "b"))
    assert result.holds and result.told == "its command now finds other trials: 1 new, 0 gone; what it shows is unchanged"


@pytest.mark.slow
def test_what_is_compared_later_changes_no_item_and_the_bundle_carries_what_was(bench):
    def look(number: int) -> None:
        for each in range(number):
            bench.pipeline.looks.add("tiny", "tiny", "all", f"slider-{number}-{each}", f"slider-{number}-{each}")

    look(5)
    trials = comparison.some(bench, sorted(row["id"] for row in bench.trials()))
    names = dict(zip((trial.id for trial in trials), comparison.labels(trials), strict=True))
    rows = comparison.rows(comparison.compare(bench, trials[0], trials[1:], "mrr"), names)
    drawn = {"data": [{"x": [row["Difference"] for row in rows], "y": [row["Trial"] for row in rows]}], "layout": {}}
    item = papers.add_chart(
        bench, "p", "differences", drawn, rows, f"python -m core trials-compare {' '.join(names)} --metric mrr"
    )
    look(7)
    [result] = drain(checking.check(bench, "p"))
    assert result.holds and "the 8 recipes that had been compared when it was taken; now there are 15" in result.told
    paper = papers.load(bench, "p")
    showed = drain(bundle.current(bench, paper))
    made = dict(bundle.whole(bench, paper, showed, {}, bundle.records(bench, paper)))
    assert all(row.holds for row in drain(verification.verified(made)))
    assert b"not: 8 on tiny (all questions)." in made["text/methods.tex"]
    content = json.loads(json.dumps(showed[item.name].content))
    content["data"][0]["p (all looks)"] /= 2
    forged = {item.name: showed[item.name]._replace(content=content)}
    told = drain(verification.verified(dict(bundle.whole(bench, paper, forged, {}, bundle.records(bench, paper)))))
    assert [row.what for row in told if row.holds is False] == ["figure differences"]
