"""Encoders side by side on one corpus.

Every encoder is measured alone: dense retrieval by exact search over its own transformed vectors, in the recipe's
chunking, on the same questions, with the same similarity. Chunk sizes are counted in each encoder's own tokens, so two
encoders may see other chunks; evidence is judged by characters, which makes them comparable all the same.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from core import registry
from core.comparison.comparison import Difference, by_arm, by_measure, corrected, spread
from core.config import PartConfig, TrialConfig, fingerprint
from core.embedding.protocol import Offer
from core.embedding.transform import Transform
from core.errors import WorkbenchError
from core.index.exact import Exact
from core.pipeline.results import Evaluation, evaluated
from core.pipeline.stages import Resolved
from core.records import Corpus, Progress
from core.statistics.bootstrap import Interval
from core.workbench import Plan, Workbench

BASE = "reference"  # as an arm
QUESTIONS = 500  # asked of a larger corpus, drawn once, so that a slider answers at once


@dataclass(frozen=True)
class EncoderResult:
    """One encoder of the comparison: measured, or with what is still to be done, or with why it cannot be.

    changes: metric -> its difference to the reference, p corrected over the encoders compared. Empty for the reference itself and
    where there is none.
    """

    offer: Offer
    config: TrialConfig
    plan: Plan | None = None
    error: WorkbenchError | None = None
    evaluation: Evaluation | None = None
    transform: Transform | None = None
    texts_per_s: float | None = None
    changes: dict[str, Difference] = field(default_factory=dict)

    @property
    def intervals(self) -> dict[str, Interval]:
        return self.evaluation.intervals


def offers(config: TrialConfig) -> list[Offer]:
    """The encoders that can stand side by side; the recipe's own first where it is none of the others."""
    encoders = [offer for part in registry.parts("encoder").values() for offer in part.offers()]
    if config.embedding in [offer.part for offer in encoders]:
        return encoders
    return [Offer("recipe", f"This recipe's {config.embedding.part.replace('_', ' ')}", config.embedding), *encoders]


def own(encoders: Sequence[Offer], config: TrialConfig) -> Offer:
    """The recipe's encoder among the offers."""
    return next(offer for offer in encoders if offer.part == config.embedding)


def variant(config: TrialConfig, part: PartConfig) -> TrialConfig:
    """The recipe with this encoder alone: dense retrieval, exact search, the recipe's similarity."""
    alone = {"embedding": part, "index": Exact(metric=config.index.metric), "fusion": registry.find("fusion", "dense_only")()}
    return config.model_copy(update=alone)


def prepared(config: TrialConfig) -> TrialConfig:
    """What a job has to compute before the variant can be measured at once, whatever its transform and its rules."""
    usual = TrialConfig()
    return config.model_copy(
        update={
            name: getattr(usual, name)
            for name in ("transform", "index", "retrieval", "evaluation", "context", "answering", "generation", "sparse")
        }
    )


def leaderboard(
    workbench: Workbench, config: TrialConfig, chosen: Sequence[Offer], reference: Offer, everything: bool = False
) -> Generator[Progress, None, list[EncoderResult]]:
    """A row for each encoder, in the order given. What is not embedded yet is not embedded here.

    everything: all questions are asked, not only QUESTIONS of them.
    """
    rows = []
    for done, offer in enumerate(chosen):
        yield Progress(done, len(chosen), f"Measuring {offer.name}")
        rows.append((yield from measured(workbench, config, offer, everything)))
    base = next((row.evaluation for row in rows if row.offer == reference), None)
    others = [row for row in rows if row.evaluation and row.offer != reference]
    if base is None or not others:
        return rows
    # by what each finds: one that was trained again under its name is another
    by = [(row.config, row.evaluation.run.vector_search_key()) for row in others]
    key = fingerprint(base.config, base.run.vector_search_key(), by)
    changes = workbench.pipeline.remember("encoder differences", key, lambda: _changes(workbench, others, base))
    return [replace(row, changes=changes.get(row.offer.id, {})) for row in rows]


def measured(
    workbench: Workbench, config: TrialConfig, offer: Offer, everything: bool
) -> Generator[Progress, None, EncoderResult]:
    """One encoder's row, without differences."""
    row, pipeline = EncoderResult(offer, variant(config, offer.part)), workbench.pipeline
    try:
        plan = workbench.plan(prepared(row.config))
        if not plan.live:
            return replace(row, plan=plan)
        whole = plan.run.of(row.config)
        run = whole if everything else asked(workbench, whole)
        transform = yield from pipeline.transformed(run)
        key = fingerprint(row.config, run.vector_search_key())
        work = partial(_measuring, workbench, run)
        evaluation = yield from remembered(workbench, "encoder evaluation", key, work)
        return replace(row, evaluation=evaluation, transform=transform, texts_per_s=pipeline.encoding_speed(row.config))
    except WorkbenchError as error:
        return replace(row, error=error)


def asked(workbench: Workbench, run: Resolved) -> Resolved:
    """The recipe on its corpus; on one with more than QUESTIONS measurable questions with so many, drawn by the seed."""
    corpus, seed = run.corpus, run.config.seed
    rows = [row for row, query in enumerate(corpus.queries) if query.relevant]
    if len(rows) <= QUESTIONS:
        return run

    def drawn() -> Corpus:
        sample = np.sort(np.random.default_rng(seed).choice(rows, QUESTIONS, replace=False))
        return replace(corpus, queries=tuple(corpus.queries[row] for row in sample))

    some = workbench.pipeline.remember("asked questions", fingerprint(corpus.fingerprint, run.questions, seed), drawn)
    return run.asking(some, workbench.pipeline.questions_key(some))


def _measuring(workbench: Workbench, run: Resolved) -> Generator[Progress, None, Evaluation]:
    pool = yield from workbench.pipeline.pool(run)
    return (yield from evaluated(workbench.pipeline, run, pool, (yield from workbench.pipeline.relevance(run))))


def _changes(workbench: Workbench, others: list[EncoderResult], base: Evaluation) -> dict[str, dict[str, Difference]]:
    """offer -> metric -> its difference to the base, p corrected over the encoders."""
    tests = {
        (row.offer.id, BASE, metric): paired
        for row in others
        for metric, paired in workbench.differences(row.evaluation, base).items()
    }
    return by_arm(corrected(tests, by_measure))


def verdict(row: EncoderResult, metric: str) -> str:
    """better, worse or not significant, by the corrected p at the level of the intervals; "" for the reference."""
    change, direction = row.changes.get(metric), registry.find("metric", metric).direction
    return change.verdict(row.config.evaluation.confidence, direction=direction) if change else ""


def table(rows: Sequence[EncoderResult], metrics: Sequence[str], reference: Offer) -> list[dict[str, Any]]:
    """The leaderboard as plain rows, for export."""
    lines = []
    for row in rows:
        line: dict[str, Any] = {"encoder": row.offer.name, "reference": row.offer == reference}
        if row.evaluation is None:
            lines.append({**line, "to do": row.plan.what if row.plan else row.error.what})
            continue
        line |= {
            "dimensions": row.transform.dim,
            "bytes_per_vector": row.transform.bytes_per_vector,
            "bytes_once": row.transform.bytes_fixed,
            "texts_per_s": row.texts_per_s,
            "n": row.intervals[metrics[0]].n,
            "of": row.intervals[metrics[0]].total,
        }
        for metric in metrics:
            line |= spread(metric, row.intervals[metric], "_")
            if change := row.changes.get(metric):
                line |= spread(f"{metric}_difference", change.paired, "_") | {f"{metric}_p_holm": change.p_holm}
        lines.append(line)
    return lines


def remembered(workbench: Workbench, stage: str, key: str, work: Callable[[], Generator]) -> Generator[Progress, None, Any]:
    """The result of `work`, remembered; its progress is told while it is made."""
    memory = workbench.pipeline.remember(stage, key, list)
    if not memory:
        memory.append((yield from work()))
    return memory[0]
