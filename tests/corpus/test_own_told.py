"""Own documents: what of them is not taken, or takes another's place, is told."""

import os

import pytest

from core.corpus import own
from core.corpus.library import Library
from core.progress import drain


@pytest.fixture
def library(tmp_path) -> Library:
    return Library(tmp_path / "home")


def test_each_line_that_is_not_taken_is_told_with_its_number(library):
    rows = [
        '{"id": "a", "text": "alpha"}',
        '{"id": "b"}',
        "broken",
        '{"id": "c", "text": "  "}',
        "",
        '{"id": "e", "text": 5}',
        '{"id": "a", "text": "again"}',
        '{"id": null, "text": "beta"}',
        '{"id": null, "text": "gamma"}',
        "[1]",
    ]
    (status,) = drain(library.ingest("j", [("e.jsonl", "\n".join(rows).encode())]))
    assert status.message == (
        "3 lines (2-3, 10) skipped: no object with a text; 2 lines (4, 6) skipped: an empty text or none; "
        "line 7 skipped: the id of an earlier line"
    )
    assert [document.text for document in drain(library.open("j")).documents] == ["alpha", "beta", "gamma"]
    many = "\n".join("x" if number % 2 else '{"text": "a"}' for number in range(1000))
    (status,) = drain(library.ingest("k", [("e.jsonl", many.encode())]))
    assert status.message.startswith("500 lines (2, 4, 6") and "…)" in status.message


def test_a_text_in_utf_32_is_read(library):
    written = {"little.txt": "utf-32", "jsonl.jsonl": "utf-32", "page.html": "utf-32", "short.txt": "utf-16"}
    texts = {"jsonl.jsonl": '{"text": "wörld"}', "page.html": "<p>wörld</p>"}
    files = [(name, texts.get(name, "wörld").encode(encoding)) for name, encoding in written.items()]
    drain(library.ingest("u", [*files, ("big.txt", b"\0\0\xfe\xff" + "wörld".encode("utf-32-be"))]))
    assert [document.text for document in drain(library.open("u")).documents] == ["wörld"] * 5


def test_a_file_that_takes_the_place_of_another_says_so(library, tmp_path):
    for folder, text in (("one", "of one"), ("two", "of two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text(text)
    first, second = (tmp_path / folder / "a.txt" for folder in ("one", "two"))
    assert drain(library.ingest("c", [first]))[0].message == ""
    assert drain(library.ingest("c", [first]))[0].message == "", "the same text"
    (status,) = drain(library.ingest("c", [second]))
    assert "takes the place of the file of this name" in status.message and str(first) in status.message
    asked = [("q.csv", f"question,document\n{question}?,a.txt\n".encode()) for question in ("Who", "What")]
    told = [drain(library.ingest("c", [], questions))[-1].message for questions in asked]
    assert ["They replace the 1 before." in message for message in told] == [False, True]
    (status,) = drain(library.ingest("c", [("a.txt", b"")]))
    assert status.message.startswith("takes the place") and status.message.endswith("is empty")


def test_no_two_files_of_a_call_get_one_name(library):
    drain(library.ingest("n", [("x.txt", b"1"), ("x.txt", b"2"), ("x (2).txt", b"3"), ("x.txt", b"4")]))
    assert sorted(document.text for document in drain(library.open("n")).documents) == ["1", "2", "3", "4"]


def test_hidden_folders_are_left_out_and_counted(library, tmp_path):
    folder = tmp_path / "in"
    for name in (".git/HEAD.txt", ".venv/lib/a.txt", "b/.ipynb_checkpoints/c.md", "__MACOSX/d.txt", "b/.DS_Store", "b/e.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    found = drain(library.ingest("h", [folder]))
    assert [(status.name, status.message) for status in found] == [("b/e.txt", ""), ("in", "5 hidden files left out")]
    assert [status.name for status in library.files("h")] == ["b/e.txt"]


def test_what_cannot_be_read_has_a_line_of_its_own_and_the_others_are_taken(library, tmp_path, monkeypatch):
    folder, gone = tmp_path / "in", tmp_path / "in" / "gone.txt"
    (folder / "x.pdf").mkdir(parents=True)
    (folder / "locked").mkdir()
    (folder / "z.txt").write_text("last")
    (folder / "x.pdf" / "y.txt").write_text("within")
    gone.write_text("soon gone")
    os.mkfifo(folder / "pipe.txt")
    (folder / "broken.txt").symlink_to("nowhere.txt")
    (folder / "loop").symlink_to(folder)
    real = os.scandir

    def scandir(path):
        if os.fspath(path).endswith("locked"):  # as for anybody who is not root
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(own.os, "scandir", scandir)
    steps = library.ingest("f", [folder, tmp_path / "z.txt" / "no.txt"])
    next(steps)
    gone.unlink()
    found = {status.name: status for status in drain(steps)}
    assert {name: status.status for name, status in found.items()} == {
        "broken.txt": "failed",
        "gone.txt": "failed",
        "pipe.txt": "failed",
        "x.pdf/y.txt": "ok",
        "z.txt": "ok",
        "locked": "failed",
        "no.txt": "failed",
    }
    assert "Permission denied" in found["locked"].message and "a pipe" in found["pipe.txt"].message
    assert len(drain(library.open("f")).documents) == 2


def test_a_copy_of_another_document_is_told(library):
    """It takes a rank of the other's, which alone a question names."""
    drain(library.ingest("c", [("a.txt", b"The mill of Gent."), ("b.txt", b"The mill of Gent."), ("c.txt", b"Another.")]))
    corpus = drain(library.open("c"))
    assert len(corpus.documents) == 3 and corpus.notes == ("Document with the text of an earlier one: 1 (b.txt).",)
