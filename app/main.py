"""The frame around every page: page table, address, the bars on top, and what happens when a page fails.

`app/server.py` runs it; nothing heavy is imported until a page needs it.
"""

import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # `streamlit run` puts app/ there, not the root; at the end, so that it hides no package
    sys.path.append(str(ROOT))

import streamlit as st  # noqa: E402

from app import navigation, session  # noqa: E402
from app.ui import cards, top_bar  # noqa: E402
from app.ui.path import bar as path  # noqa: E402

FIRST = "overview"  # served at the root; its own name leads there
ELSEWHERE = ("", FIRST, "label_answers")  # from here one goes on; and annotators come with a link of their own


@st.cache_resource(show_spinner=False)
def style() -> str:
    return f"<style>{(ROOT / 'app' / 'ui' / 'style.css').read_text('utf-8')}</style>"


@st.cache_resource(show_spinner=False)
def script() -> str:
    return f"<script>{(ROOT / 'app' / 'ui' / 'history.js').read_text('utf-8')}</script>"


def table() -> dict[str, list]:
    """The pages by section. Of those that share a link only the first is seen in the list; the others are in its row."""
    sections: dict[str, list] = {}
    for name, entry in navigation.entries().items():
        page = st.Page(
            navigation.PAGES / f"{name}.py",
            title=entry.link,
            icon=f":material/{entry.icon}:",
            url_path="start" if name == FIRST else name,  # it is served at the root, and reserves a name all the same
            default=name == FIRST,
            visibility="visible" if name == next(iter(navigation.beside(name))) else "hidden",
        )
        sections.setdefault(entry.section, []).append(page)
    return sections


def shared(name: str) -> str:
    """Marks the link in the list that a page has in common with others, which it is not the first of."""
    head = next(iter(navigation.beside(name)), name)
    link = f'[data-testid="stSidebarNavLink"][href$="{head}"]'
    return (
        f"<style>{link} {{ background: light-dark(#e0e1e8, #404349); }} {link} p {{ font-weight: 600; }}</style>"
        if head != name
        else ""
    )


def main() -> None:
    st.set_page_config(page_title="Groundwork", page_icon=str(ROOT / "app" / "ui" / "icon.svg"), layout="wide")
    sections = table()
    first, *_ = sections["Start"]
    there = partial(st.switch_page, first, query_params=st.query_params.to_dict())
    named = st.Page(there, title=first.title, url_path=FIRST, visibility="hidden")
    page = st.navigation({**sections, "": [named]}, expanded=True)
    # dialogs and popovers are drawn outside the app's own element, which alone knows whether the theme is dark
    st.html(style() + f"<style>body {{ color-scheme: {st.context.theme.type or 'light'} }}</style>" + shared(page.url_path))
    st.html(script(), unsafe_allow_javascript=True)
    session.start(page.url_path)
    for note in session.told():
        st.warning(cards.plain(note), icon=":material/link_off:")
    with cards.calm():
        path.draw(page.url_path or FIRST, top_bar.draw())
    with cards.calm():
        page.run()
    with st.sidebar, cards.calm():  # under the links: the page may have given rise to some
        top_bar.notices()
    if page.url_path not in ELSEWHERE:
        session.remember_view(page.url_path)


main()
