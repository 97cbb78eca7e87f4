"""Which step of an agent's run mattered: one observation replaced in many recorded runs, and answers asked for after 0 to k calls.

The runs are those that `agents compare` records. Up to the step in question they come from the record, without the model; a replaced
observation and a search less are therefore compared on the same beginnings. Effects are paired over the questions. Verbs of the page
Agents.
"""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.agents import runs
from core.agents.runs import AgentStep
from core.agents.tools import SEARCH, cut
from core.comparison.comparison import ArmComparison, Difference, compared
from core.config import PartConfig, code_version, fingerprint
from core.context.citations import plain
from core.errors import PromptTooLong, WorkbenchError
from core.generation.loading import loaded
from core.generation.model_texts import AGAIN
from core.labs.agents.attacking import wrong_answers
from core.labs.agents.replaying import AGENT, material_of
from core.labs.answers import arms
from core.labs.answers.answering import AnswerSet, is_final, unfit
from core.labs.answers.arms import Draw
from core.labs.answers.results import keep_result, result_of
from core.labs.failures.rungs import gold_hits
from core.pipeline.answers import Given, KeptAnswer
from core.pipeline.stages import Recipe
from core.progress import drain, within
from core.records import Hit, Progress
from core.report.table import MEAN, SIGNED, WHOLE, Column, Table, corrected_p
from core.workbench import Workbench

QUESTIONS, SEARCHES = 20, 3  # where nobody says how many
RECORDED = "recorded"
TITLES = {RECORDED: "As recorded", "gold": "Gold evidence", "empty": "Nothing found", "contradiction": "Contradiction"}
EMPTY = "Nothing was found."
CHANGED = "changed"  # share of answers that are other ones
MEASURES = ("em", "f1")
MADE = "agent_observations"  # of the records


class ObservationPlan(NamedTuple):
    """step: from 1, the call whose result is replaced; runs with fewer calls are left out."""

    questions: int = QUESTIONS
    step: int = 1


class SearchPlan(NamedTuple):
    """calls: after so many calls at most the answer is asked for, and after each smaller number."""

    questions: int = QUESTIONS
    calls: int = SEARCHES


class Mattered(NamedTuple):
    """answers: arm -> its answer to each question, None where it has none; the arms of calls are numbers. n: runs with such a step, or that
    make so many calls, by arm. left: answers that are not asked for yet."""

    draw: Draw
    answers: dict[Any, list[str | None]]
    comparison: ArmComparison
    n: dict[Any, int]
    left: int


# One observation replaced --------------------------------------------------------------------------------------------


def replace_observation(workbench: Workbench, recipe: Recipe, plan: ObservationPlan) -> Generator[Progress, None, Mattered]:
    """Writes the runs that are not recorded, and goes on from the replaced step of each."""
    draw, made = yield from _recorded(workbench, recipe, plan.questions)
    texts = _observations(draw, made, plan)
    total = sum(text is not None for some in texts.values() for text in some)
    done = 0
    for arm, some in texts.items():
        for place, text in enumerate(some):
            if text is not None:
                said = made.answers[place]
                step = said and _steps(said)[plan.step - 1]._replace(result=text, passages=(), failed=False, edited=True)
                before = [*_steps(said)[: plan.step - 1], step]
                about = Progress(done, total, f"{TITLES[arm]}: {draw.queries[place].text}")
                yield from _written(draw, place, said, before, True, about)
                done += 1
    return observed(workbench, draw.run, plan)


def observed(workbench: Workbench, recipe: Recipe, plan: ObservationPlan) -> Mattered:
    """What is known of it; asks no model."""
    draw = arms.standing_draw(workbench, recipe, plan.questions)
    made = drain(arms.answered_by(draw, AGENT))
    texts = _observations(draw, made, plan)
    answers: dict[Any, list[str | None]] = {RECORDED: [None] * len(draw.rows)} | {arm: [None] * len(draw.rows) for arm in texts}
    left = sum(said is None for said in made.answers)
    for place, said in enumerate(made.answers):
        for arm, some in texts.items():
            if some[place] is None:
                continue
            answers[RECORDED][place] = said.text
            step = _steps(said)[plan.step - 1]._replace(result=some[place], passages=(), failed=False, edited=True)
            answers[arm][place] = _text_of(draw, place, said, [*_steps(said)[: plan.step - 1], step], True)
            left += answers[arm][place] is None
    values = {
        arm: arms.text_values(draw, draw.queries, some, MEASURES)
        for arm, some in answers.items()
        if any(text is not None for text in some)
    }
    for arm in values:
        some = answers[arm]
        pairs = zip(some, answers[RECORDED], strict=True)
        values[arm][CHANGED] = np.array([np.nan if None in pair else float(pair[0] != pair[1]) for pair in pairs])
    comparison = compared(values, draw.rules, RECORDED, family=_scores)
    return Mattered(
        draw, answers, comparison, {arm: sum(text is not None for text in some) for arm, some in answers.items()}, left
    )


def _scores(difference: Difference) -> str | None:
    """The family that is tested: of answers that are other ones there are none less than none, and a test would say nothing."""
    return None if difference.measure == CHANGED else ""


def _observations(draw: Draw, made: AnswerSet, plan: ObservationPlan) -> dict[str, list[str | None]]:
    """arm -> what stands in the place of each run's result; None: the run has no such step, or its evidence no answer to exchange."""
    targets, style = wrong_answers(draw), draw.config.context.citations
    texts: dict[str, list[str | None]] = {arm: [] for arm in TITLES if arm != RECORDED}
    for place, said in enumerate(made.answers):
        there = said is not None and len(_calls(_steps(said))) >= plan.step
        gold = "\n".join(hit.text for hit in gold_hits(draw.workbench, draw.evaluation, draw.rows[place])) if there else ""
        answer = next((each for each in draw.queries[place].answers if each and each in gold), "")
        told = {
            "gold": gold,
            "empty": EMPTY if there else "",
            "contradiction": gold.replace(answer, targets[place]) if answer else "",
        }
        for arm, text in told.items():
            texts[arm].append(cut(plain(text, style), SEARCH.most) if text else None)
    return texts


# Answers after 0 to k calls ------------------------------------------------------------------------------------------


def answer_early(workbench: Workbench, recipe: Recipe, plan: SearchPlan) -> Generator[Progress, None, Mattered]:
    """Asks each recorded run for its answer after 0 to k calls."""
    draw, made = yield from _recorded(workbench, recipe, plan.questions)
    for calls in range(plan.calls):
        for place, said in enumerate(made.answers):
            if said is not None and len(_calls(_steps(said))) > calls:
                step = Progress(
                    calls * len(draw.rows) + place, plan.calls * len(draw.rows), f"After {calls}: {draw.queries[place].text}"
                )
                yield from _written(draw, place, said, _steps(said)[:calls], False, step)
    return answered_early(workbench, draw.run, plan)


def answered_early(workbench: Workbench, recipe: Recipe, plan: SearchPlan) -> Mattered:
    """What is known of it; asks no model. A run that ends before so many calls has its own answer there."""
    draw = arms.standing_draw(workbench, recipe, plan.questions)
    made = drain(arms.answered_by(draw, AGENT))
    answers: dict[Any, list[str | None]] = {}
    reach = {}
    for calls in range(plan.calls + 1):
        more = [said is not None and len(_calls(_steps(said))) > calls for said in made.answers]
        reach[calls] = sum(more) if calls < plan.calls else sum(said is not None for said in made.answers) - sum(more)
        answers[calls] = [
            said and (_text_of(draw, place, said, _steps(said)[:calls], False) if goes_on and calls < plan.calls else said.text)
            for place, (said, goes_on) in enumerate(zip(made.answers, more, strict=True))
        ]
    values = {calls: arms.text_values(draw, draw.queries, some, MEASURES) for calls, some in answers.items()}
    pairs = [(calls, calls - 1) for calls in range(1, plan.calls + 1)]
    left = sum(text is None for some in answers.values() for text in some)
    return Mattered(draw, answers, compared(values, draw.rules, pairs=pairs), reach, left)


# Recorded runs -------------------------------------------------------------------------------------------------------


def _recorded(workbench: Workbench, recipe: Recipe, questions: int) -> Generator[Progress, None, tuple[Draw, AnswerSet]]:
    """The agent's runs, those written that are not recorded."""
    draw = yield from arms.fetched_draw(workbench, recipe, questions)
    yield from arms.write(workbench, [(yield from arms.answered_by(draw, AGENT))])
    yield from loaded(draw.config.generation.usable())
    return draw, (yield from arms.answered_by(draw, AGENT))


def _way(draw: Draw) -> PartConfig:
    return draw.config.answering if draw.config.answering.part == AGENT else registry.find("answering", AGENT)()


def _steps(said: KeptAnswer) -> list[AgentStep]:
    return runs.read_steps((said.detail or {}).get("steps", []))


def _calls(steps: Sequence[AgentStep]) -> list[AgentStep]:
    return [step for step in steps if step.tool != runs.FINISH]


def _key(draw: Draw, place: int, said: KeptAnswer, before: Sequence[AgentStep], calls: bool) -> str:
    told = [(step.tool, step.arguments, step.result) for step in before]
    way, config = _way(draw), draw.config
    code = code_version(replace_observation, type(way), type(config.generation))
    own = [config.generation, config.generation.identity(), config.context, config.seed, way, code]
    return fingerprint(draw.queries[place].text, own, draw.run.ranking_key(), said.shown, told, calls)


def _text_of(draw: Draw, place: int, said: KeptAnswer, before: Sequence[AgentStep], calls: bool) -> str | None:
    return result_of(draw.workbench, _key(draw, place, said, before, calls))


def _written(
    draw: Draw, place: int, said: KeptAnswer, before: Sequence[AgentStep], calls: bool, step: Progress
) -> Generator[Progress, None, None]:
    """The run from behind these steps, recorded; what fails for good is an empty answer."""
    key = _key(draw, place, said, before, calls)
    if result_of(draw.workbench, key) is not None:
        return
    yield step
    first = said.detail["first"]
    last = max([first, *(number for each in before for number in each.passages)])
    texts = {document.id: document for document in draw.evaluation.corpus.documents}
    hits = [_hit(texts, spans) for spans in said.shown[:last]]
    material = material_of(draw.workbench, draw.run, draw.queries[place].text, hits)
    try:
        made = yield from within(_way(draw).resumed(material, before, first, calls), step)
    except PromptTooLong as error:
        made = unfit(error)
    if not is_final(material.generator, made.finish_reason):
        raise WorkbenchError(made.finish_reason, where=material.generator.model, todo=AGAIN)
    keep_result(draw.workbench, MADE, key, made.text)


def _hit(texts: dict[str, Any], spans: Given) -> Hit:
    (name, start, _), (_, _, end) = spans[0], spans[-1]
    return Hit(0, 0.0, name, texts[name].title, start, end, texts[name].text[start:end])


# As the page and the command show it ---------------------------------------------------------------------------------


def observation_rows(made: Mattered) -> list[dict[str, Any]]:
    return [
        {"observation": TITLES[arm], "n": made.n[arm], **made.comparison.row(arm, "minus recorded")}
        for arm in made.answers
        if made.n[arm]
    ]


def observation_table(made: Mattered, measure: str, command: str = "") -> Table:
    columns = (
        Column("observation", "Observation"),
        Column("n", "n"),
        arms.measure_column(measure),
        *arms.interval_columns(measure),
        Column(f"{measure} minus recorded", "\N{MINUS SIGN} recorded", SIGNED),
        corrected_p(f"{measure} p (Holm)"),
        Column(CHANGED, "Other answer", MEAN, "Share of runs that then give another answer."),
    )
    note = "paired over the runs that have the step and, of a contradiction, whose evidence states the answer; Holm's correction"
    return Table("agents_observations", columns, observation_rows(made), "One observation replaced", note, command)


def search_rows(made: Mattered) -> list[dict[str, Any]]:
    return [{"calls": calls, "n": made.n[calls], **made.comparison.row(calls, "minus one less")} for calls in made.answers]


def search_table(made: Mattered, measure: str, command: str = "") -> Table:
    last = max(made.answers)
    columns = (
        Column("calls", "Calls", WHOLE, f"Of tools, before the answer is asked for; {last}: the run as recorded."),
        Column("n", "Runs that go on", WHOLE, "Of which the answer was asked for early; of the last row: that end by then."),
        arms.measure_column(measure),
        *arms.interval_columns(measure),
        Column(f"{measure} minus one less", "\N{MINUS SIGN} one call less", SIGNED),
        corrected_p(f"{measure} p (Holm)"),
    )
    note = f"n {len(made.draw.rows):,}; the marginal value of a call, paired over the questions; Holm's correction"
    return Table("agents_searches", columns, search_rows(made), "Answers after 0 to k calls", note, command)


def sentences(made: Mattered, level: float) -> list[str]:
    def words(each: Any) -> str:
        what = TITLES.get(each.arm) or ("The whole run" if each.arm == max(made.answers) else f"After {each.arm} calls")
        base = "as recorded" if each.base == RECORDED else f"after {each.base}"
        return f"{what}: {each.measure} {each.figures} compared with {base}."

    if not any(made.n.values()):
        return ["No run on these questions makes so many calls."]
    return made.comparison.findings(level, words, "No difference is significant.")
