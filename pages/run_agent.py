"""Agents: what do they remember, and is what they forget gone?"""

from app import session
from app.ui import cards, recipe_strip
from app.ui.memory import view as memory

NAVIGATION = {"section": "Generate", "order": 60, "title": "Agents", "icon": "smart_toy"}
VIEWS = {"Memory": memory.draw}


def page() -> None:
    recipe_strip.page_title(NAVIGATION["title"], "What do agents remember, and is what they forget gone?", recipe=False)
    cards.tabs(VIEWS, "agents_view", session.workbench())


page()
