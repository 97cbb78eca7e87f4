"""The answers of the recipe while they come in: how many questions are answered, what the answers are worth, and whether what
retrieval gained became a gain of the answers."""

import math
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, evidence, jobs, tables
from app.ui.search.parts import DISAGREEING, Part, show
from core.errors import WorkbenchError
from core.evaluation.metric import MAIN
from core.labs.answers import answering
from core.labs.answers import live as live_answers
from core.labs.answers.answering import AnswerSet
from core.labs.trials.comparison import label
from core.report.table import SIGNED, Column, Table
from core.workbench import Evaluation, Forecast, Phase

LOOK_S = 1.5  # between two looks while answers come in
VERB = "answer-set"
ANYTIME = (
    "Of the questions answered so far. The interval is valid at any moment, so you may stop when you like; it narrows as "
    "answers come in. It allows for either result on skipped questions, so it is wide until they are answered."
)


def possible(current: Evaluation) -> bool:
    """Whether the corpus has questions whose answers can be judged."""
    return any(map(answering.can_be_judged, current.corpus.queries))


def draw(current: Evaluation, baseline: Evaluation | None) -> None:
    """The tab."""
    with st.container(key="live_answers"):
        with st.container(horizontal=True, vertical_alignment="center"):
            count, dragged = _sample(current), _switch()
        try:
            works = bool(_working(current, count))
            st.fragment(_panel, run_every=LOOK_S if works else None)(current, baseline, count, dragged, works)
        except WorkbenchError as error:  # a model file that is not there: retrieval stands without it
            return cards.problem(error)
    st.session_state.answers_of = count
    if baseline:
        _disagreeing(current, baseline)


def _sample(current: Evaluation) -> int:
    most = sum(map(answering.can_be_judged, current.corpus.queries))
    return st.number_input(
        "Questions to answer",
        1,
        most,
        min(answering.FIRST, most),
        key="answer",
        bind="query-params",
        width=190,
        help=f"Of the {most:,} that can be judged, drawn at random once; a larger sample contains the smaller.",
    )


def _switch() -> bool:
    return st.toggle(
        "Answer while I drag",
        key="answer_live",
        bind="query-params",
        help="Each change of the recipe starts a job for the contexts it changed, and ends the previous job.",
    )


def _arguments(current: Evaluation, count: int) -> list[str]:
    return [VERB, "--ask", str(count), *session.workbench().arguments(current.config)]


def _working(current: Evaluation, count: int) -> Any:
    job = jobs.latest(_arguments(current, count))
    return job if job and job.alive else None


def _panel(current: Evaluation, baseline: Evaluation | None, count: int, dragged: bool, works: bool) -> None:
    with cards.calm():
        workbench, part = session.workbench(), current.config.generation
        if part.absent():
            phases = (Phase(f"fetching the model {part.model}, then answers to {count:,} questions"),)
            return _ask(current, count, f"The model {part.model} has to be downloaded first", dragged, works, count, phases)
        answers = answering.answer_set(workbench, current, count)
        cost = answering.cost(workbench, current.config, answers.askings)
        if not all(answers.answers):
            _ask(current, count, progress_words(answers, cost), dragged, works, cost.answers, cost.phases)
        elif works:
            _ask(current, count, "", dragged, works)
        shown(answers, baseline)


def progress_words(answers: AnswerSet, cost: answering.AnswerCost) -> str:
    """How many questions are answered, what the model still has to write, and for how many of the others it is not asked."""
    done = sum(said is not None for said in answers.answers)
    silent = sum(not asked.asks for asked, said in zip(answers.askings, answers.answers, strict=True) if asked and said is None)
    words = [f"{done:,} of {cards.count(cost.questions, 'question')} answered"]
    if cost.answers:
        words.append(f"{cards.count(cost.answers, 'answer')} to write")
    if silent:
        words.append(f"{silent:,} more without a passage similar enough (the model is not asked)")
    return ", ".join(words)


def _ask(
    current: Evaluation, count: int, told: str, dragged: bool, works: bool, missing: int = 0, phases: tuple[Phase, ...] = ()
) -> None:
    """What is missing, and the button that starts the job, or its progress. missing: answers that the model has to write."""
    host, arguments = answering.destination(current.config), _arguments(current, count)
    sent = f" Questions and passages are sent to {host}." if host else ""
    if told:
        st.caption(cards.plain(f"{told}.{sent}"))
    some = phases or (Phase("no answer: the model is not asked"),)
    takes = Forecast(some, units=missing, like=answering.alike_answers(current.config))
    job = _working(current, count)
    if job and not works:
        st.rerun()  # another page of this session started it: looked after from now on
    if dragged and job is None and st.session_state.get("answered_last") != arguments:
        st.session_state.answered_last = arguments  # once: a job that failed is not started again by itself
        for other in jobs.active():
            if other.arguments[:1] == [VERB]:
                session.workbench().jobs.cancel(other.id)
        jobs.start(arguments, f"Answering {count:,} questions", takes)
        st.rerun()
    action = f"Write {cards.count(missing, 'answer')}" if missing else "Answer without the model"
    jobs.start_button(action, arguments, f"Answering {count:,} questions", takes, place="live")


def shown(answers: AnswerSet, baseline: Evaluation | None) -> None:
    """Cards of the measures, and beside the baseline both gains."""
    workbench = session.workbench()
    if not any(answers.answers):
        return st.caption("No answers yet. The metrics of retrieval do not need them.")
    other = answering.recorded_set(workbench, baseline, answers.rows) if baseline else None
    made = live_answers.live(workbench, answers)
    cards.row(_card(each, len(answers.rows)) for each in made)
    if other is None:
        return st.caption("Pin a baseline to see its gain in retrieval and in answers side by side.")
    both = int((live_answers.answered(answers) & live_answers.answered(other)).sum())
    if not both:
        return st.caption(
            "The baseline has answered none of these questions yet. Make it the recipe in use to have them answered."
        )
    gains = live_answers.gains(workbench, answers, other, MAIN)
    st.caption(f"Gain over the baseline on the {cards.count(both, 'question')} that both have answered")
    tables.draw(Table("answer_gains", GAINS, _gain_rows(gains, answers)))


GAINS = (
    Column("Of"),
    Column("Measure"),
    *(Column(name, "", SIGNED) for name in ("Gain", "Low", "High")),
    Column("Questions"),
    Column("Verdict", width=105),
)


def _gain_rows(gains: list[live_answers.Gain], answers: AnswerSet) -> list[dict[str, Any]]:
    k, rows = answers.evaluation.config.evaluation.k, []
    for gain in gains:
        d = gain.difference
        name = gain.label if gain.of_answers else label(gain.label, k)
        if d.low is None:
            verdict = "unmeasured" if d.mean is None else "no interval"
        else:
            ends = (d.low * gain.direction, d.high * gain.direction)
            verdict = "better" if min(ends) > 0 else "worse" if max(ends) < 0 else "not significant"
        row = {"Of": "answers" if gain.of_answers else "retrieval", "Measure": name, "Gain": d.mean, "Low": d.low, "High": d.high}
        rows.append(row | {"Questions": d.n, "Verdict": verdict})
    return rows


def _card(each: live_answers.LiveScore, drawn: int) -> cards.Card:
    interval = each.interval
    limits = None if interval.low is None else (interval.low, interval.high)
    return cards.Card(
        each.measure.label,
        interval.mean,
        limits,
        n=interval.n,
        of=drawn,
        note=interval.note,
        direction=each.measure.direction,
        help=ANYTIME,
    )


def parted(current: Evaluation, baseline: Evaluation, which: int) -> Part:
    """The questions that retrieval does better and the answer does not (0), or the reverse (1), of those that both have answered."""
    workbench = session.workbench()
    measures, count = live_answers.shown_measures(), st.session_state.get("answers_of", answering.FIRST)
    if current.config.generation.absent() or not measures:
        return Part([], {})
    try:
        answers = answering.answer_set(workbench, current, min(count, len(current.corpus.queries)))
        other = answering.recorded_set(workbench, baseline, answers.rows)
    except WorkbenchError:  # told in the panel
        return Part([], {})
    measure = next((each for each in measures if each.part == "f1"), measures[0])
    those = live_answers.parted(workbench, answers, other, MAIN, measure)[which]
    sides = zip(("was", "now"), zip(*(each.answer for each in those), strict=True), strict=False)
    return Part([each.row for each in those], {f"{measure.label} {side}": list(values) for side, values in sides})


def _disagreeing(current: Evaluation, baseline: Evaluation) -> None:
    """The ways to the questions on which one gained and the other did not."""
    name = label(MAIN, current.config.evaluation.k)
    numbers = [len(parted(current, baseline, which).rows) for which in (0, 1)]
    titles = (f"{name} better, answer not: {numbers[0]}", f"Answer better, {name} not: {numbers[1]}")
    if not any(numbers):
        return
    st.caption("Questions where retrieval and answer disagree")
    with st.container(horizontal=True, gap="small"):
        for title, name in zip(titles, DISAGREEING, strict=True):
            cards.press(title, "filter_list", f"answer_parted/{name}", show, name)


def beside(evaluation: Evaluation, row: int) -> None:
    """The answer to an opened question, where it is known, with its scores."""
    try:
        answers = answering.recorded_set(session.workbench(), evaluation, [row])
    except WorkbenchError:  # the model is not there
        return
    [said] = answers.answers
    if said is None:
        return
    made = {m.label: float(live_answers.judged(session.workbench(), answers, m).values[0]) for m in live_answers.shown_measures()}
    told = ", ".join(f"{name} {value:.2f}" for name, value in made.items() if not math.isnan(value))
    st.caption(cards.plain(f"Answer ({said.finish_reason}){f': {told}' if told else ''}"))
    if said.withheld:
        st.caption(cards.plain(f"Abstained, as the model was not confident enough. It wrote: {said.withheld}"))
    if said.text:
        evidence.show(evidence.answer_html(said.text, len(said.shown)))
