"""Facts are written, met again, superseded and looked up."""

import atexit
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.embedding.minilm import MiniLM
from core.embedding.vectors import encode_all
from core.errors import WorkbenchError
from core.files import hold
from core.files.ids import new_id
from core.memory import later, tables
from core.memory.columns import SignCodes
from core.memory.facts import Fact, FactDraft, FactHit, WrittenFact, checked, folded, sought_words, words
from core.memory.ranking import USUAL, Weights, marks_of, overlap, parts_of_score
from core.records import Progress
from core.serving.caches import same_asked
from core.statistics.half_life import HalfLife, fitted_half_life
from core.workbench import Workbench

CANDIDATES = 96  # that are looked at more closely: so many nearest by the code, and so many that share rare words
COMMON = 200  # facts; a word of more finds no candidates
ALIKE = 0.9  # cosine from which a note may be one that was told before; then the words decide
USES_AT_ONCE = 1_000  # uses that are counted together, so that one read in 200 waits for the disk; a kill loses no more
BATCH = 256  # drafts of a transaction
_COLUMNS = ", ".join(f'facts."{name}"' for name in Fact._fields)
_BELOW = """
    WITH RECURSIVE below (id) AS (SELECT child FROM edges JOIN picked ON parent = picked.id
        UNION SELECT child FROM edges JOIN below ON parent = below.id)
    SELECT number, facts.id FROM facts JOIN below USING (id) WHERE ended IS NULL"""
_SET_STALE = "UPDATE facts SET stale = ?, change = ? WHERE number = ?"
NewNote = tuple[str, str, str, np.ndarray]  # id, text, subject folded, vector
Encode = Callable[[list[str], bool], np.ndarray]  # texts, whether they are questions -> unit vectors [n, dim] float32


class Counts(NamedTuple):
    facts: int  # with earlier versions
    current: int
    stale: int  # of the current ones
    subjects: int
    uses: int
    bytes: int  # of the file


class Derivation(NamedTuple):
    """What a fact follows from, and what follows from it."""

    parents: tuple[Fact, ...]
    children: tuple[Fact, ...]


def bundled(texts: list[str], query: bool) -> np.ndarray:
    """By the bundled encoder; nothing of the texts is kept elsewhere, where a forgetting would have to look for it."""
    return encode_all(MiniLM(), texts, query)


class FactStore:
    """The facts of a data folder. Any number of processes and threads may write and read at once.

    encode: None: facts are found by their words alone. clock: seconds since 1970, from which ages are counted. adds_all: everything that
    is told is a fact of its own, and supersedes nothing, as in memories that only add; for comparison.
    """

    def __init__(
        self, home: Path, encode: Encode | None = bundled, clock: Callable[[], float] = time.time, adds_all: bool = False
    ) -> None:
        self.path, self._lock_path, self._encode = home / "memory" / tables.NAME, home / "locks" / "memory", encode
        self._clock, self._adds_all = clock, adds_all
        with hold(self._lock_path, purpose="opening the memory", seconds=tables.WAIT_S, what="memory"):
            self._connection = tables.opened(self.path)
        self._codes, self._lock = SignCodes(), threading.RLock()
        self._uses: list[tuple[str, float]] = []  # (id, time), not counted yet

    def close(self) -> None:
        with self._lock:
            self.count_uses()
            self._connection.close()

    def count_uses(self) -> None:
        """Counts the uses that wait for the next write."""
        if self._uses:
            with self._lock, self._changing("counting uses"):
                pass

    # Writing ---------------------------------------------------------------------------------------------------------

    def write(self, draft: FactDraft) -> WrittenFact:
        """Remembers a fact; once this returns, it is on the disk."""
        return self.write_all([draft])[0]

    def write_all(self, drafts: Sequence[FactDraft]) -> list[WrittenFact]:
        """Several, all or none."""
        drafts = [checked(draft) for draft in drafts]
        vectors = self._vectors([draft.text for draft in drafts], False)
        with self._lock, tables.told(self.path):
            self._codes.follow(self._connection)  # before the change has a number: what is written under it is followed after
        with self._lock, self._changing("writing facts") as change:
            notes: list[NewNote] = []
            return [self._write(draft, vector, change, notes) for draft, vector in zip(drafts, vectors, strict=True)]

    def write_many(self, drafts: Iterable[FactDraft], total: int = 0) -> Generator[Progress, None, dict[str, int]]:
        """Any number, batch by batch; how many had each outcome. What was written when it is stopped stays."""
        outcomes: dict[str, int] = {}
        some: list[FactDraft] = []
        done = 0

        def write() -> None:
            for written in self.write_all(some):
                outcomes[written.outcome] = outcomes.get(written.outcome, 0) + 1
            some.clear()

        for draft in drafts:
            some.append(draft)
            if len(some) == BATCH:
                write()
                done += BATCH
                yield Progress(done, total, "Writing facts")
        if some:
            write()
        return outcomes

    def end(self, fact_id: str, at: float | None = None) -> WrittenFact:
        """A fact holds no more, and nothing takes its place. What was derived from it is stale."""
        with self._lock, self._changing("ending a fact") as change:
            planned = self._connection.execute("DELETE FROM due WHERE id = ?", (fact_id,)).rowcount
            if not self.fact(fact_id).current and not planned:
                raise WorkbenchError("This fact has ended already.", where=fact_id)
            ended = self._clock() if at is None else at
            self._connection.execute("UPDATE facts SET ended = ?, change = ? WHERE id = ?", (ended, change, fact_id))
            return WrittenFact(fact_id, "ended", stale=self.mark_below([fact_id], f"ended {fact_id}", change))

    def mark_stale(self, reasons: dict[str, str]) -> list[str]:
        """Facts that may hold no more (id -> why), and what was derived from them; the ids of all that are stale by it."""
        with self._lock, self._changing("marking stale facts") as change:
            marked = []
            for fact_id, why in reasons.items():
                done = self._connection.execute(
                    "UPDATE facts SET stale = ?, change = ? WHERE id = ? AND stale = '' AND ended IS NULL", (why, change, fact_id)
                )
                marked += [fact_id] * done.rowcount
                marked += self.mark_below([fact_id], f"changed {fact_id}", change)
            return marked

    def mark_below(self, ids: Sequence[str], why: str, change: int) -> tuple[str, ...]:
        """Marks all that is derived from these, by however many steps; within a change. The ids that were not stale before."""
        self._pick(ids)
        rows = self._connection.execute(f"{_BELOW} AND stale = ''").fetchall()
        self._connection.executemany(_SET_STALE, [(why, change, number) for number, _ in rows])
        return tuple(row[1] for row in rows)

    def _write(self, draft: FactDraft, vector: np.ndarray | None, change: int, notes: list[NewNote]) -> WrittenFact:
        """notes: those of this change, which are not among the codes yet."""
        now = self._clock()
        at = now if draft.time is None else float(draft.time)
        subject, attribute = folded(draft.subject), folded(draft.attribute)
        key = f"{subject}\x1f{attribute}" if attribute else f"\x1e{folded(draft.text)}"
        sql = "SELECT id, value, time, ended, stale, held FROM facts WHERE key = ? AND id NOT IN (SELECT id FROM due) ORDER BY time, number"
        rows = self._connection.execute(sql, (key,)).fetchall()
        # what holds; what it was told to have been in between may have begun later
        latest = next((row for row in reversed(rows) if row[3] is None), rows[-1] if rows else None)
        parents_stale = self._stale_parent(draft.derived_from)
        if self._adds_all:
            return WrittenFact(self._insert(draft, vector, key, subject, at, now, change, parents_stale), "new")
        if at > now:
            if same := later.planned(self._connection, key, at, draft.value):
                return self._tell_again(same, draft, at, now, change)
            made = self._insert(draft, vector, key, subject, at, now, change, parents_stale, ended=at)
            self._connection.execute("INSERT INTO due VALUES (?, ?)", (made, at))
            return WrittenFact(made, "new")
        if not attribute and not rows and (same := self._note_like(draft, vector, notes)):
            latest = (same, draft.value, at, None, "", at)
        told = folded(draft.value)
        held = [row[0] for row in rows if row[3] and row[2] <= at < row[3]]  # what held then did so until this one began
        told_of = (draft, vector, key, subject, at, now, change, parents_stale, held)
        if before := next((row for row in rows if row[3] and row[2] <= at < row[3] and folded(row[1]) == told), None):
            return self._tell_again(before[0], draft, at, now, change)
        if latest and at < latest[2]:  # it was true before what is known
            after = next(row for row in rows if row[2] > at)
            return WrittenFact(self._insert(*told_of, ended=after[2], by=after[0]), "history")
        same = latest and latest[3] is None and folded(latest[1]) == told
        if same and not latest[4]:
            return self._tell_again(latest[0], draft, at, now, change)
        if latest and latest[3] is None and at < latest[5]:  # what is known was told of a later time too
            return WrittenFact(self._insert(*told_of, ended=latest[5], by=latest[0]), "history")
        made = self._insert(*told_of)
        if not latest or latest[3] is not None:
            if vector is not None and not attribute and not parents_stale:
                notes.append((made, draft.text, subject, vector))
            return WrittenFact(made, "new")
        self._connection.execute(later.SET_ENDED, (at, made, change, latest[0]))
        stale = () if same else self.mark_below([latest[0]], f"changed {latest[0]}", change)
        return WrittenFact(made, "update", latest[0], tuple(each for each in stale if each != made))

    def _note_like(self, draft: FactDraft, vector: np.ndarray | None, notes: list[NewNote]) -> str | None:
        """The id of a note that says the same in other words."""
        if vector is None:
            return None
        subject, marks = folded(draft.subject), self._codes.nearest(vector, 8)
        rows = self._connection.execute(
            f"SELECT id, text, vector FROM facts JOIN vectors ON fact = number WHERE attribute = '' AND stale = '' "
            f"AND about = ? AND number IN ({', '.join('?' * len(marks))})",
            (subject, *marks),
        )
        near = [(fact_id, text, _unpacked([packed])[0]) for fact_id, text, packed in rows]
        near += [(fact_id, text, other) for fact_id, text, about, other in notes if about == subject]
        like = (fact_id for fact_id, text, other in near if float(other @ vector) >= ALIKE and same_asked(text, draft.text))
        return next(like, None)

    def _stale_parent(self, parents: Sequence[str]) -> str:
        """Why a fact derived from these is stale from the beginning; "" where it is not."""
        for parent in parents:
            row = self._connection.execute("SELECT ended, stale FROM facts WHERE id = ?", (parent,)).fetchone()
            if row is None:
                todo = "Derive facts from those that `read_memory` gave, by their ids."
                raise WorkbenchError("A fact is derived from one that is not there.", where=str(parent)[:40], todo=todo)
            if row[0] is not None or row[1]:
                return f"changed {parent}"
        return ""

    def _tell_again(self, fact_id: str, draft: FactDraft, at: float, now: float, change: int) -> WrittenFact:
        """Another source makes it surer, the first time that it tells it: 1 - (1 - a)(1 - b), as of two that err independently."""
        sql = "SELECT number, source, confidence FROM facts WHERE id = ?"
        number, source, before = self._connection.execute(sql, (fact_id,)).fetchone()
        sure, sql = max(before, draft.confidence), "INSERT OR IGNORE INTO heard VALUES (?, ?)"
        if draft.source not in ("", source) and self._connection.execute(sql, (number, draft.source)).rowcount:
            sure = 1 - (1 - before) * (1 - draft.confidence)
        self._connection.execute(
            "UPDATE facts SET said = said + 1, told = ?, held = max(held, ?), confidence = ?, importance = max(importance, ?), "
            "change = ? WHERE id = ?",
            (now, at, sure, draft.importance, change, fact_id),
        )
        if draft.document:  # unless it was read elsewhere before
            sql = """UPDATE facts SET document = ?, start = ?, "end" = ?, span = ?, corpus = ? WHERE id = ? AND document = ''"""
            self._connection.execute(sql, (draft.document, draft.start, draft.end, draft.span, draft.corpus, fact_id))
        return WrittenFact(fact_id, "duplicate")

    def _insert(
        self,
        draft: FactDraft,
        vector: np.ndarray | None,
        key: str,
        about: str,
        at: float,
        now: float,
        change: int,
        stale: str,
        held: Sequence[str] = (),
        ended: float | None = None,
        by: str = "",
    ) -> str:
        made, own = new_id(), sought_words(draft.text, draft.subject, draft.attribute)
        row = {
            **{name: getattr(draft, name) for name in FactDraft._fields if name not in ("time", "derived_from")},
            **{"id": made, "time": at, "first": now, "told": now, "held": at, "stale": stale, "ended": ended},
            **{"superseded_by": by, "about": about, "key": key, "marks": marks_of(own).tobytes(), "change": change},
        }
        names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" * len(row))
        number = self._connection.execute(f"INSERT INTO facts ({names}) VALUES ({marks})", list(row.values())).lastrowid
        self._connection.executemany("INSERT INTO words VALUES (?, ?)", [(word, number) for word in own])
        edges = [(made, parent, place) for place, parent in enumerate(dict.fromkeys(draft.derived_from))]
        self._connection.executemany("INSERT INTO edges VALUES (?, ?, ?)", edges)
        self._connection.executemany(later.SET_ENDED, [(at, made, change, before) for before in held])
        if vector is not None:
            self._connection.execute("INSERT INTO vectors VALUES (?, ?)", (number, packed(vector)))
        return made

    # Reading ---------------------------------------------------------------------------------------------------------

    def read(
        self, question: str, k: int = 5, at: float | None = None, weights: Weights = USUAL, counted: bool = True
    ) -> list[FactHit]:
        """The k best current facts, best first; of stale ones with the value that what is behind them gives today.

        at: the time from which ages are counted. counted: that they were used is noted, by which the half-life is fitted.
        """
        [vector] = self._vectors([question], True)
        at = self._clock() if at is None else at
        with self._lock, tables.told(self.path):
            self._begin_due()
            self._codes.follow(self._connection)
            rows, relevance = self._candidates(question, vector)
            if not rows:
                return []
            ages = at - np.array([row[2] for row in rows])
            parts = np.array(parts_of_score(relevance, ages, np.array([row[3] for row in rows]), weights))
            best = np.lexsort((-np.array([row[0] for row in rows]), -parts.sum(axis=0)))[:k]  # of equals the youngest
            facts = self._facts([rows[place][0] for place in best])
            hits = []
            for place in best.tolist():
                if fact := facts.get(rows[place][0]):
                    now = (self.followed(fact) or "") if fact.stale else ""
                    hits.append(FactHit(fact, float(parts[:, place].sum()), *map(float, parts[:, place]), now))
            if counted:
                self._uses += [(hit.fact.id, at) for hit in hits]
                if len(self._uses) >= USES_AT_ONCE:
                    self.count_uses()
            return hits

    def _candidates(self, question: str, vector: np.ndarray | None) -> tuple[list[tuple], np.ndarray]:
        """Rows (number, marks of words, last told or used, importance, vector), and the relevance of each: the mean of the cosine
        and of the share of the question's words that it has, rare ones counting more (inverse document frequency)."""
        size = max(self._codes.size, 1)
        asked, idf, votes = words(question), {}, []
        for word in asked:
            facts = [
                row[0] for row in self._connection.execute("SELECT fact FROM words WHERE word = ? LIMIT ?", (word, COMMON + 1))
            ]
            idf[word] = float(np.log1p(size / (len(facts) + 1)))
            if len(facts) <= COMMON:
                votes.append((np.array(facts, np.int64), idf[word]))
        numbers = self._codes.nearest(vector, CANDIDATES) if vector is not None else []
        if votes and (met := np.concatenate([facts for facts, _ in votes])).size:
            distinct, place = np.unique(met, return_inverse=True)
            score = np.bincount(place, np.concatenate([np.full(len(facts), weight) for facts, weight in votes]))
            score[~self._codes.is_current(distinct)] = 0.0
            best = np.argsort(-score, kind="stable")[:CANDIDATES]
            numbers += distinct[best[score[best] > 0]].tolist()
        numbers = list(dict.fromkeys(numbers))
        rows = self._connection.execute(
            "SELECT number, marks, max(told, coalesce(last_use, 0)), importance * confidence, vector FROM facts "
            f"LEFT JOIN vectors ON fact = number WHERE ended IS NULL AND number IN ({', '.join('?' * len(numbers))})",
            numbers,
        ).fetchall()
        if not rows:
            return [], np.zeros(0)
        shared = overlap([row[1] for row in rows], idf)
        if vector is None or any(row[4] is None for row in rows):
            return rows, shared
        return rows, (_unpacked([row[4] for row in rows]) @ vector + shared) / 2

    def _facts(self, numbers: Sequence[int]) -> dict[int, Fact]:
        marks = ", ".join("?" * len(numbers))
        rows = self._connection.execute(f"SELECT number, {_COLUMNS} FROM facts WHERE number IN ({marks})", list(numbers))
        return {row[0]: Fact(*row[1:]) for row in rows}

    def _begin_due(self) -> None:
        """What was told of a time that has come since holds now; no reading goes on before."""
        if not self._connection.in_transaction and later.waits(self._connection, self._clock()):
            with self._changing("beginning facts"):
                pass

    def _where(self, condition: str, values: Sequence[Any] = ()) -> list[Fact]:
        with self._lock, tables.told(self.path):
            self._begin_due()
            return [Fact(*row) for row in self._connection.execute(f"SELECT {_COLUMNS} FROM facts {condition}", values)]

    def fact(self, fact_id: str) -> Fact:
        if not (facts := self._where("WHERE id = ?", (fact_id,))):
            raise WorkbenchError(f"There is no fact '{fact_id[:40]}'.", where=str(self.path), todo="`memory facts` lists them.")
        return facts[0]

    def there(self, fact_id: str) -> bool:
        """Whether it is remembered, and current."""
        return bool(self._where("WHERE id = ? AND ended IS NULL", (fact_id,)))

    def sourced(self) -> list[Fact]:
        """Current facts that were read in a document."""
        return self._where("WHERE document <> '' AND ended IS NULL ORDER BY number")

    def damage(self) -> list[str]:
        """What SQLite finds wrong with the file; [] where it is whole."""
        with self._lock, tables.told(self.path):
            said = [row[0] for row in self._connection.execute("PRAGMA integrity_check(20)")]
        return [] if said == ["ok"] else said

    def facts(self, most: int = 1000, current: bool = True, stale: bool = False, about: str = "") -> list[Fact]:
        """The latest first. stale: only those that may hold no more. about: only those about this subject; "": about any."""
        wanted = ["?1 IN ('', about)", *["ended IS NULL"] * (current or stale), *["stale <> ''"] * stale]
        return self._where(f"WHERE {' AND '.join(wanted)} ORDER BY number DESC LIMIT ?2", (folded(about), most))

    def history(self, fact_id: str) -> list[Fact]:
        """All versions of a fact, the oldest first."""
        return self._where("WHERE key = (SELECT key FROM facts WHERE id = ?) ORDER BY time, number", (fact_id,))

    def about(self, subject: str) -> list[Fact]:
        """All about a subject, with what held once, the oldest first."""
        return self._where("WHERE about = ? ORDER BY number", (folded(subject),))

    def mentioning(self, texts: Iterable[str], but: Iterable[str] = ()) -> list[Fact]:
        """Facts in whose text one of these stands, in whatever case and with whatever blanks, without those of the ids `but`."""
        sought, out = [folded(text) for text in texts], set(but)
        with self._lock, tables.told(self.path):
            "".join(sought).encode()  # what is no text is refused
            self._begin_due()
            rows = ((fact_id, folded(text)) for fact_id, text in self._connection.execute("SELECT id, text FROM facts"))
            self._pick([fact_id for fact_id, text in rows if fact_id not in out and any(each in text for each in sought)])
            return self._where("JOIN picked USING (id) ORDER BY number")

    def derivation(self, fact_id: str) -> Derivation:
        parents = self._where("JOIN edges ON parent = id WHERE child = ? ORDER BY place", (fact_id,))
        return Derivation(tuple(parents), tuple(self._where("JOIN edges ON child = id WHERE parent = ?", (fact_id,))))

    def below(self, ids: Sequence[str]) -> list[Fact]:
        """All current facts that were derived from these, by however many steps."""
        with self._lock, tables.told(self.path):
            self._pick(ids)
            return self._where(f"JOIN ({_BELOW}) USING (id)")

    def used_at(self, fact_id: str) -> list[float]:
        """When it was used, in seconds since 1970."""
        with self._lock, tables.told(self.path):
            rows = self._connection.execute(
                "SELECT at FROM uses JOIN facts ON fact = number WHERE id = ? ORDER BY at", (fact_id,)
            )
            return [row[0] for row in rows]

    def neighbours(self, vector: bytes, most: int) -> list[int]:
        """Numbers of the current facts nearest to a vector as it is stored."""
        with self._lock, tables.told(self.path):
            self._codes.follow(self._connection)
            return self._codes.nearest(_unpacked([vector])[0], most)

    def followed(self, fact: Fact) -> str | None:
        """The value of a derived fact by what is behind it today, where it was derived by following facts from one to the next:
        what each names is the subject of the next, and the last one's value is the fact's. None: it was not, or nothing is there."""
        parents = self.derivation(fact.id).parents
        if not parents or folded(parents[-1].value) != folded(fact.value) or not all(parent.attribute for parent in parents):
            return None
        if any(folded(a.value) != folded(b.subject) for a, b in pairwise(parents)):
            return None
        subject = parents[0].subject
        for parent in parents:
            key = f"{folded(subject)}\x1f{folded(parent.attribute)}"
            current = self._where("WHERE key = ? AND ended IS NULL AND stale = ''", (key,))
            if not current:
                return None
            subject = current[-1].value
        return subject

    def because(self, fact: Fact) -> str:
        """Why it may hold no more, in words; "" where it does."""
        kind, _, what = fact.stale.partition(" ")
        if kind == "source":
            return f"Its source has changed: {what}."
        if kind == "forgotten":
            return "A fact that it was derived from was forgotten."
        rows = self._where("WHERE id = ?", (what,)) if kind else []
        if not rows:
            return "A fact behind it is not there any more." if kind else ""
        sql = "WHERE key = (SELECT key FROM facts WHERE id = ?) AND ended IS NULL"
        after = [] if rows[0].current else self._where(sql, (what,))
        now = (
            f"now: {after[0].text}"
            if after
            else "it holds no more"
            if rows[0].ended is not None
            else "it may hold no more itself"
        )
        return f"It was derived from: {rows[0].text} ({now})"

    def counts(self) -> Counts:
        with self._lock, tables.told(self.path):
            self._begin_due()
            numbers = self._connection.execute(
                "SELECT count(*), count(*) FILTER (WHERE ended IS NULL), count(*) FILTER (WHERE ended IS NULL AND stale <> ''), "
                "count(DISTINCT nullif(about, '')), coalesce(sum(uses), 0) FROM facts"
            ).fetchone()
        parts = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return Counts(*numbers, sum(part.stat().st_size for part in parts if part.exists()))

    def half_life(self) -> HalfLife:
        """Of use: by when, after they were told, facts were used; of one that has ended only until then."""
        with self._lock, tables.told(self.path):
            self.count_uses()
            told = self._connection.execute("SELECT first, ended FROM facts").fetchall()
            uses = self._connection.execute("SELECT at - first, at FROM uses JOIN facts ON number = fact").fetchall()
        ages, times = np.array(uses, np.float64).reshape(-1, 2).T
        last = times.max(initial=0.0)
        return fitted_half_life(ages[ages >= 0], np.array([min(last, ended or last) - first for first, ended in told]))

    def rows_of(self, ids: Sequence[str]) -> list[tuple[int, str, bytes | None]]:
        """(number, id, vector as it is stored) of each."""
        sql = "SELECT number, id, vector FROM facts JOIN picked USING (id) LEFT JOIN vectors ON fact = number"
        with self._lock, tables.told(self.path):
            self._pick(ids)
            return self._connection.execute(sql).fetchall()

    def _pick(self, ids: Sequence[str]) -> None:
        """Any number of ids as a table of this connection, in memory."""
        self._connection.execute("CREATE TEMP TABLE IF NOT EXISTS picked (id TEXT PRIMARY KEY)")
        self._connection.execute("DELETE FROM picked")
        self._connection.executemany("INSERT OR IGNORE INTO picked VALUES (?)", [(fact_id,) for fact_id in ids])

    # Removing --------------------------------------------------------------------------------------------------------

    def remove(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Deletes facts; what was derived from them is stale, and its ids are returned. `forgetting.py` proves that they are gone."""
        with self._lock, self._changing("forgetting facts") as change:
            self._pick(ids)
            rows = self._connection.execute("SELECT number, text, subject, attribute FROM facts JOIN picked USING (id)")
            own = [(word, number) for number, *said in rows for word in sought_words(*said)]
            gone = set(ids)
            self._uses = [(fact, at) for fact, at in self._uses if fact not in gone]
            stale = [fact for fact in self.mark_below(ids, "forgotten", change) if fact not in gone]
            self._connection.executemany("DELETE FROM words WHERE word = ? AND fact = ?", own)
            numbers = "(SELECT number FROM facts JOIN picked USING (id))"
            for table in ("vectors", "uses", "heard"):
                self._connection.execute(f"DELETE FROM {table} WHERE fact IN {numbers}")
            self._connection.execute("UPDATE facts SET superseded_by = '' WHERE superseded_by IN (SELECT id FROM picked)")
            self._connection.execute(
                "DELETE FROM edges WHERE child IN (SELECT id FROM picked) OR parent IN (SELECT id FROM picked)"
            )
            for table in ("due", "facts"):
                self._connection.execute(f"DELETE FROM {table} WHERE id IN (SELECT id FROM picked)")
            self._connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'deletions'")
            return tuple(stale)

    def trim(self, budget: int, half_life_days: float, at: float | None = None) -> int:
        """Deletes the weakest facts beyond the budget: first those that ended and that nothing current was derived from, then by
        importance, halved with each half-life since they were told or used. How many went."""
        at = self._clock() if at is None else at
        sql = """
            SELECT id, ended IS NULL OR id IN (SELECT parent FROM edges JOIN facts below ON below.id = child WHERE below.ended IS NULL
                UNION SELECT id FROM due),
                importance * confidence, max(told, coalesce(last_use, 0)) FROM facts"""
        with self._lock, tables.told(self.path):
            self.count_uses()
            rows = self._connection.execute(sql).fetchall()
        beyond = len(rows) - budget
        if beyond <= 0:
            return 0
        strength = [
            (current, weight * 2 ** (-max(at - told, 0) / (half_life_days * 86_400)), fact)
            for fact, current, weight, told in rows
        ]
        self.remove([fact for *_, fact in sorted(strength)[:beyond]])
        return beyond

    def compact(self) -> None:
        """Writes the file anew from what is there. Waits for those who read."""
        with (
            self._lock,
            tables.told(self.path),
            hold(self._lock_path, purpose="compacting", seconds=tables.WAIT_S, what="memory"),
        ):
            tables.compacted(self._connection)

    # How it is done --------------------------------------------------------------------------------------------------

    def _vectors(self, texts: list[str], query: bool) -> Sequence[np.ndarray | None]:
        return self._encode(texts, query) if self._encode and texts else [None] * len(texts)

    @contextmanager
    def _changing(self, purpose: str) -> Iterator[int]:
        """A transaction of this process alone; the number of its change. Uses that wait are counted with it."""
        with tables.told(self.path), hold(self._lock_path, purpose=purpose, seconds=tables.WAIT_S, what="memory"):
            uses, self._uses = self._uses, []
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'changes'")
                [change] = self._connection.execute("SELECT value FROM meta WHERE name = 'changes'").fetchone()
                self._note_uses(uses)
                for made, before in later.begin(self._connection, self._clock(), change):
                    parents = [row[0] for row in self._connection.execute("SELECT parent FROM edges WHERE child = ?", (made,))]
                    self._connection.execute("UPDATE facts SET stale = ? WHERE id = ?", (self._stale_parent(parents), made))
                    self.mark_below([before], f"changed {before}", change)
                yield change
                self._connection.execute("COMMIT")
            except BaseException:
                self._uses = uses + self._uses
                if self._connection.in_transaction:  # a full disk may have ended it
                    with suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                raise

    def _note_uses(self, uses: Sequence[tuple[str, float]]) -> None:
        rows = [(at, fact_id) for fact_id, at in uses]
        self._connection.executemany("INSERT INTO uses SELECT number, ? FROM facts WHERE id = ?", rows)
        self._connection.executemany(
            "UPDATE facts SET uses = uses + 1, last_use = max(coalesce(last_use, 0), ?) WHERE id = ?", rows
        )


def packed(vector: np.ndarray) -> bytes:
    return vector.astype(np.float16).tobytes()


def _unpacked(blobs: Sequence[bytes]) -> np.ndarray:
    """[n, dim] float32."""
    return np.frombuffer(b"".join(blobs), np.float16).reshape(len(blobs), -1).astype(np.float32)


_of_home: dict[Path, FactStore] = {}


def memory_of(workbench: Workbench) -> FactStore:
    """The memory of a workbench, the same for all who ask in this process."""
    home = workbench.home.absolute()
    if home not in _of_home:
        _of_home[home] = FactStore(home)
        atexit.register(_of_home[home].close)  # uses that wait are counted
    return _of_home[home]
