"""Every loader on its publisher's format: facts of the real files, and small ones whose answer is known."""

import json
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from statistics import median

import pytest

from core.corpus import python_api
from core.corpus.cards import DATASETS, cards
from core.errors import WorkbenchError
from core.labs.runs.trec import read_judgements
from core.progress import drain
from core.records import Corpus, Gold
from core.registry import find


def load(loader: str, path: Path, **settings) -> Corpus:
    steps = find("loader", loader)(**settings).load(path, "sample")
    return drain(steps)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def lines(*rows: dict) -> str:
    return "\n".join(json.dumps(row) for row in rows)


def gold_texts(corpus: Corpus, query: int = 0) -> list[str]:
    texts = {document.id: document.text for document in corpus.documents}
    return [texts[gold.document_id][gold.start : gold.end] for gold in corpus.queries[query].gold]


# Real files -----------------------------------------------------------------------------------------------------------


def test_xquad_has_the_published_counts(datasets_root):
    corpus = load("squad", datasets_root / "xquad" / "xquad.en.json")
    assert (len(corpus.documents), len(corpus.queries)) == (240, 1190)
    assert len({document.title for document in corpus.documents}) == 48
    assert corpus.notes == ()
    texts = {document.id: document.text for document in corpus.documents}
    assert all(texts[g.document_id][g.start : g.end] in q.answers for q in corpus.queries for g in q.gold)
    assert all(len(query.gold) == 1 for query in corpus.queries)
    assert "Super_Bowl_50/3" in texts


@pytest.mark.slow
def test_medquad_has_the_published_counts(datasets_root):
    corpus = load("medquad", datasets_root / "medquad" / "MedQuAD.zip")
    assert (len(corpus.documents), len(corpus.queries)) == (16407, 16407)
    assert len(Counter(query.group for query in corpus.queries)) == 16
    words = [len(document.text.split()) for document in corpus.documents]
    assert (median(words), max(words)) == (138, 4281)
    texts = {document.id: document.text for document in corpus.documents}
    for query in corpus.queries:
        assert query.id in {gold.document_id for gold in query.gold}, "a question's own answer is evidence"
        assert all((gold.start, gold.end) == (0, len(texts[gold.document_id])) for gold in query.gold)
        units = {gold.unit: texts[gold.document_id] for gold in query.gold}
        assert len(set(units.values())) == len(units), "identical answers are one unit"


def test_python_reference_finds_every_answer_or_says_so():
    corpus = load("python_reference", DATASETS / "python-reference")
    written = [json.loads(line) for line in (DATASETS / "python-reference" / "questions.jsonl").open(encoding="utf-8")]
    missing = [note for note in corpus.notes if "not in this Python's text" in note]
    assert len(corpus.queries) == len(written) if not missing else len(corpus.queries) < len(written)
    assert cards()["python-reference"].questions == len(written)
    unanswerable = [query for query in corpus.queries if not query.answerable]
    assert len(unanswerable) >= 15 and not any(query.gold for query in unanswerable)
    for number, query in enumerate(corpus.queries):
        if query.answerable:
            answer = query.answers[0].split()
            assert all(text.split() == answer for text in gold_texts(corpus, number)) and query.gold
            assert {gold.unit for gold in query.gold} == {0}


@pytest.mark.slow
def test_python_api_has_ten_thousand_documents_and_no_text_twice():
    corpus = load("python_api", DATASETS / "python-api", max_source_mb=0.6)  # of the usual 2: more source is more documents
    assert len(corpus.documents) >= 10_000 and len(corpus.queries) == 2000
    assert len({document.text for document in corpus.documents}) == len(corpus.documents)


# Small files ----------------------------------------------------------------------------------------------------------


def squad(*qas: dict, context: str = "Ann met Bob. Bob left.") -> str:
    return json.dumps({"data": [{"title": "A_B", "paragraphs": [{"context": context, "qas": list(qas)}]}]})


def test_squad_alternatives_share_a_unit_and_impossible_questions_have_no_gold(tmp_path):
    file = tmp_path / "s.json"
    file.write_text(
        squad(
            {
                "id": "1",
                "question": "Who?",
                "answers": [
                    {"text": "Bob", "answer_start": 8},
                    {"text": "Ann", "answer_start": 0},
                    {"text": "Bob", "answer_start": 8},
                ],
            },
            {"id": "2", "question": "Why?", "is_impossible": True, "answers": [], "plausible_answers": [{"text": "Bob"}]},
        )
    )
    corpus = load("squad", file)
    assert corpus.queries[0].gold == (Gold("A_B/1", 8, 11), Gold("A_B/1", 0, 3))
    assert not corpus.queries[1].answerable and corpus.queries[1].gold == ()


def test_squad_repairs_an_offset_only_where_there_is_no_doubt(tmp_path):
    file = tmp_path / "s.json"
    file.write_text(
        squad(
            {"id": "1", "question": "?", "answers": [{"text": "Ann", "answer_start": 5}]},
            {"id": "2", "question": "?", "answers": [{"text": "Bob", "answer_start": 0}]},
            {"id": "3", "question": "?", "answers": [{"text": "Bob", "answer_start": -3}]},
        )
    )
    corpus = load("squad", file)
    assert [query.gold for query in corpus.queries] == [(Gold("A_B/1", 0, 3),), (), ()]
    assert any("2 (2, 3)" in note for note in corpus.notes)


@pytest.fixture
def beir(tmp_path) -> Path:
    return write(
        tmp_path / "set",
        {
            "corpus.jsonl": lines({"_id": "d1", "title": "T", "text": "one"}, {"_id": "d2", "title": "", "text": "two"}),
            "queries.jsonl": lines({"_id": "q1", "text": "first?"}, {"_id": "q2", "text": "not judged here?"}),
            "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq1\tgone\t1\nq9\td1\t1\nq1\td2\n",
            "qrels/dev.tsv": "query-id\tcorpus-id\tscore\nq2\td2\t1\n",
        },
    )


def test_beir_reads_grades_and_reports_what_does_not_fit(beir):
    corpus = load("beir", beir)
    assert [document.text for document in corpus.documents] == ["T\n\none", "two"]
    assert [query.id for query in corpus.queries] == ["q1"]
    assert [(gold.document_id, gold.grade, gold.end) for gold in corpus.queries[0].gold] == [("d1", 2, 6), ("d2", 0, 3)]
    text = " ".join(corpus.notes)
    assert "unknown document" in text and "q1 > gone" in text and "unknown question" in text and "test.tsv:6" in text
    assert [query.id for query in load("beir", beir, qrels="dev").queries] == ["q2"]


def test_a_grade_with_a_fraction_is_told_by_its_line(beir):
    (beir / "qrels" / "half.tsv").write_text("q1\td1\t1.5\nq1\td2\t1.0\nq2\td1\t0.5\n")
    corpus = load("beir", beir, qrels="half")
    assert [(query.id, [(gold.document_id, gold.grade) for gold in query.gold]) for query in corpus.queries] == [
        ("q1", [("d2", 1)])
    ]
    assert "grade is no whole number, skipped: 2 (half.tsv:1, half.tsv:3)." in corpus.notes[0]
    with pytest.raises(WorkbenchError, match=r"No document is judged relevant.*half.trec:1"):
        read_judgements(write(beir, {"half.trec": "1 0 d 0.5\n"}) / "half.trec")


def test_a_document_of_two_files_is_judged_once(tmp_path):
    folder = write(
        tmp_path / "trec",
        {
            "docs1.jsonl": lines({"id": "A-001", "text": "one"}, {"id": "B", "text": "two"}),
            "docs2.jsonl": lines({"id": "B", "text": "two"}),
            "topics.tsv": "1\twhat?\n1\twho?\n",
            "qrels.a": "01 0 B 1\n1 0 A-1 0\n",
            "qrels.b": "1 0 B 2\n1 0 A-001 1\n",
        },
    )
    corpus = load("trec", folder)
    (query,) = corpus.queries
    assert [(gold.document_id, gold.grade, gold.unit) for gold in query.gold] == [("B", 2, 0), ("A-001", 1, 1)]
    assert "number of another left out: 1 (1: topics.tsv, topic 1; topics.tsv, topic 2)" in " ".join(corpus.notes)
    judged = write(tmp_path / "qrels", {"a": "1 0 B 1\n1 0 C 1\n", "b": "1 0 B 2\n1 0 D 1\n"})
    ((asked,), notes) = read_judgements(judged)
    assert [(gold.document_id, gold.grade, gold.unit) for gold in asked.gold] == [("B", 2, 0), ("C", 1, 1), ("D", 1, 2)]
    assert not notes


def test_beir_folder_and_zip_give_the_same_corpus(beir, tmp_path):
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for path in beir.rglob("*.*"):
            target.write(path, f"set/{path.relative_to(beir)}")
    assert load("beir", archive).fingerprint == load("beir", beir).fingerprint
    assert load("beir", archive).queries == load("beir", beir).queries


def test_beir_without_those_judgements_names_the_ones_there(beir):
    with pytest.raises(WorkbenchError, match="dev, test"):
        load("beir", beir, qrels="train")


def test_trec_reads_sgml_topics_and_four_columns(tmp_path):
    folder = write(
        tmp_path,
        {
            "docs.sgml": "<DOC>\n<DOCNO> A-1 </DOCNO>\n<HEADLINE>Head &amp; tail</HEADLINE>\n<TEXT>\n<P>Some text</P>\n<P>a < b"
            "</P>\n</TEXT>\n</DOC>\n<DOC><TEXT>no number</TEXT></DOC><DOC><DOCNO>A-2</DOCNO><TEXT>Other</TEXT></DOC>",
            "topics.301": "<top>\n<num> Number: 051\n<title> Topic: wings\n<desc> Description:\nlong\n</top>\n"
            "<top><num> Number: 52\n<title> tails\n</top>",
            "qrels.txt": "51 0 A-1 2\n51 0 A-2 -2\n99 0 A-1 1\n51 0 A-1 x\n",
        },
    )
    corpus = load("trec", folder)
    assert [document.id for document in corpus.documents] == ["A-1", "A-2"]
    assert "Head & tail" in corpus.documents[0].text and "a < b" in corpus.documents[0].text
    assert [(query.id, query.text) for query in corpus.queries] == [("051", "wings")]
    assert [(gold.document_id, gold.grade) for gold in corpus.queries[0].gold] == [("A-1", 2), ("A-2", 0)]
    assert len(corpus.notes) == 4


def test_trec_tags_may_have_attributes_and_what_is_no_tag_ends_no_topic(tmp_path):
    files = {
        "docs.sgml": '<DOC id="A-1" type="story"><DOCNO>A-1</DOCNO><TEXT>Some text</TEXT></DOC><DOC id="A-2"><TEXT>x</TEXT></DOC>',
        "topics.1": "<top>\n<num> Number: 1\n<title> a < b & c\n\n<desc> Description:\nlong\n</top>\n",
        "qrels.txt": "1 0 A-1 1\n",
    }
    corpus = load("trec", write(tmp_path, files))
    assert [(document.id, document.text) for document in corpus.documents] == [("A-1", "Some text")]
    assert [(query.text, len(query.gold)) for query in corpus.queries] == [("a < b & c", 1)]
    assert corpus.notes == ("Document without DOCNO left out: 1 (docs.sgml).",)


def test_trec_topics_may_be_counted_and_documents_jsonl(tmp_path):
    folder = write(
        tmp_path,
        {
            "docs.jsonl": lines({"docno": "7", "title": "t", "contents": "body"}),
            "topics.xml": '<topics><topic number="9"><query>what is it</query></topic></topics>',
            "qrels.txt": "1 0 7 1\n",
        },
    )
    corpus = load("trec", folder, topic_numbers="counted")
    assert corpus.queries[0].id == "9" and gold_texts(corpus) == ["t\n\nbody"]
    with pytest.raises(WorkbenchError, match="no file"):
        load("trec", folder, topics="nothing*")


def test_triviaqa_takes_aliases_as_whole_words_in_the_questions_own_documents(tmp_path):
    entry = {
        "Question": "Which planet?",
        "QuestionId": "tc_1",
        "QuestionSource": "quiz",
        "Answer": {"Value": "Mars", "Aliases": ["Red Planet", "Mars"]},
        "EntityPages": [{"Filename": "Mars.txt", "Title": "Mars"}, {"Filename": "Gone.txt"}],
    }
    folder = write(
        tmp_path,
        {
            "qa/small.json": json.dumps({"Data": [entry]}),
            "evidence/wikipedia/Mars.txt": "Marsh land. MARS is the red planet.",
            "evidence/wikipedia/Venus.txt": "Mars again.",
        },
    )
    corpus = load("triviaqa", folder, questions="small")
    assert [document.id for document in corpus.documents] == ["wikipedia/Mars.txt"]
    assert gold_texts(corpus) == ["MARS", "red planet"] and {gold.unit for gold in corpus.queries[0].gold} == {0}
    assert any("Gone.txt" in note for note in corpus.notes)
    archive = tmp_path / "triviaqa.tar.gz"
    with tarfile.open(archive, "w:gz") as target:
        for name in ("evidence", "qa"):
            target.add(folder / name, name)
    assert load("triviaqa", archive, questions="small").queries == corpus.queries
    with pytest.raises(WorkbenchError, match="small"):
        load("triviaqa", folder)


@pytest.mark.parametrize(("loader", "documents"), [
    ("jsonl", lines({"ID": "a", "text": "The cat\n sat.", "title": "Cats"}, {"id": 2, "text": "The dog ran."})),
    ("csv", 'id;title;text\na;Cats;"The cat\n sat."\n2;;The dog ran.\n'),
])  # fmt: skip
def test_tables_with_questions_beside_them(tmp_path, loader, documents):
    questions = (
        "id,question,document,answer,level\nq1,Who sat?,Cats,the cat,easy\nq1,,a,cat sat.,\n"
        "q2,Who ran?,,dog ran,\nq3,All?,2,,\nq4,No?,,,\n"
    )
    write(tmp_path, {f"documents.{loader}": documents, "questions.csv": questions})
    corpus = load(loader, tmp_path)
    assert [document.id for document in corpus.documents] == ["a", "2"]
    assert gold_texts(corpus, 0) == ["cat\n sat."], "whitespace may differ, letters may not"
    assert gold_texts(corpus, 1) == ["dog ran"] and gold_texts(corpus, 2) == ["The dog ran."]
    assert corpus.queries[3].gold == () and corpus.queries[3].answerable
    assert any("not found word for word" in note and "q1" in note for note in corpus.notes)


def test_lines_without_ids_are_told_apart_in_files_of_one_name(tmp_path):
    folder = write(
        tmp_path,
        {
            "a/docs.jsonl": lines({"text": "The cat sat."}),
            "b/docs.jsonl": lines({"text": "The dog ran."}),
            "questions.csv": "question,answer\nWho sat?,The cat\n",
            "questions.jsonl": lines({"question": "Who ran?", "answer": "The dog"}),
        },
    )
    corpus = load("jsonl", folder)
    assert [document.id for document in corpus.documents] == ["docs.jsonl:1", "b/docs.jsonl:1"]
    assert [query.id for query in corpus.queries] == ["q1", "q2"] and not corpus.notes
    assert [gold_texts(corpus, query) for query in (0, 1)] == [["The cat"], ["The dog"]]


def test_an_empty_field_leaves_its_place_to_the_next_of_its_names(tmp_path):
    questions = lines(
        {"question": "Who sat?", "answers": None, "answer": "The cat", "document": "", "doc": "a"},
        {"question": "", "query": "Who?", "answers": [], "answer": "The cat"},
        {"question": "How many?", "answers": 0, "answer": "one"},
    )
    folder = write(
        tmp_path, {"docs.jsonl": lines({"id": "", "_id": "a", "text": "The cat sat 0 times."}), "questions.jsonl": questions}
    )
    corpus = load("jsonl", folder)
    assert corpus.documents[0].id == "a" and [query.text for query in corpus.queries] == ["Who sat?", "Who?", "How many?"]
    assert [gold_texts(corpus, query) for query in range(3)] == [["The cat"], ["The cat"], ["0"]]
    rows = lines({"docno": "7", "text": "", "abstract": "body"})
    folder = write(tmp_path / "trec", {"docs.jsonl": rows, "topics.txt": "1\tWhat?", "qrels.txt": "1 0 7 1\n"})
    assert [document.text for document in load("trec", folder).documents] == ["body"]


def test_python_api_takes_the_summary_out_and_keeps_one_of_equal_texts(tmp_path, monkeypatch):
    long = "The rest of the docstring, which says all that is to be said about it. " * 3
    code = f'"""A module about useful things.\n\n{long}"""\n' + "".join(
        f'def {name}():\n    """{summary}\n\n    {text}"""\n'
        for name, summary, text in [
            ("one", "Do the first useful thing.", long + "1"),
            ("two", "Same words here always.", long + "2"),
            ("three", "Same words here always.", long + "3"),
            ("four", "Do it all again now.", long + "1"),
            ("_hidden", "Not for anybody to see.", long + "4"),
            ("short", "Too short to be there.", "x"),
        ]
    )
    write(tmp_path, {"useful/__init__.py": code, "broken.py": '"""x"""\ndef (', "tests/t.py": code})
    monkeypatch.setattr(python_api, "roots", lambda: [tmp_path])
    corpus = load("python_api", tmp_path)
    assert [document.id for document in corpus.documents] == ["useful", "useful.one", "useful.two", "useful.three"]
    assert {query.text for query in corpus.queries} == {"A module about useful things.", "Do the first useful thing."}
    assert not any(query.text in document.text for query in corpus.queries for document in corpus.documents)
    assert any("broken.py" in note for note in corpus.notes)


def test_cards_are_complete():
    known = cards()
    assert {
        "python-reference",
        "python-api",
        "xquad-en",
        "squad-v1.1-dev",
        "squad-v2-dev",
        "medquad",
        "scifact",
        "nfcorpus",
        "fiqa",
        "cranfield",
        "triviaqa",
    } <= set(known)
    for card in known.values():
        assert card.title and card.licence and card.citation and card.homepage.startswith("http")
        assert {file.url[:8] for file in card.files} in (set(), {"https://"}, {""})  # the last: not published so
    allowed = {"card.yaml", "questions.jsonl", "README.md"}
    assert {path.name for path in DATASETS.rglob("*") if path.is_file()} <= allowed, "data stay out of the project"
