"""Files that researchers hand to each other, bundles of papers and experiments: what is forged or damaged is never said to hold."""

import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from tests.faults import homes
from tests.faults.damage import HARMS, cut, flip, nothing, zeros
from tests.faults.harness import UNCHECKED, Case, Lab, Ran, asked, attack, forked, verb
from tests.faults.records import as_json, changed, odd_values, places

FLAGS = ("command", "drawing", "value", "form", "trials")  # of an item, where it has them
PAPER, EXPERIMENT = "small.zip", "sizes.experiment.zip"
VERBS = {PAPER: ("verify-paper",), EXPERIMENT: ("experiment", "open", "--only-verify")}


def exchanged(place: Path) -> None:
    """A home with a paper and an experiment, both exported into it."""
    place.mkdir()
    forked(lambda: _export(place), place, limit_s=120).well()


def _export(place: Path) -> int:
    from core.labs.experiments import book, exchange
    from core.labs.papers import paper as papers
    from core.progress import drain
    from core.workbench import Workbench
    from tests.labs.experiments.test_book import sizes
    from tests.labs.papers.test_bundle import whole, zipped
    from tests.support.small_paper import small_paper
    from tests.support.synthetic_trials import add_questions, add_trial

    bench = Workbench(place)
    trials = small_paper(bench)
    papers.add(bench, "small", {"kind": "figure", "name": "means", "command": ["trials-table", *trials], "drawing": "means"})
    (place / PAPER).write_bytes(zipped(whole(bench)))
    book.save(bench, sizes())
    questions = add_questions(bench.store, name="sizes")
    for number, quality in enumerate((0.9, 0.3)):
        add_trial(bench.store, questions, {"chunking.size_tokens": 64 << number}, quality, number, "chunk-sizes")
    drain(exchange.export(bench, "chunk-sizes", place / EXPERIMENT))
    return 0


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def sealed(content: dict[str, bytes], name: str) -> dict[str, bytes]:
    """With a manifest that fits."""
    if name == PAPER:
        from tests.labs.papers.test_bundle import sealed as of_paper

        return of_paper(content)
    manifest = json.loads(content["manifest.json"])
    for record in manifest["records"]:
        if data := content.get(f"journal/{record['id']}.{record['kind']}.jsonl.gz"):
            record["sha256"] = hashlib.sha256(data).hexdigest()
    return {**content, "manifest.json": json.dumps(manifest).encode()}


def packed(content: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return made.getvalue()


def verified(name: str, data: bytes) -> Ran:
    """What the verb for such files says, on a home that has nothing."""
    home = Path.cwd() / "verifying"
    home.mkdir(exist_ok=True)
    (Path.cwd() / name).write_bytes(data)
    return verb(home, *VERBS[name], Path.cwd() / name).calm()


def numbers(content: Any) -> list[tuple]:
    """Places of what an item shows: a value, cells of a table, points of a figure and the rows behind it."""

    def at(path: tuple) -> Any:
        found = content
        for step in path:
            found = found[step]
        return found

    found = [()] if isinstance(content, int | float) else [path for path in places(content, 6) if type(at(path)) in (int, float)]
    looks = {"size", "width", "opacity", "digits", "direction", "n", "total"}
    return [path for path in found if "layout" not in path and not looks & set(path)]


@attack(
    "exchange", "a bundle whose figure is forged with all that follows from it, and whose own flags are left out: never exit 0"
)
def forged(lab: Lab) -> Iterator[Case]:
    home = homes.copy(lab, exchanged, lab.folder / "forged")
    items = {name[6:-5]: json.loads(data)["content"] for name, data in members(home / PAPER).items() if name.startswith("items/")}
    paper = asked(home, lambda home: _items(home))
    doors = {name: [(path, flag) for path in numbers(content) for flag in ("", *paper[name])] for name, content in items.items()}

    def check(item: str, one: tuple[tuple, str], rng: Random) -> None:
        path, flag = one
        home = homes.copy(lab, exchanged, Path.cwd() / "home")
        bundle = Path.cwd() / "forged.zip"
        forked(lambda: _forge(home, bundle, item, path, flag, rng.uniform(0.01, 0.3)), home).well()
        ran = verified(PAPER, bundle.read_bytes())
        least = 1 if flag in ("", "drawing") else UNCHECKED
        assert ran.code in (1, least), f"{item} {path} without {flag or 'nothing'}: ended with {ran.code}: {ran.out[-200:]}"

    return lab.swept("forged", doors, check)


def _items(home: Path) -> dict[str, list[str]]:
    from core.labs.papers import paper as papers
    from core.workbench import Workbench

    return {
        item.name: [flag for flag in FLAGS if getattr(item, flag, None)] for item in papers.load(Workbench(home), "small").items
    }


def _forge(home: Path, bundle: Path, item: str, path: tuple, flag: str, by: float) -> int:
    from core.labs.papers import bundle as bundles
    from core.labs.papers import paper as papers
    from core.workbench import Workbench
    from tests.labs.papers.test_bundle import sealed, zipped

    bench = Workbench(home)
    paper = papers.load(bench, "small")
    showed, raw = papers.showed(bench, paper), bundles.records(bench, paper)
    content = json.loads(json.dumps(showed[item].content))
    if path:
        place = content
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] += by
    else:
        content += by
    items = tuple(
        each.model_copy(update={flag: type(getattr(each, flag))()}) if flag and each.name == item else each
        for each in paper.items
    )
    paper = paper.model_copy(update={"items": items})
    made = bundles.whole(bench, paper, {**showed, item: showed[item]._replace(content=content)}, {}, raw)
    bundle.write_bytes(zipped(sealed(dict(made))))
    return 0


@attack("exchange", "each file within a bundle or experiment changed, Makefile and main.tex too, under a manifest made to fit")
def within(lab: Lab) -> Iterator[Case]:
    home = homes.copy(lab, exchanged, lab.folder / "within")
    whole = {name: members(home / name) for name in VERBS}
    doors = {(name, one): (flip, cut, zeros, nothing) for name in VERBS for one in whole[name] if one != "manifest.json"}

    def check(door: tuple[str, str], harm: Callable, rng: Random) -> None:
        name, one = door
        before = whole[name][one]
        after = next(after for _ in range(10_000) if (after := bytes(harm(bytearray(before), rng))) != before)
        ran = verified(name, packed(sealed({**whole[name], one: after}, name)))
        assert ran.code, f"{harm.__name__} in {one} of {name}: it is said to hold"

    return lab.swept("within", doors, check)


@attack("exchange", "flips, cuts and zeros in the zip of a bundle or an experiment: told, or the same is read")
def zips(lab: Lab) -> Iterator[Case]:
    home = homes.copy(lab, exchanged, lab.folder / "zips")
    whole = {name: (home / name).read_bytes() for name in VERBS}

    def check(name: str, harm: Callable, rng: Random) -> None:
        said = verified(name, whole[name]).well().out
        ran = verified(name, bytes(harm(bytearray(whole[name]), rng)))
        assert ran.code or ran.out == said, f"{harm.__name__} in {name}: {ran.out[-200:]}"

    return lab.swept("zips", dict.fromkeys(VERBS, HARMS), check)


def _twice(content: dict[str, bytes]) -> bytes:
    file = io.BytesIO(packed(content))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(next(iter(content)), b"another")
    return file.getvalue()


def _linked(content: dict[str, bytes]) -> bytes:
    file = io.BytesIO(packed(content))
    with zipfile.ZipFile(file, "a") as archive:
        about = zipfile.ZipInfo("main.tex.link")
        about.external_attr = 0o120777 << 16
        archive.writestr(about, b"/etc/passwd")
    return file.getvalue()


def _larger(content: dict[str, bytes]) -> bytes:
    """Each member says that it has nothing in it."""
    data = bytearray(packed(content))
    place = 0
    while (place := data.find(b"PK\x01\x02", place)) >= 0:
        data[place + 24 : place + 28] = bytes(4)
        place += 4
    return bytes(data)


TRICKS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "a way out": lambda content: packed({**content, "../../out": b"x"}),
    "a root": lambda content: packed({**content, "/tmp/out": b"x"}),
    "a drive": lambda content: packed({**content, "C:\\out": b"x"}),
    "a name with NUL": lambda content: packed({**content, "a\x00b": b"x"}),
    "a long name": lambda content: packed({**content, "a" * 60_000: b"x"}),
    "a control sign": lambda content: packed({**content, "\x1b]0;owned\x07": b"x"}),
    "a name twice": _twice,
    "a link": _linked,
    "sizes of nothing": _larger,
    "a gigabyte of zeros": lambda content: packed({**content, "items/zeros.json": bytes(1 << 30)}),
    "a gigabyte in a record": lambda content: packed(
        {name: gzip.compress(bytes(1 << 30), 1) if name.endswith(".gz") else data for name, data in content.items()}
    ),
    "a hundred thousand files": lambda content: packed({**content, **{f"items/a{n}.json": b"" for n in range(100_000)}}),
    "nothing": lambda content: packed({}),
    "a zip in a zip": lambda content: packed({"a.zip": packed(content)}),
}


@attack("exchange", "tricks of a zip: ways out, names twice, links, bombs, sizes that lie: refused, and nothing written")
def tricks(lab: Lab) -> Iterator[Case]:
    home = homes.copy(lab, exchanged, lab.folder / "tricks")
    whole = {name: members(home / name) for name in VERBS}

    def check(name: str, trick: str, rng: Random) -> None:
        ran = verified(name, TRICKS[trick](whole[name]))
        assert ran.code, f"{trick} in {name}: it is said to hold"
        beside = {path.name for path in Path.cwd().iterdir()} - {name, "verifying"}
        assert not {one for one in beside if not one.startswith("tmp")} and not Path("/tmp/out").exists(), f"written: {beside}"
        assert "\x1b" not in ran.out + ran.err, f"{trick} in {name}: the terminal is steered"

    return lab.swept("tricks", dict.fromkeys(VERBS, tuple(TRICKS)), check, again=False)


@attack("exchange", "an odd value in a record of an experiment, all checksums right: refused, or opened and read")
def opened(lab: Lab) -> Iterator[Case]:
    from core.store.journal import decode, encode

    home = homes.copy(lab, exchanged, lab.folder / "opened")
    whole = members(home / EXPERIMENT)
    records = {name: decode(data, name.removeprefix("journal/")) for name, data in whole.items() if name.endswith(".gz")}
    kinds = {record.kind: name for name, record in records.items()}

    def check(kind: str, place: tuple[tuple, int], rng: Random) -> None:
        record = records[kinds[kind]]
        payload, where = changed(record.payload, *place)
        try:
            data = encode(record.id, record.kind, json.loads(as_json(payload)))
        except (ValueError, RecursionError):
            return  # no journal can hold it
        home = homes.copy(lab, exchanged, Path.cwd() / "home")
        expected = homes.trials(home)
        file = Path.cwd() / EXPERIMENT
        file.write_bytes(packed(sealed({**whole, kinds[kind]: data}, EXPERIMENT)))
        for place_, added in ((home, False), (Path.cwd() / "empty", True)):
            place_.mkdir(exist_ok=True)
            ran = verb(place_, "experiment", "open", file).calm()
            for words in (("trials",), ("experiment", "list"), ("rebuild",)):
                verb(place_, *words).well()
            if added and not ran.code:
                homes.verified(place_)
        assert homes.trials(home) == expected, f"{kind}: {where}: other trials than before"

    doors = {kind: odd_values(records[name].payload) for kind, name in kinds.items()}
    return lab.swept("opened", doors, check, 90.0, again=False)
