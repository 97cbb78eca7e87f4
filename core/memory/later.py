"""Facts told of a time that has not come: what holds today goes on, and they take its place once their time has come."""

import sqlite3

from core.memory.facts import folded

# of a fact that waits here `ended` is when it begins, so that until then nobody takes it for one that holds
DUE = "CREATE TABLE IF NOT EXISTS due (id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID"
SET_ENDED = "UPDATE facts SET ended = ?, superseded_by = ?, change = ? WHERE id = ?"


def waits(connection: sqlite3.Connection, now: float) -> bool:
    """Whether the time of some has come."""
    return connection.execute("SELECT 1 FROM due WHERE at <= ? LIMIT 1", (now,)).fetchone() is not None


def planned(connection: sqlite3.Connection, key: str, at: float, value: str) -> str | None:
    """The id of the same fact told before of the same time."""
    rows = connection.execute("SELECT id, value FROM facts JOIN due USING (id) WHERE key = ? AND at = ?", (key, at))
    return next((fact_id for fact_id, said in rows.fetchall() if folded(said) == folded(value)), None)


def begin(connection: sqlite3.Connection, now: float, change: int) -> list[tuple[str, str]]:
    """Those whose time has come hold from now on; within a change. (id, id of the other value that ended, or "") of each."""
    begun = []
    sql = "SELECT id, key, at, value FROM facts JOIN due USING (id) WHERE at <= ? ORDER BY at, number"
    for made, key, at, value in connection.execute(sql, (now,)).fetchall():
        connection.execute("DELETE FROM due WHERE id = ?", (made,))
        sql = "SELECT id, value, time FROM facts WHERE key = ? AND ended IS NULL"
        before, said, since = connection.execute(sql, (key,)).fetchone() or ("", "", at)
        if since > at:  # told meanwhile, by a clock that goes before ours
            connection.execute(SET_ENDED, (since, before, change, made))
            continue
        connection.execute(SET_ENDED, (None, "", change, made))
        connection.execute(SET_ENDED, (at, made, change, before))
        begun.append((made, before if folded(said) != folded(value) else ""))
    return begun
