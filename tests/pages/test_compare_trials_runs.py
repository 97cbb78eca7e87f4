"""Runs in TREC's format on the page Trials: uploaded, measured as by the command, compared, fused; and trials as such runs."""

import gzip
import json
import shlex
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core.__main__ import main
from core.labs.runs import trec
from core.labs.runs.sent import SentFile
from core.labs.runs.trials import run_of
from core.workbench import Workbench
from tests.support.screen import html, visit
from tests.support.synthetic_trials import add_questions, add_trial

QRELS = b"q1 0 x 2\nq1 0 y 1\nq2 0 x 1\nq3 0 z 1\n"
GOOD = b"q1 Q0 x 1 9 t\nq1 Q0 y 2 8 t\nq2 Q0 x 1 5 t\nq3 Q0 z 1 4 t\n"
POOR = b"q1 Q0 a 1 9 t\nq1 Q0 x 2 8 t\nq2 Q0 b 1 5 t\nq2 Q0 x 2 4 t\nq3 Q0 z 1 4 t\n"


@pytest.fixture
def bench(tmp_path, monkeypatch):
    bench = Workbench(tmp_path / "home")
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(session, "workbench", lambda: bench)
    return bench


def open_page(**address: str) -> AppTest:
    return sound(visit("compare_trials", {"whose": "TREC runs", **address}))


def sound(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    return app


def send(app: AppTest, *runs: tuple[str, bytes], qrels: bytes | None = QRELS) -> AppTest:
    app.file_uploader(key="run_files").set_value([(name, data, "text/plain") for name, data in runs])
    if qrels is not None:
        app.file_uploader(key="qrels_file").set_value(("qrels.txt", qrels, "text/plain"))
    return sound(app.run())


def frame(app: AppTest, column: str):
    return next(each.value for each in app.dataframe if column in each.value.columns)


def command(app: AppTest) -> list[str]:
    return app.main.code[-1].value.splitlines()


def test_without_files_it_says_what_to_give(bench):
    app = open_page()
    assert "question Q0 document rank score tag" in html(app) and not app.dataframe and not app.error
    app = send(app, ("a.run", GOOD), qrels=None)
    assert "judgements" in app.info[0].value and not app.dataframe


@pytest.mark.slow
def test_runs_are_measured_compared_and_fused_as_by_the_command_shown(bench, tmp_path, monkeypatch, capsys):
    app = send(open_page(), ("good.run", GOOD), ("poor.run.gz", gzip.compress(POOR)))
    table = frame(app, "Questions ranked")
    assert table["Run"].tolist() == ["good", "poor"] and table["nDCG@10"][0].startswith("1.000")
    paired = frame(app, "p (Holm)")
    assert paired["Run"].tolist() == ["poor"] and paired["Difference"][0] < 0 and paired["Lost"][0] == 2
    app.selectbox(key="run_fusion").set_value("comb_mnz")
    app.selectbox(key="run_against").set_value(1)
    sound(app.run())
    table = frame(app, "Questions ranked")
    assert table["Run"].tolist()[2] == "comb_mnz of good and poor" and len(frame(app, "p (Holm)")) == 3
    assert any("The fused run" in each.proto.label for each in app.get("download_button"))
    monkeypatch.chdir(tmp_path)
    for name, data in (("good.run", GOOD), ("poor.run.gz", gzip.compress(POOR)), ("qrels.txt", QRELS)):
        Path(name).write_bytes(data)
    [line] = command(app)
    assert main([*shlex.split(line)[3:], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [f"{row['nDCG@10']:.3f}" for row in told["runs"]] == [cell[:5] for cell in table["nDCG@10"]]
    compared = [row["difference"] for row in told["compared"] if row["metric"] == "nDCG@10"]
    assert compared == pytest.approx(frame(app, "p (Holm)")["Difference"].tolist())


def test_a_weight_moves_the_fusion_and_stands_in_the_command(bench):
    app = send(open_page(run_fusion="rrf"), ("good.run", GOOD), ("poor.run", POOR))
    key = next(slider.key for slider in [*app.slider, *app.select_slider] if slider.key == "run_fusion/rrf/weight")
    next(s for s in [*app.slider, *app.select_slider] if s.key == key).set_value(0.0)
    table = frame(sound(app.run()), "Questions ranked")
    assert table["nDCG@10"][2] == table["nDCG@10"][0], "the first run alone"
    assert "--set weight=0.0" in command(app)[-1]


@pytest.mark.slow
def test_a_bad_file_is_told_with_its_line_and_the_others_stand(bench):
    app = send(open_page(), ("../../etc/bad run.txt", b"q1 Q0 x 1 9 t\nq1 Q0 y two\n"), ("good.run", GOOD), ("good.run", POOR))
    [error] = app.error
    said = error.value.replace("\\", "").replace(":small[]", "")
    assert "4 fields instead of 6" in said and "bad_run.txt:2" in said and "/tmp" not in said
    assert frame(app, "Questions ranked")["Run"].tolist() == ["good", "good (2)"]
    app = send(open_page(), ("good.run", GOOD), qrels=b"q1 0 x 0\n")
    assert "No document is judged relevant" in app.error[0].value and not app.dataframe
    app = send(open_page(), ("other.run", b"t9 Q0 x 1 9 t\n"))
    assert "none of the judged questions" in app.error[0].value
    assert SentFile("../..", b"").safe == "run" and SentFile("a/b\\c.run", b"").safe == "c.run"


def test_a_wrong_metric_is_told(bench):
    app = send(open_page(), ("good.run", GOOD))
    app.session_state["run_metrics"] = ["map@x"]
    assert "no depth" in sound(app.run()).error[0].value


@pytest.mark.slow
def test_a_ticked_trial_stands_beside_runs_and_leaves_as_one(bench):
    trial = add_trial(bench.store, add_questions(bench.store, n=12), quality=0.8)
    app = open_page(trials=trial)
    app.multiselect(key="runs_of_trials").set_value([trial])
    sound(app.run())
    table = frame(app, "Questions ranked")
    assert len(table) == 1 and command(app)[0].startswith(f"python -m core runs write {trial}")
    assert shlex.split(command(app)[1])[5] == trial
    run, questions = run_of(bench, trial)
    app = send(app, ("same.run", trec.run_text(run, 1000).encode()), qrels=trec.judgement_text(questions).encode())
    table = frame(app, "Questions ranked")
    assert len(table) == 2 and table["nDCG@10"][0] == table["nDCG@10"][1]
    app = open_page(trials=trial, whose="Stored trials")
    assert {"trial_run", "trial_qrels"} <= {each.proto.id.rsplit("-", 1)[-1] for each in app.get("download_button")}
    assert any(f"runs write {trial}" in code.value for code in app.code)
