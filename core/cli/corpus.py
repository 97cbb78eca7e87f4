"""Corpora: what there is, what can be fetched, own documents."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.tables import show_table


@verb("datasets", show_table)
def datasets(workbench: Any) -> Any:
    """The corpora at hand and those to download."""
    return workbench.datasets()


@verb("download")
def download(workbench: Any, dataset: str, /) -> Any:
    """Fetch a data set from its publisher."""
    return workbench.library.download(dataset)


@verb("ingest", show_table, healthy=lambda files: all(file["status"] != "failed" for file in files))
def ingest(
    workbench: Any,
    name: str,
    files: Annotated[tuple[Path, ...], Parameter(consume_multiple=(1, 1_000_000))],
    /,
    *,
    questions: Annotated[Path | None, Parameter(help="CSV, JSONL, SQuAD JSON or BEIR folder.")] = None,
) -> Any:
    """Make a corpus of own documents."""
    return workbench.library.ingest(name, list(files), questions)
