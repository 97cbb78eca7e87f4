"""A table of a page in a paper: printed as the page names it, recomputed where its command allows, and told where it does not."""

from pathlib import Path

import pytest

from core.errors import WorkbenchError
from core.labs.papers import bundle, checking, opening, verification
from core.labs.papers import paper as papers
from core.labs.trials import leaderboard, values
from core.progress import drain
from core.report.table import MEAN, Column, Table
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial

COMMAND = "python -m core trials leaderboard s --metric mrr"


@pytest.fixture
def bench(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    for seed in range(3):
        add_trial(bench.store, questions, {"fusion.weight": 0.1 * seed}, 0.2 + 0.3 * seed, seed, "s")
    return bench


def board(bench: Workbench) -> Table:
    rows = leaderboard.rows(leaderboard.leaderboard(bench, values.select(bench, "s")[1], "mrr"))
    return Table(
        "board", (Column("name", "Recipe"), Column("mrr", "MRR", MEAN, direction=1)), rows, "Best first", "n 40", COMMAND
    )


def test_its_rows_are_recomputed_and_its_files_are_those_of_its_columns(bench):
    item = papers.add_page_table(bench, "p", board(bench), first=2)
    assert item.of_page and item.caption == "Best first. n 40." and len(item.trials) == 3
    assert [row.holds for row in drain(checking.check(bench, "p"))] == [True]
    files = opening.read(Path(drain(bundle.export(bench, "p", bench.home / "p.zip")).file))
    table = files["tables/board.md"].decode()
    assert "| Recipe | MRR ↑ |" in table and len(table.splitlines()) == 8
    assert files["tables/board.csv"].decode().count("\n") == 4 and b"MRR $\\uparrow$" in files["tables/board.tex"]
    results = drain(verification.verified(files, pictures=False))
    assert {row.what: row.holds for row in results}["table board"] is True and all(row.holds is not False for row in results)


def test_a_changed_cell_does_not_hold_whatever_its_flag_says(bench):
    table = board(bench)
    forged = table._replace(rows=[{**table.rows[0], "mrr": 0.99}, *table.rows[1:]])
    item = papers.add_page_table(bench, "p", forged)
    assert not item.command, "its command gives other rows"
    papers.put_back(bench, "p", papers.add_page_table(bench, "q", table), papers.Taken(forged.content()), 1)
    [told] = drain(checking.check(bench, "p"))
    assert told.holds is False and "0.99" in told.told
    papers.put_back(bench, "q", item.model_copy(update={"of_page": False, "name": "board"}), papers.taken(bench, "p", "board"), 1)
    assert [row.holds for row in drain(checking.check(bench, "q"))] == [False], "as a table of results it is computed as one"


def test_what_no_record_gives_is_kept_and_told_as_not_recomputed(bench):
    live = Table("live", (Column("variant"),), [{"variant": "naive"}], command="python -m core answers rag --ask 3")
    papers.add_page_table(bench, "p", live)
    papers.add_page_table(bench, "p", live._replace(name="query", command="python -m core sql 'SELECT 1'"))
    first, second = drain(checking.check(bench, "p"))
    assert first.holds is second.holds is None and "texts and models" in first.told and "all that is stored" in second.told
    assert papers.take_again(bench, "p").items == papers.load(bench, "p").items


def test_a_table_that_cannot_be_printed_is_no_item(bench):
    with pytest.raises(WorkbenchError, match="cannot be printed"):
        papers.add_page_table(bench, "p", board(bench)._replace(columns=(Column("mrr", "MRR", "%999999999f"),)))


def test_of_several_commands_the_last_prints_it_and_the_caption_names_the_others(bench):
    table = board(bench)._replace(command="python -m core runs write x\npython -m core runs compare y")
    item = papers.add_page_table(bench, "p", table)
    assert item.command == ("runs", "compare", "y") and item.caption.endswith("After: python -m core runs write x.")
    [told] = drain(checking.check(bench, "p"))
    assert told.holds is None and "files of rankings" in told.told
