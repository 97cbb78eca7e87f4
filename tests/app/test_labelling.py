"""What a key means: steps, words, evidence and keys, without a page."""

from types import SimpleNamespace

import pytest

from app.ui.evidence import marked
from app.ui.labelling import desk, evidence, questions
from app.ui.labelling.keys import default_keys, key_problem
from core.annotation import steps
from core.annotation.drawing import Candidate, draw
from core.annotation.labels import blank
from core.annotation.rubric import default_rubric
from core.annotation.study import Passage
from tests.support.annotated import pairs, rating


def test_a_screen_answered_faster_than_it_can_be_read_is_told():
    study = rating(1, 0, annotators=("Ann",), per_item=1)
    [item] = study.items
    open_label = blank(study, "main", item, "Ann")
    done = open_label.model_copy(update={"sentences": (("supported",) * len(open_label.sentences[0]),), "helpful": (4,)})
    reading_s = steps.reading_seconds(item)
    fast, slow = (SimpleNamespace(study=study, seconds={item.id: share * reading_s}) for share in (0.2, 0.3))
    assert desk.too_fast(fast, item.id, False, done).startswith("The last screen took you")
    assert desk.too_fast(slow, item.id, False, done) == ""
    assert desk.too_fast(fast, item.id, False, open_label) == desk.too_fast(fast, item.id, True, done) == ""


def test_equal_sentences_of_one_answer_are_labelled_at_once(tmp_path):
    text = "It loops. It ends here. It  loops. It loops."
    one = Candidate(
        "a", "system", "toy", "What does it do?", text, (Passage(document_id="d", start=0, end=1, text="It loops."),), ()
    )
    study = rating(1, 0, annotators=("Ann",), per_item=1).model_copy(update={"items": draw([one], 1)})
    [item] = study.items
    asked, label = steps.steps(study, item, (0,)), blank(study, "main", item, "Ann")
    first = steps.answered(label, asked[1], "partly")
    assert [asked.index(step) for step in steps.equal_open(item, asked, label, 0)] == [2, 3]
    assert steps.equal_open(item, asked, first, 1) == [], "no other sentence says this"
    third = steps.answered(label, asked[2], "contradicted")
    assert [asked.index(step) for step in steps.equal_open(item, asked, third, 0)] == [3], "what was said stands"
    assert steps.reading_seconds(item) == pytest.approx(60 / 238 * len(text.split()))


def test_steps_follow_the_screen_and_end_with_the_preference():
    study = pairs(ask=("sentences", "helpful", "preference"))
    asked = steps.steps(study, study.items[0], (1, 0))
    kinds = [(step.kind, step.response) for step in asked]
    assert kinds[0] == ("sentence", 1) and kinds[-1] == ("preference", 0)
    assert kinds.index(("helpful", 1)) < kinds.index(("sentence", 0)) < kinds.index(("helpful", 0))


def test_an_answer_changes_its_place_only_and_the_next_open_step_goes_round():
    study = rating()
    item = study.items[0]
    asked, label = steps.steps(study, item, (0,)), blank(study, "main", item, "Ann")
    last = steps.answered(label, asked[-1], 4)
    assert last.helpful == (4,) and last.sentences == label.sentences
    assert steps.next_open(asked, last, len(asked) - 1) == 0
    for step in asked[:-1]:
        last = steps.answered(last, step, "partly")
    assert steps.next_open(asked, last) is None


def test_words_marked_side_by_side_are_one_error():
    study = rating()
    label = blank(study, "main", study.items[0], "Ann")
    for word in (3, 1, 2, 6, 6, 8):
        label = steps.toggled(label, 0, word)
    assert [(span.first, span.last) for span in label.spans] == [(1, 4), (8, 9)]
    assert [(s.first, s.last) for s in steps.toggled(label, 0, 2).spans] == [(1, 2), (3, 4), (8, 9)]


def test_shared_phrases_are_found_and_common_words_alone_are_none():
    passage = "The exit method will be called, and it is not of the kind that a caller sees."
    marks = evidence.shared(passage, "Then the EXIT method will be called: it is the best of the lot.")
    assert [passage[m.start : m.end] for m in marks] == ["The exit method will be called"]
    assert evidence.shared("", "words") == evidence.shared("words", "") == []


def test_search_takes_the_text_literally():
    assert [m.start for m in evidence.hits("a.b (A.B) axb", " a.b ")] == [0, 5]
    assert evidence.hits("abc", "  ") == []
    assert [(m.start, m.end) for m in evidence.hits("Two\n  words and two words", "two words")] == [(0, 11), (16, 25)]
    assert "<b>" not in marked("<b>", evidence.hits("<b>", "<b>"))


def test_lines_broken_for_their_length_are_joined_and_nothing_moves():
    long = "A line that somebody broke after eighty characters, as one does in a file of text,"
    text = f"{long}\nand here it goes on.\nx = 1\n    y = 2\n\n{long}\n1. one\n- two"
    assert evidence.flowing(text) == f"{long} and here it goes on.\nx = 1\n    y = 2\n\n{long}\n1. one\n- two"
    inside = f"a\nword that the passage cut, and then\n\n   {long}\n   it is indented\n   x"
    flown = evidence.flowing(inside)
    assert len(flown) == len(inside) and flown.startswith("a word") and flown.count("\n") == 3
    assert flown.replace(evidence.UNSEEN, "").endswith(f"   {long} it is indented\n   x")


def test_a_heading_that_says_the_title_again_is_left_out():
    assert evidence.untitled("Names\n*****\n\nText.", "Names") == "Text."
    assert evidence.untitled("# Names\n\nText.", "Names") == "Text."
    for text in ("Names are\n\nText.", "Names\nText.", "Text.\n\nNames\n"):
        assert evidence.untitled(text, "Names") == text
    assert evidence.untitled("\n\nText.", "") == "\n\nText."


@pytest.mark.parametrize("key", ["c", "r", "", "1", "ab", "ctrl+w", "é", "<"])
def test_keys_that_cannot_be_are_refused(key):
    keys = {**default_keys(default_rubric()), "undo": key}
    assert key_problem(keys)


def test_usual_keys_are_the_rubrics_and_fit():
    keys = default_keys(default_rubric())
    assert key_problem(keys) == "" and [keys[f"answer{n}"] for n in range(1, 6)] == list("12345")


@pytest.mark.parametrize("wanted", ["1345", "usnx", "cr11", "11111", "ab" * 7, ["enter"] * 20])
def test_whatever_keys_a_rubric_has_stars_are_their_number_and_no_key_does_two_things(wanted):
    rubric = default_rubric()
    labels = [rubric.labels[0].model_copy(update={"name": f"n{n}", "key": key}) for n, key in enumerate(wanted)]
    keys = default_keys(rubric.model_copy(update={"labels": tuple(labels)}))
    assert key_problem(keys) == "" and [keys[f"rank{n}"] for n in range(1, 6)] == list("12345")
    assert len({keys[f"answer{n}"] for n in range(1, len(wanted) + 1)}) == len(wanted)


def test_titles_of_labels_in_a_question_are_no_markup(monkeypatch):
    drawn = []
    monkeypatch.setattr(questions.st, "html", drawn.append)
    asked = questions.Question("Sentence 1 of 1", "Annotators A: <i>Not</i> supported", "It <b>loops</b>.", [], None)
    at = SimpleNamespace(sheet=SimpleNamespace(steps=[steps.Step("sentence", 0, 0)]), at=0, item="1", name="window")
    questions._choices(at, asked, {})
    assert "&lt;i&gt;Not&lt;/i&gt; supported" in drawn[0] and "&lt;b&gt;loops" in drawn[0]
