"""What a page has drawn, of an app that runs in the test's own process."""

from streamlit.testing.v1 import AppTest


def html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))
