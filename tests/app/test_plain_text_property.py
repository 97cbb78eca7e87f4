"""Foreign text on a page: what Streamlit would make of it, had it not been made plain."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from app.ui import cards

PIECES = ["->", "<-", "<->", "--", ">=", "<=", "~=", " ", "    ", "\n", "\r\n", "\t", ":", "::", ":material/home:", ":smile:",
          ":streamlit:", ":red[", ":help[", "]", "![", "!!![x](http://x.y/a.png)", "](http://x.y)", "$", "$$", "x^2", "*", "**", "_",
          "`", "```", "~~", "# ", "- ", "+ ", "1. ", "1) ", "> ", "===", "---", "| a |", "http://", "https://x.y", "www.x.y", "a@b.co",
          "&amp;", "&#33;", "<b>", "<img src=x>", "\\", "{", "}", "[^1]: ", "!", "a", "Z9", "\u00e9", "\u65e5\u672c", "\x00"]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join)
# Streamlit 1.67, StreamlitMarkdown: replaced in the finished text of each element
REPLACED = [
    re.compile(pattern)
    for pattern in (
        r"(^|\s)(<->|->|<-|--|>=|<=|~=)(\s|$)",
        r":material_\w+:",
        r":streamlit:",
        r":[\w+-]+:",
        r"(?i)https?://|www\.",
        r"[-.\w+]@[-\w]+\.[-\w]",
    )
]
SPECIAL = re.compile(r"(?<!\\)(?:\\\\)*[`*_{}\[\]()#+!|<>$~&]")


def elements(markdown: str) -> list[str]:
    """The texts of a Markdown of backslashes and empty elements, as they are finished."""
    return [re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", piece) for piece in markdown.split(cards.NOTHING)]


def seen(text: str) -> str:
    """As a browser shows it: white space is one space."""
    return " ".join(text.split())


@given(texts)
@example("def f(x) -> int: x >= 3")
@example("\\![x](http://x.y/a.png)")
@example("x\n===\n1. y")
@example(":small[] :small:")
def test_text_is_shown_as_it_is(text):
    markdown = cards.plain(text)
    found = elements(markdown)
    assert seen("".join(found)) == seen(text)
    for piece in found:
        assert not any(pattern.search(piece) for pattern in REPLACED)
    bare = markdown.replace(cards.NOTHING, "")
    assert not SPECIAL.search(bare), "nothing is left that begins a construct"
    assert not re.search(r"(?m)^(?: {2,}|\t)(?=\S)|^ ?(?:[-=]|\d+\.(?!\\)(?= |$))", bare), "no code, list, rule or heading"
    assert ":material/" not in markdown


@given(texts)
@example("!!![x](http://x.y/a.png)")
@example("\\![x](http://x.y/a.png)")
@example("```mermaid\nA@{ img: 'http://x.y/a.png' }\n```")
@example("> 1. ~~~ mer&#109;aid ``\n~~~")
def test_markdown_of_somebody_else_holds_no_picture_and_no_diagram(text):
    shown = cards.without_pictures(text)
    assert "![" not in shown
    assert not re.search(r"(?m)^[ \t>\d.)*+-]*(?:`{3,}[^`\n]*[^`\s][^`\n]*$|~{3,}[^\n]*[^~\s])", shown), "no language of code"
    assert shown.replace("!\u2060[", "![") == text or "```" in text or "~~~" in text
