"""SQL from a page or a link: it reads the tables and nothing else, and ends within its limits of time, memory and size."""

from collections.abc import Iterator
from pathlib import Path

from tests.faults import homes
from tests.faults.harness import Case, Lab, attack, verb

SECRET = "the-secret-beyond-the-database"
LIMIT_S = 25.0  # a query may take 10
OUT = [
    "SELECT * FROM read_json('{file}')",
    "SELECT * FROM read_json_auto('{file}')",
    "SELECT * FROM read_ndjson('{file}')",
    "SELECT * FROM read_json_objects('{file}')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM parquet_metadata('{file}')",
    "SELECT * FROM read_csv_auto('{file}')",
    "FROM '{file}'",
    "FROM read_text('{file}')",
    "SELECT content FROM read_text(['{file}'])",
    "SELECT * FROM '/proc/self/environ'",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT getenv('SECRET')",
    "SELECT getvariable('SECRET')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
    "SELECT * FROM read_parquet('s3://x/y.parquet')",
    "SELECT * FROM 'http://127.0.0.1:1/x.csv'",
    "CREATE SECRET (TYPE s3)",
    "SELECT * FROM which_secret('s3://x', 's3')",
    "IMPORT DATABASE '{file}'",
    "LOAD '{file}'",
    "INSTALL httpfs FROM 'http://127.0.0.1:1'",
    "SET home_directory = '/tmp'",
    "SET temp_directory = '/tmp'",
    "SET threads = 64",
    "SET GLOBAL lock_configuration = false",
    "PRAGMA enable_profiling",
    "PRAGMA profiling_output = '{out}'",
    "SET log_query_path = '{out}'",
    "SELECT * FROM trials; COPY trials TO '{out}'",
    "WITH a AS (SELECT 1) INSERT INTO meta SELECT 'a', 'b'",
    "ALTER TABLE trials ADD COLUMN x INT",
    "CREATE VIEW v AS SELECT 1",
    "CREATE MACRO m() AS 1",
    "CREATE TYPE t AS ENUM ('a')",
    "TRUNCATE trials",
    "USE memory",
    "DETACH groundwork",
    "EXPLAIN ANALYZE INSERT INTO meta VALUES ('a', 'b')",
    "EXECUTE p",
    "BEGIN",
    "COMMIT",
    "MERGE INTO meta USING meta AS m ON true WHEN MATCHED THEN DELETE",
    "SELECT * FROM sqlite_scan('{file}', 't')",
    "SELECT * FROM postgres_scan('', '', '')",
    "SELECT * FROM st_read('{file}')",
    "SELECT * FROM pandas_df",
    "SELECT * FROM query('COPY trials TO ''{out}''')",
    "SELECT * FROM query_table('{file}')",
    "SELECT write_log('{out}')",
    "SELECT add_parquet_key('a', 'b')",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "COPY meta FROM '{file}'",
    "SELECT * FROM read_duckdb('{file}')",
]
MAY_ANSWER = ("SELECT getvariable",)  # with NULL


@attack("sql", "statements that reach out of the database, or change it")
def out(lab: Lab) -> Iterator[Case]:
    from tests.store.test_store import ESCAPES

    def check(text: str) -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        before = (home / "groundwork.duckdb").read_bytes()
        file, target = Path.cwd() / "secret.json", Path.cwd() / "out"
        file.write_text(f'{{"a": "{SECRET}"}}')
        ran = verb(
            home, "sql", "--json", "--", text.replace("{file}", str(file)).replace("{out}", str(target)), SECRET=SECRET
        ).calm()
        assert SECRET not in ran.out + ran.err, "it read what is outside"
        assert not target.exists(), "it wrote a file"
        assert ran.code == 1 or text.startswith(MAY_ANSWER), f"not refused: {ran.said()}"
        assert (home / "groundwork.duckdb").read_bytes() == before, "the database was changed"

    for number, text in enumerate([*ESCAPES, *OUT], 1):
        yield Case(str(number), lambda text=text: check(text))


ENDLESS = {
    "levenshtein": "SELECT levenshtein(repeat('ab', 100000), repeat('ba', 100000))",
    "damerau": "SELECT damerau_levenshtein(repeat('ab', 20000), repeat('ba', 20000))",
    "unions": "SELECT 1" + " UNION ALL SELECT 1" * 6000,
    "union-tables": "SELECT count(*) FROM (SELECT 1" + " UNION ALL SELECT count(*) FROM scores" * 3000 + ")",
    "nested": "SELECT * FROM (" * 3000 + "SELECT 1" + ")" * 3000,
    "parentheses": "SELECT " + "(" * 20000 + "1" + ")" * 20000,
    "cross": "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c",
    "cross-tables": "SELECT count(*) FROM scores a, scores b, scores c, scores d",
    "recursive": "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
    "recursive-wide": "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + x FROM r, range(10) t(x)) SELECT sum(n) FROM r",
    "repeat": "SELECT repeat('x', 2000000000)",
    "repeat-many": "SELECT repeat('x', 1000000) FROM range(100000)",
    "cells": "SELECT repeat('x', 1000000) FROM range(200)",
    "repeat-concat": "SELECT repeat(repeat('x', 1000000), 2000)",
    "lpad": "SELECT lpad('x', 2000000000, 'y')",
    "list": "SELECT range(3000000000)",
    "list-agg": "SELECT list(a) FROM range(1000000000) t(a)",
    "string-agg": "SELECT string_agg(a, ',') FROM range(1000000000) t(a)",
    "group": "SELECT a % 999999937, count(*) FROM range(10000000000) t(a) GROUP BY 1",
    "sort": "SELECT a FROM range(10000000000) t(a) ORDER BY hash(a) LIMIT 5",
    "distinct": "SELECT count(DISTINCT a) FROM range(10000000000) t(a)",
    "window": "SELECT sum(a) OVER (ORDER BY hash(a)) FROM range(1000000000) t(a)",
    "regex": "SELECT regexp_matches(repeat('a', 100000), '(a*)*b')",
    "regex-many": "SELECT count(regexp_replace(repeat('a', 10000), '(a|aa)+$', 'x', 'g')) FROM range(1000000)",
    "in-list": "SELECT 1 WHERE 1 IN (" + "2," * 200000 + "3)",
    "columns": "SELECT " + ",".join(["1"] * 50000),
    "or-chain": "SELECT 1 WHERE " + "1=2 OR " * 20000 + "1=1",
    "case-chain": "SELECT " + "CASE WHEN true THEN " * 5000 + "1" + " END" * 5000,
    "joins": "SELECT count(*) FROM trials t0" + "".join(f" JOIN trials t{n} ON true" for n in range(1, 60)),
    "ctes": "WITH a0 AS (SELECT 1 AS x)"
    + "".join(f", a{n} AS (SELECT a.x FROM a{n - 1} a, a{n - 1} b)" for n in range(1, 40))
    + " SELECT count(*) FROM a39",
    "deep-json": "SELECT json_extract('" + "[" * 20000 + "]" * 20000 + "', '$[0]')",
    "deep-list": "SELECT " + "[" * 3000 + "1" + "]" * 3000,
    "factorial": "SELECT 20000000!",
    "big-power": "SELECT sum(power(a, 99)) FROM range(100000000000) t(a)",
    "md5": "SELECT max(md5(a::VARCHAR)) FROM range(100000000000) t(a)",
    "lambda": "SELECT list_reduce(range(100000000), lambda a, b: a + b)",
    "transform": "SELECT list_transform(range(100000), lambda x: range(100000))",
    "blob": "SELECT repeat('\\x00', 500000000)::BLOB",
    "bitstring": "SELECT bitstring('1', 2000000000)",
    "pivot": "PIVOT (FROM range(100000)) ON range USING count(*)",
    "long-literal": "SELECT '" + "x" * 900000 + "'",
    "surrogate": "SELECT '\\ud800', chr(55296)",
    "nul": "SELECT chr(0) || 'x'",
    "odd-types": "SELECT 1::HUGEINT ** 30, 'nan'::DOUBLE, INTERVAL 1 CENTURY, [NULL], {'a': [1]}, MAP {1: 2}, "
    "'infinity'::TIMESTAMP, '290000-01-01'::DATE",
    "huge-year": "SELECT '9999-12-31 24:00:00'::TIMESTAMP, '-infinity'::DATE, TIME '24:00:00', '0001-01-01 (BC)'::DATE",
    "summarize": "SUMMARIZE SELECT * FROM range(100000000000)",
}


@attack("sql", "statements that never end, or eat memory")
def endless(lab: Lab) -> Iterator[Case]:
    def check(text: str) -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        ran = verb(home, "sql", "--json", "--", text, limit_s=LIMIT_S).calm()
        assert len(ran.out) < 120e6, f"{len(ran.out) / 1e6:.0f} MB were printed"
        verb(home, "trials").well()

    for name in lab.sample(list(ENDLESS), "endless"):
        yield Case(name, lambda name=name: check(ENDLESS[name]), LIMIT_S + 10)
