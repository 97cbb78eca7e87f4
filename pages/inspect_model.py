"""Inside the model: what it is made of, what its cache saves, where it looks, how it cuts text, and how experts share work."""

import streamlit as st

from app import session
from app.ui import cards, recipe_strip
from app.ui.inside.architecture import model_architecture, strip
from app.ui.inside.attention import attention
from app.ui.inside.cache import cache
from app.ui.inside.experts import mixture
from app.ui.inside.scaling import scaling
from app.ui.inside.tokenizers import tokenizers

NAVIGATION = {"section": "Generate", "order": 30, "title": "Inside the model", "icon": "memory"}
TABS = {
    "Architecture": model_architecture,
    "KV cache": cache,
    "Attention": attention,
    "Tokenizers": tokenizers,
    "Mixture of experts": mixture,
    "Scaling": scaling,
}


def page() -> None:
    recipe_strip.page_title(
        NAVIGATION["title"], "What is inside a language model, what does each part cost, and where does it look?"
    )
    config = session.config()
    strip(config)
    for tab, draw in zip(st.tabs(list(TABS), key="view", on_change="rerun", bind="query-params"), TABS.values(), strict=True):
        if tab.open:
            with tab, cards.calm():
                draw(config)


page()
