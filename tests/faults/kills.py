"""Kill -9 before, or in the middle of, each file operation of a verb; then the verb again."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults import homes
from tests.faults.harness import ALL, WRITE, Case, Fault, Lab, Ran, attack, forked, need_injector, told, verb


def struck(
    lab: Lab,
    name: str,
    template: Callable[[Path], None],
    work: Callable[[Path, Fault | None], Ran],
    check: Callable[[Path, Ran, Any], None],
    undisturbed: Callable[[Path], Any],
) -> Iterator[Case]:
    """A case for each file operation of `work`, in an order of the seed. check: of the home afterwards, what the killed
    verb had said, and what an undisturbed home says."""
    need_injector()
    place = lab.folder / name
    home = homes.copy(lab, template, place)
    whole = work(home, Fault()).well()
    halves = work(homes.copy(lab, template, lab.folder / f"{name}-writes"), Fault(kinds=WRITE)).well().operations
    expected = undisturbed(home)

    def case(fault: Fault) -> None:
        home = homes.copy(lab, template, Path.cwd() / "home")
        killed = work(home, fault)
        assert killed.code == -9 or killed.code == 0, f"before the kill: {killed.said()}"
        check(home, killed, expected)

    operations = [("before", n) for n in range(1, whole.operations + 1)] + [("half", n) for n in range(1, halves + 1)]
    for how, n in lab.sample(operations, name):
        fault = Fault(n, ALL) if how == "before" else Fault(n, WRITE, half=True)
        yield Case(f"{how}-{n}", lambda fault=fault: case(fault))


def same_trials(home: Path, killed: Ran, expected: Any, *again: Any) -> None:
    """After the verb was run again the home holds the same trials, and all that it had said it stored."""
    verb(home, *again).well()
    found = homes.trials(home)
    assert homes.distinct(found) == homes.distinct(expected), "other trials, scores or rankings than undisturbed"
    homes.verified(home)


def acknowledged(killed: Ran) -> list[str]:
    """The lines a killed process had printed whole."""
    return [line for line in killed.out.split("\n")[:-1] if line]


@attack("kills", "`run` before each file operation and within each write, then again")
def run(lab: Lab) -> Iterator[Case]:
    arguments = ("run", *homes.HNSW)
    return struck(
        lab,
        "run",
        homes.towns,
        lambda home, fault: verb(home, *arguments, fault=fault),
        lambda home, killed, expected: same_trials(home, killed, expected, *arguments),
        homes.trials,
    )


@attack("kills", "`sweep`, then again: the same trials")
def sweep(lab: Lab) -> Iterator[Case]:
    arguments = ("sweep", *homes.SPARSE, *homes.GRID)
    return struck(
        lab,
        "sweep",
        homes.towns,
        lambda home, fault: verb(home, *arguments, fault=fault),
        lambda home, killed, expected: same_trials(home, killed, expected, *arguments),
        homes.trials,
    )


@attack("kills", "`ingest`, then again: the same documents and questions")
def ingest(lab: Lab) -> Iterator[Case]:
    def source(home: Path) -> Path:
        folder = home.parent / "few"
        folder.mkdir(exist_ok=True)
        for name, text in list(homes.texts().items())[:2]:
            (folder / name).write_text(text)
        (home.parent / "few.jsonl").write_text("\n".join(homes.questions().split("\n")[:8]))
        return folder

    def work(home: Path, fault: Fault | None = None) -> Ran:
        return verb(home, "ingest", "few", source(home), "--questions", home.parent / "few.jsonl", fault=fault)

    def read(home: Path) -> Any:
        about = next(one for one in told(home, "datasets") if one["name"] == "few")
        return (
            about["documents"],
            about["questions"],
            told(
                home, "search", "Which salt?", "--dataset", "few", *homes.CHUNKS, *homes.LSA, "--set", "fusion.part=sparse_only"
            ),
        )

    def check(home: Path, killed: Ran, expected: Any) -> None:
        verb(home, "datasets").well()  # a half-made collection stops nothing
        work(home).well()
        assert json.loads(json.dumps(read(home))) == json.loads(json.dumps(expected)), "another corpus than undisturbed"

    return struck(lab, "ingest", homes.empty, work, check, read)


@attack("kills", "`index-sweep`, then again: the same points")
def index_sweep(lab: Lab) -> Iterator[Case]:
    arguments = ("index-sweep", *homes.HNSW, *homes.INDEX_GRID)

    def read(home: Path) -> Any:
        return sorted((row["setting"], row["recall"]) for row in told(home, "index-points", *homes.HNSW))

    def check(home: Path, killed: Ran, expected: Any) -> None:
        verb(home, *arguments).well()
        assert [list(one) for one in read(home)] == [list(one) for one in expected], "other points than undisturbed"
        homes.verified(home)

    return struck(lab, "index_sweep", homes.towns, lambda home, fault: verb(home, *arguments, fault=fault), check, read)


@attack("kills", "labelling: each label that was acknowledged is there")
def labels(lab: Lab) -> Iterator[Case]:
    def work(home: Path, fault: Fault | None = None) -> Ran:
        return forked(lambda: give_labels(home), home, fault)

    def check(home: Path, killed: Ran, _: Any) -> None:
        kept, given = homes.labels(home), acknowledged(killed)
        assert set(given) <= set(kept), f"{len(set(given) - set(kept))} acknowledged labels are gone"
        assert len(kept) <= len(given) + 1, "labels that nobody gave"
        work(home).well()
        homes.verified(home)

    return struck(lab, "labels", homes.empty, work, check, lambda home: None)


def give_labels(home: Path, count: int = 4) -> int:
    """Labels through the store, each printed once it is acknowledged."""
    from core.store.database import Store
    from tests.annotation.test_annotation_fault import PAYLOAD

    store = Store(home)
    for number in range(count):
        print(store.add_label({**PAYLOAD, "item": f"i{number}"}), flush=True)
    store.fold()
    return 0


@attack("kills", "answers, scores and texts by models: a batch that was acknowledged is there, each is whole or absent")
def batches(lab: Lab) -> Iterator[Case]:
    def work(home: Path, fault: Fault | None = None) -> Ran:
        return forked(lambda: keep_batches(home), home, fault)

    def check(home: Path, killed: Ran, _: Any) -> None:
        from core.store.batches import BatchRecords

        there = BatchRecords(home)
        held = {kind: [len(there.read(kind, some)) for some in keys] for kind, keys in BATCH_KEYS.items()}
        assert all(count in (0, 5) for counts in held.values() for count in counts), f"half a batch: {held}"
        lost = [line for line in acknowledged(killed) if held[line.split()[0]][int(line.split()[1])] != 5]
        assert not lost, f"acknowledged batches are gone: {lost}"
        work(home).well()
        once = {kind: [len(BatchRecords(home).read(kind, some)) for some in keys] for kind, keys in BATCH_KEYS.items()}
        assert {number for counts in once.values() for number in counts} == {5}
        homes.verified(home)

    return struck(lab, "batches", homes.empty, work, check, lambda home: None)


BATCH_KEYS = {
    kind: [[f"{kind} {n} {m}" for m in range(5)] for n in range(2)] for kind in ("set_answers", "answer_scores", "model_texts")
}


def keep_batches(home: Path) -> int:
    """Two batches of each kind, each printed once it is acknowledged."""
    from core.store.batches import BatchRecords
    from core.store.database import Store

    there = BatchRecords(home)
    for kind, batches_ in BATCH_KEYS.items():
        for number, keys in enumerate(batches_):
            there.keep(kind, {key: {"text": key, "value": 0.5, "finish_reason": "stop"} for key in keys})
            print(kind, number, flush=True)
    Store(home).fold()
    return 0


@attack("kills", "folding news into the database, then reading")
def fold(lab: Lab) -> Iterator[Case]:
    return after_kill(lab, "fold", ("trials",))


@attack("kills", "`rebuild`, then reading")
def rebuild(lab: Lab) -> Iterator[Case]:
    return after_kill(lab, "rebuild", ("rebuild",))


def after_kill(lab: Lab, name: str, arguments: tuple[str, ...]) -> Iterator[Case]:
    def check(home: Path, killed: Ran, expected: Any) -> None:
        assert homes.trials(home) == expected, "other trials than undisturbed"
        homes.verified(home)

    return struck(lab, name, with_news, lambda home, fault: verb(home, *arguments, fault=fault), check, homes.trials)


def with_news(place: Path) -> None:
    """Trials, a part of which the database has not seen."""
    homes.towns(place)
    verb(place, "sweep", *homes.SPARSE, *homes.GRID).well()
    told(place, "trials")
    verb(place, "sweep", *homes.DENSE, "--grid", "retrieval.candidates=10,20,30").well()


@attack("kills", "`backup`: the file is whole or not there")
def backup(lab: Lab) -> Iterator[Case]:
    import zipfile

    def check(home: Path, killed: Ran, expected: Any) -> None:
        file = home / "all.zip"
        assert not file.exists() or zipfile.ZipFile(file).testzip() is None, "a damaged backup"
        file.unlink(missing_ok=True)
        verb(home, "backup", file).well()
        assert homes.trials(home) == expected, "other trials than undisturbed"

    return struck(
        lab, "backup", with_news, lambda home, fault: verb(home, "backup", home / "all.zip", fault=fault), check, homes.trials
    )
