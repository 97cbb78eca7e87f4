"""What a store costs the answer: ranking and answers of the recipe through each store's index, paired by question with exact search."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple

from core.comparison.comparison import Difference, by_measure, corrected
from core.config import TrialConfig, code_version, fingerprint, with_settings
from core.errors import WorkbenchError
from core.judging.measures.f1 import TokenF1
from core.labs.answers import answering, arms
from core.labs.answers.answering import AnswerSet
from core.labs.answers.results import keep_result, result_of
from core.labs.index.cost import Cost, answer_cost, effects_of
from core.labs.index.reference import exact_config
from core.labs.stores.bench import STORES, alone, choose
from core.pipeline.answers import AskedContext
from core.progress import counted_within, told_within
from core.records import Progress
from core.report.table import COUNT, MEAN, SIGNED, Column, Table, between, corrected_p
from core.statistics.equivalence import Equivalence
from core.workbench import Workbench

PARTS: dict[str, dict[str, Any]] = {  # store -> its index as a part of the recipe, with the store's own defaults
    "faiss": {"part": "faiss_hnsw"},
    "chroma": {"part": "chroma"},
    "lancedb": {"part": "lancedb"},
    "postgres_hnsw": {"part": "postgres_pgvector"},
    "postgres_default": {"part": "postgres_pgvector", "iterative_scan": "off"},
    "postgres_ivfflat": {"part": "postgres_pgvector", "kind": "ivfflat"},
    "qdrant": {"part": "qdrant"},
}
METRIC, MEASURE = "ndcg_linear", "f1"
EXACT, MADE = "exact", "store_answers"
READ = 100  # questions that are answered
# a reader asks no model but for the tokens of its passages
COUNTING = {"part": "llama_cpp", "adapter": "", "weights": "as_bundled"}


class AnswersPlan(NamedTuple):
    """What is asked of the stores."""

    margin_points: float = 1.0  # hundredths within which two means are equal
    only: tuple[str, ...] = ()  # names of stores; (): all
    count: int = READ


def answers(workbench: Workbench, config: TrialConfig, plan: AnswersPlan) -> Generator[Progress, None, Table]:
    """Two rows a store: nDCG through the recipe's fusion, and the token F1 of what the embedded reader answers from the passages, each
    minus that of exact search, p corrected by Holm over the stores, and whether the two are equal within the margin (points)."""
    names, costs, margin_points = _names(plan.only), {}, plan.margin_points
    recipes = {name: with_settings(config, {"index": {**PARTS[name], "metric": config.index.metric}}) for name in names}
    with alone(workbench.home):
        for done, (name, recipe) in enumerate(recipes.items()):
            step = Progress(done, len(names), STORES[name].title)
            yield step
            costs[name] = yield from told_within(answer_cost(workbench, recipe, margin_points, [METRIC]), step)
        corpus = yield from workbench.read_corpus(config)
        lacking = "" if any(query.answers for query in corpus.queries) else "no question has a reference answer"
        read = {} if lacking else (yield from _read(workbench, {EXACT: exact_config(config), **recipes}, plan.count))
    effects = {(name, EXACT, METRIC): cost.fused.effects[METRIC] for name, cost in costs.items()}
    changed = {(name, EXACT, METRIC): cost.fused.moved for name, cost in costs.items()}
    values = {name: arms.values(workbench, some, [MEASURE]) for name, some in read.items()}
    for name in names if read else ():
        place = name, EXACT, MEASURE
        effects[place] = effects_of(values[EXACT], values[name], config, margin_points, costs[name].subject)[MEASURE]
        changed[place] = sum(own is not other for own, other in zip(read[name].askings, read[EXACT].askings, strict=True))
    rows = []
    for (name, *_), difference in corrected({place: effect.paired for place, effect in effects.items()}, by_measure).items():
        place = name, EXACT, difference.measure
        effect, paired = effects[place], difference.paired
        rows.append(
            _about(costs[name], name, effect.label)
            | {
                "changed": changed[place],
                "exact": effect.exact,
                "here": effect.here,
                "difference": paired.difference,
                "interval": between(paired.low, paired.high),
                "p (Holm)": difference.p_holm,
                "verdict": _verdict(effect.equivalence, difference, config.evaluation.confidence),
                "questions": paired.n,
            }
        )
    if lacking:
        rows += [_about(cost, name, TokenF1.label) | {"verdict": "not measured"} for name, cost in costs.items()]
    keep_result(workbench, MADE, _key(workbench, config, plan), [rows, lacking])
    return _table(workbench, config, plan, rows, lacking)


def standing(workbench: Workbench, config: TrialConfig, plan: AnswersPlan) -> Table | None:
    """What was made of this recipe; None before."""
    return (made := result_of(workbench, _key(workbench, config, plan))) and _table(workbench, config, plan, *made)


def _names(only: Sequence[str]) -> list[str]:
    """Those that can be asked; WorkbenchError where one that is named cannot."""
    chosen = choose(only or tuple(PARTS), {})
    for name in only:
        if name not in PARTS:
            what = f"{STORES[name].title} is asked by its address, and answers are those through an index of the recipe."
            raise WorkbenchError(what, where="--only", todo=f"Choose among {', '.join(PARTS)}.")
        if absent := chosen.left_out.get(name):
            raise WorkbenchError(absent.reason, where="--only", todo=absent.command)
    return [store.name for store in chosen.stores if store.name in PARTS]


def _key(workbench: Workbench, config: TrialConfig, plan: AnswersPlan) -> str:
    run, parts = workbench.resolve(exact_config(config)), {name: PARTS[name] for name in _names(plan.only)}
    judged = run.key("relevance"), config.evaluation, config.context, config.seed
    return fingerprint(run.ranking_key(), judged, parts, plan.margin_points, plan.count, code_version(answers))


def _read(
    workbench: Workbench, recipes: Mapping[str, TrialConfig], count: int
) -> Generator[Progress, None, dict[str, AnswerSet]]:
    """Name -> what the reader answers through its index, exact search first. The same passages as by that are read once."""
    read: dict[str, AnswerSet] = {}
    rows: list[int] = []
    embedded = {"answering": {"part": "reader"}, "generation": COUNTING}
    for done, (name, recipe) in enumerate(recipes.items()):
        step = Progress(done, len(recipes), f"Answers through {STORES[name].title if name in STORES else 'exact search'}")
        evaluation = yield from told_within(workbench.evaluating(with_settings(recipe, embedded)), step)
        rows = rows or arms.drawn(evaluation, count)
        asked: Sequence[AskedContext | None] = answering.askings(workbench, evaluation, rows)
        if read:
            pairs = zip(read[EXACT].askings, asked, strict=True)
            asked = [exact if _passages(exact) == _passages(here) else here for exact, here in pairs]
        yield from counted_within(arms.write(workbench, [answering.recorded_set(workbench, evaluation, rows, asked)]), step)
        read[name] = answering.recorded_set(workbench, evaluation, rows, asked)
    return read


def _passages(asked: AskedContext) -> list[tuple[str, int, int]] | None:
    """What is read; None: nothing is similar enough."""
    return [(hit.document_id, hit.start, hit.end) for hit in asked.hits()] if asked.asks else None


def _verdict(equivalence: Equivalence, difference: Difference, level: float) -> str:
    """Of the equivalence; lower or higher only where that holds among all stores."""
    told = equivalence.verdict
    return "unclear" if told in ("lower", "higher") and not difference.significant(level) else told


def _about(cost: Cost, name: str, label: str) -> dict[str, Any]:
    return {"title": STORES[name].title, "setting": cost.subject, "recall": cost.recall.mean, "measure": label}


def _table(
    workbench: Workbench, config: TrialConfig, plan: AnswersPlan, rows: Sequence[Mapping[str, Any]], lacking: str
) -> Table:
    columns = (
        Column("title", "Store"),
        Column("measure", "Of", help="The ranking's metric, and the answers that the embedded reader finds in its passages"),
        Column("verdict", "Equal", help=f"Within {plan.margin_points:g} points, by two one-sided tests"),
        Column("difference", "Difference", SIGNED, direction=1),
        Column("interval", "Interval"),
        corrected_p(),
        Column("exact", "Exact search", MEAN),
        Column("here", "This store", MEAN, direction=1),
        Column("changed", "Changed", COUNT, "Questions with another ranking; with other passages to read"),
        Column("questions", "Questions", COUNT),
        Column("recall", "Recall", MEAN, "Of exact search's first", direction=1),
        Column("setting", "Index"),
    )
    note = "Paired by question with exact search; stores by their own defaults, answers by the embedded reader, p corrected over the stores"
    asked = ["--margin", f"{plan.margin_points:g}", "--ask", str(plan.count)]
    command = workbench.command(config, "stores", "answers", *asked, *(word for name in plan.only for word in ("--only", name)))
    words = f"{note}. {TokenF1.label} is not measured: {lacking}" if lacking else note
    return Table("answers", columns, rows, "What a store costs the answer", words, command)
