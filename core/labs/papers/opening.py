"""Other people's bundles, opened safely: only files of the names that a bundle has, so many and so large, each read when it is
asked for, and their records in a store of their own that is gone afterwards.

Nothing in a bundle is run: its commands are words for `sources`, its records go through the journal's own checks, and what a
record asks of the machine (resamples, depths) has to lie within the bounds of a recipe.
"""

import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.errors import WorkbenchError
from core.labs.papers import agreed, contamination
from core.labs.papers import paper as papers
from core.labs.papers.reading import OnDemand
from core.records import plain
from core.store.journal import decode
from core.store.rows import cost_problem, recipe_problem
from core.workbench import Workbench

RAW, LABELS, TRAINED, MANIFEST = "raw/", "labels/", "trained/", "manifest.json"
OF_RECORDS = (RAW, LABELS, TRAINED, MANIFEST)  # beginnings of the names that no item writes
MOST_FILES = 30_000
MOST_FILE, MOST_TOTAL = 128 << 20, 2 << 30  # bytes, unpacked; of records once more
MOST_RECORD = 40 << 20  # bytes of a record, unpacked: what is made of it on the way takes some fifteen times as much
MOST_VALUES = 8_000_000  # of a record: what is read of a few bytes may take many
MOST_NAMED = 256 << 20  # characters of documents' names in the rankings of a trial
FOLDED = 16 << 20  # bytes of records, unpacked, that go into the database at once
MOST_OF = {  # beginning of a name -> bytes: what is read as JSON or YAML takes many times as much as values
    "paper.yaml": 4 << 20,
    MANIFEST: 16 << 20,
    "items/": papers.MOST_BYTES,
    LABELS: 30 << 20,
    TRAINED: 1 << 20,
    RAW: MOST_RECORD,
}
MOST_DRAWN = 96 << 20  # bytes of all pictures as SVG, which stand in one page
# what labs recorded of the machine or of a simulation, with no text of a document, and which `sql` may rest on
OF_LABS = ("index", "memory_lives", "load_tests", "store_measurements", "store_kills", "lab_rows")
KINDS = ("trial", "questions", "trial_note", "experiment", *OF_LABS)
ITEM = r"[a-z][a-z0-9-]{0,59}"
NAMES = re.compile(
    rf"(paper\.yaml|numbers\.(tex|json)|main\.tex|README\.md|Makefile|report\.html|references\.bib|{MANIFEST}|"
    rf"(items|tables|figures|text)/(words-)?{ITEM}\.(json|tex|md|csv|pdf|svg|png)|{LABELS}[a-z0-9][a-z0-9_-]{{0,63}}\.json|{TRAINED}{contamination.NAME}\.json|{RAW}[0-9a-z]{{26}}\.({'|'.join(KINDS)})\.jsonl\.gz)"
)


FOLDERS = re.compile(r"((raw|items|labels|trained|tables|figures|text)/)?")
MADE = re.compile(r"main\.(pdf|aux|log|bbl|blg|out)|rebuilt\.zip")  # by the bundle's Makefile


class OpenedBundle(NamedTuple):
    workbench: Workbench  # on the bundle's records alone
    paper: papers.Paper
    damaged: dict[str, str]  # raw/… -> why it is left out


def read(path: Path) -> Mapping[str, bytes]:
    """Name -> bytes of a bundle's files, from its zip or the folder it was unpacked into; what stands beside them is left."""
    with _readable(path):
        if not (path.is_dir() or path.is_file()):
            raise OSError("there is no such file" if not path.exists() else "it is no file")
        sizes, bundle = _from_folder(path) if path.is_dir() else _from_zip(path)
    if "paper.yaml" not in bundle:
        raise WorkbenchError(
            "This is no bundle of a paper: it has no paper.yaml.", where=str(path), todo="Give a zip that `paper export` wrote."
        )
    bounded(sizes, str(path))
    return bundle


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise WorkbenchError(
            f"The bundle cannot be read: {error}.", where=str(path), todo="Give a zip that `paper export` wrote."
        ) from None


def _from_zip(path: Path) -> tuple[dict[str, int], OnDemand[bytes]]:
    """(name -> bytes, the files): of a zip also as `zip -r` makes it, with its folders, below the bundle's own."""
    archive = zipfile.ZipFile(files.regular(path))
    members = {member.filename: member for member in archive.infolist()}
    if len(members) < len(archive.infolist()):
        raise WorkbenchError("The bundle is refused: a name occurs twice in it.", where=str(path))
    above = min((name.removesuffix("paper.yaml") for name in members if re.fullmatch(r"([^/]+/)?paper\.yaml", name)), default="")
    ours = {}
    for name, member in members.items():
        own = name.removeprefix(above) if name.startswith(above) else "/"
        if NAMES.fullmatch(own):
            ours[own] = member
        elif not (FOLDERS.fullmatch(own) or MADE.fullmatch(own)):
            raise WorkbenchError(
                f"The bundle is refused: it holds {name[:120]!r}, which no bundle has.",
                where=str(path),
                todo="If you trust it, unpack it yourself and give the folder.",
            )

    def contents(member: zipfile.ZipInfo) -> bytes:
        with _readable(path):  # which never yields more than the size that was declared, and judged
            return archive.read(member)

    return {name: member.file_size for name, member in ours.items()}, OnDemand(
        {name: partial(contents, member) for name, member in ours.items()}
    )


def _from_folder(path: Path) -> tuple[dict[str, int], OnDemand[bytes]]:
    inside = [place for pattern in ("*", "*/*") for place in path.glob(pattern)]
    named = {place.relative_to(path).as_posix(): place for place in inside if place.is_file() and not place.is_symlink()}
    ours = {name: place for name, place in named.items() if NAMES.fullmatch(name)}

    def contents(place: Path, size: int) -> bytes:
        with _readable(path), open(place, "rb") as file:
            return file.read(size)

    sizes = {name: place.stat().st_size for name, place in ours.items()}
    return sizes, OnDemand({name: partial(contents, place, sizes[name]) for name, place in ours.items()})


def bounded(sizes: Mapping[str, int], where: str) -> None:
    """Refuses what is more than is read. sizes: file -> bytes."""
    total, drawn = sum(sizes.values()), sum(size for name, size in sizes.items() if name.endswith(".svg"))
    if len(sizes) > MOST_FILES or total > MOST_TOTAL or drawn > MOST_DRAWN:
        raise WorkbenchError(
            f"The bundle is refused: it has {len(sizes):,} files of {files.size(total)}, {files.size(drawn)} of them pictures as SVG; "
            f"at most {MOST_FILES:,} files of {files.size(MOST_TOTAL)} are read, and {files.size(MOST_DRAWN)} of SVG.",
            where=where,
        )
    for name, size in sizes.items():
        most = next((bytes_ for start, bytes_ in MOST_OF.items() if name.startswith(start)), MOST_FILE)
        if size > most:
            raise WorkbenchError(
                f"The bundle is refused: {name} has {files.size(size)}, and at most {files.size(most)} of it are read.",
                where=where,
            )


@contextmanager
def opened(source: Path | Mapping[str, bytes]) -> Iterator[OpenedBundle]:
    """A bundle's paper on a workbench that holds its records and nothing else."""
    bundle = read(source) if isinstance(source, Path) else source
    paper = papers.read(bundle["paper.yaml"], "paper.yaml")
    before = files.home()
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        try:
            workbench = Workbench(Path(folder))
            yield OpenedBundle(workbench, paper, _unpacked(bundle, workbench, paper.id))
        finally:
            files.use_home(before)  # a workbench makes its home that of the process


def _unpacked(bundle: Mapping[str, bytes], workbench: Workbench, paper_id: str) -> dict[str, str]:
    """Writes records and document as a data folder has them, and folds the records in a few at a time; which are left out, and
    why."""
    home = workbench.home
    (home / "journal" / "bundle").mkdir(parents=True)
    (home / "papers" / paper_id / "items").mkdir(parents=True)
    places = {LABELS: home / agreed.FOLDER, TRAINED: home / contamination.FOLDER, "items/": home / "papers" / paper_id / "items"}
    for folder in places.values():
        folder.mkdir(parents=True, exist_ok=True)
    damaged, room, unfolded = {}, MOST_TOTAL, 0
    for name in bundle:
        start, _, rest = name.partition("/")
        if name.startswith(RAW):
            data = bundle[name]
            try:
                size = _checked(data, rest, room)
            except (ValueError, WorkbenchError) as error:
                damaged[name] = str(error)
                continue
            (home / "journal" / "bundle" / rest).write_bytes(data)
            room, unfolded = room - size, unfolded + size
            if unfolded > FOLDED:
                workbench.store.fold()
                unfolded = 0
        elif f"{start}/" in places:
            (places[f"{start}/"] / rest).write_bytes(bundle[name])
    (home / "papers" / paper_id / "paper.yaml").write_bytes(bundle["paper.yaml"])
    workbench.store.fold()
    return damaged


def _checked(data: bytes, name: str, room: int) -> int:
    """Bytes of a record, unpacked; raises where it is not whole, too large, or asks for more than a recipe may."""
    limit, unpacking = min(MOST_RECORD, room), zlib.decompressobj(wbits=31)
    try:
        text = unpacking.decompress(data, limit + 1)
    except zlib.error as error:
        raise ValueError(f"unreadable: {error}") from None
    if (size := len(text)) > limit:
        raise ValueError(f"it unpacks to more than {files.size(limit)}")
    if sum(map(text.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise ValueError(f"it holds more than {MOST_VALUES:,} values")
    del text
    record = decode(data, name)
    if record.kind == "trial" and (problem := cost_problem(record.payload) or _outsized(record.payload)):
        raise ValueError(problem)
    if record.kind == "trial" and record.payload.get("status") == "ok" and (problem := recipe_problem(record.payload)):
        raise ValueError(problem)
    return size


def _outsized(trial: Mapping[str, Any]) -> str:
    """Why a trial's rankings would take far more memory than their bytes; "" where they would not."""
    try:
        names = [len(document) for document, _, _ in trial.get("chunks") or ()]
        places = [chunks for chunks, _ in (trial.get("rankings") or {}).values()]
        cells = len(places) * max(map(len, places), default=0)  # as a table, a row a question
        if cells > MOST_VALUES or sum(names[place] for chunks in places for place in chunks) > MOST_NAMED:
            return "its rankings take more memory than their size allows"
    except (TypeError, ValueError, AttributeError, IndexError):
        return "its rankings are none"
    return ""


def manifest(bundle: Mapping[str, bytes]) -> dict[str, str]:
    """File -> SHA-256 as the bundle says it; {} where it says nothing that can be read."""
    try:
        sums = plain(files.read_json(bundle.get(MANIFEST, b"{}")))["sha256"]
        return {str(name): str(value) for name, value in sums.items()}
    except (WorkbenchError, KeyError, TypeError, AttributeError):
        return {}
