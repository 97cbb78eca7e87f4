"""What is read out of a model's text, and when the question stands as it was."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.generation.llama_engine import LlamaCpp
from core.generation.model_texts import ModelText, TextTools
from core.pipeline.preparing import stacked
from core.progress import drain
from core.queries import by_model
from core.queries.by_model import fell_back, line_in, questions_in
from core.queries.follow_up import FIRST, LOST, FollowUp
from core.queries.hyde import Hyde
from core.queries.multi_query import MultiQuery
from core.records import Query
from tests.support.played_model import play

QUERY = Query("q", "Who wrote Carmen?")


def text(words: str, reason: str = "stop") -> ModelText:
    return ModelText(words, reason, 10, 5, 0.1)


@pytest.mark.parametrize(
    ("words", "reason", "wanted", "note"),
    [
        ("1. Who composed Carmen?\n2) Whose opera is it?", "stop", ["Who composed Carmen?", "Whose opera is it?"], ""),
        ('- "Who composed Carmen?"\nWHO COMPOSED CARMEN?', "stop", ["Who composed Carmen?"], ""),
        ("Question 1: Whose opera is it?\nIt is Bizet's.", "stop", ["Whose opera is it?"], ""),
        ("Who composed Carmen?\nWhose opera", "length", ["Who composed Carmen?"], ""),
        ("Who composed", "length", [], by_model.OVERRAN),
        ("who wrote CARMEN\n", "stop", [], by_model.NOTHING),  # no question mark: no question
        ("Who wrote Carmen?\nwho wrote Carmen?", "stop", [], by_model.REPEATS),
        ("", "failed: the model wrote nothing", [], by_model.NOTHING),
        ("1. 谁写了《卡门》？\n这是歌剧。", "stop", ["谁写了《卡门》？"], ""),
        ("من ألف كارمن؟\nΠοιος έγραψε την Κάρμεν;", "stop", ["من ألف كارمن؟", "Ποιος έγραψε την Κάρμεν;"], ""),
        ("carmen.composer();\nBizet;", "stop", [], by_model.NOTHING),
    ],
)
def test_questions_one_a_line(words, reason, wanted, note):
    assert questions_in(QUERY, text(words, reason), 3) == (wanted, note)


@pytest.mark.parametrize(
    ("words", "reason", "wanted"),
    [
        ("Query: composer of Carmen\nand more", "stop", ("composer of Carmen", "")),
        ("composer of Carmen and", "length", ("", by_model.OVERRAN)),
        ("composer of Carmen\nand", "length", ("composer of Carmen", "")),
        ('"who wrote carmen"', "stop", ("", by_model.REPEATS)),
        ("...", "stop", ("", by_model.NOTHING)),
    ],
)
def test_one_line(words, reason, wanted):
    assert line_in(QUERY, text(words, reason)) == wanted


@pytest.mark.parametrize(
    "text", ["3.5 mm jack size", "10:30 train to Bath", "-5 degrees Celsius in Fahrenheit", "12.5 percent of people"]
)
def test_a_number_at_the_beginning_is_no_mark_of_a_list(text):
    assert [by_model.clean(mark + text) for mark in ("", "1. ", "- ", "Query: ")] == [text] * 4
    assert by_model.clean("2.Who?") == by_model.clean("-Who?") == "Who?"


def test_the_question_is_one_of_several_wordings():
    made = MultiQuery(wordings=1).asking(QUERY, text("Whose is it?\nWho made it?"))
    assert made.sparse == made.dense == ("Who wrote Carmen?", "Whose is it?")
    assert "one other way." in MultiQuery(wordings=1).messages("Question: Why?")[0]["content"]
    assert MultiQuery(wordings=2).messages("Question: Why?")[1]["content"].count("\n") == 1


def test_hyde_asks_bm25_the_question_and_drops_what_says_nothing():
    made = Hyde(documents=3).read(QUERY, [text("Bizet wrote it."), text("Who wrote Carmen?"), text("...")])
    assert made == (("Who wrote Carmen?",), ("Who wrote Carmen?",), ("Bizet wrote it.",), "")
    assert Hyde(with_question=False).read(QUERY, [text("Bizet wrote it.", "length")]).dense == ()
    assert Hyde().read(QUERY, [text("")]).note == by_model.NOTHING and Hyde().averages()


def test_a_passage_that_was_drawn_twice_counts_twice_in_the_mean():
    """Equation 8 is over all draws: (f(q) + f(a) + f(a) + f(b)) / 4."""
    made = Hyde(documents=3).read(QUERY, [text("Bizet wrote it."), text("Bizet wrote it."), text("A Frenchman.")])
    assert made.passages == ("Bizet wrote it.", "Bizet wrote it.", "A Frenchman.")
    vectors = {(True, QUERY.text): [1, 0, 0], (False, "Bizet wrote it."): [0, 1, 0], (False, "A Frenchman."): [0, 0, 1]}
    run = SimpleNamespace(config=SimpleNamespace(query=Hyde(documents=3)))
    assert stacked(run, [made], {key: np.array(row, float) for key, row in vectors.items()}).tolist() == [[0.25, 0.5, 0.25]]


def test_hyde_draws_the_later_passages(tmp_path, monkeypatch):
    play(monkeypatch)
    part = Hyde(documents=4)
    assert [(r.temperature, r.draw) for r in part.requests(QUERY)] == [(0.0, 0), (0.7, 1), (0.7, 2), (0.7, 3)]
    [made] = drain(part.texts([QUERY], TextTools(LlamaCpp(), 0, tmp_path, None)))
    assert len(made.passages) > 1, "the drawn passages are no other ones"
    [other] = drain(part.texts([QUERY], TextTools(LlamaCpp(), 9, tmp_path, None)))
    assert other.passages[0] == made.passages[0] and other.passages[1:] != made.passages[1:]


def test_a_follow_up_is_told_with_its_conversation():
    asked = Query("q", "When did he\nleave?", history=("Bizet", "Life", "Where was he?", "In Rome. " * 40, "Why?", "A prize."))
    told = FollowUp(utterances=3).messages(FollowUp(utterances=3).told(asked))[-1]["content"].split("\n")
    assert told[1] == "Bizet" and told[2].startswith("In Rome.") and len(told[2]) < 170
    assert told[3:] == ["Why?", "A prize.", "Question: When did he leave?"]
    assert FollowUp().requests(QUERY) == [] and FollowUp().read(QUERY, []).note == FIRST


@pytest.mark.parametrize(
    ("rewritten", "asked"),
    [("When did Bizet leave Rome?", "When did Bizet leave Rome?"), ("When was Bizet born?", "When did he leave Rome?")],
)
def test_a_rewriting_keeps_the_words_of_the_question(rewritten, asked):
    made = FollowUp().asking(Query("q", "When did he leave Rome?", history=("Bizet",)), text(rewritten))
    assert made.dense == made.sparse == (asked,) and (made.note == LOST) == (asked != rewritten)
    assert FollowUp(keeps=0).asking(Query("q", "When did he leave Rome?", history=("Bizet",)), text(rewritten)).dense == (
        rewritten,
    )


def test_fallbacks_are_counted():
    made = [MultiQuery().asking(QUERY, text(words)) for words in ("", "Who wrote Carmen?", "Whose?", "")]
    assert fell_back(made) == {by_model.NOTHING: 2, by_model.REPEATS: 1}
