"""A client of the Model Context Protocol finds the two tools, and what they give."""

import os
import sys

import pytest

from core.serving.mcp import tools
from core.serving.service import Service
from tests.conftest import ROOT
from tests.support.awaited import awaited
from tests.support.failing import RECIPE, TEXTS, recipe

LUND = {"question": "When does the market of Lund open?"}


def asked(server, *calls):
    """What a client is given for (tool, arguments), after the names of the tools."""
    from mcp import Client

    async def talk():
        async with Client(server) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            return names, [await client.call_tool(name, arguments) for name, arguments in calls]

    return awaited(talk())


def test_both_tools_answer_and_a_wrong_call_is_told(bench, reader):
    names, (found, said, empty) = asked(
        tools(Service(bench, recipe(), "towns")), ("search", LUND | {"k": 1}), ("answer", LUND), ("search", {"question": " "})
    )
    assert names == ["search", "answer"]
    assert [passage["document"] for passage in found.structured_content["passages"]] == ["Lund.txt"]
    assert said.structured_content["answer"] == TEXTS["Lund.txt"] and said.structured_content["way"] == "local"
    assert empty.is_error and "question is empty" in empty.content[0].text


@pytest.mark.slow
def test_over_standard_input_and_output(bench):
    from mcp.client.stdio import StdioServerParameters

    settings = [word for name, value in RECIPE.items() for word in ("--set", f"{name}={value}")]
    env = {**os.environ, "GROUNDWORK_HOME": str(bench.home), "PYTHONPATH": str(ROOT)}
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "core", "serving", "mcp", *settings], env=env, cwd=str(ROOT)
    )
    names, [found] = asked(server, ("search", LUND | {"k": 1}))
    assert names == ["search", "answer"] and found.structured_content["passages"][0]["document"] == "Lund.txt"
