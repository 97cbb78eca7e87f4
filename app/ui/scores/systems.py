"""The view Another system: a RAG of one's own, behind an address, is asked the recipe's questions and held against the recipe."""

import streamlit as st

from app import session
from app.ui import cards, charts, dots, forms, jobs, tables
from app.ui.search import results
from core.errors import WorkbenchError
from core.labs.answers import answering
from core.labs.systems import asking, comparing, over_http
from core.labs.systems.comparing import SystemComparison
from core.workbench import Evaluation, Forecast, Phase, command_line

SPEAKS = {"Groundwork": "groundwork", "OpenAI chat": "openai", "JSON": "json"}
ADDRESSES = {"groundwork": "http://127.0.0.1:8600", "openai": "http://127.0.0.1:8000/v1", "json": "http://127.0.0.1:8000/ask"}
PLACES = {  # field -> (what the form calls it, what it may be)
    "answer": ("Answer at", "result.text"),
    "passages": ("Passages at", "result.sources"),
    "text": ("Text of a passage at", "text"),
    "document": ("Its document at", "document"),
    "start": ("Its start at", "start"),
    "end": ("Its end at", "end"),
}


def draw() -> None:
    workbench, config = session.workbench(), session.config()
    evaluation = results.asked(config, "Another system")
    if evaluation is None:
        return None
    corpus = evaluation.corpus
    there, usual = asking.systems(workbench, corpus.name), min(answering.FIRST, len(corpus.queries))
    count = st.number_input(
        "Questions",
        1,
        len(corpus.queries),
        usual,
        key="system_questions",
        bind="query-params",
        width=150,
        help="Those that recipes answer, drawn at random once; a larger sample contains the smaller.",
    )
    with st.expander("Ask a system", expanded=not there):
        form(evaluation, count)
    if not there:
        return cards.empty(
            "No other system was asked yet",
            "Enter its name and address: it is asked the questions of this corpus once, and its answers and passages are "
            "compared with the recipe's. From Python any callable or retriever can be asked (docs/python.md).",
        )
    name = st.selectbox("System", list(there), key="system_compared", bind="query-params", width=300)
    return compared(evaluation, name, count)


def form(evaluation: Evaluation, count: int) -> None:
    """What is asked, with the press that asks it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", key="system_name", placeholder="my RAG", max_chars=asking.LONGEST, width=180)
        speaks = SPEAKS[forms.one_of("Protocol", list(SPEAKS), "system_speaks")]
        url = st.text_input("Address", key="system_url", placeholder=ADDRESSES[speaks])
        variable = st.text_input(
            "Variable with its key",
            key="system_key",
            placeholder="none",
            width=180,
            help="Name of an environment variable of the app. The key is sent to this address only, and never stored or shown.",
        )
    model = st.text_input("Model", key="system_model", width=300) if speaks == "openai" else ""
    body, places = mapping() if speaks == "json" else ("", {})
    if not name.strip() or not url.strip():
        return st.caption("Only the questions of this corpus are sent to that address, one after the other.")
    try:
        asking.check_name(name)
        over_http.http_system(url, speaks, model, body, places, variable)
    except WorkbenchError as error:
        return st.warning(cards.plain(" ".join(filter(None, (error.what, error.todo)))), icon=":material/error:")
    again = st.toggle(
        "Again", key="system_again", help="Also asks questions it answered before: use it after the system has changed."
    )
    options = {"--model": model, "--body": body, "--key-variable": variable.strip()}
    arguments = ["systems", "ask", name, "--url", url.strip(), "--speaks", speaks]
    arguments += [word for option, value in options.items() if value.strip() for word in (option, value)]
    arguments += [word for field, place in places.items() for word in ("--map", f"{field}={place}")]
    arguments += ["--ask", str(count), *(["--again"] if again else []), *session.workbench().arguments(evaluation.config)]
    takes = asking.cost(session.workbench(), name, evaluation.corpus, evaluation.config.seed, count, again)
    if takes is None:
        return st.caption(f"{cards.plain(name)} was asked all of these: its answers are recorded, and compared below.")
    jobs.start_button("Ask it", arguments, f"Asking {name}", takes, icon=":material/question_answer:", place="ask")
    return None


def mapping() -> tuple[str, dict[str, str]]:
    """What is sent, and where in a reply what is."""
    body = st.text_input("Body", f'{{"question": "{over_http.ASKED}"}}', key="system_body", help="JSON; {question} is replaced.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        told = {
            field: st.text_input(label, key=f"system_{field}", placeholder=usual, width=150)
            for field, (label, usual) in PLACES.items()
        }
    st.caption(
        "Places are names and numbers joined by points, such as choices.0.message.content; those of a passage begin at the "
        "passage. Without a document, a passage is found by its text."
    )
    return body, {field: place.strip() for field, place in told.items() if place.strip()}


def compared(evaluation: Evaluation, name: str, count: int) -> None:
    workbench, config = session.workbench(), evaluation.config
    words = ["systems", "compare", name, "--ask", str(count), *workbench.arguments(config)]
    try:
        made = comparing.standing(workbench, evaluation, [name], count)
    except WorkbenchError as error:
        return cards.empty(f"{name} against the recipe", str(error))
    if missing := phases(made):
        jobs.start_button("Write and score", words, f"{name} against the recipe", Forecast(missing), place="compare")
    tables.sentences(comparing.sentences(made))
    if made.comparison.differences:
        shown(made, name, command_line(*words))
    return None


def phases(made: SystemComparison) -> tuple[Phase, ...]:
    """What a job has to do before all is compared."""
    if not any(arm.answers for arm in made.arms):
        return ()
    names = ", ".join(measure.label for measure in made.waiting)
    scores = (Phase(f"scores by {names}"),) if names else (Phase("scores of these answers"),) if made.left.answers else ()
    return (*made.left.phases, *scores)


def shown(made: SystemComparison, name: str, command: str) -> None:
    level = made.evaluation.config.evaluation.confidence
    marks = [
        dots.difference(comparing.label(made, each.measure), each, level)
        for each in made.comparison.differences.values()
        if each.paired and each.paired.n and (each.arm, each.measure) in made.comparison.means
    ]
    charts.show(
        dots.marks(marks, "System − recipe", lines=[(0.0, "")]),
        "systems",
        data=comparing.rows(made),
        config=made.evaluation.config,
        title=f"{name} against the recipe",
        caption=f"n {made.questions:,}; blue: significantly different from 0",
        method=comparing.method(level),
        command=command,
    )
    tables.draw(comparing.table(made, command), "systems_table")
    st.caption("Its answers, one by one: *Stored answers* of the view Scores; people judge them on the page Study design.")
