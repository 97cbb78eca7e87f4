"""An experiment as one file: packed in one home, verified and opened in another, and nothing of it believed unread."""

import gzip
import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.files.ids import new_id
from core.labs.experiments import book, exchange
from core.labs.trials import leaderboard
from core.labs.trials.values import select
from core.progress import drain
from core.store.journal import Journal, checksum
from core.workbench import Workbench
from tests.labs.experiments.test_book import sizes
from tests.support.synthetic_trials import add_failed, add_questions, add_trial


def board(bench):
    return leaderboard.rows(leaderboard.leaderboard(bench, select(bench, "chunk-sizes")[1], "ndcg_linear"))


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("mine") / "data")
    questions = add_questions(bench.store)
    book.save(bench, sizes())
    for number, quality in enumerate((0.9, 0.6, 0.3)):
        settings = {"chunking.size_tokens": 64 << number}
        trial = add_trial(bench.store, questions, settings, quality, number, "chunk-sizes", packages={"numpy": "2.0"})
    failed = bench.store.journal.read(add_failed(bench.store)).payload
    bench.store.add("trial", {**failed, "sweep": "chunk-sizes"})
    before = add_trial(bench.store, questions, {"fusion.part": "rrf"}, seed=9)
    bench.describe(trial, "largest", "It is.", ["paper"])
    book.baseline(bench, "chunk-sizes", before)
    add_trial(bench.store, add_questions(bench.store, name="other", dataset="other"), sweep="another")
    return bench


@pytest.fixture(scope="module")
def file(bench, tmp_path_factory):
    return drain(exchange.export(bench, "chunk-sizes", tmp_path_factory.mktemp("out") / "sizes.experiment.zip"))


@pytest.fixture
def theirs(tmp_path):
    return Workbench(tmp_path / "theirs")


def opened(workbench, path, **options):
    return drain(exchange.open_file(workbench, path, **options))


@pytest.mark.slow
def test_another_home_opens_it_and_reads_the_same(bench, file, theirs):
    told = opened(theirs, file)
    assert (told.experiment, told.versions, told.trials, told.question_sets, told.added, told.present) == (
        "chunk-sizes",
        2,
        5,
        1,
        9,
        0,
    )
    assert told.means == 4 * len(bench.trials()[0]["metrics"]) and told.unverified == () and told.diverged == 0
    assert board(theirs) == board(bench) and len(board(bench)) == 3
    assert book.load(theirs, "chunk-sizes") == book.load(bench, "chunk-sizes")
    assert [row.trials for row in book.experiments(theirs)] == [{"ok": 3, "failed": 1}]
    assert theirs.trial_id("largest") == bench.trial_id("largest")
    assert drain(theirs.store.verify()).ok
    assert not any(row["dataset"] == "other" for row in theirs.trials()), "trials of another experiment stay at home"


@pytest.mark.slow
def test_to_open_it_twice_adds_nothing(bench, file, theirs):
    opened(theirs, file)
    names = sorted(path.name for path in theirs.home.rglob("*.gz"))
    again = opened(theirs, file)
    assert (again.added, again.present) == (0, 9) and sorted(path.name for path in theirs.home.rglob("*.gz")) == names
    assert opened(bench, file).added == 0, "who made it has it all"


@pytest.mark.slow
def test_who_was_ended_halfway_goes_on(file, theirs, monkeypatch):
    put, done = Journal.put, []

    def ended(journal, *record):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(put(journal, *record))

    monkeypatch.setattr(Journal, "put", ended)
    with pytest.raises(KeyboardInterrupt):
        opened(theirs, file)
    monkeypatch.undo()
    assert book.latest(theirs) == {}, "the experiment comes after its trials"
    told = opened(Workbench(theirs.home), file)
    assert (told.added, told.present) == (5, 4) and drain(theirs.store.verify()).ok


def test_what_is_here_is_merged_and_not_doubled(bench, file, theirs):
    add_questions(theirs.store)  # the same questions under a record of their own
    book.save(theirs, sizes(note="Mine."))
    told = opened(theirs, file)
    assert (told.added, told.present, told.diverged) == (8, 1, 1)
    assert theirs.store.query("SELECT count(*) AS n FROM questions") == [{"n": 40}]
    assert len(book.versions(theirs, "chunk-sizes")) == 3


def test_verifying_alone_adds_nothing(file, theirs):
    told = opened(theirs, file, add=False)
    assert (told.added, told.present, told.trials) == (0, 0, 5) and not list(theirs.home.rglob("*.gz"))


def test_no_text_of_a_document_and_no_path_is_in_it(bench, file):
    with zipfile.ZipFile(file) as packed:
        assert str(bench.home).encode() not in b"".join(packed.read(name) for name in packed.namelist())
        manifest = json.loads(packed.read("manifest.json"))
    assert manifest["packages"] == {"numpy": ["2.0"]} and manifest["title"] == "Chunk sizes"
    assert sorted(record["kind"] for record in manifest["records"]) == ["experiment"] * 2 + ["questions"] + ["trial"] * 5 + [
        "trial_note"
    ]
    with pytest.raises(WorkbenchError, match="already a file"):
        drain(exchange.export(bench, "chunk-sizes", file))
    with pytest.raises(WorkbenchError, match="no experiment 'nothing'"):
        drain(exchange.export(bench, "nothing", file.with_name("nothing.zip")))


def changed(file: Path, path: Path, edit) -> Path:
    """The file with its members changed; `edit` is given name -> bytes, and may add to it."""
    with zipfile.ZipFile(file) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    edit(members)
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return path


def refused(workbench, path, match=None):
    with pytest.raises(WorkbenchError, match=match) as error:
        opened(workbench, path)
    assert not list(workbench.home.rglob("*.gz")), "nothing was added"
    return error.value


def members_of(file, kind):
    with zipfile.ZipFile(file) as packed:
        return [name for name in packed.namelist() if f".{kind}." in name]


@pytest.mark.parametrize("kind", ["questions", "trial", "trial_note", "experiment"])
def test_a_flipped_byte_in_a_record_is_named(file, theirs, tmp_path, kind):
    with zipfile.ZipFile(file) as packed:
        entry = packed.getinfo(members_of(file, kind)[0])
    data = bytearray(file.read_bytes())
    start = data.index(entry.filename.encode(), entry.header_offset) + len(entry.filename)
    place = start + entry.file_size // 2
    data[place] ^= 1
    (tmp_path / "flipped.zip").write_bytes(data)
    assert refused(theirs, tmp_path / "flipped.zip").where == entry.filename


@pytest.mark.slow
def test_no_flipped_byte_anywhere_changes_what_is_read(bench, file, theirs, tmp_path):
    whole, path = file.read_bytes(), tmp_path / "flipped.zip"
    expected = opened(theirs, file, add=False)
    outcomes = set()
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            outcomes.add(opened(theirs, path, add=False))
        except WorkbenchError as error:
            assert error.what
            outcomes.add(None)
    assert outcomes <= {expected, None} and None in outcomes


@pytest.mark.parametrize("length", [0, 1, 100, 0.5, 0.99])
def test_a_file_that_is_cut_off_says_so(file, theirs, tmp_path, length):
    whole = file.read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: int(length * len(whole)) if isinstance(length, float) else length])
    refused(theirs, tmp_path / "cut.zip")


def with_record(members, kind, payload, schema=1):
    """Adds a record whose checksums are right, and lists it."""
    record_id, body = new_id(), json.dumps(payload).encode()
    header = {"schema": schema, "kind": kind, "id": record_id, "sha256": checksum(schema, kind, record_id, body)}
    data = gzip.compress(json.dumps(header).encode() + b"\n" + body + b"\n")
    members[f"journal/{record_id}.{kind}.jsonl.gz"] = data
    manifest = json.loads(members["manifest.json"])
    manifest["records"].append({"id": record_id, "kind": kind, "sha256": hashlib.sha256(data).hexdigest()})
    members["manifest.json"] = json.dumps(manifest).encode()


def with_manifest(**fields):
    def edit(members):
        members["manifest.json"] = json.dumps({**json.loads(members["manifest.json"]), **fields}).encode()

    return edit


def with_mean(members):
    manifest = json.loads(members["manifest.json"])
    trial = next(iter(manifest["means"]))
    manifest["means"][trial]["ndcg_linear@10"][0] += 0.01
    members["manifest.json"] = json.dumps(manifest).encode()


NOTE = {"trial": "0" * 26, "name": "x", "note": "", "tags": []}
TRIAL = {"config": {}, "sweep": "another", "status": "failed", "reason": ""}
EDITS = {
    "a mean that its rankings do not give": (with_mean, "does not hold: ndcg_linear@10"),
    "a way out of the folder": (lambda members: members.update({"../../journal/x": b""}), "which is no record"),
    "a name that is a path": (lambda members: members.update({"journal/../x.trial.jsonl.gz": b""}), "which is no record"),
    "a file that is not listed": (lambda members: members.update({f"journal/{new_id()}.trial.jsonl.gz": b""}), "differ in"),
    "a file that is listed and not there": (lambda members: members.pop(next(iter(members))), "differ in"),
    "no manifest": (lambda members: members.pop("manifest.json"), "no manifest"),
    "a manifest of something else": (with_manifest(format="paper"), "of no experiment"),
    "a newer form": (with_manifest(version=2, fancy=[1]), "newer version"),
    "a manifest of another shape": (with_manifest(records=5), "must be a list"),
    "another experiment's manifest": (with_manifest(experiment="other"), "another experiment"),
    "means of a trial that is not there": (with_manifest(means={"0" * 26: {"mrr@10": [1.0, 5]}}), "speaks of"),
    "deep": (lambda members: members.update({"manifest.json": b"[" * 100_000}), "cannot be read"),
    "a newer record": (lambda members: with_record(members, "trial", {**TRIAL, "sweep": "chunk-sizes"}, 99), "newer version"),
    "a trial of another experiment": (lambda members: with_record(members, "trial", TRIAL), "of another experiment"),
    "a note on a trial elsewhere": (lambda members: with_record(members, "trial_note", NOTE), "not in it"),
    "a trial of odd shape": (lambda members: with_record(members, "trial", {**TRIAL, "config": [1]}), "not whole"),
    "questions that nobody needs": (
        lambda members: with_record(members, "questions", {"fingerprint": "f", "queries": []}), "speaks of",
    ),
    **{
        f"costs of {value}": (
            lambda members, value=value: with_record(members, "trial", TRIAL | {"sweep": "chunk-sizes", **value}), "measured",
        )
        for value in (
            {"costs": {"latency_ms": -2.0}}, {"costs": {"chunks": 10**18}},
            {"timings_ms": {"index": -5.0}}, {"latency_ms": {"total": [3.0, -1.0]}}, {"chunk_tokens": [3, 10**18]},
        )
    },
    "rankings of nothing": (
        lambda members: with_record(members, "trial", {**TRIAL, "sweep": "chunk-sizes", "status": "ok", "rankings": {"q": [[0], [1.0]]}}),
        "not whole",
    ),
}  # fmt: skip


RECIPES = {
    "a seed that is a word": ({"seed": "x"}, "not whole: Seed"),
    "a seed that is a word for a number": ({"seed": "5"}, "its seed is '5'"),
    "resamples without end": (
        {"evaluation": {"k": 10, "overlap": 0.5, "confidence": 0.95, "resamples": 10**12}},
        "Resamples must be",
    ),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_that_asks_for_what_none_may_is_refused(file, theirs, tmp_path, name):
    """Its pages would compute it."""
    asked, match = RECIPES[name]

    def edit(members):
        record = next(name for name in members if ".trial." in name and b'"ok"' in gzip.decompress(members[name]))
        payload = json.loads(gzip.decompress(members[record]).split(b"\n")[1])
        with_record(members, "trial", payload | {"config": payload["config"] | asked})

    refused(theirs, changed(file, tmp_path / "changed.zip", edit), match)


@pytest.mark.parametrize("name", EDITS)
def test_what_is_not_as_it_says_is_refused_whole(file, theirs, tmp_path, name):
    edit, match = EDITS[name]
    refused(theirs, changed(file, tmp_path / "changed.zip", edit), match)


def test_what_could_not_be_verified_has_an_exit_code_of_its_own(file, tmp_path, capsys):
    """Without means there is nothing that the rankings are held against."""
    without = str(changed(file, tmp_path / "without.zip", with_manifest(means={})))
    assert main(["experiment", "open", str(file), "--only-verify"]) == 0
    assert main(["experiment", "open", without, "--only-verify"]) == 3
    assert main(["experiment", "open", without, "--only-verify", "--strict"]) == 1
    assert "no mean was exported" in capsys.readouterr().out


def test_what_unpacks_without_end_is_refused(file, theirs, tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "MOST_RECORD", 1_000_000)

    def bomb(members):
        name = next(name for name in members if ".trial." in name)
        members[name] = gzip.compress(bytes(50_000_000))
        manifest = json.loads(members["manifest.json"])
        for record in manifest["records"]:
            record["sha256"] = hashlib.sha256(members[f"journal/{record['id']}.{record['kind']}.jsonl.gz"]).hexdigest()
        members["manifest.json"] = json.dumps(manifest).encode()

    refused(theirs, changed(file, tmp_path / "bomb.zip", bomb), "unpacks to more")
    with zipfile.ZipFile(tmp_path / "zip.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("manifest.json", "{}")
        packed.writestr(f"journal/{new_id()}.trial.jsonl.gz", bytes(50_000_000))
    refused(theirs, tmp_path / "zip.zip", "more than")


def test_what_is_here_and_says_otherwise_stops_it(bench, file, theirs, tmp_path):
    opened(theirs, file)
    name = members_of(file, "trial_note")[0].removeprefix("journal/")
    [path] = theirs.home.rglob(name)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WorkbenchError, match="cannot be read"):
        opened(Workbench(theirs.home), file)


def test_a_damaged_record_is_not_exported(bench, tmp_path):
    shutil.copytree(bench.home, tmp_path / "copy")
    copy = Workbench(tmp_path / "copy")
    copy.store.fold()
    path = next(path for path in copy.home.rglob("*.trial_note.jsonl.gz"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WorkbenchError, match="cannot be read"):
        drain(exchange.export(copy, "chunk-sizes", tmp_path / "out.zip"))
    assert not list(tmp_path.glob("*out*")) and not list(tmp_path.glob(".*"))
