"""The frame around every page: page table, address, sidebar, and what happens when a page fails.

`app/server.py` runs it; nothing heavy is imported until a page needs it.
"""

import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # `streamlit run` puts app/ there, not the root; at the end, so that it hides no package
    sys.path.append(str(ROOT))

import streamlit as st  # noqa: E402

from app import session  # noqa: E402
from app.ui import cards, sidebar  # noqa: E402

FIRST = "overview"  # served at the root; its own name leads there
# section -> (file, title, icon); a page whose file is not there yet is not shown
PAGES = {
    "Start": [("overview", "Overview", "home")],
    "Explore": [
        ("browse_corpus", "Corpus", "menu_book"),
        ("tune_chunks", "Chunks", "content_cut"),
        ("compare_encoders", "Encoders", "scatter_plot"),
        ("tune_index", "Index", "account_tree"),
        ("search_live", "Search, live", "tune"),
        ("explain_failures", "Explain failures", "stairs"),
    ],
    "Generate": [
        ("ask_model", "Ask", "forum"),
        ("tune_sampling", "Sampling", "casino"),
        ("inspect_model", "Inside the model", "memory"),
        ("train_adapter", "Train an adapter", "model_training"),
        ("compare_adapters", "Compare adapters", "difference"),
    ],
    "Judge": [
        ("score_answers", "Score answers", "fact_check"),
        ("design_study", "Study design", "design_services"),
        ("label_answers", "Label answers", "edit_note"),
        ("measure_agreement", "Agreement", "handshake"),
    ],
    "Publish": [
        ("run_study", "Run a study", "science"),
        ("compare_trials", "Trials", "compare_arrows"),
        ("serve_recipe", "Serve", "dns"),
        ("write_paper", "Write a paper", "article"),
        ("query_store", "Query the store", "database"),
    ],
}


@st.cache_resource(show_spinner=False)
def style() -> str:
    return f"<style>{(ROOT / 'app' / 'ui' / 'style.css').read_text('utf-8')}</style>"


@st.cache_resource(show_spinner=False)
def script() -> str:
    return f"<script>{(ROOT / 'app' / 'ui' / 'history.js').read_text('utf-8')}</script>"


def table() -> dict[str, list]:
    """The pages that exist, by section."""
    sections = {}
    for section, pages in PAGES.items():
        there = [
            st.Page(
                ROOT / "pages" / f"{name}.py",
                title=title,
                icon=f":material/{icon}:",
                url_path="start" if name == FIRST else name,  # it is served at the root, and reserves a name all the same
                default=name == FIRST,
            )
            for name, title, icon in pages
            if (ROOT / "pages" / f"{name}.py").exists()
        ]
        if there:
            sections[section] = there
    return sections


def main() -> None:
    st.set_page_config(page_title="Groundwork", page_icon=str(ROOT / "app" / "ui" / "icon.svg"), layout="wide")
    sections = table()
    [first] = sections["Start"]
    there = partial(st.switch_page, first, query_params=st.query_params.to_dict())
    named = st.Page(there, title=first.title, url_path=FIRST, visibility="hidden")
    page = st.navigation({**sections, "": [named]}, expanded=True)
    # dialogs and popovers are drawn outside the app's own element, which alone knows whether the theme is dark
    st.html(style() + f"<style>body {{ color-scheme: {st.context.theme.type or 'light'} }}</style>")
    st.html(script(), unsafe_allow_javascript=True)
    session.start(page.url_path)
    for note in session.told():
        st.warning(cards.plain(note), icon=":material/link_off:")
    with st.sidebar, cards.calm():
        place = sidebar.draw()
    with cards.calm():
        page.run()
    with place, cards.calm():
        sidebar.notices()


main()
