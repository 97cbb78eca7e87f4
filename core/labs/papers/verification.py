"""Somebody else's bundle, recomputed: every item from the raw records, every file from the items.

Five things are looked at, each by itself, so that a change anywhere is named: files against the manifest, records against
their own checksums, items against what their commands answer on those records, the printed files against the items, and the
pictures against what their drawings give. A
bundle that is changed throughout, records and all, is another bundle: then its numbers do follow from its records.
"""

import hashlib
from collections.abc import Generator, Mapping
from pathlib import Path

from core.errors import WorkbenchError
from core.labs.papers import documents, opening, redrawn, text
from core.labs.papers import paper as papers
from core.labs.papers.checking import Checked, recomputed
from core.records import Progress
from core.workbench import Workbench

DRAWN = (".pdf", ".svg", ".png")


def verify(path: Path) -> Generator[Progress, None, list[Checked]]:
    """What holds of the bundle in a file or folder."""
    return (yield from verified(opening.read(path)))


def verified(bundle: Mapping[str, bytes], pictures: bool = True) -> Generator[Progress, None, list[Checked]]:
    """pictures: whether they are drawn again too, which takes seconds each."""
    results, contents = _against_manifest(bundle), {}
    with opening.opened(bundle) as (workbench, paper, damaged):
        results += [Checked(name, False, f"the record is left out: {why}") for name, why in damaged.items()]
        for done, item in enumerate(paper.items):
            yield Progress(done, len(paper.items), f"Computing {item.name}")
            try:
                contents[item.name] = papers.taken(workbench, paper.id, item.name).content
            except WorkbenchError as error:
                results.append(Checked(f"{item.kind} {item.name}", False, error.what))
            else:
                results.append(recomputed(workbench, item, contents[item.name]))
        if len(contents) == len(paper.items):
            results += _against_items(bundle, workbench, paper, contents)
            results += (yield from redrawn.pictures(bundle, paper, contents)) if pictures else []
    return [Checked(_printable(row.what), row.holds, _printable(row.told)) for row in results]


def _against_manifest(bundle: Mapping[str, bytes]) -> list[Checked]:
    """The files that are not those of the manifest, or in a line that all are."""
    sums, results = opening.manifest(bundle), []
    now = {name: hashlib.sha256(data).hexdigest() for name, data in bundle.items() if name != opening.MANIFEST}
    for name in sorted(sums.keys() | now.keys()):
        if name not in now:
            results.append(Checked(name, False, "it is gone"))
        elif sums.get(name) != now[name]:
            why = "it was changed since the export" if name in sums else "it is not in the manifest"
            results.append(Checked(name, None if name in documents.BY_HAND else False, why))
    if not sums:
        return [Checked(opening.MANIFEST, False, "there is none, or it cannot be read")]
    return results or [Checked(f"{len(sums)} files", True, "as in the manifest")]


def _against_items(bundle: Mapping[str, bytes], workbench: Workbench, paper: papers.Paper, contents: Mapping) -> list[Checked]:
    """Whether what the bundle prints is what its items show, but for the pictures."""
    drawn = {name: data for name, data in bundle.items() if name.startswith("figures/") and name.endswith(DRAWN)}
    try:
        wanted = documents.rendered(paper, contents, drawn) | text.texts(workbench, paper)
    except Exception as error:  # items of others may be of any shape
        return [Checked("items", False, f"they cannot be written as a paper: {type(error).__name__}: {error}")]
    results = []
    for name, words in wanted.items():
        lines, own = _lines(bundle.get(name, b"").decode("utf-8", "replace")), _lines(words)
        if lines != own and name in documents.BY_HAND:
            results.append(Checked(name, None, "people wrote in it: what stands there is held against nothing"))
        elif lines != own:
            pairs = zip(lines, own, strict=False)
            first = next(
                (f"'{there}' where the items give '{ours}'" for there, ours in pairs if there != ours), "lines are missing"
            )
            results.append(Checked(name, False, f"it is not what the items show: {first}"))
    figures = tuple(f"figures/{item.name}." for item in paper.items if item.kind == "figure")
    held = (opening.RAW, opening.LABELS, opening.TRAINED, opening.MANIFEST, *figures)
    results += [Checked(name, False, "no item shows it") for name in bundle if name not in wanted and not name.startswith(held)]
    if all(row.holds is None for row in results):
        results.append(Checked(f"{len(wanted)} written files", True, "as the items show"))
    return results


def _lines(text: str) -> list[str]:
    """As LaTeX ends them: other signs that Python ends a line at are part of it."""
    return text.replace("\r\n", "\n").rstrip("\n").split("\n")


def _printable(text: str) -> str:
    """On one line of a terminal, whatever a stranger wrote."""
    return "".join(sign if sign.isprintable() else " " for sign in text)[:600]
