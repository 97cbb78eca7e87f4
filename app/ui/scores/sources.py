"""Which answers are scored: those of the recipe to its questions, those stored of a system, those of an own file."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, forms, jobs
from app.ui.search import results
from app.ui.search.answers import progress_words
from core.errors import WorkbenchError
from core.labs.answers import answering
from core.labs.scores import sets
from core.labs.scores.answer_file import AnswerFile, AnswerRow
from core.labs.scores.sets import ScoredSet
from core.workbench import Forecast, Phase, command_line, one_phase

RECIPE, STORED, FILE = "The recipe's answers", "Stored answers", "A file"
ASK, LIVE = "../pages/ask_model.py", "../pages/search_live.py"  # relative to app/main.py
FORM = (
    'JSON lines, a line an answer: "question", "passages" (a list of texts), "answer", and if there "reference", "label" (0, 1, or a '
    'number) and "spans" ([start, end) of wrong words). The file stays on this machine.'
)


class Shown(NamedTuple):
    """What the page shows. other: what it is compared with; file: of own answers, with their labels."""

    answers: ScoredSet
    other: ScoredSet | None
    arguments: tuple[str, ...]  # of the command that computes all of it
    file: AnswerFile | None = None

    @property
    def command(self) -> str:
        return command_line(*self.arguments)


def wanted(key: str, usual: str) -> str:
    """What a choice of the page says, also before its widget is drawn."""
    return st.session_state.get(key) or st.query_params.get(key, usual)


def of_the_recipe() -> bool:
    """Whether the answers that are shown are those of the recipe in use."""
    return wanted("source", RECIPE) == RECIPE


def chosen() -> Shown | None:
    """The answers that the user chose, with their scores; None where there are none yet, which is told."""
    sources = [RECIPE, STORED, FILE]
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row:
        source = forms.one_of("Answers", sources, "source", RECIPE, bind="query-params")
        st.selectbox(
            "Support judged by",
            ["containment", "entailment"],  # the address holds these words
            key="borne_by",
            bind="query-params",
            width=170,
            help="How a passage is found to support a statement: by shared word sequences, or by the entailment model, which "
            "also recognises other words and takes a job.",
        )
    shown = {RECIPE: of_recipe, STORED: of_system, FILE: of_file}[source](row)
    if shown is not None and shown.other is not None:
        try:
            sets.same_questions(shown.answers.rows, shown.other.rows)
        except WorkbenchError as error:
            cards.problem(error)
            return shown._replace(other=None)
    return shown


def knobs() -> dict[str, str]:
    """Settings of measures that are not the usual ones."""
    by = st.session_state.get("borne_by") or "containment"
    return {} if by == "containment" else sets.deciding(by)


def scoring(*words: str) -> list[str]:
    """A command that scores answers, with the recipe and the settings of measures."""
    told = [word for name, value in knobs().items() for word in ("--knob", f"{name}={value}")]
    return [*words, *session.workbench().arguments(session.config()), *told]


def of_recipe(row: Any) -> Shown | None:
    """row: the place of what is chosen."""
    workbench, config = session.workbench(), session.config()
    evaluation = results.asked(config, "Scores of answers", ", or choose A file")
    if evaluation is None:
        return None
    queries = evaluation.corpus.queries
    with row:
        count = results.question_count(len(queries), answering.FIRST, "scored", width=115)
    said = answering.answer_set(workbench, evaluation, count)
    rows = sets.of_recipe(said)
    arguments = scoring("score-answers", "--ask", str(count))
    lacking = len(said.rows) - len(rows)
    if lacking:
        cost = answering.cost(workbench, config, said.askings)
        if rows:
            st.caption(f"{progress_words(said, cost)}.")
        else:
            few = f"; {cost.silent:,} have no passage similar enough, so the model is not asked" if cost.silent else ""
            why = f"This recipe has answered none of these {count:,} questions yet{few}. Answers are stored, and scored at once."
            cards.empty("Scores of answers", why)
        phases = cost.phases or (Phase("no answer: the model is not asked"),)
        action = f"Write and score {cards.count(cost.answers, 'answer')}" if cost.answers else "Score the answers"
        title = f"Answers of {evaluation.corpus.name}"
        jobs.start_button(
            action, arguments, title, Forecast(phases, units=max(1, cost.answers), like=answering.alike_answers(config))
        )
    if not rows:
        return None
    other, pinned = None, session.baseline()
    if pinned is not None and pinned != config and (measured := results.measured_baseline(evaluation.run)):
        theirs = sets.of_recipe(answering.answer_set(workbench, measured, count))
        if theirs:
            other = scored("The baseline", theirs)
        else:
            st.caption("The baseline has no answers to these questions yet, so no differences are shown.")
    return Shown(scored("This recipe", rows, arguments, offered=bool(lacking)), other, tuple(arguments))


def of_system(row: Any) -> Shown | None:
    workbench, config = session.workbench(), session.config()
    systems = sets.stored(workbench, config.corpus.dataset)
    if not systems:
        if cards.empty(
            "Scores of stored answers", f"No answer about {config.corpus.dataset} is stored yet.", "Ask", icon=":material/forum:"
        ):
            st.switch_page(ASK, query_params={})
        return None
    with row:
        name = st.selectbox("System", list(systems), key="system", bind="query-params", width=320)
        others = {"": "nothing", **{each: each for each in systems if each != name}}
        against = forms.one_of_many("Compared with", others, "against", width=220)
    arguments = scoring("score-answers", "--system", name)
    other = scored(against, systems[against]) if against else None
    return Shown(scored(name, systems[name], arguments), other, tuple(arguments))


def of_file(_row: Any) -> Shown | None:
    workbench = session.workbench()
    sent = st.file_uploader("Answers", ["jsonl", "gz"], True, key="answer_files", help=FORM)
    if not sent:
        cards.empty("Scores of your answers", FORM)
        return None
    by_name = {f"{place}. {upload.name}": upload for place, upload in enumerate(sent, 1)}
    name = next(iter(by_name)) if len(by_name) == 1 else st.selectbox("File", list(by_name), key="file", width=420)
    others = [each for each in by_name if each != name]
    against = st.selectbox("Compared with", ["", *others], format_func=lambda n: n or "nothing", width=420) if others else ""
    path, file = sets.received(workbench, by_name[name].getvalue())
    notes(file)
    arguments = scoring("judge", str(path))
    other = scored(against, sets.received(workbench, by_name[against].getvalue())[1].rows) if against else None
    return Shown(scored(by_name[name].name, file.rows, arguments), other, tuple(arguments), file)


def notes(file: AnswerFile) -> None:
    left = file.lines - len(file.rows)
    if file.notes:
        verb = "was" if left == 1 else "were"
        text = f"{cards.count(left, 'line')} of {file.lines:,} {verb} skipped. " if left else ""
        st.warning(cards.plain(text + " ".join(file.notes)), icon=":material/warning:")


def scored(name: str, rows: list[AnswerRow], arguments: Sequence[str] = (), offered: bool = False) -> ScoredSet:
    """With the button for measures that take longer, where a command is given. offered: the command has a button already."""
    answers = jobs.drain(sets.scored(session.workbench(), session.config(), name, rows, knobs()), "Scoring")
    if arguments:
        job_for(answers, list(arguments), offered)
    return answers


def job_for(answers: ScoredSet, arguments: list[str], offered: bool) -> None:
    free = [] if offered else [measure for measure in answers.waiting if not (measure.asks_model or measure.absent())]
    if free:
        names, number = ", ".join(measure.label for measure in free), len(answers.rows) * len(free)
        takes = one_phase(
            f"{cards.count(number, 'score')} by {names}, which run a model on each answer", units=number, like=names
        )
        jobs.start_button(f"Score by {cards.count(len(free), 'more measure')}", arguments, f"Scores of {answers.name}", takes)


def by_a_model(shown: Shown) -> None:
    """The measures that ask a language model, each a job."""
    answers = shown.answers
    asking = {measure.part: measure for measure in answers.waiting if measure.asks_model}
    if not asking:
        return
    with st.expander("Measures that ask a language model"), cards.calm():
        part = st.selectbox("Measure", list(asking), format_func=lambda name: asking[name].label, key="asks_model")
        st.caption(cards.plain(first_words(asking[part])))
        number, model = len(answers.rows), session.config().generation
        told = f"{cards.count(number, 'answer')} judged by the model, a prompt each or more"
        phase = answering.answer_phase(session.workbench(), model, number, told)
        takes = Forecast((phase,), units=number, like=f"{part} {answering.alike(model)}")
        words, title = [*shown.arguments, "--measure", part], f"Scores of {answers.name}"
        jobs.start_button(f"Score by {asking[part].label}", words, title, takes, place=part)


def first_words(measure) -> str:
    """What it measures, in its own words."""
    return " ".join((type(measure).__doc__ or "").split()).partition(" Choose ")[0]
