"""Own documents: what each kind of file gives, what is said of those that give nothing, and that nothing escapes."""

import io
import json
import os
import random
import re
import time
import zipfile
from pathlib import Path

import pytest

from core.corpus import library as library_module
from core.corpus import own
from core.corpus.assemble import answer_spans
from core.corpus.files import Files
from core.corpus.library import Library
from core.corpus.own import display_name, safe_name
from core.corpus.parse import PARSERS, TextOfHTML, parse_docx, parse_html
from core.corpus.pdf_page import located
from core.errors import WorkbenchError
from core.files import write_whole
from core.progress import drain


@pytest.fixture
def library(tmp_path) -> Library:
    return Library(tmp_path / "home")


def docx(body: str = "") -> bytes:
    from docx import Document

    document, stream = Document(), io.BytesIO()
    document.add_heading("Title line", 1)
    document.add_paragraph("First paragraph." + body)
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "left", "right"
    document.add_paragraph("Last paragraph.")
    document.save(stream)
    return stream.getvalue()


def notes_part(kind: str, text: str):
    """A part of footnotes or endnotes as Word writes it."""
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    names = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    line = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>".format
    notes = f'<w:{kind} w:type="separator" w:id="-1">{line("-----")}</w:{kind}><w:{kind} w:id="2">{line(text)}</w:{kind}>'
    of = f"application/vnd.openxmlformats-officedocument.wordprocessingml.{kind}s+xml"
    return Part(PackURI(f"/word/{kind}s.xml"), of, f"<w:{kind}s {names}>{notes}</w:{kind}s>".encode())


def test_a_merged_cell_of_a_word_document_is_read_once():
    from docx import Document

    document, stream = Document(), io.BytesIO()
    table = document.add_table(3, 3)
    table.cell(0, 0).merge(table.cell(0, 2)).text = "wide"
    table.cell(1, 0).merge(table.cell(2, 0)).text = "tall"
    for row, column, text in ((1, 1, "a"), (1, 2, "b"), (2, 1, "a"), (2, 2, "")):
        table.cell(row, column).text = text
    document.save(stream)
    (read,) = parse_docx(stream.getvalue(), lambda _: None)
    assert read["text"].split("\n\n") == ["wide", "tall | a | b", "a | "]


def test_all_text_of_a_word_document_is_read():
    from docx import Document
    from docx.oxml import parse_xml

    names = (
        'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:v="urn:schemas-microsoft-com:vml" '
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    )
    box = "<w:txbxContent><w:p><w:r><w:t>in a box</w:t></w:r></w:p></w:txbxContent>"
    document, stream = Document(), io.BytesIO()
    paragraph = document.add_paragraph("before the box")
    paragraph._p.append(
        parse_xml(
            f'<w:r {names}><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing>{box}</w:drawing></mc:Choice>'
            f"<mc:Fallback><w:pict><v:shape>{box}</v:shape></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
        )
    )
    paragraph._p.append(
        parse_xml(
            f'<w:ins {names}><w:r><w:t xml:space="preserve"> and inserted</w:t><w:br/><w:t>line</w:t></w:r>'
            "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom></w:ins>"
        )
    )
    document.element.body.append(
        parse_xml(f"<w:sdt {names}><w:sdtContent><w:p><w:r><w:t>in a form</w:t></w:r></w:p></w:sdtContent></w:sdt>")
    )
    table = document.add_table(2, 2)
    table.cell(0, 0).text, table.cell(0, 1).text, table.cell(1, 1).text = "left", "right", "below"
    table.cell(1, 0).add_table(1, 2).cell(0, 1).text = "deep"
    header, footer = document.sections[0].header, document.sections[0].footer
    header.paragraphs[0].text, footer.paragraphs[0].text = "the header", "the footer"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    for kind in ("endnote", "footnote"):
        document.part.relate_to(notes_part(kind, f"a {kind}"), f"{office}/{kind}s")
    document.save(stream)
    (read,) = parse_docx(stream.getvalue(), lambda _: None)
    assert read["text"].split("\n\n") == [
        "before the box and inserted\nline",
        "in a box",
        "left | right",
        "| deep | below",
        "in a form",
        "a footnote",
        "a endnote",
        "the header",
        "the footer",
    ]


@pytest.mark.slow
def test_each_kind_of_file_becomes_text(library):
    markdown = "# Head\r\n\r\nBody é\r\n"
    html = b"<head><title>T</title><style>x{}</style><script>bad()</script><h1>H</h1><p>one</p><p>two <b>three</b></p>"
    files = [
        ("a.md", markdown.encode()),
        ("b.html", html),
        ("c.docx", docx()),
        ("d.txt", b"caf\xe9 au lait"),
        ("e.jsonl", b'{"id": "x", "text": "alpha", "title": "A"}\nbroken\n{"text": "beta"}'),
    ]
    found = {status.name: status for status in drain(library.ingest("Mine", files))}
    assert {status.status for status in found.values()} == {"ok"}
    assert "Windows-1252" in found["d.txt"].message and "line 2" in found["e.jsonl"].message
    texts = {document.id: document for document in drain(library.open("mine")).documents}
    assert texts["a.md"].text == markdown and texts["a.md"].title == "Head", "offsets are those of the source"
    assert texts["b.html"].text == "H\n\none\n\ntwo three" and texts["b.html"].title == "T"
    assert texts["c.docx"].text == "# Title line\n\nFirst paragraph.\n\nleft | right\n\nLast paragraph."
    assert texts["d.txt"].text == "café au lait"
    assert texts["e.jsonl/x"].text == "alpha" and texts["e.jsonl/3"].text == "beta"
    status = next(status for status in library.available() if status.kind == "own")
    assert (status.name, status.title, status.documents) == ("mine", "Mine", 6)


@pytest.mark.slow
def test_pdfs_keep_their_pages_and_unreadable_ones_say_why(library, datasets_root):
    names = ["pdflatex-4-pages.pdf", "libreoffice-writer-password.pdf", "grayscale-image.pdf"]
    files = [datasets_root / "pdf" / name for name in names]
    four, locked, image, corrupt = drain(library.ingest("p", [*files, ("bad.pdf", b"%PDF-1.4\nnothing")]))
    assert (four.status, four.pages) == ("ok", 4) and four.characters > 10_000
    assert locked.status == "failed" and "password" in locked.message
    assert image.status == "skipped" and "OCR" in image.message
    assert corrupt.status == "failed" and "PDF" in corrupt.message
    (document,) = drain(library.open("p")).documents
    assert len(document.pages) == 4 and document.pages[0] == 0
    assert all(document.text[start - 2 : start] == "\n\n" for start in document.pages[1:])
    assert list(document.pages) == sorted(document.pages) and document.pages[-1] < len(document.text)


@pytest.mark.parametrize(("name", "shown"), [
    ("../../etc/x.txt", "etc/x.txt"), ("/etc/passwd", "etc/passwd"), ("C:\\a\\..\\b.md", "a/b.md"), ("a\0b\n.txt", "a b .txt"),
    ("", "unnamed"), ("..", "unnamed"), ("x" * 500 + ".md", "x" * 197 + ".md"), ("\u202egnp.txt", "gnp.txt"),
])  # fmt: skip
def test_client_names_are_for_reading_only(name, shown):
    assert display_name(name) == shown


def test_hostile_names_stay_inside_the_collection(library, tmp_path):
    before = {path for path in tmp_path.parent.rglob("*") if "home" not in path.parts}
    files = [("../../etc/x.txt", b"text"), ("/abs/y.txt", b"text y")]
    with pytest.raises(WorkbenchError, match="path is no name"):
        drain(library.ingest("../../../outside", files))
    assert not (tmp_path / "home" / "corpora").exists()
    drain(library.ingest("outside", files))
    assert {path for path in tmp_path.parent.rglob("*") if "home" not in path.parts} == before
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert files and all("etc" not in str(path.relative_to(tmp_path)) for path in files)
    assert [document.id for document in drain(library.open("outside")).documents] == ["abs/y.txt", "etc/x.txt"]


def test_collection_names():
    assert safe_name(" My Docs ") == "my-docs" and safe_name("Über uns!") == "über-uns"
    assert safe_name("n" * 60) == "n" * 60
    for bad in ("", "...", "///", "!!", "../a", "a/b", "a\\b", "n" * 61):
        with pytest.raises(WorkbenchError):
            safe_name(bad)


def test_a_name_that_would_be_cut_or_is_a_path_is_refused_before_anything_is_stored_or_removed(library):
    drain(library.ingest("n" * 60, [("a.txt", b"x")]))
    drain(library.ingest("own", [("a.txt", b"x")]))
    for bad in ("n" * 61, "../own", "./own", "corpora/own"):
        with pytest.raises(WorkbenchError):
            drain(library.ingest(bad, [("b.txt", b"x")]))
        with pytest.raises(WorkbenchError):
            library.remove(bad)
        assert not library.has_pages(bad, "a.txt")
    assert [(each.name, each.documents) for each in own.collections(library.home)] == [("n" * 60, 1), ("own", 1)]


def test_names_of_data_sets_are_taken(library):
    with pytest.raises(WorkbenchError, match="name of a data set"):
        drain(library.ingest("MedQuAD", [("a.txt", b"x")]))


def test_files_are_replaced_kept_and_removed(library, monkeypatch):
    drain(library.ingest("c", [("a.txt", b"one"), ("b.txt", b"two")]))
    stamp = library.stamp("c")
    with monkeypatch.context() as patch:
        patch.setattr(own, "_parse", lambda *_: pytest.fail("unchanged content is parsed again"))
        drain(library.ingest("c", [("a.txt", b"one")]))
    drain(library.ingest("c", [("a.txt", b"ONE"), ("c.txt", b"three"), ("b.txt", b"")]))
    assert library.stamp("c") != stamp
    assert [document.text for document in drain(library.open("c")).documents] == ["ONE", "three"]
    assert [(s.name, s.status) for s in library.files("c")] == [("a.txt", "ok"), ("b.txt", "skipped"), ("c.txt", "ok")]
    library.remove("c", "a.txt")
    assert [document.id for document in drain(library.open("c")).documents] == ["c.txt"]
    with pytest.raises(WorkbenchError, match="no file"):
        library.remove("c", "a.txt")
    library.remove("c")
    with pytest.raises(WorkbenchError, match="no collection"):
        library.remove("c")
    with pytest.raises(WorkbenchError, match="no corpus"):
        drain(library.open("c"))


def test_a_folder_brings_its_files_and_equal_names_get_numbers(library, tmp_path):
    folder = tmp_path / "in"
    for name in ("one/a.txt", "two/a.txt", ".hidden.txt", "two/skip.exe"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    found = drain(library.ingest("f", [folder, ("x.txt", b"1"), ("x.txt", b"2"), tmp_path / "gone.txt"]))
    assert [(status.name, status.status) for status in found] == [
        ("one/a.txt", "ok"),
        ("two/a.txt", "ok"),
        ("two/skip.exe", "skipped"),
        ("in", "skipped"),  # the hidden one
        ("x.txt", "ok"),
        ("x (2).txt", "ok"),
        ("gone.txt", "failed"),
    ]


@pytest.mark.slow
def test_bombs_depth_and_binaries_hurt_nobody(library):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"<a/>" * (3 << 20))
    files = [
        ("bomb.docx", bomb.getvalue()),
        ("not.docx", b"PK\x03\x04 no"),
        ("deep.html", b"<div>" * 1_500 + b"x"),
        ("data.txt", b"\x00\x01\x02" * 100),
        ("nothing.html", b"<script>x</script>"),
        ("lone.jsonl", b'{"text": "a\\ud800b"}'),
    ]
    found = {status.name: status for status in drain(library.ingest("b", files))}
    assert found["bomb.docx"].status == "failed" and "refused" in found["bomb.docx"].message
    assert found["not.docx"].status == "failed" and found["data.txt"].status == "skipped"
    assert found["nothing.html"].message == "holds no text" and found["deep.html"].status in ("ok", "failed")
    texts = {document.id: document.text for document in drain(library.open("b")).documents}
    assert texts["lone.jsonl/1"] == "a\ufffdb"


@pytest.mark.slow
def test_limits_of_time_and_memory_stop_the_parser_and_say_so(library, monkeypatch):
    monkeypatch.setattr(own, "WALL_S", 0)
    (status,) = drain(library.ingest("l", [("a.html", b"<p>x</p>" * 200_000)]))  # takes its reader seconds
    assert status.status == "failed" and "within" in status.message
    monkeypatch.undo()
    if os.uname().sysname == "Linux":
        monkeypatch.setattr(own, "MEMORY_MB", 120)
        (status,) = drain(library.ingest("l", [("big.txt", b"word " * (20 << 20))]))
        assert status.status == "failed" and status.message
    monkeypatch.undo()
    assert drain(library.ingest("l", [("a.html", b"<p>x</p>")]))[0].status == "ok"


def test_stopping_keeps_what_was_read_and_leaves_no_debris(library):
    steps = library.ingest("s", [("a.txt", b"one"), ("b.txt", b"two")])
    while next(steps).message != "Reading b.txt":
        pass
    steps.close()
    assert [document.id for document in drain(library.open("s")).documents] == ["a.txt"]
    folder: Path = own.folder(library.home, "s") / "files"
    assert {path.name.split(".", 1)[1] for path in folder.iterdir()} == {"status.json", "parsed.json", "source.txt"}


def test_a_collection_whose_files_all_failed_says_why(library):
    drain(library.ingest("x", [("bad.pdf", b"no")]))
    with pytest.raises(WorkbenchError, match=r"no documents.*bad\.pdf"):
        drain(library.open("x"))


def test_files_that_come_and_go_during_an_ingestion_disturb_no_reader(library):
    drain(library.ingest("notes", [("a.txt", b"Some text.")]))
    place = own.folder(library.home, "notes") / "files"
    for name in ("b.work", "c.status.json"):  # listed, and gone when looked at
        (place / name).symlink_to(place / "nowhere")
    assert len(drain(library.open("notes")).documents) == 1
    next(place.glob("*.parsed.json")).unlink()
    drain(library.ingest("notes", [("d.txt", b"More text.")]))
    corpus = drain(library.open("notes"))
    assert [document.id for document in corpus.documents] == ["d.txt"] and "changed while it was read" in corpus.notes[0]


def test_a_collection_that_is_being_removed_is_not_listed(library):
    drain(library.ingest("notes", [("a.txt", b"Some text.")]))
    place = own.folder(library.home, "notes")
    place.rename(place.with_name(".removed-1-2"))
    assert list(own.collections(library.home)) == []


@pytest.mark.slow
def test_a_page_of_a_pdf_is_drawn_with_the_sentence_marked(library, datasets_root):
    drain(library.ingest("seen", [datasets_root / "pdf" / "pdflatex-4-pages.pdf", ("a.txt", b"No pages.")]))
    corpus = drain(library.open("seen"))
    document = next(one for one in corpus.documents if one.pages)
    assert library.has_pages("seen", document.id) and not library.has_pages("seen", "a.txt")
    passage = document.text[document.pages[1] + 40 : document.pages[1] + 700]
    view = library.page_view("seen", document.id, 2, {"passage": passage, "sentence": "Really? Is there no infor-\nmation?"})
    plain = library.page_view("seen", document.id, 2, {"passage": "", "sentence": ""})
    assert view.png.startswith(b"\x89PNG") and view.pages == 4 and view.marked == {"passage": 1.0, "sentence": 1.0}
    assert 0 < view.top < 0.5
    assert plain.marked == {"passage": 0.0, "sentence": 0.0} and plain.png != view.png, "the marks are in the picture"
    with pytest.raises(WorkbenchError, match="4 pages, and page 9"):
        library.page_view("seen", document.id, 9, {"passage": passage})


def test_marks_are_found_by_letters_alone_and_inside_their_passage():
    page = "An of-\n\ufb01cial rule. Twice. More. An o\ufb03cial rule. Twice."
    [(start, end)] = located(page, "official rule")
    assert page[start:end] == "of-\n\ufb01cial rule"
    [(start, end)] = located(page, "Twice", around="More. An official rule. Twice")
    assert start == page.rindex("Twice") and end == start + 5
    assert located(page, "nothing of this kind") == [] and located(page, " ") == []


def test_links_that_lead_out_of_a_folder_are_named_and_not_read(library, tmp_path):
    secret, folder = tmp_path / "secret.txt", tmp_path / "in"
    secret.write_text("the key is 1234")
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("alpha")
    links = {"out.txt": secret, "deep/up.txt": "../../secret.txt", "inside.txt": "a.txt", "loop.txt": "loop.txt"}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    (folder / "all").symlink_to(tmp_path)
    found = {status.name: status for status in drain(library.ingest("f", [folder]))}
    assert {name: status.status for name, status in found.items()} == {
        "a.txt": "ok",
        "inside.txt": "ok",
        "out.txt": "skipped",
        "deep/up.txt": "skipped",
        "loop.txt": "failed",
        "all": "skipped",
    }
    assert "link that leads out" in found["out.txt"].message and "link that leads out" in found["all"].message
    assert all("1234" not in document.text for document in drain(library.open("f")).documents)
    beir = tmp_path / "beir"
    beir.mkdir()
    (beir / "queries.jsonl").symlink_to(secret)
    assert "leads out" in drain(library.ingest("f", [], beir))[0].message


def test_parsers_get_none_of_our_keys(library, monkeypatch):
    started = []
    real = own.subprocess.Popen

    def watched(command, env, **options):
        started.append(env)
        return real(command, env=env, **options)

    monkeypatch.setattr(own.subprocess, "Popen", watched)
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "LD_PRELOAD"):
        monkeypatch.setenv(name, "secret")
    assert drain(library.ingest("k", [("a.txt", b"alpha")]))[0].status == "ok"
    assert started and all("secret" not in env.values() for env in started)


@pytest.mark.parametrize("markup", [
    "<b>", "<div>", "</b>", "<b></i>", "<title>", "<a ", "<![CDATA[", "<?", "<!--", "<br>", "<!--a>", "<![CDATA[a>", "<a b='>",
    "<p a='b", "</p a='>", "<![a>",
])  # fmt: skip
def test_a_page_of_unclosed_tags_is_read_in_one_pass(markup):
    seconds = []
    for size in (100_000, 400_000):
        started = time.process_time()
        parse_html((markup * (size // len(markup)) + "end").encode(), lambda _: None)
        seconds.append(time.process_time() - started)
    assert seconds[1] < 10 * max(seconds[0], 0.02), "four times the page takes some four times the time"


@pytest.mark.parametrize(("kind", "text"), [
    (".html", "<p>a" + " " * 200_000 + "b"), (".html", "<pre>a" + "\t" * 200_000 + "\n b"), (".md", "# a" + " " * 100_000 + "b"),
    (".md", "# a" + " #" * 50_000 + "b"),
])  # fmt: skip
def test_a_long_run_of_spaces_is_read_at_once(kind, text):
    started = time.process_time()
    assert PARSERS[kind](text.encode(), lambda _: None)[0]["text"]
    assert time.process_time() - started < 2


@pytest.mark.parametrize(("line", "title"), [
    ("# A title ##\r", "A title"), ("## #", "#"), ("# a # b #", "a # b"), ("### no\n# b", "b"), ("# ", ""), ("#a", ""),
])  # fmt: skip
def test_the_first_heading_is_the_title(line, title):
    assert PARSERS[".md"](line.encode(), lambda _: None)[0]["title"] == title


def test_a_page_with_a_section_that_nobody_knows_is_read():
    found = parse_html(b"<p>one<![if x]>two<![endif]><![odd>three<p>four", lambda _: None)
    assert found[0]["text"] == "onetwothree\nfour"


def test_words_of_cells_and_blocks_side_by_side_are_not_one_word():
    page = (
        b"<nav>Home</nav><main><table><caption>People</caption><tr><th>Name</th><th>Age</th></tr><tr><td>Ann</td><td>31</td></tr>"
        b"</table><figure><img><figcaption>A tree</figcaption></figure></main><footer>Imprint</footer>"
    )
    (read,) = parse_html(page, lambda _: None)
    assert read["text"].split() == "Home People Name Age Ann 31 A tree Imprint".split()
    assert "Name\tAge\n\nAnn\t31\n" in read["text"]
    (indented,) = parse_html(b"<table><tr>\n  <td>Ann</td>\n  <td>31</td>\n</tr></table>", lambda _: None)
    assert indented["text"] == "Ann\n31"


def test_a_page_is_read_as_beautiful_soup_reads_it():
    from bs4 import BeautifulSoup

    hidden = ["script", "style", "template", "noscript", "svg", "title"]
    tags = ["p", "div", "br", "b", "i", "span", "ul", "li", "pre", "svg", "style", "h1", "table", "td", "textarea", "hr", "img"]
    words = [
        "word",
        "two words",
        " ",
        "\n",
        "  \n ",
        "&amp;",
        "&copy;",
        "&#8364;",
        "&#150;",
        "é",
        "<!-- c -->",
        "<!DOCTYPE html>",
        "<![CDATA[x]]>",
        "<?pi?>",
        "a < b",
        "\t",
    ]
    draw = random.Random(0)
    for _ in range(300):
        pieces = [
            draw.choice([f"<{tag}>", f"</{tag}>", f"<{tag}/>", f'<{tag} class="x">', word, word])
            for tag, word in zip(draw.choices(tags, k=20), draw.choices(words, k=20), strict=True)
        ]
        markup = "<title>A  &amp; B</title>" + "".join(pieces)
        soup = BeautifulSoup(markup.encode(), "html.parser")
        title = soup.title.get_text(" ", strip=True)
        for element in soup(hidden):
            element.decompose()
        for element in soup([*TextOfHTML.BLOCKS]):
            element.insert_before("\n")
            element.append("\n")
        for element in soup([*TextOfHTML.CELLS]):
            element.insert_before("\x1f")
        text = re.sub(r"(?<=\S)\x1f", "\t", soup.get_text()).replace("\x1f", "")
        text = re.sub(r"[ \t]*\n\s*\n\s*", "\n\n", text).strip()
        assert parse_html(markup.encode(), lambda _: None) == [{"text": text, "title": title}], markup


def test_ligatures_are_letters_and_a_passage_is_found_as_it_is_printed(library, datasets_root):
    asked = (
        b"id,question,document,answer\n1,What?,multicolumn.pdf,two columns filled with Lorem Ipsum\n"
        b"2,Who?,multicolumn.pdf,nobody at all\n"
    )
    files = [datasets_root / "pdf" / "multicolumn.pdf"]
    found = drain(library.ingest("two", files, ("q.csv", asked)))
    assert "evidence found for 1" in found[-1].message
    passage = "consectetuer adipiscing elit. Ut purus elit, vestibulum ut, placerat ac"
    rows = ({"answer": "vestibulum", "context": passage}, {"reference_contexts": [passage]})
    inside = "\n".join(json.dumps({"question": f"{number}?", **row}) for number, row in enumerate(rows)).encode()
    found = drain(library.ingest("two", [], ("q.jsonl", inside)))
    assert "evidence found for 2" in found[-1].message, found[-1].message
    corpus = drain(library.open("two"))
    assert not set("\ufb00\ufb01\ufb02") & set(corpus.documents[0].text)
    text = "The adip-\niscing x\u2208U0 of it"
    for answer, printed in (("adipiscing x \u2208 U0", "adip-\niscing x\u2208U0"), ("adip iscing", "")):
        spans = [text[start:end] for start, end in answer_spans(text, answer, 0, len(text), printed=True)]
        assert spans == ([printed] if printed else []), answer


@pytest.mark.slow
def test_the_text_of_a_file_is_written_once(library, monkeypatch):
    written = []
    monkeypatch.setattr(
        own.disk, "write_whole", lambda path, data, *a, **k: written.append(data) or write_whole(path, data, *a, **k)
    )
    drain(library.ingest("mine", [("a.docx", docx(" Wombats dig."))]))
    assert "Wombats dig." in drain(library.open("mine")).documents[0].text
    holders = [path for path in library.home.rglob("*") if path.is_file() and b"Wombats dig." in path.read_bytes()]
    assert [path.name.split(".", 1)[1] for path in holders] == ["parsed.json"], "no cache holds it once more"
    assert not [data for data in written if "Wombats" in str(data)], "what the parser wrote is kept as it is"


def test_a_kept_corpus_has_its_documents_again_and_is_read_anew_where_they_are_other_ones(library, monkeypatch):
    asked = json.dumps({"id": "q", "question": "What do wombats do?", "document": "a.txt", "answer": "dig"}).encode()
    drain(library.ingest("mine", [("a.txt", b"Wombats dig."), ("b.txt", b"Bees fly.")], ("q.jsonl", asked)))
    first = drain(library.open("mine"))
    monkeypatch.setattr(Files, "load", None)  # the cache answers
    assert drain(library.open("mine")) == first and first.queries[0].gold
    monkeypatch.undo()
    monkeypatch.setattr(library_module, "fingerprint_of", lambda documents: "another")  # as if a file had been replaced just now
    assert drain(library.open("mine")) == first
