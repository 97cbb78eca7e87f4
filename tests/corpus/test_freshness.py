"""Own documents whose files change after they were read: told by document, with the file's date, and never without a reason."""

import os
import shutil

from core.corpus import own
from core.corpus.freshness import GONE, notice, origins
from core.corpus.library import Library
from core.labs.answers.freshness import SINCE, stale
from core.progress import drain
from core.workbench import Workbench


def test_a_document_is_stale_where_its_file_is_another_one_by_now(tmp_path):
    home, folder = tmp_path / "home", tmp_path / "mine"
    folder.mkdir()
    file = folder / "lund.txt"
    file.write_text("The market of Lund opens at five.")
    library = Library(home, 0)
    drain(library.ingest("mine", [folder, ("sent.txt", b"What a browser sent.")]))
    corpus = drain(library.open("mine"))
    read = origins(home, "mine", corpus.documents)
    known = {document.source: read[document.id] for document in corpus.documents}
    assert known["sent.txt"] is None and notice(None) == "" and notice(known["lund.txt"]) == ""
    os.utime(file, (1e9, 1e9))
    assert notice(known["lund.txt"]) == "", "only its time is another one"
    file.write_text("The market of Lund opens at noon.")  # as long as before
    os.utime(file, (2e9, 2e9))
    assert notice(known["lund.txt"]).startswith("the document changed after this was indexed (file of 2033-05-1")
    file.unlink()
    assert notice(known["lund.txt"]) == GONE
    shutil.rmtree(folder)
    assert notice(known["lund.txt"]) == "", "a drive that is not there says nothing"
    other = tmp_path / "moved"
    other.mkdir()
    (other / "lund.txt").write_text("The market of Lund opens at five.")
    drain(library.ingest("mine", [other]))
    assert own.read_from(home, "mine", "lund.txt").path == str(other / "lund.txt"), "the same text, read from another place"
    assert own.read_from(home, "python-reference", "with") is None


def test_of_an_answer_each_document_that_changed_is_told_once(tmp_path):
    bench, folder = Workbench(tmp_path / "home"), tmp_path / "mine"
    folder.mkdir()
    for town in ("lund", "gent", "pisa"):
        (folder / f"{town}.txt").write_text(f"The market of {town} opens at five.")
    drain(bench.library.ingest("mine", [folder]))
    corpus = drain(bench.library.open("mine"))
    ids = {document.source: document.id for document in corpus.documents}

    def passage(name: str, text: str = "") -> dict:
        text = text or f"The market of {name} opens at five."
        return {"document_id": ids[f"{name}.txt"], "start": 0, "end": len(text), "text": text}

    passages = [passage("lund"), passage("gent"), passage("pisa", "The market of Pisa is closed."), passage("pisa")]
    (folder / "gent.txt").write_text("The market of Gent is closed.")
    told = stale(bench, corpus, passages)
    assert list(told) == [ids["gent.txt"], ids["pisa.txt"]] and told[ids["pisa.txt"]] == SINCE
    assert told[ids["gent.txt"]].startswith("the document changed after this was indexed (file of ")
    assert stale(bench, corpus, [{"document_id": "gone", "start": 0, "end": 1, "text": "x"}]) == {"gone": SINCE}
