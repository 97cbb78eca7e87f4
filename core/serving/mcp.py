"""The recipe as a server of the Model Context Protocol over standard input and output: the tools `search` and `answer`."""

import time
from collections.abc import Callable
from typing import Any

from core.errors import WorkbenchError
from core.progress import drain
from core.serving.admission import Refusal
from core.serving.publishing import MOST_K
from core.serving.service import DEADLINE_S, ServedQuestion, Service


def run(service: Service) -> str:
    """Until its client closes the input."""
    service.open()
    if service.missing:
        raise WorkbenchError(service.missing)
    tools(service).run("stdio")
    return ""


def tools(service: Service) -> Any:
    """The server, without a transport yet."""
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import ToolAnnotations

    reads = ToolAnnotations(read_only_hint=True)

    corpus = service.config.corpus.dataset
    server = MCPServer("groundwork", instructions=f"Answers questions from the corpus {corpus}, with citations.")

    @server.tool(
        annotations=reads, description=f"The passages of the corpus {corpus} that are nearest to a question, the best first."
    )
    def search(question: str, k: int = 5) -> dict[str, Any]:
        return told(lambda: service.search(question, min(max(k, 1), MOST_K)))

    @server.tool(
        annotations=reads, description=f"An answer to a question from the corpus {corpus}, with the passages that it cites."
    )
    def answer(question: str) -> dict[str, Any]:
        return told(lambda: drain(service.streamed(ServedQuestion(question, time.perf_counter() + DEADLINE_S))))

    def told(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return work()
        except (WorkbenchError, Refusal) as error:
            raise ToolError(str(error)) from None

    return server
