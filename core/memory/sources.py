"""Facts against the corpus they were read in: where a document no longer says it, the fact may hold no more."""

from collections.abc import Generator
from hashlib import sha256
from typing import Any

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.memory.facts import FactDraft
from core.memory.store import memory_of
from core.progress import told_within
from core.records import Progress
from core.workbench import Workbench


def read_in(workbench: Workbench, config: TrialConfig, draft: FactDraft) -> FactDraft:
    """The draft with its corpus and the checksum of the characters that say it. Raises a WorkbenchError where the corpus has no such
    characters."""
    if not draft.document:
        return draft
    texts = {document.id: document.text for document in workbench.corpus(config).documents}
    text = texts.get(draft.document)
    if text is None or not draft.start < draft.end <= len(text):
        where = f"{draft.document} [{draft.start}, {draft.end})"
        raise WorkbenchError(
            "The corpus has no such characters.", where=where, todo="Name a document of it, and a span within its text."
        )
    return draft._replace(span=_checksum(text[draft.start : draft.end]), corpus=config.corpus.dataset)


def check_sources(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, dict[str, Any]]:
    """Marks facts of this corpus stale whose document went, or says something else in their characters; and what was derived from
    them. elsewhere: how many facts were read in other corpora, or in which is not known; they are not judged by this one."""
    store = memory_of(workbench)
    corpus = yield from told_within(workbench.read_corpus(config), Progress(0, 2, "Reading the corpus"))
    texts = {document.id: document.text for document in corpus.documents}
    yield Progress(1, 2, "Holding facts against it")
    every = store.sourced()
    sourced = [fact for fact in every if fact.span and fact.corpus == config.corpus.dataset]
    drifted = {}
    for fact in sourced:
        text = texts.get(fact.document)
        if text is None:
            drifted[fact.id] = f"source {fact.document} is not in the corpus"
        elif _checksum(text[fact.start : fact.end]) != fact.span:
            drifted[fact.id] = f"source {fact.document} says something else there"
    fresh = store.mark_stale(drifted)
    elsewhere = len(every) - len(sourced)
    return {"facts": len(sourced), "drifted": len(drifted), "stale": len(fresh), "ids": fresh, "elsewhere": elsewhere}


def _checksum(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
