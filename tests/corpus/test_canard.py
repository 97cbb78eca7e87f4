"""CANARD's conversations: what was said before a question, and where its answer stands."""

import json
from pathlib import Path

import pytest

from core.config import fingerprint
from core.corpus.canard import Canard, turns
from core.corpus.packed import pack, unpack
from core.corpus.questions import read_questions
from core.corpus.reading import Notes, Source
from core.errors import WorkbenchError
from core.pipeline.pipeline import Pipeline
from core.progress import drain
from core.records import Corpus, Document, Gold, Query

SAMPLE = Path(__file__).parents[1] / "contract/samples/canard/dev.json"


def test_a_question_has_its_conversation_and_its_answer_as_evidence():
    corpus = drain(Canard().load(SAMPLE, "canard"))
    [document] = corpus.documents
    first, second, third = corpus.queries
    assert first.history == ("The old mill", "Its owners") and third.history[-1] == "CANNOTANSWER"
    [gold] = first.gold
    assert document.text[gold.start : gold.end] == "It was built by two brothers." == first.answers[0]
    assert not second.gold and not second.answerable, "QuAC says that the section does not tell"
    assert not third.gold and third.answerable, "nothing follows it, so its answer is not in the file"
    assert "Who built it?" not in document.text, "questions are no part of what is searched"


def test_a_history_outlives_the_cache():
    corpus = drain(Canard().load(SAMPLE, "canard"))
    assert unpack(pack(corpus)) == corpus


def test_questions_that_follow_nothing_are_known_as_before(tmp_path):
    """Stored trials name the questions that they were measured on."""
    corpus = Corpus("c", (), (Query("a", "Why?", (Gold("d", 0, 3),), ("so",)),))
    pipeline = Pipeline(tmp_path, 10**6)
    assert pipeline.questions_key(corpus) == fingerprint([["a", "Why?", [["d", 0, 3, 1, 0]], ["so"], True, ""]])
    asked = Corpus("c", (), (corpus.queries[0]._replace(history=("Tea is hot.",)),))
    assert pipeline.questions_key(asked) != pipeline.questions_key(corpus)


def test_own_questions_may_have_a_history(tmp_path):
    rows = [
        {"id": "a", "question": "And there?", "history": ["Where is Lund?", "In Sweden.", 7]},
        {"id": "b", "question": "Why?"},
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    one, other = read_questions(Source(tmp_path / "q.jsonl", Notes()), [Document("d", "Lund is in Sweden.")])
    assert one.history == ("Where is Lund?", "In Sweden.") and other.history == ()


@pytest.mark.parametrize("text", ["{}", "[]", "[1, 2]", '[{"Question": "Why?"}]', "[", '[{"History": "no list"}]'])
def test_a_file_of_another_form_is_said_in_words(tmp_path, text):
    (tmp_path / "dev.json").write_text(text)
    with pytest.raises(WorkbenchError):
        turns(tmp_path / "dev.json", Notes())


def test_entries_without_a_rewrite_are_counted(tmp_path):
    entries = [*json.loads(SAMPLE.read_text()), {"Question": "Why?"}]
    (tmp_path / "dev.json").write_text(json.dumps(entries))
    notes = Notes()
    assert len(turns(tmp_path / "dev.json", notes)) == 3 and "1" in notes.lines()[0]
