"""Agents against plain answers on the same questions: without passages, RAG, and ways that search several times, with what each takes.

A way that reads five times as much is no better for being right more often: one arm has the budget of the costliest way and no more ideas,
RAG sampled as often as its tokens allow, by vote (Wang et al. 2024, "Reasoning in Token Economies: Budget-Aware Evaluation of LLM Reasoning
Strategies", arXiv:2406.06461). One job that goes on where it was stopped. Verbs of the page Agents.
"""

from collections import Counter
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.agents import runs
from core.comparison.comparison import ArmComparison, compared
from core.config import code_version, fingerprint
from core.context.citations import plain
from core.context.prompt import UNKNOWN
from core.errors import WorkbenchError
from core.generation.model_texts import Request
from core.judging.self_consistency import majority
from core.labs.answers import arms
from core.labs.answers.answering import AnswerCost, AnswerSet
from core.labs.answers.arms import Draw
from core.labs.answers.chain_of_thought import CHAIN, DIRECT, ReasonedText, chains, prompts
from core.labs.answers.results import keep_result, result_of
from core.pipeline.stages import Recipe
from core.progress import counted_within, drain
from core.records import Progress
from core.report.table import ONE, SIGNED, WHOLE, Column, Table, corrected_p
from core.workbench import Workbench

QUESTIONS = 30  # where nobody says how many
RIGHT, FAITHFUL = ("em", "f1"), "faithfulness"
MEASURES = (*RIGHT, FAITHFUL)  # the last of arms that read passages
RAG, CLOSED, THINKS, EQUAL = "one_prompt", "closed", "closed_chain", "equal_budget"
TITLES = {
    CLOSED: "Closed book",
    THINKS: "Closed book, chain of thought",
    RAG: "RAG, one prompt",
    EQUAL: "RAG by vote, at the budget of the costliest",
}
TEXTS = (CLOSED, THINKS, EQUAL)  # arms of single texts
MADE = "agent_arms"  # of the records
WAYS = ("ircot", "react")  # where nobody says which
MOST_SAMPLES = 40


class AgentPlan(NamedTuple):
    """ways: parts of the kind answering that are compared with RAG. temperature: of the samples that vote."""

    questions: int = QUESTIONS
    ways: tuple[str, ...] = WAYS
    temperature: float = 0.7


class AgentAnswer(NamedTuple):
    """An arm's answer to a question. None: the engine does not tell."""

    text: str
    calls: int  # of the model
    tools: int  # calls of tools, and searches
    prompt_tokens: int | None
    answer_tokens: int | None
    seconds: float
    end: str  # of an agent's run, in words; of others their finish reason
    detail: dict[str, Any] | None = None

    @property
    def tokens(self) -> int | None:
        return None if None in (self.prompt_tokens, self.answer_tokens) else self.prompt_tokens + self.answer_tokens


class AgentComparison(NamedTuple):
    """answers: arm -> of each question drawn, None where it is not written yet. comparison: of the arms that are whole, minus RAG; an
    answer that failed counts as wrong. samples: that vote in the arm of equal budget; 0: that arm is not known yet."""

    draw: Draw
    plan: AgentPlan
    answers: dict[str, list[AgentAnswer | None]]
    values: dict[str, dict[str, np.ndarray]]
    comparison: ArmComparison
    samples: int
    left: AnswerCost

    @property
    def whole(self) -> bool:
        return all(None not in some for some in self.answers.values()) and bool(self.samples)


def compare_agents(workbench: Workbench, recipe: Recipe, plan: AgentPlan) -> Generator[Progress, None, AgentComparison]:
    """Writes what is not written yet, and compares."""
    _check(plan)
    draw = yield from arms.fetched_draw(workbench, recipe, plan.questions)
    names = (RAG, *plan.ways)
    for done, name in enumerate(names):
        step = Progress(done, len(names) + len(TEXTS), title(name))
        yield from counted_within(arms.write(workbench, [(yield from arms.answered_by(draw, name))]), step)
    sets = yield from _sets(draw, plan)
    samples = _samples(sets, plan)
    for done, name in enumerate(TEXTS, len(names)):
        step, key = Progress(done, len(names) + len(TEXTS), title(name)), _key(sets, plan, name, samples)
        if result_of(workbench, key) is None:
            made = yield from counted_within(_texts(draw, plan, name, samples), step)
            keep_result(workbench, MADE, key, [list(each) for each in made])
    return standing(workbench, draw.run, plan)


def standing(workbench: Workbench, recipe: Recipe, plan: AgentPlan) -> AgentComparison:
    """What is known of it; asks no model."""
    _check(plan)
    draw = arms.standing_draw(workbench, recipe, plan.questions)
    sets = drain(_sets(draw, plan))
    samples = _samples(sets, plan)
    results = {name: result_of(workbench, _key(sets, plan, name, samples)) for name in TEXTS}
    texts = {
        name: [AgentAnswer(*each) for each in result] if result else [None] * len(draw.rows) for name, result in results.items()
    }
    ways = {name: [said and _of_way(said) for said in some.answers] for name, some in sets.items()}
    answers = {name: (texts | ways)[name] for name in (CLOSED, THINKS, *ways, EQUAL)}
    values = {
        name: arms.text_values(draw, draw.queries, [said.text for said in some], RIGHT)
        | (arms.values(workbench, sets[name], [FAITHFUL]) if name in sets else {})
        for name, some in answers.items()
        if None not in some
    }
    made = compared(values, draw.rules, RAG)
    return AgentComparison(draw, plan, answers, values, made, samples, arms.missing(workbench, sets.values()))


def title(arm: str) -> str:
    return TITLES.get(arm) or registry.word(arm)[:1].upper() + registry.word(arm)[1:]


def _check(plan: AgentPlan) -> None:
    for name in plan.ways:
        registry.find("answering", name)
    if not plan.ways or RAG in plan.ways:
        raise WorkbenchError(
            "RAG in one prompt is what the ways are compared with.", where="--ways", todo="Name others, as `list answering` does."
        )


# Arms of the recipe --------------------------------------------------------------------------------------------------


def _sets(draw: Draw, plan: AgentPlan) -> Generator[Progress, None, dict[str, AnswerSet]]:
    """Of RAG and of each way."""
    made = {}
    for name in (RAG, *plan.ways):
        made[name] = yield from arms.answered_by(draw, name)
    return made


def _of_way(said: Any) -> AgentAnswer:
    detail = said.detail or {}
    steps = detail.get("steps", [])
    used = len([step for step in steps if step["tool"] != runs.FINISH]) + detail.get("searches", 0)
    end = runs.ENDS.get(detail.get("end", ""), said.finish_reason)
    spent = (said.prompt_tokens, said.answer_tokens) if said.asked else (0, 0)
    return AgentAnswer(said.text, detail.get("calls", int(said.asked)), used, *spent, said.seconds, end, said.detail)


# Arms of single texts ------------------------------------------------------------------------------------------------


def _key(sets: dict[str, AnswerSet], plan: AgentPlan, name: str, samples: int) -> str:
    """Of the record of an arm of single texts."""
    asked = [asking and asking.key for asking in sets[RAG].askings]
    drawn = (samples, plan.temperature) if name == EQUAL else ()
    return fingerprint(asked, name, drawn, code_version(compare_agents))


def _texts(draw: Draw, plan: AgentPlan, name: str, samples: int) -> Generator[Progress, None, list[AgentAnswer]]:
    """The answers of an arm whose texts are no answers of the recipe. samples: those of equal budget."""
    samples = samples if name == EQUAL else 1
    asked = _messages(draw, name)
    most, warm = draw.config.generation.usable().max_tokens, plan.temperature if samples > 1 else 0.0
    requests = [
        Request(each, most, temperature=warm, draw=number)
        for each in asked
        if isinstance(each, list)
        for number in range(samples)
    ]
    tools = draw.workbench.pipeline.text_tools(draw.config) if name == EQUAL else draw.writing
    made = iter((yield from chains(tools, requests, name == THINKS)))
    style = draw.config.context.citations
    return [each if isinstance(each, AgentAnswer) else _voted([next(made) for _ in range(samples)], style) for each in asked]


def _messages(draw: Draw, name: str) -> list[list[dict[str, str]] | AgentAnswer]:
    """What is asked of each question, or its answer where nothing is."""
    if name == EQUAL:  # as RAG, which abstains where no passage is similar enough
        made = prompts(draw, {RAG: draw.config.context})
        fit = [each[RAG] if isinstance(each, dict) else FAILED for each in made]
        return [each if asking.asks else ABSTAINED for each, asking in zip(fit, draw.over_retrieved(), strict=True)]
    template = (CHAIN if name == THINKS else DIRECT).partition("$question")[2]
    return [[{"role": "user", "content": f"Question: {plain(query.text)}{template}"}] for query in draw.queries]


ABSTAINED = AgentAnswer(UNKNOWN, 0, 0, 0, 0, 0.0, "abstained")
FAILED = AgentAnswer("", 0, 0, 0, 0, 0.0, "failed: the passages do not go into the prompt")


def _voted(some: Sequence[ReasonedText], style: str) -> AgentAnswer:
    """The answer that most of the texts end with, with what all took."""
    place, _ = majority([each.answer for each in some], style)
    prompt, tokens = ([getattr(each, name) for each in some] for name in ("prompt_tokens", "tokens"))
    spent = None if None in prompt else sum(prompt), None if None in tokens else sum(tokens)
    calls = len(some) + sum(each.again is not None for each in some)
    text = "" if place is None else some[place].answer or ""
    return AgentAnswer(text, calls, 0, *spent, sum(each.seconds for each in some), "stop" if text else "no answer")


def _samples(sets: dict[str, AnswerSet], plan: AgentPlan) -> int:
    """So many texts of RAG have the tokens of the costliest way, or its calls where the engine counts none; 0: not known yet."""
    if any(None in some.answers for some in sets.values()):
        return 0
    answers = {name: [_of_way(said) for said in some.answers] for name, some in sets.items()}
    counted = all(each.tokens is not None for some in answers.values() for each in some)
    means = {name: float(np.mean([each.tokens if counted else each.calls for each in some])) for name, some in answers.items()}
    return min(MOST_SAMPLES, max(1, round(max(means[name] for name in plan.ways) / max(1.0, means[RAG]))))


# As the page and the command show it ---------------------------------------------------------------------------------


def rows(made: AgentComparison) -> list[dict[str, Any]]:
    """A row an arm that is whole. Tokens, calls and seconds are means of a question."""
    told = []
    for name in made.values:
        some = made.answers[name]
        ends = Counter(said.end for said in some)
        row = {"arm": title(name), "n": len(some), **made.comparison.row(name, "minus RAG")}
        if FAITHFUL in made.values[name]:
            row[f"{FAITHFUL} n"] = int(np.isfinite(made.values[name][FAITHFUL]).sum())
        row |= {"calls": _mean([said.calls for said in some]), "tools": _mean([said.tools for said in some])}
        row |= {"prompt tokens": _mean([said.prompt_tokens for said in some])}
        row |= {"answer tokens": _mean([said.answer_tokens for said in some])}
        row |= {"seconds": _mean([said.seconds for said in some])}
        told.append(row | {"ends": ", ".join(f"{end} {count}" for end, count in ends.most_common())})
    return told


def _mean(numbers: Sequence[float | None]) -> float | None:
    return None if None in numbers or not numbers else float(np.mean(numbers))


def table(made: AgentComparison, measure: str, command: str = "") -> Table:
    columns = (
        Column("arm"),
        Column(f"{FAITHFUL} n" if measure == FAITHFUL else "n", "n", "", "Questions whose answer has a score."),
        arms.measure_column(measure),
        *arms.interval_columns(measure),
        Column(f"{measure} minus RAG", "\N{MINUS SIGN} RAG", SIGNED),
        corrected_p(f"{measure} p (Holm)"),
        Column("calls", "Calls", ONE, "Texts that the model wrote for a question, mean."),
        Column("tools", "Tools", ONE, "Calls of tools, and searches, for a question, mean."),
        Column("prompt tokens", "Read", WHOLE, "Tokens read for a question, all calls together, mean."),
        Column("answer tokens", "Written", WHOLE, "Tokens written for a question, all calls together, mean."),
        Column("seconds", "", ONE, "For a question; of arms of single texts its share of a batch."),
        Column("ends", "Ended", "", "How the runs ended, and how many."),
    )
    some = [row for row in rows(made) if measure in row]
    return Table("agents_table", columns, some, "Agents and plain answers", _note(made), command)


def _note(made: AgentComparison) -> str:
    level = made.draw.rules.confidence
    return (
        f"n {len(made.draw.rows):,}; {100 * level:g}% intervals by bootstrap, Wilson's of shares and of few; sign-flip test against RAG, "
        "Holm's correction over all arms and measures"
    )


def item_rows(made: AgentComparison) -> list[dict[str, Any]]:
    """A row a question, with each arm's answer and scores."""
    told = []
    for place, query in enumerate(made.draw.queries):
        row: dict[str, Any] = {"id": query.id, "question": query.text, "references": list(dict.fromkeys(query.answers))}
        for name, own in made.values.items():
            row[name] = made.answers[name][place].text
            row |= {f"{name} {m}": float(column[place]) for m, column in own.items() if np.isfinite(column[place])}
        told.append(row)
    return told


def item_table(made: AgentComparison, measure: str, command: str = "") -> Table:
    told = [{**row, "reference": " | ".join(row["references"])} for row in item_rows(made)]
    columns = [Column("question", width=260), Column("reference", width=120)]
    for name in made.values:
        columns.append(Column(name, title(name), width=130))
        if measure in made.values[name]:
            columns.append(arms.measure_column(measure, f"{name} {measure}", registry.find("measure", measure)().label))
    return Table("agents_questions", columns, told, "What each arm answered", f"n {len(told):,}", command)


def sentences(made: AgentComparison, level: float) -> list[str]:
    """What is told apart from RAG, and what this does not tell."""
    said = made.comparison.findings(
        level,
        lambda each: f"{title(each.arm)} is {each.verdict(level)} than RAG by {each.measure}: {each.figures}.",
        f"No arm differs significantly from RAG on these {len(made.draw.rows):,} questions.",
    )
    if made.samples:
        said.append(f"{TITLES[EQUAL]}: {made.samples:,} samples of a question, mean tokens of the others in the table.")
    if "temperature" not in type(made.draw.config.generation).model_fields:
        said.append("This engine has no temperature setting: its samples are drawn at its own.")
    return said
