"""How likely any given answer is over the passages found: RAG-Sequence's and RAG-Token's marginal likelihood, on a press."""

import math
import shlex
from zlib import crc32

import streamlit as st

from app import session
from app.ui import cards, cells, jobs, tables
from app.ui.answers import engines
from core import registry
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.answers import likelihood as lab
from core.labs.answers.answering import alike
from core.records import Answer, Query
from core.workbench import one_phase

HELD = "likelihood"  # in the session: the last answer that was measured, or why it was not


def draw(question: str, recipe: TrialConfig, answer: Answer, query: Query | None) -> None:
    """query: the corpus' own question, whose reference answer is offered first."""
    measured = mixing(recipe)
    model, other = map(cards.plain, measured_by(recipe))
    st.caption(
        f"How likely {model} finds an answer over all passages together, each weighed by p(passage | question), the softmax of the "
        f"ranking's scores. It shows what this model would answer, not what is right. {other}".strip()
    )
    reference = next(iter(query.answers), "") if query else ""
    # where the answer itself is offered, another answer has a box of its own: under one key it would hold the one before
    key = f"likelihood/{question}" + (f"/{crc32(answer.text.encode('utf-8', 'replace')):x}" if not reference else "")
    text = st.text_area("Answer", reference or answer.text, key=key, height=68, max_chars=4000)
    asked = question, measured, text.strip()
    read, engine = cards.count(measured.context.passages, "passage"), alike(measured.generation)
    press = jobs.Press("likelihood", one_phase(f"the answer read over {read}", units=measured.context.passages, like=engine))
    if jobs.press_button("Measure its likelihood", press, icon=":material/percent:", key="likelihood_now"):
        try:
            work = lab.answer_likelihood(session.workbench(), measured, question, text)
            st.session_state[HELD] = asked, jobs.drain(work, press=press)
        except WorkbenchError as error:
            st.session_state[HELD] = asked, error
    before, made = st.session_state.get(HELD, (None, None))
    if before != asked:
        return
    if isinstance(made, WorkbenchError):
        return cards.problem(made)
    command = session.workbench().command(measured, "likelihood")
    command += f" {shlex.quote(question)} {shlex.quote(made.answer)}"
    table(made, command)
    st.code(command, language="bash", wrap_lines=True)


def table(made: lab.AnswerLikelihood, command: str) -> None:
    """Both marginals, then what each passage makes of the answer and its share of RAG-Sequence's."""
    each = {"RAG-Sequence": made.sequence, "RAG-Token": made.token}
    cards.facts(
        [
            (
                f"log p(answer), {name}",
                f"{cells.number(value, '%.2f')} nats over {cards.count(made.tokens, 'token')}: perplexity {_perplexity(value, made)}",
            )
            for name, value in each.items()
        ]
    )
    told = lab.passage_table(made, command)
    tables.draw(told)
    st.caption(f"{told.note}. The end of the answer is one of its tokens.")


def mixing(recipe: TrialConfig) -> TrialConfig:
    """The recipe, with an engine that can tell where its own cannot: with the same model and adapters, where that is on this machine."""
    own = recipe.generation
    if own.mixes:
        return recipe
    able = next(name for name, part in registry.parts("generator").items() if part.mixes)
    knobs = {"model", "adapter", "adapter_scale"} & type(own).model_fields.keys() if own.local else ()
    worn = {f"generation.{name}": getattr(own, name) for name in knobs}
    return with_settings(recipe, {"generation.part": able} | worn)


def measured_by(recipe: TrialConfig) -> tuple[str, str]:
    """(the model that is measured, why not by the recipe's engine)."""
    measured, own = mixing(recipe), recipe.generation
    name = engines.model_of(measured, engines.named(measured.generation.model))
    if measured is recipe:
        return name, ""
    whose = "its model" if own.local else "another model than the one that answered"
    able, unable = registry.word(measured.generation.part), registry.word(own.part)
    return name, f"The engine {unable} cannot read passages side by side, so {able} reads {whose}."


def _perplexity(logprob: float, made: lab.AnswerLikelihood) -> str:
    """e to the mean of -log p a token."""
    mean = -logprob / made.tokens
    return f"{math.exp(mean):,.1f}" if mean < 20 else "above 10⁸"
