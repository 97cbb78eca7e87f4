"""What was promised beside what was measured: nothing unmeasured passes, and a benchmark that fails or is cancelled stops no other."""

import inspect
import json
import os
import signal
import subprocess
import sys
import textwrap
from importlib import import_module
from math import inf, nan

import pytest

from benchmarks import __main__ as bench
from benchmarks import _sections, adapters, promises, slider, store
from benchmarks.promises import LEAST, MOST, PROMISES, RESULTS, WHY, against, at, history, verdict, why
from docs import numbers

MEASURED = [promise for promise in PROMISES if promise.benchmark]


def test_each_promise_is_there_once_and_its_benchmark_too():
    assert len({(promise.benchmark, promise.place) for promise in PROMISES}) == len(PROMISES)
    assert {promise.benchmark.removesuffix("_full") for promise in MEASURED} <= set(bench.names())


@pytest.mark.parametrize("promise", MEASURED, ids=lambda promise: f"{promise.benchmark}-{promise.place}")
def test_a_promise_points_to_a_value_that_its_benchmark_gives(promise):
    file = RESULTS / f"{promise.benchmark}.json"
    if not file.exists():
        pytest.skip(f"{promise.benchmark} was not measured yet, and the table says so")
    result = json.loads(file.read_text("utf-8"))["result"]
    section = promise.place.split(".")[0]
    module = import_module(f"benchmarks.{promise.benchmark.removesuffix('_full')}")
    if section not in result and (section in getattr(module, "SECTIONS", ()) or f'"{section}"' in inspect.getsource(module)):
        pytest.skip(f"{section} of {promise.benchmark} was not measured yet, and the table says so")
    judged = verdict(promise, result)
    assert judged.holds is not None and judged.value == at(promise.place, result)
    assert ("required" not in promise.place) or judged.holds == result["required"][promise.place.split(".")[1]]["met"]


def test_of_each_that_falls_below_it_is_said_why():
    stored = {path.stem: json.loads(path.read_text("utf-8")) for path in RESULTS.glob("*.json")}
    judged = [verdict(promise, stored.get(promise.benchmark, {}).get("result")) for promise in MEASURED]
    below = [each.promise for each in judged if each.holds is False]
    assert below and [promise.what for promise in below if not why(promise)] == []
    assert WHY.keys() <= {(promise.benchmark, place) for promise in MEASURED for place in (promise.place, "")}


def test_repeats_stand_beside_a_figure_of_a_section_too():
    slider = json.loads((RESULTS / "slider.json").read_text("utf-8"))["result"]
    judged = [verdict(promise, slider) for promise in PROMISES if promise.benchmark == "slider"]
    moves = [slider["moves"], *(slider[section]["moves"] for section in ("cascade_depth", "paint", "let_go"))]
    assert [each.spread.n for each in judged] == moves
    assert all(each.spread.low <= each.value <= each.spread.high for each in judged)


def test_a_95th_percentile_is_not_the_slowest():
    """Numpy's, as of all others: between the 19th and the 20th of twenty."""
    times = [float(number) for number in range(20, 0, -1)]
    took = [adapters.Took(time_s, time_s) for time_s in times]
    p95 = [slider.times_of(times)["p95_ms"], store.ms(times)["p95_ms"] / 1000, adapters.told(took)["wall_s"]["p95"]]
    assert p95 == pytest.approx([19.05] * 3) and slider.times_of(times)["max_ms"] == 20


def placed(promise, value):
    for key in reversed(promise.place.split(".")):
        value = {key: value}
    return value


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: f"{promise.benchmark}-{promise.place}")
def test_a_value_worse_than_its_limit_is_marked_and_one_at_it_holds(promise):
    step = (-1 if promise.direction == LEAST else 1) * max(1e-9, 0.001 * promise.limit)
    assert verdict(promise, placed(promise, promise.limit)).holds is True
    assert verdict(promise, placed(promise, promise.limit - step)).holds is True
    assert verdict(promise, placed(promise, promise.limit + step)).holds is False


def test_a_required_figure_is_shown_beside_its_limit():
    required = [promise for promise in PROMISES if promise.place.startswith("required.")]
    beside = [against(each.benchmark, each.place.removeprefix("required."), each.limit) for each in required]
    words = {LEAST: "at least", MOST: "at most"}
    assert [numbers.limit(of) for of in beside] == [f"{words[each.direction]} {each.limit:,g}" for each in required]
    assert required and all(of["met"] for of in beside)


@pytest.mark.parametrize("value", [None, nan, inf, -inf, "0.1", True, [], {}, {"value": None}], ids=repr)
def test_what_is_no_number_was_not_measured_and_never_passes(value):
    for promise in PROMISES:
        assert verdict(promise, placed(promise, value)).holds is None
        assert verdict(promise, {}).holds is None and verdict(promise, None).holds is None


def test_the_table_counts_and_marks(tmp_path):
    assert f"0 hold, 0 fall below, {len(PROMISES)} are not measured" in numbers.promises(tmp_path)
    stored = json.loads((RESULTS / "slider.json").read_text("utf-8"))
    stored["result"] = {"spread": stored["result"]["spread"]}  # what else it measures are other promises
    for value, word in ((100, "| holds |"), (401, "| **below its promise** |")):
        stored["result"]["p95_ms"] = value
        (tmp_path / "slider.json").write_text(json.dumps(stored), "utf-8")
        table = numbers.promises(tmp_path)
        assert table.count(word) == 1 and f"| {value} ms |" in table and f"{len(PROMISES) - 1} are not measured" in table


def test_of_writers_that_write_nothing_no_loss_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "WRITER", "raise SystemExit(1)")
    with pytest.raises(RuntimeError, match="before it wrote anything"):
        store.kills(tmp_path)


GOOD = 'print(\'{"p95_ms": 12.5, "spread": {"p95_ms": {"n": 2, "low": 11, "median": 12, "high": 13}}}\')'


def script(code):
    return [sys.executable, "-c", code]


def test_one_that_fails_is_named_and_the_others_go_on(tmp_path, capsys):
    codes = {"slider": GOOD, "store": "raise SystemExit(2)", "startup": "print('no document')", "index": GOOD}
    assert bench.run(list(codes), "", lambda name: script(codes[name]), tmp_path) == 1
    said = capsys.readouterr().err
    assert "slider: not measured yet" in said and "store failed: it ended with 2" in said and "Failed: store, startup" in said
    assert sorted(path.stem for path in tmp_path.glob("*.json")) == ["index", "slider"]
    runs = history(tmp_path)
    assert [(run["benchmark"], "failed" in run) for run in runs] == [*zip(codes, (False, True, True, False), strict=True)]
    assert runs[0]["figures"] == {"p95_ms": {"value": 12.5, "n": 2, "low": 11, "median": 12, "high": 13}}
    assert {"measured", "commit", "machine", "seconds", "load"} <= set(runs[0])

    codes = {"slider": "raise SystemExit(1)"}  # the figure stays that of the run before, and the table says so
    assert bench.run(["slider"], "", lambda name: script(codes[name]), tmp_path) == 1
    assert "slider: 0 s on 20" in capsys.readouterr().err
    row = next(line for line in numbers.promises(tmp_path).splitlines() if line.startswith("| Slider"))
    assert "| 12.5 ms | 12 (11 to 13, n 2) |" in row and "holds; its run of 20" in row and row.count("failed") == 1


def test_the_table_names_the_run_before_on_this_machine(tmp_path):
    for value in (9, 8, 7):
        code = f"print('{{\"p95_ms\": {value}}}')"
        bench.run(["slider"], "", lambda name, code=code: script(code), tmp_path)
    row = next(line for line in numbers.promises(tmp_path).splitlines() if line.startswith("| Slider"))
    assert "| 7 ms |" in row and "| 8 (20" in row


def test_a_section_of_a_whole_run_is_not_the_run_before():
    """A run of all sections began before it wrote the first of them, and its own line comes last."""
    promise = next(each for each in PROMISES if each.place == "speed.read.p99_ms")
    runs = [
        {"machine": bench.machine(), "measured": f"2026-11-{moment}", "figures": {promise.place: {"value": value}}}
        for moment, value in (("20T08:00", 9), ("21T10:30", 8), ("21T10:00", 8))
    ]
    assert numbers.before(promise, runs[-1], runs) == "9 (2026-11-20)"
    assert numbers.before(promise, runs[-1], runs[1:]) == ""


def test_each_figure_is_told_with_the_run_that_gave_it(tmp_path, monkeypatch):
    """Of a benchmark that is measured section by section, also where the last one was measured on another machine."""
    monkeypatch.setattr(promises, "RESULTS", tmp_path)
    about = _sections.machine()
    for cpu, section, figure in (("Slow", "xquad", 0.6), ("Fast", "xquad", 0.7), ("Slow", "xquad", 0.8), ("Fast", "gold", 0.9)):
        monkeypatch.setattr(_sections, "machine", lambda cpu=cpu: about | {"cpu": cpu})
        _sections.record("answerer", section, {"answerer": {"f1": figure}, "seconds": 1}, "abc")
    table = numbers.promises(tmp_path, ["answerer"]).splitlines()
    [slow, fast] = (line[3:].partition(",")[0] for line in table if line[1:3] == ". ")
    [xquad, gold] = (line for line in table if "setting" in line and line.startswith("| "))
    assert (slow, fast) == ("Slow", "Fast") and "setting 1" in xquad and "setting 2" in gold
    assert "| 0.8 |" in xquad and "| 0.6 (20" in xquad and "| 0.9 |" in gold


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=lambda ending: ending.name)
def test_a_cancelled_run_ends_what_it_started_and_says_what_was_measured(tmp_path, ending):
    waiting = textwrap.dedent(f"""
        import pathlib, time
        folder = pathlib.Path({str(tmp_path)!r})
        try:
            (folder / "begun").touch()
            time.sleep(600)
        finally:
            (folder / "tidied").touch()
    """)
    program = textwrap.dedent(f"""
        import pathlib, sys
        from benchmarks import __main__ as bench
        codes = {{"slider": {GOOD!r}, "store": {waiting!r}, "index": {GOOD!r}}}
        bench.interruptible()
        command = lambda name: [sys.executable, "-c", codes[name]]
        sys.exit(bench.run(list(codes), "", command, pathlib.Path({str(tmp_path)!r})))
    """)
    root = RESULTS.parents[1]
    process = subprocess.Popen(script(program), cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
    os.kill(process.pid, ending)
    _, said = process.communicate(timeout=300)
    assert process.returncode == bench.CANCELLED
    assert "Cancelled in store. Measured: slider. Not begun: index." in said
    assert (tmp_path / "tidied").exists() and [run["benchmark"] for run in history(tmp_path)] == ["slider"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--help"], 0, "usage: python -m benchmarks"),
        (["slidre"], 2, "There is no benchmark slidre"),
        (["--halp"], 2, "unrecognized arguments: --halp"),
        (["--quick", "--full"], 2, "not allowed with"),
        (["--full", "slider"], 2, "slider has no --full"),
        (["promises", "slider"], 2, "it stands alone"),
        (["show"], 2, "show takes names of benchmarks"),
        (["show", "slidre"], 2, "There is no benchmark slidre"),
    ],
)
def test_help_and_wrong_usage_start_nothing(words, code, said, capsys, monkeypatch):
    monkeypatch.setattr(bench, "run", lambda *_: pytest.fail("it starts benchmarks"))
    with pytest.raises(SystemExit) as ended:
        bench.main(words)
    assert ended.value.code == code and said in "".join(capsys.readouterr())


def test_all_that_a_benchmark_measured_is_shown_and_nothing_started(capsys, monkeypatch):
    monkeypatch.setattr(bench, "run", lambda *_: pytest.fail("it starts benchmarks"))
    assert bench.main(["show", "slider", "retrieval_depth"]) == 0
    told = capsys.readouterr().out
    assert "## slider" in told and "| p95_ms |" in told
    assert "| Kind | Set | Metric |" in told, "the table by set stands before the figures"


def test_a_flag_goes_to_those_that_take_it(monkeypatch):
    assert bench.read(["--full"]).names == ["index"]
    quick = bench.read(["--quick"]).names
    assert "late_interaction" in quick and "encoding" not in quick and set(quick) < set(bench.names())
    assert bench.read([]).names == bench.names() and bench.read(["slider"]).names == ["slider"]


def test_a_reader_that_goes_away_loses_no_result(tmp_path):
    program = textwrap.dedent(f"""
        import pathlib, sys
        from benchmarks import __main__ as bench
        codes = {{"slider": {GOOD!r}, "store": {GOOD!r}}}
        sys.exit(bench.run(list(codes), "", lambda name: [sys.executable, "-c", codes[name]], pathlib.Path({str(tmp_path)!r})))
    """)
    options = {"cwd": RESULTS.parents[1], "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(script(program), **options)
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait(300) == 0 and "Error" not in said and "failed" not in said
    assert sorted(path.stem for path in tmp_path.glob("*.json")) == ["slider", "store"]
    assert [run["benchmark"] for run in history(tmp_path) if "figures" in run] == ["slider", "store"]


# each benchmark as `python -m` runs it, one after the other: what they import is imported once
ASKED = """
import contextlib, io, json, runpy, sys
said = {}
for name in sys.argv[1:]:
    for word in ("--help", "--no-such-option"):
        sys.argv, told = [name, word], io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            try:
                runpy.run_module(f"benchmarks.{name}", run_name="__main__")
            except SystemExit as ended:
                said[f"{name} {word}"] = ended.code, told.getvalue()
print(json.dumps(said))
"""


@pytest.mark.slow
def test_a_benchmark_that_is_asked_for_help_measures_nothing():
    options = {"cwd": RESULTS.parents[1], "capture_output": True, "text": True, "timeout": 900, "check": True}
    said = json.loads(subprocess.run(script(ASKED) + bench.names(), **options).stdout)
    for name in bench.names():
        for word, code in (("--help", 0), ("--no-such-option", 2)):
            assert said[f"{name} {word}"][0] == code and "usage:" in said[f"{name} {word}"][1]


def test_of_another_setting_only_what_differs_from_the_first_is_told():
    first = "AMD EPYC, 2 processors; numpy 2.2.6, torch 2.13.0+cpu, hnswlib 0.8.0"
    assert numbers.unlike(first, first) == first
    other = "Intel(R) Xeon(R), 4 processors; numpy 2.4.6, torch 2.13.0+cpu"
    assert numbers.unlike(other, first) == "Intel(R) Xeon(R), 4 processors; numpy 2.4.6, no hnswlib, else as 1"
