"""The verbs on a small corpus of own documents: cached stages, trials, comparison, search; and the same on the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.__main__ import main
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.evaluation.metric import metric_names
from core.files import hold
from core.labs.answers.answering import answer_usd
from core.progress import drain
from core.workbench import Workbench, one_phase
from tests.support.synthetic_trials import add_failed, add_questions, add_trial

ROOT = Path(__file__).resolve().parents[1]
TEXTS = {
    "tea.txt": "Green tea is steeped at eighty degrees. Black tea takes boiling water.\n\nOolong lies between the two in oxidation.",
    "bread.md": "# Bread\n\nA sourdough starter is fed with flour and water every day.\n\nRye flour makes the crumb dense and moist.",
    "cheese.txt": "Rennet curdles the milk. Blue cheese is pierced with needles so that mould can breathe inside the wheel.",
}
QUESTIONS = """id,question,document,answer
q1,How hot should the water for green tea be?,tea.txt,steeped at eighty degrees
q2,What does a starter live on?,bread.md,fed with flour and water
q3,Why are holes made in blue cheese?,cheese.txt,so that mould can breathe
q4,What coagulates milk?,cheese.txt,Rennet curdles the milk
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    questions = home / "questions.csv"
    questions.write_text(QUESTIONS)
    workbench = Workbench(home)
    statuses = drain(workbench.library.ingest("kitchen", [(name, text.encode()) for name, text in TEXTS.items()], questions))
    assert [status.status for status in statuses] == ["ok"] * len(statuses), statuses
    return workbench


@pytest.fixture(scope="module")
def recipe():
    return with_settings(
        TrialConfig(),
        {
            "corpus.dataset": "kitchen",
            "chunking.part": "sentence",
            "chunking.size_tokens": 24,
            "retrieval.top_k": 10,
            "evaluation.k": 3,
        },
    )


@pytest.fixture
def say(bench, monkeypatch, capfd):
    """A command said here: its exit code, and what it wrote on both streams."""
    monkeypatch.setenv("GROUNDWORK_HOME", str(bench.home))

    def said(*arguments: str) -> tuple[int, str, str]:
        return main([*arguments]), *capfd.readouterr()

    return said


def test_evaluation_measures_every_question_with_an_interval(bench, recipe):
    result = bench.evaluate(recipe)
    assert set(result.values) == set(metric_names())
    for name, values in result.values.items():
        assert values.shape == (4,) and not np.isnan(values).any(), name
        assert result.intervals[name].low <= result.intervals[name].mean <= result.intervals[name].high
    assert result.intervals["hit"].mean >= 0.75  # the questions are easy; a broken pipeline finds far less


def test_a_second_evaluation_comes_from_cached_stages_and_is_the_same(bench, recipe):
    bench.evaluate(recipe)
    again = bench.evaluate(recipe)
    assert all(again.trace.cached[stage] for stage in ("corpus", "chunks", "sparse", "dense"))
    fresh = Workbench(bench.home).evaluate(recipe)  # another process would read the same from disk
    assert all(fresh.trace.cached[stage] for stage in ("chunks", "sparse", "dense"))
    for name in metric_names():
        np.testing.assert_array_equal(again.values[name], fresh.values[name])


def test_a_knob_recomputes_its_stage_and_nothing_above(bench, recipe):
    bench.evaluate(recipe)
    moved = bench.evaluate(with_settings(recipe, {"sparse.k1": 0.7}))
    assert moved.trace.cached["dense"] and moved.trace.cached["chunks"] and not moved.trace.cached["sparse"]
    cut = bench.evaluate(with_settings(recipe, {"chunking.size_tokens": 16}))
    assert cut.trace.cached["corpus"] and not cut.trace.cached["chunks"] and not cut.trace.cached["dense"]


def test_a_trial_keeps_rankings_from_which_the_same_metrics_follow(bench, recipe):
    live = bench.evaluate(recipe)
    trial = drain(bench.run(recipe))
    for name in metric_names():
        kept = bench.trial_values(trial, name)
        np.testing.assert_allclose([kept[q.id] for q in live.corpus.queries], live.values[name], atol=1e-12)
    row = next(row for row in bench.trials() if row["id"] == trial)
    assert row["metrics"]["ndcg_linear@3"] == pytest.approx(live.intervals["ndcg_linear"].mean) and row["measured"] == 4
    record = bench.show(trial[-8:])
    assert record["config"] == recipe.model_dump(mode="json") and record["status"] == "ok"
    assert len(record["latency_ms"]["total"]) == 4 and record["costs"]["chunks"] == len(drain(bench.pipeline.chunks(live.run)))


def test_a_trial_is_found_by_its_name(bench, recipe):
    first, second = drain(bench.run(recipe)), drain(bench.run(recipe))
    bench.describe(first, "the base")
    assert bench.show("the base")["id"] == bench.describe("the base")["trial"] == first
    assert bench.compare("the base", second)["difference"] == 0
    bench.describe(first, second[-4:])
    assert bench.trial_id(second[-4:]) == first, "a name counts before the end of another's id"
    assert bench.trial_id(second[-5:]) == bench.trial_id(second) == second
    for trial in (first, second):
        bench.describe(trial, "the base")
    with pytest.raises(WorkbenchError, match="2 trials have the name"):
        bench.show("the base")
    for words in ("another", ""):
        with pytest.raises(WorkbenchError, match="the id or name"):
            bench.show(words)


def test_the_same_recipe_again_is_a_new_repeat(bench, recipe):
    first, second = drain(bench.run(recipe)), drain(bench.run(recipe))
    assert first != second
    assert bench.compare(first, second)["difference"] == 0
    assert bench.repeats(second)[-1] == first and second not in bench.repeats(first)


def test_a_trial_is_named_described_and_tagged_and_the_rest_stays(bench, recipe):
    trial = drain(bench.run(recipe))
    bench.describe(trial[-8:], name="  The  first ", tags=["paper", "paper", " "])
    bench.describe(trial, note="kept\nfor later")
    wanted = {"trial": trial, "name": "The first", "note": "kept\nfor later", "tags": ["paper"]}
    assert bench.describe(trial) == wanted
    [row] = bench.store.query("SELECT name, note, tags FROM trials WHERE id = ?", [trial])
    assert row == {key: wanted[key] for key in row}
    assert len(bench.store.query("SELECT * FROM trial_notes WHERE trial_id = ?", [trial])) == 2
    for bad in ({"name": "x" * 121}, {"tags": ["a,b"]}, {"tags": [str(n) for n in range(21)]}):
        with pytest.raises(WorkbenchError):
            bench.describe(trial, **bad)
    bench.describe(trial, tags=[])
    assert bench.describe(trial)["tags"] == []


def test_what_another_window_said_of_a_trial_stays_while_its_note_waits_to_be_folded(tmp_path):
    ours, theirs = Workbench(tmp_path), Workbench(tmp_path, patience_s=0.0)
    trial = add_trial(ours.store, add_questions(ours.store))
    assert theirs.describe(trial, name="before")["name"] == "before"
    with hold(tmp_path / "locks" / "fold", purpose="a test", seconds=10):
        ours.store.add("trial_note", {"trial": trial, "name": "after", "note": "why", "tags": []})
        assert theirs.describe(trial, tags=["paper"])["name"] == "after"
    assert ours.describe(trial) == {"trial": trial, "name": "after", "note": "why", "tags": ["paper"]}


def test_a_trial_without_its_questions_is_still_shown(tmp_path):
    bench = Workbench(tmp_path)
    trial = add_trial(bench.store, add_questions(Workbench(tmp_path / "elsewhere").store))
    found = bench.measured(trial)
    assert found["metrics"] == [] and found["id"] == trial and found["rankings"]
    failed = add_failed(bench.store)
    assert bench.measured(failed)["metrics"] == [] and bench.measured(failed)["status"] == "failed"


@pytest.mark.slow
def test_a_run_prints_its_metrics_with_intervals_and_json_holds_them(bench, recipe, say):
    given = ("--dataset", "kitchen", "--set", "fusion.part=sparse_only", "--set", "evaluation.k=3")
    code, out, error = say("run", *given)
    assert code == 0, error
    live = bench.evaluate(
        with_settings(TrialConfig(), {"corpus.dataset": "kitchen", "fusion.part": "sparse_only", "evaluation.k": 3})
    )
    one = live.intervals["mrr"]
    line = next(line for line in out.splitlines() if line.startswith("MRR@3"))
    assert line.split()[:7] == ["MRR@3", f"{one.mean:.3f}", f"{one.low:.3f}", "to", f"{one.high:.3f}", "4", "4"]
    assert one.note and line.endswith(one.note)
    trial = bench.store.query("SELECT max(id) AS id FROM trials")[0]["id"]
    assert f"Trial {trial}" in out and "Again: python -m core run --dataset kitchen" in out
    again = json.loads(say("run", *given, "--json")[1])
    found = next(metric for metric in again["metrics"] if metric["metric"] == "mrr")
    assert (found["mean"], found["low"], found["high"], found["n"]) == (one.mean, one.low, one.high, 4)
    assert again["repeat_of"] == [trial] and again["rankings"]
    spread = next(cost for cost in again["spread"] if cost["cost"] == "latency_ms")
    assert spread["low"] <= spread["value"] <= spread["high"] and spread["n"] == 4


def test_compare_is_paired_and_says_b_minus_a(bench, recipe):
    good, bad = (
        drain(bench.run(recipe)),
        drain(bench.run(with_settings(recipe, {"fusion.part": "sparse_only", "retrieval.top_k": 1}))),
    )
    result = bench.compare(good, bad, "recall")
    values = [bench.trial_values(t, "recall", 3) for t in (good, bad)]
    assert result["difference"] == pytest.approx(np.mean(list(values[1].values())) - np.mean(list(values[0].values())))
    assert result["n"] == 4 and 0 < result["p"] <= 1


def test_search_gives_spans_of_the_source(bench, recipe):
    hits = bench.search(recipe, "needles in blue cheese")
    assert hits[0].document_id.startswith("cheese")
    documents = {d.id: d for d in bench.corpus(recipe).documents}
    for hit in hits:
        assert hit.text == documents[hit.document_id].text[hit.start : hit.end]
        assert set(hit.scores) <= {"sparse", "dense"}
    with pytest.raises(WorkbenchError, match="empty"):
        bench.search(recipe, "  ")


def test_the_table_by_question_names_winners_against_the_baseline(bench, recipe):
    shallow = with_settings(recipe, {"retrieval.top_k": 1, "evaluation.k": 1})
    current, baseline = bench.evaluate(recipe), bench.evaluate(shallow)
    table = bench.by_question(current, baseline, "recall")
    for row in range(4):
        change = table["value"][row] - table["baseline"][row]
        assert table["outcome"][row] == ("won" if change > 0 else "lost" if change < 0 else "equal")
        assert table["missed"][row] == (table["rank"][row] is None)
    assert all(table["changed"])  # one chunk against ten


def test_a_sweep_measures_each_point_once(bench, recipe):
    grid = {"fusion.weight": [0.0, 0.5, 1.0]}
    first = drain(bench.sweep(recipe, grid))
    assert len(set(first)) == 3 and drain(bench.sweep(recipe, grid)) == first


@pytest.mark.parametrize("snapshot", ["old", "none"])
def test_a_sweep_runs_and_stores_nothing_twice_while_the_database_cannot_be_written(bench, recipe, monkeypatch, snapshot):
    """As on a full disk, or where another program holds it: the journal knows what is stored."""
    from core.store import database, database_file

    stored = database.Store(bench.home)
    stored.fold()
    connect = database_file.DatabaseFile._connect

    def stuck(self, read_only, path):
        if not read_only or snapshot == "none":
            raise database_file.Stuck("The database cannot be written: No space left on device")
        return connect(self, read_only, path)

    monkeypatch.setattr(database_file.DatabaseFile, "_connect", stuck)
    grid = {"retrieval.top_k": [5, 6] if snapshot == "old" else [7, 8]}
    ids = drain(bench.sweep(recipe, grid))
    assert drain(Workbench(bench.home).sweep(recipe, grid)) == ids and len(set(ids)) == 2
    other = Workbench(bench.home)
    assert [other.show(trial_id)["id"] for trial_id in ids] == ids and other.measured(ids[0])["metrics"]
    if snapshot == "old":
        assert ids[0] not in [one["id"] for one in other.trials()] and "not in every answer yet" in other.store.told()[0]
    monkeypatch.undo()
    again = Workbench(bench.home)
    assert set(ids) <= {one["id"] for one in again.trials()} and not again.store.told()


@pytest.mark.slow
def test_a_sweep_that_goes_on_passes_over_a_corpus_that_is_not_there(bench, recipe):
    grid = {"retrieval.top_k": [13, 14], "corpus.dataset": ["kitchen", "nowhere"]}
    for step in (stopped := bench.sweep(recipe, grid)):
        if step.done == 1:
            stopped.close()
    with pytest.raises(WorkbenchError, match=r"2 of 4 points failed, the first with .*nowhere"):
        drain(bench.sweep(recipe, grid))
    sql = "SELECT dataset, status, count(*) AS n FROM trials WHERE sweep = (SELECT sweep FROM trials ORDER BY id DESC LIMIT 1)"
    rows = bench.store.query(f"{sql} GROUP BY ALL ORDER BY ALL")
    assert [tuple(row.values()) for row in rows] == [("kitchen", "ok", 2), ("nowhere", "failed", 2)]


def test_a_sweep_on_a_full_disk_says_where(bench, recipe, monkeypatch):
    def full(*_):
        raise WorkbenchError("This trial could not be recorded: No space left on device.", where="/the/journal")

    monkeypatch.setattr(bench.store.journal, "add", full)
    with pytest.raises(WorkbenchError, match="2 of 2 points failed") as error:
        drain(bench.sweep(recipe, {"retrieval.top_k": [11, 12]}))
    assert error.value.where == "/the/journal"


@pytest.mark.slow
def test_a_sweep_on_other_documents_is_another_sweep(tmp_path):
    bench, questions = Workbench(tmp_path), tmp_path / "questions.csv"
    questions.write_text(QUESTIONS)
    files = [(name, text.encode()) for name, text in TEXTS.items()]
    drain(bench.library.ingest("kitchen", files, questions))
    recipe = with_settings(TrialConfig(), {"corpus.dataset": "kitchen", "fusion.part": "sparse_only"})
    grid = {"sparse.k1": [0.5, 1.0]}
    first = drain(bench.sweep(recipe, grid))
    drain(bench.library.ingest("kitchen", [("coffee.txt", b"Coffee is brewed at ninety degrees.")]))
    assert not set(first) & set(drain(bench.sweep(recipe, grid)))


def test_failed_runs_are_kept_as_failed(bench, recipe):
    with pytest.raises(WorkbenchError):
        drain(bench.run(with_settings(recipe, {"corpus.dataset": "no-such"})))
    assert bench.trials(1)[0]["status"] == "failed" and "no-such" in bench.trials(1)[0]["reason"]


def cli(home, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "core", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "GROUNDWORK_HOME": str(home), "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [
    ["datasets"], ["list", "chunker"], ["list", "settings"], ["trials"], ["verify"],
    ["run", "--dataset", "kitchen", "--set", "fusion.part=sparse_only"],
    ["search", "sourdough", "--dataset", "kitchen", "--set", "fusion.part=sparse_only"], ["sql", "SELECT count(*) AS n FROM trials"],
])  # fmt: skip
def test_json_is_one_document_and_nothing_else(say, arguments):
    code, out, error = say(*arguments, "--json")
    assert code == 0, error
    json.loads(out)


@pytest.mark.slow
@pytest.mark.parametrize("arguments, code", [
    (["run", "--dataset", "no-such"], 1), (["run", "--set", "chunking.size_tokens=-5"], 1), (["show", "nothing"], 1),
    (["sql", "SELECT nonsense"], 1), (["nonsense"], 2), (["compare", "a"], 2), ([], 2),
    (["trials", "--limit", "-1"], 2), (["ingest", "absent", "/no/such/file.txt"], 1), (["run", "--set", "fusion.weight=["], 1),
    (["run", "--dataset", "unasked", "--set", "fusion.part=sparse_only"], 1),
])  # fmt: skip
def test_exit_codes(bench, arguments, code, say):
    if "unasked" in arguments:
        drain(bench.library.ingest("unasked", [("a.txt", b"Nobody asks about this.")]))
    given, out, error = say(*arguments)
    assert given == code and "Traceback" not in error and (error + out).strip()


@pytest.mark.slow
@pytest.mark.parametrize("arguments, code", [(["trials", "--json"], 0), (["show", "nothing"], 1), (["nonsense"], 2)])
def test_a_process_ends_with_the_exit_code(bench, arguments, code):
    done = cli(bench.home, *arguments)
    assert done.returncode == code and "Traceback" not in done.stderr and (done.stderr + done.stdout).strip()


@pytest.mark.slow
def test_paths_are_shown_and_no_column_or_row_is_lost_in_silence(say, tmp_path):
    assert say("backup", str(tmp_path / "all.zip"))[:2] == (0, f"{tmp_path / 'all.zip'}\n")
    _, out, error = say("sql", "SELECT 1 AS a, 2 AS a, 'inf'::DOUBLE AS b FROM range(10001)", "--json")
    rows = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert rows[0] == {"a": 1, "a (2)": 2, "b": None} and "first 10,000 rows" in error


@pytest.mark.slow
def test_the_command_line_and_the_page_compute_the_same(bench, recipe):
    done = cli(bench.home, "run", *bench.arguments(recipe), "--json")
    trial = json.loads(done.stdout)["id"]
    live = bench.evaluate(recipe)
    for name in metric_names():
        kept = bench.trial_values(trial, name)
        np.testing.assert_allclose([kept[q.id] for q in live.corpus.queries], live.values[name], atol=1e-12)


def test_a_press_is_priced_by_what_presses_and_jobs_like_it_took(bench):
    """Those alike first, then any of the verb, then what such work takes elsewhere."""
    takes = one_phase("10 readings", units=10, like="small")
    assert not bench.expected("forgetting", takes).seconds.measured  # by two cores elsewhere
    bench.took("forgetting", takes, 20.0)
    alike, others = (bench.expected("forgetting", takes._replace(like=like)).seconds for like in ("small", "large"))
    assert alike.measured and alike.low < 20 < alike.high and not others.measured and others.high > alike.high
    twice = bench.expected("forgetting", takes._replace(units=20)).seconds
    assert twice.low < 40 < twice.high


def test_money_is_told_by_the_price_table_and_only_where_it_leaves_this_machine(bench, recipe):
    def usd(**generation):
        return answer_usd(
            bench, with_settings(recipe, {f"generation.{name}": value for name, value in generation.items()}).generation, 100
        )

    asked = usd(part="anthropic", model="claude-haiku-4-5")
    assert 0 < asked.low < asked.high < 100
    assert np.isnan(usd(part="openai_compatible", model="m", base_url="https://api.example.com/v1").high)
    assert usd(part="openai_compatible", model="m", base_url="http://127.0.0.1:8000/v1") is None and usd() is None
