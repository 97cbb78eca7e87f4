"""The answerer's own answers as a source of the faithfulness training: what is asked, what an answer counts as, what it claims."""

from collections import Counter
from typing import ClassVar

import pytest

from core.generation.model_texts import TextTools
from core.progress import drain
from core.records import Hit, Query
from core.training.adapters.answerer import article_parts, holds
from core.training.faithfulness import mistakes
from core.training.faithfulness.mistakes import OwnAnswers, Posed, own_answers, questions, stated
from core.training.faithfulness.sources import CONTRADICTED, NEITHER, SUPPORTED, MarkedSpan
from core.training.faithfulness.training import split_of
from tests.support.recorded_judge import RecordedJudge
from tests.training.test_answerer import folder  # noqa: F401, a fixture


class Guesser(RecordedJudge):
    """Says one thing to every question, and counts."""

    model: str = "1912"
    asked: ClassVar[list[str]] = []

    def says(self, prompt: str, seed: int) -> str:
        self.asked.append(prompt)
        return f"{self.model} [2]."


def posed(situation: str) -> Posed:
    query = Query("q", "When was the wall built?", (), ("the year 1908",), True, "Wall")
    answers = {"held": query.answers, "absent": (), "planted": ("1950",)}[situation]
    return Posed("mistakes", query, (Hit(1, 0.0, "d", "Wall", 0, 5, "A wall."),), answers)


def counted(monkeypatch, answer: str, situation: str, tmp_path, folder) -> OwnAnswers:  # noqa: F811
    monkeypatch.setattr(mistakes, "questions", lambda *_: [posed(situation)])
    return drain(own_answers(folder, 1, TextTools(Guesser(model=answer), 0, tmp_path, None)))


@pytest.mark.parametrize(
    ("answer", "situation", "verdict"),
    [("the year 1908", "held", SUPPORTED), ("it was 1950 at last", "planted", SUPPORTED), ("1777", "held", CONTRADICTED),
     ("the year 1908", "planted", CONTRADICTED), ("a gate", "absent", NEITHER)],
)  # fmt: skip
def test_right_is_what_its_passages_say_and_wrong_what_shares_no_word_with_it(
    answer,
    situation,
    verdict,
    monkeypatch,
    tmp_path,
    folder,  # noqa: F811
):
    [claim] = counted(monkeypatch, answer, situation, tmp_path, folder).claims
    assert claim.answer == f"The wall built was {answer}." and claim.passages == ("A wall.",) and claim.verdict == verdict
    start = len("The wall built was ")
    assert claim.spans == (() if verdict == SUPPORTED else (MarkedSpan(start, start + len(answer), verdict),))


@pytest.mark.parametrize(
    ("answer", "situation", "why"),
    [("a year and no more of it", "held", "between right and wrong"), ("a year and no more", "planted", "between right and wrong"),
     ("the year 1908", "absent", "right without its passage"),
     ("I don't know.", "held", "declines"), ("...", "held", "empty")],
)  # fmt: skip
def test_what_the_known_answer_does_not_tell_is_left_out_and_counted(answer, situation, why, monkeypatch, tmp_path, folder):  # noqa: F811
    own = counted(monkeypatch, answer, situation, tmp_path, folder)
    assert own.claims == [] and own.left_out == {"near copy of a question of XQuAD": 1, why: 1}


def test_what_was_answered_is_not_asked_again_and_articles_stay_apart(folder, tmp_path):  # noqa: F811
    tools, before = TextTools(Guesser(), 0, tmp_path, None), len(Guesser.asked)
    own = drain(own_answers(folder, 40, tools))
    times = len(Guesser.asked)
    assert times > before and drain(own_answers(folder, 40, tools)) == own and len(Guesser.asked) == times
    parts = article_parts({f"Article {number}" for number in range(8)}, mistakes.ANSWERER_SEED)
    names = {"learnt": "train", "fitted": "validation", "test": "test"}
    assert {split_of(claim, 0) for claim in own.claims} == set(names)
    assert all(parts[claim.group.removeprefix("mistakes ")] == names[split_of(claim, 0)] for claim in own.claims)
    assert any("1912" in claim.answer and claim.verdict == NEITHER for claim in own.claims)


def test_what_is_asked_is_held_absent_or_planted_as_it_says(folder):  # noqa: F811
    corpus = drain(mistakes.squad(folder))
    asked = questions(corpus.documents, corpus.queries, 64, 0)
    assert asked == questions(corpus.documents, corpus.queries, 64, 0) != questions(corpus.documents, corpus.queries, 64, 1)
    kinds = Counter()
    for each in asked:
        texts = [hit.text for hit in each.hits]
        kind = "held" if each.answers == each.query.answers else "planted" if each.answers else "absent"
        kinds[kind] += 1
        assert holds(texts, each.query) == (kind == "held"), (kind, each.query)
        assert kind != "planted" or any(each.answers[0] in text for text in texts)
        assert 1 <= len(texts) <= mistakes.PASSAGES and {hit.title for hit in each.hits} == {each.query.group}
    assert len(kinds) == 3


@pytest.mark.parametrize(
    ("question", "answer", "statement"),
    [
        ("Who won the cup?", "Ada", "Ada won the cup."),
        ("In what year did the duke die?", "1087", "The duke die in 1087."),
        ("What is the capital of France?", "Paris", "The capital of France is Paris."),
        ("The battle of Hastings took place in which year?", "1066", "The battle of Hastings took place in 1066."),
        ("How many awards did she win?", "ten", "She win ten."),
        ("Name the river.", "Seine", "Name the river: Seine."),
    ],
)
def test_a_question_and_its_answer_make_a_statement(question, answer, statement):
    text, start = stated(question, answer)
    assert text == statement and text[start : start + len(answer)] == answer
