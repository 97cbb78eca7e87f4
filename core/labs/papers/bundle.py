"""A paper as one zip: LaTeX that includes everything, figures, tables, numbers, and the raw records that they rest on.

The bundle is verified before it is handed over: what its own records do not give is refused here, not at a reader's.
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from core import files
from core.errors import WorkbenchError
from core.jobs.verbs import as_recorded
from core.labs.papers import agreed, checking, contamination, documents, prose, sources, text, verification
from core.labs.papers import paper as papers
from core.labs.papers.opening import LABELS, MANIFEST, RAW, TRAINED, bounded, opened
from core.labs.papers.reading import OnDemand
from core.records import Progress
from core.report import figures
from core.report.colours import alike
from core.workbench import Workbench

WHEN = (1980, 1, 1, 0, 0, 0)  # of every file in the zip: the same content is the same zip
FORMATS = ("pdf", "svg", "png")
MOST_TOLD = 20  # stale items in one message

Read = Callable[[], bytes]


class Exported(NamedTuple):
    file: str
    bytes: int
    sha256: str
    items: int
    trials: int
    records: int  # of the journal
    not_drawn: str  # why the figures are not in it, "" where they are


def export(workbench: Workbench, paper_id: str, path: Path | None = None) -> Generator[Progress, None, Exported]:
    """The bundle of a paper, written to a file of its name, or that other one."""
    paper = papers.load(workbench, paper_id)
    showed = yield from current(workbench, paper)
    drawn, reason = yield from draw(paper, showed)
    raw = records(workbench, paper) | labels(workbench, paper) | trained(workbench, paper)
    bundle = whole(workbench, paper, showed, drawn, raw)
    bounded({name: len(bundle[name]) for name in bundle}, paper.id)
    yield Progress(0, 1, "Verifying the bundle")
    results = yield from verification.verified(bundle, pictures=False)
    if wrong := [row for row in results if row.holds is False]:
        raise WorkbenchError(
            f"The bundle's own records do not give {wrong[0].what}: {wrong[0].told}.",
            where=paper.id,
            todo="Name every trial that it rests on (--trials), take it into the paper again, or take it out.",
        )
    path = path or Path(f"{paper.id}.zip")
    files.write_whole(path, partial(zipped, bundle), "The bundle")
    with open(path, "rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return Exported(str(path), path.stat().st_size, checksum, len(paper.items), len(paper.trials), len(raw), reason)


def place(workbench: Workbench, paper_id: str, kind: str = "zip") -> Path:
    """Where the page has a paper's bundle made, or as html its report."""
    folder = workbench.home / "bundles"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{paper_id}.{kind}"


def receive(workbench: Workbench, data: bytes) -> str:
    """Puts somebody's bundle beside ours, unread, under the checksum of its bytes; returns its path."""
    path = place(workbench, hashlib.sha256(data).hexdigest())
    if not path.exists():
        files.write_whole(path, data, "The bundle")
    return str(path)


def again(source: Path, path: Path | None = None) -> Generator[Progress, None, Exported]:
    """A bundle made anew from the raw records of another, which stays as it is."""
    with opened(source) as (workbench, paper, _):
        path = path or Path(f"{paper.id}.zip")
        if path.exists() and path.samefile(source):
            what = "The bundle is made anew from this file, which would be written over."
            raise WorkbenchError(what, where=str(path), todo="Name another file to write: --out FILE.")
        return (yield from export(workbench, paper.id, path))


def current(workbench: Workbench, paper: papers.Paper) -> Generator[Progress, None, Mapping[str, papers.Taken]]:
    """Item -> what it shows; WorkbenchError where its command answers other numbers by now."""
    results = yield from checking.check(workbench, paper.id)
    if stale := [row for row in results if row.holds is False]:
        raise WorkbenchError(
            f"{len(stale)} of {len(paper.items)} items are stale: what they show is no longer what their commands answer. "
            + " ".join(f"{row.what}: {row.told.rstrip('.')}." for row in stale[:MOST_TOLD])
            + f" {len(stale) - MOST_TOLD} more." * (len(stale) > MOST_TOLD),
            where=paper.id,
            todo=f"`python -m core paper refresh {paper.id}` takes anew what commands compute; what a page showed: {checking.AGAIN}.",
        )
    return papers.showed(workbench, paper)


def report(workbench: Workbench, paper_id: str, path: Path | None = None) -> Generator[Progress, None, str]:
    """A paper as one page of HTML that loads nothing: its texts, figures, tables and numbers in their order. Returns the file."""
    paper = papers.load(workbench, paper_id)
    showed = yield from current(workbench, paper)
    drawn, _ = yield from draw(paper, showed, ("svg",))
    path, told = path or Path(f"{paper.id}.html"), prose.tellings(workbench, paper, showed)
    files.write_whole(path, dict(documents.rendered(paper, showed, drawn, told))["report.html"], "The report")
    return str(path)


def draw(
    paper: papers.Paper, showed: Mapping[str, papers.Taken], kinds: Sequence[str] = FORMATS
) -> Generator[Progress, None, tuple[dict[str, bytes], str]]:
    """(figures/… -> picture, "" or why there is none)."""
    drawn, wanted = {}, [item for item in paper.items if item.kind == "figure"]
    if wanted and figures.find_browser() is None:
        return {}, figures.WITHOUT_BROWSER
    for done, item in enumerate(wanted):
        for kind in kinds:
            yield Progress(done, len(wanted), f"Drawing {item.name}")
            picture = documents.picture(paper, item, showed[item.name].content, kind)
            if kind == "pdf" and (faults := figures.pdf_faults(picture, item.width_mm)):
                raise WorkbenchError(f"The PDF of {item.name} is not fit for print: {'; '.join(faults)}.")
            drawn[f"figures/{item.name}.{kind}"] = picture
    return drawn, ""


def drawn_again(spec: Path, out: Path, width_mm: float, dpi: int, panel: str, serif: bool) -> dict[str, Any]:
    """A bundle's figure from its drawing, as PDF, SVG or PNG."""
    todo = "Give a JSON of a bundle's figures/."
    try:
        figure = files.read_json(spec, "The drawing", of=dict, todo=todo, most=papers.MOST_BYTES)
        figure = {"data": [dict(trace) for trace in figure["data"]], "layout": dict(figure["layout"])}
    except (ValueError, TypeError, KeyError) as error:
        raise WorkbenchError(f"This is no drawing: {error}.", where=str(spec), todo=todo) from None
    kind = out.suffix.removeprefix(".")
    picture = figures.export(figure, kind, width_mm, spec.stem, dpi=dpi, serif=serif, panel=panel)
    files.write_whole(out, picture, "The figure")
    return {"file": str(out), "bytes": len(picture), "alike": [pair._asdict() for pair in alike(figure)]}


def records(workbench: Workbench, paper: papers.Paper) -> dict[str, Read]:
    """raw/… -> what reads the journal's file, of the trials, their questions, what people called them, and studies whose charts
    are shown."""
    store, trials = workbench.store, paper.trials
    commands = [as_recorded(item.command) for item in paper.items]
    studies = {words[1] for words in commands if words[:1] == ["study-results"] and words[1:]}
    ids = {*trials, *(row.id for row in store.experiments() if row.experiment in studies)}
    for questions in {trial.get("questions_fingerprint") or "" for trial in text.recipes(workbench, paper)}:
        if record := store.folding.question_record(questions):
            ids.add(record)
    notes = store.query("SELECT id FROM trial_notes WHERE trial_id IN (SELECT unnest(?::VARCHAR[]))", [trials])
    listing = store.journal.listing()
    ids |= {row["id"] for row in notes if row["id"] in listing}
    paths = [listing[record_id].path for record_id in sorted(ids)]
    return {f"{RAW}{path.name}": partial(files.contents, path) for path in paths}


def labels(workbench: Workbench, paper: papers.Paper) -> dict[str, Read]:
    """labels/… -> what people said in the studies that the paper names."""
    names = sources.studies(item.command for item in paper.items if sources.computed(item))
    told = {name: agreed.labels(workbench, name).model_dump_json().encode() for name in names}
    return {f"{LABELS}{name}.json": partial(bytes, data) for name, data in told.items()}


def trained(workbench: Workbench, paper: papers.Paper) -> dict[str, Read]:
    """trained/… -> on what corpus the encoders learnt that were trained here."""
    told = contamination.records(workbench, text.recipes(workbench, paper))
    return {
        f"{TRAINED}{name}.json": partial(bytes, (json.dumps(record, indent=1) + "\n").encode())
        for name, record in sorted(told.items())
    }


def whole(
    workbench: Workbench,
    paper: papers.Paper,
    showed: Mapping[str, papers.Taken],
    drawn: Mapping[str, bytes],
    raw: Mapping[str, Read],
) -> Mapping[str, bytes]:
    """Name -> bytes of every file, with the manifest of all others; raw records are read when they are asked for."""
    written = dict(documents.rendered(paper, showed, drawn, prose.tellings(workbench, paper, showed)))
    written |= {name: words.encode() for name, words in text.texts(workbench, paper, showed).items()}
    readers = {**{name: partial(bytes, data) for name, data in (written | dict(drawn)).items()}, **raw}
    sums = {name: hashlib.sha256(readers[name]()).hexdigest() for name in sorted(readers)}
    readers[MANIFEST] = partial(bytes, (json.dumps({"format": 1, "sha256": sums}, indent=1) + "\n").encode())
    return OnDemand(dict(sorted(readers.items())))


def zipped(bundle: Mapping[str, bytes], file: BinaryIO) -> None:
    """The same files are the same bytes."""
    with zipfile.ZipFile(file, "w") as archive:
        for name in bundle:
            about = zipfile.ZipInfo(name, WHEN)
            about.external_attr = 0o644 << 16
            archive.writestr(about, bundle[name], zipfile.ZIP_STORED if name.startswith(RAW) else zipfile.ZIP_DEFLATED)
