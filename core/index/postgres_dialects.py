"""What PostgreSQL with pgvector and CockroachDB say differently: the SQL of a table of vectors, of its index, of a search's settings.

Sources: pgvector 0.8, README, "HNSW", "IVFFlat", "Iterative Index Scans"; CockroachDB 26.1, "Vector indexes" and "Session variables".
"""

from typing import Any, ClassVar

OPERATORS = {"cosine": "<#>", "dot": "<#>", "l2": "<->"}  # of normalised vectors the product is the cosine
CLASSES = {"cosine": "vector_ip_ops", "dot": "vector_ip_ops", "l2": "vector_l2_ops"}


class PgvectorDialect:
    """PostgreSQL, where vectors are an extension."""

    name: ClassVar[str] = "PostgreSQL"
    setup: ClassVar[tuple[str, ...]] = ("CREATE EXTENSION IF NOT EXISTS vector",)
    whole: ClassVar[bool] = True  # a table, its rows, index and comment come in one transaction
    size: ClassVar[str] = "SELECT pg_total_relation_size(%s::regclass)"
    most_dimensions: ClassVar[int] = 2000  # of an index

    def index(self, table: str, part: Any, nlist: int) -> str:
        made = f"m = {part.m}, ef_construction = {part.ef_construction}" if part.kind == "hnsw" else f"lists = {nlist}"
        return f"CREATE INDEX ON {table} USING {part.kind} (embedding {CLASSES[part.metric]}) WITH ({made})"

    def building(self, num_bytes: int) -> dict[str, str]:
        """Settings of a build: room for the whole graph, and one process, for several share memory that containers are short of."""
        room = max(64, 3 * num_bytes // 2**20)
        return {"maintenance_work_mem": f"{room}MB", "max_parallel_maintenance_workers": "0"}

    def searching(self, part: Any) -> dict[str, str]:
        ways = (
            {"hnsw.ef_search": str(part.ef_search), "hnsw.iterative_scan": part.iterative_scan}
            if part.kind == "hnsw"
            # lists have no strict order
            else {"ivfflat.probes": str(part.nprobe), "ivfflat.iterative_scan": part.iterative_scan.replace("strict", "relaxed")}
        )
        # a plan made for any filter would fit none
        return ways | {"enable_seqscan": "off" if part.plan == "index" else "on", "plan_cache_mode": "force_custom_plan"}


class CockroachDialect:
    """CockroachDB, which has vectors itself and one kind of index, C-SPANN."""

    name: ClassVar[str] = "CockroachDB"
    setup: ClassVar[tuple[str, ...]] = ()
    whole: ClassVar[bool] = False  # it changes schemas outside of transactions: the comment comes last
    size: ClassVar[str] = "SELECT 0 WHERE %s <> ''"  # it does not tell that of a table
    most_dimensions: ClassVar[int] = 16_000

    def index(self, table: str, part: Any, nlist: int) -> str:
        return f"CREATE VECTOR INDEX ON {table} (embedding {CLASSES[part.metric]})"

    def building(self, num_bytes: int) -> dict[str, str]:
        return {}

    def searching(self, part: Any) -> dict[str, str]:
        return {"vector_search_beam_size": str(part.beam_size)}


def dialect_of(version: str) -> PgvectorDialect | CockroachDialect:
    """By what `SELECT version()` says."""
    return CockroachDialect() if "CockroachDB" in version else PgvectorDialect()


def table_of(name: str, dim: int) -> str:
    return f"CREATE TABLE {name} (id int4 PRIMARY KEY, embedding vector({dim}) NOT NULL)"


def search_of(table: str, metric: str, depth: int, filtered: bool) -> str:
    """Parameters: the question, the ids that may be found where `filtered`, and the question again. Rows: id, distance."""
    operator, where = OPERATORS[metric], " WHERE id = ANY(%b)" if filtered else ""
    return f"SELECT id, embedding {operator} %b FROM {table}{where} ORDER BY embedding {operator} %b LIMIT {depth}"
