"""The tabs Architecture, KV cache and Attention of the page Inside the model."""

import time
from collections.abc import Generator
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, charts, evidence, inspect_charts, jobs
from app.ui.held import kept
from app.ui.index_tabs import minus, table
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.inside import model
from core.labs.inside.architecture import BUNDLED, CONFIGS, KNOWN, CacheSetting, read, read_upload
from core.labs.inside.attention import MOST_TOKENS, PromptAttention, attention_share, look
from core.labs.inside.cache import CacheMeasurement, LibrarySpeed, TimedToken, beside_library, measure_bundled, prompt_ids
from core.models import architecture
from core.models.architecture import Architecture
from core.records import Progress, Query

FILE, UPLOAD = "A file of this machine", "An upload"
CONTEXTS = tuple(2**n for n in range(7, 21))
BATCHES = (1, 2, 4, 5, 8, 10, 16, 32, 64, 128)
DRAW_S = 1.0  # between two drawings of a growing chart
OFFERED = 300  # questions offered for a prompt
PROMPT = 32  # tokens read before the measured ones


# Architecture --------------------------------------------------------------------------------------------------------


def model_architecture(config: TrialConfig) -> None:
    left, right = st.columns([1, 2], gap="medium")
    with left:
        if found := chosen_model():
            cards.facts(_facts(found))
    with right:
        if found is None:
            return cards.empty(
                "The parts of a model",
                "Upload a config.json or a GGUF file, or name one of this machine. Only the "
                "description is read, never the weights.",
            )
        described(found)
    st.divider()
    calculator(found)


def chosen_model() -> Architecture | None:
    """The model picked, read; what cannot be read is told in its place."""
    sources = [BUNDLED, *CONFIGS, FILE, UPLOAD]
    source = st.selectbox(
        "Model",
        sources,
        key="model",
        bind="query-params",
        help="Names other than the bundled one are published configs: nothing is fetched.",
    )
    try:
        if source == UPLOAD:
            given = st.file_uploader("config.json or GGUF file", key="model_upload")
            return read_upload(given.name, given.getvalue()) if given else None
        if source == FILE:
            source = st.text_input(
                "Path",
                key="model_path",
                persist_state="session",
                placeholder="/models/some.gguf",
                help="A GGUF file, a config.json, or a folder that holds one.",
            )
            return read(source) if source.strip() else None
        return read(source)
    except WorkbenchError as error:
        cards.problem(error)
    return None


def described(a: Architecture) -> None:
    shown = [
        _count("Parameters", a.parameters, f"{a.parameters:,}"),
        _count(
            "Active for a token",
            a.active_parameters,
            f"{a.experts_active} of {a.experts} experts a layer" if a.experts else "a dense model: all of them",
        ),
        _gigabytes("Weights", architecture.weight_bytes(a), "as in the file" if a.weight_bytes else "as float16"),
        cards.Card(
            "Work for a token",
            architecture.flops_per_token(a, 1024) / 1e9,
            unit="GFLOP",
            digits=2,
            direction=0,
            note="with 1,024 tokens before it",
            help="Forward pass: two for each weight of a matrix, and attention.",
        ),
    ]
    cards.row(shown)
    for note in a.notes:
        st.caption(cards.plain(note))
    rows = [{"part": name, "parameters": count, "share": count / a.parameters} for name, count in a.parts.items()]
    charts.show(inspect_charts.parts(a), "parameters-by-part", data=rows, config=_settings(a), title="Parameters by part")


def _facts(a: Architecture) -> list[tuple[str, str]]:
    return [
        ("Name", a.name),
        ("Kind", a.kind),
        ("Layers", f"{a.layers:,}"),
        ("Width", f"{a.width:,}"),
        ("Heads", f"{a.heads:,}, each {a.head_size} wide"),
        ("KV heads", f"{a.kv_heads:,} ({a.attention})"),
        ("Feed-forward", f"{a.hidden:,}"),
        ("Experts", f"{a.experts:,}, {a.experts_active} for a token" if a.experts else ""),
        ("Vocabulary", f"{a.vocabulary:,}"),
        ("Made for", f"{a.context:,} tokens" if a.context else "not told"),
        ("Window", f"{a.window:,} tokens in {a.windowed_layers} layers" if a.window else ""),
        ("Output head", "the embedding table" if a.tied else "of its own"),
    ]


def _count(label: str, number: int, note: str) -> cards.Card:
    unit, size = ("B", 1e9) if number >= 1e9 else ("M", 1e6)
    return cards.Card(label, number / size, unit=unit, digits=2 if unit == "B" else 1, direction=0, note=note)


def _gigabytes(label: str, number: float, note: str) -> cards.Card:
    return cards.Card(label, number / 1e9, unit="GB", digits=1 if number > 1e9 else 3, direction=0, note=note)


def _settings(a: Architecture) -> dict[str, Any]:
    return {name: value for name, value in vars(a).items() if value not in ((), None)} | {"notes": list(a.notes)}


def calculator(a: Architecture) -> None:
    st.subheader("What it takes to run", anchor=False)
    left, right = st.columns([1, 2], gap="medium")
    with left:
        asked, weights = calculator_form(a)
    place = architecture.machine()[-1]
    found = architecture.memory(a, asked.context_tokens, asked.batch, weights, asked.cache, asked.attention)
    fits = architecture.longest_context(
        a, place.free, batch=asked.batch, weights=weights, cache=asked.cache, attention=asked.attention
    )
    with right:
        cards.row(
            [
                _gigabytes(
                    "Key-value cache", found.cache, f"{cards.size(found.cache / asked.context_tokens / asked.batch)} a token"
                ),
                _gigabytes("Weights", found.weights, weights or ("as in the file" if a.weight_bytes else "float16")),
                _gigabytes("All together", found.total, f"activations {cards.size(found.activations)}, an estimate"),
                cards.Card(
                    "Longest context here",
                    fits,
                    unit="tokens",
                    digits=0,
                    direction=0,
                    note=f"in {cards.size(place.free)} free of {place.name}"
                    if fits
                    else f"does not fit {cards.size(place.free)} free",
                ),
            ]
        )
        if asked.context_tokens > a.context > 0:
            st.caption(f"The model was made for {a.context:,} tokens of context; beyond them its text gets worse.")
        about = {"model": a.name, "weights": weights or "as given", **asked._asdict()}
        charts.show(
            inspect_charts.memory_bar(found, place.free),
            "memory",
            data=[found._asdict() | about],
            config=about,
            title="Memory",
            caption=f"{asked.context_tokens:,} tokens, batch {asked.batch}",
        )
        lengths = [n for n in CONTEXTS if n <= max(asked.context_tokens, a.context)]
        rows = [
            {"context": n, "attention": name, "gigabytes": architecture.cache_bytes(a, n, asked.batch, asked.cache, kind) / 1e9}
            for kind, name in inspect_charts.attentions(a).items()
            for n in lengths
        ]
        charts.show(
            inspect_charts.cache_by_context(a, asked.context_tokens, asked.batch, asked.cache, asked.attention, place.free),
            "cache-by-context",
            data=rows,
            config=about,
            title="Key-value cache by attention",
            caption=f"batch {asked.batch}, {asked.cache}",
        )


def calculator_form(a: Architecture) -> tuple[CacheSetting, str]:
    """Sliders, and the known answers that they can be set to."""
    context = st.select_slider(
        "Context (tokens)",
        CONTEXTS,
        2048,
        key="context",
        bind="query-params",
        format_func=lambda n: f"{n:,}",
        help="Tokens held for each text: prompt and answer.",
    )
    batch = st.select_slider("Texts at once", BATCHES, 1, key="batch", bind="query-params")
    kinds = inspect_charts.attentions(a)
    attention = st.selectbox(
        "Attention",
        list(kinds),
        key="attention",
        format_func=kinds.get,
        persist_state="session",
        help="As it is, or as if the same heads shared their keys and values otherwise.",
    )
    names = [name for name in architecture.BITS if name != "int4"]
    cache = st.selectbox("Precision of the cache", names, names.index("float16"), key="cache_precision", bind="query-params")
    given = "as in the file" if a.weight_bytes else "float16"
    formats = {given: "", **{name: name for name in architecture.BITS if name != given}}
    weights = st.selectbox("Precision of the weights", list(formats), key=f"weights/{given}", persist_state="session")
    with st.expander("Known answers", expanded=True):
        st.caption("32 layers, heads of 128 numbers, float16, 131,072 tokens. A click sets the sliders.")
        for name, known in KNOWN.items():
            size = architecture.cache_bytes(read("Llama 3.1 8B"), *known)
            st.button(
                f"{name}: {size / 1e9:,.1f} GB",
                key=f"known/{name}",
                type="tertiary",
                on_click=load_known,
                args=(name,),
                icon=":material/arrow_forward:",
            )
    return CacheSetting(context, batch, cache, attention), formats[weights]


def load_known(name: str) -> None:
    known = KNOWN[name]
    st.session_state.model = "Llama 3.1 8B"
    st.session_state.context, st.session_state.batch = known.context_tokens, known.batch
    st.session_state.attention, st.session_state.cache_precision = known.attention, known.cache


# Key-value cache -----------------------------------------------------------------------------------------------------


def cache(config: TrialConfig) -> None:
    left, right = st.columns([1, 2], gap="medium")
    with left:
        new = st.select_slider(
            "New tokens",
            (32, 64, 128, 256, 512, 1024),
            128,
            key="new_tokens",
            bind="query-params",
            help="Each is timed with the cache. More of them show the square, and take its time.",
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
        about = (config.corpus.dataset, new, every)
        run = measured(config, about, new, every)
        if run is None:
            return cards.empty(
                "Time and memory of a token",
                "With the cache a token reads the weights once and the keys before it. "
                "Without, the whole text is read again for each. Press Measure to see both.",
            )
        measured_cards(run)
    measured_charts(run, about)
    st.divider()
    beside(config, new)


def measured(config: TrialConfig, about: tuple, new: int, every: int) -> CacheMeasurement | None:
    """The last measurement; pressing the button makes one, drawn while it grows."""
    known = st.session_state.setdefault("inspect_cache", {})
    pressed, place = st.button("Measure", key="measure", type="primary", icon=":material/play_arrow:"), st.empty()
    if pressed:
        seen: list[TimedToken] = []
        with place.container():
            st.button("Cancel", key="stop/measure", icon=":material/close:")
            ids = _some_text(config, PROMPT)
            found = growing(measure_bundled(ids, new, every, seen), seen)
        known.clear()
        known[about] = found
        place.empty()
    elif known and about not in known:
        place.caption("Shown is the last measurement; press Measure for these settings.")
    return next(iter(known.values()), None)


def _some_text(config: TrialConfig, tokens: int) -> list[int]:
    corpus = session.workbench().corpus(config)
    return prompt_ids(jobs.drain(model.load()), corpus.documents[0].text[:20_000], tokens)


def growing(work: Generator[Progress, None, Any], seen: list[TimedToken]) -> Any:
    """`jobs.drain` with the curve that grows under the bar."""
    place = st.empty()

    def drawn() -> Generator[Progress, None, Any]:
        last = time.monotonic()
        try:
            while True:
                step = next(work)
                if seen and time.monotonic() - last > DRAW_S:
                    last = time.monotonic()
                    place.plotly_chart(inspect_charts.live(seen), key=f"live/{len(seen)}")
                yield step
        except StopIteration as end:
            return end.value
        finally:
            work.close()

    found = jobs.drain(drawn())
    place.empty()
    return found


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
    one, two = st.columns(2)
    for column, cached, title in ((one, False, "Without the cache"), (two, True, "With the cache")):
        fits = run.cached if cached else run.uncached
        with column:
            charts.show(
                inspect_charts.timed(run.steps, fits, cached),
                f"time-{'cached' if cached else 'uncached'}",
                data=rows,
                config=settings,
                title=title,
            )
            st.caption(fitted(fits, max(s.context_tokens for s in run.steps)))
    charts.show(
        inspect_charts.cache_memory(run.steps),
        "cache-memory",
        data=rows,
        config=settings,
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
        told = "no clear growth at these lengths; what the context adds is less than the scatter of the times"
    elif better:
        told = f"the square explains more, {bend_ms:.1f} ms of a token's time at {longest:,} tokens"
    else:
        told = "the line explains as much as the square"
    numbers = f"Adjusted R² {line.adjusted_r2:.3f} linear, {square.adjusted_r2:.3f} quadratic"
    return f"{minus(numbers)}: {told}."


def beside(config: TrialConfig, new: int) -> None:
    st.markdown("**Beside the library**")
    few = min(new, 128)
    found: LibrarySpeed | None = kept(
        "library",
        (config.corpus.dataset, few),
        "Compare with transformers",
        True,
        lambda: beside_library(_some_text(config, PROMPT), few),
        why=f"{few} tokens by our cached generation and by transformers', three times each in turns; loads the "
        "model a second time (540 MB).",
    )
    if found:
        share = found.here_per_s / found.library_per_s
        same = "The text is the same." if found.same_text else "The texts differ."
        st.markdown(
            f"Written here **{found.here_per_s:.1f}** tokens/s, transformers **{found.library_per_s:.1f}** tokens/s: "
            f"**{share:.2f}** times its speed over {found.tokens} tokens. {same}"
        )


# Attention -----------------------------------------------------------------------------------------------------------


def attention(config: TrialConfig) -> None:
    corpus = jobs.drain(session.workbench().read_corpus(config), "Reading the corpus")
    if not corpus.queries:
        return st.info(
            "This corpus has no questions to make a prompt from. Add a questions file on the page Corpus.", icon=":material/info:"
        )
    left, right = st.columns([1, 2], gap="medium")
    with left:
        question, passages, tokens = prompt_form(corpus.queries)
    with right:
        looked = kept(
            "attention",
            (config, question.id, passages, tokens),
            "Read the prompt",
            True,
            lambda: look(session.workbench(), config, question, passages, tokens),
            why="The bundled model reads the prompt of Ask, its passages shortened; every head is kept.",
        )
        if looked is None:
            return cards.empty(
                "Where the model looks",
                "Maps by layer and head, how focused each head is, and how much falls on the "
                "question, on each passage and on the first token.",
            )
        query = asking(looked)
        with left:
            layer, head = (
                st.slider(name, 0, most - 1, key=name.lower(), bind="query-params")
                for name, most in zip(("Layer", "Head"), looked.maps.shape, strict=False)
            )
        prompt_text(looked, query, layer, head)
    heads(looked, query, layer, head)


def prompt_form(queries: tuple[Query, ...]) -> tuple[Query, int, int]:
    some = {query.id: query for query in queries[:OFFERED]}
    chosen = st.selectbox(
        "Question",
        list(some),
        key="asked_about",
        persist_state="session",
        format_func=lambda id: some[id].text if id in some else str(id),
    )
    passages = st.slider("Passages", 1, 5, 3, key="look_passages", bind="query-params")
    tokens = st.slider(
        "Tokens of each passage",
        16,
        96,
        48,
        8,
        key="look_tokens",
        bind="query-params",
        help="Cut around the gold evidence where a passage has some, else from its start.",
    )
    st.caption(f"At most {MOST_TOKENS} tokens of prompt: the maps of all heads grow with their square.")
    return some[chosen], passages, tokens


def asking(looked: PromptAttention) -> int:
    """The token that looks; the last by default, from which the answer starts."""
    last = len(looked.tokens) - 1
    key = f"asking/{last}"
    return st.slider("Looking token", 0, last, last, key=key, help="The last one, by default: the answer starts from it.")


def prompt_text(looked: PromptAttention, query: int, layer: int, head: int) -> None:
    """The prompt, shaded by what the token attends to in the chosen head, or in the mean of all."""
    one, two = st.columns([1, 1])
    one.caption(f"Outlined: token {query}, {cards.plain(repr(looked.tokens[query]))}")
    whole = two.toggle("Mean of all heads", key="mean_heads", persist_state="session")
    weights = (looked.maps[:, :, query].mean((0, 1)) if whole else looked.maps[layer, head, query]).astype(np.float32)
    pieces = []
    for number, ((start, end), value) in enumerate(zip(looked.offsets, weights, strict=True)):
        edge = "outline:1.5px solid #D55E00;" if number == query else ""
        style = f"{edge}background:rgba(0,158,115,{min(0.85, float(value) ** 0.5):.2f});border-radius:2px"
        pieces.append(f'<span style="{style}" title="{number}: {value:.4f}">{escape(looked.text[start:end])}</span>')
    evidence.show(f'<div class="gw gw-scroll" style="max-height:17rem"><div class="gw-text">{"".join(pieces)}</div></div>')


def heads(looked: PromptAttention, query: int, layer: int, head: int) -> None:
    found, (layers, many) = attention_share(looked, query), looked.maps.shape[:2]
    about = {"question": looked.question, "layer": layer, "head": head, "looking_token": query}
    what = st.segmented_control(
        "Colour of a head",
        ["Entropy", *found.parts],
        default="Entropy",
        key="head_colour",
        required=True,
        help="Entropy: 0 bits when all is on one token. Else the share that falls on that part.",
    )
    part = found.parts.index(what) if what in found.parts else None
    values = found.entropy_bits if part is None else found.mass[:, :, part]
    rows = [
        {"layer": i, "head": j, "entropy_bits": float(found.entropy_bits[i, j])}
        | {name: float(found.mass[i, j, n]) for n, name in enumerate(found.parts)}
        for i in range(layers)
        for j in range(many)
    ]
    title = "Entropy of the heads" if part is None else f"Share on {what}"
    charts.show(
        inspect_charts.heads(values, "bits" if part is None else "", layer, head, None if part is None else 1.0),
        "heads",
        data=rows,
        config=about,
        title=title,
        caption="click a head to open it",
        on_select=open_head,
    )
    mean = found.mass.mean((0, 1))
    data = [
        {"part": name, "tokens": size, "this head": float(found.mass[layer, head, n]), "all heads": float(mean[n])}
        for n, (name, size) in enumerate(zip(found.parts, _sizes(looked), strict=True))
    ]
    one, two = st.columns([1.2, 1], gap="medium")
    with one:
        charts.show(
            inspect_charts.shares(found.parts, found.mass[layer, head], mean),
            "attention-by-part",
            data=data,
            config=about,
            title="On the parts of the prompt",
            caption=f"layer {layer}, head {head}",
        )
    with two:
        table([{name.capitalize(): value for name, value in row.items()} for row in data])
        st.caption(
            "Attention shows where information could flow, not that it was used. A longer part gets more by its length alone."
        )
    charts.show(
        inspect_charts.attention_map(looked.maps[layer, head], looked.tokens, looked.spans, query),
        "attention-map",
        config=about,
        data=map_rows(looked, layer, head),
        title="Attention map",
        caption=f"layer {layer}, head {head}, {len(looked.tokens)} tokens",
    )


def map_rows(looked: PromptAttention, layer: int, head: int) -> Any:
    """The map as a table for export, a row a looking token; made into text only when it is asked for."""
    import pandas as pd

    names = [f"{number} {token}" for number, token in enumerate(looked.tokens)]
    frame = pd.DataFrame(looked.maps[layer, head], columns=names)
    frame.insert(0, "looking", names)
    return frame


def _sizes(looked: PromptAttention) -> list[int]:
    """Tokens of each part, the first token and the rest."""
    parts = [end - start for start, end in looked.spans.values()]
    return [*parts, 1, len(looked.tokens) - sum(parts) - 1]


def open_head() -> None:
    chosen = st.session_state["chart/heads"]["selection"]["points"]
    if chosen:
        st.session_state.layer, st.session_state.head = int(chosen[0]["x"]), int(chosen[0]["y"])
