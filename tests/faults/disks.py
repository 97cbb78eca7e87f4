"""A disk that is full, broken or not ours, from the n-th operation of a verb on: told with the path, nothing lost."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults import harness, homes
from tests.faults.harness import Case, Fault, Lab, Ran, attack, forked, need_injector, verb
from tests.faults.kills import acknowledged, give_labels, with_news

# what is refused, by how the disk fails
FULL = Fault(kinds=harness.WRITE | harness.OPEN | harness.MAKE, error=errno.ENOSPC, for_good=True)
HALF = Fault(kinds=harness.WRITE, error=errno.ENOSPC, for_good=True, half=True)
BROKEN = Fault(kinds=harness.WRITE | harness.SYNC, error=errno.EIO)
REFUSED = Fault(kinds=harness.OPEN | harness.MAKE | harness.NAME | harness.SIZE, error=errno.EACCES, for_good=True)
FAULTS = {"full": FULL, "half": HALF, "broken": BROKEN, "refused": REFUSED}


def failing(
    lab: Lab,
    name: str,
    template: Callable[[Path], None],
    work: Callable[[Path, Fault | None], Ran],
    check: Callable[[Path, Ran, Any], None],
    undisturbed: Callable[[Path], Any],
    limit_s: float = 90.0,
) -> Iterator[Case]:
    """A case for each operation that can fail and each way to fail. check: of the home, once the disk is well again."""
    need_injector()
    places = []
    for how, fault in FAULTS.items():
        home = homes.copy(lab, template, lab.folder / f"{name}-{how}")
        places += [(how, n) for n in range(1, work(home, Fault(kinds=fault.kinds)).well().operations + 1)]
    expected = undisturbed(home)

    def case(how: str, n: int) -> None:
        home = homes.copy(lab, template, Path.cwd() / "home")
        fault = FAULTS[how]
        failed = work(home, Fault(n, fault.kinds, fault.error, fault.for_good, fault.half))
        failed.calm()
        if failed.code:
            assert str(home) in failed.err + failed.out, f"{failed.struck}: no path is told: {failed.said()}"
            if fault.error == errno.EACCES:
                assert "space" not in failed.err, f"{failed.struck}: told to free space: {failed.said()}"
        check(home, failed, expected)

    for how, n in lab.sample(places, name):
        yield Case(f"{how}-{n}", lambda how=how, n=n: case(how, n), limit_s)


def of_verb(lab: Lab, name: str, template: Callable[[Path], None], *arguments: str) -> Iterator[Case]:
    """The verb under a failing disk; then again: the trials of an undisturbed home, and each id that was told."""

    def check(home: Path, failed: Ran, expected: Any) -> None:
        found = homes.trials(home)
        if not failed.code:  # it said that all went well
            assert homes.distinct(found) == homes.distinct(expected), f"{failed.struck}: well, it said, with other trials"
        verb(home, *arguments).well()
        assert homes.distinct(homes.trials(home)) == homes.distinct(expected), f"{failed.struck}: other trials afterwards"
        homes.verified(home)

    return failing(lab, name, template, lambda home, fault: verb(home, *arguments, fault=fault), check, homes.trials)


@attack("disks", "`run` on a disk that is full, broken or read-only, at each operation")
def run(lab: Lab) -> Iterator[Case]:
    return of_verb(lab, "run", homes.towns, "run", *homes.HNSW)


@attack("disks", "`sweep` on such a disk")
def sweep(lab: Lab) -> Iterator[Case]:
    return of_verb(lab, "sweep", homes.towns, "sweep", *homes.SPARSE, *homes.GRID)


@attack("disks", "`index-sweep` on such a disk")
def index_sweep(lab: Lab) -> Iterator[Case]:
    return of_verb(lab, "index_sweep", homes.towns, "index-sweep", *homes.HNSW, *homes.INDEX_GRID)


@attack("disks", "folding and reading on such a disk")
def fold(lab: Lab) -> Iterator[Case]:
    return of_verb(lab, "fold", with_news, "trials")


@attack("disks", "`rebuild` on such a disk")
def rebuild(lab: Lab) -> Iterator[Case]:
    return of_verb(lab, "rebuild", with_news, "rebuild")


@attack("disks", "`backup` on such a disk")
def backup(lab: Lab) -> Iterator[Case]:
    def work(home: Path, fault: Fault | None) -> Ran:
        return verb(home, "backup", home / "all.zip", fault=fault)

    def check(home: Path, failed: Ran, expected: Any) -> None:
        assert bool(failed.code) != (home / "all.zip").exists(), (
            f"{failed.struck}: ended with {failed.code}, and the file says otherwise"
        )
        assert homes.trials(home) == expected, f"{failed.struck}: other trials afterwards"

    return failing(lab, "backup", with_news, work, check, homes.trials)


@attack("disks", "`ingest` on such a disk")
def ingest(lab: Lab) -> Iterator[Case]:
    def work(home: Path, fault: Fault | None = None) -> Ran:
        source = home.parent / "few"
        source.mkdir(exist_ok=True)
        for name, text in list(homes.texts().items())[:2]:
            (source / name).write_text(text)
        return verb(home, "ingest", "few", source, fault=fault)

    def check(home: Path, failed: Ran, expected: Any) -> None:
        work(home).well()

    return failing(lab, "ingest", homes.empty, work, check, lambda home: None)


@attack("disks", "labelling on such a disk: each label that was acknowledged is there")
def labels(lab: Lab) -> Iterator[Case]:
    def work(home: Path, fault: Fault | None = None) -> Ran:
        return forked(lambda: told_calmly(home), home, fault)

    def told_calmly(home: Path) -> int:
        import sys

        from core.errors import WorkbenchError

        try:
            return give_labels(home)
        except WorkbenchError as error:
            print(error, file=sys.stderr)
            return 1

    def check(home: Path, failed: Ran, _: Any) -> None:
        kept, given = homes.labels(home), acknowledged(failed)
        assert kept == given, f"{failed.struck}: {len(given)} labels acknowledged, {len(kept)} kept"
        homes.verified(home)

    return failing(lab, "labels", homes.empty, work, check, lambda home: None)


@attack("disks", "`train-encoder` on such a disk")
def train_encoder(lab: Lab) -> Iterator[Case]:
    arguments = ("train-encoder", "own", *homes.DATASET, *homes.CHUNKS, "--train", "epochs=1", "--train", "patience=1")

    def check(home: Path, failed: Ran, _: Any) -> None:
        encoders = [folder.name for folder in (home / "encoders").glob("[!.]*")]
        assert not failed.code or encoders == [], f"{failed.struck}: a failed training left the encoder {encoders}"

    return failing(
        lab,
        "train_encoder",
        homes.towns,
        lambda home, fault: verb(home, *arguments, fault=fault, limit_s=120),
        check,
        lambda home: None,
        150.0,
    )


@attack("disks", "`backup` to another disk, where the home's own fails")
def elsewhere(lab: Lab) -> Iterator[Case]:
    def check(fault: Fault | None) -> None:
        import tempfile
        import zipfile

        home = homes.copy(lab, with_news, Path.cwd() / "home")
        with tempfile.TemporaryDirectory(dir="/var/tmp") as other:
            fault = fault and Fault(1, fault.kinds, fault.error, for_good=True)
            verb(home, "backup", Path(other) / "all.zip", fault=fault).well()
            records = {path.name for path in home.glob("journal/*/*.gz")}
            names = {name.rpartition("/")[2] for name in zipfile.ZipFile(Path(other) / "all.zip").namelist()}
            assert records <= names, "records are not in the backup"

    need_injector()
    yield Case("well", lambda: check(None))
    for how, fault in FAULTS.items():
        yield Case(how, lambda fault=fault: check(fault))
