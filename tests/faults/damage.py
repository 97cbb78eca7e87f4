"""Flips, cuts and zeros in every kind of file of a home: found and made again, or named; never other numbers in silence."""

import shutil
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.faults import homes
from tests.faults.harness import NAME, OPEN, SIZE, WRITE, Case, Fault, Lab, asked, attack, need_injector, told, verb
from tests.faults.kills import with_news


def flip(data: bytearray, rng: Random) -> bytes:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def cut(data: bytearray, rng: Random) -> bytes:
    return data[: rng.randrange(len(data))]


def zeros(data: bytearray, rng: Random, size: int = 32) -> bytes:
    place = rng.randrange(len(data))
    data[place : place + size] = bytes(min(size, len(data) - place))
    return data


def sector(data: bytearray, rng: Random) -> bytes:
    return zeros(data, rng, 512)


def nothing(data: bytearray, rng: Random) -> bytes:
    return b""


def foreign(data: bytearray, rng: Random) -> bytes:
    return rng.choice([b"[]", b"{}", b"null", b'"text"', b"\xff\xfe not a file of ours \x00", b"[" * 3000])


HARMS = (flip, flip, flip, cut, zeros, zeros, sector, nothing, foreign)  # flips are what goes unseen most often


def damaged(
    lab: Lab,
    name: str,
    template: Callable[[Path], None],
    pattern: str,
    check: Callable[[Path, Path, Any], None],
    undisturbed: Callable[[Path], Any] = homes.trials,
    limit_s: float = 60.0,
    named_by_place: str = "",
) -> Iterator[Case]:
    """Each file of the pattern with each harm, over and over. check: of the home, the file, and the undisturbed. named_by_place: a
    stage of the cache whose entries another folder does not find, so that the copy makes its own before it is harmed."""
    home = homes.copy(lab, template, lab.folder / name)
    there = (path for path in home.glob(pattern) if path.is_file() and path.stat().st_size)
    files = sorted(str(path.relative_to(home)) for path in there if path.suffix != ".lock")  # who held it last: no data
    assert files, f"no {pattern} in this home"
    expected = undisturbed(home)

    def case(relative: str, harm: Callable, rng: Random) -> None:
        home = homes.copy(lab, template, Path.cwd() / "home")
        file = home / relative
        if named_by_place:
            shutil.rmtree(home / "cache" / named_by_place)
            verb(home, "run", *homes.SPARSE).well()
            [file] = home.glob(f"cache/{named_by_place}/*/{file.name}")
        before = file.read_bytes()
        after = next(after for _ in range(10_000) if differs(after := bytes(harm(bytearray(before), rng)), before))
        mode = file.stat().st_mode
        file.chmod(0o644)
        file.write_bytes(after)
        file.chmod(mode)
        try:
            check(home, file, expected)
        except AssertionError as error:
            raise AssertionError(f"{harm.__name__} in {relative}: {error}") from None

    return lab.swept(name, dict.fromkeys(files, HARMS), case, limit_s)


def differs(after: bytes, before: bytes) -> bool:
    """Also to who reads it: of a zip of arrays nobody reads the dates."""
    try:
        return _arrays(after) != _arrays(before)
    except Exception:  # of another kind, or broken
        return after != before


def _arrays(data: bytes) -> dict[str, tuple[str, bytes]]:
    with np.load(BytesIO(data), allow_pickle=False) as read:
        return {name: (f"{read[name].dtype} {read[name].shape}", read[name].tobytes()) for name in read.files}


def made_anew(*recipes: tuple[str, ...], without: tuple[str, ...] = ()) -> Callable[[Path, Path, Any], None]:
    """A check: one of the recipes makes the damaged file anew, tells so, and stores what it stored before. without: stages below
    the damaged one, which would hide it."""

    def check(home: Path, file: Path, expected: Any) -> None:
        harmed = file.read_bytes()
        for stage in without:
            for folder in (home / "cache").glob(stage):
                shutil.rmtree(folder)
        for recipe in recipes:
            ran = verb(home, "run", *recipe, limit_s=120).well()
            assert not homes.distinct(homes.trials(home)) - homes.distinct(expected), (
                "a trial with other numbers was stored as good"
            )
            if not file.exists() or file.read_bytes() != harmed:
                assert "Note: " in ran.err and "anew" in ran.err, f"made anew without a word: {ran.said()}"
                return
        raise AssertionError("read as it is, or by nobody")

    return check


def same_numbers(*recipe: str, without: tuple[str, ...] = ()) -> Callable[[Path, Path, Any], None]:
    """A check of what cannot be made anew: the recipe run once more says what it said before, or names what is damaged."""

    def check(home: Path, file: Path, expected: Any) -> None:
        for stage in without:
            shutil.rmtree(home / "cache" / stage, ignore_errors=True)
        ran = verb(home, "run", *recipe, limit_s=120).calm()
        assert not ran.code or "where: " in ran.err, f"no place is told: {ran.said()}"
        found = homes.distinct(homes.trials(home))
        assert not found - homes.distinct(expected), "a trial with other numbers was stored as good"

    return check


@attack("damage", "a record of the journal")
def journal(lab: Lab) -> Iterator[Case]:
    def check(home: Path, file: Path, expected: Any) -> None:
        verb(home, "annotate", "list").calm()
        verb(home, "rebuild").well()
        found, trial_id = homes.trials(home), file.name.split(".")[0]
        report = told_of(home)
        named = any(file.name in problem for problem in report["problems"])
        questions = ".questions." in file.name
        for trial, said in expected.items():
            same = trial in found and (found[trial] == said or (questions and named and found[trial][3] == said[3]))
            assert same or (trial == trial_id and trial not in found and named), (
                f"trial {trial} is another or gone; verify: {report['problems']}"
            )
        assert found.keys() <= expected.keys(), "trials that were never run"
        assert named or report["journal"] == told_of(lab.folder / "journal")["journal"], "a record is gone and not named"

    return damaged(lab, "journal", homes.measured, "journal/20*/*", check)


def told_of(home: Path) -> dict[str, Any]:
    import json

    return json.loads(verb(home, "verify", "--json").calm().out)


@attack("damage", "a segment of labels")
def labels(lab: Lab) -> Iterator[Case]:
    def check(home: Path, file: Path, expected: Any) -> None:
        kept = asked(home, current_labels)
        lost = [label for label in expected if label not in kept]
        assert [label for label in kept if label not in expected] == [], "labels that nobody gave"
        report = verb(home, "annotate", "check", "toy", "--json").calm()
        assert not lost or not told_of(home)["ok"], f"{len(lost)} labels are gone, and verify is content"
        assert not lost or report.code, f"{len(lost)} labels are gone, and `annotate check` is content"

    return damaged(lab, "labels", homes.measured, "journal/labels/*", check, lambda home: asked(home, current_labels))


def current_labels(home: Path) -> Any:
    from core.workbench import Workbench

    return [{**one, "id": one["id"]} for one in Workbench(home).store.labels.all("toy")]


@attack("damage", "the database")
def database(lab: Lab) -> Iterator[Case]:
    return damaged(lab, "database", homes.measured, "groundwork.duckdb", healed)


def healed(home: Path, file: Path, expected: Any) -> None:
    assert homes.trials(home) == expected, "other trials than the journal's"
    counts = told(home, "sql", "SELECT count(*) AS n, count(DISTINCT id) AS d FROM labels")
    assert counts == told_labels(home), f"labels in the database: {counts}"
    if not told_of(home)["ok"]:  # a block that nobody reads: found by verify, which says what to do
        verb(home, "rebuild").well()
    homes.verified(home)


def told_labels(home: Path) -> list[dict[str, int]]:
    number = len(homes.labels(home))
    return [{"n": number, "d": number}]


@attack("damage", "the database's log, after a kill while folding")
def log(lab: Lab) -> Iterator[Case]:
    need_injector()
    yield from damaged(lab, "log", with_log, "*.wal", healed)


def with_log(place: Path) -> None:
    """A home whose database has a log: killed where it was about to be folded into the file."""
    with_news(place.parent / "before")
    operations = verb(place.parent / "before", "trials", fault=Fault()).well().operations
    with_news(place.parent / "news")
    for at in range(operations, 0, -1):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(place.parent / "news", place)
        verb(place, "trials", fault=Fault(at, WRITE | OPEN | NAME | SIZE))
        if any(file.stat().st_size > 2000 for file in place.glob("*.wal")):
            return
    raise AssertionError("no kill leaves a log")


@attack("damage", "the cached text of a corpus")
def corpus(lab: Lab) -> Iterator[Case]:
    below = ("chunks", "sparse", "dense", "index", "encoders")
    return damaged(
        lab, "corpus", homes.measured, "cache/corpus/*/*", made_anew(homes.SPARSE, without=below), named_by_place="corpus"
    )


@attack("damage", "cached chunks")
def chunks(lab: Lab) -> Iterator[Case]:
    check = made_anew(homes.SPARSE, homes.HYBRID, without=("sparse", "dense", "index", "encoders"))
    return damaged(lab, "chunks", homes.measured, "cache/chunks/*/*", check)


@attack("damage", "cached candidates of the sparse retriever")
def sparse(lab: Lab) -> Iterator[Case]:
    return damaged(lab, "sparse", homes.measured, "cache/sparse/*/*", made_anew(homes.SPARSE, homes.HYBRID))


@attack("damage", "cached candidates of the dense retriever")
def dense(lab: Lab) -> Iterator[Case]:
    check = made_anew(homes.DENSE, homes.HNSW, homes.HYBRID)
    return damaged(lab, "dense", homes.measured, "cache/dense/*/*", check)


@attack("damage", "stored vectors")
def vectors(lab: Lab) -> Iterator[Case]:
    def check(home: Path, file: Path, expected: Any) -> None:
        name = file.parent.name
        recipe = homes.MAXSIM if name.startswith("maxsim") else homes.DENSE if "lsa" in name else homes.HYBRID
        made_anew(recipe, without=("dense", "index", "ranked/tokens"))(home, file, expected)  # scores for which no token is read

    return damaged(lab, "vectors", homes.measured, "cache/vectors/*/*", check, limit_s=120)


@attack("damage", "token vectors that MaxSim reads")
def tokens(lab: Lab) -> Iterator[Case]:
    check = made_anew(homes.MAXSIM, without=("vectors/maxsim-*",))  # scores of pairs, for which no token is read
    return damaged(lab, "tokens", homes.measured, "cache/ranked/**/*", check, limit_s=120)


@attack("damage", "a saved index")
def index(lab: Lab) -> Iterator[Case]:
    return damaged(lab, "index", homes.measured, "cache/index/**/*", made_anew(homes.HNSW, without=("dense",)))


@attack("damage", "an encoder fitted to the corpus")
def fitted(lab: Lab) -> Iterator[Case]:
    check = made_anew(homes.DENSE, without=("dense", "index", "vectors"))
    return damaged(lab, "fitted", homes.measured, "cache/encoders/**/*", check)


@attack("damage", "an encoder of one's own training")
def trained(lab: Lab) -> Iterator[Case]:
    check = same_numbers(*homes.TRAINED, without=("dense", "index", "vectors"))
    return damaged(lab, "trained", homes.trained, "encoders/own/*", check, limit_s=150)


@attack("damage", "the parsed text of one's own documents")
def documents(lab: Lab) -> Iterator[Case]:
    check = same_numbers(*homes.SPARSE, without=("corpus", "chunks", "sparse", "dense", "index", "encoders"))
    return damaged(lab, "documents", homes.measured, "corpora/towns/**/*", check)


@attack("damage", "a job's files")
def jobs(lab: Lab) -> Iterator[Case]:
    def read(home: Path) -> Any:
        from core.jobs.jobs import Jobs

        return [[job.label, job.status] for job in Jobs(home).list()]

    return damaged(lab, "jobs", homes.measured, "jobs/*/*", lambda home, file, expected: asked(home, read), read)


@attack("damage", "prices and saved chains")
def settings(lab: Lab) -> Iterator[Case]:
    def read(home: Path) -> Any:
        from core.errors import WorkbenchError
        from core.generation import prices
        from core.labs.sampling import chains
        from core.workbench import Workbench

        for name, look in {"prices.yaml": prices.table, "chains.json": lambda: chains.presets(Workbench(home))}.items():
            try:
                look()
            except WorkbenchError as error:
                assert name in error.where, f"'{error.where}' is told in place of {name}"

    return damaged(lab, "settings", homes.measured, "[pc]*.[yj]*", lambda home, file, expected: asked(home, read), read)
