"""What is global, on one line above every page: corpus, questions, experiment, baseline, running jobs. And what the store has to tell."""

from collections import Counter

import streamlit as st

from app import session
from app.ui import cards, forms, jobs
from app.ui.cells import cut
from core.errors import WorkbenchError
from core.labs.experiments import book

MOST_NOTICES = 10
MOST_SHOWN = 28  # characters of the baseline's name
NO_EXPERIMENT = "No experiment"


def draw() -> int:
    """Returns how many questions the corpus in use has, 0 where that is not known."""
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="top_bar"):
        questions = _corpus()
        _experiment()
        _baseline()
        jobs.running()
    return questions


def notices() -> None:
    """What was repaired or left out, until this session has seen it; an answer that is not of the latest, as long as it is."""
    workbench, seen = session.workbench(), st.session_state.setdefault("notices_seen", set())
    if workbench.late() > st.session_state.late:
        st.fragment(_catch_up, run_every=1.0)()
    notes, behind = workbench.notices(), workbench.behind()
    unseen = [note for note in notes if note not in seen or note == behind]
    if not unseen:
        return
    title = cards.count(len(unseen), "store note") + (", behind" if behind else "")
    with st.popover(title, icon=":material/healing:", width="stretch"):
        for note in unseen[:MOST_NOTICES]:
            st.markdown(cards.plain(note))
        if len(unseen) > MOST_NOTICES:
            st.caption(f"and {len(unseen) - MOST_NOTICES:,} more")
        st.caption("Every record and the database are checked by")
        st.code("python -m core store verify", language="bash")
        st.button("Seen", key="seen_notices", on_click=seen.update, args=(unseen,), type="tertiary", icon=":material/done:")


def _catch_up() -> None:
    """The page was drawn by an answer that was not of the latest: drawn again once what others recorded is in."""
    if not session.workbench().behind():
        st.rerun()


def _corpus() -> int:
    recipe = session.config()
    there = {status.name: status.questions or 0 for status in session.workbench().datasets() if status.present}
    names = list(dict.fromkeys([*there, recipe.corpus.dataset]))
    forms.show_value("corpus", recipe.corpus.dataset)
    st.selectbox(
        "Corpus",
        names,
        names.index(recipe.corpus.dataset),
        key="corpus",
        on_change=_change,
        args=("dataset", "corpus"),
        icon=":material/menu_book:",
        label_visibility="collapsed",
        width=200,
    )
    forms.show_value("questions", recipe.corpus.questions)
    opened = (st.query_params.get("study") or st.session_state.get("study_open")) in book.latest(session.workbench())
    st.segmented_control(
        "Questions",
        ("all", "dev", "test"),
        default=recipe.corpus.questions,
        key="questions",
        format_func=str.capitalize,
        on_change=_change,
        args=("questions", "questions"),
        label_visibility="collapsed",
        required=True,
        disabled=session.on_page("run_study") and opened,  # an experiment says itself which questions its recipes are asked
    )
    return there.get(recipe.corpus.dataset, 0)


def _change(knob: str, key: str) -> None:
    try:
        session.change({f"corpus.{knob}": st.session_state[key]})
    except WorkbenchError as error:
        session.tell([error.what])


def _experiment() -> None:
    """Into which experiment saved trials go. From the journal alone, and what it says is remembered: no query at a slider's move."""
    there, current = book.latest(session.workbench()), session.experiment()
    if current and current not in there:
        current = ""
        session.set_experiment(current)
    listed = [name for name, version in there.items() if name == current or not version.experiment.archived]
    titles = {name: cut(there[name].experiment.title or name) for name in listed}
    twice = Counter([NO_EXPERIMENT, *titles.values()])  # what is shown says which was chosen
    titles = {name: f"{title} ({name})" if twice[title] > 1 else title for name, title in titles.items()}
    forms.show_value("of_experiment", current)
    st.selectbox(
        "Experiment",
        ["", *sorted(titles, key=lambda name: titles[name].lower())],
        key="of_experiment",
        format_func=lambda name: titles.get(name, name) or NO_EXPERIMENT,
        on_change=_set_experiment,
        accept_new_options=True,
        icon=":material/science:",
        label_visibility="collapsed",
        width=200,
    )


def _set_experiment() -> None:
    """What was chosen; what was typed is a title."""
    workbench, wanted = session.workbench(), (st.session_state["of_experiment"] or "").strip()
    try:
        if wanted and wanted not in book.latest(workbench):
            wanted = book.create(workbench, wanted).id
        session.set_experiment(wanted)
        session.tell([])  # what was said of the choice before
    except WorkbenchError as error:
        session.tell([error.what])


def _baseline() -> None:
    pinned, current = session.baseline(), session.config()
    if pinned is None:
        about = "Every page then shows the difference to it, with its interval."
        cards.press("Pin as baseline", "keep", "pin", session.pin, current, type="tertiary", help=about)
        return
    same = pinned == current
    name = "this recipe" if same else cut(forms.describe_recipe(pinned), MOST_SHOWN)
    with st.popover(f"Baseline: {cards.plain(name)}", icon=":material/keep:", type="tertiary", key="baseline"):
        st.html(f'<div class="gw">{cards.escape(forms.describe_recipe(pinned))}</div>')
        st.caption("It answers the questions of the recipe in use, judged by the same rules.")
        if not same:
            cards.press("Pin the recipe in use instead", "keep", "pin", session.pin, current)
        cards.press("Unpin", "keep_off", "unpin", session.pin, None)
