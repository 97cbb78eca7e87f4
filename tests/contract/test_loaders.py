"""One suite for every loader: a part joins by existing, with a small sample of what it reads in `tests/contract/samples`.

`core/corpus/protocol.py` says the contract in words. `files` reads what `ingest` leaves, and `python_api` is shown one
package only, for all that are installed take seconds.
"""

import shutil
from pathlib import Path

import pytest

from core import registry
from core.corpus import python_api
from core.corpus.cards import DATASETS
from core.corpus.library import Library
from core.corpus.protocol import Loader
from core.errors import WorkbenchError
from core.progress import Running, drain
from core.records import Corpus, Document, Gold, Progress, Query
from tests.support.parts import is_described

pytestmark = pytest.mark.parametrize("name", list(registry.parts("loader")))
SAMPLES = Path(__file__).parent / "samples"
PACKAGE = '"""A module.\n\n{0}"""\n\n\ndef one():\n    """Do the first useful thing.\n\n    {0}"""\n'
READS_NOTHING = ("python_reference", "python_api", "joined")  # of the folder


@pytest.fixture(autouse=True)
def _one_package(tmp_path_factory, monkeypatch):
    root = tmp_path_factory.mktemp("packages")
    (root / "useful.py").write_text(PACKAGE.format("What it does is said in these words, which are many. " * 4))
    monkeypatch.setattr(python_api, "roots", lambda: [root])


def part(name: str) -> Loader:
    return registry.find("loader", name)()


def sample(name: str, folder: Path) -> Path:
    """What the loader reads: a folder, or the only file in it."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "python_reference":
        return DATASETS / "python-reference"
    if name in ("python_api", "joined"):
        (folder / "sample").mkdir(exist_ok=True)
        return folder / "sample"
    if name == "files":
        drain(Library(folder, 10**7).ingest("own", [("a.txt", b"Tea is hot."), ("b.md", b"# Bread\n\nIt is fresh.")]))
        return next(path for path in folder.rglob("own") if path.is_dir())
    assert (SAMPLES / name).is_dir(), f"there is no sample to read: put a small one into tests/contract/samples/{name}/"
    copy = Path(shutil.copytree(SAMPLES / name, folder / "sample"))
    files = list(copy.iterdir())
    return files[0] if len(files) == 1 and files[0].is_file() else copy


def load(name: str, folder: Path) -> Corpus:
    steps = Running(part(name).load(sample(name, folder), "a name"))
    assert all(isinstance(step, Progress) for step in steps), "load yields Progress(done, total, message), nothing else"
    return steps.result


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_is_described(name):
    is_described("loader", name, Loader)


def test_it_returns_a_corpus(name, tmp_path):
    corpus = load(name, tmp_path)
    assert isinstance(corpus, Corpus), f"load returns {type(corpus).__name__}: end it with `return assemble(name, …, notes)`"
    assert corpus.name == "a name" and corpus.fingerprint, "it has no name or fingerprint: let `assemble` make the corpus"
    assert corpus.documents and all(isinstance(document, Document) for document in corpus.documents), "it finds no document"
    assert all(isinstance(query, Query) for query in corpus.queries), "a question is a `Query`"
    assert all(isinstance(note, str) for note in corpus.notes), "notes are sentences: collect them in `Notes`"


def test_every_id_is_there_once_and_every_text_is_text(name, tmp_path):
    corpus = load(name, tmp_path)
    for what in (corpus.documents, corpus.queries):
        ids = [each.id for each in what]
        assert len(ids) == len(set(ids)), "an id is there twice, and its results would be mixed up: pass all through `assemble`"
        assert all(isinstance(each.id, str) and each.id and isinstance(each.text, str) for each in what), "ids and texts are str"
        assert all(each.text.strip() for each in what), "a text is empty: `assemble` leaves such out and notes them"
        assert not any("\ud800" <= char <= "\udfff" for each in what for char in each.text), "half characters: use `clean`"


def test_gold_lies_in_the_documents(name, tmp_path):
    corpus = load(name, tmp_path)
    texts = {document.id: document.text for document in corpus.documents}
    for query in corpus.queries:
        for gold in query.gold:
            assert isinstance(gold, Gold) and gold.document_id in texts, (
                f"evidence of {query.id} is in no document: use `assemble`"
            )
            assert 0 <= gold.start < gold.end <= len(texts[gold.document_id]), (
                f"evidence of {query.id} is characters [{gold.start}, {gold.end}) of a text of {len(texts[gold.document_id])}: "
                "count them in the text of the `Document`; a whole document is Gold(id, 0, WHOLE), which `assemble` completes"
            )
            assert gold.grade >= 0, "a grade below 0 is not relevant: make it 0"


def test_the_same_files_are_the_same_corpus(name, tmp_path):
    first, again = load(name, tmp_path / "a"), load(name, tmp_path / "b")
    assert first.documents == again.documents and first.queries == again.queries, (
        "two readings of the same files differ, and all would be computed again: sort the files, keep paths out of ids and texts"
    )
    assert first.fingerprint == again.fingerprint, "the fingerprint changes by itself: let `assemble` make it"


def test_nothing_is_written(name, tmp_path):
    place = sample(name, tmp_path)
    folder = place if place.is_dir() else place.parent
    before = contents(folder)
    drain(part(name).load(place, "a name"))
    assert contents(folder) == before, "load writes into what it reads: read without unpacking (`Source` does)"


def test_a_folder_without_its_form_is_said_in_words(name, tmp_path):
    if name in READS_NOTHING:
        pytest.skip("it reads no folder")
    (tmp_path / "empty").mkdir()
    try:
        drain(part(name).load(tmp_path / "empty", "a name"))
    except WorkbenchError as error:
        assert error.what and error.todo, "the error does not say what to do: give `todo`"
    except Exception as error:
        raise AssertionError(
            f"an empty folder ends in {type(error).__name__}: {error}. Raise WorkbenchError(what, where=str(path), todo=…)"
        ) from error
    else:
        raise AssertionError("an empty folder is a corpus without documents: raise WorkbenchError (`assemble` does)")
