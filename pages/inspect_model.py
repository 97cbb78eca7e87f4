"""Inside the model: what it is made of, what its cache saves, where it looks, how it cuts text, and how experts share work."""

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
    strip()
    cards.tabs(TABS, "view", session.config())


page()
