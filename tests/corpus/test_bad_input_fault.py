"""Broken, hostile and merely odd input: a message with its place, never a traceback, never a silent loss."""

import io
import json
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from core.corpus import reading
from core.corpus.library import Library
from core.corpus.reading import Notes, Source
from core.errors import WorkbenchError
from core.progress import drain
from core.registry import find


def load(loader: str, path: Path, **settings):
    return drain(find("loader", loader)(**settings).load(path, "sample"))


def file(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_one_broken_line_in_ten_thousand_is_counted_with_its_place(tmp_path):
    rows = [json.dumps({"id": str(i), "text": f"text {i}"}) for i in range(10_000)]
    rows[6] = '{"id": "6", "text": '
    corpus = load("jsonl", file(tmp_path, "d.jsonl", "\n".join(rows)))
    assert len(corpus.documents) == 9_999
    assert corpus.notes == ("Line is not a JSON object, skipped: 1 (d.jsonl:7).",)


def test_a_file_mostly_broken_is_an_error_with_file_and_line(tmp_path):
    with pytest.raises(WorkbenchError) as caught:
        load("jsonl", file(tmp_path, "d.jsonl", '{"text": "a"}\nnot\njson\n'))
    assert caught.value.where.endswith("d.jsonl:2") and caught.value.todo


def test_a_line_without_text_and_one_with_an_id_that_was_there_are_told_with_their_number(tmp_path):
    rows = ['{"id": "a", "text": "b"}', '{"id": "c"}', '{"id": "d", "text": " "}', '{"id": "a", "text": "e"}', '{"text": "f"}']
    corpus = load("jsonl", file(tmp_path, "d.jsonl", "\n".join(rows)))
    assert [document.text for document in corpus.documents] == ["b", "f"]
    assert corpus.notes == (
        "Document without text left out: 2 (d.jsonl:2, d.jsonl:3).",
        "Document with a repeated id left out: 1 (a, d.jsonl:4).",
    )


def test_wrong_encoding_is_read_and_reported(tmp_path):
    corpus = load("jsonl", file(tmp_path, "d.jsonl", b'{"id": "a", "text": "caf\xe9"}\n{"id": "b", "text": "ok"}'))
    assert corpus.documents[0].text == "café" and "Windows-1252" in corpus.notes[0] and "d.jsonl:1" in corpus.notes[0]
    for encoding in ("utf-16", "utf-32"):
        assert load("csv", file(tmp_path, "d.csv", "id,text\n1,naïve\n".encode(encoding))).documents[0].text == "naïve"


def test_nan_nulls_numbers_and_lone_surrogates_are_survived(tmp_path):
    rows = [
        '{"id": 1, "text": "a", "title": NaN}',
        '{"id": 2, "text": NaN}',
        '{"id": 3, "text": null}',
        '{"id": 4, "text": 12.5}',
        '{"id": 5, "text": "x\\ud800y"}',
        '{"id": 6, "text": ["list"]}',
        '{"id": 1, "text": "again"}',
        "[1]",
        "5",
    ]
    corpus = load("jsonl", file(tmp_path, "d.jsonl", "\n".join(rows)))
    assert [document.text for document in corpus.documents] == ["a", "12.5", "x\ufffdy"]
    assert corpus.documents[2].text.encode()
    assert {note.split(":")[0] for note in corpus.notes} == {
        "Line is not a JSON object, skipped",
        "Document without text left out",
        "Document with a repeated id left out",
    }


def test_a_line_of_ten_megabytes_is_a_document_and_one_over_the_limit_is_skipped(tmp_path, monkeypatch):
    long = json.dumps({"id": "long", "text": "word " * 2_000_000})
    path = file(tmp_path, "d.jsonl", long + '\n{"id": "b", "text": "short"}')
    assert [len(document.text) for document in load("jsonl", path).documents] == [10_000_000, 5]
    monkeypatch.setattr(reading, "MAX_LINE", 1 << 20)
    corpus = load("jsonl", path)
    assert [document.id for document in corpus.documents] == ["b"] and "d.jsonl:1" in corpus.notes[0]


@pytest.mark.parametrize(("loader", "name", "content"), [
    ("jsonl", "d.jsonl", ""), ("jsonl", "d.jsonl", '{"id": "1", "text": "  "}'), ("csv", "d.csv", ""),
    ("csv", "d.csv", "id,text\n"),
    ("squad", "d.json", '{"data": []}'), ("squad", "d.json", '{"rows": []}'), ("squad", "d.json", "{"), ("squad", "d.json", "[1]"),
    ("squad", "d.json", "[" * 100_000), ("beir", "corpus.jsonl", ""), ("trec", "docs", ""), ("triviaqa", "x", ""),
])  # fmt: skip
def test_empty_and_shapeless_files_say_so(tmp_path, loader, name, content):
    with pytest.raises(WorkbenchError) as caught:
        load(loader, file(tmp_path, name, content).parent)
    assert caught.value.what and caught.value.where


@pytest.mark.parametrize("content", ["5", '{"paragraphs": 7}', '{"paragraphs": [{"qas": [3]}]}'])
def test_json_of_another_shape_is_no_traceback(tmp_path, monkeypatch, content):
    file(tmp_path / "here" / "xquad", "xquad.en.json", f'{{"data": [{content}]}}')
    monkeypatch.setenv("GROUNDWORK_DATASETS", str(tmp_path / "here"))
    with pytest.raises(WorkbenchError, match=r"squad|no documents"):
        drain(Library(tmp_path / "home").open("xquad-en"))


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in members.items():
            target.writestr(name, data)
    return path


def test_zip_members_that_lead_outside_are_skipped_and_named(tmp_path):
    good = b'{"_id": "a", "text": "b"}'
    path = archive(
        tmp_path / "z.zip",
        {
            "../../evil.jsonl": b"x",
            "/abs.jsonl": b"x",
            "..\\up.jsonl": b"x",
            "C:/c.jsonl": b"x",
            "corpus.jsonl": good,
            "queries.jsonl": b'{"_id": "q", "text": "?"}',
            "qrels/test.tsv": b"h\th\th\nq\ta\t1\n",
        },
    )
    corpus = load("beir", path)
    assert len(corpus.queries[0].gold) == 1
    assert "leads outside" in corpus.notes[0] and ": 4 (" in corpus.notes[0]
    assert not list(tmp_path.parent.rglob("evil.jsonl")), "nothing is ever unpacked"


def test_hidden_files_of_folders_and_archives_are_left_out_and_counted(tmp_path):
    members = {
        name: b'{"text": "a"}' for name in (".git/a.jsonl", "__MACOSX/._d.jsonl", "x/.ipynb_checkpoints/d.jsonl", "x/d.jsonl")
    }
    packed = archive(tmp_path / "z.zip", members)
    for name, data in members.items():
        file(tmp_path / "in", name, data)
    file(tmp_path / "in", ".ours.lock", b"")
    (tmp_path / "in" / "broken.jsonl").symlink_to("nowhere")
    for path in (packed, tmp_path / "in"):
        corpus = load("jsonl", path)
        assert len(corpus.documents) == 1 and any("Hidden file left out: 3 (" in note for note in corpus.notes)
    assert any("broken.jsonl" in note for note in corpus.notes)


def test_zip_bombs_are_refused_before_they_unpack(tmp_path, monkeypatch):
    bomb = archive(tmp_path / "bomb.zip", {"corpus.jsonl": b"0" * (40 << 20)})
    with pytest.raises(WorkbenchError, match="times its size"):
        load("beir", bomb)
    monkeypatch.setattr(reading, "MAX_TOTAL", 1000)
    with pytest.raises(WorkbenchError, match="unpacks to"):
        load("beir", archive(tmp_path / "total.zip", {"corpus.jsonl": bytes(range(256)) * 8}))


@pytest.mark.slow
def test_gz_and_tar_bombs_stop_at_the_limit(tmp_path, monkeypatch):
    import gzip

    monkeypatch.setattr(reading, "MAX_TOTAL", 1 << 20)
    path = file(tmp_path, "d.jsonl.gz", gzip.compress(b'{"id": 1, "text": "a"}\n' * 200_000))
    with pytest.raises(WorkbenchError, match="unpacks to more"):
        load("jsonl", path)
    tarred = tmp_path / "t.tar.gz"
    with tarfile.open(tarred, "w:gz") as target:
        info = tarfile.TarInfo("qa/verified-wikipedia-dev.json")
        info.size = 4 << 20
        target.addfile(info, io.BytesIO(b"0" * info.size))
    with pytest.raises(WorkbenchError, match="unpacks to more"):
        load("triviaqa", tarred)


def test_tar_members_that_are_links_or_lead_outside_are_not_read(tmp_path):
    path = tmp_path / "t.tar"
    with tarfile.open(path, "w") as target:
        for name, kind in (("../up.txt", tarfile.REGTYPE), ("evidence/link.txt", tarfile.SYMTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            target.addfile(info)
    notes = Notes()
    assert Source(path, notes).sizes == {} and "leads outside" in notes.lines()[0]


@pytest.mark.parametrize("cut", [10, 200, 400])
def test_truncated_and_altered_archives_say_that_they_are_damaged(tmp_path, cut):
    path = archive(tmp_path / "z.zip", {"a.xml": b"<Document/>" * 10, "b.xml": bytes(range(256)) * 4})
    data = path.read_bytes()
    path.write_bytes(data[:cut])
    with pytest.raises(WorkbenchError, match="cannot be read"):
        load("medquad", path)
    path.write_bytes(data[:60] + bytes([data[60] ^ 255]) + data[61:])
    with pytest.raises(WorkbenchError):
        load("medquad", path)


def test_encrypted_archives_and_wrong_xml(tmp_path):
    path = archive(tmp_path / "z.zip", {"a.xml": b"<Document"})
    with pytest.raises(WorkbenchError, match="no documents") as caught:
        load("medquad", path)
    assert "a.xml" in caught.value.what
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flag "encrypted", in the local header and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(WorkbenchError, match="password"):
        load("medquad", path)


def test_xml_entities_do_not_explode(tmp_path):
    levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "lol" * 10}">' for i in range(10))
    evil = f"<!DOCTYPE d [{levels}]><Document><QAPair><Question>q</Question><Answer>&l9;</Answer></QAPair></Document>"
    good = b"<Document><QAPair><Question qtype='t'>q</Question><Answer>a</Answer></QAPair></Document>"
    corpus = load("medquad", archive(tmp_path / "z.zip", {"evil.xml": evil.encode(), "good.xml": good}))
    assert len(corpus.documents) == 1 and "evil.xml" in corpus.notes[0]


def test_csv_quotes_and_ragged_rows(tmp_path):
    corpus = load("csv", file(tmp_path, "d.csv", "id,text\n1,a,b,c\n2,ok\n3\n"))
    assert [document.id for document in corpus.documents] == ["1", "2"]
    assert any("number of columns" in note and "d.csv:2" in note for note in corpus.notes)


@pytest.mark.parametrize(("table", "texts", "note"), [
    ('id,text\n1,"a\nb"\n2,c\n', ["a\nb", "c"], ""), ("\ufeffid;text\n1;a,b\n2;c", ["a,b", "c"], ""),
    ('"id","text","x;y;z"\n1,a,b\n', ["a"], ""), ("id,text\n1,a\0b\n2,c\n", ["a\0b", "c"], ""),
    ("id,Text,text \n1,a,b\n", ["b"], "d.csv: text"), ('id,text\n1,a "b" c\n2,"d" e\n', ['a "b" c', "d e"], ""),
])  # fmt: skip
def test_of_a_table_nothing_is_lost_without_a_word(tmp_path, table, texts, note):
    corpus = load("csv", file(tmp_path, "d.csv", table))
    assert [document.text for document in corpus.documents] == texts
    assert [note in told for told in corpus.notes] == [True] * bool(note)


def test_a_quote_that_nothing_closes_swallows_no_rows(tmp_path):
    with pytest.raises(WorkbenchError, match="nothing closes") as caught:
        load("csv", file(tmp_path, "d.csv", 'id,text\n1,a\n2,"b\n3,c\n4,d\n'))
    assert caught.value.where.endswith("d.csv:3")


def test_a_missing_file_or_folder(tmp_path):
    for loader in ("squad", "beir", "trec", "triviaqa", "medquad", "jsonl", "csv"):
        with pytest.raises(WorkbenchError, match="No such file"):
            load(loader, tmp_path / "nowhere")


CARD = "title: t\ndescription: d\nloader: jsonl\nlicence: l\ncitation: c\nhomepage: h\n"


@pytest.mark.parametrize(("lines", "words"), [
    ("files: &a [*a]", "stands in"),
    ("a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]", "Extra inputs"),
    ("files: " + "[" * 30_000, "deep"),
    ("files: " + "{a: " * 10_000, "deep"),
    ("documents: " + "9" * 5_000, "digits"),
    ("documents: 1" + ":59" * 900, "digits"),
    ("citation: " + "x" * 2_000_000, "larger than 1 MB"),
    ("files: [{name: ../../secret, url: 'https://x'}]", "'..'"),
    ("files: [{name: /etc/passwd, url: 'https://x'}]", "from the root"),
    ("files: [{name: 'C:\\secret', url: 'https://x'}]", "from the root"),
    ("unpacked: a/../../secret", "'..'"),
    ("x: !!python/object/apply:os.system ['true']", "constructor"),
    ("\0", "not allowed"),
])  # fmt: skip
def test_a_card_made_to_harm_is_listed_under_its_own_name_with_what_is_wrong(tmp_path, lines, words):
    library = Library(tmp_path / "home")
    file(tmp_path / "home" / "datasets", "mine/card.yaml", CARD + lines)
    started = time.process_time()
    found = {status.name: status for status in library.available()}
    assert words in found["mine"].note and not found["mine"].present and "mine/card.yaml" in found["mine"].where
    assert "python-reference" in found and time.process_time() - started < 2
    with pytest.raises(WorkbenchError, match="card of a data set"):
        drain(library.open("mine"))


def test_a_card_that_is_a_folder_or_not_text_harms_nobody(tmp_path):
    (tmp_path / "home" / "datasets" / "a" / "card.yaml").mkdir(parents=True)
    file(tmp_path / "home" / "datasets", "b/card.yaml", b"\xff\xfe\xff")
    assert {"a", "b"} <= {status.name for status in Library(tmp_path / "home").available() if status.note}
