"""The chunkers that are looked at, one or two, and what each makes of the corpus."""

from typing import NamedTuple

import streamlit as st

from app import session
from app.ui import cards, charts, forms, jobs
from core.config import TrialConfig
from core.labs.corpus import chunks as lab
from core.labs.corpus.chunks import Summary
from core.records import Chunks, Corpus

SECOND = "second"  # name of the recipe compared with the current one; only its chunking is used


class Shown(NamedTuple):
    """A corpus cut by one chunker, with the chunker's name and colour on this page."""

    recipe: TrialConfig
    name: str
    color: str
    chunks: Chunks
    summary: Summary
    ms: float
    cached: bool


def chosen() -> list[TrialConfig]:
    """The forms; returns the recipe, and the second one where two are compared."""
    recipes = [forms.stage_form("chunking", apply=False, expanded=True)]
    if st.toggle("Compare two chunkings", key="compare", bind="query-params", on_change=_second_differs):
        recipes.append(forms.stage_form("chunking", name=SECOND, apply=False, expanded=True))
    return recipes


def _second_differs() -> None:
    """A comparison starts with two different chunkers."""
    first = session.config().chunking
    if st.session_state.compare and session.config(SECOND).chunking == first:
        session.change({"chunking.part": "recursive" if first.part == "fixed" else "fixed"}, SECOND)


def of(recipes: list[TrialConfig], corpus: Corpus) -> list[Shown]:
    """The corpus cut by each; without the one whose embedding waits for its button."""
    cut = [_cut(recipe, color, corpus) for recipe, color in zip(recipes, charts.COLORS, strict=False)]
    return [each for each in cut if each]


def _cut(recipe: TrialConfig, color: str, corpus: Corpus) -> Shown | None:
    config, workbench = session.config(), session.workbench()
    recipe = recipe.model_copy(update={"corpus": config.corpus, "embedding": config.embedding, "evaluation": config.evaluation})
    name = forms.describe(recipe.chunking)
    if lab.embeds_first(workbench, recipe):
        why = f"Every sentence of {len(corpus.documents):,} documents has to be embedded first."
        if not cards.empty(f"Chunks of {name}", why, "Embed now", key=f"embed/{color}", icon=":material/bolt:"):
            return None
    cut = jobs.drain(lab.cut(workbench, recipe), "Chunking documents")
    return Shown(recipe, name, color, *cut)


def status(config: TrialConfig, corpus: Corpus, shown: list[Shown]) -> None:
    time = cards.duration(sum(each.ms for each in shown) / 1000)
    cards.status_strip(
        [
            f"{corpus.name}, {cards.count(len(corpus.documents), 'document')}",
            f"{cards.count(len(corpus.queries), 'question')} ({config.corpus.questions})",
            f"sizes in tokens of {config.embedding.title or config.embedding.part}",
            f"{time}, from the cache" if all(each.cached for each in shown) else time,
        ]
    )
