"""What the reranking of a recipe is worth: its ranking beside the same one without it, question by question, and its time."""

from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import rules_of
from core.config import TrialConfig, with_settings
from core.evaluation.judged import judge
from core.evaluation.metric import metric_values
from core.labs.trials.comparison import direction, label
from core.pipeline.hits import LongerPassages, longer_passages
from core.pipeline.results import final_scores
from core.pipeline.stages import Stage, rankers
from core.progress import drain
from core.reranking.protocol import Reranker
from core.statistics.paired import Paired
from core.workbench import Evaluation, Workbench


class Question(NamedTuple):
    id: str
    text: str
    before: float  # the metric without reranking
    value: float  # and with it


class RerankEffect(NamedTuple):
    """The ranking with all its steps of reranking, minus that of the fusion alone."""

    metric: str
    k: int
    steps: tuple[str, ...]  # "cross encoder of the best 20"
    paired: Paired
    confidence: float
    lost: list[Question]  # worse than without, the largest loss first
    won: int
    longer: list[LongerPassages]  # of each step that met passages longer than it reads

    def sentence(self) -> str:
        """What a reader may conclude, with the numbers."""
        paired, name = self.paired, label(self.metric, self.k)
        head = f"Reranking ({', then '.join(self.steps)})"
        if paired.low is None or paired.p is None:
            mean = "" if paired.difference is None else f" ({paired.difference:+.3f}, {paired.n:,} questions)"
            why = paired.note or "too few questions are measured"
            return f"{head} cannot be tested{mean.replace('-', '−')}: {why}."
        p = "p < 0.001" if paired.p < 0.001 else f"p {paired.p:.3f}"
        numbers = f"{paired.low:+.3f} to {paired.high:+.3f}, {p}, {paired.n:,} questions".replace("-", "−")
        counted = f"{self.won:,} question{'s' if self.won != 1 else ''} won, {len(self.lost):,} lost"
        if paired.p >= 1 - self.confidence:
            return f"{head} makes no significant difference to {name} ({numbers}); {counted}."
        better = paired.difference * direction(self.metric) > 0
        verb = "raises" if paired.difference > 0 else "lowers"
        hurts = "" if better else " It hurts here: switch it off, or reduce its depth or weight."
        return f"{head} {verb} {name} by {abs(paired.difference):.3f} ({numbers}); {counted}.{hurts}"


def steps(config: TrialConfig) -> tuple[Stage, ...]:
    """The stages that rerank."""
    return rankers(config)[1:]


def without(config: TrialConfig) -> TrialConfig:
    """The recipe with its fusion's ranking as it is."""
    return with_settings(config, {stage.field: "none" for stage in steps(config)})


def effect(workbench: Workbench, current: Evaluation, metric: str) -> RerankEffect | None:
    """None where nothing is reranked, or no question is measured."""
    config, rules = current.config, current.config.evaluation
    if not steps(config) or not current.corpus.queries:
        return None
    run = current.run.of(without(config))
    scores = drain(final_scores(workbench.pipeline, run, current.pool))
    relevance = drain(workbench.pipeline.relevance(current.run))
    before = metric_values(judge(current.pool, scores, relevance, config.depth), rules.k)[metric]
    value = current.values[metric]
    paired = rules_of(config).difference(value, before)
    gain = (value - before) * direction(metric)
    rows = np.flatnonzero(gain < -1e-12)
    rows = rows[np.argsort(gain[rows], kind="stable")]
    queries = current.corpus.queries
    lost = [Question(queries[row].id, queries[row].text, float(before[row]), float(value[row])) for row in rows]
    won, longer = int((gain > 1e-12).sum()), longer_passages(workbench.pipeline, current)
    return RerankEffect(metric, rules.k, tuple(map(_said, parts(config))), paired, rules.confidence, lost, won, longer)


def parts(config: TrialConfig) -> list[Any]:
    return [getattr(config, stage.field) for stage in steps(config)]


def seconds_a_question(workbench: Workbench, config: TrialConfig, field: str) -> float | None:
    """What the step of this field takes for one question, from its last run on this machine; None: it had none."""
    part = getattr(config, field)
    if not isinstance(part, Reranker) or not part.identity():
        return None
    speed = workbench.pipeline.reading_speed(part)
    return part.depth / speed if speed else None


def record(workbench: Workbench, current: Evaluation, metric: str) -> dict[str, Any]:
    """The effect as the command line tells it."""
    made = effect(workbench, current, metric)
    if made is None:
        return {"sentence": "This recipe reranks nothing."}
    paired = {name: value for name, value in made.paired._asdict().items() if name != "note" or value}
    longer = {"longer": " ".join(each.sentence() for each in made.longer)} if made.longer else {}
    return {"sentence": made.sentence(), **longer, **paired, "lost": [question._asdict() for question in made.lost]}


def _said(part: Any) -> str:
    name = part.part.replace("_", " ")
    return f"{name} of the best {part.depth:,}" if isinstance(part, Reranker) else name
