"""CACM, TrecQA, WikiQA and claims: the published counts of the real files, and small ones whose answer is known."""

import io
import json
import tarfile
from collections import Counter

import pytest

from core.corpus.library import Library
from core.errors import WorkbenchError
from tests.corpus.test_loaders import gold_texts, lines, load, write

PAIR = "<QApairs id='1'>\n<question>\nWho\tbakes\t?\nW\tV\t.\n</question>\n"
RIGHT, WRONG = "<positive>\nBakers\tbake\t.\nN\tV\t.\n</positive>\n", "<negative>\nTea\tis\thot\t.\n</negative>\n"
LINES = {"dev.a.toks": "who ?\nwho ?\n", "dev.b.toks": "me .\nyou .\n", "dev.id.txt": "1\n1\n", "dev.sim.txt": "1\n0\n"}


@pytest.mark.parametrize(("folder", "split", "questions", "both"), [
    ("trecqa", "train", 94, 78), ("trecqa", "dev", 82, 65), ("trecqa", "test", 100, 68),
    ("wikiqa", "train", 873, 857), ("wikiqa", "dev", 126, 122),
])  # fmt: skip
def test_answer_sentences_have_the_published_counts(datasets_root, folder, split, questions, both):
    corpus = load("answer_sentences", datasets_root / folder, split=split)
    grades = [{gold.grade for gold in query.gold} for query in corpus.queries]
    assert (len(corpus.queries), sum(each == {0, 1} for each in grades), corpus.notes) == (questions, both, ())


def test_the_order_of_answer_sentences_tells_nothing(datasets_root):
    """The files list the right ones first: their order alone has a MAP of 1."""
    corpus = load("answer_sentences", datasets_root / "trecqa", split="dev")
    place = {document.id: number for number, document in enumerate(corpus.documents)}
    mean = [
        sum(place[g.document_id] for g in query.gold if g.grade == grade) / number
        for grade in (1, 0)
        for query in corpus.queries
        if (number := sum(g.grade == grade for g in query.gold)) and {g.grade for g in query.gold} == {0, 1}
    ]
    half = len(mean) // 2
    assert abs(sum(mean[:half]) / half - sum(mean[half:]) / half) < 0.1 * len(place)
    assert sorted(place) == list(place), "documents stand in the order of what their words say"


@pytest.mark.slow
def test_claims_have_the_published_counts(datasets_root):
    scifact = load("claims", datasets_root / "scifact")
    assert (len(scifact.documents), len(scifact.queries), scifact.notes) == (5183, 809, ())
    assert Counter(query.group for query in scifact.queries) == {"SUPPORT": 332, "NEI": 304, "CONTRADICT": 173}
    cited = load("claims", datasets_root / "citation_integrity")
    assert (len(cited.documents), len(cited.queries)) == (3063 - 3, 2138) and "without text left out: 3" in cited.notes[0]
    groups = Counter(query.group for query in cited.queries)
    assert (round(groups["SUPPORT"] / 2138, 2), round(groups["REFUTE"] / 2138, 2)) == (0.64, 0.29)
    assert len(load("claims", datasets_root / "citation_integrity", split="dev").queries) == 316


def test_a_folder_of_data_sets_has_the_claims_by_their_card(datasets_root, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_DATASETS", str(datasets_root))
    [status] = [each for each in Library(tmp_path).available() if each.name == "scifact-claims"]
    assert status.present and (status.documents, status.questions) == (5183, 809)


@pytest.mark.slow
def test_cacm_has_the_published_counts(datasets_root):
    corpus = load("trec", datasets_root / "cacm", documents="cacm.tar.gz")
    assert (len(corpus.documents), len(corpus.queries), sum(len(query.gold) for query in corpus.queries)) == (3204, 52, 796)
    assert corpus.documents[0].id == "CACM-0001" and "zeros in front: 55" in corpus.notes[0]
    assert corpus.queries[0].text.startswith("What articles exist which deal with TSS (Time Sharing System), an operating")


# Small files ----------------------------------------------------------------------------------------------------------


def test_trecqa_takes_the_first_line_of_each_block(tmp_path):
    twice = PAIR + WRONG + RIGHT + WRONG + "</QApairs>\n<QApairs id='2'>\n<question>\nNone\t?\n</question>\n</QApairs>"
    corpus = load("answer_sentences", write(tmp_path, {"DEV.xml": twice}))
    assert [(query.id, query.text, len(query.gold)) for query in corpus.queries] == [("1", "Who bakes ?", 2), ("2", "None ?", 0)]
    texts = {document.id: document.text for document in corpus.documents}
    assert {texts[gold.document_id]: gold.grade for gold in corpus.queries[0].gold} == {"Bakers bake .": 1, "Tea is hot .": 0}


@pytest.mark.parametrize(("change", "words"), [
    ({"dev.sim.txt": "1\n"}, "do not belong together"), ({"dev.id.txt": None}, "no dev.id.txt"), ({}, ""),
    ({"dev.sim.txt": "1\nx\n"}, ""),
])  # fmt: skip
def test_wikiqa_is_read_by_line_or_refused(tmp_path, change, words):
    folder = write(tmp_path, {name: text for name, text in (LINES | change).items() if text is not None})
    if words:
        with pytest.raises(WorkbenchError, match=words):
            load("answer_sentences", folder)
        return
    corpus = load("answer_sentences", folder)
    assert gold_texts(corpus)[0] in ("me .", "you .") and len(corpus.queries) == 1
    assert bool(corpus.notes) == bool(change) and len(corpus.documents) == 2 - len(change)


ABSTRACTS = {"doc_id": 7, "title": "Tea", "abstract": ["It is hot.", "It is green."]}
CLAIM = {
    "id": 1,
    "claim": "Tea is green.",
    "evidence": {"7": [{"sentences": [1, 9], "label": "SUPPORT"}]},
    "cited_doc_ids": [7, 8],
}


def test_claims_find_abstracts_or_sentences(tmp_path):
    folder = write(tmp_path, {"corpus.jsonl": lines(ABSTRACTS), "claims_train.jsonl": lines(CLAIM)})
    whole, part = (load("claims", folder, evidence=evidence) for evidence in ("document", "sentence"))
    assert gold_texts(whole) == ["Tea\n\nIt is hot. It is green."] and "unknown document left out: 1" in whole.notes[0]
    assert gold_texts(part) == ["It is green."] and "does not have, left out: 1 (1 > 7)" in part.notes[0]
    assert whole.queries[0].group == "SUPPORT"
    with pytest.raises(WorkbenchError, match="no file claims_dev") as error:
        load("claims", folder, split="dev")
    assert "claims_train.jsonl" in error.value.todo
    bad = write(tmp_path / "bad", {"corpus.jsonl": lines({**ABSTRACTS, "abstract": 3}), "claims_train.jsonl": lines(CLAIM)})
    with pytest.raises(WorkbenchError, match="not in the form"):
        load("claims", bad)


def test_trec_reads_html_out_of_an_archive_and_topics_in_documents(tmp_path):
    folder = write(tmp_path, {"topics.txt": "<DOC>\n<DOCNO> 1 </DOCNO>\n What is\n hot?\n</DOC>", "qrels.txt": "1 0 A-7 1\n"})
    with tarfile.open(folder / "docs.tar.gz", "w:gz") as archive:
        page = b"<html>\n<pre>\n\nTea &amp; milk\nhot\n\nby A. B.\n</pre></html>"
        member = tarfile.TarInfo("A-007.html")
        member.size = len(page)
        archive.addfile(member, io.BytesIO(page))
    corpus = load("trec", folder)
    assert [(d.id, d.title, d.text) for d in corpus.documents] == [("A-007", "Tea & milk hot", "Tea & milk hot\nby A. B.")]
    assert [(q.text, q.gold[0].document_id) for q in corpus.queries] == [("What is hot?", "A-007")]
    assert "zeros in front: 1 (1 > A-7)" in json.dumps(corpus.notes)
