"""Questions of several hops: each publisher's form, evidence that stands where it says, paragraphs that questions share."""

import gzip
import json

import pytest

from core.corpus.multi_hop import MultiHop
from core.errors import WorkbenchError
from core.progress import drain

PARAGRAPHS = [("Ulm", "Ulm stands on the Danube.", True), ("Rhine", "The Rhine is long.", False)]
MUSIQUE = {
    "id": "2hop__1", "question": "Where does the river of Ulm end?", "answer": "Romania", "answer_aliases": ["România"], "answerable": True,
    "paragraphs": [{"title": title, "paragraph_text": text, "is_supporting": is_gold} for title, text, is_gold in PARAGRAPHS],
}  # fmt: skip
IRCOT = {
    "question_id": "i1", "question_text": "Which river is at Ulm?", "answers_objects": [{"spans": ["the Danube"], "number": ""}],
    "contexts": MUSIQUE["paragraphs"],
}  # fmt: skip
HOTPOT = {
    "_id": "h1", "type": "bridge", "question": "Where?", "answer": "Romania", "supporting_facts": [["Danube", 1], ["Danube", 9]],
    "context": [["Danube", ["It is long.", " It ends in Romania."]], ["Ulm", ["Ulm stands on the Danube."]]],
}  # fmt: skip


def corpus_of(folder, name: str, text: str):
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return drain(MultiHop().load(path, "x"))


def evidence(corpus) -> list[list[str]]:
    texts = {document.id: document.text for document in corpus.documents}
    return [[texts[gold.document_id][gold.start : gold.end] for gold in query.gold] for query in corpus.queries]


def test_each_form_gives_paragraphs_evidence_and_answers(tmp_path):
    musique = corpus_of(tmp_path, "musique.json", json.dumps([MUSIQUE]))
    assert evidence(musique) == [["Ulm stands on the Danube."]] and musique.queries[0].answers == ("Romania", "România")
    ircot = corpus_of(tmp_path, "dev.jsonl.gz", f"{json.dumps(IRCOT)}\n{json.dumps({**IRCOT, 'question_id': 'i2'})}\n")
    assert len(ircot.documents) == 2 and len(ircot.queries) == 2, "a paragraph of two questions is one document"
    assert ircot.queries[0].answers == ("the Danube",) and evidence(ircot)[1] == ["Ulm stands on the Danube."]
    hotpot = corpus_of(tmp_path, "hotpot.json", json.dumps([HOTPOT]))
    assert evidence(hotpot) == [["It ends in Romania."]] and hotpot.queries[0].group == "bridge"
    assert {document.title for document in hotpot.documents} == {"Danube", "Ulm"}


@pytest.mark.parametrize("text", ['[{"question": "x"}]', "[1]", '{"a": 1}', '[{"question": "x", "context": [1]}]'])
def test_another_form_is_refused_in_words(tmp_path, text):
    with pytest.raises(WorkbenchError) as refused:
        corpus_of(tmp_path, "other.json", text)
    assert refused.value.where
