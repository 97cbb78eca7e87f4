"""Somebody else's bundle, recomputed: every item from the raw records, every file from the items.

Five things are looked at, each by itself, so that a change anywhere is named: files against the manifest, records against
their own checksums, items against what their commands answer on those records, the written files against the items, and the
pictures against what their drawings give. What an item says of itself decides nothing: what its command allows to recompute is
recomputed, and what it does not is told as not checked. A bundle that is changed throughout, records and all, is another bundle:
then its numbers do follow from its records.
"""

import hashlib
import io
from collections.abc import Generator, Iterator, Mapping
from functools import partial
from pathlib import Path

from core.errors import WorkbenchError
from core.labs.papers import documents, opening, prose, redrawn, text
from core.labs.papers import paper as papers
from core.labs.papers.checking import Checked, name_of, recomputed, unchecked
from core.labs.papers.reading import OnDemand
from core.records import Progress
from core.report import figures
from core.workbench import Workbench


def verify(path: Path) -> Generator[Progress, None, list[Checked]]:
    """What holds of the bundle in a file or folder."""
    return (yield from verified(opening.read(path)))


def verified(bundle: Mapping[str, bytes], pictures: bool = True) -> Generator[Progress, None, list[Checked]]:
    """pictures: whether they are drawn again too, which takes seconds each."""
    results, readable = _against_manifest(bundle), True
    with opening.opened(bundle) as (workbench, paper, damaged):
        results += [Checked(name, False, f"the record is left out: {why}") for name, why in damaged.items()]
        showed = papers.showed(workbench, paper)
        for done, item in enumerate(paper.items):
            yield Progress(done, len(paper.items), f"Recomputing {item.name}")
            try:
                own = showed[item.name]
            except WorkbenchError as error:
                results.append(Checked(name_of(item), False, error.what))
                readable = False
            else:
                results += [recomputed(workbench, item, own), *unchecked(item, own)]
        if readable:
            results += _against_items(bundle, workbench, paper, showed)
            results += (yield from redrawn.pictures(bundle, paper, showed)) if pictures else []
    return [Checked(_printable(row.what), row.holds, _printable(row.told)) for row in results]


def _against_manifest(bundle: Mapping[str, bytes]) -> list[Checked]:
    """The files that are not those of the manifest, or in a line that all are."""
    sums, results = opening.manifest(bundle), []
    if not sums:
        return [Checked(opening.MANIFEST, False, "there is none, or it cannot be read")]
    for name in sorted({*sums, *bundle} - {opening.MANIFEST}):
        if name not in bundle:
            results.append(Checked(name, False, "it is gone"))
        elif sums.get(name) != hashlib.sha256(bundle[name]).hexdigest():
            why = "it was changed since the export" if name in sums else "it is not in the manifest"
            results.append(Checked(name, None if name in documents.BY_HAND else False, why))
    return results or [Checked(f"{len(sums)} files", True, "as in the manifest")]


def _against_items(
    bundle: Mapping[str, bytes], workbench: Workbench, paper: papers.Paper, showed: Mapping[str, papers.Taken]
) -> list[Checked]:
    """Whether what the bundle prints is what its items show, but for the pictures."""
    drawn = OnDemand({name: partial(bundle.__getitem__, name) for name in bundle if name.startswith("figures/")})
    written, results = set(), []
    try:
        for name, data in documents.rendered(paper, showed, drawn, prose.tellings(workbench, paper, showed)):
            results += _against(name, bundle, data, written)
        for name, words in text.texts(workbench, paper, showed).items():
            results += _against(name, bundle, words.encode(), written)
    except Exception as error:  # items of others may be of any shape
        return [Checked("items", False, f"they cannot be written as a paper: {type(error).__name__}: {error}")]
    shown = {f"figures/{item.name}.{kind}" for item in paper.items if item.kind == "figure" for kind in figures.MIME}
    others = [name for name in bundle if name not in written | shown and not name.startswith(opening.OF_RECORDS)]
    results += [Checked(name, False, "no item shows it") for name in others]
    if all(row.holds is None for row in results):
        results.append(Checked(f"{len(written)} written files", True, "as the items show"))
    return results


def _against(name: str, bundle: Mapping[str, bytes], data: bytes, written: set[str]) -> list[Checked]:
    """A file against what the items give, which is noted in `written`."""
    written.add(name)
    there, own = _ended(bundle.get(name, b"")), _ended(data)
    if there == own:
        return []
    if name in documents.BY_HAND:
        runs = " `make` has LaTeX run what stands there; `export` with this bundle makes it anew." if name == "main.tex" else ""
        return [Checked(name, None, f"it is not the text that the items give, and was not checked.{runs}")]
    runs = "`make` would run what stands there: " if name == "Makefile" else ""
    pairs = zip(_lines(there), _lines(own), strict=False)
    first = next((f"'{line}' where the items give '{ours}'" for line, ours in pairs if line != ours), "lines are missing")
    return [Checked(name, False, f"it is not what the items show: {runs}{first}")]


def _ended(data: bytes) -> bytes:
    """Lines as LaTeX ends them: other signs that Python ends a line at are part of it."""
    return data.replace(b"\r\n", b"\n").rstrip(b"\n")


def _lines(data: bytes) -> Iterator[str]:
    return (line.decode("utf-8", "replace").rstrip("\n") for line in io.BytesIO(data))


def _printable(text: str) -> str:
    """On one line of a terminal, whatever a stranger wrote."""
    return "".join(sign if sign.isprintable() else " " for sign in text)[:600]
