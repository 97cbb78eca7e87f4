"""Agents: what does a model find that may search again, compute and remember, is that worth what it takes, and is what it forgets gone?"""

from app.ui import cards, recipe_strip
from app.ui.agents import compare, running
from app.ui.articles import view as article
from app.ui.memory import view as memory

NAVIGATION = {"section": "Generate", "order": 15, "title": "Agents", "icon": "smart_toy"}
VIEWS = {"Run": running.draw, "Compare": compare.draw, "Memory": memory.draw, "Article": article.draw}


def page() -> None:
    recipe_strip.page_title(
        NAVIGATION["title"],
        "What does a model answer when it calls tools step by step, which step mattered, and is it worth its cost?",
    )
    cards.tabs(VIEWS, "agents_view")


page()
