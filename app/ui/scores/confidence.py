"""The view Confidence: the share answered against the share right as the model has to be surer, and the threshold in the recipe."""

import streamlit as st

from app import session
from app.ui import cards, charts, jobs, tables
from app.ui.cards import Card
from app.ui.search import results
from app.ui.search.answers import progress_words
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.answers import answering
from core.labs.scores import confidence as lab
from core.labs.scores.confidence import Confidence
from core.statistics.bootstrap import Interval
from core.workbench import Forecast, Phase, command_line

SETTING = "context.confidence"
METHOD = "Percentile bootstrap over questions, those with evidence in one document together; shares by Wilson's interval"


def draw() -> None:
    workbench, config = session.workbench(), session.config()
    writing = lab.writing(config)
    plan = workbench.plan(writing)
    if not plan.live:
        return results.waiting(writing, plan, "The risk-coverage curve")
    evaluation = jobs.drain(workbench.evaluating(plan.run or writing))
    if not evaluation.corpus.queries:
        return cards.empty("The risk-coverage curve", "This corpus has no questions. Add a questions file on the page Corpus.")
    count, measure, wished = settings(len(evaluation.corpus.queries))
    words = ["risk-coverage", "--ask", str(count), "--measure", measure, "--wished", f"{wished:g}", *workbench.arguments(config)]
    answers = answering.answer_set(workbench, evaluation, count)
    if not all(answers.answers):
        cost = answering.cost(workbench, config.generation, answers.askings)
        st.caption(f"{progress_words(answers, cost)}. They are written with log-probabilities, and kept.")
        takes = Forecast(cost.phases or (Phase("no answer: the model is not asked"),), units=max(1, cost.answers))
        label = f"Write {cards.count(cost.answers, 'answer')}" if cost.answers else "Answer without the model"
        jobs.start_button(label, words, f"Confidence, {count:,} questions", takes)
    if not any(answers.answers):
        return st.caption(
            "Each answer is held against its reference, and the share right told of those of which the model was surest."
        )
    try:
        made = lab.confidence_of(workbench, config, answers, measure, wished)
    except WorkbenchError as error:
        return cards.empty("The risk-coverage curve", f"{error.what} {error.todo}")
    return shown(made, config, command_line(*words))


def settings(most: int) -> tuple[int, str, float]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        about = "Drawn at random once; a larger number holds the smaller. Half of them choose the threshold, the others test it."
        count = st.number_input("Questions", 1, most, min(100, most), key="sure_of", bind="query-params", width=140, help=about)
        about = "What says whether an answer is right: token F1 of at least 0.5, or exact match."
        measure = st.selectbox(
            "Right by", lab.RIGHT_BY, format_func=lab.label, key="right_by", bind="query-params", width=150, help=about
        )
        about = "Share right of what is answered. The threshold that answers most and reaches it on the dev questions is told."
        wished = st.number_input(
            "Wished share right", 0.05, 1.0, lab.WISHED, 0.05, key="wished", bind="query-params", width=170, help=about
        )
    return count, measure, wished


def shown(made: Confidence, config: TrialConfig, command: str) -> None:
    cards.row(headline(made))
    chart(made, config, command)
    for sentence in lab.sentences(made):
        st.caption(cards.plain(sentence))
    if made.chosen is not None and made.chosen.threshold != made.present.threshold:
        words = f"Use {made.chosen.threshold:.3f} in the recipe" if made.chosen.threshold else "Answer everything in the recipe"
        cards.press(words, "tune", "use_confidence", session.change, {SETTING: made.chosen.threshold}, type="primary")
    with st.expander("The curve as a table"):
        tables.draw(lab.point_table(made, command))


def headline(made: Confidence) -> list[Card]:
    at = f"threshold {made.present.threshold:g}" if made.present.threshold else "no threshold"
    row = [
        _card(
            "Area under the risk",
            made.curve.area,
            "AURC: mean risk over the answers. Less is better: surer answers are right.",
            -1,
        ),
        _card(
            f"Answered, {at}", made.present.coverage, "Share of the questions that get an answer with the recipe's threshold.", 0
        ),
        _card(f"Right of those, {at}", made.present.right, f"Right: {lab.rule(made)}."),
    ]
    if made.chosen is not None:
        at = f"test, {made.chosen.threshold:.3f}"
        row.append(_card(f"Answered, {at}", made.on_test.coverage, "With the threshold chosen on the dev questions.", 0))
        row.append(
            _card(f"Right of those, {at}", made.on_test.right, "What the choice is worth on questions that did not make it.")
        )
    return row


def _card(title: str, share: Interval, about: str, direction: int = 1) -> Card:
    bounds = None if share.low is None else (share.low, share.high)
    return Card(title, share.mean, bounds, n=share.n, of=share.total, direction=direction, note=share.note, help=about)


def chart(made: Confidence, config: TrialConfig, command: str) -> None:
    """The curve, with the recipe's present threshold ringed and the wish as a line."""
    curve, here = made.curve, made.present
    ringed = float(here.coverage.mean) if here.right.n else None
    x, y = curve.coverage.tolist(), curve.right.tolist()
    low, high = ([None if value != value else value for value in side.tolist()] for side in (curve.low, curve.high))
    traces = charts.line(x, y, name="share right", low=low, high=high, current=ringed, hover="answered %{x:.3f}, right %{y:.3f}")
    marks = charts.mark_line(made.wished, f"wished {made.wished:g}")
    layout = {"yaxis": {"range": [0, 1.03]}, "xaxis": {"range": [0, 1.03]}, **marks}
    charts.show(
        charts.figure(traces, "Share answered (coverage)", "Share right of those answered", **layout),
        "risk_coverage",
        data=lab.points(made),
        config=config,
        title="Risk and coverage",
        caption=f"{lab.rule(made)}; n {curve.area.n:,} answers to {made.questions:,} questions; ringed: the recipe's threshold",
        method=METHOD,
        command=command,
    )
