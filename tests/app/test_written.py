"""What an answer's way of answering tells besides."""

from app.ui.answers.written import TABS
from core import registry
from core.answering.react import React


def test_the_answer_of_every_agent_has_its_steps():
    agents = {name for name, part in registry.parts("answering").items() if issubclass(part, React)}
    assert len(agents) > 1 and {name for name in agents if name in TABS and TABS[name].title == "Steps"} == agents
