"""Memory: what is remembered, what was forgotten and how that was proven, and which rule of remembering is worth what."""

from app import session
from app.ui import cards
from app.ui.memory import facts, forgotten, lab
from core.memory.store import memory_of

VIEWS = {"Facts": facts.draw, "Forgotten": forgotten.draw, "Policy lab": lab.draw}


def draw() -> None:
    workbench = session.workbench()
    counts = memory_of(workbench).counts()
    cards.status_strip(
        [
            f"{cards.count(counts.current, 'fact')}, {cards.count(counts.facts - counts.current, 'earlier version')}",
            cards.count(counts.subjects, "subject"),
            f"{counts.stale:,} stale",
            f"used {cards.count(counts.uses, 'time')}",
            cards.size(counts.bytes),
        ]
    )
    cards.tabs(VIEWS, "memory_view", workbench)
