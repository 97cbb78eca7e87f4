"""The view Chain of thought: answering at once against reasoning first, each greedily and by the vote of samples."""

import streamlit as st

from app import session
from app.ui import cards, charts, dots, forms, jobs, tables
from app.ui.search import results
from core import registry
from core.labs.answers import arms
from core.labs.answers import chain_of_thought as lab
from core.labs.answers.answering import alike, answer_phase
from core.labs.answers.chain_of_thought import Reasoning, ReasoningPlan
from core.workbench import Evaluation, Forecast, command_line

METHOD = (
    "Percentile bootstrap intervals of paired differences; sign-flip test, Holm's correction over all differences and measures"
)
COLORS = {"direct_votes": charts.COLORS[0], "chain_votes": charts.COLORS[1]}
USUAL = ReasoningPlan()


def draw() -> None:
    workbench, config = session.workbench(), session.config()
    evaluation = results.asked(config, "Chain of thought")
    if evaluation is None:
        return None
    asked = settings(len(arms.drawn(evaluation, len(evaluation.corpus.queries))))
    words = arguments(asked, workbench.arguments(config))
    made = lab.standing(workbench, config, asked)
    if made is None:
        texts = asked.questions * 2 * (1 + asked.samples)
        more = ", and second prompts to chains without an answer" if asked.again else ""
        told = f"{cards.count(texts, 'text')} at most{more}, without those written before"
        takes = Forecast((answer_phase(workbench, config.generation, texts, told),), units=texts, like=alike(config.generation))
        jobs.start_button("Compare ways of answering", words, f"Chain of thought, {asked.questions:,} questions", takes)
        return st.caption(
            "The same questions over the passages of this recipe, answered at once and after a chain of thought: the likeliest text of "
            "each, and the vote of several samples drawn by the same seeds."
        )
    return shown(made, evaluation, command_line(*words))


def settings(most: int) -> ReasoningPlan:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = results.question_count(most, USUAL.questions, "reasoned", "those with a reference answer")
        samples = st.number_input(
            "Samples", 2, 40, USUAL.samples, key="chains", bind="query-params", width=130, help="Number of samples that vote."
        )
        warm = st.number_input(
            "Temperature", 0.05, 2.0, USUAL.temperature, 0.05, key="chain_temperature", bind="query-params", width=130
        )
        about = 'If a chain lacks "Answer:", a second prompt requests the answer; off: it counts as no answer.'
        again = st.toggle("Ask again", USUAL.again, key="chain_again", bind="query-params", help=about)
    with st.expander("Both prompts"):
        columns = st.columns(2, gap="medium")
        direct = columns[0].text_area("Direct", USUAL.direct, key="direct_template", height=150, max_chars=4000)
        chain = columns[1].text_area("Chain of thought", USUAL.chain, key="chain_template", height=150, max_chars=4000)
        st.caption(
            "Variables as in the prompt's template on the page Ask; \\$passages and \\$question are required. The bundled model is asked "
            "without its adapter, which learnt neither prompt."
        )
    return ReasoningPlan(count, samples, warm, again, direct, chain)


def arguments(asked: ReasoningPlan, recipe: list[str]) -> list[str]:
    """Of the command that makes this comparison."""
    words = ["chain-of-thought", "--ask", str(asked.questions), "--samples", str(asked.samples)]
    words += ["--temperature", f"{asked.temperature:g}", *([] if asked.again else ["--no-again"])]
    words += [] if asked.direct == USUAL.direct else ["--direct", asked.direct]
    words += [] if asked.chain == USUAL.chain else ["--chain", asked.chain]
    return [*words, *recipe]


def shown(made: Reasoning, evaluation: Evaluation, command: str) -> None:
    names = {name: registry.find("measure", name)().label for name in lab.MEASURES}
    name = forms.one_of_many("Measure", names, "reasoned_by", "f1", width=170)
    level = evaluation.config.evaluation.confidence
    pairs = [pair for pair in made.comparison.differences.values() if pair.measure == name]
    charts.show(
        dots.marks(
            [dots.difference(f"{lab.SHORT[pair.arm]} − {lab.SHORT[pair.base].lower()}", pair, level) for pair in pairs],
            f"Difference in {names[name]}",
            lines=[(0.0, "")],
        ),
        "chain_of_thought",
        data=lab.pair_rows(made),
        config=evaluation.config,
        title="Effect of reasoning and voting",
        caption=f"n {len(made.asked):,}; blue: significantly different from 0",
        method=METHOD,
        command=command,
    )
    tables.sentences(lab.sentences(made, level))
    tables.draw(lab.way_table(made, name, command))
    curve(made, evaluation, name, names[name], command)
    place = question_table(made, name, command)
    if place is not None:
        with tables.opened():
            opened(made, place)


def curve(made: Reasoning, evaluation: Evaluation, name: str, title: str, command: str) -> None:
    """The score against the number of samples."""
    traces = []
    for (way, measure), points in made.curves.items():
        if measure == name:
            sides = {side: [getattr(at, side) for at in points] for side in ("mean", "low", "high")}
            x = list(range(1, len(points) + 1))
            traces += charts.line(
                x, sides["mean"], name=lab.WAYS[way].partition(",")[0], low=sides["low"], high=sides["high"], color=COLORS[way]
            )
    shape = charts.figure(traces, "Samples that vote", title, height=260, xaxis={"dtick": 1 + made.plan.samples // 15})
    charts.show(
        shape,
        "votes",
        data=lab.curve_rows(made),
        config=evaluation.config,
        title="By the number of samples",
        caption=f"n {len(made.asked):,}; mean over sets of that many samples",
        method="Bootstrap intervals over questions",
        command=command,
    )


def question_table(made: Reasoning, name: str, command: str) -> int | None:
    """The questions on which reasoning changes most first."""
    difference = made.values["chain_votes"][name] - made.values["direct"][name]
    order = sorted(range(len(made.asked)), key=lambda place: -abs(difference[place]))
    st.caption("Click a question for its chains and votes.")
    ids = [made.asked[place].query.id for place in order]
    chosen = tables.choose(lab.item_table(made, name, order, command), ids, param="chain")
    return None if chosen is None else order[chosen]


def opened(made: Reasoning, place: int) -> None:
    item, told = made.asked[place], made.answers[place]
    cards.question_title(item.query.text)
    st.caption(cards.plain(f"Reference: {' | '.join(dict.fromkeys(item.query.answers))}"))
    for way, words in lab.WAYS.items():
        rows = [
            {"Text": chain.text, "Asked again": chain.again or "", "Answer read": chain.answer or "none"}
            for chain in item.texts[way]
        ]
        st.html(f'<div class="gw gw-title"><span>{words}</span></div>')
        st.caption(cards.plain(f"Answer: {told[way] or 'none'}"))
        tables.wrapped_table(rows)
