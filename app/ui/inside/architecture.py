"""The tab Architecture: the parts of a model, and what it takes to run."""

from typing import Any

import streamlit as st

from app.ui import cards, charts, forms
from app.ui.inside import figures
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.inside.architecture import BUNDLED, CONFIGS, KNOWN, CacheSetting, read, read_upload
from core.models import architecture
from core.models.architecture import Architecture
from core.workbench import command_line

FILE, UPLOAD = "A file of this machine", "An upload"
CONTEXTS = tuple(2**n for n in range(7, 21))
OPTIONS = ("context", "batch", "weights", "cache", "attention")  # of the command
BATCHES = (1, 2, 4, 5, 8, 10, 16, 32, 64, 128)


def model_architecture(config: TrialConfig) -> None:
    left, right = st.columns([1, 2], gap="medium")
    with left:
        if model := chosen_model():
            cards.facts(_facts(model))
    with right:
        if model is None:
            return cards.empty(
                "The parts of a model",
                "Upload a config.json or a GGUF file, or name one of this machine. Only the "
                "description is read, never the weights.",
            )
        described(model)
    st.divider()
    calculator(model)


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
            upload = st.file_uploader("config.json or GGUF file", key="model_upload")
            return read_upload(upload.name, upload.getvalue()) if upload else None
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


def command(shape: Architecture, settings: dict[str, Any] | None = None) -> str:
    """The command that prints the picked model's parts and memory; of an uploaded file by its name."""
    state, model = st.session_state, st.session_state.get("model") or BUNDLED
    if model == FILE:
        model = state.model_path.strip()
    elif model == UPLOAD:
        model = state.model_upload.name
    asked = {name: settings[name] for name in OPTIONS if settings and settings.get(name)}
    asked |= {"name": shape.name} if state.get("model") == UPLOAD else {}
    return command_line("inside-architecture", model, *(word for name in asked for word in (f"--{name}", str(asked[name]))))


def described(a: Architecture) -> None:
    shown = [
        _count("Parameters", a.parameters, f"{a.parameters:,}"),
        _count(
            "Active for a token",
            a.active_parameters,
            f"{a.experts_active} of {a.experts} experts a layer" if a.experts else "a dense model: all of them",
        ),
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
    charts.show(
        figures.parts(a), "parameters-by-part", data=rows, config=_settings(a), command=command(a), title="Parameters by part"
    )


def _facts(a: Architecture) -> list[tuple[str, str]]:
    return [
        ("Name", a.name),
        ("Architecture", a.kind),
        ("Layers", f"{a.layers:,}"),
        ("Hidden size", f"{a.width:,}"),
        ("Heads", f"{a.heads:,}, each {a.head_size} wide"),
        ("KV heads", f"{a.kv_heads:,} ({a.attention})"),
        ("Feed-forward", f"{a.hidden:,}"),
        ("Experts", f"{a.experts:,}, {a.experts_active} for a token" if a.experts else ""),
        ("Vocabulary", f"{a.vocabulary:,}"),
        ("Context window", f"{a.context:,} tokens" if a.context else "not told"),
        ("Sliding window", f"{a.window:,} tokens in {a.windowed_layers} layers" if a.window else ""),
        ("Output head", "tied to the embeddings" if a.tied else "untied"),
    ]


def _count(label: str, number: int, note: str) -> cards.Card:
    unit, size = ("B", 1e9) if number >= 1e9 else ("M", 1e6)
    return cards.Card(label, number / size, unit=unit, digits=2 if unit == "B" else 1, direction=0, note=note)


def _bytes(label: str, number: float, note: str) -> cards.Card:
    unit, size = ("GB", 1e9) if number >= 1e9 else ("MB", 1e6)
    return cards.Card(label, number / size, unit=unit, digits=1 if unit == "GB" or number < 1e7 else 0, direction=0, note=note)


def _settings(a: Architecture) -> dict[str, Any]:
    return {name: value for name, value in vars(a).items() if value not in ((), None)} | {"notes": list(a.notes)}


def calculator(a: Architecture) -> None:
    st.subheader("What it takes to run", anchor=False)
    left, right = st.columns([1, 2], gap="medium")
    with left:
        asked, weights = calculator_form(a)
    place = architecture.machine()[-1]
    memory = architecture.memory(a, asked.context_tokens, asked.batch, weights, asked.cache, asked.attention)
    fits = architecture.longest_context(
        a, place.free, batch=asked.batch, weights=weights, cache=asked.cache, attention=asked.attention
    )
    with right:
        cards.row(
            [
                _bytes(
                    "Key-value cache", memory.cache, f"{cards.size(memory.cache / asked.context_tokens / asked.batch)} a token"
                ),
                _bytes("Weights", memory.weights, weights or _own_format(a)),
                _bytes("All together", memory.total, f"activations {cards.size(memory.activations)}, an estimate"),
                cards.Card(
                    "Longest context here",
                    fits,
                    unit="tokens",
                    digits=0,
                    direction=0,
                    note=_limit(a, fits, f"{cards.size(place.free)} free of {place.name}"),
                ),
            ]
        )
        if asked.context_tokens > a.context > 0:
            st.caption(f"The model's context window is {a.context:,} tokens; beyond it its text gets worse.")
        about = {"model": a.name, "weights": weights or "as given", **asked._asdict()}
        settings = {"weights": weights, **asked._asdict(), "context": asked.context_tokens}
        charts.show(
            figures.memory_bar(memory, place.free),
            "memory",
            data=[memory._asdict() | about],
            config=about,
            command=command(a, settings),
            title="Memory",
            caption=f"{asked.context_tokens:,} tokens, batch {asked.batch}",
        )
        lengths = [n for n in CONTEXTS if n <= max(asked.context_tokens, a.context)]
        rows = [
            {"context": n, "attention": name, "gigabytes": architecture.cache_bytes(a, n, asked.batch, asked.cache, kind) / 1e9}
            for kind, name in figures.attentions(a).items()
            for n in lengths
        ]
        charts.show(
            figures.cache_by_context(a, asked.context_tokens, asked.batch, asked.cache, asked.attention, place.free),
            "cache-by-context",
            data=rows,
            config=about,
            command=command(a, settings),
            title="Key-value cache by attention",
            caption=f"batch {asked.batch}, {asked.cache}",
        )


def _own_format(a: Architecture) -> str:
    return f"as in the file, {a.weight_bytes * 8 / a.parameters:.1f} bits a weight" if a.weight_bytes else "float16"


def _limit(a: Architecture, fits: int, free: str) -> str:
    """Which of the two, model or memory, ends the context."""
    if fits == a.context > 0:
        return f"the model's own limit; {free} hold it"
    return f"all that {free} hold" if fits else f"does not fit {free}"


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
    batch = st.select_slider("Batch size", BATCHES, 1, key="batch", bind="query-params")
    about = "As it is, or as if the same heads shared their keys and values otherwise."
    attention = forms.one_of_many("Attention", figures.attentions(a), "attention", persist_state="session", help=about)
    names = [name for name in architecture.BITS if name != "int4"]
    cache = st.selectbox("Precision of the cache", names, names.index("float16"), key="cache_precision", bind="query-params")
    own_format = "as in the file" if a.weight_bytes else "float16"
    formats = {own_format: "", **{name: name for name in architecture.BITS if name != own_format}}
    weights = st.selectbox("Precision of the weights", list(formats), key=f"weights/{own_format}", persist_state="session")
    with st.expander("Known answers", expanded=True):
        st.caption("32 layers, heads of 128 numbers, float16, 131,072 tokens. A click sets the sliders.")
        for name, answer in KNOWN.items():
            size = architecture.cache_bytes(read("Llama 3.1 8B"), *answer)
            title = f"{name}: {size / 1e9:,.1f} GB"
            cards.press(title, "arrow_forward", f"known/{name}", load_answer, name, type="tertiary")
    return CacheSetting(context, batch, cache, attention), formats[weights]


def load_answer(name: str) -> None:
    answer = KNOWN[name]
    st.session_state.model = "Llama 3.1 8B"
    st.session_state.context, st.session_state.batch = answer.context_tokens, answer.batch
    st.session_state.attention, st.session_state.cache_precision = answer.attention, answer.cache


def strip() -> None:
    place = architecture.machine()[-1]
    cards.status_strip(
        [
            "SmolLM2-135M-Instruct, computed by our own transformer",
            f"{place.name}: {cards.size(place.free)} free of {cards.size(place.total)}",
            "nothing leaves this machine",
        ]
    )
