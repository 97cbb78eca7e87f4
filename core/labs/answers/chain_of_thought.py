"""Answering at once against reasoning first, each greedily and by the vote of several samples: same questions, passages and seeds.

One job that goes on where it was stopped: every text is kept by its prompt. Verbs of the page Score answers.
"""

from collections.abc import Generator, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from core.answering.protocol import Material
from core.comparison.comparison import ArmComparison, compared, spread
from core.config import ContextConfig, code_version, fingerprint, with_settings
from core.context.passages import distinct
from core.errors import PromptTooLong
from core.generation.loading import loaded
from core.generation.model_texts import ModelText, Request, TextTools, written
from core.judging.self_consistency import MARKER, final_answer, is_marked, majority, windows
from core.labs.answers import arms
from core.labs.answers.answering import beyond
from core.labs.answers.arms import Draw
from core.labs.answers.results import keep_result, result_of
from core.pipeline.provenance import source_of
from core.pipeline.stages import Recipe, Resolved
from core.progress import counted_within
from core.records import Progress, Query
from core.report.table import ONE, TWO, WHOLE, Column, Table
from core.statistics.bootstrap import Interval
from core.workbench import Workbench

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

    def size(self, way: str) -> int:
        """Texts of a question."""
        return self.samples if way.endswith("votes") else 1


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


def compare_reasoning(workbench: Workbench, recipe: Recipe, plan: ReasoningPlan) -> Generator[Progress, None, Reasoning]:
    """Writes what is not written yet, and compares."""
    run = yield from workbench.pipeline.resolve(recipe)
    contexts = _contexts(run, plan)  # a broken template is told first
    draw = yield from arms.fetched_draw(workbench, run, plan.questions)
    yield from loaded(draw.writing.generator)
    asking, texts = prompts(draw, contexts), {}
    asked = [prompt for prompt in asking if isinstance(prompt, dict)]
    for done, way in enumerate(WAYS):
        wanted = _requests(draw, plan, way, [prompt[way.partition("_")[0]] for prompt in asked])
        work = chains(draw.writing, wanted, way.startswith("chain"), plan.again)
        texts[way] = iter((yield from counted_within(work, Progress(done, len(WAYS), WAYS[way]))))
    record = []
    for query, prompt in zip(draw.queries, asking, strict=True):
        unfit = prompt if isinstance(prompt, str) else ""
        own = {} if unfit else {way: [list(next(texts[way])) for _ in range(plan.size(way))] for way in WAYS}
        record.append([query.id, unfit, own])
    keep_result(workbench, MADE, _key(draw, plan), record)
    return standing(workbench, run, plan)


def standing(workbench: Workbench, recipe: Recipe, plan: ReasoningPlan) -> Reasoning | None:
    """What a job made of this plan; None before. Asks no model."""
    run = workbench.resolve(recipe)
    _contexts(run, plan)
    draw = arms.standing_draw(workbench, run, plan.questions)
    if (record := result_of(workbench, _key(draw, plan))) is None:
        return None
    items = []
    for query, (_, unfit, texts) in zip(draw.queries, record, strict=True):
        items.append(ReasonedItem(query, {way: [ReasonedText(*each) for each in some] for way, some in texts.items()}, unfit))
    return _compared(draw, plan, items)


def _contexts(run: Resolved, plan: ReasoningPlan) -> dict[str, ContextConfig]:
    """The recipe's context with either template; WorkbenchError where one cannot be read."""
    return {name: with_settings(run.config, {"context.template": getattr(plan, name)}).context for name in ("direct", "chain")}


def _key(draw: Draw, plan: ReasoningPlan) -> str:
    asked = [asking.key for asking in draw.over_retrieved()]
    return fingerprint(asked, list(plan), draw.writing.generator, code_version(compare_reasoning))


def prompts(draw: Draw, contexts: dict[str, ContextConfig]) -> list[dict[str, list[dict[str, str]]] | str]:
    """Of each question template -> messages over the passages retrieved, or why they do not go into the model."""
    config, source, made = draw.config, source_of(draw.workbench.pipeline, draw.run), []
    for asking in draw.over_retrieved():
        chosen, until = distinct(list(asking.hits()), config.context)[0], perf_counter() + DEADLINE_S
        about = (asking.question, chosen, config.generation.usable())
        how = {name: Material(*about, context, until, config.seed, source=source) for name, context in contexts.items()}
        try:
            messages = {name: material.prompt(chosen).messages for name, material in how.items()}
            why = next(filter(None, (beyond(config.generation.usable(), each) for each in messages.values())), "")
            made.append(why or messages)
        except PromptTooLong as error:
            made.append(error.what)
    return made


def _requests(draw: Draw, plan: ReasoningPlan, way: str, prompts: Sequence[list[dict[str, str]]]) -> list[Request]:
    """The samples of both ways are drawn by the same seeds. The length of a text is the recipe's."""
    warm = plan.temperature if way.endswith("votes") else 0.0
    most = draw.config.generation.usable().max_tokens
    return [Request(each, most, temperature=warm, draw=number) for each in prompts for number in range(plan.size(way))]


def chains(
    tools: TextTools, requests: Sequence[Request], reasons: bool, again: bool = True
) -> Generator[Progress, None, list[ReasonedText]]:
    """The text to each request with the answer that is read out of it. reasons: whether it was to reason first; then, where it gives
    no answer, it is asked for it `again`, but where the window holds no more than the chain."""
    tools = tools._replace(generator=tools.generator.usable())
    made = [_read(text, reasons) for text in (yield from written(tools, requests))]
    silent = [n for n, chain in enumerate(made) if again and reasons and chain.answer is None and chain.text.strip()]
    asked = {place: _again(requests[place], made[place]) for place in silent}
    asked = {place: request for place, request in asked.items() if not beyond(tools.generator, request.messages)}
    second = yield from written(tools, list(asked.values()))
    for place, text in zip(asked, second, strict=True):
        more, chain = _read(text, False), made[place]
        spent = {name: _sum(getattr(chain, name), getattr(more, name)) for name in ("prompt_tokens", "tokens", "seconds")}
        made[place] = chain._replace(answer=more.answer, again=more.text, **spent)
    return made


def _read(text: ModelText, reasons: bool) -> ReasonedText:
    """With the answer of the text. One that was not to reason is its own answer where it has no marker."""
    bare = " ".join(text.text.split()) or None
    answer = final_answer(text.text) if reasons or is_marked(text.text) else bare
    return ReasonedText(text.text, answer, None, text.prompt_tokens, text.tokens, text.seconds)


def _again(request: Request, chain: ReasonedText) -> Request:
    turns = [{"role": "assistant", "content": chain.text}, {"role": "user", "content": AGAIN}]
    return Request([*request.messages, *turns], AGAIN_TOKENS)


def _sum(*numbers: float | None) -> float | None:
    return None if None in numbers else sum(numbers)


# The comparison ------------------------------------------------------------------------------------------------------


def _compared(draw: Draw, plan: ReasoningPlan, items: list[ReasonedItem]) -> Reasoning:
    asked, style = [item for item in items if not item.unfit], draw.config.context.citations
    own = "temperature" not in type(draw.config.generation).model_fields
    values: dict[str, dict[str, np.ndarray]] = {}
    answers: list[dict[str, str | None]] = [{} for _ in asked]
    curves, spent = {}, {}
    for way in WAYS:
        chains = [item.texts[way] for item in asked]
        winners = [majority([chain.answer for chain in some], style) for some in chains]
        for told, some, (place, _) in zip(answers, chains, winners, strict=True):
            told[way] = None if place is None else some[place].answer
        worth = _scored(draw, plan, way, asked)
        values[way] = {
            name: np.array([0.0 if place is None else each[place] for each, (place, _) in zip(table, winners, strict=True)])
            for name, table in worth.items()
        }
        for name, table in worth.items() if way.endswith("votes") else ():
            by_width = [
                [_by_vote(*each, width, style) for each in zip(chains, table, strict=True)]
                for width in range(1, plan.samples + 1)
            ]
            curves[way, name] = [draw.rules.mean(np.array(column)) for column in by_width]
        shares = [votes / plan.size(way) for _, votes in winners]  # of the samples that the winner has
        spent[way] = _spent(chains) | {"agreement": float(np.mean(shares)) if way.endswith("votes") and shares else None}
    return Reasoning(plan, items, spent, compared(values, draw.rules, pairs=PAIRS), curves, answers, values, own)


def _scored(draw: Draw, plan: ReasoningPlan, way: str, asked: Sequence[ReasonedItem]) -> dict[str, np.ndarray]:
    """measure -> the score of every text's answer [asked, texts]; 0 where it has none."""
    queries = [item.query for item in asked for _ in item.texts[way]]
    texts = [chain.answer or "" for item in asked for chain in item.texts[way]]
    made = arms.text_values(draw, queries, texts, MEASURES)
    return {name: column.reshape(len(asked), plan.size(way)) for name, column in made.items()}


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
    columns = (
        Column("way"),
        Column("n", "n"),
        arms.measure_column(measure),
        *arms.interval_columns(measure),
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
    rows = [row | {"reference": row["references"][0]} for row in map(item_rows(made).__getitem__, order)]
    for row in rows:
        del row["texts"]
    columns = [Column("question", width=260), Column("reference", width=120)]
    for way, title in SHORT.items():
        by_measure = arms.measure_column(measure, f"{way} {measure}", f"{title} {measure.upper()}")
        columns += [Column(way, title, width=130), by_measure]
    return Table("reasoned_table", columns, rows, "Answers at once and after chains of thought", f"n {len(rows):,}", command)


def sentences(made: Reasoning, level: float) -> list[str]:
    """What is told apart, what could not be read, and what this does not tell."""
    told = made.comparison.findings(
        level,
        lambda pair: (
            f"{WAYS[pair.arm]} is {pair.verdict(level)} than {WAYS[pair.base].lower()} by {pair.measure}: {pair.figures}."
        ),
        f"No two ways differ significantly on these {len(made.asked):,} questions.",
    )
    for way, spent in made.spent.items():
        if again := spent["asked again"]:
            told.append(f'{WAYS[way]}: {again:,} of {made.texts(way):,} texts lacked "{MARKER}" and were asked for it again.')
        if unread := spent["unextractable"]:
            told.append(f"{WAYS[way]}: of {unread:,} of {made.texts(way):,} texts no answer could be read: wrong.")
    if unfit := len(made.items) - len(made.asked):
        told.append(f"{unfit:,} questions are left out: their passage does not fit into the prompt.")
    if made.own_temperature:
        told.append(
            "This engine has no temperature setting: its greedy texts are not greedy, and its samples are drawn at its own."
        )
    return [
        *told,
        "A direct text without the marker is its own answer; a chain is not. Another wording of the templates may do better.",
    ]
