"""Corpora by name: where they are found, how they are kept, how their questions are halved."""

import json
import time
from pathlib import Path

import pytest

from core.corpus.library import Library, split
from core.errors import WorkbenchError
from core.progress import Running
from core.records import Corpus, Document, Gold, Progress, Query


def drain(steps):
    seen = list(running := Running(steps))
    assert all(isinstance(step, Progress) for step in seen)
    return running.result


@pytest.fixture
def local(tmp_path, monkeypatch) -> Path:
    """A GROUNDWORK_DATASETS folder with a SQuAD-like file in XQuAD's place."""
    folder = tmp_path / "local"
    (folder / "xquad").mkdir(parents=True)
    monkeypatch.setenv("GROUNDWORK_DATASETS", str(folder))
    entry = {"id": "1", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}]}
    data = {"data": [{"title": "t", "paragraphs": [{"context": "Ann came.", "qas": [entry]}]}]}
    (folder / "xquad" / "xquad.en.json").write_text(json.dumps(data))
    return folder


def test_available_lists_built_in_present_and_downloadable(local, tmp_path):
    found = {status.name: status for status in Library(tmp_path / "home").available()}
    assert found["python-reference"].kind == "built-in" and found["python-reference"].present
    assert found["xquad-en"].present and found["xquad-en"].where.endswith("xquad.en.json")
    assert not found["scifact"].present and "ownload" in found["scifact"].note and found["scifact"].documents == 5183
    assert next(iter(found)) in ("python-api", "python-reference")


def test_a_corpus_is_read_once_and_again_when_its_file_changes(local, tmp_path, monkeypatch):
    library = Library(tmp_path / "home")
    first = drain(library.open("xquad-en"))
    assert first.name == "xquad-en" and first.documents[0].text == "Ann came." and first.fingerprint
    stamp = library.stamp("xquad-en")
    monkeypatch.setattr("core.corpus.squad.Squad.load", None)  # a second reading would fail
    assert drain(Library(tmp_path / "home").open("xquad-en")) == first
    monkeypatch.undo()
    monkeypatch.setenv("GROUNDWORK_DATASETS", str(local))
    file = local / "xquad" / "xquad.en.json"
    file.write_text(file.read_text().replace("came", "went"))
    assert library.stamp("xquad-en") != stamp
    changed = drain(library.open("xquad-en"))
    assert changed.documents[0].text == "Ann went." and changed.fingerprint != first.fingerprint


def test_the_fingerprint_is_of_the_documents_alone(local, tmp_path):
    library, file = Library(tmp_path / "home"), local / "xquad" / "xquad.en.json"
    first = drain(library.open("xquad-en"))
    file.write_text(file.read_text().replace("Who?", "Which person?"))
    second = drain(library.open("xquad-en"))
    assert second.queries != first.queries and second.fingerprint == first.fingerprint


def test_downloaded_files_and_unpacked_folders_are_found(tmp_path, monkeypatch):
    monkeypatch.delenv("GROUNDWORK_DATASETS", raising=False)
    home = tmp_path / "home"
    folder = home / "datasets" / "scifact"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "1", "text": "a"}')
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "?"}')
    (folder / "qrels" / "test.tsv").write_text("q\td\ts\nq\t1\t1\n")
    assert len(drain(Library(home).open("scifact")).queries) == 1


def test_a_card_beside_own_data_makes_a_corpus_and_a_bad_one_is_shown(local, tmp_path):
    (local / "mine").mkdir()
    (local / "mine" / "d.jsonl").write_text('{"id": "1", "text": "mine"}')
    (local / "mine" / "card.yaml").write_text(
        "title: Mine\ndescription: d\nloader: {part: jsonl}\nlicence: l\ncitation: c\nhomepage: h\n"
        "files: [{name: mine/d.jsonl, url: 'https://example.org/d.jsonl'}]\n"
    )
    (local / "bad").mkdir()
    (local / "bad" / "card.yaml").write_text("title: [")
    library = Library(tmp_path / "home")
    assert drain(library.open("mine")).documents[0].text == "mine"
    bad = next(status for status in library.available() if status.name == "bad")
    assert not bad.present and "cannot be read" in bad.note


@pytest.mark.parametrize("name", ["nothing", "../../etc", "", "scifact"])
def test_unknown_and_absent_names_say_what_to_do(name, tmp_path, monkeypatch):
    monkeypatch.delenv("GROUNDWORK_DATASETS", raising=False)
    with pytest.raises(WorkbenchError):
        drain(Library(tmp_path).open(name))
    if name != "scifact":
        with pytest.raises(WorkbenchError):
            drain(Library(tmp_path).download(name))


@pytest.mark.slow
def test_a_large_corpus_comes_from_the_cache_and_not_from_its_files(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_DATASETS", str(tmp_path / "local"))
    folder = tmp_path / "local" / "scifact"
    (folder / "qrels").mkdir(parents=True)
    rows = [json.dumps({"_id": str(i), "text": f"{i} " + "word " * 260}) for i in range(16_000)]  # 21 MB, as MedQuAD
    (folder / "corpus.jsonl").write_text("\n".join(rows))
    (folder / "queries.jsonl").write_text("\n".join(json.dumps({"_id": str(i), "text": "what?"}) for i in range(16_000)))
    (folder / "qrels" / "test.tsv").write_text("".join(f"{i}\t{i}\t1\n" for i in range(16_000)))
    library = Library(tmp_path / "home")
    first = drain(library.open("scifact"))
    steps = list(running := Running(library.open("scifact")))
    second = running.result
    assert steps == [], "a step would say that files are read"
    assert second == first and len(second.queries) == 16_000


def test_halves_keep_questions_on_one_document_together():
    documents = tuple(Document(f"d{i}", "text") for i in range(60))
    queries = tuple(Query(f"q{i}", "?", (Gold(f"d{i // 3}", 0, 4),)) for i in range(180))
    corpus = Corpus("c", documents, (*queries, *(Query(f"u{i}", "?", answerable=False) for i in range(20))))
    dev, test = split(corpus, "dev"), split(corpus, "test")
    assert len(dev.queries) + len(test.queries) == 200 and min(len(dev.queries), len(test.queries)) > 60
    used = [{query.gold[0].document_id for query in half.queries if query.gold} for half in (dev, test)]
    assert not used[0] & used[1]
    assert sum(not query.answerable for query in dev.queries) not in (0, 20)
    with pytest.raises(WorkbenchError):
        split(corpus, "train")


def test_halves_keep_the_paragraphs_of_an_article_together():
    documents = tuple(Document(f"d{i}", "text", f"article {i // 5}" if i < 150 else "") for i in range(200))
    queries = tuple(Query(f"q{i}", "?", (Gold(f"d{i % 200}", 0, 4),)) for i in range(400))
    halves = [split(Corpus("c", documents, queries), half) for half in ("dev", "test")]
    assert sum(len(half.queries) for half in halves) == 400 and min(len(half.queries) for half in halves) > 120
    used = [{int(query.gold[0].document_id[1:]) for query in half.queries} for half in halves]
    assert not {i // 5 for i in used[0] if i < 150} & {i // 5 for i in used[1] if i < 150}
    assert {i // 5 for i in used[0] if i >= 150} & {i // 5 for i in used[1] if i >= 150}, "no title is no article"
    alike = tuple(Document(document.id, "text", "Notes") for document in documents)
    halves = [split(Corpus("c", alike, queries), half) for half in ("dev", "test")]
    assert min(len(half.queries) for half in halves) > 150 and not halves[0].notes, "one title for all divides by document"


def test_densely_judged_collections_are_halved_with_a_note():
    documents = tuple(Document(f"d{i}", "text") for i in range(30))
    queries = tuple(Query(f"q{i}", "?", (Gold(f"d{i}", 0, 4), Gold("d0", 0, 4, unit=1))) for i in range(30))
    dev, test = (split(Corpus("c", documents, queries), half) for half in ("dev", "test"))
    assert min(len(dev.queries), len(test.queries)) > 5 and "in common" in dev.notes[-1]
    zero = tuple(query._replace(gold=(query.gold[0], query.gold[1]._replace(grade=0))) for query in queries)
    assert split(Corpus("c", documents, zero), "dev").notes == (), "a document judged not relevant is no evidence"


def test_the_same_question_is_of_one_half():
    def halves(queries):
        corpus = Corpus("c", documents, tuple(queries))
        return [{query.id for query in split(corpus, half).queries} for half in ("dev", "test")]

    documents = tuple(Document(f"d{i}", "text") for i in range(200))
    asked = [Query(f"q{i}", f"What is {i // 2}{'?' * (i % 2)}".upper() if i % 3 else f" what  is {i // 2} ") for i in range(200)]
    of_documents = [query._replace(gold=(Gold(f"d{i}", 0, 4),)) for i, query in enumerate(asked)]
    some = [query._replace(gold=query.gold if i % 2 else ()) for i, query in enumerate(of_documents)]
    dense = [query._replace(gold=(*query.gold, Gold("d0", 0, 4, unit=1))) for query in of_documents]
    for queries in (asked, of_documents, some, dense):
        dev, test = halves(queries)
        assert min(len(dev), len(test)) > 60
        assert all((f"q{i}" in dev) == (f"q{i + 1}" in dev) for i in range(0, 200, 2))
    dev, test = halves(query._replace(text="Which?") for query in of_documents)
    assert min(len(dev), len(test)) > 60, "words that most questions share make none the same"


def test_a_document_judged_not_relevant_decides_no_half():
    documents = tuple(Document(f"d{i}", "text") for i in range(60))
    judged = [(Gold("d0", 0, 4, 0), Gold(f"d{i}", 0, 4, 1, 1), Gold("d1", 0, 4, 1, 2)) for i in range(60)]
    queries = tuple(Query(f"q{i}", f"What is {i}?", gold) for i, gold in enumerate(judged))
    dev, test = (split(Corpus("c", documents, queries), half).queries for half in ("dev", "test"))
    assert min(len(dev), len(test)) > 15


def test_stamp_is_cheap(local, tmp_path):
    library = Library(tmp_path / "home")
    library.stamp("python-api")
    started = time.process_time()
    for _ in range(10):
        library.stamp("python-api")
    assert (time.process_time() - started) / 10 < 0.05
