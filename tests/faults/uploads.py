"""Hostile files of people: documents, archives, names, encodings, links, cards. Each is told, in time, and reaches nothing."""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.faults import homes
from tests.faults.harness import Case, Lab, attack, told, verb

SECRET = "the-secret-beyond-the-folder"
LIMIT_S = 75.0


def pdf(
    content: bytes = b"BT /F1 12 Tf (A line about tea and salt.) Tj ET",
    objects: dict[int, bytes] | None = None,
    trailer: bytes = b"",
) -> bytes:
    """A PDF of one page. objects: replaced or added."""
    parts = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        4: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        **(objects or {}),
    }
    out, places = b"%PDF-1.7\n", []
    for number, body in parts.items():
        places.append((number, len(out)))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n" + b"".join(b"%d 1\n%010d 00000 n \n" % place for place in places)
    return out + b"trailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF" % (max(parts) + 1, trailer, start)


def flate(data: bytes, more: bytes = b"") -> bytes:
    packed = zlib.compress(data, 9)
    return b"<< /Length %d /Filter /FlateDecode %s >>\nstream\n%s\nendstream" % (len(packed), more, packed)


def zeros(megabytes: int) -> bytes:
    """So many zeros, deflated, without ever being whole in memory."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()
    return b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed)


def docx(document: bytes, **members: bytes) -> bytes:
    start = (
        b'<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        b"<w:body>"
    )
    body = document if document.startswith(b"<?xml") or document[:1] != b"<" else start + document + b"</w:body></w:document>"
    kinds = (
        b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" '
        b'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" '
        b'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
    )
    links = (
        b'<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship '
        b'Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
        b'Target="word/document.xml"/></Relationships>'
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in {"[Content_Types].xml": kinds, "_rels/.rels": links, "word/document.xml": body, **members}.items():
            target.writestr(name, data)
    return file.getvalue()


PARAGRAPH = b"<w:p><w:r><w:t>Tea is kept in a cool cellar.</w:t></w:r></w:p>"


def documents() -> dict[str, tuple[str, object]]:
    """case -> (name of the file, its bytes or a function that makes them)."""
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "lol" * 10}">' for i in range(10))
    bomb = f"<?xml version='1.0'?><!DOCTYPE d [{entities}]><d>&l9;</d>".encode()
    outside = b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><d>&x;</d>'
    made = {
        "pdf-plain": ("a.pdf", pdf()),
        "pdf-cut": ("a.pdf", pdf()[:300]),
        "pdf-empty": ("a.pdf", b"%PDF-1.7"),
        "pdf-pages-loop": ("a.pdf", pdf(objects={2: b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>"})),
        "pdf-parent-loop": ("a.pdf", pdf(objects={3: b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 9 >>"})),
        "pdf-negative-length": ("a.pdf", pdf(objects={4: b"<< /Length -5 >>\nstream\nBT (x) Tj ET\nendstream"})),
        "pdf-huge-length": ("a.pdf", pdf(objects={4: b"<< /Length 99999999999 >>\nstream\nBT (x) Tj ET\nendstream"})),
        "pdf-huge-count": ("a.pdf", pdf(objects={2: b"<< /Type /Pages /Kids [3 0 R] /Count 2000000000 >>"})),
        "pdf-many-kids": ("a.pdf", pdf(objects={2: b"<< /Type /Pages /Kids [" + b"3 0 R " * 20_000 + b"] /Count 20000 >>"})),
        "pdf-flate-bomb": ("a.pdf", lambda: pdf(objects={4: zeros(3000)})),
        "pdf-flate-twice": ("a.pdf", lambda: pdf(objects={4: flate(zlib.compress(bytes(300 << 20), 9), b"")})),
        "pdf-deep-arrays": ("a.pdf", pdf(b"[" * 100_000)),
        "pdf-deep-object": ("a.pdf", pdf(objects={6: b"[" * 50_000 + b"]" * 50_000})),
        "pdf-prev-loop": ("a.pdf", pdf(trailer=b"/Prev 9")),
        "pdf-root-missing": ("a.pdf", pdf().replace(b"/Root 1 0 R", b"")),
        "pdf-script": ("a.pdf", pdf(objects={1: b"<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /Launch /F (/bin/sh) >> >>"})),
        "pdf-huge-text": ("a.pdf", pdf(b"BT " + b"(salt) Tj " * 300_000 + b"ET")),
        "pdf-unknown-font": (
            "a.pdf",
            pdf(objects={5: b"<< /Type /Font /Subtype /Type0 /ToUnicode 4 0 R /DescendantFonts [5 0 R] >>"}),
        ),
        "docx-plain": ("a.docx", docx(PARAGRAPH)),
        "docx-no-zip": ("a.docx", b"PK\x03\x04 no zip"),
        "docx-cut": ("a.docx", docx(PARAGRAPH)[:400]),
        "docx-no-document": ("a.docx", docx(b"")),
        "docx-entities": ("a.docx", docx(bomb)),
        "docx-outside-entity": ("a.docx", docx(outside)),
        "docx-bomb": ("a.docx", lambda: docx(b"<w:p><w:r><w:t>" + b" " * (900 << 20) + b"</w:t></w:r></w:p>")),
        "docx-deep": ("a.docx", docx(b"<w:tbl><w:tr><w:tc>" * 20_000 + PARAGRAPH + b"</w:tc></w:tr></w:tbl>" * 20_000)),
        "docx-paragraphs": ("a.docx", docx(PARAGRAPH * 60_000)),
        "docx-outside-member": ("a.docx", docx(PARAGRAPH, **{"../../evil": b"x"})),
        "html-unclosed": ("a.html", b"<b><p>tea " * 200_000),
        "html-deep": ("a.html", b"<div>" * 200_000 + b"tea" + b"</div>" * 200_000),
        "html-one-tag": ("a.html", b"<a " + b"x=y " * 500_000),
        "html-open-quote": ("a.html", b"<p>tea</p><a href='" + b"x" * 2_000_000),
        "html-entities": ("a.html", b"<p>" + b"&amp;" * 400_000 + b"</p>"),
        "html-lt": ("a.html", b"<" * 2_000_000),
        "html-nul": ("a.html", b"<p>tea\x00salt</p><script>alert(1)</script>"),
        "html-comment": ("a.html", b"<p>tea</p><!--" * 200_000),
        "html-table": ("a.html", b"<table>" + b"<tr><td>" * 100_000),
        "html-select": ("a.html", b"<select><option>" * 100_000),
        "html-nested-form": ("a.html", b"<form><table><tr><td><a><b><i>" * 30_000),
        "html-declared-utf7": ("a.html", b"<meta charset=utf-7>+ADw-b+AD4-"),
        "md-brackets": ("a.md", b"tea " + b"[" * 1_000_000),
        "md-quotes": ("a.md", b">" * 200_000 + b" tea"),
        "md-backticks": ("a.md", b"tea " + b"`" * 1_000_000 + b"x"),
        "md-stars": ("a.md", b"tea " + b"**a " * 400_000),
        "md-links": ("a.md", b"tea " + b"[a](" * 400_000),
        "md-front-matter": ("a.md", b"---\n" + b"a: &a [*a]\n" * 10 + b"---\ntea"),
        "txt-one-line": ("a.txt", b"salt and tea " * 1_500_000),
        "txt-lines": ("a.txt", b"\n" * 5_000_000 + b"tea"),
        "txt-utf16": ("a.txt", "tea and salt".encode("utf-16")),
        "txt-utf32": ("a.txt", "tea and salt".encode("utf-32")),
        "txt-latin": ("a.txt", "café and thé".encode("latin-1")),
        "txt-bom": ("a.txt", b"\xef\xbb\xbf"),
        "txt-nul": ("a.txt", b"\x00" * 100_000),
        "txt-random": ("a.txt", bytes(range(256)) * 2000),
        "txt-odd-utf16": ("a.txt", b"\xff\xfe\x00\xd8a"),
        "txt-blank": ("a.txt", b" \n\t "),
        "txt-overlong": ("a.txt", b"tea \xc0\xaf\xe0\x80\xaf\xf8\x88\x80\x80\x80 salt"),
        "txt-controls": ("a.txt", bytes(range(32)) * 1000 + b"tea"),
        "jsonl-deep": ("a.jsonl", b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n" + b'{"id": "a", "text": "tea"}'),
        "jsonl-digits": ("a.jsonl", b'{"id": ' + b"9" * 5000 + b', "text": "tea"}\n{"id": "b", "text": "salt"}'),
        "jsonl-odd": ("a.jsonl", b'{"id": {"a": 1}, "text": NaN}\n[]\n5\n{"text": "\\ud800 tea", "title": [1]}'),
        "jsonl-line": ("a.jsonl", b'{"id": "a", "text": "' + b"tea " * 3_000_000 + b'"}'),
        "jsonl-keys": ("a.jsonl", b"{" + b'"a":1,' * 500_000 + b'"text":"tea"}'),
        "no-kind": ("a", b"tea"),
        "unknown-kind": ("a.exe", b"MZ"),
        "zip-kind": ("a.zip", docx(PARAGRAPH)),
    }
    return made


@attack("uploads", "hostile documents: loops, bombs, depth, encodings, half files")
def files(lab: Lab) -> Iterator[Case]:
    def check(name: str, data: object) -> None:
        home, source = Path.cwd() / "home", Path.cwd() / "source"
        source.mkdir()
        (source / name).write_bytes(data() if callable(data) else data)
        (source / "good.txt").write_text("Tea of quince is made from old recipes.")
        verb(home, "ingest", "mine", source, limit_s=LIMIT_S).calm()
        hits = told(home, "search", "quince", "--dataset", "mine", *homes.CHUNKS, *homes.LSA, "--set", "fusion.part=sparse_only")
        assert any(hit["document_id"] == "good.txt" for hit in hits), "a good document beside it is not found"
        assert not any("root:x:0" in hit["text"] for hit in hits), "a file of this machine was read"

    known = documents()
    for case in lab.sample(list(known), "files"):
        yield Case(case, lambda case=case: check(*known[case]), LIMIT_S + 15)


@attack("uploads", "flips and cuts of a PDF and a DOCX")
def mutated(lab: Lab) -> Iterator[Case]:
    whole = {"a.pdf": pdf(), "a.docx": docx(PARAGRAPH)}

    def check(number: int) -> None:
        rng, home = lab.rng("mutated", number), Path.cwd() / "home"
        source = Path.cwd() / "source"
        source.mkdir()
        for name, data in whole.items():
            for copy in range(3):
                data = bytearray(data)
                for _ in range(rng.randrange(1, 8)):
                    data[rng.randrange(len(data))] = rng.randrange(256)
                (source / f"{copy}{name}").write_bytes(data[: rng.randrange(len(data)) if rng.random() < 0.2 else None])
        verb(home, "ingest", "mine", source, limit_s=LIMIT_S).calm()
        verb(home, "datasets").well()

    for number in range(1, 10_000):
        yield Case(str(number), lambda number=number: check(number), LIMIT_S + 15, None)


NAMES = [
    "../../etc/passwd.txt",
    "..\\..\\up.txt",
    "/etc/passwd.txt",
    "C:\\boot.txt",
    "C:evil.txt",
    "....//up.txt",
    "a/../../b.txt",
    ".txt",
    "..txt",
    "...",
    ".hidden.txt",
    " .txt",
    "\n.txt",
    "a\nb.txt",
    "a\x00b.txt",
    "\x1b[2Ja.txt",
    "\u202etxt.exe.txt",
    "\u200b.txt",
    "\ufeff.txt",
    "a" * 300 + ".txt",
    "é" * 200 + ".txt",
    "😀.txt",
    "CON.txt",
    "nul.txt",
    "a:b.txt",
    "a|b.txt",
    "a*b?.txt",
    '"quoted".txt',
    "'single'.txt",
    "<b>bold</b>.txt",
    "$(id).txt",
    "`id`.txt",
    "; rm -rf x.txt",
    "&& id.txt",
    "-rf.txt",
    "--help.txt",
    "%2e%2e%2fup.txt",
    "%00.txt",
    "{0}.txt",
    "${HOME}.txt",
    "~.txt",
    "~/x.txt",
    "a.txt/",
    "//server/share.txt",
    "file:///etc/passwd.txt",
    "http://x/y.txt",
    "![x](http://127.0.0.1:1/x.png).txt",
    "=cmd|'/c calc'!A1.txt",
    "a.txt\u0000.pdf",
    "\ud800.txt",
    "🏳️‍🌈.txt",
    "ﬁle.txt",
    "e\u0301.txt",
    "\u00e9.txt",
    "A.txt",
    "a.TXT",
    "a.txt ",
    "a.txt.",
    "collection.json",
    "a.status.json",
    "questions.txt",
]


@attack("uploads", "names as a client may send them")
def names(lab: Lab) -> Iterator[Case]:
    def check(name: str) -> None:
        from core.progress import drain
        from core.workbench import Workbench

        home = Path.cwd() / "home"
        home.mkdir()
        before = set(Path.cwd().rglob("*"))
        library = Workbench(home).library
        found = drain(library.ingest("mine", [(name, b"Tea is made from old recipes."), ("b.txt", b"Salt.")], None))
        assert len(found) == 2 and found[1].status == "ok", "the file beside it was not read"
        strays = [path for path in set(Path.cwd().rglob("*")) - before if home not in path.parents]
        assert not strays, f"written outside: {strays}"
        texts = [document.text for document in drain(library.open("mine")).documents]
        assert found[0].status != "ok" or len(texts) == 2, "read, and not in the corpus"

    for number, name in enumerate(NAMES, 1):
        yield Case(str(number), lambda name=name: check(name))


@attack("uploads", "links in a folder that lead outside it")
def links(lab: Lab) -> Iterator[Case]:
    def check(kind: str) -> None:
        home, source, outside = (Path.cwd() / name for name in ("home", "source", "outside"))
        source.mkdir()
        outside.mkdir()
        (outside / "secret.txt").write_text(SECRET)
        (source / "good.txt").write_text("Tea.")
        if kind == "file":
            (source / "link.txt").symlink_to(outside / "secret.txt")
        elif kind == "folder":
            (source / "link").symlink_to(outside)
        elif kind == "relative":
            (source / "link.txt").symlink_to("../outside/secret.txt")
        elif kind == "loop":
            (source / "loop").symlink_to(source)
            (source / "own.txt").symlink_to("own.txt")
        elif kind == "pipe":
            import os

            os.mkfifo(source / "pipe.txt")
        elif kind == "device":
            (source / "zero.txt").symlink_to("/dev/zero")
        verb(home, "ingest", "mine", source, limit_s=LIMIT_S).calm()
        kept = [path for path in home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
        assert not kept, f"a file outside the folder was read: {kept[0].name}"

    for kind in ("file", "folder", "relative", "loop", "pipe", "device"):
        yield Case(kind, lambda kind=kind: check(kind), LIMIT_S + 15)


CARD = """title: T
description: D
loader: {part: jsonl}
licence: none
citation: C
homepage: http://example.org
"""
ALIASES = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
CARDS = {
    "alias-bomb": ALIASES + CARD,
    "alias-in-title": ALIASES + CARD.replace("title: T", "title: *a11"),
    "alias-in-files": ALIASES + CARD + "files: *a11\n",
    "deep-flow": CARD + "files: " + "[" * 5000 + "]" * 5000,
    "deep-block": CARD + "files:\n" + "".join(" " * n + "-\n" for n in range(1, 2000)),
    "digits": CARD + "documents: " + "9" * 5000,
    "huge-number": CARD + "documents: 1e999",
    "minus": CARD + "documents: -5",
    "python-tag": CARD + "language: !!python/object/apply:os.system ['touch touched']\n",
    "merge-keys": "<<: &m {<<: *m}\n" + CARD,
    "dots": CARD + "files: [{name: ../../outside/secret.jsonl, url: 'http://example.org'}]\n",
    "absolute": CARD + "files: [{name: OUTSIDE/secret.jsonl, url: 'http://example.org'}]\n",
    "unpacked-dots": CARD + "files: [{name: a.zip, url: 'http://example.org'}]\nunpacked: ../../outside/secret.jsonl\n",
    "binary": "\x00\x01\x02",
    "latin": CARD + "language: é\n",
    "list": "- 1\n- 2\n",
    "text": "just text",
    "null": "",
    "two": CARD + "---\n" + CARD,
    "unknown-loader": CARD.replace("jsonl", "no_such"),
    "no-loader": CARD.replace("loader: {part: jsonl}\n", ""),
    "date": CARD + "documents: 2001-01-01\n",
    "huge-text": CARD + "language: " + "x" * 5_000_000,
    "many-files": CARD + "files:\n" + "- {name: a.zip, url: 'http://example.org'}\n" * 20_000,
    "odd-url": CARD + "files: [{name: a.zip, url: 'file:///etc/passwd'}]\n",
    "name-given": CARD + "name: python-reference\n",
}


@attack("uploads", "a card.yaml in the data folder: alias bombs, depth, digits, paths")
def cards(lab: Lab) -> Iterator[Case]:
    def check(text: str, name: str) -> None:
        home, outside = Path.cwd() / "home", Path.cwd() / "outside"
        outside.mkdir()
        (outside / "secret.jsonl").write_text(json.dumps({"id": "a", "text": SECRET}))
        folder = home / "datasets" / "hostile"
        folder.mkdir(parents=True)
        (folder / "card.yaml").write_bytes(
            text.replace("OUTSIDE", str(outside)).encode("latin-1" if name == "latin" else "utf-8")
        )
        rows = told(home, "datasets", limit_s=20)
        assert any(row["name"] == "python-reference" for row in rows), "the other corpora are gone"
        searched = verb(
            home,
            "search",
            "secret",
            "--dataset",
            "hostile",
            *homes.CHUNKS,
            *homes.LSA,
            "--set",
            "fusion.part=sparse_only",
            limit_s=20,
        ).calm()
        assert SECRET not in searched.out, "a file outside the data folder was read"
        assert not (Path.cwd() / "touched").exists() and not (Path("touched")).exists(), "a command was run"

    for name in lab.sample(list(CARDS), "cards"):
        yield Case(name, lambda name=name: check(CARDS[name], name), 40.0)
