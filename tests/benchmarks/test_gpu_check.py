"""gpu-check where there is no GPU, and how one section that fails or is left out leaves the others alone."""

import sys

from benchmarks import __main__ as runner
from benchmarks import gpu_check
from core.errors import WorkbenchError

AT = gpu_check.Place("cpu", None, [], [], 1, 1, "")


def test_without_cuda_it_says_so_and_measures_nothing(monkeypatch, capsys):
    monkeypatch.setattr(gpu_check, "device", lambda: "cpu")
    assert gpu_check.main() == runner.NOT_HERE
    said = capsys.readouterr()
    assert said.out == "" and "no CUDA on this machine" in said.err and "--cpu" in said.err


def test_the_runner_writes_nothing_of_what_the_machine_cannot_measure(tmp_path, capsys):
    ended = runner.run(["gpu_check"], "", lambda name: [sys.executable, "-c", f"raise SystemExit({runner.NOT_HERE})"], tmp_path)
    assert ended == runner.NOT_HERE and list(tmp_path.iterdir()) == []
    assert runner.run(["a"], "", lambda name: [sys.executable, "-c", "print('{}')"], tmp_path) == 0
    capsys.readouterr()


def test_a_section_that_fails_or_is_left_out_ends_no_other(capsys):
    def failing(at):
        raise WorkbenchError("It does not fit.", where="here")

    def absent(at):
        raise gpu_check.LeftOut("no package")

    found = gpu_check.checked(AT, {"one": failing, "two": absent, "three": lambda at: {"tokens_per_s": 3.0}})
    assert found["one"]["failed"].startswith("It does not fit") and found["two"]["left_out"] == "no package"
    assert found["three"]["tokens_per_s"] == 3.0 and all("section_s" in row for row in found.values())


def test_what_the_time_does_not_allow_is_left_out(monkeypatch, capsys):
    monkeypatch.setattr(gpu_check, "BUDGET_S", -1.0)
    assert "were used up" in gpu_check.checked(AT, {"one": lambda at: {}})["one"]["left_out"]
