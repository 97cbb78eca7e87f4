"""Answering at once against reasoning first, each greedily and by the vote of several samples: same questions, passages and seeds.

One job that goes on where it was stopped: every text is kept by its prompt. Verbs of the page Score answers.
"""

from collections.abc import Generator, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.answering.protocol import Material
from core.comparison.comparison import ArmComparison, compared, rules_of, spread
from core.config import ContextConfig, code_version, fingerprint, with_settings
from core.context.passages import distinct
from core.errors import WorkbenchError
from core.generation.loading import loaded
from core.generation.model_texts import ModelText, Request, written
from core.judging.measure import AnswerCase, scores
from core.judging.self_consistency import MARKER, final_answer, is_marked, majority, windows
from core.labs.answers import answering
from core.labs.answers.results import keep_result, result_of
from core.pipeline.provenance import source_of
from core.pipeline.scores import judge_tools
from core.pipeline.stages import Recipe, Resolved
from core.progress import counted_within, drain
from core.records import Progress, Query
from core.report.table import MEAN, ONE, TWO, WHOLE, Column, Table
from core.statistics.bootstrap import Interval
from core.workbench import Evaluation, Workbench, fetched

DIRECT = f'$passages\n\nQuestion: $question\nWrite only the answer, in a few words, behind "{MARKER}".'
CHAIN = (
    "$passages\n\nQuestion: $question\nThink step by step in a few sentences, then write the answer in a few words on a last line that "
    f'begins with "{MARKER}".'
)
AGAIN = "So what is the answer? Write only the answer, in a few words."
AGAIN_TOKENS = 32
WAYS = {
    "direct": "Direct, greedy",
    "chain": "Chain of thought, greedy",
    "direct_votes": "Direct, self-consistency",
    "chain_votes": "Chain of thought, self-consistency",
}
SHORT = {"direct": "Direct", "chain": "Chain", "direct_votes": "Direct votes", "chain_votes": "Chain votes"}
PAIRS = (
    ("chain", "direct"),
    ("direct_votes", "direct"),
    ("chain_votes", "direct"),
    ("chain_votes", "direct_votes"),
    ("chain_votes", "chain"),
)
MEASURES = ("em", "f1")
MADE = "chains_of_thought"  # of the records
DEADLINE_S = 600.0


class ReasoningPlan(NamedTuple):
    """What is compared. again: a chain without the marker is asked for its answer in a second prompt (Kojima et al. 2022, "Large
    Language Models are Zero-Shot Reasoners", section 3)."""

    questions: int = 40
    samples: int = 5
    temperature: float = 0.7
    again: bool = True
    direct: str = DIRECT
    chain: str = CHAIN


class ReasonedText(NamedTuple):
    """A text with the answer that was read out of it; None: none could be. again: what a second prompt gave, None without one; tokens
    and seconds are of both."""

    text: str
    answer: str | None
    again: str | None = None
    prompt_tokens: int | None = None
    tokens: int | None = None
    seconds: float = 0.0


class ReasonedItem(NamedTuple):
    """A question. texts: way -> greedy one, or the samples in the order drawn; unfit: why it could not be asked."""

    query: Query
    texts: dict[str, list[ReasonedText]]
    unfit: str = ""


class Reasoning(NamedTuple):
    plan: ReasoningPlan
    items: list[ReasonedItem]
    spent: dict[str, dict[str, Any]]  # way -> column -> what its texts took, mean of a question where it is no count
    comparison: ArmComparison  # of the ways, PAIRS of them; what has no answer counts as wrong
    curves: dict[tuple[str, str], list[Interval]]  # (way, measure) -> by number of samples, from 1
    answers: list[dict[str, str | None]]  # way -> final answer, of each question asked
    values: dict[str, dict[str, np.ndarray]]  # way -> measure -> of each question asked
    own_temperature: bool  # the engine takes no temperature

    @property
    def asked(self) -> list[ReasonedItem]:
        return [item for item in self.items if not item.unfit]

    def texts(self, way: str) -> int:
        return sum(len(item.texts[way]) for item in self.asked)


def drawn(evaluation: Evaluation, count: int) -> list[int]:
    """Rows of the questions that are asked, drawn once, of those with a reference answer."""
    queries = evaluation.corpus.queries
    rows = [row for row in answering.drawn(queries, evaluation.config.seed, len(queries)) if queries[row].answers][:count]
    if not rows:
        raise WorkbenchError(
            f"'{evaluation.corpus.name}' has no question with a reference answer.",
            todo="Choose a corpus whose questions have answers.",
        )
    return rows


def compare_reasoning(workbench: Workbench, recipe: Recipe, plan: ReasoningPlan) -> Generator[Progress, None, Reasoning]:
    """Writes what is not written yet, and compares."""
    run = yield from workbench.pipeline.resolve(recipe)
    contexts = _contexts(run, plan)  # a broken template is told first
    yield from fetched(run.config, answering=True)
    evaluation = yield from workbench.evaluating(run)
    rows = drawn(evaluation, plan.questions)
    yield from loaded(run.config.generation)
    prompts, unfit = _prompts(workbench, run, evaluation, rows, contexts)
    texts = {}
    for done, way in enumerate(WAYS):
        wanted = _requests(plan, way, [each[way.partition("_")[0]] for each in prompts if each])
        texts[way] = yield from counted_within(_chains(workbench, run, plan, way, wanted), Progress(done, len(WAYS), WAYS[way]))
    size = {way: plan.samples if way.endswith("votes") else 1 for way in WAYS}
    place, items = 0, []
    for row, prompt, why in zip(rows, prompts, unfit, strict=True):
        some = {way: texts[way][place * size[way] : (place + 1) * size[way]] for way in WAYS} if prompt else {}
        place += bool(prompt)
        items.append(ReasonedItem(evaluation.corpus.queries[row], some, why))
    meta = [
        [item.query.id, item.unfit, {way: [list(chain) for chain in some] for way, some in item.texts.items()}] for item in items
    ]
    keep_result(workbench, MADE, _key(workbench, run, evaluation, rows, plan), meta)
    return _compared(workbench, run, plan, items)


def standing(workbench: Workbench, recipe: Recipe, plan: ReasoningPlan) -> Reasoning | None:
    """What a job made of this plan; None before. Asks no model."""
    run = workbench.resolve(recipe)
    _contexts(run, plan)
    evaluation = drain(workbench.evaluating(run))
    rows = drawn(evaluation, plan.questions)
    recorded = result_of(workbench, _key(workbench, run, evaluation, rows, plan))
    if recorded is None:
        return None
    items = [
        ReasonedItem(
            evaluation.corpus.queries[row], {way: [ReasonedText(*each) for each in some] for way, some in texts.items()}, why
        )
        for row, (_, why, texts) in zip(rows, recorded, strict=True)
    ]
    return _compared(workbench, run, plan, items)


def _contexts(run: Resolved, plan: ReasoningPlan) -> dict[str, ContextConfig]:
    """The recipe's context with either template; WorkbenchError where one cannot be read."""
    return {name: with_settings(run.config, {"context.template": getattr(plan, name)}).context for name in ("direct", "chain")}


def _key(workbench: Workbench, run: Resolved, evaluation: Evaluation, rows: Sequence[int], plan: ReasoningPlan) -> str:
    asked = [asking.key for asking in answering.askings(workbench, evaluation, rows)]
    return fingerprint(asked, list(plan), code_version(compare_reasoning))


def _prompts(
    workbench: Workbench, run: Resolved, evaluation: Evaluation, rows: Sequence[int], contexts: dict[str, ContextConfig]
) -> tuple[list[dict[str, list[dict[str, str]]]], list[str]]:
    """(template -> messages of each question, {} where they do not go into the model; why not)."""
    part, source, prompts, unfit = run.config.generation.usable(), source_of(workbench.pipeline, run), [], []
    for asking in answering.askings(workbench, evaluation, rows):
        chosen, until = distinct(list(asking.hits()), run.config.context)[0], perf_counter() + DEADLINE_S
        try:
            prompts.append(
                {
                    name: Material(asking.question, chosen, part, context, until, run.config.seed, source=source)
                    .prompt(chosen)
                    .messages
                    for name, context in contexts.items()
                }
            )
            unfit.append("")
        except WorkbenchError as error:
            if error.where not in {hit.document_id for hit in chosen}:
                raise
            prompts.append({})
            unfit.append(error.what)
    return prompts, unfit


def _requests(plan: ReasoningPlan, way: str, prompts: Sequence[list[dict[str, str]]]) -> list[Request]:
    """The samples of both ways are drawn by the same seeds. The length of a text is the recipe's."""
    if not way.endswith("votes"):
        return [Request(messages, 0) for messages in prompts]
    return [Request(messages, 0, temperature=plan.temperature, draw=draw) for messages in prompts for draw in range(plan.samples)]


def _chains(
    workbench: Workbench, run: Resolved, plan: ReasoningPlan, way: str, requests: Sequence[Request]
) -> Generator[Progress, None, list[ReasonedText]]:
    tools = workbench.pipeline.query_tools(run.config)
    tools = tools._replace(generator=run.config.generation.usable())
    wanted = [request._replace(max_tokens=tools.generator.max_tokens) for request in requests]
    texts = yield from written(tools, wanted)
    reasons = way.startswith("chain")
    read = [_read(text, reasons) for text in texts]
    silent = [place for place, text in enumerate(texts) if plan.again and reasons and read[place] is None and text.text.strip()]
    second = yield from written(tools, [_again(wanted[place], texts[place]) for place in silent])
    chains = [_chain(text, answer) for text, answer in zip(texts, read, strict=True)]
    for place, text in zip(silent, second, strict=True):
        more, first = _chain(text, _read(text, False)), chains[place]
        chains[place] = ReasonedText(
            first.text,
            more.answer,
            more.text,
            _sum(first.prompt_tokens, more.prompt_tokens),
            _sum(first.tokens, more.tokens),
            first.seconds + more.seconds,
        )
    return chains


def _read(text: ModelText, reasons: bool) -> str | None:
    """The answer of a text. One that was not to reason is its own answer where it has no marker."""
    if reasons or is_marked(text.text):
        return final_answer(text.text)
    return " ".join(text.text.split()) or None


def _again(request: Request, text: ModelText) -> Request:
    turns = [{"role": "assistant", "content": text.text}, {"role": "user", "content": AGAIN}]
    return Request([*request.messages, *turns], AGAIN_TOKENS)


def _chain(text: ModelText, answer: str | None) -> ReasonedText:
    return ReasonedText(text.text, answer, None, text.prompt_tokens, text.tokens, text.seconds)


def _sum(*numbers: int | None) -> int | None:
    return None if None in numbers else sum(numbers)


# The comparison ------------------------------------------------------------------------------------------------------


def _compared(workbench: Workbench, run: Resolved, plan: ReasoningPlan, items: list[ReasonedItem]) -> Reasoning:
    asked, style = [item for item in items if not item.unfit], run.config.context.citations
    own = "temperature" not in type(run.config.generation).model_fields
    values: dict[str, dict[str, np.ndarray]] = {}
    answers: list[dict[str, str | None]] = [{} for _ in asked]
    rules, curves, spent = rules_of(run.config), {}, {}
    for way in WAYS:
        chains = [item.texts[way] for item in asked]
        winners = [majority([chain.answer for chain in some], style) for some in chains]
        for told, some, (place, _) in zip(answers, chains, winners, strict=True):
            told[way] = None if place is None else some[place].answer
        worth = {name: _scored(workbench, run, asked, chains, name) for name in MEASURES}
        values[way] = {
            name: np.array([0.0 if place is None else each[place] for each, (place, _) in zip(table, winners, strict=True)])
            for name, table in worth.items()
        }
        for name, table in worth.items() if way.endswith("votes") else ():
            curves[way, name] = [
                rules.mean(np.array([_by_vote(*each, width, style) for each in zip(chains, table, strict=True)]))
                for width in range(1, plan.samples + 1)
            ]
        shares = [
            votes / len(some) for some, (_, votes) in zip(chains, winners, strict=True)
        ]  # of the samples that the winner has
        spent[way] = _spent(chains) | {"agreement": float(np.mean(shares)) if way.endswith("votes") and shares else None}
    return Reasoning(plan, items, spent, compared(values, rules, pairs=PAIRS), curves, answers, values, own)


def _scored(
    workbench: Workbench, run: Resolved, asked: Sequence[ReasonedItem], chains: Sequence[list[ReasonedText]], measure: str
) -> list[list[float]]:
    """The score of every text's answer; 0 where it has none."""
    style = run.config.context.citations
    cases = [
        AnswerCase(item.query.text, chain.answer or "", references=item.query.answers, citations=style)
        for item, some in zip(asked, chains, strict=True)
        for chain in some
    ]
    made = iter(drain(scores(registry.find("measure", measure)(), cases, judge_tools(workbench.pipeline, run.config))))
    return [[0.0 if np.isnan(score := next(made).value) else score for _ in some] for some in chains]


def _by_vote(chains: Sequence[ReasonedText], worth: Sequence[float], width: int, style: str) -> float:
    """The score by the vote of so many samples, mean over sets of them."""
    results = []
    for chosen in windows(len(chains), width):
        place, _ = majority([chains[sample].answer for sample in chosen], style)
        results.append(0.0 if place is None else worth[chosen[place]])
    return float(np.mean(results))


def _spent(chains: Sequence[list[ReasonedText]]) -> dict[str, Any]:
    every, number = [chain for some in chains for chain in some], max(1, len(chains))
    prompt, tokens = (_sum(*(getattr(chain, name) for chain in every)) for name in ("prompt_tokens", "tokens"))
    return {
        "unextractable": sum(chain.answer is None for chain in every),
        "asked again": sum(chain.again is not None for chain in every),
        "prompt tokens": None if prompt is None else prompt / number,
        "answer tokens": None if tokens is None else tokens / number,
        "seconds": sum(chain.seconds for chain in every) / number,
    }


# As the page and the command show it ---------------------------------------------------------------------------------


def way_rows(made: Reasoning) -> list[dict[str, Any]]:
    rows = []
    for way, spent in made.spent.items():
        row: dict[str, Any] = {"way": WAYS[way], "n": len(made.asked), "texts": made.texts(way)}
        for name in MEASURES:
            row |= spread(name, made.comparison.means[way, name])
        rows.append(row | spent)
    return rows


def way_table(made: Reasoning, measure: str, command: str = "") -> Table:
    """The ways by one measure, with what their texts take."""
    own = registry.find("measure", measure)
    columns = (
        Column("way"),
        Column("n", "n"),
        Column(measure, own.label, MEAN, direction=own.direction),
        Column(f"{measure} low", "Low", MEAN),
        Column(f"{measure} high", "High", MEAN),
        Column("texts"),
        Column("unextractable", "No answer"),
        Column("asked again"),
        Column("agreement", "", TWO, "Share of the samples that end with the winner's answer, mean."),
        Column("prompt tokens", "Prompt", WHOLE, "Tokens that were read for a question, all texts together."),
        Column("answer tokens", "Answer", WHOLE, "Tokens that were written for a question, all texts together."),
        Column("seconds", "", ONE, "For a question, its share of batches of 16."),
    )
    return Table("ways_table", columns, way_rows(made), "Direct answers and chains of thought", f"n {len(made.asked):,}", command)


def pair_rows(made: Reasoning) -> list[dict[str, Any]]:
    return [
        {"first": WAYS[pair.arm], "minus": WAYS[pair.base], "measure": pair.measure, "n": pair.paired.n, **pair.columns()}
        for pair in made.comparison.differences.values()
    ]


def curve_rows(made: Reasoning) -> list[dict[str, Any]]:
    return [
        {"way": WAYS[way], "measure": name, "samples": width, "mean": at.mean, "low": at.low, "high": at.high}
        for (way, name), curve in made.curves.items()
        for width, at in enumerate(curve, 1)
    ]


def item_rows(made: Reasoning) -> list[dict[str, Any]]:
    """A row a question, with the answer and its score by each way, and all texts."""
    rows = []
    for place, (item, told) in enumerate(zip(made.asked, made.answers, strict=True)):
        row: dict[str, Any] = {"id": item.query.id, "question": item.query.text}
        row |= {"references": list(dict.fromkeys(item.query.answers)), **told}
        row |= {f"{way} {name}": float(table[place]) for way, own in made.values.items() for name, table in own.items()}
        rows.append(row | {"texts": item.texts})
    return rows


def item_table(made: Reasoning, measure: str, order: Sequence[int], command: str = "") -> Table:
    """The questions at these places, with the answer and its score by each way."""
    own, every = registry.find("measure", measure), item_rows(made)
    rows = [every[place] | {"reference": every[place]["references"][0]} for place in order]
    for row in rows:
        del row["texts"]
    columns = [Column("question", width=260), Column("reference", width=120)]
    for way, title in SHORT.items():
        columns.append(Column(way, title, width=130))
        columns.append(Column(f"{way} {measure}", f"{title} {measure.upper()}", MEAN, direction=own.direction))
    return Table("reasoned_table", columns, rows, "Answers at once and after chains of thought", f"n {len(rows):,}", command)


def sentences(made: Reasoning, level: float) -> list[str]:
    """What is told apart, what could not be read, and what this does not tell."""
    told = [
        f"{WAYS[pair.arm]} is {pair.verdict(level)} than {WAYS[pair.base].lower()} by {pair.measure}: {pair.paired.difference:+.3f} "
        f"({pair.paired.between}), p {pair.p_holm:.3f}."
        for pair in made.comparison.significant(level)
    ]
    told = told or [f"No two ways differ significantly on these {len(made.asked):,} questions."]
    for way, spent in made.spent.items():
        if again := spent["asked again"]:
            told.append(f'{WAYS[way]}: {again:,} of {made.texts(way):,} texts without "{MARKER}" were asked for it again.')
        if unread := spent["unextractable"]:
            told.append(f"{WAYS[way]}: of {unread:,} of {made.texts(way):,} texts no answer could be read: wrong.")
    if unfit := len(made.items) - len(made.asked):
        told.append(f"{unfit:,} questions are left out: their passage does not fit into the prompt.")
    if made.own_temperature:
        told.append("This engine takes no temperature: its greedy texts are not greedy, and its samples are drawn at its own.")
    return [
        *told,
        "A direct text without the marker is its own answer; a chain is not. Another wording of the templates may do better.",
    ]
