"""Pages opened in the test's own process, and what they have drawn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

MAIN = Path(__file__).parents[2] / "app" / "main.py"


def visit(page: str, address: Mapping[str, Any] | None = None, **state: Any) -> AppTest:
    """The page of this name, opened at once, by what its address says and its session holds."""
    app = AppTest.from_file(MAIN, default_timeout=120)
    if page != "overview":  # where everybody begins
        app.switch_page(f"../pages/{page}.py")
    for key, value in (address or {}).items():
        app.query_params[key] = str(value)
    for key, value in state.items():
        app.session_state[key] = value
    return app.run()


def html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))
