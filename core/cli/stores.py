"""Stores of vectors: searched, written, shared by agents and killed, under the same conditions."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from core.cli.frame import subject, verb
from core.cli.options import USUAL, Asked, Positive, RecipeOptions
from core.cli.tables import show_columns, show_value, table_of
from core.files.grids import read_numbers

subject("stores", "Stores of vectors: searched, written, shared by agents and killed, under the same conditions.")

Only = Annotated[tuple[str, ...], Parameter(help="A store; repeatable (default: all).")]
Postgres = Annotated[
    str,
    Parameter(help="NAME of the environment variable with the address of a PostgreSQL (default: the bundled one is started)."),
]
Cockroach = Annotated[str, Parameter(help="NAME of the environment variable with the address of a CockroachDB.")]
QdrantUrl = Annotated[
    str, Parameter(help="NAME of the environment variable with the URL of a Qdrant server; NAME_API_KEY holds its key.")
]


def _servers(**servers: str) -> dict[str, str]:
    return {family: name for family, name in servers.items() if name}


def _show(record: Mapping[str, Any]) -> None:
    from core.labs.stores import tables

    for name in record["tables"]:
        _, make = tables.TABLES[name]
        _print(make(record["rows"]))
    for row in record["left_out"]:
        print(" ".join(filter(None, (f"{row['title']}: {row['detail']['reason']}", row["detail"]["command"]))))
    print("\n".join(record.get("told", ())))


def _print(table: Any) -> None:
    print(f"\n{table.caption}")
    show_columns(table)


def _summary(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"run": record["run"], "rows": len(record["rows"])}


@verb("stores measure", _show, job_keeps=_summary)
def measure_stores(
    workbench: Any,
    *,
    recipe: RecipeOptions = USUAL,
    sizes: Annotated[str, Parameter(help="Rows, A,B,C (default: 106,16407; quick: 106).")] = "",
    writers: Annotated[str, Parameter(help="Processes that write at once, A,B,C (default: 1,2,4,8; quick: 1,4).")] = "",
    repeats: Annotated[int, Parameter(help="In turn; 0: five, quick three.")] = 0,
    quick: Annotated[bool, Parameter(help="Few rows, questions and repeats: within three minutes.")] = False,
    only: Only = (),
    postgres: Postgres = "",
    cockroach: Cockroach = "",
    qdrant: QdrantUrl = "",
) -> Any:
    """All stores at the same recall: search, filters, writers, searches meanwhile, size, reopening."""
    from core.labs.stores import measure as lab

    plan = lab.QUICK if quick else lab.MeasurePlan()
    options = {"sizes": sizes, "writers": writers}
    chosen = {
        name: tuple(sorted({int(each) for each in read_numbers(text, f"--{name}")})) for name, text in options.items() if text
    }
    plan = plan._replace(**chosen, **({"repeats": repeats} if repeats > 0 else {}))
    record = yield from lab.measure(
        workbench, recipe.read(), plan, only, _servers(postgres=postgres, cockroach=cockroach, qdrant=qdrant)
    )
    return record | {"tables": ["recall", "filters", "writers", "mixed"]}


@verb("stores contention", _show, job_keeps=_summary)
def contention(
    workbench: Any,
    *,
    operations: Annotated[Positive, Parameter(help="Of each of the four agents.")] = 25,
    only: Only = (),
    postgres: Postgres = "",
    cockroach: Cockroach = "",
    qdrant: QdrantUrl = "",
) -> Any:
    """Four agents on one memory: what is lost when each reads and then writes, and when the store keeps them apart."""
    from core.labs.stores.contention import contend

    record = yield from contend(workbench, operations, only, _servers(postgres=postgres, cockroach=cockroach, qdrant=qdrant))
    return record | {"tables": ["contention"]}


@verb("stores kill", _show, job_keeps=_summary)
def kill_stores(
    workbench: Any, *, moments: Annotated[Positive, Parameter(help="Times that each is ended.")] = 50, only: Only = ()
) -> Any:
    """Kill each store (kill -9) while it writes: which confirmed rows are missing afterwards."""
    from core.labs.stores.kill import kill

    return (yield from kill(workbench, moments, only)) | {"tables": ["kill"]}


def _show_table(record: Mapping[str, Any]) -> None:
    _print(table_of(record))


@verb("stores answers", _show_table)
def answers_of_stores(
    workbench: Any,
    *,
    recipe: RecipeOptions = USUAL,
    margin: Annotated[float, Parameter(help="Points (hundredths) within which two means are equal.")] = 1.0,
    ask: Asked = 100,
    only: Only = (),
) -> Any:
    """What a store costs the recipe's ranking and the embedded reader's answers, paired by question with exact search."""
    from core.labs.stores.answers import AnswersPlan, answers

    return (yield from answers(workbench, recipe.read(), AnswersPlan(margin, only, ask)))


@verb("stores show", _show_table)
def show_stores(
    workbench: Any, table: Literal["tree", "recall", "filters", "writers", "mixed", "contention", "kill", "claims", "note"], /
) -> Any:
    """A table of the newest run; tree: which store for whom, as questions in their order."""
    from core.labs.stores import advice, tables

    if table == "tree":
        return advice.tree_table(advice.evidence(workbench))
    if table in advice.TABLES:
        return advice.TABLES[table](tables.newest(workbench, tables.KINDS[0]))
    return tables.table(workbench, table)


@verb("stores advise", lambda sentences: show_value("\n".join(sentences)))
def advise_stores(workbench: Any) -> Any:
    """Which store for whom, by what was measured here."""
    from core.labs.stores import advice

    return list(advice.sentences(workbench))
