"""How many questions are asked, what that takes, and the ladders that are known: the recipe's and the pinned baseline's."""

from typing import NamedTuple

import streamlit as st

from app import session
from app.ui import cards, forms, jobs
from app.ui.search import results
from core.config import TrialConfig, difference
from core.errors import WorkbenchError
from core.labs.answers.answering import alike_answers, can_be_judged
from core.labs.failures import ladder as lab
from core.labs.failures import rungs
from core.labs.failures.ladder import Ladder
from core.workbench import Forecast, Phase, Resolved, as_options

SCOPES = {False: "Retrieval, all questions", True: "Answers, {}"}


class Shown(NamedTuple):
    """What the page shows. other: of the pinned baseline, where it is at hand; asked: bands of the questions that were asked."""

    ladder: Ladder
    other: Ladder | None
    asked: bool
    count: int

    @property
    def config(self) -> TrialConfig:
        return self.ladder.evaluation.config

    def command(self) -> str:
        """Prints what is shown, and asks nothing."""
        words = ["--ask", str(self.count), "--stored"] if self.asked else []
        words += ["--evidence", self.ladder.evidence] if self.ladder.evidence != "any" else []
        if self.other:
            words += as_options("--against", difference(self.other.evaluation.config, self.config))
        return session.workbench().command(self.config, "failures", *words)


def ladders(recipe: TrialConfig | Resolved) -> Shown:
    """Draws how many are asked and of what is shown; retrieval's losses are there at once."""
    workbench = session.workbench()
    bare = jobs.drain(lab.standing(workbench, recipe))
    other = results.measured_baseline(bare.evaluation.run)
    other = other and jobs.drain(lab.standing(workbench, other.run))
    if bare.pieces.max(initial=0) > 1 and (needed := evidence()) != bare.evidence:
        bare = jobs.drain(lab.standing(workbench, recipe, needed))
        other = other and jobs.drain(lab.standing(workbench, other.evaluation.run, needed))
    if not any(can_be_judged(query) and query.answers for query in bare.corpus.queries):
        st.caption("No question of this corpus has a reference answer, so no answer can be judged: losses of retrieval only.")
        return Shown(bare, other, False, 0)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = sample(bare)
        try:
            ladder = rungs.with_kept(workbench, bare, count)
            other = other and rungs.with_kept(workbench, other, count)
            asks = ask(bare, ladder, count, "Ask", "recipe")
            if other and ladder.climbs:
                ask(other, other, count, "Ask the baseline too", "baseline")
        except WorkbenchError as error:  # a model file that is not there: retrieval stands without it
            cards.problem(error)
            return Shown(bare, other, False, count)
    if asks:
        st.caption(each_takes(bare, count))
    return Shown(ladder, other, bool(ladder.climbs) and scope(len(ladder.climbs)), count)


def evidence() -> str:
    """How much of several pieces of evidence a question needs."""
    about = (
        "The corpus does not record whether several pieces are alternatives or all needed. Switching asks the model nothing new."
    )
    return forms.one_of("Several pieces of evidence", lab.EVIDENCE, "evidence", "any", bind="query-params", help=about)


def sample(bare: Ladder) -> int:
    most = sum(map(can_be_judged, bare.corpus.queries))
    return st.number_input(
        "Questions to ask",
        1,
        most,
        min(rungs.asked_last(session.workbench(), bare.corpus), most),
        key="ask",
        bind="query-params",
        width=150,
        help=f"Of the {most:,} that can be judged, drawn at random once; a larger sample contains the smaller. "
        "Each is asked up to five times, with ever better passages.",
    )


def each_takes(bare: Ladder, count: int) -> str:
    """Why there are more answers than questions."""
    low, high = rungs.answers_each(session.workbench(), bare, count)
    number = cards.count(high, "answer") if low == high else f"{low} to {high} answers"
    asked = ", ".join(title.lower() for rung, title in lab.RUNGS.items() if rung != "reference")
    return f"Each question is asked under up to five conditions ({asked}); identical prompts share an answer, so {number} each."


def ask(bare: Ladder, ladder: Ladder, count: int, action: str, whose: str) -> bool:
    """The button that starts the job, with what it takes; nothing where all answers are kept. Returns whether any is to be written.
    whose: tells the two buttons apart."""
    cost = rungs.cost(session.workbench(), bare, count)
    if not cost.answers and cost.questions == len(ladder.climbs):
        return False
    config = bare.evaluation.config
    phases = cost.phases or (Phase(f"fetching the model {config.generation.model}, then answers to {count:,} questions"),)
    if host := config.generation.destination():
        st.caption(cards.plain(f"Questions and passages are sent to {host}."))
    arguments = ["failures", "--ask", str(count), *session.workbench().arguments(config)]
    title = f"Asking {count:,} questions with ever better passages"
    takes = Forecast(phases, units=max(1, cost.answers), like=alike_answers(config))
    jobs.start_button(f"{action}: {cards.count(count, 'question')}", arguments, title, takes, place=whose)
    return cost.answers > 0


def scope(asked: int) -> bool:
    titles = {wanted: title.format(cards.count(asked, "question")) for wanted, title in SCOPES.items()}
    return forms.one_of("Losses of", titles, "scope", True, width="content")
