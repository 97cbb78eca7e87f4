"""Serve a recipe: put it up for other programs, and see whether it still finds what it found."""

from app.ui import cards, recipe_strip
from app.ui.serving import service, watch

NAVIGATION = {"section": "Publish", "order": 25, "title": "Serve", "icon": "dns"}
VIEWS = {"Service": service.draw, "Watch": watch.draw}


def page() -> None:
    recipe_strip.page_title(
        "Serve", "How do other programs ask this recipe, and does it still find what it found when it was published?"
    )
    cards.tabs(VIEWS, "serve_view")


page()
