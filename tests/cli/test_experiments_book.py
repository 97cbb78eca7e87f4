"""Experiments on the command line: saved, listed, described, archived, and what each version changed."""

import json

import pytest

from core.__main__ import main
from core.cli.experiments import show_standing
from core.labs.experiments import book
from core.labs.experiments.experiment import written
from core.labs.experiments.standing import StudyStanding
from core.workbench import Workbench
from tests.labs.experiments.test_book import sizes
from tests.support.synthetic_trials import add_questions, add_trial


@pytest.fixture
def say(capsys):
    def said(*words):
        code = main([*words, "--json"])
        told = json.loads(capsys.readouterr().out)
        assert code == (1 if "error" in told else 0)
        return told

    return said


@pytest.mark.slow
def test_an_experiment_from_its_file_to_the_archive(say, tmp_path, capsys):
    file = tmp_path / "sizes.yaml"
    file.write_text(written(sizes()))
    assert say("experiment", "save", str(file)) == say("experiment", "save", str(file))
    assert say("experiment", "describe", "chunk-sizes", "--note", "- all", "--tags", "paper, a,a")["version"] == 2
    [row] = say("experiment", "list")
    assert (row["experiment"], row["version"], row["trials"], row["tags"]) == ("chunk-sizes", 2, 0, "paper, a")
    assert say("experiment", "show", "chunk-sizes", "--version", "1") == json.loads(
        sizes().model_dump_json(exclude_defaults=True)
    )
    assert [row["changes"] for row in say("experiment", "versions", "chunk-sizes")] == [
        "",
        'note none → - all; tags none → ["paper", "a"]',
    ]
    assert say("experiment", "archive", "chunk-sizes")["version"] == 3
    assert (len(say("experiment", "list")), len(say("experiment", "list", "--archived"))) == (0, 1)
    assert say("experiment", "restore", "chunk-sizes")["version"] == 4
    assert say("experiment", "create", "Chunk sizes")["error"]["what"] == "There is already an experiment 'chunk-sizes'."
    assert say("experiment", "create", "A folder", "--question", "Why?") == {"experiment": "a-folder", "version": 1}
    assert "No trial" in say("experiment", "baseline", "a-folder", "nothing")["error"]["what"]
    assert say("experiment", "baseline", "a-folder")["version"] == 1
    assert [row["id"] for row in say("find", "how", "long")["rows"]] == ["chunk-sizes"]
    assert main(["find", "why?"]) == 0 and "experiment: 1" in capsys.readouterr().out
    assert main(["find", "zebra"]) == 0 and "Nothing there" in capsys.readouterr().out


@pytest.mark.slow
def test_an_experiment_goes_into_a_file_and_is_opened_elsewhere(say, tmp_path, monkeypatch, capsys):
    bench = Workbench()
    book.save(bench, sizes())
    add_trial(bench.store, add_questions(bench.store), sweep="chunk-sizes")
    file = tmp_path / "sizes.experiment.zip"
    assert say("experiment", "export", "chunk-sizes", str(file)) == str(file)
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "theirs"))
    assert say("experiment", "open", str(file), "--only-verify")["added"] == 0 == len(say("experiment", "list"))
    assert main(["experiment", "open", str(file)]) == 0
    told = capsys.readouterr().out
    assert "1 versions, 1 trials, 1 sets" in told and "New here: 3 records; here before: 0." in told
    assert say("experiment", "list")[0]["ok"] == 1
    assert "cannot be read" in say("experiment", "open", str(tmp_path / "nothing.zip"))["error"]["what"]


@pytest.mark.parametrize("text", ["", "[1]", "title: [", "title: x\nfactors: 3\n", "id: ../x\n", None])
def test_a_file_that_is_no_experiment_says_what_is_wrong(say, tmp_path, text):
    file = tmp_path / "bad.yaml"
    file.write_bytes(b"\xff\xfe\x00") if text is None else file.write_text(text)
    assert say("experiment", "save", str(file))["error"]["what"]
    assert book.latest(Workbench()) == {}


def test_how_an_experiment_stands_is_told_without_seconds_since_1970(capsys):
    show_standing(StudyStanding("e", "running", 3, 7, phase_began=1.8e9, phase_first=1, phase_counted=1.8e9, pid=4)._asdict())
    told = capsys.readouterr().out
    assert "done: 3" in told and "pid: 4" in told and "phase" not in told
