"""An experiment as one file: packed here, opened and verified in another workbench.

The file is a zip of the journal's own files: every version of the experiment, its trials with their notes, the sets of
questions that they answered. A manifest names each with its checksum, and the mean of every metric as it stood in the
tables. Documents are not in it. Who opens it checks all of that, derives the metrics from the raw rankings again and holds
them against the exported means; only then are the records added, under their own ids, those that are here left alone.
"""

import hashlib
import json
import platform
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from core.config import StageConfig, valid
from core.errors import WorkbenchError
from core.evaluation.stored import derive
from core.files import contents, made_whole, read_json, regular, size, synced
from core.files.ids import is_id
from core.labs.experiments import book
from core.progress import told_within
from core.records import Progress
from core.store.journal import KINDS, SCHEMA, SUFFIX, Record, decode
from core.store.rows import check, cost_problem, recipe_problem
from core.workbench import Workbench

FORMAT, VERSION = "groundwork experiment", 1
MANIFEST = "manifest.json"
ENDING = ".experiment.zip"
NAME = re.compile(rf"journal/([0-9a-z]{{26}})\.({'|'.join(KINDS)}){re.escape(SUFFIX)}")
PACKED = ("questions", "trial", "trial_note", "experiment")  # in the order in which they are added: the experiment at last
MOST_RECORDS = 100_000
MOST_MANIFEST, MOST_RECORD, MOST_FILE = 128 << 20, 256 << 20, 4 << 30  # bytes; of a record unpacked
MOST_UNPACKED = 32 << 30  # of all records together
TOLERANCE = 1e-9  # of a mean: other builds sum in another order
STEP = 1 << 20


class PackedRecord(StageConfig):
    id: str
    kind: Literal["questions", "trial", "trial_note", "experiment"]
    sha256: str  # of the file's bytes

    @property
    def name(self) -> str:
        return f"journal/{self.id}.{self.kind}{SUFFIX}"


class ExperimentManifest(StageConfig):
    """What the file holds, and what it claims. means: trial -> metric -> (mean, questions measured)."""

    format: Literal["groundwork experiment"]
    version: int
    experiment: str
    title: str
    created: str
    journal_schema: int
    python: str
    machine: str
    packages: dict[str, tuple[str, ...]]  # of the trials
    records: tuple[PackedRecord, ...]
    means: dict[str, dict[str, tuple[float | None, int]]]


class Contents(NamedTuple):
    """What was verified. means: how many were derived anew and hold. unverified: what could not be, with the reason.
    added, present: records that are new here, and that were here before. diverged: versions here that the file does not have."""

    experiment: str
    versions: int
    trials: int
    question_sets: int
    means: int
    unverified: tuple[str, ...]
    added: int = 0
    present: int = 0
    diverged: int = 0


def export(workbench: Workbench, name: str, path: Path | str) -> Generator[Progress, None, Path]:
    """Packs an experiment into a file that is read back before it gets its name."""
    path, experiment = Path(path), book.load(workbench, name)
    if path.exists():
        raise WorkbenchError("There is already a file of this name.", where=str(path), todo="Choose another name.")
    ids = _record_ids(workbench, name)
    listing, records, packages = workbench.store.journal.listing(), [], {}
    with made_whole(path, "The experiment") as temporary:
        with zipfile.ZipFile(temporary, "x", zipfile.ZIP_STORED) as file:  # the records are packed
            for done, record_id in enumerate(ids):
                if done % 20 == 0:
                    yield Progress(done, len(ids), "Packing records")
                record, data = workbench.store.journal.read(record_id), contents(listing[record_id].path)
                for package, installed in (record.payload.get("packages") or {}).items() if record.kind == "trial" else ():
                    packages.setdefault(package, set()).add(str(installed))
                records.append(PackedRecord(id=record_id, kind=record.kind, sha256=hashlib.sha256(data).hexdigest()))
                file.writestr(zipfile.ZipInfo(records[-1].name), data)
            manifest = ExperimentManifest(
                format=FORMAT,
                version=VERSION,
                experiment=name,
                title=experiment.title,
                created=datetime.now(UTC).isoformat(),
                journal_schema=SCHEMA,
                python=platform.python_version(),
                machine=f"{platform.system()} {platform.machine()}",
                packages={package: tuple(sorted(versions)) for package, versions in sorted(packages.items())},
                records=tuple(records),
                means=_means(workbench, [record.id for record in records if record.kind == "trial"]),
            )
            file.writestr(zipfile.ZipInfo(MANIFEST), json.dumps(manifest.model_dump(mode="json"), indent=1))
        synced(temporary)
        with _opened(temporary) as file:
            yield from told_within(_verified(file, _manifest(file)), Progress(len(ids), len(ids), "Reading it back"))
    return path


def open_file(workbench: Workbench, path: Path | str, add: bool = True) -> Generator[Progress, None, Contents]:
    """Verifies a file, then adds what is not here yet; says what was verified. add: else nothing is added."""
    with _opened(Path(path)) as file:
        manifest = _manifest(file)
        verified = yield from _verified(file, manifest)
        new = yield from _new_here(workbench, file, manifest)
        ids = {record.id for record in manifest.records}
        others = [row for row in workbench.store.experiments() if row.experiment == manifest.experiment and row.id not in ids]
        verified = verified._replace(present=len(ids) - len(new), diverged=len(others))
        if not add:
            return verified
        for done, record in enumerate(sorted(new, key=lambda record: PACKED.index(record.kind))):
            yield Progress(done, len(new), "Adding records")
            workbench.store.journal.put(record.id, record.kind, _bytes(file, record))
    return verified._replace(added=len(new))


def _record_ids(workbench: Workbench, name: str) -> list[str]:
    """The experiment's versions, its trials and its baselines, their notes and questions."""
    baselines = sorted({version.experiment.baseline for version in book.versions(workbench, name)})

    def row(record: Record) -> dict[str, Any] | None:
        of = record.payload.get("sweep") == name or record.id in baselines
        return {"id": record.id, "questions": record.payload.get("questions_fingerprint")} if of else None

    store = workbench.store
    trials = store.stored(
        "trial",
        "SELECT id, questions_fingerprint AS questions FROM trials WHERE sweep = ? OR id IN (SELECT unnest(?::VARCHAR[]))",
        [name, baselines],
        row,
    )
    ids = sorted({trial["id"] for trial in trials})
    sets = sorted({fingerprint for trial in trials if (fingerprint := trial["questions"])})
    notes = store.query("SELECT id FROM trial_notes WHERE trial_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY id", [ids])
    versions = [record.id for record in store.experiments() if record.experiment == name]
    questions = [record_id for fingerprint in sets if (record_id := store.folding.question_record(fingerprint))]
    return [*questions, *ids, *(note["id"] for note in notes), *versions]


def _means(workbench: Workbench, trials: list[str]) -> dict[str, dict[str, tuple[float | None, int]]]:
    means: dict[str, dict[str, tuple[float | None, int]]] = {}
    for row in workbench.store.query(
        """SELECT trial_id, metric, avg(value) AS mean, count(value) AS n FROM scores
           WHERE trial_id IN (SELECT unnest(?::VARCHAR[])) GROUP BY ALL ORDER BY ALL""",
        [trials],
    ):
        means.setdefault(row["trial_id"], {})[row["metric"]] = row["mean"], row["n"]
    return means


# Reading -------------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip, looked over by what it says of itself; whatever is wrong with it comes out as a WorkbenchError."""
    file = None
    try:
        if (length := regular(path).stat().st_size) > MOST_FILE:
            raise WorkbenchError(f"The file has {size(length)}, and at most {size(MOST_FILE)} are read.", where=str(path))
        file = zipfile.ZipFile(path)
        entries = file.infolist()
        names = [entry.filename for entry in entries]
        if MANIFEST not in names:
            raise WorkbenchError("The file is no experiment: it has no manifest.", where=str(path), todo=_TODO)
        lengths = [entry.file_size for entry in entries]
        if len(names) > MOST_RECORDS or sum(lengths) > MOST_FILE or max(lengths) > MOST_RECORD:
            limits = f"{MOST_RECORDS:,} records, {size(MOST_RECORD)} in one of them or {size(MOST_FILE)} in all"
            raise WorkbenchError(f"The file holds more than {limits}.", where=str(path))
        odd = [name for name in names if name != MANIFEST and not NAME.fullmatch(name)]
        if odd or len(set(names)) < len(names):
            raise WorkbenchError(
                f"The file holds '{odd[0][:80]}', which is no record." if odd else "The file holds a name twice.",
                where=str(path),
                todo=_TODO,
            )
        yield file
    except OSError as error:
        raise WorkbenchError(f"The file cannot be read: {error.strerror or error}.", where=str(path)) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise WorkbenchError(f"The file is damaged, or no experiment: {error}.", where=str(path), todo=_TODO) from None
    finally:
        if file:
            file.close()


_TODO = "Ask for it again: `python -m core experiment export` makes one."


def _manifest(file: zipfile.ZipFile) -> ExperimentManifest:
    if file.getinfo(MANIFEST).file_size > MOST_MANIFEST:
        raise WorkbenchError(f"The manifest is larger than {size(MOST_MANIFEST)}.", where=MANIFEST, todo=_TODO)
    try:
        mapping = read_json(file.read(MANIFEST), "The manifest", of=dict, where=MANIFEST, todo=_TODO, most=MOST_MANIFEST)
        if mapping.get("format") != FORMAT:
            raise ValueError("it is of no experiment")
        if type(mapping.get("version")) is int and mapping["version"] > VERSION:
            raise WorkbenchError(
                f"The file was written by a newer version of Groundwork (form {mapping['version']}).",
                where=MANIFEST,
                todo=f"Update; this version reads form {VERSION}.",
            )
        manifest = valid(ExperimentManifest, mapping)
    except ValueError as error:
        raise WorkbenchError(f"The manifest cannot be read: {error}.", where=MANIFEST, todo=_TODO) from None
    listed = [record.name for record in manifest.records]
    twice = [name for name, count in Counter(listed).items() if count > 1]
    if differing := sorted(set(listed) ^ (set(file.namelist()) - {MANIFEST})) + twice:
        raise WorkbenchError(f"Manifest and file differ in {differing[0]}.", where=MANIFEST, todo=_TODO)
    return manifest


def _bytes(file: zipfile.ZipFile, record: PackedRecord) -> bytes:
    """The bytes of a record's file, as the manifest has them."""
    try:
        data = file.read(record.name)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise _damaged(record, str(error)) from None
    if hashlib.sha256(data).hexdigest() != record.sha256:
        raise _damaged(record, "its checksum is not the one in the manifest")
    return data


def _damaged(record: PackedRecord, why: str) -> WorkbenchError:
    return WorkbenchError(f"The {record.kind} {record.id} in the file is not whole: {why}.", where=record.name, todo=_TODO)


def _read(file: zipfile.ZipFile, record: PackedRecord) -> tuple[Record, int]:
    """The record, as the journal would take it, and its size unpacked."""
    data = _bytes(file, record)
    try:
        unpacked = _unpacked_size(data)
        read = decode(data, record.name.removeprefix("journal/"))
        if not is_id(record.id):
            raise ValueError("its id is of a time to come")
        check(read)
        if read.kind == "trial" and (problem := cost_problem(read.payload)):
            raise ValueError(problem)
        if read.kind == "trial" and read.payload.get("status") == "ok" and (problem := recipe_problem(read.payload)):
            raise ValueError(problem)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(record, str(error).rstrip(".")) from None
    return read, unpacked


def _unpacked_size(data: bytes) -> int:
    """Bytes, counted a step at a time: a few KB of foreign zeros must not fill the memory."""
    unpacking, count = zlib.decompressobj(wbits=31), 0
    while not unpacking.eof:
        step = unpacking.decompress(data, STEP)
        data = unpacking.unconsumed_tail
        count += len(step)
        if count > MOST_RECORD:
            raise ValueError(f"it unpacks to more than {size(MOST_RECORD)}")
        if not step and not data:
            break  # cut off, as `decode` tells
    return count


def _verified(file: zipfile.ZipFile, manifest: ExperimentManifest) -> Generator[Progress, None, Contents]:
    """Every record whole and of this experiment, and every mean what the raw rankings give."""
    questions: dict[str, dict[str, Any]] = {}
    counts, trials, needed, unpacked, means, unverified = dict.fromkeys(PACKED, 0), set(), set(), 0, 0, []
    baselines: set[Any] = set()
    ordered = sorted(manifest.records, key=lambda record: (record.kind != "experiment", PACKED.index(record.kind)))
    for done, packed in enumerate(ordered):
        if done % 20 == 0:
            yield Progress(done, len(ordered), "Verifying records")
        (record, length), whose = _read(file, packed), "of another experiment"
        payload = record.payload
        unpacked += length
        if unpacked > MOST_UNPACKED:
            raise WorkbenchError(f"The records unpack to more than {size(MOST_UNPACKED)}.", where=packed.name)
        counts[record.kind] += 1
        if record.kind == "questions":
            questions[payload["fingerprint"]] = payload
            own = True
        elif record.kind == "trial":
            own = payload.get("sweep") == manifest.experiment or record.id in baselines
            trials.add(record.id)
            needed.add(payload.get("questions_fingerprint"))
            held, untold = _recomputed(packed, payload, questions, manifest.means.get(record.id, {}))
            means += held
            unverified += untold
        elif record.kind == "trial_note":
            own, whose = payload["trial"] in trials, "on a trial that is not in it"
        else:
            own = payload["experiment"] == manifest.experiment
            baselines.add(str(payload["document"].get("baseline")))
        if not own:
            raise WorkbenchError(f"The {record.kind} {record.id} in the file is {whose}.", where=packed.name, todo=_TODO)
    if not counts["experiment"]:
        raise WorkbenchError("The file holds no version of its experiment.", where=MANIFEST, todo=_TODO)
    if strange := [name for name in manifest.means if name not in trials] or [name for name in questions if name not in needed]:
        raise WorkbenchError(
            f"The file speaks of {strange[0]}, which none of its trials is or needs.", where=MANIFEST, todo=_TODO
        )
    return Contents(
        manifest.experiment, counts["experiment"], counts["trial"], counts["questions"], means, tuple(dict.fromkeys(unverified))
    )


def _recomputed(
    packed: PackedRecord, trial: dict[str, Any], questions: dict[str, Any], claimed: dict[str, tuple[float | None, int]]
) -> tuple[int, list[str]]:
    """(means that hold, what could not be verified) of a trial."""
    if trial.get("status") != "ok":
        return 0, []
    fingerprint = trial.get("questions_fingerprint")
    if fingerprint not in questions:
        return 0, [f"Trial {packed.id}: its questions are not in the file."]
    if not claimed:
        return 0, [f"Trial {packed.id}: no mean was exported."]
    try:
        values = derive(trial, questions[fingerprint])
    except Exception as error:  # it may come from anywhere and be of any shape
        raise _damaged(packed, f"its metrics cannot be derived ({type(error).__name__}: {error})") from None
    held, untold = 0, []
    for metric, (mean, n) in claimed.items():
        if metric not in values:
            untold.append(f"{metric}: this version has no such metric.")
            continue
        measured = [value for value in values[metric] if value is not None]
        own = sum(measured) / len(measured) if measured else None
        same = (mean is None) == (own is None) and (mean is None or abs(mean - own) <= TOLERANCE)
        if n != len(measured) or not same:
            raise WorkbenchError(
                f"Trial {packed.id} does not hold: {metric} is {_mean(mean, n)} in the manifest, and its raw rankings give "
                f"{_mean(own, len(measured))}.",
                where=packed.name,
                todo="Nothing was added. Ask who made the file.",
            )
        held += 1
    return held, untold


def _mean(value: float | None, n: int) -> str:
    return f"{'unmeasured' if value is None else f'{value:.6f}'} over {n:,} questions"


def _new_here(
    workbench: Workbench, file: zipfile.ZipFile, manifest: ExperimentManifest
) -> Generator[Progress, None, list[PackedRecord]]:
    """The records that are not here yet. What is here and says otherwise under the same name stops all."""
    listing, new = workbench.store.journal.listing(), []
    for done, packed in enumerate(manifest.records):
        if done % 20 == 0:
            yield Progress(done, len(manifest.records), "Comparing with what is here")
        if packed.id not in listing and packed.kind != "questions":
            new.append(packed)
            continue
        record, here = _read(file, packed)[0], packed.id if packed.id in listing else ""
        here = here or workbench.store.folding.question_record(record.payload["fingerprint"])
        if not here:
            new.append(packed)
        elif workbench.store.journal.read(here).payload != record.payload:
            raise WorkbenchError(
                f"The {packed.kind} {packed.id} is here with other contents than in the file.",
                where=packed.name,
                todo="Nothing was added. `python -m core store verify` says whether the one here is whole.",
            )
    return new
