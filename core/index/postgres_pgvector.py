"""Approximate dense search in PostgreSQL, by pgvector, and in databases that speak its protocol."""

import weakref
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, Literal

import numpy as np

from core.config import knob
from core.errors import WorkbenchError
from core.index.common import allowed, checked, rounded
from core.index.faiss_tools import lists
from core.index.postgres_dialects import dialect_of, search_of, table_of
from core.index.postgres_server import NAME, VARIABLE, absent, address, connected_to
from core.index.protocol import Index, lists_knob, probed, probes_knob
from core.index.stores import Nearest, ServerSearcher, StoreServer
from core.registry import part

OURS = "Groundwork index "  # how their comments begin


@part("index")
class PostgresPgvector(Index):
    """A table of PostgreSQL with pgvector's graph or lists: vectors beside rows, in transactions.

    Choose it to match an application that runs on PostgreSQL, or where several write at once; `exact` and `faiss_hnsw` are faster.
    Its server is the one that the environment variable in `server` names, CockroachDB too, else a bundled one, started for the data
    folder over a socket. pgvector's own default for `iterative_scan` is off: then a search under a filter, or one deeper than
    ef_search, ends with too few results. A graph or lists are built by one process, and no two are alike. Tables stay in the server
    until someone drops them; each is named with our prefix and says in its comment what it is of.
    Source: Malkov and Yashunin 2018, "Efficient and robust approximate nearest neighbor search using HNSW graphs"; pgvector's README.
    """

    order: ClassVar[int] = 110
    title: ClassVar[str] = "PostgreSQL"
    on_disk: ClassVar[bool] = True
    engine: ClassVar[str] = "psycopg"
    query_settings: ClassVar[tuple[str, ...]] = ("ef_search", "nprobe", "iterative_scan", "plan", "beam_size")
    part: Literal["postgres_pgvector"] = "postgres_pgvector"
    kind: Literal["hnsw", "ivfflat"] = knob(
        "hnsw", "A graph, or lists around the centres of k-means. Lists build faster and find less at the same speed."
    )
    m: int = knob(16, "Neighbours of a vector in the graph. More finds more, in more memory.", ge=2, le=100)
    ef_construction: int = knob(
        64,
        "Neighbours considered when a vector is added to the graph, at least twice m. More builds a better one, slower.",
        ge=4,
        le=1000,
    )
    nlist: int = lists_knob(32_768)
    ef_search: int = knob(40, "Neighbours considered in the graph. More finds more of the true ones, slower.", ge=1, le=1000)
    nprobe: int = probes_knob()
    iterative_scan: Literal["off", "relaxed_order", "strict_order"] = knob(
        "relaxed_order", "Whether a search goes on until it has enough results that pass the filter. Off is pgvector's default."
    )
    plan: Literal["index", "planner"] = knob(
        "index", "Whether the index has to be used, or PostgreSQL may read all rows where it expects that to be faster."
    )
    beam_size: int = knob(
        32, "Partitions that CockroachDB looks into; no use to PostgreSQL. More finds more, slower.", ge=1, le=2048
    )
    server: str = knob(
        VARIABLE,
        "Environment variable that holds the server's address (DSN); not set: the bundled server is started. The address is never stored.",
        pattern=f"^{NAME}$",
    )

    def import_engine(self) -> None:
        vectors_taught()

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        return {"ef_search": [10, 20, 40, 100, 200, 400]} if self.kind == "hnsw" else {"nprobe": probed(num_vectors)}

    def build(self, vectors: np.ndarray, folder: Path | None) -> "PostgresSearcher":
        """Searcher of vectors [num_chunks, dim] float32. What is saved is a table of the server, not in the folder; without a folder it
        is a table of this searcher's own, dropped with it."""
        vectors, server = checked(vectors, self.metric), VectorServer(self.server)
        if vectors.shape[1] > server.dialect.most_dimensions:
            why = f"an index of {server.dialect.name} takes up to {server.dialect.most_dimensions:,} dimensions"
            raise allowed("index.part", self.part, "other indexes, or fewer dimensions by transform.pca", why)
        if self.kind == "hnsw" and self.ef_construction < 2 * self.m:
            raise allowed("index.ef_construction", self.ef_construction, f"{2 * self.m} or more", f"m is {self.m}")
        return PostgresSearcher(self, server, server.table(self, vectors, folder), *vectors.shape, private=folder is None)


class VectorServer(StoreServer):
    """A database: its dialect, and its connections, handed out one a call."""

    noun: ClassVar[str] = "table"

    def __init__(self, variable: str) -> None:
        self._variable, self._idle = variable, SimpleQueue()
        self._address = address(variable)  # the same for all connections, whatever the variable holds later
        super().__init__()
        weakref.finalize(self, _closed, self._idle).atexit = False  # its tables are dropped later
        with connected_to(self._address, variable) as connection:
            self.dialect = dialect_of(connection.execute("SELECT version()").fetchone()[0])
            with self._told():
                for statement in self.dialect.setup:
                    connection.execute(statement)

    @contextmanager
    def _told(self) -> Generator[None, None, None]:
        """What the server refuses, or its end, in words."""
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            said = (str(error).splitlines() or ["no reason given"])[0]
            raise WorkbenchError(
                f"{self.dialect.name} failed: {said}.", where=self._variable, todo="Look at the server, and try again."
            ) from error

    @contextmanager
    def lent(self, settings: Mapping[str, str] = {}) -> Generator[Any, None, None]:
        """A connection in which these settings hold; each statement is a transaction of its own."""
        try:
            connection, hold = self._idle.get_nowait()
        except Empty:
            connection, hold = connected_to(self._address, self._variable), {}
            with self._told():
                vectors_taught()(connection)
        try:
            with self._told():
                for name, value in settings.items():
                    if hold.get(name) != value:
                        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
                        hold[name] = value
                yield connection
        except BaseException:
            connection.close()  # whatever state it is in
            raise
        self._idle.put((connection, hold))

    def holds(self, name: str, of: str, rows: int) -> bool:
        with self.lent() as connection:
            comment = self._comment(connection, name)
            if comment is None:
                return False
            if comment == OURS + of and connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] == rows:
                return True
            connection.execute(f"DROP TABLE {name}")  # ours, of a build that was killed
            return False

    def _comment(self, connection: Any, name: str) -> str | None:
        """That of our table; None: there is no table of this name."""
        row = connection.execute("SELECT obj_description(to_regclass(%s)), to_regclass(%s) IS NOT NULL", (name, name)).fetchone()
        if row[1] and not (row[0] or "").startswith(OURS):
            raise WorkbenchError(
                f"The server has a table {name} that is not Groundwork's, and it is left alone.",
                where=name,
                todo="Rename that table, or name a server or database of your own.",
            )
        return row[0] if row[1] else None

    def fill(self, name: str, part: PostgresPgvector, vectors: np.ndarray, of: str) -> None:
        """Makes the table with its index, whole or not at all; another who makes the same at once is waited for."""
        with self.lent() as connection, connection.transaction() if self.dialect.whole else nullcontext():
            if self.dialect.whole:
                connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (name,))
            if self._comment(connection, name) == OURS + of:
                return
            self._made(connection, name, vectors.shape[1])
            self.insert(connection, name, np.arange(len(vectors)), vectors)
            self._indexed(connection, name, part, vectors.shape[0], vectors.nbytes)
            connection.execute(f"COMMENT ON TABLE {name} IS '{OURS}{of}'")

    def copy(self, name: str, new: str, part: PostgresPgvector, rows: int, dim: int) -> None:
        with self.lent() as connection, connection.transaction() if self.dialect.whole else nullcontext():
            self._made(connection, new, dim)
            connection.execute(f"INSERT INTO {new} SELECT id, embedding FROM {name}")
            self._indexed(connection, new, part, rows, 4 * rows * dim)
            connection.execute(f"COMMENT ON TABLE {new} IS '{OURS}of its own'")

    def _made(self, connection: Any, name: str, dim: int) -> None:
        connection.execute(table_of(name, dim))
        connection.execute(f"COMMENT ON TABLE {name} IS '{OURS}being built'")

    def _indexed(self, connection: Any, name: str, part: PostgresPgvector, rows: int, num_bytes: int) -> None:
        for setting, value in self.dialect.building(num_bytes).items():
            connection.execute("SELECT set_config(%s, %s, true)", (setting, value))
        connection.execute(self.dialect.index(name, part, lists(part.nlist, max(rows, 1))))
        if self.dialect.whole:
            connection.execute(f"ANALYZE {name}")

    def insert(self, connection: Any, name: str, ids: np.ndarray, vectors: np.ndarray) -> None:
        with connection.cursor().copy(f"COPY {name} (id, embedding) FROM STDIN WITH (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "vector"])
            for row_id, vector in zip(ids.tolist(), vectors, strict=True):
                copy.write_row((row_id, vector))

    def _remove(self, name: str) -> None:
        with self.lent() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {name}")


class PostgresSearcher(ServerSearcher):
    """Over a table of a database."""

    @property
    def memory_bytes(self) -> int:
        """An estimate: what the server reads again and again, table and index."""
        return max(self.disk_bytes, 4 * self.size * self.dim)

    @property
    def disk_bytes(self) -> int:
        with self._server.lent() as connection:
            return int(connection.execute(self._server.dialect.size, (self._name,)).fetchone()[0])

    def _nearest(self, queries: np.ndarray, depth: int, part: PostgresPgvector, may: np.ndarray | None) -> Nearest:
        statement = search_of(self._name, part.metric, depth, may is not None)
        ids = [] if may is None else [np.flatnonzero(may).tolist()]
        with self._server.lent(self._server.dialect.searching(part)) as connection, connection.pipeline():
            answers = [connection.execute(statement, (query, *ids, query), binary=True) for query in queries]
            for rows in (answer.fetchall() for answer in answers):
                nearest, distance = zip(*rows, strict=True) if rows else ((), ())
                scores = -np.array(distance, np.float32)
                yield nearest, rounded(scores) if part.metric == "cosine" else scores

    def _put(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        with self._server.lent() as connection:
            self._server.insert(connection, self._name, ids, vectors)

    def _replace(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        with self._server.lent() as connection, connection.transaction():
            changes = zip(vectors, ids.tolist(), strict=True)
            connection.cursor().executemany(f"UPDATE {self._name} SET embedding = %b WHERE id = %s", changes)

    def _delete(self, ids: np.ndarray) -> None:
        with self._server.lent() as connection:
            connection.execute(f"DELETE FROM {self._name} WHERE id = ANY(%s)", (ids.tolist(),))


def _closed(idle: SimpleQueue) -> None:
    while not idle.empty():
        idle.get()[0].close()


def vectors_taught() -> Any:
    """pgvector's function that teaches a connection what vectors are."""
    try:
        import psycopg  # noqa: F401
        from pgvector.psycopg import register_vector
    except ImportError as error:
        raise absent("PostgreSQL", error) from error
    return register_vector
