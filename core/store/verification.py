"""Whether the store is whole: every record's checksum, and that the database says of each what the journal says."""

from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple

from core.files import Busy
from core.records import Progress
from core.store import rows, tables
from core.store.database_file import Damaged, DatabaseFile, InUse, Stuck
from core.store.folding import BATCH_RECORDS, Folding, insert
from core.store.journal import Damage, Record
from core.store.segments import verify_segments


class StoreReport(NamedTuple):
    ok: bool
    journal: dict[str, int]  # whole records per kind
    database: dict[str, int]  # folded records per kind
    missing: tuple[str, ...]  # whole records that are not in the database
    extra: tuple[str, ...]  # in the database, but their record is gone
    damaged: tuple[Damage, ...]
    leftovers: tuple[str, ...]  # temporary files of killed writers; harmless
    problems: tuple[str, ...]  # all of it in words, leftovers left out
    differing: tuple[str, ...] = ()  # records whose rows are not what the journal says
    unchecked: tuple[str, ...] = ()  # what could not be checked, in words: no problem that is known


def verify(folding: Folding, file: DatabaseFile, fold: Callable[[], int]) -> Generator[Progress, None, StoreReport]:
    """Checks every record's checksum, that the database reads whole, and that both hold the same: not only the same
    records, but of each the rows that the journal gives. fold: brings the journal's news into the database."""
    import duckdb

    journal, segments, scored = folding.journal, folding.labels, bool(folding.derive)
    here = set(journal.listing())  # what comes meanwhile is neither missing nor too much
    labels, damaged = verify_segments(segments)
    problems, unchecked, inside, stored, strays, differing = [], [], {}, {}, [], []
    try:
        fold()
        with file.reader() as connection:
            stored = digests(connection, scored)
            inside = dict(connection.execute("SELECT id, kind FROM folded").fetchall())
            [[unscored]] = connection.execute("SELECT count(*) FROM trials WHERE NOT scored AND num_queries > 0").fetchall()
        if unscored and scored:
            unchecked.append(
                f"The metrics of {unscored:,} trials were not derived: their questions are not here, or no metric reads them."
            )
        strays = [name for name, table in stored.items() if name not in (*tables.ONCE, "labels") and table.keys() - inside.keys()]
        inside |= dict.fromkeys(stored["labels"], "label")
    except Damaged as error:
        problems.append(f"The database cannot be read: {error.what} Run rebuild.")
    except (Busy, Stuck, InUse) as error:
        unchecked.append(f"The database was not compared with the journal: {error.what}")
    with duckdb.connect(":memory:") as scratch:
        scratch.execute(tables.creation({}, comments=False))
        batch: list[Record] = []

        def compare() -> None:
            """Folds the batch once more, beside, and looks for rows that the database has otherwise."""
            made, bad = rows.gathered(batch, folding.rows)
            damaged.extend(Damage(str(journal.listing()[record.id].path), f"left out: {reason}") for record, reason in bad)
            scratch.execute("BEGIN")
            insert(scratch, made)
            for name, ours in digests(scratch, scored).items():
                theirs = stored.get(name, {})
                # what was folded since the database was looked into is in neither; sets of questions go by another key
                there = stored.get("question_sets", {}) if name in tables.ONCE else inside
                differing.extend(key for key in ours if key in there and theirs.get(key) != ours[key])
                differing.extend(theirs.keys() & {record.id for record in batch} - ours.keys())
            scratch.execute("ROLLBACK")
            batch.clear()

        def each(record: Record) -> None:
            batch.append(record)
            if len(batch) == BATCH_RECORDS:
                compare()

        report = yield from journal.verify(each)
        compare()
        for files in folding.label_batches({}):
            made, left = folding.label_rows(files)
            labels -= left.keys()
            damaged.extend(left.values())
            scratch.execute("BEGIN")
            insert(scratch, made)
            ours = digests(scratch, scored)["labels"]
            differing += [key for key in ours if stored and stored["labels"].get(key, ours[key]) != ours[key]]
            scratch.execute("ROLLBACK")
    report = report._replace(
        damaged=(*report.damaged, *damaged),
        leftovers=(*report.leftovers, *segments.torn()),
        counts={**report.counts, **({"label": len(labels)} if labels else {})},
    )
    bad = {Path(damage.path).name.split(".")[0] for damage in report.damaged}
    problems = [f"{damage.path}: {damage.reason}" for damage in report.damaged] + problems
    now = journal.listing().keys() | labels | segments.present(inside)
    missing = () if unchecked and not stored else tuple(sorted(((here | labels) & now) - bad - inside.keys()))
    extra = tuple(sorted(inside.keys() - now - bad))
    differing = sorted(set(differing))
    if missing:
        problems.append(f"{len(missing)} records are not in the database. Run rebuild.")
    if extra:
        problems.append(f"{len(extra)} records are only in the database. Copy their files back from a backup.")
    if differing:
        problems.append(
            f"{len(differing)} records read otherwise in the database than in the journal, the first of them "
            f"{differing[0]}. Run rebuild."
        )
    if strays:
        problems.append(f"The database has rows of no record, in {' and '.join(strays)}. Run rebuild.")
    return StoreReport(
        not problems,
        report.counts,
        dict(Counter(inside.values())),
        missing,
        extra,
        report.damaged,
        report.leftovers,
        tuple(problems),
        tuple(differing),
        tuple(unchecked),
    )


def digests(connection: Any, scored: bool) -> dict[str, dict[str, tuple[int, int]]]:
    """table -> key of a record, as it stands in the first column -> (how many rows it has, their checksum).

    Reads every block. Numbers count to six places: other builds of numpy differ in the last one. scored: with what is
    derived from the rankings.
    """
    sums = {}
    for name, (_, columns) in tables.TABLES.items():
        if name in ("meta", "segments") or (name in ("scores", "trial_metrics") and not scored):
            continue
        key = next(iter(columns))
        # what a trial is called stands in other records
        left = ("name", "note", "tags") * (name == "trials") + ("scored", "measured", *rows.WORDS) * (not scored)
        read = [
            f'round("{column}", 6)' if about[0] == "DOUBLE" else f'"{column}"'
            for column, about in columns.items()
            if column not in left
        ]
        sums[name] = {
            record_key: (count, total)
            for record_key, count, total in connection.execute(
                f"SELECT {key}, count(*), bit_xor(hash({', '.join(read)})) FROM {name} GROUP BY 1"
            ).fetchall()
        }
    return sums
