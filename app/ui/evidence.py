"""Text from documents and models as escaped HTML: gold evidence underlined, query terms bold, citations as chips.

Every page draws text through here, so that one colour means one thing, and so that no text of a corpus or a model is
ever taken for markup.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import accumulate, pairwise
from typing import NamedTuple

import streamlit as st

from core.labs.answers.stored import stage_title

CUT = 420  # characters of a passage shown before it is opened: about five lines
# words too common to be worth marking in a passage
COMMON = frozenset(
    re.findall(
        r"\w+",
        """a an and are as at be been but by can could did do does for from had has have how i if in into is it its may of on or our
        should so such than that the their them then there these they this to was we were what when where which who whom whose why
        will with would you your""",
    )
)


class Mark(NamedTuple):
    """Characters [start, end) shown in the style of a CSS class: "gold", "term", "a", "b", "ab", "edge"."""

    start: int
    end: int
    style: str


def marked(text: str, marks: Iterable[Mark], begin: int = 0, end: int | None = None) -> str:
    """HTML of text[begin:end] with marks, which may overlap (positions refer to the whole text)."""
    end = len(text) if end is None else end
    inside = [Mark(max(m.start, begin), min(m.end, end), m.style) for m in marks if m.start < end and m.end > begin]
    cuts = sorted({begin, end, *(m.start for m in inside), *(m.end for m in inside)})
    opening, closing = {}, {}
    for mark in inside:
        opening.setdefault(mark.start, []).append(mark.style)
        closing.setdefault(mark.end, []).append(mark.style)
    active: list[str] = []
    pieces = []
    for here, there in pairwise(cuts):
        for style in closing.get(here, ()):
            active.remove(style)
        active += opening.get(here, ())
        piece = escape(text[here:there])
        classes = " ".join(f"gw-{style}" for style in dict.fromkeys(active))
        pieces.append(f'<span class="{classes}">{piece}</span>' if classes else piece)
    return "".join(pieces)


# what stands in code, grammars, sessions and tables, and seldom in a sentence
_CODE = re.compile(
    r">>>|::=|[^=!<>]=[^=]|\w\((?:(?!\w\()[^)])*\)\s*:?$|[{}\[\]();]\s*$|^\s*(?:[#@|+]|\"\"\"|(?:def|class|for|while|if|elif|else|try|except|finally|with"
    r"|return|import|from|print|async|await|raise|pass|match|case|del|assert|global|nonlocal|yield|lambda)\b[^.]*$)|\S {3,}\S|^\s*[-=]{4,}"
)
JOIN, INDENT = "\ue000", "\ue001"  # of no alphabet
WIDTHS = range(50, 121)  # characters of a line that a program filled
_ITEM = re.compile(r"\s*(?:[-*+•#>|]|\(?\w{1,3}[.)]\s)")
_PARAGRAPH = re.compile(r"^[^\S\n]*+\S[^\n]*(?:\n[^\S\n]*+\S[^\n]*)*\n?", re.MULTILINE)  # a line of spaces is gone through once


def preformatted(text: str) -> list[tuple[int, int]]:
    """Characters [start, end) of paragraphs whose columns mean something: tables, and indented or fenced code."""
    spans, fenced = [], False
    for match in _PARAGRAPH.finditer(text):
        lines = match.group().splitlines()
        fences = sum(line.lstrip().startswith("```") for line in lines)
        indented = all(re.match(r" {3,}|\t", line) for line in lines)
        table = sum(bool(re.match(r"\s*[|+].*[|+]\s*$", line) or re.search(r"\S {3,}\S", line)) for line in lines)
        code = 2 * sum(bool(_CODE.search(line)) for line in lines) >= len(lines)
        if fences or fenced or (indented and code) or (len(lines) > 1 and table == len(lines)):
            spans.append(match.span())
        fenced ^= fences % 2 == 1
    return spans


def filled(text: str, boxes: Sequence[tuple[int, int]]) -> str:
    """The text, as many characters. Where its lines were filled to a width, JOIN is for a line break behind which the next word had no
    room, and INDENT for the spaces after it. boxes: what is no prose."""
    lines = text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    prose = [not any(start <= at < stop for start, stop in boxes) for at in starts[:-1]]
    width = max((len(line) for line, own in zip(lines, prose, strict=True) if own), default=0)
    breaks = {  # before which line -> whether there was room for its first word
        row: len(lines[row - 1].rstrip()) + 1 + len(lines[row].split(maxsplit=1)[0]) < width
        for row in range(1, len(lines))
        if prose[row - 1] and prose[row] and lines[row - 1].strip() and lines[row].strip() and not _ITEM.match(lines[row])
    }
    full = {row for row, room in breaks.items() if not room}
    if width not in WIDTHS or len(full) < max(2, len(breaks) / 2):
        return text
    full |= {1} if 1 in breaks and lines[1].lstrip()[0].islower() else set()  # a passage may begin within a line
    for row, line in enumerate(lines[1:], 1):
        words = line.lstrip()
        lines[row] = f"{JOIN}{INDENT * (len(line) - len(words))}{words}" if row in full else f"\n{line}"
    return "".join(lines)


def laid(text: str, marks: Sequence[Mark], begin: int = 0, end: int | None = None) -> str:
    """HTML of text[begin:end] with marks; code and tables in boxes of their own whose columns line up, prose without the line breaks of
    its file."""
    end, last, pieces, boxes = len(text) if end is None else end, begin, [], preformatted(text)
    text = filled(text, boxes)
    for start, stop in boxes:
        start, stop = max(start, last), min(stop, end)
        if start < stop:
            pieces += [marked(text, marks, last, start), f'<div class="gw-pre">{marked(text, marks, start, stop)}</div>']
            last = stop
    return "".join([*pieces, marked(text, marks, last, end)]).replace(JOIN, " ").replace(INDENT, "")


def gold_marks(text_start: int, text_end: int, gold: Iterable, document_id: str | None = None) -> list[Mark]:
    """Gold evidence (records.Gold) of a document as marks of the text that starts at `text_start` in it."""
    return [
        Mark(max(g.start, text_start) - text_start, min(g.end, text_end) - text_start, "gold")
        for g in gold
        if (document_id is None or g.document_id == document_id) and g.start < text_end and g.end > text_start and g.grade > 0
    ]


def term_marks(text: str, query: str) -> list[Mark]:
    """Where words of the query occur in the text, inflections by a final s left aside."""
    words = {w.removesuffix("s") for w in re.findall(r"\w+", query.lower()) if w not in COMMON and len(w) > 1}
    if not words:
        return []
    pattern = r"\b(?:" + "|".join(re.escape(w) for w in sorted(words, key=len, reverse=True)) + r")s?\b"
    return [Mark(m.start(), m.end(), "term") for m in re.finditer(pattern, text, re.IGNORECASE)]


def text_html(text: str, marks: Sequence[Mark] = (), cut: int = CUT) -> str:
    """Text with marks; a long one is cut around its first gold mark and opens on a click."""
    if len(text) <= cut * 1.25:
        return f'<div class="gw-text">{laid(text, marks)}</div>'
    first = min((m.start for m in marks if m.style == "gold"), default=0)
    begin = 0 if first < cut * 0.8 else _word_start(text, first - cut // 4)
    end = _word_start(text, begin + cut)
    short = f"{'…' if begin else ''}{laid(text, marks, begin, end).rstrip()}…"
    return (
        f'<div class="gw-text"><details><summary>{short} <span class="gw-more">{len(text):,} characters, '
        f"open</span></summary>{laid(text, marks)}</details></div>"
    )


def passage_html(
    text: str,
    *,
    title: str = "",
    facts: Iterable[str] = (),
    gold: Sequence[Mark] = (),
    query: str = "",
    number: int | None = None,
    relevant: bool | None = None,
    cut: int = CUT,
) -> str:
    """A retrieved passage in its box. gold: marks relative to `text`; number: its citation; relevant: green edge."""
    relevant = bool(gold) if relevant is None else relevant
    head = [f'<span class="gw-chip plain">{number}</span>'] if number is not None else []
    head += [f'<span class="name">{escape(title)}</span>'] if title else []
    head += [f"<span>{escape(fact)}</span>" for fact in facts if fact]
    return (
        f'<div class="gw gw-passage{" relevant" if relevant else ""}">'
        f'<div class="gw-head">{"".join(head)}</div>{text_html(text, [*gold, *term_marks(text, query)], cut)}</div>'
    )


def hit_html(hit, *, gold: Iterable = (), query: str = "", number: int | None = None, cut: int = CUT) -> str:
    """A records.Hit: rank, score of each retriever, page. gold: records.Gold of the question."""
    marks = gold_marks(hit.start, hit.end, gold, hit.document_id)
    facts = [f"rank {hit.rank}", f"score {hit.score:.3f}"]
    facts += [f"{stage_title(name).lower()} {score:.3f}" for name, score in hit.scores.items()]
    facts += [hit.pages] if hit.pages else []
    facts += [f"longer than the reranker reads: {how}" for how in dict.fromkeys(hit.longer.values())]
    if hit.excerpts:
        marks += [Mark(start - hit.start, end - hit.start, "a") for start, end in hit.excerpts]
        facts.append("read: what is shaded")
    return passage_html(
        hit.text, title=hit.title or hit.document_id, facts=facts, gold=marks, query=query, number=number, cut=cut
    )


def answer_html(text: str, num_passages: int) -> str:
    """An answer with its citations [1], [2, 3] as numbered chips; numbers that no passage has are struck through."""

    def chips(match: re.Match) -> str:
        numbers = [int(n) for n in re.findall(r"\d+", match.group())]
        return " ".join(f'<span class="gw-chip{"" if 1 <= n <= num_passages else " bad"}">{n}</span>' for n in numbers)

    body = re.sub(r"\[\d+(?:\s*[,;]\s*\d+)*\]", chips, escape(text))
    return f'<div class="gw gw-text">{body}</div>'


def document_html(text: str, gold: Iterable = (), chunks: Iterable[tuple[int, int]] = ()) -> str:
    """A whole document: chunks in two alternating colours, what two chunks share in a third, gold underlined."""
    marks, last = [], 0
    for i, (start, end) in enumerate(chunks):
        fresh = max(start, last)
        if start < last:
            marks.append(Mark(start, min(last, end), "ab"))
        if fresh < end:
            marks.append(Mark(fresh, end, "ab"[i % 2]))
        marks.append(Mark(start, min(start + 1, end), "edge"))
        last = max(last, end)
    marks += [Mark(g.start, g.end, "gold") for g in gold if g.grade > 0]
    return f'<div class="gw gw-scroll"><div class="gw-text">{laid(text, marks)}</div></div>'


def difference_html(pieces: Iterable) -> str:
    """Two texts in one (labs.prompt.TemplatePiece): what only the first has is struck out, what only the second has underlined."""
    tags = {"both": "span", "first": 'del class="gw-a"', "second": 'ins class="gw-b"'}
    body = "".join(f"<{tags[p.side]}>{escape(p.text)}</{tags[p.side].partition(' ')[0]}>" for p in pieces)
    return f'<div class="gw gw-text gw-pre">{body}</div>'


def show(html: str | Iterable[str]) -> None:
    """Draws what the functions above return."""
    body = html if isinstance(html, str) else "".join(html)
    if body:
        st.html(body)


def _word_start(text: str, position: int) -> int:
    """The next beginning of a word at or after the position, if one is near."""
    space = re.compile(r"\s").search(text, position, position + 40)
    return space.end() if space else min(position, len(text))
