"""Encoders: trained, compared, and the shape of their vectors."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from core import registry
from core.cli.frame import subject, verb
from core.cli.options import USUAL, Metric, RecipeOptions, Training, read_settings
from core.cli.tables import log_parts, rows_of, show_parts, show_table
from core.errors import WorkbenchError

subject("encoders", "Encoders: compared, looked into, trained.")

Encoders = Annotated[
    tuple[str, ...],
    Parameter(
        name="--encoder", help="minilm-mean, minilm-cls, lsa, word2vec-idf, trained-NAME …; repeatable (default: the recipe's)."
    ),
]
Encoder = Annotated[str, Parameter(help="As `encoders compare` takes it (default: the recipe's).")]
Everything = Annotated[bool, Parameter(help="Ask all questions of a large corpus, not a draw.")]


@verb("train-encoder")
def train_encoder(workbench: Any, name: str, /, *, train: Training = (), recipe: RecipeOptions = USUAL) -> Any:
    """A dual encoder, trained on the questions of a corpus."""
    from core.labs.encoders.training import train_encoder

    return train_encoder(workbench, recipe.read(), name, read_settings(train))


@verb("train-rag", job_keeps=lambda result: result.folder.name)
def train_rag(workbench: Any, name: str, /, *, train: Training = (), recipe: RecipeOptions = USUAL) -> Any:
    """An encoder whose question side learns from how likely the generator finds the answer over the passages found (RAG end to end)."""
    from core.labs.encoders.training import train_rag

    return train_rag(workbench, recipe.read(), name, read_settings(train))


@verb("encoders-trained", show_table)
def encoders_trained() -> list[dict[str, Any]]:
    """The encoders trained here, newest first, and whether each is better than its start."""
    from core.labs.encoders import training

    told = ("created", "steps", "best_step")
    return [
        {"name": encoder.name, "verdict": encoder.verdict, **{name: encoder.record.get(name) for name in told}}
        for encoder in training.trained()
    ]


@verb("encoders-training", show_parts)
def encoders_training(name: str, /) -> dict[str, Any]:
    """How a trained encoder was trained: its loss by step, and its checks on validation questions."""
    from core.labs.encoders import training

    return log_parts(name, training.training_log(name), "`python -m core encoders train NAME` trains one.")


def _measured(workbench: Any, recipe: RecipeOptions, encoders: Sequence[str], everything: bool = False) -> Any:
    """The encoders' rows against the first, their corpus embedded where it is not yet."""
    from core.labs.encoders import comparison

    config = recipe.read()
    offers = {offer.id: offer for offer in comparison.offers(config)}
    if unknown := [name for name in encoders if name and name not in offers]:
        raise WorkbenchError(
            f"There is no encoder '{unknown[0]}' here.", where="--encoder", todo=f"Choose among {', '.join(offers)}."
        )
    chosen = [offers[name] for name in encoders if name] or [comparison.own(list(offers.values()), config)]
    for offer in chosen:
        yield from workbench.prepare(comparison.prepared(comparison.variant(config, offer.part)))
    return (yield from comparison.leaderboard(workbench, config, chosen, chosen[0], everything))


@verb("encoders-compare", show_table)
def encoders_compare(
    workbench: Any, *, encoders: Encoders = (), everything: Everything = False, recipe: RecipeOptions = USUAL
) -> Any:
    """Encoders side by side by dense retrieval alone: metrics, size, speed, and differences to the first one."""
    from core.evaluation.metric import metric_names
    from core.labs.encoders import comparison

    rows = yield from _measured(workbench, recipe, encoders, everything)
    return comparison.table(rows, metric_names(), rows[0].offer)


@verb("encoders-questions", show_table)
def encoders_questions(
    workbench: Any,
    *,
    encoders: Encoders = (),
    metric: Metric = "ndcg_linear",
    everything: Everything = False,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """An encoder by question; of two the second against the first."""
    registry.find("metric", metric)
    if len(encoders) > 2:
        raise WorkbenchError("More than two encoders are named.", where="--encoder", todo="Give one, or two.")
    rows = yield from _measured(workbench, recipe, encoders, everything)
    first, *others = (_evaluated(row) for row in rows)
    return rows_of(workbench.by_question(*others, first, metric) if others else workbench.by_question(first, None, metric))


def _evaluated(row: Any) -> Any:
    if row.evaluation is None:
        raise row.error or WorkbenchError(row.plan.what)
    return row.evaluation


def _row(workbench: Any, recipe: RecipeOptions, encoder: str, everything: bool = False) -> Any:
    """The row of one encoder, measured."""
    [row] = yield from _measured(workbench, recipe, [encoder], everything)
    _evaluated(row)
    return row


@verb("encoders-trade-off", show_table)
def encoders_trade_off(
    workbench: Any,
    *,
    encoder: Encoder = "",
    more: Annotated[bool, Parameter(help="Also float16, PQ and OPQ.")] = False,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Metrics over the bytes of a vector: each number of dimensions in each number format."""
    from core.labs.encoders import trade_off

    row = yield from _row(workbench, recipe, encoder)
    formats = (*trade_off.FORMATS, *(trade_off.MORE_FORMATS if more else ()))
    now, points = yield from trade_off.trade_off(workbench, row.config, formats)
    return [
        {
            "dimensions": point.dimensions,
            "format": trade_off.format_name(point.format),
            "bytes_per_vector": point.bytes_per_vector,
            **{f"{metric}{end}": value for metric, at in point.intervals.items() for end, value in _ends(at)},
            "this_setting": point == now,
        }
        for point in (points if now in points else [*points, now])
    ]


def _ends(interval: Any) -> list[tuple[str, float | None]]:
    return [("", interval.mean), ("_low", interval.low), ("_high", interval.high)]


@verb("encoders-geometry", show_parts)
def encoders_geometry(workbench: Any, *, encoders: Encoders = (), recipe: RecipeOptions = USUAL) -> Any:
    """The shape of encoders' vectors: isotropy, dimensions in use, hubs, and the variance that the first directions hold."""
    from core.labs.encoders import geometry

    measures, spectrum = [], []
    for row in (yield from _measured(workbench, recipe, encoders)):
        shape = yield from geometry.geometry_of(workbench, row)
        for state, diagnosis in zip(("", " after"), shape, strict=True):
            if diagnosis is None:
                continue
            values = {**vars(diagnosis), **diagnosis.hubness._asdict()}
            name = row.offer.name + state
            measures.append({"encoder": name, **{key: value for key, value in values.items() if isinstance(value, int | float)}})
            held = enumerate(accumulate(diagnosis.spectrum.tolist()), 1)
            spectrum += [{"encoder": name, "directions": directions, "share": share} for directions, share in held]
    return {"measures": measures, "spectrum": spectrum}


@verb("encoders-separation", show_parts)
def encoders_separation(
    workbench: Any, *, encoder: Encoder = "", everything: Everything = False, recipe: RecipeOptions = USUAL
) -> Any:
    """Cosines of questions with their evidence, and with random chunks."""
    from core.labs.encoders import geometry

    row = yield from _row(workbench, recipe, encoder, everything)
    result = yield from geometry.separation_of(workbench, row)
    middles = ((result.edges[:-1] + result.edges[1:]) / 2).tolist()
    pairs = {"Random pairs": result.random_counts, "Gold pairs": result.gold_counts}
    return {
        "encoder": row.offer.name,
        "auc": result.auc,
        "d_prime": result.d_prime,
        "cosines": [
            {"pairs": name, "cosine": cosine, "share": share}
            for name, counts in pairs.items()
            for cosine, share in zip(middles, (counts / max(counts.sum(), 1)).tolist(), strict=True)
        ],
    }


@verb("encoders-map", show_table)
def encoders_map(
    workbench: Any,
    *,
    encoder: Encoder = "",
    method: Literal["pca", "tsne"] = "pca",
    against: Annotated[str, Parameter(help='Another encoder, or "recipe": questions tell whether that one finds them.')] = "",
    everything: Everything = False,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Chunks and questions in the plane."""
    from core.labs.encoders import geometry

    row, other = (yield from _row(workbench, recipe, encoder, everything)), None
    if against == "recipe":
        other = yield from workbench.evaluating(recipe.read())
    elif against:
        other = (yield from _row(workbench, recipe, against, everything)).evaluation
    return geometry.map_rows(row, (yield from geometry.vector_map(workbench, row, method)), other)
