"""The tools that a model may call: each with a name, the schema of its arguments, a bound on what it returns, and what it touches.

A tool's error is its result: the model reads it and goes on. What a tool returns is text of others and never an instruction to us; it
is made plain, so that it can pose neither as a passage's mark nor as a turn of the chat.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from core.agents import calculator, sandbox, wikipedia
from core.context.citations import marks, plain
from core.context.surroundings import Surroundings
from core.errors import WorkbenchError
from core.records import Hit
from core.report.table import rows_csv

Permission = Literal["read", "write", "network"]
CUT = " …"
PYTHON_S = 5.0
SQL_ROWS = 20


class ToolResult(NamedTuple):
    """text: as the model reads it. passages: numbers of those that it shows."""

    text: str
    passages: tuple[int, ...] = ()
    failed: bool = False


class ToolDesk:
    """What tools work with in one run. `passages` grows as more are read; passage n is passages[n - 1]."""

    def __init__(
        self,
        search: Callable[[str], list[Hit]] | None = None,
        source: Surroundings | None = None,
        sql: Callable[[str], Any] | None = None,
        citations: str = "brackets",
    ) -> None:
        self.search, self.source, self.sql, self.citations = search, source, sql, citations
        self.passages: list[Hit] = []

    def numbered(self, hits: Sequence[Hit]) -> list[tuple[int, bool]]:
        """(number, whether it is new) of each."""
        numbers = []
        for hit in hits:
            place = hit.document_id, hit.start, hit.end
            places = [(other.document_id, other.start, other.end) for other in self.passages]
            if place not in places:
                self.passages.append(hit)
            numbers.append((places.index(place) + 1, False) if place in places else (len(self.passages), True))
        return numbers

    def shown(self, hits: Sequence[Hit], most: int) -> ToolResult:
        """Passages as the model reads them, with their numbers; those that it has read already by their numbers alone."""
        numbers = self.numbered(hits)
        fresh = sum(new for _, new in numbers) or 1
        lines = []
        for hit, (number, new) in zip(hits, numbers, strict=True):
            mark = marks(self.citations, self.passages)[number - 1]
            title = f"{plain(hit.title, self.citations)}: " if hit.title else ""
            words = f"{title}{plain(hit.shown, self.citations)}" if new else "(see above)"
            lines.append(f"{mark} {cut(words, max(80, most // fresh))}")
        return ToolResult("\n".join(lines), tuple(number for number, _ in numbers))


class Tool(NamedTuple):
    """arguments: name -> JSON schema, all of them required. most: characters of a result. lacking: why it cannot be used on this
    machine; "": it can."""

    name: str
    about: str
    arguments: dict[str, dict[str, Any]]
    most: int
    permission: Permission
    use: Callable[[ToolDesk, dict[str, Any]], ToolResult]
    lacking: Callable[[], str] = lambda: ""

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})"


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(CUT)].rstrip() + CUT


def use(tool: Tool, desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
    """What the tool returns, within its bound; what goes wrong in it is told as its result."""
    try:
        made = tool.use(desk, arguments)
    except WorkbenchError as error:
        made = ToolResult(" ".join(filter(None, (error.what, error.todo))), failed=True)
    except Exception as error:  # of whatever a tool calls: the run goes on
        made = ToolResult(f"{type(error).__name__}: {error}", failed=True)
    text = made.text if made.passages else plain(made.text, desk.citations)
    return made._replace(text=cut(text or "Nothing.", tool.most))


# The tools -----------------------------------------------------------------------------------------------------------


def _search(desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
    if desk.search is None:
        raise WorkbenchError("Nothing can be searched here.")
    if not arguments["query"].strip():
        raise WorkbenchError("The query is empty.")
    hits = desk.search(arguments["query"])[: arguments["k"]]
    return desk.shown(hits, SEARCH.most) if hits else ToolResult("Nothing was found.")


def _open(desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
    number = arguments["passage"]
    if desk.source is None or not desk.passages:
        raise WorkbenchError("There is no document to open: search first.")
    if number > len(desk.passages):
        raise WorkbenchError(f"There is no passage {number}; there are {len(desk.passages)}.")
    hit = desk.passages[number - 1]
    start, end = window(hit, len(desk.source.document(hit).text), OPEN.most - 40)
    text = desk.source.document(hit).text[start:end]
    return desk.shown([Hit(0, 0.0, hit.document_id, hit.title, start, end, text, hit.page)], OPEN.most)


def window(hit: Hit, size: int, most: int) -> tuple[int, int]:
    """Characters [start, end) around a passage, `most` of them; more of what follows it than of what stands before."""
    start = max(0, min(hit.start - most // 4, size - most))
    return start, min(size, start + most)


def _calculate(desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
    value = calculator.calculate(arguments["expression"])
    return ToolResult(f"{value:.12g}" if isinstance(value, float) else str(value))


def _sql(desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
    if desk.sql is None:
        raise WorkbenchError("No database can be asked here.")
    made = desk.sql(arguments["statement"])
    rows = [dict(zip(made.columns, row, strict=False)) for row in made.rows[:SQL_ROWS]]
    more = "\n(more rows)" * (len(made.rows) > SQL_ROWS or made.truncated)
    return ToolResult((rows_csv(rows).strip() if rows else "No rows.") + more)


def _python(desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
    made = sandbox.run(arguments["code"], PYTHON_S)
    return ToolResult(made.told, failed=made.failed)


def _wikipedia(desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
    return ToolResult(wikipedia.first_paragraph(arguments["text"]) or "No article was found.")


def _text(most: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most}


SEARCH = Tool(
    "search_corpus",
    "the k best passages for a text",
    {"query": _text(100), "k": {"type": "integer", "minimum": 1, "maximum": 5}},
    1200,
    "read",
    _search,
)
OPEN = Tool(
    "open_document",
    "more of the document around a passage, by its number",
    {"passage": {"type": "integer", "minimum": 1, "maximum": 60}},
    1600,
    "read",
    _open,
)
CALCULATOR = Tool("calculator", "the value of an expression like 2 * (3 + 4)", {"expression": _text(100)}, 60, "read", _calculate)
SQL = Tool("sql_query", "rows of one SELECT over the records of this workbench", {"statement": _text(200)}, 1200, "read", _sql)
PYTHON = Tool("run_python", "what a short Python program prints", {"code": _text(300)}, 1000, "read", _python, sandbox.lacking)
WIKIPEDIA = Tool(
    "wikipedia_search",
    "the first paragraph of Wikipedia's best article for a text",
    {"text": _text(100)},
    1000,
    "network",
    _wikipedia,
)
TOOLS = {tool.name: tool for tool in (SEARCH, OPEN, CALCULATOR, SQL, PYTHON, WIKIPEDIA)}
USUAL = (SEARCH.name, OPEN.name, CALCULATOR.name)


def chosen(names: Sequence[str]) -> list[Tool]:
    """The tools of these names that can be used on this machine. WorkbenchError of one that there is not."""
    if unknown := [name for name in names if name not in TOOLS]:
        raise WorkbenchError(
            f"There is no tool '{unknown[0]:.40}'.", where="answering.tools", todo=f"Choose of {', '.join(TOOLS)}."
        )
    return [TOOLS[name] for name in dict.fromkeys(names)]
