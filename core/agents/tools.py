"""The tools that a model may call: each with a name, the schema of its arguments, a bound on what it returns, and what it touches.

A tool's error is its result: the model reads it and goes on. What a tool returns is text of others and never an instruction to us; it
is made plain, so that it can pose neither as a passage's mark nor as a turn of the chat.

Text that is not trusted chooses no tool that writes: once a run has read what others wrote, `use` calls no such tool, whatever the model
asks for. So an instruction hidden in a document has no effect, however well it is hidden (Beurer-Kellner et al. 2025, "Design Patterns for
Securing LLM Agents against Prompt Injections", arXiv:2506.08837, section 2: once an agent has read untrusted input, it must be impossible
for that input to trigger consequential actions). Results are not trusted unless their tool says that they are.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from core.agents import calculator, mcp_servers, sandbox, wikipedia
from core.agents.effects import AgentEffects
from core.context.citations import marks, plain
from core.context.passages import page_at
from core.context.surroundings import Surroundings
from core.errors import WorkbenchError
from core.records import Hit
from core.report.table import rows_csv

Permission = Literal["read", "write", "network"]
CUT = " …"
PYTHON_S = 5.0
SQL_ROWS = 20
READ_OTHERS = (
    "Not done: this run has read text that others wrote, and after that nothing is written. Go on without it, and tell in the answer "
    "what was not written."
)
NO_EFFECTS = "Not done: a run that is measured or repeated writes nothing. Go on without it."


class ToolResult(NamedTuple):
    """text: as the model reads it. passages: numbers of those that it shows. trusted: nothing in it was written by others than who asks."""

    text: str
    passages: tuple[int, ...] = ()
    failed: bool = False
    trusted: bool = False


class RememberedFact(NamedTuple):
    """A fact as it is shown. trusted: it was not read in a text of others."""

    text: str
    trusted: bool


class FactMemory(Protocol):
    """What agents remember between runs."""

    def read(self, query: str, k: int) -> list[RememberedFact]: ...

    def write(self, fields: Mapping[str, Any], trusted: bool) -> str:
        """What became of it, in words. trusted: who writes it has read nothing of others."""


class ToolDesk:
    """What tools work with in one run. `passages` grows as more are read; passage n is passages[n - 1].

    effects: where calls that write are noted; None: none is made. write_after_reading: they are made even after text of others was read.
    """

    def __init__(
        self,
        search: Callable[[str], list[Hit]] | None = None,
        source: Surroundings | None = None,
        citations: str = "brackets",
        *,
        sql: Callable[[str], Any] | None = None,
        memory: Callable[[], FactMemory] | None = None,
        effects: AgentEffects | None = None,
        write_after_reading: bool = False,
    ) -> None:
        self.search, self.source, self.citations = search, source, citations
        self.sql, self.memory, self.effects, self.write_after_reading = sql, memory, effects, write_after_reading
        self.passages: list[Hit] = []
        self.read_others = False  # text that others wrote

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
        numbers, self.read_others = self.numbered(hits), True
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
    machine; "": it can. trusted: its results hold nothing that others wrote. told_by_others: what it is about is their text too."""

    name: str
    about: str
    arguments: dict[str, dict[str, Any]]
    most: int
    permission: Permission
    use: Callable[[ToolDesk, dict[str, Any]], ToolResult]
    lacking: Callable[[], str] = lambda: ""
    trusted: bool = False
    told_by_others: bool = False

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})"


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(CUT)].rstrip() + CUT


def use(tool: Tool, desk: ToolDesk, arguments: dict[str, Any], step: int = 0) -> ToolResult:
    """What the tool returns, within its bound; what goes wrong in it is told as its result. step: of the run, from 1."""
    made = _written(tool, desk, arguments, step) if tool.permission == "write" else _called(tool, desk, arguments)
    text = made.text if made.passages else plain(made.text, desk.citations)
    desk.read_others |= not made.trusted
    return made._replace(text=cut(text or "Nothing.", tool.most))


def _called(tool: Tool, desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
    try:
        made = tool.use(desk, arguments)
    except WorkbenchError as error:
        made = ToolResult(" ".join(filter(None, (error.what, error.todo))), failed=True)
    except Exception as error:  # of whatever a tool calls: the run goes on
        made = ToolResult(f"{type(error).__name__}: {error}", failed=True)
    return made._replace(trusted=tool.trusted or made.trusted)


def _written(tool: Tool, desk: ToolDesk, arguments: dict[str, Any], step: int) -> ToolResult:
    """What a tool that writes returns, where it may be called; once, whatever happens in between."""
    if desk.read_others and not desk.write_after_reading:
        return ToolResult(READ_OTHERS, failed=True, trusted=True)
    if desk.effects is None:
        return ToolResult(NO_EFFECTS, failed=True, trusted=True)

    def act() -> tuple[str, bool, bool]:
        try:
            made = tool.use(desk, arguments)
        except WorkbenchError as error:  # refused: nothing was done
            made = ToolResult(" ".join(filter(None, (error.what, error.todo))), failed=True)
        return made.text, made.failed, tool.trusted or made.trusted

    text, failed, trusted = desk.effects.once(step, tool.name, arguments, act)
    return ToolResult(text, failed=failed, trusted=trusted)


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
    document = desk.source.document(hit)
    start, end = window(hit, len(document.text), OPEN.most - 40)
    pages = {"page": page_at(document, start), "last_page": page_at(document, end - 1)}
    return desk.shown([Hit(0, 0.0, hit.document_id, hit.title, start, end, document.text[start:end], **pages)], OPEN.most)


def window(hit: Hit, size: int, most: int) -> tuple[int, int]:
    """Characters [start, end) around a passage, `most` of them; more of what follows it than of what stands before."""
    start = max(0, min(hit.start - most // 4, size - most))
    return start, min(size, start + most)


def _calculate(desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
    value = calculator.calculate(arguments["expression"])
    return ToolResult(f"{value:.15g}" if isinstance(value, float) else str(value))


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


def _memory(desk: ToolDesk) -> FactMemory:
    if desk.memory is None:
        raise WorkbenchError("There is no memory here.")
    return desk.memory()


def _read_memory(desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
    facts = _memory(desk).read(arguments["query"], arguments["k"])
    lines = [plain(fact.text, desk.citations) for fact in facts]  # whole ones: of a part nobody could prove that it was forgotten
    while len(lines) > 1 and len("\n".join(lines)) > READ_MEMORY.most:
        lines.pop()
    return ToolResult("\n".join(lines) or "Nothing is remembered of it.", trusted=all(fact.trusted for fact in facts))


def _write_memory(desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
    return ToolResult(_memory(desk).write(arguments, not desk.read_others))


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
CALCULATOR = Tool(
    "calculator", "the value of an expression like 2 * (3 + 4)", {"expression": _text(100)}, 60, "read", _calculate, trusted=True
)
SQL = Tool("sql_query", "rows of one SELECT over the records of this workbench", {"statement": _text(200)}, 1200, "read", _sql)
PYTHON = Tool(  # a program of the model's own, which reads nothing: it holds what others wrote where the run has read that before
    "run_python", "what a short Python program prints", {"code": _text(300)}, 1000, "read", _python, sandbox.lacking, trusted=True
)
WIKIPEDIA = Tool(
    "wikipedia_search",
    "the first paragraph of Wikipedia's best article for a text",
    {"text": _text(100)},
    1000,
    "network",
    _wikipedia,
)
READ_MEMORY = Tool(
    "read_memory",
    "the k facts remembered from earlier runs that help most with a query, each with its id, and whether it may hold no more",
    {"query": _text(100), "k": {"type": "integer", "minimum": 1, "maximum": 5}},
    1000,
    "read",
    _read_memory,
)
WRITE_MEMORY = Tool(
    "write_memory",
    "remembers a value of a subject's attribute, in place of the value before; derived_from: ids of the facts that it follows from",
    {
        "subject": _text(60),
        "attribute": _text(40),
        "value": _text(100),
        "derived_from": {"type": "array", "items": _text(40), "maxItems": 3},
    },
    300,
    "write",
    _write_memory,
    trusted=True,
)
TOOLS = {tool.name: tool for tool in (SEARCH, OPEN, CALCULATOR, SQL, PYTHON, WIKIPEDIA, READ_MEMORY, WRITE_MEMORY)}
USUAL = (SEARCH.name, OPEN.name, CALCULATOR.name)


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """These names, each once. WorkbenchError of one that there is not; no server is asked."""
    if unknown := [name for name in names if name not in TOOLS and not mcp_servers.NAME.fullmatch(name)]:
        todo = f"Choose of {', '.join(TOOLS)}, or mcp:NAME for a server whose address stands in {mcp_servers.VARIABLE}NAME."
        raise WorkbenchError(f"There is no tool '{unknown[0]:.40}'.", where="answering.tools", todo=todo)
    return tuple(dict.fromkeys(names))


def chosen(names: Sequence[str]) -> list[Tool]:
    """The tools of these names, a server's in its place; WorkbenchError as `checked`."""
    made: dict[str, Tool] = {}
    for name in checked(names):
        for tool in [TOOLS[name]] if name in TOOLS else _of_server(name):
            if tool.name in made and not tool.lacking():
                what = f"Two tools are called {tool.name}, and a call of one would be the other's."
                raise WorkbenchError(what, where="answering.tools", todo=f"Leave {name} out, or rename its tool.")
            made.setdefault(tool.name, tool)
    return list(made.values())


def _of_server(server: str) -> list[Tool]:
    """Those that an MCP server offers; where it cannot be asked, one that says why it is off."""
    try:
        offered, notes = mcp_servers.offered(server)
    except WorkbenchError as error:
        why = " ".join(filter(None, (error.what, error.todo)))
        return [Tool(server, "", {}, 1, "network", lambda desk, arguments: ToolResult(""), lambda: why)]
    made = [_server_tool(server, each) for each in offered]
    off = Tool(server, "", {}, 1, "network", lambda desk, arguments: ToolResult(""), lambda: " ".join(notes))
    return [*made, *([off] if notes else [])]


def _server_tool(server: str, told: mcp_servers.ServerTool) -> Tool:
    def use(desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
        text, failed = mcp_servers.call(server, told.own, arguments, told.reads)
        return ToolResult(text, failed=failed)

    permission: Permission = "network" if told.reads else "write"
    return Tool(told.name, told.about, told.arguments, mcp_servers.RESULT, permission, use, told_by_others=True)
