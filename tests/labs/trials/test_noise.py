"""The verb noise-budget: anybody's table, stored repeats of a recipe, stored samples of answers, and what it refuses."""

import json

import numpy as np
import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.labs.trials import noise
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial


def written(path, rows, head="question,judge,value"):
    path.write_text("\n".join([head, *rows]), "utf-8")
    return path


@pytest.fixture
def judged(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"q{q},j{j},{rng.normal(0.5, 0.2):.4f}" for q in range(40) for j in range(3) for _ in range(2)]
    return written(tmp_path / "judged.csv", [*rows, "q0,j0,", "q1,j0,nan"])


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))

    def call(*words: str) -> dict:
        assert main(["noise-budget", *map(str, words), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return call


def test_a_table_gives_its_components_and_a_gain_its_verdict(told, judged):
    record = told(judged, "--gain", "0.01", "--planned", "judge=1", "question=40")
    assert [row["component"] for row in record["components"]] == ["rest", "question", "judge", "question × judge"]
    assert (record["values"], record["unmeasured"], record["cells with a value"]) == (240, 2, "120 of 120")
    rest = record["components"][0]
    assert rest["low"] < 0.2 < rest["high"] and rest["standard deviation"] == pytest.approx(0.2, abs=0.03)
    assert "The gain of 0.010 is below the noise" in record["verdict"] and "would settle it" in record["verdict"]
    assert "above the noise" in told(judged, "--gain", "0.5")["verdict"] and told(judged)["verdict"] == ""


def test_columns_are_named_and_the_questions_come_first(told, tmp_path):
    rows = [f"{s},{q},{q % 3 + 0.1 * s},note {s}{q}" for q in range(6) for s in range(3)]
    path = written(tmp_path / "named.csv", rows, "seed,question,f1,note")
    record = told(path, "--value", "f1", "--factors", "question, seed")
    assert list(record["levels"]) == ["question", "seed"]
    assert "question × seed cannot be told apart, and is part of the rest" in record["notes"]
    read = noise.of_file(written(tmp_path / "plain.csv", ["1,2,3"], "seed,question,value"))
    assert list(read.factors) == ["question", "seed"]


def test_repeats_of_a_recipe_under_other_seeds_are_read_from_the_store(told, tmp_path):
    bench = Workbench(tmp_path / "home")
    questions = add_questions(bench.store, n=30)
    for seed in range(3):
        add_trial(bench.store, questions, {"fusion.weight": 0.4, "seed": seed}, 0.6, seed)
    add_trial(bench.store, questions, {"fusion.weight": 0.9}, 0.9, 9)
    record = told("--trials", "--metric", "mrr", "--gain", "0.02")
    assert record["levels"] == {"question": 29, "seed": 3} and "weight 0.4" in record["of"] and "MRR" in record["of"]
    assert "levels of seed or" in record["verdict"] or "of question would settle it" in record["verdict"]
    with pytest.raises(WorkbenchError, match="under two seeds"):
        noise.of_trials(bench, only=[bench.trials()[0]["id"]])


def test_stored_samples_of_answers_are_read_from_the_store(tmp_path):
    bench = Workbench(tmp_path)
    with pytest.raises(WorkbenchError, match="No samples"):
        noise.of_samples(bench)
    for number in range(4):
        drawn = [
            {"seed": s, "text": text, "finish_reason": "failed" if s == number == 2 else "stop", "tokens": [1]}
            for s, text in enumerate(("old town", "a town", "no"))
        ]
        shared = {"ground": "g", "dataset": "tiny", "query_id": f"q{number}", "question": "?", "answers": ["old town"]}
        bench.store.add("samples", {**shared, "chain": "temperature=0.8", "samples": drawn, "config": {}})
    read = noise.of_samples(bench)
    assert "temperature=0.8" in read.what and len(read.values) == 12 and np.isnan(read.values).sum() == 1
    assert noise.budget(read)["unmeasured"] == 1


@pytest.mark.parametrize(
    "text, words",
    [
        ("question,judge,value\n1,2,good", "'good' is no number"),
        ("question,judge,value\n1,2,inf", "infinite"),
        ("question,judge,score\n1,2,3", "no column 'value'"),
        ("value\n1", "0 columns"),
        ("a,b,c,d,e,value\n1,2,3,4,5,6", "5 columns"),
        ("question,judge,value\n1,2,0.5", "The noise cannot be estimated"),
        ("", "no column"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, text, words):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(WorkbenchError, match=words):
        noise.budget(noise.of_file(path))


def test_what_is_planned_or_shared_has_to_be_a_factor(judged, tmp_path):
    read = noise.of_file(judged)
    for told in ({"planned": ["cook=3"]}, {"planned": ["judge=many"]}, {"shared": ["cook"]}):
        with pytest.raises(WorkbenchError):
            noise.budget(read, 0.1, **told)
    with pytest.raises(WorkbenchError, match="cannot be read"):
        noise.of_file(tmp_path / "absent.csv")
    (tmp_path / "latin.csv").write_bytes("question,value\nä,1".encode("latin-1"))
    with pytest.raises(WorkbenchError, match="cannot be read"):
        noise.of_file(tmp_path / "latin.csv")


def test_one_table_is_read_at_a_time(told, judged):
    assert main(["noise-budget", str(judged), "--trials"]) == 1 and main(["noise-budget"]) == 1
