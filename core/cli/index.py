"""Indexes: their settings measured, what these cost the answer, what is inside, under a filter, over a life of changes."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import subject, verb
from core.cli.options import USUAL, Grids, Metric, Positive, RecipeOptions
from core.cli.tables import cell, rows_of, show_parts, show_table, show_value, show_whole
from core.errors import WorkbenchError
from core.files.grids import read_grid, read_numbers
from core.records import plain

subject("index", "Indexes: measured, looked into, changed.")

ChangeUnit = Annotated[
    Literal["vectors", "documents"], Parameter(help="What changes: single vectors, or documents with their chunks.")
]


@verb("index-sweep", show_table)
def index_sweep(
    workbench: Any,
    *,
    recipe: RecipeOptions = USUAL,
    grids: Grids = (),
    again: Annotated[bool, Parameter(help="Measure also what is stored already.")] = False,
) -> Any:
    """Recall, speed and size of index settings, stored; without a grid of the recipe's own."""
    from core.labs.index import measuring, points

    return points.rows((yield from measuring.sweep(workbench, recipe.read(), read_grid(grids), again=again)))


@verb("index-points", show_table)
def index_points(workbench: Any, *, recipe: RecipeOptions = USUAL) -> Any:
    """What was measured of the indexes of these vectors."""
    from core.labs.index import points

    return points.rows((yield from points.stored(workbench, recipe.read())))


def show_cost(rows: list[dict[str, Any]]) -> None:
    """A setting's recall, then its sentences whole: they are what the verb is for. --json has every number."""
    for setting in dict.fromkeys(row["setting"] for row in rows):
        some = [row for row in rows if row["setting"] == setting]
        print(f"{setting}: recall {cell(some[0]['recall'])} against exact search, n {some[0]['n']:,}")
        for row in some:
            print(f"  {row['fusion']}: {row['sentence'].removeprefix(setting).strip()}")


@verb("index-cost", show_cost)
def index_cost(
    workbench: Any,
    *,
    recipe: RecipeOptions = USUAL,
    grids: Grids = (),
    margin: Annotated[float, Parameter(help="Points (hundredths) within which two means are equal.")] = 1.0,
) -> Any:
    """What an index setting costs ranking quality, with a test of equivalence."""
    from core.labs.index import cost

    return cost.cost_rows((yield from cost.cost_curve(workbench, recipe.read(), read_grid(grids), margin)))


@verb("index-questions", show_parts)
def index_questions(
    workbench: Any,
    *,
    metric: Metric = "ndcg_linear",
    question: Annotated[int | None, Parameter(help="Row of a question, from 0: also both its rankings.")] = None,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """What the index loses of exact search by question, and both rankings of one."""
    from core.labs.index import cost, questions

    config = recipe.read()
    corpus = yield from workbench.read_corpus(config)
    answers = yield from cost.answer_cost(workbench, config, metrics=[metric])
    record = {"questions": rows_of(questions.by_question(answers, corpus, metric, fused=True))}
    if question is not None:
        _check_question(question, len(corpus.queries))
        both = yield from questions.side_by_side(workbench, config, question)
        for name, ranking in zip(("exact search", "this index"), both, strict=True):
            record[name] = [{**vars(ranked.hit), "rank elsewhere": ranked.elsewhere} for ranked in ranking]
    return plain(record)


def _check_question(row: int, number: int) -> None:
    if not 0 <= row < number:
        raise WorkbenchError(f"There is no question {row}.", where="--question", todo=f"Rows go from 0 to {number - 1}.")


@verb("index-inside", show_parts)
def index_inside(
    workbench: Any,
    *,
    question: Annotated[int, Parameter(help="Row of the question that is followed, from 0.")] = 0,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """The graph or the lists of an index, and the way of one question through them."""
    from core.labs.index import inside

    config = recipe.read()
    read = yield from inside.index_inside(workbench, config)
    if read is None:
        raise WorkbenchError(
            f"The inside of {config.index.part} cannot be read out.", todo="Choose FAISS HNSW or one of FAISS IVF for the index."
        )
    _check_question(question, len(read.queries))
    return plain(inside.rows(read, config, question))


@verb("index-filters", show_table)
def index_filters(
    workbench: Any,
    *,
    by: Annotated[
        str, Parameter(help="source, type of question or document: its 12 largest values (default: random shares).")
    ] = "random share",
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Recall and latency where only some chunks may be found, in three ways to filter."""
    from core.labs.index import filtered

    config = recipe.read()
    corpus = yield from workbench.read_corpus(config)
    groups = filtered.groupings(corpus, (yield from workbench.cut_chunks(config)))
    ways = (*groups, "random share")
    if by not in ways:
        raise WorkbenchError(f"Chunks cannot be filtered by '{by}'.", where="--by", todo=f"Choose among {', '.join(ways)}.")
    results = yield from filtered.filters(workbench, config, groups.get(by))
    return filtered.rows(results, filtered.mean_recalls(results, config))


@verb("index-fallback", show_table)
def index_fallback(
    workbench: Any, *, rule: Literal["margin", "crowding", "likeness", "complete"] = "margin", recipe: RecipeOptions = USUAL
) -> Any:
    """Unsafe questions sent to exact search: what that gains and costs, by threshold."""
    from core.labs.index import fallback, measuring

    config = recipe.read()
    point = yield from measuring.measure_point(workbench, config, quick=True)
    approximate_us = 1e6 / (point.single_qps or float("inf"))
    return [step._asdict() for step in (yield from fallback.exact_fallback(workbench, config, rule, approximate_us))]


@verb("index-life", show_parts)
def index_life(
    workbench: Any,
    *,
    changes: Annotated[
        Literal["replace", "update", "mixed", "grow", "shrink", "each"],
        Parameter(help="What a round does; each: it adds, changes and removes the share."),
    ] = "mixed",
    share: Annotated[float, Parameter(help="Percent of the unit that a round changes.")] = 20,
    unit: ChangeUnit = "vectors",
    rounds: Positive = 5,
    lost: Annotated[float, Parameter(help="Points of recall that may be lost before a rebuild.")] = 1.0,
    most: Annotated[
        int, Parameter(validator=Number(gte=100), help="Vectors that are followed, of a larger corpus a sample.")
    ] = 4000,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """An index through rounds of changes: recall and latency beside a fresh build, and when to rebuild."""
    from core.labs.index import churn
    from core.labs.index.life import life

    lived = yield from life(workbench, recipe.read(), changes, share / 100, rounds, unit, most)
    rebuild = churn.when_to_rebuild(lived, lost / 100)
    told = rebuild._asdict() | {"may_be_chance": rebuild.may_be_chance}
    return {**{f"rebuild: {name}": value for name, value in told.items()}, "rounds": churn.rows(lived)}


@verb("index-schedule", lambda record: show_value("\n".join(record["told"])))
def index_schedule(
    workbench: Any,
    *,
    unit: ChangeUnit = "documents",
    lost: Annotated[float, Parameter(help="Points of recall that may be lost.")] = 1.0,
    daily: Annotated[
        float,
        Parameter(validator=Number(gte=0, lte=100), help="Percent of the unit that is removed or changed in a day; 0: unknown."),
    ] = 0.0,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """When to rebuild an index, by the decay in its newest recorded life (`index life`)."""
    from core.labs.index import life

    made = life.schedule((yield from life.recorded(workbench, recipe.read(), unit)), lost / 100)
    return plain(made) | {"told": life.schedule_words(made, daily)}


@verb("index-forecast", show_whole)
def index_forecast(
    workbench: Any,
    *,
    shares: Annotated[
        str, Parameter(help="Percent of the documents, A,B,C (default: 1,2,5,10,20, or what a small corpus allows).")
    ] = "",
    whole: Annotated[bool, Parameter(help="Also build and measure the whole, and compare the forecast with it.")] = False,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Recall, ranking, latency, memory and build time of the whole corpus, from samples of its documents."""
    from core.labs.index import scale_forecast as lab

    config = recipe.read()
    rows = yield from lab.measure(workbench, config, tuple(read_numbers(shares, "--shares")) if shares else (), whole)
    return lab.table(lab.forecast(rows, config), config, workbench.command(config, "index-forecast"))


@verb("index-switch", show_value)
def index_switch(
    workbench: Any,
    to: Annotated[str, Parameter(help="The new encoder, as `list encoder` names it.")],
    /,
    *,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Another encoder behind a shadow index, while questions keep coming."""
    from core.labs.index import shadow

    return shadow.switch_words((yield from shadow.switch_encoder(workbench, recipe.read(), to)))
