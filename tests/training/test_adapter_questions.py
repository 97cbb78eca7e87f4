"""Questions that a model writes of documents: each filter on a case made by hand, and nothing written twice."""

import json

import pytest

from core.config import TrialConfig
from core.corpus.assemble import assemble
from core.corpus.reading import Notes
from core.errors import WorkbenchError
from core.generation.model_texts import ModelText
from core.labs.adapters.training import adapter_data
from core.progress import Unready, drain
from core.records import Document, Hit
from core.training.adapters import questions
from core.training.adapters.near_copies import repeated
from core.training.adapters.questions import WrittenQuestion
from core.training.adapters.settings import AdapterTraining
from core.workbench import Workbench
from tests.support.played_model import play

TEXT = "Lund has a market. It opens at five in the morning and closes at noon. Nobody knows why that is so, or who began it."
PASSAGE = Hit(1, 0.0, "lund", "Lund", 0, len(TEXT), TEXT)
USUAL = AdapterTraining(answers="written")


def asked(question="When does the market of Lund open?", answer="at five in the morning", again=""):
    return WrittenQuestion(PASSAGE, question, answer, again)


def said(text, reason="stop"):
    return ModelText(text, reason, 1, 1, 0.0)


@pytest.mark.parametrize(
    "text, reason, read",
    [
        ("Question: When?\nAnswer: at five", "stop", ("When?", "at five")),
        ("When?\n\nAnswer: at five", "stop", ("When?", "at five")),
        ("Question: When?", "stop", None),
        ("Question: When?\nAnswer: ", "stop", None),
        ("Question: When?\nAnswer: at five", "length", None),
    ],
)
def test_a_text_without_question_and_answer_or_without_end_is_left_out(text, reason, read):
    made = questions.read(PASSAGE, said(text, reason), USUAL)
    assert (made and (made.question, made.answer)) == read


def test_of_a_sentence_the_question_alone_is_written():
    config = AdapterTraining()
    sentence = questions.sentence_of(PASSAGE, config.seed)
    assert sentence in TEXT and 5 <= len(sentence.split()) <= 40
    assert sentence in questions.request(PASSAGE, config).messages[-1]["content"]
    made = questions.read(PASSAGE, said("Question: When does it open?"), config)
    assert (made.question, made.answer) == ("When does it open?", sentence)
    assert questions.read(Hit(1, 0.0, "a", "", 0, 4, "Lund"), said("Question: When?"), config) is None


@pytest.mark.parametrize("question", ["Lund has a market.", "Why?", "When does it open? And who knows it?", "so " * 41 + "?"])
def test_what_is_no_question_is_left_out(question):
    assert not questions.is_question(asked(question)) and questions.is_question(asked())


def test_a_question_that_speaks_of_the_passage_is_left_out():
    assert questions.speaks_of_itself(asked("What does the passage say of Lund?"))
    assert not questions.speaks_of_itself(asked("Which passages lead to the market?"))


def test_a_question_in_the_words_of_the_passage_is_copied():
    assert questions.is_copied(asked("It opens at five in the morning and closes at noon?"), 0.5)
    assert not questions.is_copied(asked(), 0.5)


@pytest.mark.parametrize(
    "answer, again, passing",
    [
        ("at five in the morning", "it opens at five in the morning", {"both", "again", "stands", "either"}),
        ("at five in the morning", "nobody knows", {"stands", "either"}),
        ("when the sun has set", "when the sun has set", {"again", "either"}),
        ("when the sun has set", "nobody knows", set()),
    ],
)
def test_a_question_is_answerable_where_the_model_agrees_and_the_passage_says_it(answer, again, passing):
    ways = ("both", "again", "stands", "either")
    assert {
        way for way in ways if questions.answerable(asked(answer=answer, again=again), AdapterTraining(answerable=way))
    } == passing


def test_of_nearly_the_same_questions_the_first_stays():
    texts = ["When does the market of Lund open?", "Who began the long custom?", "When does the market of Lund open today?", ""]
    assert repeated(texts, 0.6) == {2} and repeated(texts, 0.9) == set() and repeated([texts[0]] * 3, 1.0) == {1, 2}


def test_passages_are_whole_sentences_and_more_of_them_hold_the_fewer():
    long = " ".join(f"Sentence {n} says that the {n}th house stands by the mill." for n in range(40))
    corpus = assemble("a", [Document("d", long), Document("short", "Too short.")], [], Notes())
    some = questions.passages(corpus, AdapterTraining(questions=3, passage_characters=200))
    every = questions.passages(corpus, AdapterTraining(questions=99, passage_characters=200))
    assert len(some) == 3 and some == every[:3] and {hit.document_id for hit in every} == {"d"}
    assert all(hit.text == long[hit.start : hit.end] and len(hit.text) <= 200 for hit in every)
    assert not questions.passages(assemble("b", [Document("d", "| a | b |\n" * 15)], [], Notes()), AdapterTraining())
    assert all(hit.text.startswith("Sentence") and hit.text.rstrip().endswith("mill.") for hit in every)


# From a corpus' documents to the parts

NAMES = "amber birch cedar dune elm fjord grove heath inlet jetty knoll ledge marsh notch".split()
TOWNS = {f"{name}{n}": f"the {n * 14 + place}th hour" for n in range(5) for place, name in enumerate(NAMES)}
TEXTS = {
    town: f"The old quarter called {town} wakes at {hour} of a {town}an day. {town} sells {town}ish bread and {town}y salt there."
    for town, hour in TOWNS.items()
}


COPIES = {f"{town} again": f"{TEXTS[town]} So they say." for town in TOWNS if town.startswith("cedar")}


def question_of(name):
    town = name.removesuffix(" again")
    return (
        f"When do people of {town} get up for {town}ish {town} bread?" if town == name else f"Which hour is {town}'s, {town}ians?"
    )


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    workbench = Workbench(tmp_path_factory.mktemp("home"))
    rows = "\n".join(json.dumps({"id": town, "text": text}) for town, text in (TEXTS | COPIES).items())
    drain(workbench.library.ingest("silent", [("towns.jsonl", rows.encode())], None))
    return workbench


@pytest.fixture
def played(monkeypatch):
    """Of amber's towns it writes no question, of birch's it answers otherwise when it is asked again."""
    played = play(monkeypatch)
    for town, text in (TEXTS | COPIES).items():
        hour = TOWNS[town.removesuffix(" again")]
        wrong = "no idea" if town.startswith("amber") else f"Question: {question_of(town)}\nAnswer: {hour}"
        played.says[text] = wrong
        played.says[f"Question: {question_of(town)}"] = "never" if town.startswith("birch") else hour
    return played


def recipe():
    return TrialConfig.model_validate({"corpus": {"dataset": "silent"}})


SETTINGS = {"source": "documents", "questions": 75, "distractors": 2, "answers": "written"}


def test_documents_alone_become_parts_that_share_none_with_each_filter_in_the_card(bench, played):
    data = drain(adapter_data(bench, recipe(), SETTINGS))
    asked_before = len(played.runs)
    card = data.card()
    rows = {row["filter"]: (row["before"], row["left out"]) for row in card["filters"]}
    assert rows["a question with an answer, to its end"] == (75, 5) and rows["answerable from the passage"] == (70, 5)
    assert "no idea" in {row["for example"] for row in card["filters"]}
    assert sum(card["examples"].values()) + sum(card["left_out"].values()) == 65
    documents = [{example.told[1] for example in part} for part in (data.train, data.validation, data.test)]
    assert not documents[0] & documents[1] and not documents[0] & documents[2] and not documents[1] & documents[2]
    learnt = {example.told[1] for example in data.train}
    for example in data.test:  # nor are its distractors learnt from
        assert not any(text in example.messages[0]["content"] for text in learnt)
    again = drain(adapter_data(bench, recipe(), SETTINGS, most=0))
    assert again.card() == card and len(played.runs) == asked_before


def test_a_page_waits_for_no_model(bench, played):
    with pytest.raises(Unready):
        drain(adapter_data(bench, recipe().model_copy(update={"seed": 7}), SETTINGS, most=0))
    assert not played.runs


def test_what_nearly_copies_the_test_is_not_learnt(bench, played):
    """Each of five documents stands there twice, in whatever parts; their questions differ."""
    some = [drain(adapter_data(bench, recipe(), SETTINGS | {"alike": alike, "distractors": 0})) for alike in (0.6, 1.0)]
    reason = "train: near copy of an example of validation or test"
    assert some[0].left_out[reason] > 0 and reason not in some[1].left_out
    tested = {example.told[1] for example in some[0].test}
    learnt = {example.told[1].removesuffix(" So they say.") for example in some[0].train}
    assert not learnt & {text.removesuffix(" So they say.") for text in tested}


def test_when_nothing_passes_the_error_tells_where_it_was_lost(bench, played):
    with pytest.raises(WorkbenchError, match="not asked before: 0 of 0") as error:
        drain(adapter_data(bench, recipe(), SETTINGS | {"agree": 1.0, "stands": 1.0, "copied": 0.0, "passage_characters": 50}))
    assert "questions" in error.value.todo
