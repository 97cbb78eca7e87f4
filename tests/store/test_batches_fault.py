"""What a model was asked for stays: batches of several processes, a folder that may only be read, caches of earlier versions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core import files
from core.errors import WorkbenchError
from core.labs.answers.results import result_of
from core.progress import drain
from core.store import old_cache
from core.store.batches import BatchRecords
from core.store.cache import StageCache
from core.store.database import Store
from core.store.journal import Journal
from core.workbench import Workbench

ROOT = Path(__file__).parents[2]
KIND = "lab_results"


def results(*numbers: int, what: str = "made") -> dict[str, dict]:
    return {f"k{number}": {"result": [what, number]} for number in numbers}


def writes(home: Path, name: str) -> None:
    kept = BatchRecords(home)
    for number in range(20):
        kept.keep(KIND, results(number, 100 + number, what=name), lab=name)


@pytest.mark.slow
def test_processes_that_write_the_same_agree_on_what_stands(tmp_path):
    code = "import sys; from pathlib import Path; from tests.store.test_batches_fault import writes; writes(Path(sys.argv[1]), sys.argv[2])"
    some = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], cwd=ROOT) for name in "ab"]
    here = BatchRecords(tmp_path)
    while any(process.poll() is None for process in some):
        here.read(KIND, ["k1"])
    assert [process.returncode for process in some] == [0, 0]
    keys = [f"k{number}" for number in (*range(20), *range(100, 120))]
    assert here.read(KIND, keys) == BatchRecords(tmp_path).read(KIND, keys) and len(here.read(KIND, keys)) == 40
    store = Store(tmp_path)
    held = store.query("SELECT key, result FROM lab_results QUALIFY row_number() OVER (PARTITION BY key ORDER BY id) = 1")
    assert {row["key"]: json.loads(row["result"]) for row in held} == {k: v["result"] for k, v in here.read(KIND, keys).items()}
    assert drain(store.verify()).ok


def test_a_batch_is_one_record_and_comes_by_copying(tmp_path):
    theirs, ours = BatchRecords(tmp_path / "theirs"), BatchRecords(tmp_path / "ours")
    theirs.keep(KIND, results(*range(50)), lab="a")
    assert ours.read(KIND, ["k1"]) == {}
    [path] = (tmp_path / "theirs").rglob("*.gz")
    place = tmp_path / "ours" / path.relative_to(tmp_path / "theirs")
    place.parent.mkdir(parents=True)
    place.write_bytes(path.read_bytes())
    assert len(ours.read(KIND, [f"k{n}" for n in range(60)])) == 50
    ours.keep(KIND, results(1, 2), lab="a")
    assert len(Journal(tmp_path / "ours" / "journal").listing()) == 1, "what is recorded is not recorded again"


def test_what_no_table_can_hold_is_refused(tmp_path):
    kept = BatchRecords(tmp_path)
    with pytest.raises(WorkbenchError, match="tokens cannot hold it"):
        kept.keep("likelihoods", {"a": {"logprob": -1.0, "tokens": 2**40}})
    assert kept.read("likelihoods", ["a"]) == {} and not Journal(tmp_path / "journal").listing()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_where_nothing_may_be_written_the_process_is_served(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "notices", [])
    tmp_path.chmod(0o500)
    try:
        kept = BatchRecords(tmp_path)
        assert kept.keep(KIND, results(1), lab="a") == kept.read(KIND, ["k1"]) == results(1)
    finally:
        tmp_path.chmod(0o700)
    assert any("Nothing may be recorded" in notice for notice in files.notices)


# Caches of earlier versions ------------------------------------------------------------------------------------------

ANSWER = {"text": "At five.", "finish_reason": "stop", "shown": [[["a.txt", 0, 9]]], "prompt_tokens": 9, "answer_tokens": 3}
ANSWER |= {"seconds": 0.1, "cost_usd": None, "tokens": [["At", -0.25, [["At", -0.25], ["In", -1.5]]]]}
SCORE = {"value": 0.1 + 0.2, "reason": "", "claims": [], "words": [], "detail": {"n": 1}}


def shard(folder: Path, values: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files.write_whole(folder / f"{len(list(folder.iterdir()))}.json", files.sealed({"texts": values}))


@pytest.fixture
def old(tmp_path):
    """A cache as version 9 of the tables left it."""
    place = tmp_path / "old" / "cache"
    cache = StageCache(place, 10**9)
    for number in range(3):
        cache.save("answers", f"a{number}", {}, ANSWER)
    cache.save("answers", "torn", {}, ANSWER)
    (place / "answers" / "torn" / "meta.json").write_text("{")
    cache.save("rag_latency", "r", {}, {"total": [1.5, 2.5]})
    cache.save("chains_of_thought", "c", {}, {"items": [["q", "", {}]]})
    cache.save("question_likelihoods", "l", {}, {"values": [[-1.0, -2.0]]})
    shard(place / "written", {"t1": ["One.", "stop", 5, 2, 0.5, 0.01, [["One", -0.5, []]]]})
    shard(place / "written", {"t2": ["Two.", "stop", None, None, 0.5, None]})
    shard(place / "ranked" / "orders", {"t3": ["[1] > [2]", "stop", 5, 2, 0.5, None, []]})
    shard(place / "scores" / "f1-abc", {"d1": SCORE, "d2": {**SCORE, "value": None, "reason": "no reference"}})
    shard(place / "nats", {"n1": [12.25, 7]})
    shard(place / "likelihoods", {"p1": [-3.5, 4]})
    cache.save("dense", "stays", {})
    return place.parent


@pytest.mark.slow
def test_an_old_cache_becomes_records_once_and_is_told(old, monkeypatch):
    monkeypatch.setattr(files, "notices", [])
    bench = Workbench(old)
    assert [notice for notice in bench.notices() if "it is recorded now: 13 answers, scores and texts" in notice]
    kept = BatchRecords(old)
    answers = kept.read("set_answers", ["a0", "a1", "a2", "torn"])
    assert sorted(answers) == ["a0", "a1", "a2"] and answers["a0"]["tokens"][0]["top"] == [["At", -0.25], ["In", -1.5]]
    texts = kept.read("model_texts", ["t1", "t2", "t3"])
    assert [texts[key]["text"] for key in ("t1", "t2", "t3")] == ["One.", "Two.", "[1] > [2]"] and texts["t2"]["logprobs"] == []
    scores = kept.read("answer_scores", ["abcd1", "abcd2"])
    assert scores["abcd1"]["value"] == SCORE["value"] and scores["abcd2"]["value"] is None
    assert kept.read("likelihoods", ["n1", "p1"]) == {
        "n1": {"logprob": -12.25, "tokens": 7},
        "p1": {"logprob": -3.5, "tokens": 4},
    }
    assert [result_of(bench, key) for key in "rcl"] == [[1.5, 2.5], [["q", "", {}]], [[-1.0, -2.0]]]
    assert sorted(path.name for path in (old / "cache").iterdir() if any(path.rglob("meta.json"))) == ["dense"]
    count = len(kept.journal.listing())
    files.notices.clear()
    again = Workbench(old)
    assert len(kept.journal.listing()) == count and not again.notices()
    [row] = again.store.query("SELECT measure, avg(value) AS mean, count(*) AS n FROM answer_scores GROUP BY measure")
    assert row == {"measure": "f1", "mean": SCORE["value"], "n": 2} and drain(again.store.verify()).ok


def test_a_takeover_that_was_killed_goes_on(old, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(files, "remove_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            old_cache.take_over(old)
    old_cache.take_over(old)
    kept = BatchRecords(old)
    assert not (old / "cache" / "answers").exists()
    assert len(kept.read("set_answers", ["a0", "a1", "a2"])) == 3
    assert len([entry for entry in kept.journal.listing().values() if entry.kind == "set_answers"]) == 1
