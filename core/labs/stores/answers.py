"""What a store costs the answer: the recipe's ranking through each store's index, paired by question with exact search."""

from collections.abc import Generator, Sequence
from typing import Any

from core.comparison.comparison import by_measure, corrected
from core.config import TrialConfig, with_settings
from core.labs.index.cost import answer_cost
from core.labs.stores.bench import STORES, choose
from core.progress import told_within
from core.records import Progress
from core.report.table import COUNT, MEAN, SIGNED, Column, Table, between, corrected_p
from core.workbench import Workbench, command_line

PARTS: dict[str, dict[str, Any]] = {  # store -> its index as a part of the recipe, with the store's own defaults
    "faiss": {"part": "faiss_hnsw"},
    "chroma": {"part": "chroma"},
    "lancedb": {"part": "lancedb"},
    "postgres_hnsw": {"part": "postgres_pgvector"},
    "postgres_default": {"part": "postgres_pgvector", "iterative_scan": "off"},
    "postgres_ivfflat": {"part": "postgres_pgvector", "kind": "ivfflat"},
    "qdrant": {"part": "qdrant"},
}
METRIC = "ndcg_linear"


def answers(
    workbench: Workbench, config: TrialConfig, margin_points: float = 1.0, only: Sequence[str] = ()
) -> Generator[Progress, None, Table]:
    """A row a store: nDCG through the recipe's fusion minus that of exact search, p corrected by Holm over the stores, and whether the
    two are equal within the margin (points)."""
    names = [store.name for store in choose(only or tuple(PARTS), {}).stores if store.name in PARTS]
    costs = {}
    for done, name in enumerate(names):
        step = Progress(done, len(names), STORES[name].title)
        yield step
        recipe = with_settings(config, {"index": {**PARTS[name], "metric": config.index.metric}})
        costs[name] = yield from told_within(answer_cost(workbench, recipe, margin_points, [METRIC]), step)
    effects = {name: cost.fused.effects[METRIC] for name, cost in costs.items()}
    tests = corrected({(name, "exact", METRIC): effect.paired for name, effect in effects.items()}, by_measure)
    rows = []
    for name, effect in effects.items():
        paired, difference = effect.paired, tests[name, "exact", METRIC]
        rows.append(
            {
                "title": STORES[name].title,
                "setting": costs[name].subject,
                "recall": costs[name].recall.mean,
                "moved": costs[name].fused.moved,
                "exact": effect.exact,
                "here": effect.here,
                "difference": paired.difference,
                "interval": between(paired.low, paired.high),
                "p (Holm)": difference.p_holm,
                "verdict": effect.equivalence.verdict,
                "questions": paired.n,
            }
        )
    label = next(iter(effects.values())).label if effects else "nDCG"
    columns = (
        Column("title", "Store"),
        Column("setting", "Index"),
        Column("recall", "Recall", MEAN, "Of exact search's first", direction=1),
        Column("moved", "Moved", COUNT, "Questions with another ranking"),
        Column("exact", f"{label}, exact", MEAN),
        Column("here", label, MEAN, direction=1),
        Column("difference", "Difference", SIGNED, direction=1),
        Column("interval", "Interval"),
        corrected_p(),
        Column("verdict", "Equal", help=f"Within {margin_points:g} points, by two one-sided tests"),
    )
    note = f"Paired by question with exact search, n {rows[0]['questions']:,}" if rows else ""
    return Table("answers", columns, rows, "What a store costs the answer", note, command_line("stores", "answers"))
