"""What a process holds of all facts to find candidates quickly: a sign of each dimension of their vectors, 48 bytes for 384 dimensions.

The sign codes of nearby vectors differ in few bits (Charikar 2002, "Similarity estimation techniques from rounding algorithms", section
3, with coordinates in the place of random projections), and counting bits is some thirty times as fast as products of floats. Candidates
are then scored by their vectors, which stay on the disk.
"""

import sqlite3

import numpy as np

AT_ONCE = 4096  # rows that are read together


class SignCodes:
    """Those of the facts that are current. Not for several threads at once."""

    def __init__(self) -> None:
        self.changes = self.deletions = -1  # of the database, as far as they were followed
        self.size = 0
        self._numbers = np.zeros(0, np.int64)  # [capacity] of facts, rising
        self._codes = np.zeros((0, 0), np.uint64)  # [words, capacity]
        self._current = np.zeros(0, bool)  # [capacity]

    def follow(self, connection: sqlite3.Connection) -> None:
        """Takes in what any process wrote, ended or deleted since."""
        seen = dict(connection.execute("SELECT name, value FROM meta WHERE name IN ('changes', 'deletions')"))
        if seen["deletions"] != self.deletions:
            there = np.fromiter((row[0] for row in connection.execute("SELECT number FROM facts")), np.int64)
            self._drop(there)
            self.deletions = seen["deletions"]
        if seen["changes"] != self.changes:
            rows = connection.execute(
                "SELECT number, ended IS NULL, vector FROM facts LEFT JOIN vectors ON fact = number WHERE change > ? ORDER BY +number",
                (self.changes,),
            )
            while some := rows.fetchmany(AT_ONCE):
                self._take(some)
            self.changes = seen["changes"]

    def nearest(self, vector: np.ndarray, most: int) -> list[int]:
        """Numbers of the current facts whose codes differ least from that of a vector [dim], in no order."""
        if not self.size or not self._codes.shape[0]:
            return []
        code = sign_code(vector[None])[:, 0]
        distance = np.zeros(self.size, np.uint16)  # [facts]
        for row, own in zip(self._codes, code, strict=True):
            distance += np.bitwise_count(row[: self.size] ^ own)
        distance[~self._current[: self.size]] = np.iinfo(np.uint16).max
        places = np.argpartition(distance, most)[:most] if most < self.size else np.arange(self.size)
        return self._numbers[places[self._current[places]]].tolist()

    def is_current(self, numbers: np.ndarray) -> np.ndarray:
        """Of numbers [n] whether each is a current fact."""
        places = np.searchsorted(self._numbers[: self.size], numbers)
        inside = places < self.size
        places[~inside] = 0
        return inside & (self._numbers[places] == numbers) & self._current[places] if self.size else inside

    def _take(self, rows: list[tuple]) -> None:
        numbers = np.array([row[0] for row in rows], np.int64)
        before = np.searchsorted(self._numbers[: self.size], numbers)
        old = (
            (before < self.size) & (self._numbers[np.minimum(before, max(self.size - 1, 0))] == numbers)
            if self.size
            else before < 0
        )
        self._current[before[old]] = [bool(row[1]) for row, there in zip(rows, old, strict=True) if there]
        fresh = [row for row, there in zip(rows, old, strict=True) if not there]
        if not fresh:
            return
        end = self.size + len(fresh)
        some = next((row[2] for row in fresh if row[2]), b"")
        if len(self._numbers) < end or (some and not self._codes.shape[0]):
            self._grow(max(end, 2 * len(self._numbers), AT_ONCE), len(some) // 2)
        self._numbers[self.size : end] = [row[0] for row in fresh]
        self._current[self.size : end] = [bool(row[1]) for row in fresh]
        if some:
            blank = bytes(len(some))
            vectors = np.frombuffer(b"".join(row[2] or blank for row in fresh), np.float16).reshape(len(fresh), -1)
            self._codes[:, self.size : end] = sign_code(vectors)
        self.size = end

    def _grow(self, capacity: int, dim: int) -> None:
        words = self._codes.shape[0] or -(-dim // 64)
        for name, shape in (("_numbers", (capacity,)), ("_codes", (words, capacity)), ("_current", (capacity,))):
            before = getattr(self, name)
            grown = np.zeros(shape, before.dtype)
            grown[..., : before.shape[-1]] = before if before.shape[0] else 0
            setattr(self, name, grown)

    def _drop(self, there: np.ndarray) -> None:
        keep = np.flatnonzero(np.isin(self._numbers[: self.size], there))
        self._numbers, self._current = self._numbers[keep], self._current[keep]
        self._codes, self.size = np.ascontiguousarray(self._codes[:, keep]), len(keep)


def sign_code(vectors: np.ndarray) -> np.ndarray:
    """[dim / 64 rounded up, n] uint64: a bit a dimension of vectors [n, dim], 1 where it is above 0."""
    bits = np.packbits(vectors > 0, axis=1)
    padded = np.zeros((len(bits), -(-bits.shape[1] // 8) * 8), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.ascontiguousarray(padded.view(np.uint64).T)
