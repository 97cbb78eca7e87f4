"""The attacks of `make faults` can fail: a broken write, a crash, a hang, a hog and a false number are each told as such."""

import json
import os
import subprocess
import sys
import time
from datetime import date
from importlib import import_module
from io import BytesIO
from itertools import count, islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.faults import __main__ as faults
from tests.faults import harness
from tests.faults.damage import HARMS, differs
from tests.faults.harness import ATTACKS, Attack, Case, Lab, Ran, isolated, tried
from tests.faults.inject import built

ROOT = Path(__file__).resolve().parents[1]
# A store with a fault of its own: it acknowledges before the file is synced and named. In a process with the injector.
CARELESS = """
import json, os, sys
from pathlib import Path
from tests.faults.harness import Fault, forked, can_inject
assert can_inject()
home, how = Path(sys.argv[1]), sys.argv[2]
home.mkdir()

def careless():
    print("kept", flush=True)
    (home / ".note.tmp").write_text("whole")
    os.rename(home / ".note.tmp", home / "note")
    return 0

def careful():
    with open(home / ".note.tmp", "w") as file:
        file.write("whole")
        file.flush()
        os.fsync(file.fileno())
    os.rename(home / ".note.tmp", home / "note")
    print("kept", flush=True)
    return 0

work = careless if how == "careless" else careful
count = forked(work, home, Fault()).operations
lost = []
for at in range(1, count + 1):
    (home / "note").unlink(missing_ok=True)
    ran = forked(work, home, Fault(at))
    lost.append(ran.code == -9 and "kept" in ran.out and not (home / "note").exists())
full = forked(work, home, Fault(1, 1, 28, for_good=True))
half = forked(work, home, Fault(1, 1, half=True))
print(json.dumps({"operations": count, "lost": sum(lost), "full": "No space left" in full.err and full.struck,
                  "half": [half.code, (home / ".note.tmp").read_text()]}))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    found = built(tmp_path_factory.mktemp("injector"))
    if found is None:
        pytest.skip("kills and full disks need Linux and a C compiler")
    return found


@pytest.mark.parametrize("how", ["careless", "careful"])
def test_a_write_that_is_acknowledged_too_soon_is_caught_at_each_operation(library, tmp_path, how):
    environment = {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", CARELESS, tmp_path / "home", how],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["operations"] == (3 if how == "careless" else 4)  # open, write, (sync,) rename
    assert found["lost"] == (3 if how == "careless" else 0)
    assert found["full"] == "write /.note.tmp"
    assert found["half"] == [-9, "wh"]


@pytest.mark.parametrize("check, said", [
    (lambda: None, ""), (lambda: pytest.fail("no"), "no"), (lambda: [][1], "IndexError"),
    (lambda: os.kill(os.getpid(), 9), "SIGKILL"), (lambda: time.sleep(60), "did not end within 1 s"),
])  # fmt: skip
def test_what_a_case_says_and_how_it_ends(tmp_path, check, said):
    found = isolated(check, 1.0 if "within" in said else 60.0, tmp_path)
    assert (said in found) if said else found == ""
    assert not list(tmp_path.iterdir()), "a case leaves nothing"


def test_a_case_that_eats_memory_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.faults.harness.MEMORY_BYTES", 300 << 20)

    def hog():
        held = [b"x" * (400 << 20)]
        time.sleep(300)
        return held

    assert "GB of memory" in isolated(hog, 120.0, tmp_path)


def test_a_change_of_a_zips_dates_is_no_damage_to_its_arrays():
    np.savez(file := BytesIO(), vectors=np.ones((3, 2), np.float32))
    data = file.getvalue()
    dated, harmed = (data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in (10, data.rindex(b"?")))
    assert not differs(dated, data) and differs(harmed, data) and differs(b"ab", b"ac")


def test_memory_that_a_case_has_in_common_with_its_runner_is_not_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.faults.harness.MEMORY_BYTES", 300 << 20)
    held = bytearray(b"x") * (400 << 20)
    assert isolated(lambda: time.sleep(0.5), 120.0, tmp_path) == "" and len(held) == 400 << 20


def test_what_a_case_started_ends_with_it(tmp_path):
    import psutil

    def leaves():
        child = os.fork()
        if not child:
            time.sleep(600)
        (tmp_path / "pid").write_text(str(child))

    assert isolated(leaves, 60.0, tmp_path) == ""
    left, end = int((tmp_path / "pid").read_text()), time.monotonic() + 60
    while psutil.pid_exists(left) and psutil.Process(left).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "it runs on"
        time.sleep(0.01)


def test_a_traceback_and_a_strange_end_are_no_calm_ends():
    Ran(1, "", "Failed: The disk is full.").calm()
    for ran in (Ran(1, "", "Traceback (most recent call last):\n  x\nOSError: 28"), Ran(-11, "", ""), Ran(9, "", "")):
        with pytest.raises(AssertionError):
            ran.calm()
    with pytest.raises(AssertionError):
        Ran(1, "", "Failed").well()


def test_time_is_shared_each_attack_is_tried_and_a_broken_preparation_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "_timed", lambda lab, case: (0.0, ""))
    monkeypatch.setattr(harness, "time", SimpleNamespace(monotonic=count(0, 0.1).__next__))  # a busy machine's own stands still

    def good(lab):
        yield from (Case(str(n), lambda: None) for n in range(3))

    def endless(lab):
        n = 0
        while True:
            yield Case(str(n := n + 1), lambda: None, of=None)

    def broken(lab):
        raise AssertionError("nothing to attack")
        yield

    attacks = [Attack("f", one.__name__, "", one) for one in (endless, good, broken)]
    monkeypatch.setattr(Lab, "sample", lambda lab, many, *name: many)
    found = list(tried(Lab(tmp_path), attacks, 3.0))
    totals = {one.attack: one.of for one in found if not one.case}
    assert totals == {"f/endless": None, "f/good": 3}
    assert list(tried(Lab(tmp_path), attacks[1:2], 3.0, most=1))[-1].of == 3, "the rest is counted, not tried"
    late = [one.attack for one in tried(Lab(tmp_path), attacks, 0.05) if one.case]
    assert late == ["f/endless", "f/good", "f/broken"], "each has one case, however short the time"
    found = [one for one in found if one.case]
    counts = {name: sum(one.attack == f"f/{name}" for one in found) for name in ("good", "endless", "broken")}
    assert counts["good"] == 3 and 1 < counts["endless"] < 15 and counts["broken"] == 1
    assert [one.failure for one in found if one.failure] == ["nothing to attack"]


def test_a_seed_and_a_name_decide_what_is_drawn(tmp_path):
    lab, other = Lab(tmp_path), Lab(tmp_path, seed=1)
    assert lab.sample(range(50), "a") == lab.sample(range(50), "a") != other.sample(range(50), "a")
    for harm in HARMS:
        data = bytes(range(256)) * 20
        assert bytes(harm(bytearray(data), lab.rng("x"))) == bytes(harm(bytearray(data), lab.rng("x"))) != data


def test_a_class_is_swept_door_by_door_and_without_a_case_twice(tmp_path):
    doors = {"a": (1, 2, 3), "b": (4, 5), "c": (6,)}

    def drawn(lab, **options):
        seen = []
        cases = list(islice(lab.swept("x", doors, lambda door, one, rng: seen.append((door, one)), **options), 12))
        for case in cases:
            case.check()
        return seen, {case.of for case in cases}

    once, of = drawn(Lab(tmp_path), again=False)
    assert of == {6} and sorted(once) == sorted((door, one) for door, many in doors.items() for one in many)
    assert {door for door, _ in once[:3]} == set(doors), "each door before any a second time"
    twice, _ = drawn(Lab(tmp_path))
    assert twice == once + once
    assert {tuple(drawn(Lab(tmp_path, seed=seed), again=False)[0]) for seed in range(9)} - {tuple(once)}, (
        "other seeds, other orders"
    )


def test_the_seed_is_of_the_day_or_given_and_is_printed(capsys, monkeypatch):
    monkeypatch.setattr(
        faults, "_started", lambda name, seconds, options, *_: [faults.Outcome("sql/out", str(options.seed), 0.1)]
    )
    for words, seed in (([], f"{date.today():%Y%m%d}"), (["--seed", "7"], "7")):
        monkeypatch.setattr(sys, "argv", ["faults", "--family", "sql", "--seconds", "1", *words])
        assert faults.main() == 0
        assert f"make faults SEED={seed}`" in capsys.readouterr().out
    assert "$(if $(SEED),--seed $(SEED))" in (ROOT / "Makefile").read_text()


def test_what_a_family_needs_and_is_not_there_is_a_failure(tmp_path, monkeypatch):
    from tests.faults import homes, text

    monkeypatch.setattr("tests.faults.harness.can_inject", lambda: False)
    monkeypatch.setattr(text.shutil, "which", lambda name: None)
    monkeypatch.setattr(homes, "copy", lambda lab, template, to: to)
    for family in ("kills", "disks", "damage"):
        import_module(f"tests.faults.{family}")
    needing = [ATTACKS[name] for name in ("kills/run", "disks/run", "disks/elsewhere", "damage/log", "text/browser")]
    found = list(tried(Lab(tmp_path), needing, 1.0))
    assert len(found) == len(needing) and all("need" in one.failure for one in found)


@pytest.mark.parametrize(("err", "made", "wrong"), [
    ("Note: it was damaged and is computed anew.", True, ""), ("", True, "without a word"), ("Note: anew", False, "by nobody"),
])  # fmt: skip
def test_a_damaged_cache_has_to_be_made_anew_and_told(tmp_path, monkeypatch, err, made, wrong):
    from tests.faults import damage, homes

    file = tmp_path / "meta.json"
    file.write_text("harmed")
    monkeypatch.setattr(homes, "trials", lambda home: {})

    def verb(*words, **options):
        file.write_text("whole" if made else "harmed")
        return Ran(0, "", err)

    monkeypatch.setattr(damage, "verb", verb)
    if wrong:
        with pytest.raises(AssertionError, match=wrong):
            damage.made_anew(())(tmp_path, file, {})
    else:
        damage.made_anew(())(tmp_path, file, {})


def test_every_page_is_opened_by_a_family_with_text_of_others_and_with_odd_addresses():
    from tests.faults import addresses, text

    pages = {path.stem for path in (ROOT / "pages").glob("*.py")}
    assert {page for page, _ in text.VIEWS.values()} == pages == set(addresses.PAGES)


def test_every_family_is_in_the_table_and_named_in_the_docs():
    there = {path.stem for path in (ROOT / "tests" / "faults").glob("*.py")} - {
        "__init__",
        "__main__",
        "harness",
        "inject",
        "homes",
    }
    assert there == set(faults.FAMILIES)
    page = (ROOT / "docs" / "faults.md").read_text("utf-8")
    for name in there:
        assert f"`{name}`" in page
        import_module(f"tests.faults.{name}")
    assert {one.family for one in ATTACKS.values()} == there


def test_a_failure_is_told_with_the_name_of_its_case_and_ends_with_one(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["faults", "--family", "sql", "--seconds", "1", "--table", str(tmp_path / "table.md")])
    monkeypatch.setattr(
        faults, "_started", lambda *_: [faults.Outcome("sql/out", "3", 0.1), faults.Outcome("sql/out", "4", 0.1, "not refused")]
    )
    assert faults.main() == 1
    said = capsys.readouterr().out
    assert "FAILED sql/out/4: not refused" in said
    assert "| all |  | 2 | 0 | 1 | 1 |" in (tmp_path / "table.md").read_text()
    monkeypatch.setattr(faults, "_started", lambda *_: [faults.Outcome("sql/out", "3", 0.1)])
    assert faults.main() == 0
    monkeypatch.setattr(faults, "_started", lambda *_: [])
    assert faults.main() == 1, "a run that tried nothing shows nothing"
