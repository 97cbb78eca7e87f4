"""Whatever text comes in, gold evidence is the characters it says it is, and halves share no evidence."""

import csv
import io
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from core.corpus.assemble import spans
from core.corpus.library import split
from core.corpus.packed import pack, unpack
from core.progress import drain
from core.records import Corpus, Document, Gold, Query
from core.registry import find

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
WORDS = st.lists(st.text(st.characters(categories=["L", "N", "P", "S", "Mn"]), min_size=1, max_size=6), min_size=2)
SPACE = st.sampled_from([" ", "\n", "\r\n", "\t ", "\u00a0", "\u2028", "\x0b"])


def load(loader: str, files: dict[str, str | bytes], **options) -> Corpus:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        steps = find("loader", loader)(**options).load(Path(folder), "sample")
        return drain(steps)


def evidence(corpus: Corpus) -> list[list[str]]:
    texts = {document.id: document.text for document in corpus.documents}
    for query in corpus.queries:
        for gold in query.gold:
            assert 0 <= gold.start < gold.end <= len(texts[gold.document_id])
    return [[texts[gold.document_id][gold.start : gold.end] for gold in query.gold] for query in corpus.queries]


@st.composite
def passages(draw) -> tuple[str, str, int]:
    """A text, and an answer in it with its offset."""
    before, answer, after = draw(TEXT), draw(TEXT.filter(str.strip)), draw(TEXT)
    return before + answer + after, answer, len(before)


@settings(max_examples=60)
@given(passages())
def test_squad_spans_are_the_answers(passage):
    text, answer, start = passage
    entry = {"id": "1", "question": "?", "answers": [{"text": answer, "answer_start": start}]}
    paragraph = {"context": text, "qas": [entry]}
    corpus = load("squad", {"a.json": json.dumps({"data": [{"title": "t", "paragraphs": [paragraph]}]})})
    assert evidence(corpus) == [[answer]] and corpus.queries[0].gold[0].start == start


@settings(max_examples=60)
@given(WORDS, st.data())
def test_answers_are_found_whatever_the_whitespace_and_only_there(words, data):
    text = "".join(word + data.draw(SPACE) for word in words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first + 1, len(words)))
    answer = data.draw(SPACE).join(words[first:last])
    found = [text[start:end] for start, end in spans(text, answer)]
    assert found, "the answer stands in the text"
    assert all(part.split() == answer.split() for part in found)


@settings(max_examples=40)
@given(WORDS, st.data())
def test_tables_with_questions_hold_the_invariant(words, data):
    text = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    answer = " ".join(words[first : first + 2])
    table = io.StringIO(newline="")
    csv.writer(table).writerows([["id", "question", "document", "answer"], ["q", "what?", "doc", answer]])
    for loader, documents in (("jsonl", json.dumps({"id": "doc", "text": text})), ("csv", None)):
        if documents is None:
            rows = io.StringIO(newline="")
            csv.writer(rows).writerows([["id", "title", "text"], ["doc", "", text]])
            documents = rows.getvalue()
        corpus = load(loader, {f"d.{loader}": documents, "questions.csv": table.getvalue()})
        found = evidence(corpus)[0]
        assert found and all(part.split() == answer.split() for part in found)


@settings(max_examples=40)
@given(  # no zeros: TREC's judgements of 756 are mended to a document 0756
    st.dictionaries(st.text("abcXYZ129", min_size=1, max_size=4), TEXT.filter(str.strip), min_size=1, max_size=5),
    st.lists(st.tuples(st.text("abcXYZ129", min_size=1, max_size=4), st.integers(-2, 4)), min_size=1, max_size=6),
)
def test_document_judgements_cover_their_documents(texts, judgements):
    documents = "\n".join(json.dumps({"_id": key, "text": text}) for key, text in texts.items())
    columns = "".join(f"q\t{document}\t{grade}\n" for document, grade in judgements)
    beir = load(
        "beir",
        {
            "corpus.jsonl": documents,
            "queries.jsonl": '{"_id": "q", "text": "?"}',
            "qrels/test.tsv": "query-id\tcorpus-id\tscore\n" + columns,
        },
    )
    trec = load(
        "trec",
        {
            "docs.jsonl": documents,
            "topics.tsv": "q\twhat?\n",
            "qrels.txt": "".join(f"q 0 {document} {grade}\n" for document, grade in judgements),
        },
    )
    grades = {document: max(grade, 0) for document, grade in judgements if document in texts}
    for corpus in (beir, trec):
        assert {gold.document_id: gold.grade for gold in corpus.queries[0].gold} == grades
        assert evidence(corpus)[0] == [texts[gold.document_id] for gold in corpus.queries[0].gold]
        assert len({gold.unit for gold in corpus.queries[0].gold}) == len(grades)


@settings(max_examples=40)
@given(passages())
def test_triviaqa_spans_are_names_of_the_answer(passage):
    text, answer, _ = passage
    entry = {
        "Question": "?",
        "QuestionId": "1",
        "Answer": {"Value": answer, "Aliases": []},
        "EntityPages": [{"Filename": "a.txt"}],
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("qa/x.json", json.dumps({"Data": [entry]})), ("evidence/wikipedia/a.txt", "x " + text)):
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).write_bytes(content.encode())
        found = evidence(drain(find("loader", "triviaqa")(questions="x").load(Path(folder), "sample")))[0]
    assert all(part.casefold() == answer.strip().casefold() or len(part) == len(answer.strip()) for part in found)


@st.composite
def corpora(draw) -> Corpus:
    documents = tuple(Document(f"d{i}", draw(TEXT), draw(TEXT), "s", (0,)) for i in range(draw(st.integers(1, 8))))
    queries = []
    for number in range(draw(st.integers(0, 20))):
        chosen = draw(st.lists(st.sampled_from(documents), max_size=3))
        gold = tuple(Gold(document.id, 0, len(document.text), draw(st.integers(0, 2)), 1) for document in chosen)
        queries.append(Query(f"q{number}", draw(TEXT), gold, (draw(TEXT),), bool(gold), "g"))
    return Corpus("c", documents, tuple(queries), ("a note",), "f")


@settings(max_examples=100)
@given(corpora())
def test_halves_partition_the_questions_and_share_no_evidence(corpus):
    dev, test = split(corpus, "dev"), split(corpus, "test")
    assert {q.id for q in dev.queries} | {q.id for q in test.queries} == {q.id for q in corpus.queries}
    assert not {q.id for q in dev.queries} & {q.id for q in test.queries}
    assert split(corpus, "all") is corpus and dev.documents == corpus.documents
    if dev.notes == corpus.notes:
        used = [{gold.document_id for q in half.queries for gold in q.gold if gold.grade > 0} for half in (dev, test)]
        assert not used[0] & used[1]


@settings(max_examples=50)
@given(corpora())
def test_a_cached_corpus_comes_back_as_it_was(corpus):
    assert unpack(pack(corpus)) == corpus
