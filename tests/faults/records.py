"""Records of the wrong kind: whole and checksummed, yet not what a record holds. Refused, or left out and named; the rest lives."""

import gzip
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from tests.faults import homes
from tests.faults.damage import told_of
from tests.faults.harness import Case, Lab, asked, attack, forked, verb

ODD = (
    10**30, -(10**30), 2**63, 2**64, 5_000_000_000, -1, 0.5, True, None, float("nan"), float("inf"), "", "text", "\ud800", "\x00",
    "x" * 1_000_000, [], {}, [[]], [None], [{}], {"": {}}, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "yesterday",
    "DEEP", "LONG",
)  # fmt: skip
DEEP = "[" * 900 + "]" * 900  # as deep as the journal could read when it was written, deeper than some who read it


def places(value: Any, most: int = 3) -> list[tuple]:
    """Paths to what a payload holds, a few of each list."""
    inside = list(value.items()) if isinstance(value, dict) else list(enumerate(value[:2])) if isinstance(value, list) else []
    return [(key, *rest) for key, one in inside for rest in ([()] + (places(one, most - 1) if most > 1 else []))]


def odd_values(payload: dict) -> list[tuple[tuple, int]]:
    """Each place of a payload with the number of each odd value."""
    return [(path, number) for path in places(payload) for number in range(len(ODD))]


def changed(payload: dict, path: tuple, number: int) -> tuple[dict, str]:
    """The payload with one odd value, and where it stands."""
    new, value = json.loads(json.dumps(payload)), ODD[number]
    place = new
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return new, f"{'.'.join(map(str, path))} = {str(value)[:30] if not isinstance(value, int) else f'{value:.3g}'}"


def as_json(payload: Any) -> bytes:
    return json.dumps(payload, separators=(",", ":")).replace('"DEEP"', DEEP).replace('"LONG"', "9" * 5000).encode()


def file_of(folder: Path, name: str, body: bytes, **header: Any) -> Path:
    """A record with a right checksum, whatever its body, put where the journal would have put it."""
    from core.files.ids import new_id
    from core.store import journal

    about = {"schema": journal.SCHEMA, "kind": name, "id": (record_id := new_id()), **header}
    about = {"sha256": journal.checksum(about["schema"], about["kind"], about["id"], body), **about}
    day = next(iter(sorted((folder / "journal").glob("20*"))), folder / "journal" / "2026-01-01")
    day.mkdir(parents=True, exist_ok=True)
    path = day / f"{record_id}.{name}{journal.SUFFIX}"
    path.write_bytes(gzip.compress(json.dumps(about).encode() + b"\n" + body + b"\n", 1))
    return path


def payloads(home: Path) -> dict[str, dict]:
    """kind -> the payload of a record of that home, and one of each kind that it has none of."""
    from core.store.journal import Journal
    from tests.annotation.test_annotation_fault import PAYLOAD

    found = {record.kind: record.payload for record in Journal(home / "journal").records()}
    answer = {
        "question": "why?",
        "text": "because [1]",
        "cited": [1],
        "finish_reason": "stop",
        "hits": [{"rank": 1}],
        "seed": 1,
        "prompt": "why?",
        "prompt_tokens": 3,
        "answer_tokens": 2,
        "retrieval_ms": 1.0,
        "created": "2026-01-01T00:00:00+00:00",
        "config": {"corpus": {"dataset": "towns"}},
    }
    samples = {
        "ground": "g",
        "dataset": "towns",
        "query_id": "q1",
        "question": "?",
        "answers": ["a"],
        "chain": "greedy",
        "config": {},
        "samples": [
            {
                "number": 0,
                "seed": 1,
                "text": "a",
                "finish_reason": "stop",
                "answer_tokens": 1,
                "logprob": -1.0,
                "generation_ms": 1.0,
                "model_runs": 1,
            }
        ],
    }
    experiment = {
        "experiment": "sizes",
        "created": "2026-01-01T00:00:00+00:00",
        "document": {"id": "sizes", "title": "Sizes", "tags": ["a"], "factors": [{"setting": "fusion.weight", "values": [0.5]}]},
    }
    return {"answer": answer, "samples": samples, "experiment": experiment, "label": {**PAYLOAD, "item": "i"}, **found}


def lives(home: Path, expected: dict[str, Any], odd: Path | None) -> None:
    """What was stored before is still said, by what was folded and by a database made anew; the odd one is in or named."""
    for made_anew in (False, True):
        if made_anew:
            verb(home, "rebuild").well()
        verb(home, "annotate", "list").well()
        found = homes.trials(home)
        assert {trial: found.get(trial) for trial in expected} == expected, "other trials than before"
        report = told_of(home)
        named = any(odd.name.split(".")[0] in problem or odd.name in problem for problem in report["problems"]) if odd else False
        assert not report["missing"] or named or not report["ok"], "not in the database, and verify is content"
        if odd and not named:
            kinds = set(asked(home, lambda home: known(home)))
            assert odd.name.split(".")[0] in kinds, "neither stored nor named by verify"


def known(home: Path) -> list[str]:
    """Ids of all that the database holds."""
    from core.workbench import Workbench

    store = Workbench(home).store
    return [row["id"] for row in store.query("SELECT id FROM folded UNION ALL SELECT id FROM labels")]


def mutations(lab: Lab, name: str, kinds: Sequence[str], try_one: Callable[[Path, str, dict, Any], None]) -> Iterator[Case]:
    home = homes.copy(lab, homes.measured, lab.folder / name)
    whole, expected = payloads(home), homes.trials(home)

    def case(kind: str, place: tuple[tuple, int], rng: Random) -> None:
        odd, where = changed(whole[kind], *place)
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        try:
            try_one(home, kind, odd, expected)
        except AssertionError as error:
            raise AssertionError(f"{kind}: {where}: {error}") from None

    return lab.swept(name, {kind: odd_values(whole[kind]) for kind in kinds}, case, again=False)


@attack("records", "an odd value in a record that came with a merged journal")
def merged(lab: Lab) -> Iterator[Case]:
    def try_one(home: Path, kind: str, payload: dict, expected: Any) -> None:
        lives(home, expected, file_of(home, kind, as_json(payload)))

    return mutations(lab, "merged", ("trial", "questions", "answer", "index", "samples", "study", "experiment"), try_one)


@attack("records", "an odd value given to the store: refused, or kept and read")
def given(lab: Lab) -> Iterator[Case]:
    def try_one(home: Path, kind: str, payload: dict, expected: Any) -> None:
        def add() -> int:
            from core.errors import WorkbenchError
            from core.store.database import Store

            try:
                store = Store(home)
                print(store.add_label(payload) if kind == "label" else store.add(kind, payload))
            except WorkbenchError as error:
                assert error.what
            return 0

        said = forked(add, home).well().out.strip()
        lives(home, expected, None)
        assert not said or said in asked(home, lambda home: known(home)), "acknowledged, and not to be read"

    kinds = ("trial", "answer", "index", "samples", "study", "experiment", "label", "questions")
    return mutations(lab, "given", kinds, try_one)


@attack("records", "an odd value in a line of labels")
def label_lines(lab: Lab) -> Iterator[Case]:
    def try_one(home: Path, kind: str, payload: dict, expected: Any) -> None:
        from core.files.ids import new_id
        from core.store import journal, segments

        label_id, body = new_id(), as_json(payload)
        header = {
            "schema": journal.SCHEMA,
            "kind": "label",
            "id": label_id,
            "sha256": journal.checksum(journal.SCHEMA, "label", label_id, body),
        }
        before = homes.labels(home)
        path = home / "journal" / "labels" / f"{new_id()}{segments.SEGMENT}"
        path.write_bytes(json.dumps(header).encode() + b"\t" + body + b"\n")
        verb(home, "annotate", "check", "toy").calm()
        verb(home, "annotate", "progress", "toy").calm()
        assert set(before) <= set(homes.labels(home)), "other labels are gone"
        lives(home, expected, None)
        named = any(path.name in problem for problem in told_of(home)["problems"])
        assert named or label_id in asked(home, lambda home: known(home)), "neither stored nor named by verify"

    return mutations(lab, "label_lines", ("label",), try_one)


def strange_files(home: Path) -> dict[str, Callable[[], Path]]:
    """What may lie in a journal's folder instead of a record."""
    from core.files.ids import new_id

    record_id, body = new_id(), as_json(payloads(home)["trial"])
    day = sorted((home / "journal").glob("20*"))[0]

    def place(suffix: str = ".trial.jsonl.gz") -> Path:
        return day / f"{record_id}{suffix}"

    def made(make: Callable[[Path], Any], suffix: str = ".trial.jsonl.gz") -> Callable[[], Path]:
        return lambda: (make(place(suffix)), place(suffix))[1]

    def linked(target: str) -> Callable[[], Path]:
        return made(lambda path: path.symlink_to(target))

    found = {
        "directory": made(lambda path: path.mkdir()),
        "loop": made(lambda path: path.symlink_to(path.name)),
        "broken-link": linked("/nowhere/at/all"),
        "endless-link": linked("/dev/zero"),
        "pipe": made(os.mkfifo),
        "link-outside": linked("/etc/passwd"),
        "empty": made(lambda path: path.touch()),
        "not-gzip": made(lambda path: path.write_text("x")),
        "bomb": made(lambda path: path.write_bytes(gzip.compress(b"{}\n" + bytes(1 << 30), 1))),
        "deep-header": made(lambda path: path.write_bytes(gzip.compress(b"[" * 100_000 + b"\n{}\n"))),
        "bare-name": made(lambda path: path.write_text("x"), ""),
        "two-dots": made(lambda path: path.write_text("x"), "..jsonl.gz"),
        "unknown-kind": lambda: file_of(home, "poem", body),
        "path-as-kind": lambda: file_of(home, "trial", body, kind="../x"),
        "payload-deep": lambda: file_of(home, "trial", b"[" * 100_000 + b"]" * 100_000),
        "payload-deep-object": lambda: file_of(home, "trial", b'{"config":' * 50_000 + b"1" + b"}" * 50_000),
    }
    for name, value in {"text": "1", "null": None, "list": [1], "newer": 99, "negative": -1, "float": 1.0, "true": True}.items():
        found[f"schema-{name}"] = lambda value=value: file_of(home, "trial", body, schema=value)
    for name, value in {"number": 5, "null": None, "list": ["trial"]}.items():
        found[f"kind-{name}"] = lambda value=value: file_of(home, "trial", body, kind=value)
        found[f"id-{name}"] = lambda value=value: file_of(home, "trial", body, id=value)
    for name in ("trial", "questions", "answer", "index", "samples", "study", "experiment"):
        for value in ([], [1], "text", 5, None, {}):
            found[f"{name}-payload-{json.dumps(value)}"] = lambda name=name, value=value: file_of(home, name, as_json(value))
    return found


@attack("records", "a folder, pipe, link, bomb, or foreign header in place of a record")
def strange(lab: Lab) -> Iterator[Case]:
    home = homes.copy(lab, homes.measured, lab.folder / "strange")
    expected = homes.trials(home)

    def case(name: str) -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        lives(home, expected, strange_files(home)[name]())

    for name in lab.sample(list(strange_files(home)), "strange"):
        yield Case(name, lambda name=name: case(name), 40.0)
