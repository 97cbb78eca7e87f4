"""The tab KV cache: time and memory of a token with and without it."""

import time
from collections.abc import Generator
from typing import Any

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, charts, jobs
from app.ui.held import result_of
from app.ui.inside import figures
from app.ui.tables import minus
from core.config import TrialConfig
from core.labs.inside import model
from core.labs.inside.cache import CacheMeasurement, LibrarySpeed, TimedToken, beside_library, measure_bundled, prompt_ids
from core.progress import Running
from core.records import Progress
from core.workbench import Forecast, Phase, command_line, one_phase

DRAW_S = 1.0  # between two drawings of a growing chart
LIBRARY_BYTES = 540e6  # of a second copy of the model
PROMPT = 32  # tokens read before the measured ones


def cache(config: TrialConfig) -> None:
    left, right = st.columns([1, 2], gap="medium")
    with left:
        new = st.select_slider(
            "New tokens",
            (32, 64, 128, 256, 512, 1024),
            128,
            key="new_tokens",
            bind="query-params",
            help="Each token is timed with the cache. More tokens show the quadratic growth, and take longer.",
        )
        every = st.select_slider(
            "Without the cache, every",
            (1, 4, 8, 16, 32),
            8,
            key="every",
            bind="query-params",
            format_func=lambda n: "token" if n == 1 else f"{n} tokens",
        )
        st.caption(
            "Measured is the transformer written here, with the bundled weights in float32 on this "
            "processor, not the engine that answers on the page Ask. Times of a busy machine scatter."
        )
    with right:
        held = measured(config, (config.corpus.dataset, new, every), new, every)
        if held is None:
            return cards.empty(
                "Time and memory of a token",
                "With the cache a token reads the weights and the keys before it. Without it, the whole text is read again "
                "for each token. Press Measure to see both.",
            )
        about, run = held  # of the settings shown, or of those that were measured last
        measured_cards(run)
    measured_charts(run, about)
    st.divider()
    beside(config, new)


def measured(config: TrialConfig, about: tuple, new: int, every: int) -> tuple[tuple, CacheMeasurement] | None:
    """The last measurement, with what it is of; pressing the button makes one, drawn while it grows."""
    held = st.session_state.setdefault("inspect_cache", {})
    press = jobs.Press(
        "inside-cache", one_phase(f"{new:,} tokens, every {every} of them without the cache too", units=_work(new, every))
    )
    pressed, place = jobs.press_button("Measure", press, key="measure", type="primary", icon=":material/play_arrow:"), st.empty()
    if pressed:
        seen: list[TimedToken] = []
        with place.container():
            st.button("Cancel", key="stop/measure", icon=":material/close:")
            ids = _some_text(config)
            with jobs.timed(press):
                measurement = growing(measure_bundled(ids, new, every, seen), seen)
        held.clear()
        held[about] = measurement
        place.empty()
    elif held and about not in held:
        place.caption("Shown is the last measurement; press Measure for these settings.")
    return next(iter(held.items()), None)


def _work(new: int, every: int) -> int:
    """Tokens that are read, in units of 32: with the cache each once, without it all before each that is timed so."""
    return max(1, (new + new * new // (2 * every)) // 32)


def _some_text(config: TrialConfig) -> list[int]:
    corpus = session.workbench().corpus(config)
    return prompt_ids(jobs.drain(model.load()), corpus.documents[0].text[:20_000], PROMPT)


def growing(work: Generator[Progress, None, Any], seen: list[TimedToken]) -> Any:
    """`jobs.drain` with the curve that grows under the bar."""
    place = st.empty()

    def drawn() -> Generator[Progress, None, Any]:
        last = time.monotonic()
        for step in (running := Running(work)):
            if seen and time.monotonic() - last > DRAW_S:
                last = time.monotonic()
                place.plotly_chart(figures.live(seen), key=f"live/{len(seen)}")
            yield step
        return running.result

    result = jobs.drain(drawn())
    place.empty()
    return result


def measured_cards(run: CacheMeasurement) -> None:
    last, same = run.steps[-1], [s.same for s in run.steps if s.same is not None]
    cards.row(
        [
            cards.Card(
                "With cache",
                run.cached_tokens_per_s,
                unit="tokens/s",
                digits=1,
                n=len(run.steps),
                note=f"first token {cards.duration(run.prompt_s)}",
            ),
            cards.Card(
                "Without",
                run.uncached_tokens_per_s,
                unit="tokens/s",
                digits=1,
                n=len(same),
                of=len(run.steps),
                note="the others interpolated",
            ),
            cards.Card(
                "Speed-up",
                run.speedup,
                unit="times",
                digits=1,
                note="both gave the same tokens" if all(same) else f"{same.count(False)} of {len(same)} tokens differ",
            ),
            cards.Card(
                "Cache", last.cache_bytes / 1e6, unit="MB", digits=1, direction=-1, note=f"{run.bytes_per_token:,} bytes a token"
            ),
        ]
    )


def measured_charts(run: CacheMeasurement, about: tuple) -> None:
    rows, settings = [s._asdict() for s in run.steps], dict(zip(("corpus", "new_tokens", "every"), about, strict=True))
    corpus, new, every = map(str, about)
    command = command_line("inside-cache", "--tokens", new, "--every", every, "--dataset", corpus)
    left, right = st.columns(2)
    for column, cached, title in ((left, False, "Without the cache"), (right, True, "With the cache")):
        fits = run.cached if cached else run.uncached
        with column:
            charts.show(
                figures.timed(run.steps, fits, cached),
                f"time-{'cached' if cached else 'uncached'}",
                data=rows,
                config=settings,
                command=command,
                title=title,
            )
            st.caption(fitted(fits, max(s.context_tokens for s in run.steps)))
    charts.show(
        figures.cache_memory(run.steps),
        "cache-memory",
        data=rows,
        config=settings,
        command=command,
        title="Memory of the cache",
        caption=f"float32, {run.bytes_per_token:,} bytes a token",
    )


def fitted(fits: tuple, longest: int) -> str:
    """Whether the square adds to the line, in words; adjusted R² counts the extra term."""
    line, square = fits
    if np.isnan(square.adjusted_r2) or np.isnan(line.adjusted_r2):
        return "Too few points for a fit."
    bend_ms = square.coefficients[0] * longest**2 * 1000
    better = square.adjusted_r2 > line.adjusted_r2 + 0.005
    if max(line.adjusted_r2, square.adjusted_r2) < 0.3 or (better and bend_ms < 0):
        told = "no clear growth at these lengths; the effect of the context is smaller than the scatter of the times"
    elif better:
        told = f"the square explains more, {bend_ms:.1f} ms of a token's time at {longest:,} tokens"
    else:
        told = "the line explains as much as the square"
    numbers = f"Adjusted R² {line.adjusted_r2:.3f} linear, {square.adjusted_r2:.3f} quadratic"
    return f"{minus(numbers)}: {told}."


def beside(config: TrialConfig, new: int) -> None:
    st.markdown("**Beside the library**")
    few = min(new, 128)
    speed: LibrarySpeed | None = result_of(
        "library",
        (config.corpus.dataset, few),
        "Compare with transformers",
        jobs.Press("inside-library", Forecast((Phase(f"{6 * few:,} tokens, by each three times"),), LIBRARY_BYTES, units=few)),
        lambda: beside_library(_some_text(config), few),
        why=f"{few} tokens by our cached generation and by transformers', three times each in turns; loads the "
        "model a second time (540 MB).",
    )
    if speed:
        share = speed.here_per_s / speed.library_per_s
        same = "The text is the same." if speed.same_text else "The texts differ."
        st.markdown(
            f"Written here **{speed.here_per_s:.1f}** tokens/s, transformers **{speed.library_per_s:.1f}** tokens/s: "
            f"**{share:.2f}** times its speed over {speed.tokens} tokens. {same}"
        )
