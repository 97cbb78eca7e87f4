"""What a page says beside its buttons that start jobs."""

from streamlit.testing.v1 import AppTest

from app.ui import cards

TAG = ":material/timer: "


def prices(app: AppTest) -> list[str]:
    """Each price as it is read."""
    told = [caption.value for caption in app.caption if caption.value.startswith(TAG)]
    return [text.removeprefix(TAG).replace("\\", "").replace(cards.NOTHING, "") for text in told]
