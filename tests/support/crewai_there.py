"""CrewAI has an environment of its own, which not every machine has."""

import pytest

from core.agents import crewai
from core.errors import WorkbenchError


def crewai_or_skip() -> None:
    try:
        crewai.interpreter()
    except WorkbenchError as error:
        pytest.skip(f"{error.what} {error.todo}")
