"""Spans: the price of recording one, whether any is lost at 200 requests a second, the search of 100,000, the drawing of 10,000.

Prints one JSON document. Beside each time on the clock stands that on the processors, which a busy machine does not change as much.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks._options import options
from core.serving import stored_spans
from core.serving.spans import TraceSpan
from core.serving.traces import waterfalls
from core.workbench import Workbench

RATE, SECONDS = 200, 20  # requests a second
PARTS = (("queue", "queue"), ("dense", "retrieval"), ("sparse", "retrieval"), ("rerank", "reranking"), ("write", "model"))
STORED, DRAWN = 100_000, 10_000


def timed(work: Callable[[], object], times: int = 9) -> dict[str, float]:
    """Medians in milliseconds."""
    clock, processors = [], []
    for _ in range(times):
        began, busy = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - began)
        processors.append(time.process_time() - busy)
    return {"ms": round(1000 * sorted(clock)[times // 2], 1), "processor_ms": round(1000 * sorted(processors)[times // 2], 1)}


def recording(home: Path) -> dict:
    """Requests at even intervals; the cost is that of the thread that serves them, writing left out."""
    recorder, spans, busy = stored_spans.recorder(home), 0, 0.0
    began = time.perf_counter()
    for number in range(RATE * SECONDS):
        time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        start = time.thread_time()
        with recorder.span("request") as whole:
            for name, kind in PARTS:
                with recorder.span(name, kind, model="smol", input_tokens=100, output_tokens=20):
                    pass
            whole.attributes["session"] = "s"
        busy += time.thread_time() - start
        spans += 1 + len(PARTS)
    counts = recorder.close()["journal"]
    return {"requests_per_s": RATE, "us_per_span": round(1e6 * busy / spans, 1), "spans": spans, **counts._asdict()}


def made(traces: int, parts: int) -> list[TraceSpan]:
    """Traces of a request and its parts, one after the other."""
    spans = []
    for trace in range(traces):
        begin, whole = 1_700_000_000_000_000_000 + trace * 10**9, f"{0:016x}"
        own = [
            TraceSpan(
                f"{trace + 1:032x}",
                f"{number + 1:016x}",
                whole,
                PARTS[number % 5][0],
                PARTS[number % 5][1],
                begin + number * 10_000,
                begin + (number + 1) * 10_000,
                "ok",
                "",
                {"model": "smol", "input_tokens": number},
            )
            for number in range(parts)
        ]
        spans += [TraceSpan(f"{trace + 1:032x}", whole, "", "request", "other", begin, begin + parts * 10_000, "ok"), *own]
    return spans


def searching(home: Path) -> dict:
    recorder = stored_spans.recorder(home)
    for number, span in enumerate(made(STORED // 8, 7)):
        recorder.record(span)
        if number % 5000 == 0:
            time.sleep(1)
    recorder.close()
    workbench = Workbench(home)
    stored_spans.traces(workbench)
    searches = {
        "newest": stored_spans.TraceSearch(),
        "by_text": stored_spans.TraceSearch(text="smol"),
        "by_kind_and_length": stored_spans.TraceSearch(kind="model", slower_ms=0.05),
        "failed": stored_spans.TraceSearch(failed=True),
    }
    count = workbench.store.query("SELECT count(*) AS spans FROM spans")[0]["spans"]
    return {
        "spans": count,
        **{name: timed(lambda search=search: stored_spans.traces(workbench, search)) for name, search in searches.items()},
    }


def drawing(home: Path) -> dict:
    """From the spans to the JSON that the browser gets, as Streamlit makes it."""
    import plotly.io
    import plotly.tools

    from app.ui import charts
    from app.ui.serving import waterfall

    spans = made(1, DRAWN - 1)

    def draw() -> None:
        chart = charts.in_arrays(waterfall.figure(waterfalls(spans)))
        drawn = plotly.tools.return_figure_from_figure_or_data(chart, True)
        plotly.io.to_json(drawn, validate=False)

    draw()
    return {"spans": DRAWN, **timed(draw)}


def main() -> None:
    results = {"load": round(os.getloadavg()[0], 1)}
    for measure in (recording, searching, drawing):
        with tempfile.TemporaryDirectory() as home:
            results[measure.__name__] = measure(Path(home))
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    options(__doc__)
    main()
