"""What is global, under the navigation: running jobs, corpus, pinned baseline. Nothing else."""

import streamlit as st

from app import session
from app.ui import cards, forms, jobs
from core.errors import WorkbenchError


def draw() -> None:
    jobs.running()  # first: the list of pages fills most of a laptop's screen, and work under way has to be seen
    _corpus()
    _baseline()


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
        st.session_state["notes"] = [error.what]


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
                    "Pin this instead",
                    icon=":material/keep:",
                    key="pin",
                    type="tertiary",
                    on_click=session.pin,
                    args=(current,),
                )
            st.button(
                "Unpin", icon=":material/keep_off:", key="unpin", type="tertiary", on_click=session.pin, args=(None,)
            )
