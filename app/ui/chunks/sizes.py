"""How many tokens the chunks have, and how many of them the encoder reads."""

from app import session
from app.ui import charts
from app.ui.chunks.cuts import Shown
from core.config import TrialConfig
from core.labs.chunks import readable_tokens, size_bins


def draw(results: list[Shown], config: TrialConfig) -> None:
    edges, limit = size_bins([result.chunks for result in results]), readable_tokens(config.embedding)
    traces = [
        charts.histogram(r.chunks.tokens, name=r.name if len(results) > 1 else "", bins=edges, color=r.color)[0] for r in results
    ]
    mark = charts.mark_line(limit, f"the encoder reads {limit}", vertical=True) if limit and limit < edges[-1] else {}
    shape = charts.figure(traces, "Size of a chunk (tokens)", "Chunks", height=240, barmode="overlay", **mark)
    for note in mark.get("annotations", ()):
        note["xanchor"] = "right" if limit > edges[-1] / 2 else "left"  # inside the chart
    rows = [
        {"chunker": result.name, "from_tokens": low + 0.5, "to_tokens": high - 0.5, "chunks": count}
        for result, trace in zip(results, traces, strict=True)
        for (low, high), count in zip(trace["customdata"], trace["y"], strict=True)
    ]
    command = "\n".join(session.workbench().command(result.recipe, "chunks") for result in results)
    counts = " and ".join(f"{len(result.chunks):,}" for result in results)
    charts.show(shape, "chunk-sizes", data=rows, config=config, command=command, title="Sizes", caption=f"n {counts}")
