"""A backup: journal, looks, database, facts and what people wrote beside them in one zip. To restore it, unzip it into an empty data
folder."""

import shutil
import zipfile
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from pathlib import Path

from core.errors import WorkbenchError
from core.files import FORBIDDEN, Busy, contents, synced, take_place
from core.files.ids import new_id
from core.records import Progress
from core.store.database_file import READ_WAIT_S, DatabaseFile, InUse, Stuck
from core.store.folding import Folding
from core.store.journal import SEGMENT_END
from core.store.looks import ENDING, FOLDER

MEMORY = Path("memory", "facts.sqlite")  # of the data folder; see core/memory/tables.py
# what people wrote, or took from a page, stands in small files: nothing computes it again
WRITTEN = (
    "papers/*/paper.yaml", "papers/*/items/*.json", "chains.json", "prices.yaml", "training_arguments/*.yaml", "drafts/*.json",
    "serving/keys.json",  # hashes: a service that is restored goes on to know its clients
)  # fmt: skip


def backup(
    folding: Folding, database: DatabaseFile, fold: Callable[[], int], path: Path | str
) -> Generator[Progress, None, Path]:
    """Journal and database in one zip, read back before it gets its name. fold: brings the journal's news into the database."""
    path, home, journal, segments = Path(path), database.home, folding.journal, folding.labels

    def recorded() -> list[Path]:
        # how far each segment went before the segment itself: who labels meanwhile only makes it longer
        labels = [*segments.folder.glob(f"*{SEGMENT_END}"), *segments.paths(), *(home / FOLDER).glob(f"*{ENDING}")]
        return [
            *(entry.path for entry in journal.listing().values()),
            *labels,
            *(path for of in WRITTEN for path in home.glob(of)),
        ]

    if path.exists():
        raise WorkbenchError("There is already a file of this name.", where=str(path), todo="Choose another name.")
    with suppress(Busy, Stuck, InUse):  # a full disk is a reason to make one; the database is made again where it is read
        fold()
    temporary = path.with_name(f".{path.name}.{new_id()}.tmp")
    needed = free = 0
    try:
        parts = database.files()[:1]
        entries, facts = recorded(), [home / MEMORY] if (home / MEMORY).exists() else []
        needed = sum(part.lstat().st_size for part in (*parts, *entries, *facts))
        free = shutil.disk_usage(path.parent).free
        if free < needed:
            raise WorkbenchError(
                f"The backup needs up to {_size(needed)}, and {_size(free)} are free there.",
                where=str(path),
                todo="Name a file on another disk.",
            )
        yield Progress(0, len(entries), f"Copying the database; {_size(needed)} in all, {_size(free)} free there")
        with zipfile.ZipFile(temporary, "x", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as file:
            with suppress(Busy), database.locked("copying the database", READ_WAIT_S, shared=True):
                for part in parts:
                    file.write(part, part.name)
            entries = recorded()  # after the database, which then holds nothing more
            for done, entry in enumerate(entries):
                if done % 100 == 0:
                    yield Progress(done, len(entries), "Copying records")
                try:
                    data = contents(entry)
                except (OSError, ValueError) as error:  # one record that cannot be read must not cost the others
                    folding.note(f"The backup is without {entry}: {getattr(error, 'strerror', None) or error}.")
                    continue
                about = zipfile.ZipInfo.from_file(entry, entry.relative_to(home), strict_timestamps=False)
                file.writestr(about, data, zipfile.ZIP_STORED)
            for of in facts:
                file.writestr(str(MEMORY), _facts(of))
        yield Progress(len(entries), len(entries), "Reading it back")
        with zipfile.ZipFile(temporary) as file:
            if damaged := file.testzip():
                raise WorkbenchError("The backup does not read back whole.", where=damaged, todo="Run it again.")
        synced(temporary)
        take_place(temporary, path)
    except OSError as error:
        forbidden = error.errno in FORBIDDEN
        sizes = f" It needs up to {_size(needed)}, and {_size(free)} were free there." if needed and not forbidden else ""
        raise WorkbenchError(
            f"The backup could not be written: {error.strerror}.{sizes}",
            where=str(path),
            todo="Name a file in a folder that may be written."
            if forbidden
            else "Name a file on a disk with more space, in a folder that is there.",
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    return path


def _facts(path: Path) -> bytes:
    """The file of facts as of one moment, while others write."""
    import sqlite3

    try:
        with closing(sqlite3.connect(path.as_uri() + "?mode=ro", uri=True)) as facts:
            return facts.serialize()
    except sqlite3.Error as error:
        raise WorkbenchError(
            f"The facts of memory cannot be read: {error}.", where=str(path), todo="Move the file away."
        ) from None


def _size(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
