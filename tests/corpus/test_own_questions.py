"""Questions of own documents: which evidence is found for them, and what is said of what is not."""

import gzip
import json

import pytest

from core.corpus import own
from core.corpus.assemble import answer_spans
from core.corpus.library import Library
from core.corpus.reading import Notes
from core.progress import drain


@pytest.fixture
def library(tmp_path) -> Library:
    return Library(tmp_path / "home")


def test_questions_are_matched_and_what_is_not_found_is_said(library):
    table = (
        b"id,question,document,answer,answerable\n1,Who came?,a,Ann  came,\n2,What?,B.TXT,,\n"
        b"3,Where?,nowhere.pdf,x,\n4,When?,a.txt,yesterday,\n5,Why?,,,false\n6,Who left?,,Bob left,\n"
    )
    files = [("a.txt", b"Ann\ncame. Bob left."), ("b.txt", b"Bob left.")]
    found = drain(library.ingest("q", files, ("my questions.csv", table)))
    assert found[-1].status == "ok" and "6 questions, evidence found for 3: " in found[-1].message
    assert "metrics of retrieval are over these alone" in found[-1].message
    assert "3 > nowhere.pdf" in found[-1].message and "(4)" in found[-1].message
    corpus = drain(library.open("q"))
    texts = {document.id: document.text for document in corpus.documents}
    gold = {
        query.id: [(one.document_id, texts[one.document_id][one.start : one.end], one.unit) for one in query.gold]
        for query in corpus.queries
    }
    assert gold["1"] == [("a.txt", "Ann\ncame", 0)] and gold["2"] == [("b.txt", "Bob left.", 0)]
    assert gold["6"] == [("a.txt", "Bob left", 0), ("b.txt", "Bob left", 0)], "each occurrence is an alternative"
    assert [query.id for query in corpus.queries if not query.answerable] == ["5"]
    drain(library.ingest("q", [("c.txt", b"It was yesterday."), ("nowhere.pdf.txt", b"x")]))
    found = {query.id for query in drain(library.open("q")).queries if query.gold}
    assert found == {"1", "2", "3", "6"}, "documents may join later; 4 names a document that does not hold its answer"


@pytest.mark.parametrize(("answer", "text", "places"), [
    ("art", "We start with art, not article.", [14]), ("12", "1200, 12.5, 0.12 or 312: it is 12.", [31]), ("5%", "15% or 5%, 5%", [7, 11]),
    ("C++", "C++, C++11 and ObjC++", [0, 5]), ("$12", "$1200 or US$12", [11]), (".5", "0.5 and .5", [8]),
    ("_art_", "_art_ start_art_", [0, 11]),
    ("рок", "урок, рок", [6]), ("cafe", "cafe\u0301 or cafe", [9]), ("राम", "रामायण राम", [7]), ("a a", "ba a a", [3]),
    ("北京", "我在北京工作", [2]), ("서울", "서울에서", [0]), ("12", "在12月", [1]), ("1", "sums of 3,1", []),
])  # fmt: skip
def test_an_answer_is_found_as_words_and_numbers_of_their_own(answer, text, places):
    assert [start for start, _ in answer_spans(text, answer, 0, len(text))] == places
    assert [start for start, _ in answer_spans(text, answer, 0, len(text), printed=True)] == places


def test_a_short_answer_is_no_evidence_inside_other_words(library):
    asked = b"id,question,context,answer\n1,Which?,,art\n2,How many?,Some 12,12\n"
    files = [("a.txt", b"A start: 1200. Some 1200."), ("b.txt", b"This is art. Some 12.")]
    drain(library.ingest("words", files, ("q.csv", asked)))
    for query in drain(library.open("words")).queries:
        assert {gold.document_id for gold in query.gold} == {"b.txt"}, query


def test_questions_as_squad_jsonl_and_beir(library, tmp_path):
    files = [("a.txt", b"Bob stayed. Then Bob left.")]
    squad = {
        "data": [
            {
                "title": "no such",
                "paragraphs": [
                    {
                        "context": "Then Bob left.",
                        "qas": [{"id": "s", "question": "Who left?", "answers": [{"text": "Bob", "answer_start": 5}]}],
                    }
                ],
            }
        ]
    }
    drain(library.ingest("q", files, ("q.json", json.dumps(squad).encode())))
    (gold,) = drain(library.open("q")).queries[0].gold
    assert (gold.start, gold.end) == (17, 20), "the occurrence inside the question's own passage"
    row = {"question": "Who?", "document": "a.txt", "answers": ["Bob left", "Bob stayed"], "level": "easy"}
    drain(library.ingest("q", [], ("q.jsonl", json.dumps(row).encode())))
    (query,) = drain(library.open("q")).queries
    assert len(query.gold) == 2 and {gold.unit for gold in query.gold} == {0} and query.group == "easy"
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    (folder / "queries.jsonl").write_text('{"_id": "1", "text": "bob?"}')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t2\n")
    drain(library.ingest("q", [], folder))
    (query,) = drain(library.open("q")).queries
    assert (query.gold[0].document_id, query.gold[0].grade, query.gold[0].end) == ("a.txt", 2, 26)


def test_questions_of_a_beir_folder_may_be_packed(library, tmp_path):
    folder = tmp_path / "packed"
    (folder / "qrels").mkdir(parents=True)
    (folder / "queries.jsonl.gz").write_bytes(gzip.compress(b'{"_id": "1", "text": "Who?"}'))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta.txt\t1\n")
    read = drain(library.ingest("q", [("a.txt", b"Ann came.")], folder))[-1]
    assert read.status == "ok" and "evidence found for 1" in read.message


def test_documents_are_named_by_id_file_or_title_and_what_names_several_is_told(library, tmp_path):
    rows = [("10.1/x", "First"), ("10.1/y.z", "Second"), ("http://h.org/a", "Third"), ("a", ""), ("A", "a"), ("b/", "")]
    lines = "\n".join(json.dumps({"id": name, "text": "text", "title": title}) for name, title in rows)
    files = [
        ("e.jsonl", lines.encode()),
        ("sub/paper.one.txt", b"eta"),
        ("sub/q.md", b"# Title Q\ntheta"),
        ("other/q.md", b"iota"),
    ]
    meant = {
        **{name: f"e.jsonl/{name}" for name, _ in rows},
        **{"First": "e.jsonl/10.1/x", "third": "e.jsonl/http://h.org/a", "Title Q": "sub/q.md", "sub/q": "sub/q.md"},
        **dict.fromkeys(("sub/paper.one.txt", "sub/paper.one", "paper.one.txt", "Paper.One"), "sub/paper.one.txt"),
        **dict.fromkeys(("q", "q.md", "e", "e.jsonl"), ""),
    }
    asked = "\n".join(json.dumps({"id": name, "question": f"What of {name}?", "document": name}) for name in meant)
    table = drain(library.ingest("names", files, ("q.jsonl", asked.encode())))[-1]
    found = {query.id: "".join(gold.document_id for gold in query.gold) for query in drain(library.open("names")).queries}
    assert found == meant and "names several documents, not measured: 4 (q > q," in table.message
    (tmp_path / "qrels").mkdir()
    (tmp_path / "queries.jsonl").write_text("\n".join(json.dumps({"_id": name, "text": f"What of {name}?"}) for name in meant))
    (tmp_path / "qrels" / "test.tsv").write_text("".join(f"{name}\t{name}\t1\n" for name in meant))
    judged = drain(library.ingest("names", [], tmp_path))[-1]
    assert found == {query.id: "".join(gold.document_id for gold in query.gold) for query in drain(library.open("names")).queries}
    assert "Judgement names several documents: 4 (q: other/q.md, sub/q.md," in judged.message


def test_an_id_with_half_a_sign_is_refused_with_its_line(library):
    rows = b'{"id": "a", "text": "one"}\n{"id": "\\ud800", "text": "two"}'
    titled = b'{"id": null, "_id": "x", "text": "three", "title": "t\\udc00"}\n{"id": null, "text": "four"}'
    bad, good = drain(library.ingest("half", [("e.jsonl", rows), ("f.jsonl", titled)]))
    assert (bad.name, bad.status) == ("e.jsonl", "failed") and "line 2: its id has half a sign (\\ud800)" in bad.message
    assert good.status == "ok"
    documents = drain(library.open("half")).documents
    assert [(each.id, each.title) for each in documents] == [("f.jsonl/x", "t\ufffd"), ("f.jsonl/2", "")]
    notes = Notes()
    notes.add("Left out", "\ud800")
    assert notes.lines() == ("Left out: 1 (\ufffd).",)


def test_a_second_question_with_an_id_is_told_with_both_lines(library, tmp_path):
    asked = b"id,question,answer\n1,Who came?,Ann\n2,Who left?,Bob\n1,who came,Bob\n1,Who sang?,Eve\n"
    [*_, status] = drain(library.ingest("ids", [("a.txt", b"Ann, Bob, Eve")], ("q.csv", asked)))
    assert "id of another left out: 1 (1: questions.csv:2, questions.csv:5)" in status.message
    corpus = drain(library.open("ids"))
    assert [(query.id, query.text, query.answers) for query in corpus.queries] == [
        ("1", "Who came?", ("Ann", "Bob")),
        ("2", "Who left?", ("Bob",)),
    ], "the same question again is one more piece of evidence"
    squad = [{"id": "1", "question": text, "answers": [{"text": "Ann"}]} for text in ("Who came?", "Who left?")]
    data = {"data": [{"title": "a", "paragraphs": [{"context": "Ann", "qas": squad}]}]}
    [status] = drain(library.ingest("ids", [], ("q.json", json.dumps(data).encode())))
    assert "(1: questions.json, 'Who came?', questions.json, 'Who left?')" in status.message
    (tmp_path / "qrels").mkdir()
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "Who came?"}\n{"_id": "1", "text": "Who left?"}')
    (tmp_path / "qrels" / "test.tsv").write_text("1\ta\t1\n")
    [status] = drain(library.ingest("ids", [], tmp_path))
    assert "id of another left out: 1 (1: queries.jsonl:1, queries.jsonl:2)" in status.message
    assert [query.text for query in drain(library.open("ids")).queries] == ["Who came?"]


def test_what_questions_replace_is_told(library):
    first, second = (f"question,answer\n{rows}".encode() for rows in ("Which?,one\nWhat?,one\n", "Who?,one\n"))
    status = drain(library.ingest("c", [("a.txt", b"one")], ("first.csv", first)))[-1]
    assert status.message == "2 questions, evidence found for 2."
    [status] = drain(library.ingest("c", [], ("second.csv", second)))
    assert status.message == "1 question, evidence found for 1. They replace the 2 before."


def test_a_document_that_is_left_out_holds_no_evidence(library):
    rows = '{"id": "1", "text": "one two"}\n{"id": "1", "text": "two"}'
    drain(library.ingest("twice", [("e.jsonl", rows.encode())], ("q.csv", b"question,answer\nWhich?,two\n")))
    (query,) = drain(library.open("twice")).queries
    assert [(gold.start, gold.end) for gold in query.gold] == [(4, 7)]


@pytest.mark.parametrize(("first", "encoding"), [
    ("sep=;\r\n", "utf-8-sig"), ('"sep=;"\r\n', "cp1252"), ("SEP=;\n\n", "utf-16"), ("\n\r\n", "utf-8"),
])  # fmt: skip
def test_the_line_that_tells_excel_the_delimiter_is_no_header(library, first, encoding):
    table = f"{first}question;answer\nWhich, if any?;one, two\nWho?;nobody;else\n"
    [_, status] = drain(library.ingest("c", [("a.txt", b"one, two")], ("q.csv", table.encode(encoding))))
    assert "2 questions, evidence found for 1" in status.message
    assert f"questions.csv:{2 + first.count(chr(10)) + 1}" in status.message, "lines are counted as the file has them"
    assert [query.text for query in drain(library.open("c")).queries] == ["Which, if any?", "Who?"]


def test_a_table_without_questions_is_told_by_its_columns(library):
    files = [("a.txt", b"text"), ("b.pdf", b"no pdf")]
    *_, status = drain(library.ingest("c", files, ("mine.csv", b"prompt;gold\nWhich?;text\n")))
    assert (status.name, status.status) == ("mine.csv", "failed")
    assert "There are: prompt, gold." in status.message and "b.pdf" not in status.message


def test_answers_as_the_copies_of_squad_on_the_hub_have_them(library):
    rows = [
        {"question": "Who?", "document": "a", "answers": {"text": ["Ann", "Ann Lee"], "answer_start": [0, 0]}},
        {"question": "When?", "document": "a", "answers": [{"text": "today", "answer_start": 14}]},
        {"question": "Why?", "document": "a", "answers": {"text": [], "answer_start": []}},
        {"question": "How?", "document": "a", "answers": [{"words": "today"}]},
        {"question": "Where?", "document": "a", "answer": " "},
    ]
    asked = "\n".join(map(json.dumps, rows)).encode()
    *_, status = drain(library.ingest("hub", [("a.txt", b"Ann Lee comes today.")], ("q.jsonl", asked)))
    gold = {query.text: [(each.start, each.end) for each in query.gold] for query in drain(library.open("hub")).queries}
    assert gold == {"Who?": [(0, 3), (0, 7)], "When?": [(14, 19)], "Why?": [], "How?": [], "Where?": [(0, 20)]}
    assert "Answer that is no text: 1 (questions.jsonl:4)" in status.message, "the whole document in its place would be a guess"
    assert [query.text for query in drain(library.open("hub")).queries if not query.answerable] == ["Why?"]


def test_a_test_set_of_ragas_is_read_as_it_is(library):
    texts = {"a.txt": b"Ann came in May. It rained.", "b.txt": b"Bob left\nin June. It rained."}
    rows = [
        {
            "user_input": "Who came?",
            "reference_contexts": ["Ann came in May."],
            "reference": "It was Ann.",
            "synthesizer_name": "one",
        },
        {
            "user_input": "Who came and left?",
            "reference_contexts": ["<1-hop>\n\nAnn came in May.", "<2-hop>\n\nBob left in June."],
            "reference": "Ann, Bob.",
        },
        {"user_input": "What fell?", "reference_contexts": ["It rained.", "It snowed."], "reference": "Rain."},
        {"user_input": "Which?", "document": "a", "reference": "The first."},
    ]
    *_, status = drain(library.ingest("ragas", list(texts.items()), ("q.jsonl", "\n".join(map(json.dumps, rows)).encode())))
    asked = drain(library.open("ragas")).queries
    assert (
        "evidence found for 4" in status.message and "Passage not found word for word in the documents: 1 (q3)" in status.message
    )
    places = [[(gold.document_id, gold.start, gold.end, gold.unit) for gold in query.gold] for query in asked]
    assert places[0] == [("a.txt", 0, 16, 0)] and places[1] == [("a.txt", 0, 16, 0), ("b.txt", 0, 17, 1)]
    assert places[2] == [("a.txt", 17, 27, 0), ("b.txt", 18, 28, 0)], "either is the same piece of evidence"
    assert places[3] == [("a.txt", 0, 27, 0)], "an answer in other words is not looked for"
    assert [query.answers for query in asked] == [("It was Ann.",), ("Ann, Bob.",), ("Rain.",), ("The first.",)]


def test_of_several_judgements_of_a_beir_folder_one_is_named_by_its_file(library, tmp_path):
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    (folder / "queries.jsonl").write_text('{"_id": "1", "text": "Which?"}\n{"_id": "2", "text": "Who?"}\n')
    for split, query in (("test", 1), ("train", 2)):
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{query}\ta\t1\n")
    *_, status = drain(library.ingest("c", [("a.txt", b"text")], folder))
    assert status.status == "failed" and "qrels/test.tsv, qrels/train.tsv" in status.message
    assert str(library.home) not in status.message, "the place of our copy is nobody's concern"
    drain(library.ingest("c", [], folder / "qrels" / "train.tsv"))
    assert [(query.id, len(query.gold)) for query in drain(library.open("c")).queries] == [("2", 1)]


@pytest.mark.parametrize(("name", "content"), [
    ("q.xlsx", b"x"), ("q.csv", b""), ("q.csv", b"id,question\n"), ("q.json", b"{"), ("q.json", b'{"data": [7]}'),
    ("q.jsonl", b"x\ny\n"),
])  # fmt: skip
def test_bad_questions_are_refused_and_the_old_ones_stay(library, name, content):
    drain(library.ingest("q", [("a.txt", b"text")], ("q.csv", b"id,question,answer\n1,Which?,text\n")))
    (status,) = drain(library.ingest("q", [], (name, content)))
    assert status.status == "failed" and status.message
    assert len(drain(library.open("q")).queries) == 1
    assert not [path for path in own.folder(library.home, "q").iterdir() if path.name.startswith("questions.")]
