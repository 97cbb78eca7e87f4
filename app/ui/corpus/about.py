"""Where the corpus comes from, how large it is, and what was noted when it was read."""

import streamlit as st

from app import session
from app.ui import cards
from core.corpus.cards import Card
from core.labs.corpus import contents as lab
from core.records import Corpus


def draw(corpus: Corpus) -> None:
    counts = lab.about(session.workbench(), corpus)
    sizes = [(name.capitalize(), f"{counts[name]:,}") for name in ("documents", "characters", "questions", "unanswerable")]
    if card := lab.cards(session.workbench()).get(corpus.name):
        of_card(card, sizes)
    else:
        cards.facts([("Name", corpus.name), ("Source", "Own documents, on this machine only"), *sizes])
    if corpus.notes:
        with st.expander(f"{len(corpus.notes):,} notes from reading the files", icon=":material/info:"):
            for note in corpus.notes[:200]:
                st.text(note)


def of_card(card: Card, sizes: list[tuple[str, str]]) -> None:
    st.subheader(cards.plain(card.title), anchor=False)
    st.text(card.description)
    cards.facts(
        [
            ("Licence", card.licence),
            ("Citation", card.citation),
            ("Source", card.homepage),
            ("Language", card.language),
            *sizes,
            *(("File", f"{f.name} · sha256 {f.sha256 or 'not stated by the publisher'}") for f in card.files),
        ]
    )
