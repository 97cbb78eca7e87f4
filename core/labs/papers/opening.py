"""Other people's bundles, opened safely: only files of the names that a bundle has, so many and so large, and their records in
a store of their own that is gone afterwards.

Nothing in a bundle is run: its commands are words for `sources`, its records go through the journal's own checks, and what a
record asks of the machine (resamples, depths) has to lie within the bounds of a recipe.
"""

import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.config import EvaluationConfig, RetrievalConfig, valid
from core.errors import WorkbenchError
from core.labs.papers import agreed, contamination
from core.labs.papers import paper as papers
from core.records import plain
from core.store.journal import decode
from core.workbench import Workbench

RAW, LABELS, TRAINED, MANIFEST = "raw/", "labels/", "trained/", "manifest.json"
MOST_FILES = 30_000
MOST_FILE, MOST_TOTAL = 200 << 20, 2 << 30  # bytes, unpacked; of a record once more
KINDS = ("trial", "questions", "trial_note", "experiment")
ITEM = r"[a-z][a-z0-9-]{0,59}"
NAMES = re.compile(
    rf"(paper\.yaml|numbers\.(tex|json)|main\.tex|README\.md|Makefile|report\.html|references\.bib|{MANIFEST}|"
    rf"(items|tables|figures|text)/{ITEM}\.(json|tex|md|csv|pdf|svg|png)|{LABELS}[a-z0-9][a-z0-9_-]{{0,63}}\.json|{TRAINED}{contamination.NAME}\.json|{RAW}[0-9a-z]{{26}}\.({'|'.join(KINDS)})\.jsonl\.gz)"
)


class OpenedBundle(NamedTuple):
    workbench: Workbench  # on the bundle's records alone
    paper: papers.Paper
    damaged: dict[str, str]  # raw/… -> why it is left out


def read(path: Path) -> dict[str, bytes]:
    """Name -> bytes of a bundle's files, from its zip or the folder it was unpacked into; what stands beside them is left."""
    try:
        bundle = _from_folder(path) if path.is_dir() else _from_zip(files.regular(path))
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise WorkbenchError(
            f"The bundle cannot be read: {error}.", where=str(path), todo="Give a zip that `export` wrote."
        ) from None
    if "paper.yaml" not in bundle:
        raise WorkbenchError(
            "This is no bundle of a paper: it has no paper.yaml.", where=str(path), todo="Give a zip that `export` wrote."
        )
    return bundle


def _from_zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for member in members:
            if not NAMES.fullmatch(member.filename):
                raise WorkbenchError(
                    f"The bundle is refused: it holds {member.filename[:120]!r}, which no bundle has.",
                    where=str(path),
                    todo="If you trust it, unpack it yourself and give the folder.",
                )
        if len({member.filename for member in members}) < len(members):
            raise WorkbenchError("The bundle is refused: a name occurs twice in it.", where=str(path))
        _bounded({member.filename: member.file_size for member in members}, path)
        # zipfile never yields more than the declared size, which was judged
        return {member.filename: archive.read(member) for member in members}


def _from_folder(path: Path) -> dict[str, bytes]:
    inside = [place for pattern in ("*", "*/*") for place in path.glob(pattern)]
    named = {place.relative_to(path).as_posix(): place for place in inside if place.is_file() and not place.is_symlink()}
    ours = {name: place for name, place in named.items() if NAMES.fullmatch(name)}
    _bounded({name: place.stat().st_size for name, place in ours.items()}, path)
    return {name: place.read_bytes() for name, place in ours.items()}


def _bounded(sizes: Mapping[str, int], path: Path) -> None:
    if len(sizes) > MOST_FILES or sum(sizes.values()) > MOST_TOTAL or max(sizes.values(), default=0) > MOST_FILE:
        raise WorkbenchError(
            f"The bundle is refused: it unpacks to {len(sizes):,} files of {files.size(sum(sizes.values()))}; "
            f"at most {MOST_FILES:,} files, {files.size(MOST_FILE)} each and {files.size(MOST_TOTAL)} in all are read.",
            where=str(path),
        )


@contextmanager
def opened(source: Path | Mapping[str, bytes]) -> Iterator[OpenedBundle]:
    """A bundle's paper on a workbench that holds its records and nothing else."""
    bundle = read(source) if isinstance(source, Path) else source
    paper = papers.read(bundle["paper.yaml"], "paper.yaml")
    before = files.home()
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        home = Path(folder)
        damaged = _unpacked(bundle, home, paper.id)
        try:
            yield OpenedBundle(Workbench(home), paper, damaged)
        finally:
            files.use_home(before)  # a workbench makes its home that of the process


def _unpacked(bundle: Mapping[str, bytes], home: Path, paper_id: str) -> dict[str, str]:
    """Writes records and document as a data folder has them; which records are left out, and why."""
    (home / "journal" / "bundle").mkdir(parents=True)
    (home / "papers" / paper_id / "items").mkdir(parents=True)
    damaged, room = {}, MOST_TOTAL
    for name, data in bundle.items():
        if name.startswith(RAW):
            try:
                room -= _checked(data, name.removeprefix(RAW), room)
            except (ValueError, WorkbenchError) as error:
                damaged[name] = str(error)
            else:
                (home / "journal" / "bundle" / name.removeprefix(RAW)).write_bytes(data)
        elif name.startswith(LABELS):
            (home / agreed.FOLDER).mkdir(exist_ok=True)
            (home / agreed.FOLDER / name.removeprefix(LABELS)).write_bytes(data)
        elif name.startswith(TRAINED):
            (home / contamination.FOLDER).mkdir(exist_ok=True)
            (home / contamination.FOLDER / name.removeprefix(TRAINED)).write_bytes(data)
        elif name == "paper.yaml" or name.startswith("items/"):
            (home / "papers" / paper_id / name).write_bytes(data)
    return damaged


def _checked(data: bytes, name: str, room: int) -> int:
    """Bytes of a record, unpacked; raises where it is not whole, too large, or asks for more than a recipe may."""
    limit, unpacking = min(MOST_FILE, room), zlib.decompressobj(wbits=31)
    try:
        size = len(unpacking.decompress(data, limit + 1))
    except zlib.error as error:
        raise ValueError(f"unreadable: {error}") from None
    if size > limit:
        raise ValueError(f"it unpacks to more than {files.size(limit)}")
    record = decode(data, name)
    if record.kind == "trial" and record.payload.get("status") == "ok":
        recipe: dict[str, Any] = record.payload.get("config") or {}
        if not isinstance(recipe, dict):
            raise ValueError("its config is no recipe")
        valid(EvaluationConfig, recipe.get("evaluation") or {})
        valid(RetrievalConfig, recipe.get("retrieval") or {})
    return size


def manifest(bundle: Mapping[str, bytes]) -> dict[str, str]:
    """File -> SHA-256 as the bundle says it; {} where it says nothing that can be read."""
    try:
        sums = plain(files.read_json(bundle.get(MANIFEST, b"{}")))["sha256"]
        return {str(name): str(value) for name, value in sums.items()}
    except (WorkbenchError, KeyError, TypeError, AttributeError):
        return {}
