"""One file of a user to plain text, in a process of its own.

    python -m core.corpus.parse SOURCE KIND NAME DOCUMENTS VERDICT MEMORY_MB CPU_S

NAME is JSON. DOCUMENTS is written as the collection keeps it, VERDICT says what became of the file and how much is in it.

Whatever a broken or hostile file does to its parser, only this process suffers it. It imports nothing of the project,
and each parser only when its kind of file comes.
"""

import contextlib
import errno
import json
import logging
import re
import resource
import sys
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from html import unescape
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

MAX_RESULT = 256 << 20  # bytes written
NO_ROOM = 3  # exit code: the disk is full, which is no fault of the file
LIGATURE = re.compile("[\ufb00-\ufb06]")  # fi, fl, ff as one sign: nobody types it, so no search would find the word
LONE = re.compile("[\ud800-\udfff\0]")
MAX_CHARACTERS = 50_000_000
MAX_UNPACKED = 512 << 20  # bytes of all members of a DOCX
MOST_WARNINGS, MOST_PLACES = 4, 40  # told of a file, and of lines named in one of them


class Unreadable(Exception):
    """(status, reason): "failed" for a file that is broken, "skipped" for one that holds no text."""

    def __init__(self, status: str, reason: str) -> None:
        self.status, self.reason = status, reason


def parse_pdf(data: bytes, warn: Callable[[str], None]) -> list[dict]:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PdfReadError

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warn(record.getMessage())

    logger = logging.getLogger("pypdf")
    logger.handlers, logger.propagate = [Collect()], False
    try:
        reader = PdfReader(BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("failed", "protected by a password; save a copy without one")
        texts = []
        for number, page in enumerate(reader.pages, 1):
            try:
                texts.append(LIGATURE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), page.extract_text()).strip())
            except (ValueError, KeyError, TypeError, IndexError, AttributeError, PdfReadError) as error:
                warn(f"page {number} cannot be read: {error}")
                texts.append("")
    except DependencyError:
        raise Unreadable("failed", "protected by an encryption that cannot be read here; save a copy without") from None
    except (PdfReadError, ValueError, KeyError, TypeError, IndexError, AttributeError, OSError) as error:
        raise Unreadable("failed", f"not a readable PDF: {error}") from error
    if not any(texts):
        raise Unreadable("skipped", f"no text on its {len(texts)} page(s): scanned images need OCR first")
    title = str((reader.metadata or {}).get("/Title") or "")
    starts = [0]
    for text in texts[:-1]:
        starts.append(starts[-1] + len(text) + 2)  # + the empty line between pages
    return [{"text": "\n\n".join(texts), "title": title, "pages": starts}]


def parse_html(data: bytes, warn: Callable[[str], None]) -> list[dict]:
    from bs4.dammit import UnicodeDammit

    markup = UnicodeDammit(data, is_html=True).unicode_markup or ""
    last = markup.rfind(">") + 1  # what follows holds no tag, and the library would look for its end again and again
    reader = TextOfHTML()
    reader.feed(markup[:last])
    reader.close()
    reader.handle_data(unescape(markup[last:]))
    reader.finish()
    title = " ".join(filter(None, (piece.strip() for piece in reader.title)))
    # looking behind: a run of spaces is gone through once
    return [{"text": re.sub(r"(?<![ \t])[ \t]*\n\s*\n\s*", "\n\n", "".join(reader.pieces)).strip(), "title": title}]


class TextOfHTML(HTMLParser):
    """The text of a page, with line breaks around its blocks and tabs between cells, read in one pass: a tree of a million unclosed
    tags takes minutes to walk.

    What is open is a stack, as in Beautiful Soup's reading: an end tag closes all that was opened since its own start tag
    and is ignored where there is none.
    """

    SKIPPED = {"script", "style", "template", "noscript", "svg", "title"}
    BLOCKS = frozenset(
        """p div br li tr h1 h2 h3 h4 h5 h6 pre section article table ul ol blockquote dt dd address aside caption center
        details dialog dir dl fieldset figcaption figure footer form header hgroup hr legend main menu nav optgroup option
        search summary""".split()
    )
    CELLS = {"td", "th"}  # of one row, a tab between them
    EMPTY = frozenset(
        """area base br col embed hr img input keygen link menuitem meta param source track wbr basefont bgsound command frame
        image isindex nextid spacer""".split()
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.title: list[str] = []  # of the first <title>
        self._waiting: list[str] = []  # text since the last tag
        self._stack: list[str] = []
        self._open: Counter[str] = Counter()
        self._hidden = self._titles = 0
        self._endless_comment = self._endless_section = False

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self._push(tag)
        if tag in self.EMPTY:
            self._close(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self._push(tag)
        self._close(tag)

    def handle_endtag(self, tag: str) -> None:
        self._flush()
        if self._open[tag]:
            self._close(tag)

    def handle_data(self, data: str) -> None:
        self._waiting.append(data)

    def handle_comment(self, data: str) -> None:
        self._flush()

    handle_decl = handle_pi = handle_comment

    # where one has no end, none of those that follow has: the library would look for it to the end of the page each time

    def parse_comment(self, i: int, report: bool = True) -> int:
        end = -1 if self._endless_comment else super().parse_comment(i, report)
        self._endless_comment = end < 0
        return end

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        try:
            end = -1 if self._endless_section else super().parse_marked_section(i, report)
        except AssertionError:  # the library's word for a section that it does not know
            end = self.rawdata.find(">", i) + 1 or -1
        self._endless_section = end < 0
        return end

    def unknown_decl(self, data: str) -> None:
        self._flush()
        if data.upper().startswith("CDATA["):
            self._waiting.append(data[6:])
            self._flush()

    def finish(self) -> None:
        """Closes what is still open."""
        self._flush()
        while self._stack:
            self._close(self._stack[-1])

    def _push(self, tag: str) -> None:
        self._flush()
        if tag in self.BLOCKS and not self._hidden:
            self.pieces.append("\n")
        elif tag in self.CELLS and not self._hidden and self.pieces and not self.pieces[-1][-1].isspace():
            self.pieces.append("\t")
        self._stack.append(tag)
        self._open[tag] += 1
        self._hidden += tag in self.SKIPPED
        self._titles += tag == "title"

    def _close(self, tag: str) -> None:
        self._flush()
        while True:
            closed = self._stack.pop()
            self._open[closed] -= 1
            self._hidden -= closed in self.SKIPPED
            if closed in self.BLOCKS and not self._hidden:
                self.pieces.append("\n")
            if closed == tag:
                return

    def _flush(self) -> None:
        text = "".join(self._waiting)
        self._waiting.clear()
        if text and not text.strip(" \n\t\f\r") and not (self._open["pre"] or self._open["textarea"]):
            text = "\n" if "\n" in text else " "
        if text and not self._hidden:
            self.pieces.append(text)
        elif self._titles == 1 and self._open["title"]:
            self.title.append(text)


def parse_docx(data: bytes, warn: Callable[[str], None]) -> list[dict]:
    from docx import Document
    from docx.opc.exceptions import OpcError
    from docx.oxml import parse_xml

    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MAX_UNPACKED or unpacked > max(10 << 20, 200 * len(data)):
            raise Unreadable("failed", f"unpacks to {unpacked / 1e6:,.0f} MB: refused")
        document = Document(BytesIO(data))
        lines = [*_docx_lines(_unwrapped(document.element.body), document)]
        links = [link for link in document.part.rels.values() if not link.is_external]
        for kind in ("footnotes", "endnotes", "header", "footer"):
            beside = [link.target_part.blob for link in links if link.reltype.endswith(f"/{kind}")]
            lines += dict.fromkeys(line for blob in beside for line in _docx_lines(_unwrapped(parse_xml(blob)), document))
    except (zipfile.BadZipFile, OpcError, KeyError, IndexError, ValueError, AttributeError, SyntaxError) as error:
        raise Unreadable("failed", f"not a readable DOCX: {error}") from error
    return [{"text": "\n\n".join(lines), "title": document.core_properties.title or ""}]


WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
SIGNS = {f"{WORD}tab": "\t", f"{WORD}ptab": "\t", f"{WORD}cr": "\n", f"{WORD}noBreakHyphen": "-"}
# what is no text, was deleted or moved away, or stands there a second time for older programs
UNREAD = {
    *(f"{WORD}{name}" for name in ("pPr", "rPr", "del", "moveFrom")),
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",
}


def _unwrapped(root: Any) -> Any:
    """Without the frames of content controls, which may stand around anything: paragraphs, rows, words."""
    for frame in [*root.iter(f"{WORD}sdt")]:
        for content in frame.findall(f"{WORD}sdtContent"):
            for child in [*content]:
                frame.addprevious(child)
        frame.getparent().remove(frame)
    return root


def _docx_lines(parent: Any, document: Any) -> Iterator[str]:
    """Paragraphs and the rows of tables, also those in text boxes, forms and tables of tables."""
    from docx.table import Table
    from docx.text.paragraph import Paragraph

    for block in parent:
        if block.tag == f"{WORD}p":
            pieces, boxes = [], []
            _docx_text(block, pieces, boxes)
            if (text := "".join(pieces)).strip():
                style = Paragraph(block, document._body).style
                level = re.fullmatch(r"Heading (\d)", style.name if style is not None and style.name else "")
                yield "#" * int(level[1]) + " " + text if level else text
            for box in boxes:
                yield from _docx_lines(box, document)
        elif block.tag == f"{WORD}tbl":
            read: set[Any] = set()  # a merged cell stands in each row and column that it covers
            for row in Table(block, document._body).rows:
                cells = [cell for cell in dict.fromkeys(cell._tc for cell in row.cells) if cell not in read]
                read.update(cells)
                if cells:
                    yield " | ".join("\n".join(_docx_lines(cell, document)).strip() for cell in cells)
        elif block.tag not in UNREAD and block.get(f"{WORD}type") not in ("separator", "continuationSeparator"):  # of footnotes
            yield from _docx_lines(block, document)


def _docx_text(element: Any, pieces: list[str], boxes: list[Any]) -> None:
    """The text of a paragraph; what stands in text boxes apart."""
    for child in element:
        name = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else ""
        if name == "txbxContent":
            boxes.append(child)
        elif name == "t":  # also of a formula
            pieces.append(child.text or "")
        elif name == "br" and child.get(f"{WORD}type", "textWrapping") == "textWrapping":
            pieces.append("\n")
        elif child.tag in SIGNS:
            pieces.append(SIGNS[child.tag])
        elif name and child.tag not in UNREAD:
            _docx_text(child, pieces, boxes)


def parse_text(data: bytes, warn: Callable[[str], None]) -> list[dict]:
    return [{"text": _decode(data, warn)}]


def parse_markdown(data: bytes, warn: Callable[[str], None]) -> list[dict]:
    text = _decode(data, warn)  # kept as it is, so that offsets are those of the source
    heading = re.search(r"^#{1,2}[ \t]+(\S)(.*)$", text, re.MULTILINE)
    return [{"text": text, "title": heading[1] + heading[2].rstrip(" \t#\r") if heading else ""}]


def parse_jsonl(data: bytes, warn: Callable[[str], None]) -> list[dict]:
    documents: dict[str, dict] = {}
    left: dict[str, list[int]] = {}  # why a line is not taken -> the numbers of such lines
    for number, line in enumerate(_decode(data, warn).split("\n"), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line, parse_constant=lambda _: None)
            text = fields["text"] if isinstance(fields["text"], str) else ""
        except (ValueError, KeyError, TypeError, RecursionError):
            left.setdefault("no object with a text", []).append(number)
            continue
        identity = next((str(value) for value in (fields.get("id"), fields.get("_id")) if value not in (None, "")), str(number))
        if half := LONE.search(identity):  # two such would be one, and no screen could list them
            raise Unreadable("failed", f"line {number}: its id has half a sign (\\u{ord(half[0]):x}); give another id")
        if not text.strip():
            left.setdefault("an empty text or none", []).append(number)
        elif identity in documents:
            left.setdefault("the id of an earlier line", []).append(number)
        else:
            documents[identity] = {"id": identity, "text": text, "title": str(fields.get("title") or "")}
    if left.keys() == {"no object with a text"} and not documents:
        raise Unreadable("failed", "no line is a JSON object with a field 'text'")
    for why, numbers in left.items():
        warn(f"{_counted(numbers)} skipped: {why}")
    return [*documents.values()]


def _counted(numbers: list[int]) -> str:
    """ "line 7", "3 lines (2, 5-6)"; of very many places the first."""
    if len(numbers) == 1:
        return f"line {numbers[0]}"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs[:MOST_PLACES])
    return f"{len(numbers):,} lines ({shown}{', …' if len(runs) > MOST_PLACES else ''})"


def _decode(data: bytes, warn: Callable[[str], None]) -> str:
    if data[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):  # begins like UTF-16
        return data.decode("utf-32", "replace")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if b"\0" in data[:8192]:
        raise Unreadable("skipped", "not a text file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        warn("not valid UTF-8, read as Windows-1252")
        return data.decode("cp1252", "replace")


PARSERS = {
    ".pdf": parse_pdf, ".html": parse_html, ".htm": parse_html, ".docx": parse_docx, ".jsonl": parse_jsonl,
    ".md": parse_markdown, ".markdown": parse_markdown, ".txt": parse_text, ".text": parse_text, ".rst": parse_text,
}  # fmt: skip


def parse(source: Path, kind: str) -> dict:
    """{"status", "message", "documents"}: documents with text, title, pages and, in a JSONL file, an id."""
    warnings: list[str] = []
    try:
        documents = PARSERS[kind](source.read_bytes(), warnings.append)
        for document in documents:  # lone surrogates are in no encoding; the length stays
            document |= {name: LONE.sub("\ufffd", document[name]) for name in ("text", "title") if name in document}
        documents = [document for document in documents if document["text"].strip()]
        if not documents:
            raise Unreadable("skipped", "holds no text")
        if sum(len(document["text"]) for document in documents) > MAX_CHARACTERS:
            raise Unreadable("failed", f"more than {MAX_CHARACTERS:,} characters of text: split it")
    except Unreadable as problem:
        return {"status": problem.status, "message": problem.reason, "documents": []}
    except MemoryError:
        return {"status": "failed", "message": "needs too much memory to read", "documents": []}
    except RecursionError:
        return {"status": "failed", "message": "nested too deeply to read", "documents": []}
    message = "; ".join(warning[:400] for warning in warnings[:MOST_WARNINGS])
    if more := warnings[MOST_WARNINGS:]:
        message += f"; and {len(more):,} more warning{'s'[: len(more) - 1]}"
    return {"status": "ok", "message": message, "documents": documents}


def main(source: str, kind: str, name: str, documents: str, verdict: str, memory_mb: str, cpu_s: str) -> None:
    memory, cpu = int(memory_mb) << 20, int(cpu_s)
    for limit, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, cpu), (resource.RLIMIT_FSIZE, MAX_RESULT)):
        # macOS knows no limit of address space; there the wall clock of the parent still holds
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))
    outcome = parse(Path(source), kind)
    texts = named(outcome.pop("documents"), json.loads(name))
    outcome |= {
        "documents": len(texts),
        "pages": sum(len(text.get("pages", ())) for text in texts),
        "characters": sum(len(text["text"]) for text in texts),
    }
    try:
        if texts:
            Path(documents).write_text(json.dumps(texts), "utf-8")
        Path(verdict).write_text(json.dumps(outcome), "utf-8")
    except OSError as error:
        sys.exit(NO_ROOM if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"{error}")


def named(documents: list[dict], name: str) -> list[dict]:
    """With their ids in the collection: the file's name, and where it has several, their own behind it."""
    return [{**document, "id": f"{name}/{document['id']}" if "id" in document else name} for document in documents]


if __name__ == "__main__":
    main(*sys.argv[1:])
