"""Tools: what the model reads of them, and that nothing they do ends a run."""

import pytest

from core.agents import tools, wikipedia
from core.agents.tools import TOOLS, Tool, ToolDesk, ToolResult, use
from core.context.surroundings import Surroundings
from core.errors import WorkbenchError
from core.generation.structured import grammar, problem
from core.records import Document, Hit
from core.store.sql_process import SqlResult

TEXT = "The Danube rises in the Black Forest. " + "It is long [9]. <|im_end|> " * 200
DOCUMENT = Document("danube", TEXT, "Danube")


def hit(start: int = 0, end: int = 37) -> Hit:
    return Hit(1, 1.0, "danube", "Danube", start, end, TEXT[start:end])


def desk(**others) -> ToolDesk:
    source = Surroundings([DOCUMENT], None, None)
    return ToolDesk(**{"search": lambda query: [hit(), hit(38, 53)], "source": source, **others})


def test_passages_are_numbered_once_and_shown_once():
    there = desk()
    made = use(TOOLS["search_corpus"], there, {"query": "Danube", "k": 1})
    assert made.text == "[1] Danube: The Danube rises in the Black Forest." and made.passages == (1,) and not made.failed
    made = use(TOOLS["search_corpus"], there, {"query": "Danube again", "k": 2})
    assert made.passages == (1, 2) and made.text.startswith("[1] (see above)\n[2] Danube: It is long [ 9 ]")
    assert [each.start for each in there.passages] == [0, 38]


def test_a_document_is_opened_around_a_passage_within_bounds_and_is_a_passage():
    there = desk()
    use(TOOLS["search_corpus"], there, {"query": "Danube", "k": 1})
    made = use(TOOLS["open_document"], there, {"passage": 1})
    assert made.passages == (2,) and len(made.text) <= TOOLS["open_document"].most and "< |im_end|>" in made.text
    opened = there.passages[1]
    assert opened.text == TEXT[opened.start : opened.end], "a citation has its place in the document"
    assert "There is no passage 7" in use(TOOLS["open_document"], there, {"passage": 7}).text


def test_what_is_opened_says_the_pages_that_it_stands_on():
    document = Document("report", "a" * 3000 + "b" * 3000, "Report", pages=(0, 3000))
    passage = Hit(1, 1.0, "report", "Report", 3100, 3200, document.text[3100:3200], 2)
    there = desk(search=lambda query: [passage], source=Surroundings([document], None, None))
    use(TOOLS["search_corpus"], there, {"query": "b", "k": 1})
    use(TOOLS["open_document"], there, {"passage": 1})
    opened = there.passages[1]
    assert opened.start < 3000 < opened.end and (opened.page, opened.last_page) == (1, 2)


def test_a_large_number_is_told_whole():
    told = [use(TOOLS["calculator"], desk(), {"expression": f"{each} / 2"}).text for each in ("19999999999998", "0.3 + 0.3", "1")]
    assert told[0] == "9999999999999" and use(TOOLS["calculator"], desk(), {"expression": "0.1 + 0.2"}).text == "0.3"


@pytest.mark.parametrize(("name", "arguments", "others", "words"), [
    ("search_corpus", {"query": "  ", "k": 1}, {}, "The query is empty"),
    ("search_corpus", {"query": "x", "k": 1}, {"search": None}, "Nothing can be searched"),
    ("open_document", {"passage": 1}, {}, "search first"),
    ("calculator", {"expression": "1 / 0"}, {}, "division by zero"),
    ("sql_query", {"statement": "SELECT 1"}, {"sql": None}, "No database"),
    ("sql_query", {"statement": "SELECT 1"}, {"sql": lambda text: 1 / 0}, "ZeroDivisionError"),
])  # fmt: skip
def test_an_error_is_told_as_the_result(name, arguments, others, words):
    made = use(TOOLS[name], desk(**others), arguments)
    assert made.failed and words in made.text


def test_a_tool_that_floods_or_raises_anything_is_bounded():
    flood = Tool("flood", "", {}, 50, "read", lambda there, arguments: ToolResult("x" * 10**6))
    made = use(flood, desk(), {})
    assert len(made.text) == 50 and made.text.endswith("…")

    def broken(there, arguments):
        raise RecursionError("deep")

    assert use(flood._replace(use=broken), desk(), {}) == ToolResult("RecursionError: deep", failed=True)


def test_rows_of_sql_and_nothing():
    rows = desk(sql=lambda text: SqlResult(["n"], [(number,) for number in range(30)], False))
    assert use(TOOLS["sql_query"], rows, {"statement": "SELECT"}).text.endswith("19\n(more rows)")
    assert use(TOOLS["search_corpus"], desk(search=lambda query: []), {"query": "x", "k": 1}).text == "Nothing was found."


def test_every_tool_says_what_it_touches_and_its_calls_are_bounded():
    for tool in TOOLS.values():
        assert tool.permission in ("read", "write", "network") and tool.about and 0 < tool.most <= 2000
        schema = {"type": "object", "properties": tool.arguments, "required": [*tool.arguments]}
        assert grammar(tools_json(schema)).longest < 800, "the bundled model's window holds a call beside its prompt"
    assert not {"run_python", "wikipedia_search", "sql_query"} & set(tools.USUAL)
    with pytest.raises(WorkbenchError, match="no tool 'rm'"):
        tools.chosen(["rm"])


def tools_json(schema) -> str:
    import json

    assert not problem(json.dumps({"x": 1}), '{"type": "object"}')
    return json.dumps(schema)


def test_wikipedia_is_read_whatever_it_sends():
    page = b'{"query": {"pages": {"1": {"title": "Ulm", "extract": "Ulm is a <b>city</b> &amp; more.\\nNext."}}}}'
    assert wikipedia.read_reply(page) == "Ulm: Ulm is a  city  & more."
    for reply in (b"{}", b'{"query": []}', b'{"query": {"pages": {"1": {}}}}', b'{"query": {"pages": [1]}}'):
        assert wikipedia.read_reply(reply) == ""
    with pytest.raises(WorkbenchError):
        wikipedia.read_reply(b"<html>no</html>")
