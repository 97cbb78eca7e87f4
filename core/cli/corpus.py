"""Corpora: what there is, what can be fetched, own documents, and the chunks they are cut into."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import USUAL, RecipeOptions
from core.cli.tables import show_parts, show_table
from core.records import plain


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


@verb("chunks", show_parts)
def chunks(workbench: Any, *, recipe: RecipeOptions = USUAL) -> Any:
    """The corpus in the recipe's chunks: how many, how large, how much of the evidence they cut."""
    import numpy as np

    from core.labs.chunks import cut, size_bins

    read = recipe.read()
    result = yield from cut(workbench, read)
    summary = result.summary
    edges = size_bins([result.chunks])
    counts, _ = np.histogram(result.chunks.tokens, edges)
    return {
        "chunks": summary.chunks,
        "tokens": summary.tokens,
        "mean tokens": summary.mean_tokens,
        "evidence cut": summary.cut.mean,
        "evidence cut low": summary.cut.low,
        "evidence cut high": summary.cut.high,
        "evidence spans": summary.cut.n,
        "tokens embedded twice": summary.repeated,
        "longer than read": summary.too_long,
        "sizes": [
            {"from_tokens": low + 0.5, "to_tokens": high - 0.5, "chunks": int(count)}
            for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        ],
    }


@verb("ingest-received", show_table, healthy=lambda files: all(file["status"] != "failed" for file in files), job_keeps=plain)
def ingest_received(workbench: Any, name: str, sent: str, /) -> Any:
    """Read the files that a browser sent to the page Corpus; the page starts it."""
    from core.labs.corpus import ingest_received

    return ingest_received(workbench, name, sent)
