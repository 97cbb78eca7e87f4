"""The table of the training's held-out parts."""

import pytest

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.scores import held_out
from core.progress import drain
from core.training.faithfulness.sources import NEITHER, SUPPORTED, Marked, MarkedSpan
from core.workbench import Workbench


@pytest.mark.slow
def test_the_floor_is_told_of_the_third_parts_with_a_threshold_of_the_second(datasets_root):
    told = drain(held_out.table(Workbench(), TrialConfig(), datasets_root, ["lexical_floor"]))
    rows = {row["set"]: row for row in told["rows"]}
    assert list(rows) == ["qa_feedback", "xsumfaith", "citation_integrity", "expertqa"] and not told["missing"]
    assert [(row["answers"], row["hallucinated"]) for row in rows.values()] == [(169, 37), (235, 219), (316, 125), (90, 46)]
    assert [round(row["auc"]["value"], 3) for row in list(rows.values())[:3]] == [0.704, 0.826, 0.68]
    assert all(row["threshold"] == held_out.OF_SET for row in rows.values())
    assert rows["citation_integrity"]["span_f1"] is None and 0.5 < rows["xsumfaith"]["span_f1"]["value"] < 0.6
    for row in rows.values():
        assert row["balanced_accuracy"]["low"] < row["balanced_accuracy"]["value"] < row["balanced_accuracy"]["high"]


def test_spans_are_what_half_of_the_people_marked_and_none_where_nobody_marked():
    marked = Marked(
        "xsumfaith", "g", "", ("p",), "a b", NEITHER, (MarkedSpan(0, 1, NEITHER, 0.3), MarkedSpan(2, 3, NEITHER, 0.6))
    )
    right = Marked("xsumfaith", "h", "", ("p",), "a", SUPPORTED, ())
    first, second = held_out.answer_rows([marked, right])
    assert (first.label, first.spans, second.label, second.spans) == (1.0, ((2, 3),), 0.0, ())
    assert [row.spans for row in held_out.answer_rows([right])] == [None]


def test_a_folder_that_is_not_named_or_has_none_of_them_is_told(monkeypatch, tmp_path):
    monkeypatch.delenv("GROUNDWORK_DATASETS", raising=False)
    with pytest.raises(WorkbenchError, match="folder with the data sets is not given"):
        drain(held_out.table(Workbench(), TrialConfig()))
    with pytest.raises(WorkbenchError, match="None of the data sets"):
        drain(held_out.table(Workbench(), TrialConfig(), tmp_path))
