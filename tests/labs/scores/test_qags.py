"""QAGS: the known correlation of containment, and its pairs with what people say."""

import json

import numpy as np
import pytest

from core.__main__ import main
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.scores import qags
from core.progress import drain
from core.statistics.correlation import pearson, pearson_difference
from core.workbench import Workbench


@pytest.mark.slow
def test_containment_correlates_as_is_known_and_stands_beside_what_was_published(datasets_root):
    told = drain(
        qags.table(Workbench(), TrialConfig(), datasets_root / "qags/mturk_cnndm.jsonl", ["containment", "lexical_floor"])
    )
    rows = {row["measure"]: row for row in told["measures"]}
    assert (told["summaries"], told["sentences"]) == (235, 714)
    assert round(rows[qags.FLOOR]["pearson"]["value"], 3) == 0.706
    assert [row["pearson"] for row in told["published"]] == [0.237, 0.276, 0.545]
    below = rows["lexical_floor"]["above_containment"]
    assert below["high"] < 0 and below["value"] == pytest.approx(rows["lexical_floor"]["pearson"]["value"] - 0.706, abs=1e-3)
    assert rows["containment"]["fitted"]["fitted_on"] + rows["containment"]["fitted"]["tested_on"] == 235


def test_published_figures_stand_beside_their_file_alone(tmp_path, datasets_root, capsys):
    lines = (datasets_root / "qags/mturk_cnndm.jsonl").read_text("utf-8").splitlines()
    for name, some in (("fewer.jsonl", lines[:20]), ("twice.jsonl", [*lines, lines[0]])):
        path = tmp_path / name
        path.write_text("\n".join(some), "utf-8")
        assert not qags.are_published(qags.summaries(path)[0])
    same = tmp_path / "renamed.jsonl"
    same.write_text("\r\n".join(lines), "utf-8")
    assert qags.are_published(qags.summaries(same)[0])
    assert main(["judge-qags", str(tmp_path / "fewer.jsonl"), "--measure", "lexical_floor"]) == 0
    out = capsys.readouterr().out
    assert "20 summaries" in out and "0.545" not in out and "does not hold" in out


def test_a_summary_is_the_mean_of_its_sentences_majorities(tmp_path):
    said = [("yes", "yes", "no"), ("no", "no", "yes")]
    sentences = [
        {"sentence": f"S {n}.", "responses": [{"worker_id": w, "response": r} for w, r in enumerate(votes)]}
        for n, votes in enumerate(said)
    ]
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"article": "An article.", "summary_sentences": sentences}))
    [row], [[first, second]] = qags.summaries(path)
    assert row.label == 0.5 and (first.answer, second.answer) == ("S 0.", "S 1.") and first.passages == ("An article.",)
    path.write_text("{}")
    with pytest.raises(WorkbenchError, match="no summaries"):
        qags.summaries(path)


def test_the_difference_of_correlations_is_theirs_and_0_for_the_same():
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    a, b = y + rng.normal(size=200) * 0.5, y + rng.normal(size=200) * 3
    told = pearson_difference(a, b, y, 300)
    assert told.value == pytest.approx(pearson(a, y, 0).value - pearson(b, y, 0).value) and told.low > 0
    same = pearson_difference(a, a, y, 300)
    assert (same.value, same.low, same.high) == pytest.approx((0, 0, 0), abs=1e-12)  # which sums are exact is the processor's
    assert pearson_difference(np.r_[a, np.nan], np.r_[b, 1], np.r_[y, 1], 300).value == pytest.approx(told.value)
