"""Corpora: what there is, what can be fetched, own documents, and the chunks they are cut into."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import USUAL, RecipeOptions, read_settings
from core.cli.tables import show_parts, show_table
from core.config import with_settings
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
def chunks(
    workbench: Any,
    *,
    against: Annotated[
        tuple[str, ...],
        Parameter(help="STAGE.FIELD=VALUE: also the recipe with this setting, and what only one cuts; repeatable."),
    ] = (),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """The corpus in the recipe's chunks: how many, how large, how much of the evidence they cut."""
    from core.labs import chunks as lab

    read = recipe.read()
    result = yield from lab.cut(workbench, read)
    record, chunkings = _cut_told(result.summary), [(read.chunking.part, result.chunks)]
    if against:
        other = with_settings(read, read_settings(against))
        beside = yield from lab.cut(workbench, other)
        gold = lab.gold(workbench, (yield from workbench.read_corpus(read)))
        only_one, only_other, p = lab.compare_cuts(result.chunks, beside.chunks, gold)
        record |= {"cut only here": only_one, "cut only by the other": only_other, "p (McNemar)": p}
        record["against"] = [{"chunker": ", ".join(against), **_cut_told(beside.summary)}]
        chunkings.append((", ".join(against), beside.chunks))
    return {**record, "sizes": lab.size_rows(chunkings)}


def _cut_told(summary: Any) -> dict[str, Any]:
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
    }


@verb("ingest-received", show_table, healthy=lambda files: all(file["status"] != "failed" for file in files), job_keeps=plain)
def ingest_received(workbench: Any, name: str, sent: str, /) -> Any:
    """Read the files that a browser sent to the page Corpus; the page starts it."""
    from core.labs.corpus import ingest_received

    return ingest_received(workbench, name, sent)
