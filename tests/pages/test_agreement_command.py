"""The page Agreement and `python -m core annotate agreement` say the same numbers, on QAGS and on a stored study."""

import json
import os
import shlex
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core.__main__ import main
from core.workbench import Workbench
from tests.support.annotated import rating
from tests.support.labelled import by_place, labelled
from tests.support.screen import html, visit

FOLDER = Path(os.environ.get("GROUNDWORK_DATASETS", Path(__file__).parents[2] / "../shared/datasets"))
QAGS = FOLDER / "qags" / "mturk_cnndm.jsonl"


@pytest.fixture
def bench(tmp_path, monkeypatch):
    workbench = Workbench(tmp_path / "home")
    monkeypatch.setattr(session, "workbench", lambda: workbench)
    monkeypatch.setattr("core.agreement.sources.FOLDER", tmp_path / "annotations")
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GROUNDWORK_DATASETS", str(FOLDER))
    return workbench


def opened(view: str, **address: str) -> AppTest:
    app = visit("measure_agreement", {"view": view, **address})
    assert not app.exception and not app.error, [*(e.value for e in app.error), *(c.value for c in app.code)]
    return app


def frame(app: AppTest, column: str):
    return next(one.value for one in app.dataframe if column in one.value)


def told(capsys, *words: object) -> dict:
    assert main(["agreement", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def said(app: AppTest) -> list[str]:
    """The command that the page prints, as words after the verb."""
    command = next(one.value for one in app.code if "core annotate agreement" in one.value)
    return shlex.split(command)[5:]


def between(one: dict) -> str:
    return f"{one['low']:.3f} to {one['high']:.3f}".replace("-", "−")


@pytest.mark.slow
@pytest.mark.skipif(not QAGS.is_file(), reason=f"QAGS is not at {QAGS}; set GROUNDWORK_DATASETS.")
@pytest.mark.parametrize("whole", [False, True])
def test_machines_and_headline_on_qags(bench, capsys, whole):
    unit = {"unit": "Whole answers"} if whole else {}
    app = opened("People against machines", source="qags/mturk_cnndm.jsonl", **unit)
    found = told(capsys, QAGS, "--machines", "--headline", 100, *(["--whole"] if whole else []))
    assert (found["units"], found["drawn"]) == (714, "235 answers") and found["machines"]["n"] == (235 if whole else 714)
    scores, verdicts = frame(app, "Pearson").set_index("Measure"), frame(app, "Threshold").set_index("Measure")
    for one in found["machines"]["machines"]:
        name, shown = one["name"], scores.loc[one["name"]]
        for column, value in (
            ("Pearson", one["pearson"]),
            ("Spearman", one["spearman"]),
            ("AUC", one["roc"]),
            ("MAE", one["error"]),
            ("Calibration", one["calibration"]["error"]),
        ):
            assert shown[column] == pytest.approx(value.get("value", value.get("mean")))
            assert shown[f"{column}, 95%"] == between(value)
        cut, beside = one["threshold"], one["beside"]
        assert verdicts.loc[name, "Machine"] == pytest.approx(beside["machine"]["value"])
        assert verdicts.loc[name, "Person"] == pytest.approx(beside["person"]["value"])
        for column, value in (("Accuracy", cut["accuracy"]), ("Cohen", cut["kappa"]), ("Difference", beside["difference"])):
            assert verdicts.loc[name, column] == pytest.approx(value.get("value", value.get("mean")))
            assert verdicts.loc[name, f"{column}, 95%"] == between(value)
        assert verdicts.loc[name, "Threshold"] == pytest.approx(cut["threshold"])
    assert verdicts.loc["Majority class", "Accuracy"] == pytest.approx(found["machines"]["baseline"]["mean"])
    first = found["headline"][0]
    assert first["machine"] == app.selectbox(key="headline_measure").value and first["n_human"] == 100
    for one in (*first["methods"], {"value": first["truth"]}, {"value": first["methods"][0]["human_only"]["mean"]}):
        assert f"{one['value']:.3f}" in html(app)
    if whole:
        assert scores.loc["3-gram containment", "Pearson"] == pytest.approx(0.706, abs=5e-4), "as published"
        assert scores.loc["3-gram containment", "n"] == 235
        next(box for box in app.multiselect if box.key == "measures_against").select("New words").run()
        assert not app.exception and "New words" in list(frame(app, "Measure")["Measure"])


@pytest.mark.slow
@pytest.mark.skipif(not QAGS.is_file(), reason=f"QAGS is not at {QAGS}; set GROUNDWORK_DATASETS.")
def test_coefficients_and_everything_else_on_qags(bench, capsys):
    app = opened("Agreement", source="qags/mturk_cnndm.jsonl")
    found = told(capsys, QAGS, "--annotators", "--disputed", "--growth", "--systems", "--resamples", 2000)
    shown = frame(app, "Coefficient").set_index("Coefficient")
    assert list(shown.index) == [one["name"] for one in found["measures"]]
    for one in found["measures"]:
        assert shown.loc[one["name"], "Value"] == pytest.approx(one["value"])
        assert one["drawn"] == 235 and one["low"] < one["value"] < one["high"]
    assert found["measures"][0]["value"] == pytest.approx(0.5135, abs=5e-5)
    assert (found["measures"][0]["low"], found["measures"][0]["high"]) == pytest.approx((0.454, 0.572), abs=2e-3)
    for words in ("2,000 resamples of 235 answers", "0.514", "714 sentences", "162 annotators"):
        assert words in html(app), words
    said = html(app) + " ".join(element.value for element in [*app.caption, *app.info, *app.warning])
    assert "Krippendorff 2004" in said and "Landis and Koch 1977" in said and "No study of yours has labels yet" in said
    assert "Example: QAGS" in app.selectbox(key="source").options[0]
    assert len(found["people"]["annotators"]) == 162 and (found["disputed"]["disputed"], found["disputed"]["units"]) == (210, 714)
    assert found["growth"]["points"][-1]["alpha"] == pytest.approx(0.5135, abs=5e-5) and found["growth"]["stop_at"] > 500
    assert found["systems"]["systems"][0]["whole"]["mean"] == pytest.approx(113 / 235)
    rates = opened("Consensus", source="qags/mturk_cnndm.jsonl")
    assert frame(rates, "System")["Answers"].iloc[0] == found["systems"]["systems"][0]["answers"] == 235


@pytest.mark.slow
def test_a_stored_study_by_its_name_and_as_it_is_read(bench, capsys, tmp_path):
    def said_of(who, number):
        return {"sentences": ((by_place(who, number),) * 2,), "helpful": (3 + (number + len(who)) % 3,), "seconds": None}

    frozen = labelled(bench, rating(20, pilot=0, per_item=3), said_of)
    app = opened("Agreement", source="toy", part="Helpful", level="Ordinal")
    assert f"as frozen, hash {frozen.hash[:12]}" in html(app)
    words = said(app)
    assert words == ["toy", "--part", "helpful", "--level", "ordinal"]
    found = told(capsys, *words)
    assert list(frame(app, "Coefficient")["Value"]) == pytest.approx([one["value"] for one in found["measures"]], nan_ok=True)
    judge = tmp_path / "judge.csv"
    first = told(capsys, "toy", "--disputed")["disputed"]["most"][0]["name"]
    judge.write_text(f"unit,score\n{first},0.5\n")
    found = told(capsys, "toy", "--scores", judge, "--yes", "supported", "--yes", "partly", "--consensus", "dawid_skene")
    assert found["machines"]["machines"][-1]["name"] == "judge" and found["machines"]["machines"][-1]["n"] == 1
    assert (found["machines"]["yes"], found["machines"]["consensus"]) == (["supported", "partly"], "dawid_skene")
    people = told(capsys, "toy", "--annotators")["people"]
    assert people["thirds"] == [] and len(people["pairs"]["of"]) == 3  # without times no trend
    judged = told(capsys, "toy", "--machines", "--curves")["machines"]
    assert judged["roc"][-1]["true positive"] == 1 and {row["measure"] for row in judged["calibration"]}
    assert main(["agreement", "toy", "--annotators", "--disputed", "--growth", "0.2", "--systems", "--machines", "--curves"]) == 0
    out = capsys.readouterr().out
    assert "ROC" in out and "of pairs" in out
    assert "40 sentences of 20 answers" in out and "2,000 resamples of 20 answers" in out and "half_width 0.2" in out
    for wrong in (
        ["toy", "--part", "preference"],
        ["toy", "--round", "pilot"],
        ["toy", "--yes", "good"],
        ["toy", "--scores", "gone.csv"],
        ["toy", "--headline", "2"],
        ["nothing-here"],
    ):
        assert main(["agreement", *wrong]) == 1 and "Failed:" in capsys.readouterr().err


@pytest.mark.slow
def test_a_plan_that_was_changed_is_told(bench, capsys):
    frozen = labelled(bench, rating(8, pilot=0, per_item=3), lambda who, number: "supported")
    bench.store.add("study", {**bench.store.journal.read(frozen.id).payload, "hash": "0" * 64, "version": 2})
    app = visit("measure_agreement", {"source": "toy"})
    assert any("not what was frozen" in one.value and "hash" in one.value for one in app.error)
    assert not told(capsys, "toy")["plan"]["ok"]
