"""How many tokens the chunks have, and how many of them the encoder reads."""

from app import session
from app.ui import charts
from app.ui.chunks.cuts import Shown
from core.config import TrialConfig, difference
from core.labs.corpus.chunks import readable_tokens, size_bins, size_rows
from core.workbench import as_options


def draw(results: list[Shown], config: TrialConfig) -> None:
    limit = readable_tokens(config.embedding)
    edges = size_bins([result.chunks for result in results], limit)
    traces = [
        charts.histogram(r.chunks.tokens, name=r.name if len(results) > 1 else "", bins=edges, color=r.color)[0] for r in results
    ]
    mark = charts.mark_line(limit + 0.5, f"encoder limit, {limit:,} tokens", vertical=True) if limit and limit < edges[-1] else {}
    above = {"range": [0, 1.25 * max(max(trace["y"]) for trace in traces)]}  # the mark's label stands over the bars
    along = {"range": [0, 1.02 * edges[-1]]}
    shape = charts.figure(
        traces, "Size of a chunk (tokens)", "Chunks", height=240, barmode="overlay", xaxis=along, yaxis=above, **mark
    )
    for note in mark.get("annotations", ()):
        if limit > edges[-1] / 2:  # inside the chart
            note |= {"xanchor": "right", "xshift": -charts.GAP}
    rows = size_rows([(result.name, result.chunks) for result in results], limit)
    counts = " and ".join(f"{len(result.chunks):,}" for result in results)
    charts.show(shape, "chunk-sizes", data=rows, config=config, command=command(results), title="Sizes", caption=f"n {counts}")


def command(results: list[Shown]) -> str:
    """What prints the sizes, the shares of evidence cut, and of two chunkers what only one of them cuts."""
    first, *rest = (result.recipe for result in results)
    changed = {name: value for other in rest for name, value in difference(other, first).items() if name.startswith("chunking.")}
    return session.workbench().command(first, "chunks", *as_options("--against", changed))
