"""Serve a recipe: put it up for other programs, and see whether it still finds what it found."""

from app.ui import cards, recipe_strip
from app.ui.serving import load, service, traces, watch

NAVIGATION = {"section": "Publish", "order": 20, "title": "Serve", "icon": "dns"}
VIEWS = {"Service": service.draw, "Load": load.draw, "Watch": watch.draw, "Traces": traces.draw}


def page() -> None:
    recipe_strip.page_title(
        NAVIGATION["title"], "How do other programs use this recipe, and does it still find what it found when it was published?"
    )
    cards.tabs(VIEWS, "serve_view")


page()
