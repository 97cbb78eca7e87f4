"""Tables of results for papers: bold and marks as the tests say, units and arrows, and names that no reader takes for markup."""

import csv
import io
import re

import numpy as np
import pytest

from core.labs.papers import results_table
from core.labs.trials import comparison
from core.report import tables
from core.report.table import Column, Table
from core.statistics.corrections import holm
from core.statistics.paired import AT_ODDS
from core.workbench import Workbench
from tests.support.small_paper import HOSTILE, three_trials


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Workbench(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def trials(bench):
    return three_trials(bench)


@pytest.fixture(scope="module")
def table(bench, trials):
    return results_table.table(bench, trials, ["mrr", "recall"], ["latency_ms"])


@pytest.mark.parametrize(("text", "written"), [
    ("1. Results", r"1\. Results"), ("- a", r"\- a"), ("+", r"\+"), ("---", r"\---"), ("12) y", r"12\) y"), ("-0.5", "-0.5"),
    ("3.5 ms", "3.5 ms"), ("2024-05", "2024-05"), ("a - b", "a - b"),
])  # fmt: skip
def test_a_caption_begins_no_list(text, written):
    assert tables.markdown_text(text) == written


def test_a_table_that_is_longer_than_a_page_goes_on_under_its_number():
    rows = [{"name": f"row {number}", "value": number / 7} for number in range(120)]
    made = tables.latex(Table("long", (Column("name"), Column("value")), rows, "Long").content(), "long", "All", 3, 84)
    assert made.count(r"\begin{table}") == made.count(r"\end{table}") == made.count(r"\toprule") == 3
    assert made.count(r"\label{tab:long}") == 1 and made.count(r"\addtocounter{table}{-1}\caption{Continued.}") == 2
    assert re.findall(r"row (\d+)", made) == [str(number) for number in range(120)]
    assert "clearpage" not in tables.latex(Table("short", (Column("name"),), rows[:50]).content(), "short", "", 3, 84)


@pytest.mark.slow
def test_cells_hold_the_numbers_of_show_and_compare(bench, trials, table):
    for row in table["rows"]:
        for metric in bench.measured(row["trial"])["metrics"]:
            if metric["metric"] in row["cells"]:
                cell = row["cells"][metric["metric"]]
                assert [cell[name] for name in ("mean", "low", "high", "n")] == [
                    metric[name] for name in ("mean", "low", "high", "n")
                ]
    for metric in ("mrr", "recall"):
        compared = bench.compare(trials[0], trials[1], metric)
        cell = table["rows"][1]["cells"][metric]
        assert cell["difference"] == pytest.approx(compared["difference"])
    assert "difference" not in table["rows"][0]["cells"]["mrr"] and table["rows"][0]["cells"]["mrr"]["p"] is None


@pytest.mark.slow
def test_p_is_corrected_over_all_tests_of_the_table(bench, trials, table):
    raw = [bench.compare(trials[0], trial, metric)["p"] for metric in ("mrr", "recall") for trial in trials[1:]]
    shown = [row["cells"][metric]["p"] for metric in ("mrr", "recall") for row in table["rows"][1:]]
    assert table["tests"] == 4 and shown == pytest.approx(holm(np.array(raw)).tolist())


def test_bold_is_the_best_with_what_is_not_told_from_it(bench, trials, table):
    stored = {trial.id: trial for trial in comparison.trials(bench)}
    best = max(trials, key=lambda trial: stored[trial].metrics["mrr"])
    others = [stored[trial] for trial in trials if trial != best]
    equal = {row.trial.id for row in comparison.compare(bench, stored[best], others, "mrr").rows if row.p_holm >= 0.05}
    assert {row["trial"] for row in table["rows"] if row["cells"]["mrr"]["best"]} == {best, *equal}
    assert not table["rows"][2]["cells"]["mrr"]["best"]
    alone = results_table.table(bench, trials[:1], ["mrr"])
    assert not alone["rows"][0]["cells"]["mrr"]["best"] and alone["tests"] == 0 and "Bold" not in tables.note(alone)


def test_the_note_says_what_brackets_of_a_cost_are_where_one_has_some(table):
    assert all(row["cells"]["latency_ms"].get("low") is None for row in table["rows"]) and "spread" not in tables.note(table)
    timed = {"latency_ms": {"mean": 8.2, "low": 6.2, "high": 14.6, "n": None}}
    rows = [{**row, "cells": row["cells"] | timed} for row in table["rows"]]
    assert "Means with intervals of 95%; of a cost its spread." in tables.note({**table, "rows": rows})
    empty = {"faithfulness": {"mean": None, "low": None, "high": None, "n": 0}}
    assert tables.note({**table, "rows": [{**row, "cells": row["cells"] | empty} for row in table["rows"]]}) == tables.note(table)


@pytest.mark.parametrize(("cost", "written"), [
    ((1234.56, 1200, 1300), "1,234.6 [1,200.0, 1,300.0]"), ((1.25, 0.98, 1.5), "1.2 [1.0, 1.5]"), ((0.5, 0.42, 0.7), "0.50 [0.42, 0.70]"),
    ((0.0431, 0.0212, 0.09), "0.043 [0.021, 0.090]"), ((0.0, 0.0, 0.0), "0.0 [0.0, 0.0]"), ((None, None, None), tables.UNMEASURED),
])  # fmt: skip
def test_a_cost_below_one_is_not_rounded_to_nothing(cost, written):
    table = {
        "columns": [{"name": "answer_s", "label": "Time", "unit": "s", "direction": -1}],
        "rows": [{"name": "a", "cells": {"answer_s": dict(zip(("mean", "low", "high"), cost, strict=True))}}],
        "questions": 9, "confidence": 0.95, "tests": 0,
    }  # fmt: skip
    assert f"| a | {written} |" in re.sub("</?small>", "", tables.markdown(table, "", 3))


def test_latex_has_booktabs_arrows_units_marks_and_small_intervals(table):
    text = tables.latex(table, "main", "All & more", 3, 84)
    for words in (r"\toprule", r"\midrule", r"\bottomrule", r"MRR@10 $\uparrow$", r"(ms) $\downarrow$", r"\textbf{1.000}"):
        assert words in text
    assert r"\caption{All \& more}\label{tab:main}" in text and r"{\scriptsize [0.910, 1.000]}" in text
    assert "$^{***}$}" in text and "Holm over 4 tests" in text and "39 of 40 questions measured" in text
    assert r"\begin{table*}" in tables.latex(table, "main", "", 3, 174)


def test_a_hostile_name_is_only_text(table):
    assert table["rows"][2]["name"] == HOSTILE
    text = tables.latex(table, "main", HOSTILE, 3, 84)
    own = {"begin", "end", "centering", "small", "caption", "label", "setbox", "hbox", "toprule", "midrule", "bottomrule",
           "ifdim", "wd", "leavevmode", "resizebox", "box", "else", "fi", "par", "smallskip", "parbox", "footnotesize", "scriptsize",
           "textbf", "rlap", "phantom", "uparrow", "downarrow"}  # fmt: skip
    printed = {"textbackslash", "textasciicircum", "textless", "textgreater"}
    assert set(re.findall(r"\\([a-zA-Z]+)", text)) <= own | printed
    assert "[U+4E2D]" in text and text.isascii()
    lines = [line for line in tables.markdown(table, HOSTILE, 3).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {5}
    assert "<script" not in "".join(lines).replace(r"\<script", "")


def test_csv_has_every_value_whole(table):
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(table))))
    assert len(rows) == 9
    for row in rows:
        [own] = [each for each in table["rows"] if each["trial"] == row["trial"]]
        assert float(row["mean"]) == own["cells"][row["measure"]]["mean"]
    risky = {**table, "rows": [{**table["rows"][0], "name": "=1+1"}]}
    assert "'=1+1" in tables.to_csv(risky)


def test_what_was_not_measured_says_so(table):
    cells = {"mrr": {"mean": None, "low": None, "high": None, "n": 0, "p": None, "best": False}}
    bare = {**table, "columns": table["columns"][:1], "rows": [{"trial": "a", "name": "a", "cells": cells}]}
    assert "unmeasured" in tables.latex(bare, "a", "", 3, 84) and "| unmeasured |" in tables.markdown(bare, "", 3)


def test_an_interval_without_zero_beside_a_p_that_is_not_significant_is_explained_and_only_there(table):
    assert AT_ODDS not in tables.note(table)
    cell = {"mean": 0.5, "difference": -0.026, "difference_low": -0.057, "difference_high": -0.002, "p": 0.25}
    odd = {**table, "rows": [{**row, "cells": {**row["cells"], "mrr": row["cells"]["mrr"] | cell}} for row in table["rows"]]}
    assert tables.note(odd).endswith(f"{AT_ODDS}.")


def test_a_reference_to_a_sign_is_no_sign_in_markdown():
    assert tables.markdown_text("R&D &lt;b&gt; a|b") == r"R&D \&lt;b\&gt; a\|b"
