"""One search over all that is stored, with the way to each thing."""

from itertools import groupby

import streamlit as st

from app import session
from app.ui import cards, ways
from app.ui.cells import cut
from core.labs.experiments import search
from core.labs.experiments.search import Match

MOST = 8  # shown of each kind
# kind -> (heading, page, icon)
PLACES = {
    "experiment": ("Experiments", "run_study", "science"),
    "trial": ("Trials", "compare_trials", "compare_arrows"),
    "study": ("Studies in which people judge", "design_study", "edit_note"),
    "question": ("Questions", "browse_corpus", "help"),
    "answer": ("Answers", "query_store", "forum"),
    search.CORPUS: ("Corpora", "browse_corpus", "menu_book"),
}


def draw() -> None:
    words = st.text_input(
        "Search all that is stored",
        key="find_all",
        bind="query-params",
        max_chars=search.MOST_CHARACTERS,
        placeholder="Search experiments, trials, studies, questions, answers, corpora",
        icon=":material/search:",
        label_visibility="collapsed",
    )
    if not words or not words.strip():
        return
    matches = search.find(session.workbench(), words, MOST)
    if not matches.rows:
        st.caption("Nothing that is stored holds all of these words.")
    for kind, rows in groupby(matches.rows, key=lambda match: match.kind):
        shown = list(rows)
        total = matches.totals[kind]
        more = f", the first {len(shown)} of {total:,}" if total > len(shown) else ""
        st.html(f'<div class="gw gw-small">{PLACES[kind][0]}{more}</div>')
        for match in shown:
            line(match)
    if any(total > MOST for total in matches.totals.values()):
        st.caption("All of them: `python -m core store find`, with `--most`.")


def line(match: Match) -> None:
    _, page, icon = PLACES[match.kind]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        ways.link(page, cards.plain(cut(match.title, 80)), icon, **address(match))
        where = ", ".join(match.where[:3])
        words = f"{where}: {match.excerpt}" if match.excerpt and match.excerpt != match.title else where
        words = f"{match.corpus} · {words}" if match.kind == "trial" else words
        st.html(f'<div class="gw gw-small">{cards.escape(cut(words, 120))}</div>')


def address(match: Match) -> dict[str, str]:
    """What of the page's address leads to it."""
    if match.kind == "question":
        return {"corpus.dataset": match.corpus, "tab": "Questions", "find_question": match.title}
    if match.kind == search.CORPUS:
        return {"corpus.dataset": match.corpus}
    if match.kind == "answer":
        return {"sql": f"SELECT * FROM answers WHERE id = '{match.id}'"}
    return {"trials" if match.kind == "trial" else "study": match.id}
