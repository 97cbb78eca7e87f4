"""Inside a model: its parts and memory, where it looks, its cache, a mixture of experts trained to be looked into."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from core import config
from core.cli.frame import subject, verb
from core.cli.options import USUAL, Positive, RecipeOptions, Text, Training, read_settings
from core.cli.tables import show_parts, show_table
from core.errors import WorkbenchError
from core.records import Query

subject("inside", "Inside a model.")

ATTENTIONS = ("", "MHA", "GQA", "MQA")
Attention = Literal["", "MHA", "GQA", "MQA"]
Both = Annotated[bool, Parameter(help="Also without the balancing loss, to compare.")]
READ_FIRST = 32  # tokens in the cache before the first that is timed


@verb("inside-architecture", show_parts)
def inside_architecture(
    model: Annotated[str, Parameter(help="A name of the page's list, or a GGUF file, a config.json, or a folder with one.")],
    /,
    *,
    context: Annotated[Positive, Parameter(help="Tokens held for each text.")] = 2048,
    batch: Annotated[Positive, Parameter(help="Texts at once.")] = 1,
    weights: Annotated[str, Parameter(help="Precision of the weights (default: as in the file, else float16).")] = "",
    cache: Annotated[str, Parameter(help="Precision of the cache.")] = "float16",
    attention: Annotated[Attention, Parameter(help="As if the heads shared keys and values otherwise.")] = "",
    name: Annotated[str, Parameter(help="What the model is called (default: as its file says, or is named).")] = "",
) -> Any:
    """A model's parts, what it takes to run, and its cache by context."""
    from core.labs.inside.architecture import read
    from core.models import architecture

    shape = read(model)
    unknown = [name for name in (weights, cache) if name and name not in architecture.BITS]
    if unknown:
        raise WorkbenchError(f"There is no precision '{unknown[0]}'.", todo=f"Choose among {', '.join(architecture.BITS)}.")
    memory = architecture.memory(shape, context, batch, weights, cache, attention)
    lengths = [2**power for power in range(7, 21) if 2**power <= max(context, shape.context)]
    return {
        "name": name or shape.name,
        "parameters": shape.parameters,
        "active for a token": shape.active_parameters,
        "attention": shape.attention,
        "weights, bytes": memory.weights,
        "operations for a token, of 1,024 before it": architecture.flops_per_token(shape, 1024),
        "longest context here": architecture.longest_context(
            shape, architecture.machine()[-1].free, batch=batch, weights=weights, cache=cache, attention=attention
        ),
        "parts": [{"part": name, "parameters": size, "share": size / shape.parameters} for name, size in shape.parts.items()],
        "memory, bytes": [memory._asdict() | {"total": memory.total}],
        "cache by context": [
            {
                "context": length,
                "attention": kind or shape.attention,
                "bytes": architecture.cache_bytes(shape, length, batch, cache, kind),
            }
            for kind in ATTENTIONS
            for length in lengths
        ],
    }


@verb("inside-cache", show_parts)
def inside_cache(
    workbench: Any,
    *,
    tokens: Annotated[Positive, Parameter(help="New tokens that are timed.")] = 64,
    every: Annotated[Positive, Parameter(help="So manieth token is timed without the cache too.")] = 16,
    library: Annotated[bool, Parameter(help="Also the speed of transformers on the same text.")] = False,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Seconds a token with the cache and without it, as the context grows, on a text of the corpus."""
    from core.labs.inside import cache, model

    corpus = yield from workbench.read_corpus(recipe.read())
    tools = yield from model.load()
    ids = cache.prompt_ids(tools, corpus.documents[0].text[:20_000], READ_FIRST)
    result = yield from cache.measure_bundled(ids, tokens, every, [])
    told = ("prompt_s", "cached_tokens_per_s", "uncached_tokens_per_s", "speedup", "bytes_per_token")
    beside = [vars((yield from cache.beside_library(ids, tokens)))] if library else []
    return {
        **{name: getattr(result, name) for name in told},
        "steps": [step._asdict() for step in result.steps],
        "fits": [
            {"of": name, "degree": fit.degree, "adjusted_r2": fit.adjusted_r2, "coefficients": fit.coefficients}
            for name, fits in (("with the cache", result.cached), ("without it", result.uncached))
            for fit in fits
        ],
        **({"beside transformers": beside} if library else {}),
    }


@verb("inside-attention", show_parts)
def inside_attention(
    workbench: Any,
    question: Text,
    /,
    *,
    passages: Positive = 3,
    tokens: Annotated[Positive, Parameter(help="Of each passage.")] = 48,
    looking: Annotated[
        int | None, Parameter(help="The token that looks (default: the last, from which the answer starts).")
    ] = None,
    layer: Annotated[int | None, Parameter(help="Also the map of a head of this layer, from 0.")] = None,
    head: Annotated[int, Parameter(help="The head of that layer, from 0.")] = 0,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Where the bundled model looks when it is asked: how focused each head is, and its share on each part of the prompt."""
    from core.labs.inside import attention

    read = recipe.read()
    corpus = yield from workbench.read_corpus(read)
    asked = next((query for query in corpus.queries if query.text == question), Query("", question))
    looked = yield from attention.look(workbench, read, asked, passages, tokens)
    layers, heads, last = (size - 1 for size in looked.maps.shape[:3])
    for option, value, most in (("--looking", looking, last), ("--layer", layer, layers), ("--head", head, heads)):
        if value is not None and not 0 <= value <= most:
            raise WorkbenchError(f"There is no {option.strip('-')} {value}.", where=option, todo=f"Choose 0 to {most}.")
    share = attention.attention_share(looked, last if looking is None else looking)
    record: dict[str, Any] = {
        "tokens": len(looked.tokens),
        "heads": [
            {"layer": i, "head": j, "entropy_bits": float(share.entropy_bits[i, j])}
            | {part: float(share.mass[i, j, place]) for place, part in enumerate(share.parts)}
            for i in range(layers + 1)
            for j in range(heads + 1)
        ],
    }
    if layer is not None:
        names = [f"{place} {token}" for place, token in enumerate(looked.tokens)]
        rows = looked.maps[layer, head].astype(float).tolist()
        record["map"] = [{"looking": name, **dict(zip(names, row, strict=True))} for name, row in zip(names, rows, strict=True)]
    return record


@verb("train-moe", show_table)
def train_moe(workbench: Any, *, train: Training = (), both: Both = False, recipe: RecipeOptions = USUAL) -> Any:
    """A small mixture of experts, trained on the texts of a corpus."""
    from core.labs.inside import experts
    from core.training.experts import MoeConfig

    training = config.valid(MoeConfig, read_settings(train))
    return [experts.moe_row(run) for run in (yield from experts.train_moe(workbench, recipe.read(), training, both))]


@verb("inside-experts", show_parts)
def inside_experts(workbench: Any, *, train: Training = (), both: Both = False, recipe: RecipeOptions = USUAL) -> Any:
    """A mixture of experts, trained where it is not yet: its steps, the load of each expert, where tokens go by part of speech."""
    from core.labs.inside import experts
    from core.training.experts import MoeConfig

    read, training = recipe.read(), config.valid(MoeConfig, read_settings(train))
    runs = yield from experts.train_moe(workbench, read, training, both)
    corpus = yield from workbench.read_corpus(read)
    record: dict[str, list[dict[str, Any]]] = {"steps": [], "layers": [], "loads": [], "kinds": [], "routes": []}
    for run in runs:
        about = {"balance": run.config.balance}
        routing, kind = held_out = yield from experts.held_out_routing(workbench, corpus, run)
        record["layers"] += [about | row for row in experts.layer_rows(held_out)]
        record["steps"] += [about | _step_row(step) for step in run.steps if step.balance]
        record["loads"] += [
            about | {"layer": i, "expert": e, "share": float(share)}
            for i, row in enumerate(experts.expert_loads(routing))
            for e, share in enumerate(row)
        ]
        record["kinds"] += [
            about | {"layer": i, "kind": name, "expert": e, "share": float(share)}
            for i, layer in enumerate(experts.by_kind(routing, kind))
            for name, row in zip(experts.KINDS, layer, strict=True)
            for e, share in enumerate(row)
            if share == share
        ]
        record["routes"] += [
            about | {"text": text, "start": start, "end": end} | {f"layer {i}": expert for i, expert in enumerate(chosen)}
            for text, (start, end), chosen in zip(
                routing.text.tolist(), routing.offsets.tolist(), routing.experts[:, :, 0].tolist(), strict=True
            )
        ]
    return record


def _step_row(step: Any) -> dict[str, Any]:
    """A step of a training: what is measured of each layer as its mean."""
    import numpy as np

    means = {name: float(np.mean(getattr(step, name))) for name in ("balance", "z", "cv", "entropy_bits", "dropped")}
    return {"step": step.done, "loss": step.loss, **{f"mean {name}": value for name, value in means.items()}}


@verb("scaling", show_parts)
def scaling(
    workbench: Any,
    *,
    width: Annotated[tuple[int, ...], Parameter(help="Sizes of the model (32, 64, 128, 256); repeatable.")] = (32, 64, 128),
    steps: Annotated[tuple[int, ...], Parameter(help="Training steps: amounts of data; repeatable.")] = (100, 200, 400),
    seeds: Annotated[Positive, Parameter(help="So many trainings of each.")] = 1,
    train: Training = (),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """How the loss of a small transformer falls with size and data: the law, how it predicted the largest training, and the next size."""
    from core.labs.inside import scaling as lab

    wanted = lab.configs(read_settings(train), width, steps, range(seeds))
    return lab.record((yield from lab.study(workbench, recipe.read(), wanted)))
