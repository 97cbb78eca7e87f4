"""A table as data: one naming of its columns gives LaTeX, Markdown, HTML, CSV and what a screen shows."""

import csv
import io
import re
from pathlib import Path

import pytest

from app.ui.tables import looks
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.report import tables
from core.report.caption import interval_method
from core.report.table import (
    COUNT,
    MEAN,
    MINUS,
    P_VALUE,
    PERCENT,
    SIGNED,
    Column,
    Table,
    between,
    between_ms,
    in_words,
    rows_csv,
    with_values,
    written,
)

ROWS = [
    {"arm": "A & <b>", "f1": 0.51234, "change": -0.0301, "p": 0.0004, "texts": 1200, "kept": True, "beside": "=1+1"},
    {"arm": "B", "f1": None, "change": None, "p": 0.25, "texts": 3, "kept": False, "beside": "x"},
]
TABLE = Table(
    "arms",
    (
        Column("arm"),
        Column("f1", "Token F1", MEAN, direction=1),
        Column("change", "", SIGNED),
        Column("p", "p", P_VALUE),
        Column("texts", "", COUNT, unit="texts", direction=-1),
        Column("kept", help="Whether it is kept."),
    ),
    ROWS,
    "Arms compared",
    "n 2",
)


def test_every_form_says_the_same_columns_and_numbers():
    content = TABLE.content()
    tex, page = tables.latex(content, "arms", TABLE.caption, 3, 84), tables.html_table(content, 3)
    lines = tables.markdown(content, TABLE.caption, 3).splitlines()
    assert TABLE.caption == "Arms compared. n 2." and lines[0] == "Arms compared. n 2."
    assert lines[2:4] == [
        "| Arm | Token F1 ↑ | Change | p | Texts (texts) ↓ | Kept |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    assert (
        lines[4] == rf"| A & \<b\> | 0.512 | {MINUS}0.030 | \< 0.001 | 1,200 | yes |"
        and lines[5] == "| B |  |  | 0.250 | 3 | no |"
    )
    assert (
        r"\begin{tabular}{lrrrrr}" in tex
        and r"{Arm} & " in tex
        and r"{A \& " in tex
        and r"Token F1 $\uparrow$" in tex
        and r"\parbox" not in tex
    )
    assert "<th>Token F1 ↑</th>" in page and "A &amp; &lt;b&gt;" in page and "<b>" not in page


def test_a_paper_prints_the_first_rows_and_its_csv_has_all_with_what_no_column_shows():
    content = TABLE.content(first=1)
    assert tables.markdown(content, "", 3).splitlines()[2:] == [
        f"| A & \\<b\\> | 0.512 | {MINUS}0.030 | \\< 0.001 | 1,200 | yes |",
        "",
        "The first 1 of 2 rows.",
    ]
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(content))))
    assert len(rows) == 2 and rows[0]["f1"] == "0.51234" and rows[0]["beside"] == "'=1+1" and rows[1]["f1"] == ""


def test_a_screen_shows_numbers_texts_and_marks_as_wide_as_they_are():
    shown = looks(TABLE)
    kinds = {title: (look["type_config"] or {}).get("type") for title, look in shown.items()}
    assert kinds == {
        "Arm": "text",
        "Token F1": "number",
        "Change": "number",
        "p": "number",
        "Texts": "number",
        "Kept": "checkbox",
    }
    assert shown["Token F1"]["width"] > shown["p"]["width"] and shown["Kept"]["help"] == "Whether it is kept."
    assert looks(TABLE._replace(rows=[]))["Change"]["type_config"]["type"] == "number", (
        "its format says what it is, without a row"
    )


@pytest.mark.parametrize(
    ("value", "pattern", "words"),
    [
        (0.1234, PERCENT, "12.3%"),
        (1234, "", "1,234"),
        (2147.5307, COUNT, "2,147.5"),
        (705.0, COUNT, "705"),
        (0.5, "", "0.500"),
        (float("nan"), MEAN, ""),
        (["a", 2], "", "a, 2"),
        (-0.0001, SIGNED, "0.000"),
        (-0.0001, "%.2f ms", "0.00 ms"),
        (-0.2, "%.0f%%", "0%"),
        (float("-inf"), MEAN, f"{MINUS}inf"),
        (0.00012, "", "0.00012"),
        (-0.00012, "", f"{MINUS}0.00012"),
        (0.0, "", "0.000"),
    ],
)
def test_a_cell_in_words(value, pattern, words):
    assert in_words(value, pattern) == words


def test_a_cell_of_csv_holds_any_line_end_and_the_rows_end_alike():
    rows = [{"a": "one\rtwo", "b\r": "x\r\ny", "c": 'he said "so",\n'}, {"a": "\r", "b\r": None, "c": 1}]
    read = list(csv.DictReader(io.StringIO(rows_csv(rows), newline="")))
    assert read == [rows[0], {"a": "'\r", "b\r": "", "c": "1"}]
    assert rows_csv([{"a": 1}]) == "a\n1\n" and rows_csv([]) == "\n"
    column = {"name": "ndcg\r10", "unit": ""}
    results = {"columns": [column], "rows": [{"trial": "t", "name": "with\rout", "cells": {"ndcg\r10": {"mean": 0.5}}}]}
    [row] = csv.DictReader(io.StringIO(tables.to_csv(results), newline=""))
    assert (row["recipe"], row["measure"], row["mean"]) == ("with\rout", "ndcg\r10", "0.5")


def test_an_interval_in_one_cell():
    assert between(-0.1, 0.2) == f"{MINUS}0.100 to +0.200" and between(None, 1) == "" and written(-2, "%d") == f"{MINUS}2"


@pytest.mark.parametrize(
    ("ends", "words"),
    [((3.14, 99.94), "3.1 to 99.9"), ((3.14, 100.0), "3 to 100"), ((1234.4, None), "above 1,234"), ((12.34, None), "above 12.3")],
)
def test_an_interval_of_milliseconds_has_tenths_only_where_they_say_something(ends, words):
    assert between_ms(*ends) == words and between_ms(None, None) == ""


def test_a_column_without_a_value_in_any_row_is_left_out():
    columns = (Column("none"), Column("empty"), Column("zero"), Column("absent"))
    rows = [{"none": None, "empty": "", "zero": 0}, {"none": None, "empty": "", "zero": 0}]
    assert [column.key for column in with_values(columns, rows)] == ["zero"]


def test_what_a_stranger_calls_a_table_is_read_within_bounds():
    content = TABLE.content()
    column = content["columns"][0]
    wide = [column | {"key": f"c{number}"} for number in range(101)]
    for wrong in (
        {"columns": []},
        {"columns": [column, column]},  # a megabyte of text, as often as there are columns
        {"columns": wide},
        {"columns": [column | {"label": 3}]},
        {"columns": [{"label": "no key"}]},
        {"columns": [column | {"format": "%.1f99"}]},
        {"data": [["a"]]},
        {"data": [{}] * 200_001},
        {"first": "2"},
    ):
        with pytest.raises(WorkbenchError, match="cannot be printed"):
            tables.html_table(content | wrong, 3)
    assert "<th>Arm</th>" in tables.html_table(content | {"columns": [column | {"of": "a later version"}]}, 3)
    assert written(-0.5, P_VALUE) == "-0.500", "no p value is negative"


def test_a_table_that_is_cut_says_so():
    assert "The first 1 of 2 rows." in tables.html_table(TABLE.content(first=1), 3)
    assert tables.note(TABLE.content(first=2)) == ""


def test_a_p_that_says_what_another_says_in_every_row_is_not_printed_and_stays_in_the_csv():
    columns = [
        Column("arm"),
        *(Column(name, name, P_VALUE) for name in ("p", "p (Holm)", "p (all tried)")),
        Column("won"),
        Column("lost"),
    ]
    rows = [
        {"arm": arm, "p": p, "p (Holm)": 0.25, "p (all tried)": 0.25, "won": 2, "lost": 2}
        for arm, p in (("a", 0.25), ("b", 0.125))
    ]
    content = Table("arms", columns, rows).content()
    tex = tables.latex(content, "arms", "Arms", 3, 84)
    assert "{Arm} & p & p (Holm) & Won & Lost " in tex and "p (all tried): as p (Holm)." in tex
    assert tables.to_csv(content).startswith("arm,p,p (Holm),p (all tried),won,lost")
    assert (
        "p (all tried)" in tables.html_table({**content, "data": [rows[0] | {"p (all tried)": 0.5}]}, 3).partition("</table>")[0]
    )


@pytest.mark.parametrize(("level", "words"), [(0.95, "95%"), (0.975, "97.5%"), (0.999, "99.9%")])
def test_no_level_of_an_interval_is_rounded(level, words):
    config = with_settings(TrialConfig(), {"evaluation.confidence": level})
    assert interval_method(config).startswith(f"Intervals of {words}: ")
    table = {"rows": [], "questions": 3, "confidence": level, "tests": 0, "looked": 0}
    assert f"Means with intervals of {words}" in tables.note(table)
    rounding = re.compile(r"\b(confidence|level)\b[\]']*:\.0%\}")
    assert [
        path for room in ("app", "core") for path in Path(room).rglob("*.py") if rounding.search(path.read_text("utf-8"))
    ] == []
