"""What a table displays: cut text ends in an ellipsis, negative numbers have a minus sign; the data stay as they are."""

import pandas as pd
import streamlit as st
from streamlit.elements.lib.pandas_styler_utils import _use_display_values

from app.ui import cells, tables
from core.report.table import PERCENT, Column, Table

LONG = "Why do my assert checks vanish when the interpreter is started with an option?"


def displayed(data, looks):
    """(what Streamlit displays, data that stay behind it, looks)"""
    styler, looks = cells._fitted(data, looks)
    styler._compute()
    return _use_display_values(styler.data, styler._translate(False, False)), styler.data, looks


def test_long_text_ends_in_an_ellipsis_and_stays_whole_behind_it():
    looks = {"Question": st.column_config.TextColumn(width=200), "Value": st.column_config.NumberColumn(format="%.3f")}
    shown, data, _ = displayed({"Question": [LONG, "Short", None], "Value": [0.5, 1.0, None]}, looks)
    cut, short, none = shown["Question"]
    assert cut.endswith("…") and LONG.startswith(cut[:-1]) and 15 < len(cut) < 35
    assert (short, none) == ("Short", "") and data["Question"][0] == LONG
    assert cells.shortened(LONG, 1000) == LONG and cells.shortened("a\nb", 100) == "a b"


def test_a_number_is_displayed_as_told_and_sorts_as_a_number():
    counted = st.column_config.NumberColumn(format="localized")
    styler, looks = cells._fitted({"Questions": [260, None]}, {"Questions": counted}, {"Questions": ["260 of 288", ""]})
    styler._compute()
    shown = _use_display_values(styler.data, styler._translate(False, False))
    assert list(shown["Questions"]) == ["260 of 288", ""] and styler.data["Questions"][0] == 260
    assert "format" not in looks["Questions"]["type_config"] and counted["type_config"]["format"] == "localized"


def test_what_pandas_would_refuse_to_display_is_shown_as_it_is(monkeypatch):
    monkeypatch.setattr(cells, "MOST_CELLS", 1)
    frame, looks = cells._fitted({"Question": [LONG, "Short"]}, {"Question": st.column_config.TextColumn(width=200)})
    assert isinstance(frame, pd.DataFrame) and list(frame["Question"]) == [LONG, "Short"] and looks["Question"]["width"] == 200


def test_settings_that_differ_at_their_end_are_cut_before_it():
    names = [f"FAISS HNSW, m 16, ef construction 40, ef search {n}" for n in (8, 16, 96)]
    shown, *_ = displayed({"Setting": names}, {"Setting": st.column_config.TextColumn(width=200)})
    assert len(set(shown["Setting"])) == 3
    for short, name in zip(shown["Setting"], names, strict=True):
        head, _, tail = short.partition("…")
        assert name.startswith(head) and name.endswith(tail) and head and tail
        assert cells.shortened(short, 210) == short  # it has room


def test_a_text_has_room_in_a_column_that_is_made_for_it():
    for text in ("Hybrid convex, defaults", "python-reference, dev", "BM25, fixed chunk 16, k1 0.5", "a"):
        assert cells.shortened(text, cells.room([text])) == text


def test_a_share_has_room_with_the_decimals_and_commas_that_the_canvas_writes():
    table = Table("budget", [Column("used", "To", PERCENT)], [{"used": 13.1524}, {"used": None}])
    assert tables.looks(table)["To"]["width"] >= cells.room(["1,315.24%"])


def test_significant_digits_and_zeros_are_displayed_as_they_are_printed():
    looks = tables.looks(Table("law", [Column("value", "Value", "%.4g")], [{"value": 3.786e12}, {"value": None}]))
    shown, data, _ = displayed({"Value": [3.786e12, 0.0819, None]}, looks)
    assert list(shown["Value"]) == ["3.786e+12", "0.0819", ""] and data["Value"][0] == 3.786e12
    assert looks["Value"]["width"] >= cells.room(["3.786e+12"])
    change = {"Change": st.column_config.NumberColumn(format="%+.3f")}
    assert list(displayed({"Change": [0.0, 0.0271]}, change)[0]["Change"]) == ["0.000", "+0.027"], "no sign where nothing changes"


def test_settings_that_differ_between_the_same_beginning_and_end_are_told_apart():
    names = [f"Hybrid convex, chunk {size}, weight {weight}" for size in (127, 254, 508) for weight in (0.5, 0.7)]
    shown, *_ = displayed({"Point": names}, {"Point": st.column_config.TextColumn(width=200)})
    assert list(shown["Point"]) == [name.replace("Hybrid convex, ", "…") for name in names]
    longer = [f"Hybrid convex, whole document, {encoder}, weight 0.5" for encoder in ("LSA", "minilm")]
    shown, *_ = displayed({"Point": longer}, {"Point": st.column_config.TextColumn(width=256)})
    for short, name in zip(shown["Point"], longer, strict=True):
        head, _, tail = short.partition("…")
        assert len(head) > 4 and name.startswith(head) and tail == name.partition("document, ")[2]
        assert cells.shortened(short, 266) == short  # it has room


def test_a_negative_number_has_a_minus_sign_and_sorts_as_a_number():
    signed = st.column_config.NumberColumn(format="%+.3f", width=70)
    shown, data, looks = displayed({"Change": [0.0304, -0.0271, -0.0001, None]}, {"Change": signed})
    assert list(shown["Change"]) == ["+0.030", "\u22120.027", "0.000", ""]
    assert data["Change"].dtype == float and data["Change"][1] == -0.0271
    assert "format" not in looks["Change"]["type_config"] and signed["type_config"]["format"] == "%+.3f"  # the display says it
    assert [cells.number(-1234, how) for how in ("localized", "%d", "%.1f ms")] == [
        "\u22121,234",
        "\u22121234",
        "\u22121234.0 ms",
    ]


def test_bold_stays_where_text_is_cut():
    frame = pd.DataFrame({"Recipe": [LONG, LONG], "nDCG": [0.1, 0.2]})
    bold = frame.style.apply(lambda column: ["font-weight: 700", ""], subset=["nDCG"])
    styler, _ = cells._fitted(bold, {"Recipe": st.column_config.TextColumn(width=100)})
    styler._compute()
    made = styler._translate(False, False)
    assert any(("font-weight", "700") in one["props"] for one in made["cellstyle"])
    assert _use_display_values(frame, made)["Recipe"][0].endswith("…")


def test_what_fits_is_left_to_streamlit():
    frame = pd.DataFrame({"Name": ["a"], "n": [3]})
    assert cells._fitted(frame, {})[0] is frame


def test_no_p_value_is_shown_as_zero():
    shown = ["< 0.001", "< 0.001", "0.001", "0.039", "1.000"]
    assert [cells.number(value, cells.P_VALUE) for value in (0.0, 0.0009, 0.001, 0.0394, 1.0)] == shown


def test_counts_beside_gaps_have_no_decimal_point():
    table = Table("pairs", (Column("pairs"), Column("gain")), [{"pairs": 3, "gain": 0.5}, {"pairs": None, "gain": None}])
    frame = pd.DataFrame(tables.shown(table))
    assert [str(value) for value in frame["Pairs"]] == ["3", "None"] and frame["Gain"].dtype == float


def test_columns_of_one_title_are_all_shown_each_with_its_own_cells():
    columns = (Column("right"), Column("right_between", "95%"), Column("wrong"), Column("wrong_between", "95%"))
    row = {"right": 0.8, "right_between": "0.7 to 0.9", "wrong": 0.2, "wrong_between": "0.1 to 0.3"}
    table = Table("shares", columns, [row])
    assert [cells[0] for cells in tables.shown(table).values()] == [0.8, "0.7 to 0.9", 0.2, "0.1 to 0.3"]
    assert [name.rstrip("\u200b") for name in tables.looks(table)] == ["Right", "95%", "Wrong", "95%"]
    assert list(tables.looks(table)) == list(tables.shown(table))
