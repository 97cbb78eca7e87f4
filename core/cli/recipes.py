"""A recipe: what it finds, answers and measures."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import subject, verb
from core.cli.options import USUAL, Grids, Metric, Positive, RecipeOptions, Text, references
from core.cli.options import reference as reference_of
from core.cli.tables import between, rows_of, show_parts, show_table
from core.cli.trials import show_trial
from core.errors import WorkbenchError
from core.files.grids import read_grid, read_numbers
from core.report.table import P_VALUE, written

subject("recipe", "A recipe: prepared, varied, chosen on dev questions.")


@verb("prepare")
def prepare(
    workbench: Any,
    *,
    recipe: RecipeOptions = USUAL,
    grids: Grids = (),
    engine: Annotated[Literal["local", "ray"], Parameter(help="What embeds the recipe's chunks.")] = "local",
    address: Annotated[str, Parameter(help="Of a running Ray cluster (default: one is started on this machine).")] = "",
    workers: Annotated[int, Parameter(validator=Number(gte=0), help="Of the cluster; 0: a worker a processor.")] = 0,
) -> Any:
    """Chunk, embed and index, so that sliders answer at once."""
    from core.labs.trials import curve
    from core.pipeline.cluster import embed_on_cluster

    read = recipe.read()
    if engine == "ray":
        yield from embed_on_cluster(workbench.pipeline, read, workers, address)
    if grids:
        return (yield from curve.prepare(workbench, read, read_grid(grids)))
    return (yield from workbench.prepare(read))


@verb("run", show_trial)
def run(
    workbench: Any,
    *,
    experiment: Annotated[str, Parameter(help="Id of the experiment that the trial goes into.")] = "",
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Measure a recipe and store it as a trial."""
    from core.labs.experiments import book

    read = recipe.read()
    trial = yield from workbench.run(read, book.load(workbench, experiment).id if experiment else "")
    return {**workbench.measured(trial), "command": workbench.command(read)}


@verb("sweep")
def sweep(workbench: Any, *, recipe: RecipeOptions = USUAL, grids: Annotated[Grids, Parameter(required=True)]) -> Any:
    """A stored trial for each point of a grid."""
    return workbench.sweep(recipe.read(), read_grid(grids))


def show_curve(rows: list[dict[str, Any]]) -> None:
    """Each metric with its interval in one column."""
    names = [key for key in rows[0] if f"{key} low" in rows[0] and not key.endswith(" difference")]
    setting = next(iter(rows[0]))
    filled = any(row["full"] < 1 for row in rows)
    show_table(
        [
            {
                setting: row[setting],
                "n": row["n"],
                "context tokens": round(row["context_tokens"]),
                **({"filled": f"{row['full']:.0%}"} if filled else {}),
                **{head: cell for name in names for head, cell in _curve_cells(row, name).items()},
            }
            for row in rows
        ]
    )


def _curve_cells(row: dict[str, Any], name: str) -> dict[str, str]:
    """A metric with its interval, and where values were compared its paired difference with that of it and p."""
    cells = {name: between({"value": row[name], "low": row[f"{name} low"], "high": row[f"{name} high"]})}
    if (difference := f"{name} difference") in row:
        p = row[f"{name} p (Holm)"]
        told = between({"value": row[difference], "low": row[f"{difference} low"], "high": row[f"{difference} high"]})
        cells[difference] = told + ("" if p is None else f", p {written(p, P_VALUE)} (Holm)")
    return cells


@verb("curve", show_curve)
def curve(
    workbench: Any,
    *,
    recipe: RecipeOptions = USUAL,
    grid: Annotated[str, Parameter(help="STAGE.FIELD=A,B,C | START:STOP:STEP: the values.")],
    metric: Annotated[tuple[str, ...], Parameter(help="As `list metric` names them; repeatable.")] = (),
    budget: Annotated[
        Positive | None, Parameter(help="Tokens of context that every value gets for a question (default: the first k chunks).")
    ] = None,
    against: Annotated[
        tuple[str, ...],
        Parameter(
            help="STAGE.FIELD=VALUE: paired differences to the recipe with this setting; repeatable (default: the recipe, "
            "where it is one of the values)."
        ),
    ] = (),
    best: Annotated[bool, Parameter(help="Paired differences to the highest value of each metric.")] = False,
) -> Any:
    """One setting over its range: metrics, and the context they cost; nothing is stored."""
    from core.labs.trials import curve as lab

    [(setting, values)] = read_grid([grid]).items()
    metrics, read, tokens = _measured_metrics(metric, budget), recipe.read(), budget or 0
    points = yield from lab.curve(workbench, read, setting, values, tokens)
    stage, _, field = setting.partition(".")
    own = getattr(getattr(read, stage), field)
    reference = next((point for point in points if point.value == own), None)
    if against:
        reference = lab.point_of(workbench, reference_of(read, against), tokens)
    references = {name: lab.highest(points, name) if best else reference for name in metrics}
    compared = {name: lab.differences(workbench, read, points, of, name) for name, of in references.items() if of}
    shown = [point._replace(intervals={name: point.intervals[name] for name in metrics}) for point in points]
    return lab.rows(setting, shown, compared)


def _measured_metrics(wanted: Sequence[str], budget: int | None) -> list[str]:
    """The metrics of a curve: those asked for, or all there are."""
    from core.evaluation.metric import metric_names
    from core.labs.trials.curve import metrics_at_budget

    offered = metrics_at_budget() if budget else metric_names()
    if unknown := [name for name in wanted if name not in offered]:
        raise WorkbenchError(
            f"'{unknown[0]}' is not measured {'at equal context' if budget else 'here'}.",
            where="--metric",
            todo=f"Choose among {', '.join(offered)}.",
        )
    return list(wanted or offered)


def show_hits(hits: list[dict[str, Any]]) -> None:
    """Each hit with its score and place, and the beginning of its text."""
    for hit in hits:
        page = f", page {hit['page']}" if hit["page"] else ""
        print(f"{hit['rank']:>2}. {hit['score']:.4f}  {hit['document_id']}{page} [{hit['start']}:{hit['end']}]")
        for how in dict.fromkeys(hit["longer"].values()):
            print(f"    longer than the reranker reads: {how}")
        print("    " + " ".join(hit["text"].split())[:160])


@verb("search", show_hits)
def search(workbench: Any, question: Text, /, *, recipe: RecipeOptions = USUAL) -> Any:
    """The ranking for a question."""
    return workbench.search(recipe.read(), question)


def show_answer(answer: dict[str, Any]) -> None:
    """What the answer, which has been streamed, cost, and the passages it had."""
    counts = ["an uncounted number of" if n is None else n for n in (answer["prompt_tokens"], answer["answer_tokens"])]
    cost = "" if answer["cost_usd"] is None else f"; {answer['cost_usd']:.6f} USD"
    tries = f"; {answer['retries']} retries" if answer["retries"] else ""
    print(
        f"\n\n{answer['finish_reason']}; {counts[0]} prompt and {counts[1]} answer tokens; "
        f"retrieval {answer['retrieval_ms']:.0f} ms, first token {answer['first_token_ms']:.0f} ms, "
        f"generation {answer['generation_ms']:.0f} ms{cost}{tries}"
    )
    if again := answer.get("again"):
        first = again["first_difference"]
        place = "" if first is None else f", different from {again['unit']} {first + 1} on"
        same = {True: "the same", False: "another", None: "both failed, no"}[again["same_conclusion"]]
        print(
            f"again: {again['same']} of {max(again['first'], again['second'])} {again['unit']}s equal{place}; {same} conclusion"
        )
    for quote in answer["detail"].get("quotes", ()):
        words = answer["text"][quote["start"] : quote["end"]]
        print(f"“{words}” from [{quote['passage']}] {quote['document_id']} [{quote['from']}:{quote['to']}]")
    for note in answer["notes"]:
        print(note)
    for number, hit in enumerate(answer["hits"], 1):
        print(f"[{number}]{' cited' if number in answer['cited'] else ''} {hit['document_id']} [{hit['start']}:{hit['end']}]")


@verb("ask", show_answer, healthy=lambda answer: not answer["finish_reason"].startswith("failed"))
def ask(
    workbench: Any,
    question: Text,
    /,
    *,
    again: Annotated[bool, Parameter(help="Run the same prompt twice and compare the two answers.")] = False,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """An answer with citations."""
    from core.records import plain

    read = recipe.read()
    answer = yield from workbench.ask(read, question)
    if not again or answer.receipt is None:
        return answer
    yield "\n\nAgain: "
    text, comparison = yield from workbench.ask_again(read, question, answer)
    return {**plain(answer), "again": {"text": text, **plain(comparison), "share": comparison.share}}


def show_likelihood(made: dict[str, Any]) -> None:
    """The marginal likelihood of both models, and what each passage makes of the answer."""
    print(f"log p(answer) over {made['tokens']} tokens: RAG-Sequence {made['sequence']:.4f}, RAG-Token {made['token']:.4f}")
    show_table(made["passages"])


@verb("likelihood", show_likelihood)
def likelihood(workbench: Any, question: Text, answer: Text, /, *, recipe: RecipeOptions = USUAL) -> Any:
    """How likely a given answer is over the passages found: marginal log-likelihood by RAG-Sequence and RAG-Token."""
    from core.labs.answers.likelihood import answer_likelihood

    return answer_likelihood(workbench, recipe.read(), question, answer)


@verb("evaluate", show_parts)
def evaluate(
    workbench: Any,
    *,
    recipe: RecipeOptions = USUAL,
    depths: Annotated[bool, Parameter(help="Also recall at each depth of the ranking.")] = False,
    questions: Annotated[str, Parameter(help="Also this metric of each question, as `list metric` names it.")] = "",
    latency: Annotated[
        bool, Parameter(help="Also milliseconds of a single question by step, of 30 questions timed now.")
    ] = False,
    against: Annotated[
        tuple[str, ...],
        Parameter(
            help="STAGE.FIELD=VALUE: also paired differences to the recipe with this setting; repeatable. A setting given again "
            "begins another recipe to compare with."
        ),
    ] = (),
) -> Any:
    """Measure a recipe and store nothing: each metric with its interval."""
    from core.labs.trials.references import differences

    read, beside = recipe.read(), {}
    current = yield from workbench.evaluating(read)
    for name, other in references(read, against).items():
        beside[name] = yield from workbench.evaluating(other)
    workbench.count_looks(current, *beside.values())
    record = {"metrics": [{"metric": name, **interval._asdict()} for name, interval in current.intervals.items()]}
    if beside:
        record["differences"] = differences(workbench, current, beside)
    if depths:
        record["recall by depth"] = _by_depth(workbench, current)
        if beside:
            rows = [{"against": name, **row} for name, other in beside.items() for row in _by_depth(workbench, other)]
            record["recall by depth, against"] = rows
    if questions:
        [chosen] = _measured_metrics([questions], None)
        tables = {name: workbench.by_question(current, other, chosen) for name, other in (beside or {"": None}).items()}
        record["questions"] = [
            ({"against": name} if name else {}) | row for name, table in tables.items() for row in rows_of(table)
        ]
    if latency:
        quantiles = workbench.latency_quantiles((yield from workbench.latency(read)))
        record["latency, ms"] = [{"step": step, **shares} for step, shares in quantiles.items()]
    return record


def _by_depth(workbench: Any, evaluation: Any) -> list[dict[str, Any]]:
    curve = enumerate(workbench.recall_curve(evaluation), 1)
    return [{"k": k, "recall": at.mean, "low": at.low, "high": at.high, "n": at.n} for k, at in curve]


@verb("choose-on-dev", show_parts)
def choose_on_dev(
    workbench: Any,
    *,
    recipe: RecipeOptions = USUAL,
    grid: Annotated[str, Parameter(help="STAGE.FIELD=A,B,C | START:STOP:STEP: the values.")] = "fusion.weight=0:1:0.05",
    metric: Metric = "ndcg_linear",
    budget: Annotated[
        Positive | None, Parameter(help="Tokens of context that every value gets for a question (default: the first k chunks).")
    ] = None,
) -> Any:
    """The value of a setting that is best on the dev questions, and what it is worth on the test questions; sets nothing."""
    from core.labs.trials import on_dev

    [(setting, values)] = read_grid([grid]).items()
    [chosen] = _measured_metrics([metric], budget)
    return on_dev.record((yield from on_dev.choose(workbench, recipe.read(), setting, values, chosen, budget or 0)))


Folds = Annotated[Positive, Parameter(help="Parts that the articles are divided into.")]
By = Annotated[
    Literal["article", "group", "question"],
    Parameter(help="What stays together: questions of one document, of one group, or nothing."),
]


@verb("learn-weights", show_parts)
def learn_weights(
    workbench: Any,
    *,
    recipe: RecipeOptions = USUAL,
    metric: Metric = "ndcg_linear",
    weights: Annotated[str, Parameter(help="A,B,C | START:STOP:STEP: the weights tried.")] = "0:1:0.05",
    folds: Folds = 5,
    by: By = "article",
) -> Any:
    """Learn the weight of the recipe's fusion by cross-validation over articles; says what it gives, and sets nothing."""
    from core.labs.trials import weights as lab

    [chosen] = _measured_metrics([metric], None)
    return lab.learn(workbench, recipe.read(), read_numbers(weights, "--weights"), chosen, folds, by)
