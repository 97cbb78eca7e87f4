"""What an agent may do: its tools and limits, held in the page's address; all else is the recipe's."""

from contextlib import suppress
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, forms
from core.agents import mcp_servers
from core.agents.tools import TOOLS
from core.config import PartConfig, TrialConfig, with_settings
from core.errors import WorkbenchError
from core.files import read_json
from core.labs.agents.replaying import AGENT
from core.registry import find

USUAL = find("answering", AGENT)()
AFTER = type(USUAL).model_fields["write_after_reading"].description


def _address(server: str) -> str:
    try:
        return mcp_servers.address(server)
    except WorkbenchError as error:
        return error.what


def _about(names: list[str]) -> None:
    """What each tool does; what keeps one from working stands outside."""
    with st.popover("What each tool does", icon=":material/build:", type="tertiary"):
        for name in names:
            if (tool := TOOLS.get(name)) is None:
                st.caption(f"**{name}** {cards.plain(_address(name))} :gray-badge[network]")
            else:
                st.caption(f"**{name}** {cards.plain(tool.about)} :gray-badge[{tool.permission}]")
    for name in names:
        if (tool := TOOLS.get(name)) is not None and (off := tool.lacking()):
            st.caption(f"**{name}** :orange-badge[off] {cards.plain(off)}")


def chosen() -> tuple[TrialConfig, Any]:
    """The recipe with its agent, and the room beside the agent's settings."""
    forms.recipe_chips(("context", "generation"))
    left, right = st.columns([1, 2], gap="medium")
    with left:
        return agent(), right


def agent() -> TrialConfig:
    """The recipe with an agent as its way of answering."""
    recipe = session.config()
    own = recipe.answering if recipe.answering.part == AGENT else USUAL
    names = st.multiselect(
        "Tools",
        list(dict.fromkeys([*TOOLS, *mcp_servers.names(), *own.tools])),
        list(own.tools),
        key="agent_tools",
        wrap=True,
        bind="query-params",
        help="The agent can call only these, with arguments that match their schema. Tools that execute code or reach "
        "the network are off by default.",
    )
    _about(names)
    settings = {"answering.part": AGENT, "answering.tools": names}
    steps = st.slider(
        "Steps, at most", 1, 50, own.steps, key="agent_steps", bind="query-params", help="After that the answer is requested."
    )
    first = st.toggle(
        "Search first",
        own.passages_first,
        key="agent_first",
        bind="query-params",
        help="Begins with the passages that the recipe finds. Off: the model has to search for them itself.",
    )
    settings |= {"answering.steps": steps, "answering.passages_first": first, **limits(own)}
    return with_settings(session.config(), settings)


def limits(own: PartConfig) -> dict[str, Any]:
    """Setting -> limit, of an expander whose title says them."""
    link = {"bind": "query-params"}
    with st.expander(f"**Limits** {limit_words(own)}", key="agent_limits"):
        tokens = st.number_input(
            "Tokens", 0, 1_000_000, own.tokens, 1000, key="agent_tokens", help="Read and written; 0: no limit.", **link
        )
        seconds = st.number_input(
            "Seconds", 0, 3600, own.seconds, 10, key="agent_seconds", help="0: the deadline of an answer.", **link
        )
        usd = st.number_input("USD", 0.0, 100.0, own.usd, 0.01, key="agent_usd", help="By the price table; 0: no limit.", **link)
        after = st.toggle("Write after reading", own.write_after_reading, key="agent_writes", help=AFTER, **link)
    made = {"tokens": tokens, "seconds": seconds, "usd": usd, "write_after_reading": after}
    return {f"answering.{name}": value for name, value in made.items()}


def limit_words(own: PartConfig) -> str:
    """The limits in force, also before their widgets are drawn."""

    def said(key: str, usual: Any) -> Any:
        text = st.query_params.get(key, "null")
        with suppress(WorkbenchError):
            value = st.session_state[key] if key in st.session_state else read_json(text)
            return value if isinstance(value, int | float) else usual
        return usual

    tokens, seconds, usd = said("agent_tokens", own.tokens), said("agent_seconds", own.seconds), said("agent_usd", own.usd)
    words = [f"{tokens:,} tokens" * bool(tokens), cards.duration(seconds) * bool(seconds), f"{usd:g} USD" * bool(usd)]
    words.append("write after reading" * said("agent_writes", own.write_after_reading))
    return ", ".join(filter(None, words)) or "none"
