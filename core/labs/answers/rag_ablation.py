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
from core.labs.answers import arms
from core.labs.answers.answering import AnswerCost, AnswerSet, drawn, recorded_set
from core.labs.answers.live import judge_answers, judged, shown_measures
from core.labs.answers.results import keep_result, result_of
from core.labs.queries import effect as queries
from core.pipeline.answers import Asker
from core.pipeline.forecast import Phase
from core.pipeline.stages import Recipe, Resolved, pooled
from core.progress import counted_within, drain
from core.records import Progress
from core.report.table import MEAN, ONE, P_VALUE, SIGNED, WHOLE, Column, Table, corrected_p, written
from core.workbench import Evaluation, Workbench, fetched

QUESTIONS = 200  # where nobody says how many
TIMED = 20  # questions whose search is timed
TIMES = "rag_latency"  # of the records
SAME = "Closed book has no HyDE: nothing is retrieved."
FAITHFUL = "faithfulness"  # topic of measures


class RagVariant(NamedTuple):
    """passages: whether the question is asked over what its recipe retrieves, or alone."""

    name: str
    title: str
    hyde: bool
    recipe: TrialConfig
    passages: bool = True


class RagAblation(NamedTuple):
    """spent: variant -> column -> what it answered, found and took; None: unmeasured. comparison: of the variants' answers, minus naive."""

    questions: int
    variants: list[RagVariant]
    spent: dict[str, dict[str, Any]]
    comparison: ArmComparison
    left: AnswerCost  # the answers that are not known yet, of the variants shown


Ready = list[tuple[RagVariant, AnswerSet]]


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
    made = []
    for query, name_end, title_end in ((as_asked, "", ""), (hyde, "+hyde", ", HyDE")):
        for name, (title, change) in settings.items():
            recipe = with_settings(config, change | {"query": query})
            made.append(RagVariant(name + name_end, title + title_end, query is hyde, recipe))
    return [RagVariant("none", "None: closed book", False, made[0].recipe, passages=False), *made]


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
        yield from fetched(each.recipe, answering=True)
    if run.config.generation.local and run.config.generation.converts():  # now: a copy made half-way would be another model
        yield from loaded(run.config.generation)
    run, ready = _asked(workbench, run, count), []
    for done, each in enumerate(every):
        yield (step := Progress(done, len(every), each.title))
        ready.append((each, (yield from counted_within(_complete(workbench, run, each), step))))
    return _compared(workbench, run, ready)


def _complete(workbench: Workbench, run: Resolved, variant: RagVariant) -> Generator[Progress, None, AnswerSet]:
    evaluation = yield from workbench.evaluating(run.of(variant.recipe))
    yield from arms.write(workbench, [_answers(workbench, variant, evaluation)])
    answers = _answers(workbench, variant, evaluation)
    yield from judge_answers(workbench, answers)
    if variant.passages and _times(workbench, evaluation) is None:
        table = yield from workbench.latency(evaluation.run, min(TIMED, len(run.corpus.queries)))
        keep_result(workbench, TIMES, _times_key(evaluation), table["total"])
    return answers


def _answers(workbench: Workbench, variant: RagVariant, evaluation: Evaluation) -> AnswerSet:
    queries, alone = evaluation.corpus.queries, Asker(evaluation.run).alone
    asked = None if variant.passages else [alone(query.text) for query in queries]
    return recorded_set(workbench, evaluation, range(len(queries)), asked)


def standing(workbench: Workbench, recipe: Recipe, count: int) -> tuple[RagAblation | None, tuple[Phase, ...]]:
    """(what is known without computing anything that takes its time, what the variants still need)."""
    run, ready, needs = _asked(workbench, workbench.resolve(recipe), count), [], []
    for each in variants(run.config):
        asked = run.of(each.recipe)
        plan = workbench.plan(asked)
        if plan.live:
            ready.append((each, _answers(workbench, each, drain(workbench.evaluating(asked)))))
        else:
            needs += plan.phases
    made = _compared(workbench, run, ready) if any(any(answers.answers) for _, answers in ready) else None
    return made, tuple(dict.fromkeys(needs))


def _compared(workbench: Workbench, run: Resolved, ready: Ready) -> RagAblation:
    measures = shown_measures()
    values = {each.name: {m.part: judged(workbench, answers, m).values for m in measures} for each, answers in ready}
    unbounded = [measure.part for measure in measures if measure.range != (0.0, 1.0)]
    made = compared(values, rules_of(run.config), "naive", unbounded=unbounded)
    spent = {each.name: _spent(workbench, each, answers, values[each.name], measures) for each, answers in ready}
    left = arms.missing(workbench, [answers for _, answers in ready])
    return RagAblation(len(run.corpus.queries), [each for each, _ in ready], spent, made, left)


def _spent(
    workbench: Workbench, variant: RagVariant, answers: AnswerSet, values: dict[str, np.ndarray], measures: list[AnswerMeasure]
) -> dict[str, Any]:
    evaluation, said = answers.evaluation, [answer for answer in answers.answers if answer is not None]
    written = [answer for answer in said if answer.prompt_tokens or answer.answer_tokens]
    hallucinated = hyde = None  # share of answers below the threshold of a measure of faithfulness
    if judge := next((m for m in measures if m.topic == FAITHFUL and m.fixed_threshold() is not None), None):
        faithful = judge.direction * values[judge.part][~np.isnan(values[judge.part])]
        hallucinated = float((faithful < judge.direction * judge.fixed_threshold()).mean()) if len(faithful) else None
    if variant.hyde:
        hyde = queries.cost(variant.recipe, evaluation.corpus.queries, queries.tools(workbench, evaluation.run))
    usd = [answer.cost_usd for answer in said if answer.asked] + ([hyde.usd] if hyde else [])
    return {
        "answers": len(said),
        MAIN: evaluation.intervals[MAIN].mean if variant.passages else None,
        "hallucinated": hallucinated,
        **_percentiles("search ms", _times(workbench, evaluation) if variant.passages else None),
        **_percentiles("answer s", [answer.seconds for answer in written if answer.seconds]),
        "prompt tokens": _mean([answer.prompt_tokens for answer in written]),  # of a question, as the next two
        "answer tokens": _mean([answer.answer_tokens for answer in written]),
        "HyDE tokens": hyde and hyde.tokens_a_question,
        "HyDE s": hyde and hyde.seconds_a_question,
        "usd": sum(usd) if usd and None not in usd else None,  # of all; None: nothing is paid, or of some it is not told
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
        spent, worth = made.spent[variant.name], made.comparison.row(variant.name, "minus naive")
        made_rows.append({"variant": variant.title, "answers": spent["answers"], MAIN: spent[MAIN]} | worth | spent)
    return made_rows


def method(level: float) -> str:
    return (
        f"Bootstrap intervals ({100 * level:g}%); sign-flip test against naive, Holm's correction over all variants and measures"
    )


def table(made: RagAblation, measure: str, level: float, command: str = "") -> Table:
    """By one measure, with what each variant takes."""
    columns = (
        Column("variant"),
        Column("answers", "n"),
        arms.measure_column(measure),
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
        Column("usd", "USD", "%.4f", "Of all questions; empty: free, or not reported by the endpoint."),
    )
    note = f"n {made.questions:,}. {method(level)}"
    return Table("rag_table", columns, rows(made), "Effect of retrieval on the answers", note, command)


def sentences(made: RagAblation, level: float) -> list[str]:
    """What is told apart from naive, and what hurts."""
    titles, told = {variant.name: variant.title for variant in made.variants}, []
    for change in made.comparison.significant(level):
        measure = registry.find("measure", change.measure)
        word = change.verdict(level, direction=measure.direction)
        by = f"{change.paired.difference:+.3f}".replace("-", "\N{MINUS SIGN}")
        told.append(f"{titles[change.arm]}: {measure.label} {by}, {word} than naive (p {written(change.p_holm, P_VALUE)}).")
    return told or ["No variant differs significantly from naive on these questions."]
