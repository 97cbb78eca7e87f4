"""What is global, under the navigation: running jobs, what the store has to tell, corpus, experiment, pinned baseline."""

from collections import Counter
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, forms, jobs
from app.ui.cells import cut
from core.errors import WorkbenchError
from core.labs.experiments import book

MOST_NOTICES = 10
NO_EXPERIMENT = "No experiment"


def draw() -> Any:
    """The place for `notices`, which the page that is drawn afterwards may give rise to."""
    jobs.running()  # first: the list of pages fills most of a laptop's screen, and work under way has to be seen
    place = st.container()
    _corpus()
    _experiment()
    _baseline()
    return place


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


def _corpus() -> None:
    recipe = session.config()
    there = [status.name for status in session.workbench().datasets() if status.present]
    names = list(dict.fromkeys([*there, recipe.corpus.dataset]))
    forms.show_value("corpus", recipe.corpus.dataset)
    st.selectbox(
        "Corpus",
        names,
        names.index(recipe.corpus.dataset),
        key="corpus",
        on_change=_change,
        args=("dataset", "corpus"),
        help="The documents searched and the questions asked of them.",
    )
    forms.show_value("questions", recipe.corpus.questions)
    st.segmented_control(
        "Questions",
        ("all", "dev", "test"),
        default=recipe.corpus.questions,
        key="questions",
        format_func=str.capitalize,
        width="stretch",
        on_change=_change,
        args=("questions", "questions"),
        label_visibility="collapsed",
        required=True,
        help="All questions, or a half of them split by document: tune on dev, report on test.",
    )


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
        label_visibility="collapsed",  # the line is the baseline's on a laptop's screen
        help="Saved trials go into it. Type a title to begin one.",
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
    with st.container(gap="xsmall"):
        if pinned is None:
            st.html('<div class="gw gw-small">No baseline pinned</div>')
            st.button(
                "Pin this recipe",
                icon=":material/keep:",
                key="pin",
                type="tertiary",
                on_click=session.pin,
                args=(current,),
                help="Every page then shows the difference to it, with its interval.",
            )
            return
        same = pinned == current
        text = "Baseline" + (", the current recipe" if same else "")
        st.html(
            f'<div class="gw gw-small">{text}</div><div class="gw" style="font-size:.85rem">'
            f"{cards.escape(forms.describe_recipe(pinned))}</div>"
        )
        with st.container(horizontal=True, gap="small"):
            if not same:
                st.button(
                    "Pin this instead", icon=":material/keep:", key="pin", type="tertiary", on_click=session.pin, args=(current,)
                )
            st.button("Unpin", icon=":material/keep_off:", key="unpin", type="tertiary", on_click=session.pin, args=(None,))
