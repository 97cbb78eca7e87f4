"""Tools of MCP servers by address (Model Context Protocol, streamable HTTP), as an agent calls its own.

The server called NAME is that of the environment variable GROUNDWORK_MCP_NAME, an address as http://127.0.0.1:8000/mcp; a token that it
wants stands in GROUNDWORK_MCP_NAME_TOKEN. What a server sends is text of others, the descriptions of its tools too: a run that is offered
them has read text of others before it begins. A tool that its server does not declare read-only may write (MCP specification 2025-06-18,
ToolAnnotations: `readOnlyHint` is false by default) and is treated so.
"""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from core.context.citations import plain
from core.errors import WorkbenchError
from core.generation.remote import bearer

PREFIX, VARIABLE, TOKEN = "mcp:", "GROUNDWORK_MCP_", "_TOKEN"
NAME = re.compile(r"mcp:[a-z0-9][a-z0-9_]{0,29}")
SECONDS = 20.0  # of a call, with connecting
BYTES = 1_000_000  # that a server may send in one connection
RESULT = 1200  # characters
ABOUT, STRING, ITEMS, MOST_TOOLS, MOST_ARGUMENTS = 120, 100, 4, 16, 6


class ServerTool(NamedTuple):
    """As a server tells it, within our bounds. reads: the server says that it changes nothing."""

    name: str  # of the server, an underscore, its own
    own: str
    about: str
    arguments: dict[str, dict[str, Any]]
    reads: bool


def names() -> list[str]:
    """Of the servers that the environment names, as recipes do: mcp:NAME."""
    servers = [key.removeprefix(VARIABLE).lower() for key in os.environ if key.startswith(VARIABLE) and not key.endswith(TOKEN)]
    return sorted(name for each in servers if NAME.fullmatch(name := PREFIX + each))


def address(server: str) -> str:
    """Of mcp:NAME. WorkbenchError where the environment has none, or it is no address of the web."""
    variable = VARIABLE + server.removeprefix(PREFIX).upper()
    url = os.environ.get(variable, "").strip()
    if not url:
        raise WorkbenchError(
            f"There is no address of the server {server}.", where=variable, todo="For example: http://127.0.0.1:8000/mcp"
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        todo = "An address begins with http:// or https:// and holds no password; a token stands in a variable of its own."
        raise WorkbenchError(f"The address of the server {server} is none of the web.", where=variable, todo=todo)
    return url


def offered(server: str) -> tuple[list[ServerTool], list[str]]:
    """(the tools of mcp:NAME, why others are left out). WorkbenchError where it cannot be asked."""
    listed = _asked(server, lambda client: client.list_tools()).tools
    made, notes = [], []
    for each in listed[:MOST_TOOLS]:
        own = f"{server.removeprefix(PREFIX)}_{each.name}"
        arguments = _arguments(each.input_schema)
        if not re.fullmatch(r"\w{1,80}", own, re.ASCII) or arguments is None:
            notes.append(
                f"{server}: the tool '{plain(each.name)[:40]}' is left out, its name or its arguments are beyond what is called."
            )
            continue
        about = " ".join(plain(each.description or "").split())[:ABOUT]
        reads = bool(each.annotations and each.annotations.read_only_hint)
        made.append(ServerTool(own, each.name, about, arguments, reads))
    if len(listed) > MOST_TOOLS:
        notes.append(f"{server}: {len(listed) - MOST_TOOLS:,} more tools are left out.")
    return made, notes


def call(server: str, tool: str, arguments: Mapping[str, Any], reads: bool = False) -> tuple[str, bool]:
    """(the text that the tool returns, whether it says that it failed). reads: it changes nothing.

    WorkbenchError where it was not called, or only reads; any other exception where nobody knows whether it was, as after a timeout.
    """
    address(server)
    made = _asked(server, lambda client: client.call_tool(tool, dict(arguments)), harmless=reads)
    texts = [block.text for block in made.content if block.type == "text"]
    if not texts and made.structured_content is not None:
        texts = [json.dumps(made.structured_content, ensure_ascii=False)]
    left_out = len(made.content) - len(texts) if made.content else 0
    return "\n".join(texts) + f"\n({left_out:,} parts that are no text)" * (left_out > 0), bool(made.is_error)


def _asked(server: str, what: Callable[[Any], Awaitable[Any]], harmless: bool = True) -> Any:
    """What the server answers, in a loop of its own. harmless: what fails has changed nothing."""
    url, secret = address(server), VARIABLE + server.removeprefix(PREFIX).upper() + TOKEN

    async def talk() -> Any:
        from mcp import Client
        from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

        token = os.environ.get(secret, "")
        headers = {"Accept-Encoding": "identity"} | bearer(token)
        async with asyncio.timeout(SECONDS), create_mcp_http_client(headers=headers) as web:
            web.event_hooks["response"].append(partial(_bound, [BYTES]))
            async with Client(streamable_http_client(url, http_client=web), read_timeout_seconds=SECONDS, cache=None) as client:
                return await what(client)

    try:
        with ThreadPoolExecutor(1) as own:  # whoever calls may be within a loop
            return own.submit(asyncio.run, talk()).result()
    except Exception as error:
        if not harmless:
            raise
        why = "no answer in time" if isinstance(error, TimeoutError) else _reason(error)
        raise WorkbenchError(
            f"The server {server} could not be asked: {why}.", where=url, todo="Is it running, at this address?"
        ) from error


async def _bound(left: list[int], response: Any) -> None:
    """Ends a connection whose server sends more than it may."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise WorkbenchError("It sends packed data, which is not read.")
    stream = response.stream

    class BoundedBytes(type(stream)):
        def __init__(self) -> None:
            pass

        async def __aiter__(self) -> Any:
            async for piece in stream:
                left[0] -= len(piece)
                if left[0] < 0:
                    raise WorkbenchError(f"It sent more than {BYTES:,} bytes.")
                yield piece

        async def aclose(self) -> None:
            await stream.aclose()

    response.stream = BoundedBytes()


def _reason(error: BaseException) -> str:
    """Of a group of errors the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return (str(error) or type(error).__name__).rstrip(".")[:200]


def _arguments(schema: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
    """Those that are required, each bounded so that a grammar holds a call to it; None: they cannot be."""
    properties, needed = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(needed, list) or not all(isinstance(name, str) for name in needed):
        return None
    if len(needed) > MOST_ARGUMENTS or not set(needed) <= set(properties):
        return None
    made = {name: _bounded(properties[name]) for name in needed}
    return None if None in made.values() or not all(re.fullmatch(r"\w{1,40}", name, re.ASCII) for name in made) else made


def _bounded(schema: Any) -> dict[str, Any] | None:
    if not isinstance(schema, dict):
        return None
    values = schema.get("enum")
    if isinstance(values, list) and values and all(isinstance(each, str) and len(each) <= STRING for each in values):
        return {"enum": values[:64]}
    match schema.get("type"):
        case "string":
            most = schema.get("maxLength", STRING)
            return {"type": "string", "maxLength": min(STRING, most)} if type(most) is int and most >= 0 else None
        case "integer" | "number" | "boolean" as kind:
            return {"type": kind}
        case "array" if (inner := _bounded(schema.get("items", {}))) is not None:
            return {"type": "array", "items": inner, "maxItems": ITEMS}
    return None
