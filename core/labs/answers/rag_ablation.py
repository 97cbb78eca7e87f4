"""What each stage of retrieval is worth to the answers: none, naive, hybrid, reranked, each with and without HyDE, on the same
questions. One job that goes on where it was stopped: candidates, scores of pairs, texts, answers and their scores are all kept by
content, so no stage is computed twice, nor for two variants that share it. Verbs of the page Search, live.
"""

from collections.abc import Generator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.comparison.comparison import ArmComparison, compared, rules_of
from core.config import PART_KINDS, TrialConfig, fingerprint, with_settings
from core.errors import WorkbenchError
from core.evaluation.metric import MAIN
from core.generation.loading import loaded
from core.judging.measure import AnswerMeasure
from core.labs.answers.answering import AnswerCost, AnswerSet, answer_set, answers_to, cost, drawn, write
from core.labs.answers.live import judge_answers, judged, shown_measures
from core.labs.answers.results import keep_result, result_of
from core.labs.queries import effect as queries
from core.pipeline.answers import Asker
from core.pipeline.forecast import Phase
from core.pipeline.stages import Recipe, Resolved, pooled
from core.progress import counted_within, drain
from core.records import Progress
from core.report.table import MEAN, ONE, SIGNED, WHOLE, Column, Table, corrected_p
from core.workbench import Evaluation, Workbench, fetched

QUESTIONS = 200  # where nobody says how many
TIMED = 20  # questions whose search is timed
TIMES = "rag_latency"  # of the records
SAME = "Closed book has no HyDE: nothing is retrieved."
FAITHFUL = "faithfulness"  # topic of measures


class RagVariant(NamedTuple):
    """recipe: None where the question is asked without passages."""

    name: str
    title: str
    hyde: bool
    recipe: TrialConfig | None


class RagAblation(NamedTuple):
    """spent: variant -> column -> what it answered, found and took; None: unmeasured. comparison: of the variants' answers, minus naive."""

    questions: int
    variants: list[RagVariant]
    spent: dict[str, dict[str, Any]]
    comparison: ArmComparison
    left: AnswerCost  # the answers that are not known yet, of the variants shown


class _Variant(NamedTuple):
    """What is known of one."""

    variant: RagVariant
    answers: AnswerSet
    evaluation: Evaluation | None


def variants(config: TrialConfig) -> list[RagVariant]:
    """none, naive (dense search alone), hybrid (the recipe's fusion, or the default one), reranked (its reranker, or the default
    one), then the latter three with HyDE. Vectors, chunks and prompt are the recipe's."""
    plain = {field: {"part": "none"} for field, kind in PART_KINDS.items() if kind == "reranker"}
    own = {field: getattr(config, field).model_dump(mode="json") for field in plain}
    hyde = config.query.model_dump(mode="json") if config.query.part == "hyde" else {"part": "hyde"}
    as_asked = TrialConfig().query.model_dump(mode="json")
    both = config.fusion if len(pooled(config)) > 1 else TrialConfig().fusion
    steps = own if not config.rerank.idle else plain | {"rerank": {"part": "cross_encoder"}}
    settings = {
        "naive": ("Naive: dense search", {"fusion": {"part": "dense_only"}, **plain}),
        "hybrid": ("Hybrid", {"fusion": both.model_dump(mode="json"), **plain}),
        "reranked": ("Reranked", {"fusion": both.model_dump(mode="json"), **steps}),
    }
    made = [RagVariant("none", "None: closed book", False, None)]
    for with_hyde in (False, True):
        for name, (title, change) in settings.items():
            recipe = with_settings(config, change | {"query": hyde if with_hyde else as_asked})
            title, name = (f"{title}, HyDE", f"{name}+hyde") if with_hyde else (title, name)
            made.append(RagVariant(name, title, with_hyde, recipe))
    return made


def _asked(workbench: Workbench, run: Resolved, count: int) -> Resolved:
    """The recipe, asked the questions drawn alone: what a model writes for others is not waited for."""
    corpus = run.corpus
    some = tuple(corpus.queries[row] for row in drawn(corpus.queries, run.config.seed, count))
    key = fingerprint(run.questions, run.config.seed, count)
    few = workbench.pipeline.remember("drawn questions", f"{key} {id(corpus)}", lambda: replace(corpus, queries=some))
    return run.asking(few, fingerprint(few.queries))


def ablate_rag(workbench: Workbench, recipe: Recipe, count: int = QUESTIONS) -> Generator[Progress, None, RagAblation]:
    """Answers what is not known of any variant, scores it, times searches, and compares."""
    run = yield from workbench.pipeline.resolve(recipe)
    if not run.corpus.queries:
        raise WorkbenchError(f"'{run.corpus.name}' has no questions.", todo="Add a questions file on the page Corpus.")
    every = variants(run.config)
    for each in every:
        if each.recipe:
            yield from fetched(each.recipe, answering=True)
    if run.config.generation.local and run.config.generation.converts():  # now: a copy made half-way would be another model
        yield from loaded(run.config.generation)
    run = _asked(workbench, run, count)
    ready = []
    for done, each in enumerate(every):
        step = Progress(done, len(every), each.title)
        yield step
        ready.append((yield from counted_within(_complete(workbench, run, each), step)))
    return _compared(workbench, run, ready)


def _complete(workbench: Workbench, run: Resolved, variant: RagVariant) -> Generator[Progress, None, _Variant]:
    asked = run.of(variant.recipe or naive(run.config))
    evaluation = yield from workbench.evaluating(asked)
    made = _variant(workbench, variant, evaluation)
    yield from write(workbench, asked, made.answers.askings)
    made = _variant(workbench, variant, evaluation)
    yield from judge_answers(workbench, made.answers)
    if variant.recipe and _times(workbench, evaluation) is None:
        table = yield from workbench.latency(asked, min(TIMED, len(run.corpus.queries)))
        keep_result(workbench, TIMES, _times_key(evaluation), table["total"])
    return made


def naive(config: TrialConfig) -> TrialConfig:
    return next(each.recipe for each in variants(config) if each.name == "naive")


def _variant(workbench: Workbench, variant: RagVariant, evaluation: Evaluation) -> _Variant:
    rows = tuple(range(len(evaluation.corpus.queries)))
    if variant.recipe is not None:
        return _Variant(variant, answer_set(workbench, evaluation, 0, rows), evaluation)
    asker = Asker(evaluation.run)
    asked = tuple(asker.alone(query.text) for query in evaluation.corpus.queries)
    answers = AnswerSet(evaluation, rows, asked, answers_to(workbench, asked))
    return _Variant(variant, answers, None)


def standing(workbench: Workbench, recipe: Recipe, count: int) -> tuple[RagAblation | None, tuple[Phase, ...]]:
    """(what is known without computing anything that takes its time, what the variants still need)."""
    whole = workbench.resolve(recipe)
    run, ready, needs = _asked(workbench, whole, count), [], []
    for each in variants(run.config):
        asked = run.of(each.recipe or naive(run.config))
        plan = workbench.plan(asked)
        if plan.live:
            ready.append(_variant(workbench, each, drain(workbench.evaluating(asked))))
        else:
            needs += plan.phases
    if not any(any(each.answers.answers) for each in ready):
        ready = []
    return (_compared(workbench, run, ready) if ready else None), tuple(dict.fromkeys(needs))


def _compared(workbench: Workbench, run: Resolved, ready: list[_Variant]) -> RagAblation:
    measures = shown_measures()
    values = {each.variant.name: {m.part: judged(workbench, each.answers, m).values for m in measures} for each in ready}
    unbounded = [measure.part for measure in measures if measure.range != (0.0, 1.0)]
    made = compared(values, rules_of(run.config), "naive", unbounded=unbounded)
    spent = {each.variant.name: _spent(workbench, run, each, values[each.variant.name], measures) for each in ready}
    takes = cost(workbench, run.config.generation, [asked for each in ready for asked in each.answers.askings])
    return RagAblation(len(run.corpus.queries), [each.variant for each in ready], spent, made, takes)


def _spent(
    workbench: Workbench, run: Resolved, each: _Variant, values: dict[str, np.ndarray], measures: list[AnswerMeasure]
) -> dict[str, Any]:
    said = [answer for answer in each.answers.answers if answer is not None]
    written = [answer for answer in said if answer.prompt_tokens or answer.answer_tokens]
    hallucinated = None  # share of answers below the threshold of a measure of faithfulness
    if judge := next((m for m in measures if m.topic == FAITHFUL and m.fixed_threshold() is not None), None):
        faithful = judge.direction * values[judge.part][~np.isnan(values[judge.part])]
        hallucinated = float((faithful < judge.direction * judge.fixed_threshold()).mean()) if len(faithful) else None
    hyde = None
    if each.variant.hyde:
        hyde = queries.cost(each.evaluation.config, run.corpus.queries, queries.tools(workbench, each.evaluation.run))
    usd = [answer.cost_usd for answer in said if answer.cost_usd is not None]
    return {
        "answers": len(said),
        MAIN: each.evaluation.intervals[MAIN].mean if each.evaluation else None,
        "hallucinated": hallucinated,
        **_percentiles("search ms", _times(workbench, each.evaluation) if each.evaluation else None),
        **_percentiles("answer s", [answer.seconds for answer in written if answer.seconds]),
        "prompt tokens": _mean([answer.prompt_tokens for answer in written]),  # of a question, as the next two
        "answer tokens": _mean([answer.answer_tokens for answer in written]),
        "HyDE tokens": hyde and hyde.tokens_a_question,
        "HyDE s": hyde and hyde.seconds_a_question,
        "usd": sum(usd) + (hyde.usd or 0.0 if hyde else 0.0) if usd else None,  # of all; None: nothing is paid, or it is not told
    }


def _percentiles(name: str, times: list[float] | None) -> dict[str, float | None]:
    return {f"{name} p{part}": float(np.quantile(times, part / 100)) if times else None for part in (50, 95)}


def _mean(numbers: list[int | None]) -> float | None:
    return None if not numbers or None in numbers else float(np.mean(numbers))


def _times(workbench: Workbench, evaluation: Evaluation) -> list[float] | None:
    return result_of(workbench, _times_key(evaluation))


def _times_key(evaluation: Evaluation) -> str:
    return fingerprint(evaluation.run.ranking_key(), evaluation.run.questions)


def rows(made: RagAblation) -> list[dict[str, Any]]:
    """A row a variant."""
    made_rows = []
    for variant in made.variants:
        spent = made.spent[variant.name]
        first = {"variant": variant.title, "answers": spent["answers"], MAIN: spent[MAIN]}
        made_rows.append(first | made.comparison.row(variant.name, "minus naive") | spent)
    return made_rows


def method(level: float) -> str:
    return f"Bootstrap intervals ({level:.0%}); sign-flip test against naive, Holm's correction over all variants and measures"


def table(made: RagAblation, measure: str, level: float, command: str = "") -> Table:
    """By one measure, with what each variant takes."""
    own = registry.find("measure", measure)
    columns = (
        Column("variant"),
        Column("answers", "n"),
        Column(measure, own.label, MEAN, direction=own.direction),
        Column(f"{measure} minus naive", "\N{MINUS SIGN} naive", SIGNED),
        corrected_p(f"{measure} p (Holm)"),
        Column("hallucinated", "", MEAN, "Share of answers below the threshold of the measure of faithfulness."),
        Column("search ms p50", "Search ms", ONE),
        Column("search ms p95", "95%", ONE),
        Column("answer s p50", "Answer s", ONE),
        Column("answer s p95", "95% s", ONE),
        Column("prompt tokens", "Prompt", WHOLE, "Tokens of a prompt, mean."),
        Column("answer tokens", "Answer", WHOLE),
        Column("HyDE tokens", "HyDE", WHOLE, "Tokens that HyDE writes for a question, once."),
        Column("usd", "USD", "%.4f", "Of all questions; empty: nothing is paid, or the endpoint does not tell."),
    )
    note = f"n {made.questions:,}. {method(level)}"
    return Table("rag_table", columns, rows(made), "What retrieval is worth to the answers", note, command)


def sentences(made: RagAblation, level: float) -> list[str]:
    """What is told apart from naive, and what hurts."""
    titles, told = {variant.name: variant.title for variant in made.variants}, []
    for change in made.comparison.significant(level):
        measure = registry.find("measure", change.measure)
        word = change.verdict(level, direction=measure.direction)
        by = f"{change.paired.difference:+.3f}".replace("-", "\N{MINUS SIGN}")
        told.append(f"{titles[change.arm]}: {measure.label} {by}, {word} than naive (p {change.p_holm:.3f}).")
    return told or ["No variant differs significantly from naive on these questions."]
