"""The curve over the threshold to decline from: it is what the recipe answers with each of them, and asks nothing for another."""

import json

import numpy as np
import pytest

from core.__main__ import main
from core.config import with_settings
from core.context.prompt import UNKNOWN
from core.corpus.library import split
from core.errors import WorkbenchError
from core.judging.measure import AnswerCase
from core.labs.answers.answering import answer_questions
from core.labs.scores import refusal as lab
from core.labs.scores.confidence import SureAnswers
from core.progress import drain
from core.records import Token
from tests.labs.scores.test_confidence import ASKED, RIGHT, TOWNS, of_towns, reader, template  # noqa: F401

DECLINES = {town: round(0.1 + 0.04 * (number % 20), 2) for number, town in enumerate(TOWNS) if number % 2}


@pytest.fixture
def hesitant(reader):  # noqa: F811
    reader.declines = DECLINES
    return reader


def cases(*rows: tuple[float | None, bool, int | None, int]) -> tuple[AnswerCase, ...]:
    """Of (odds of declining, answerable, pieces of evidence, of which the passages hold so many)."""

    def tokens(odds: float | None) -> tuple[Token, ...]:
        return () if odds is None else (Token("x", 0.0, (("I" if odds else "x", np.log(odds or 1.0)),)),)

    return tuple(
        AnswerCase("?", "x", tokens=tokens(odds), answerable=able, units=units, covered=(frozenset(range(there)),))
        for odds, able, units, there in rows
    )


def test_shares_at_a_threshold():
    made = cases(
        (0.6, True, 2, 2),
        (0.2, True, 1, 1),
        (0.0, True, 1, 1),
        (0.6, True, 2, 1),
        (0.2, False, 0, 0),
        (0.9, True, None, 0),
        (None, True, 1, 1),
        (0.1, True, 1, 0),
    )
    sure = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, np.nan])  # the last declines in other words
    right = np.array([1, 0, 1, 0, 0, 1, 1, 0], float)
    answers = SureAnswers(tuple("abcdefgh"), sure, right, np.arange(8), made)
    half = lab.at(answers, 0.5, 0.95)
    assert (half.answered.mean, half.answered.n) == (3 / 7, 7), "who tells no odds is left out"
    assert (half.right.mean, half.right.n) == (1 / 3, 3)
    assert (half.wrongly.mean, half.wrongly.n) == (1 / 3, 3)
    assert (half.rightly.mean, half.rightly.n) == (2 / 3, 3)
    assert half.answered.low < 3 / 7 < half.answered.high
    assert lab.at(answers, 0.0, 0.95).answered.mean == 1 / 7 and lab.at(answers, 1.0, 0.95).answered.mean == 6 / 7
    assert lab.at(answers, 0.6, 0.95).answered.mean == 3 / 7 and lab.at(answers, 0.61, 0.95).answered.mean == 5 / 7


@pytest.mark.slow
def test_the_curve_is_what_the_recipe_answers_with_each_threshold(bench, hesitant):
    made = drain(lab.measure_refusal(bench, of_towns(), 100))
    asked = len(hesitant.prompts)
    assert made.questions == made.present.answered.n == len(ASKED) and made.present.threshold == of_towns().generation.refusal
    assert drain(lab.measure_refusal(bench, of_towns(**{lab.SETTING: 0.62}), 100)).present.threshold == 0.62
    assert len(hesitant.prompts) == asked, "another threshold asks nothing"
    by_threshold = {each.threshold: each for each in made.curve}
    for threshold in (0.0, 0.25, 0.5, 1.0):
        answers = drain(answer_questions(bench, of_towns(**{lab.SETTING: threshold}), 100))
        texts = {query.id: answer.text for query, answer in zip(answers.queries, answers.answers, strict=True)}
        answered = [right for town, right in zip(TOWNS, RIGHT, strict=True) if texts[town] != UNKNOWN]
        told = by_threshold[threshold]
        assert (told.answered.mean, told.right.n) == (len(answered) / len(ASKED), len(answered))
        assert told.right.mean == pytest.approx(np.mean(answered))
        assert told.rightly.mean == 1.0 and told.rightly.n == 1, "the one that no document answers abstains in any case"
    assert len(hesitant.prompts) > asked
    by = [each.answered.mean for each in made.curve]
    assert by == sorted(by) and by[0] < by[-1] and made.curve[-1].wrongly.mean == 0.0 < made.curve[0].wrongly.mean


@pytest.mark.slow
def test_the_threshold_is_chosen_on_dev_and_told_on_test(bench, hesitant):
    hesitant.declines = {town: 0.5 for town, right in zip(TOWNS, RIGHT, strict=True) if not right}
    made = drain(lab.measure_refusal(bench, of_towns(), 100, wished=0.9))
    halves = {half: {query.id for query in split(bench.corpus(of_towns()), half).queries} for half in ("dev", "test")}
    for half, told in (("dev", made.chosen), ("test", made.on_test)):
        right = sum(right for town, right in zip(TOWNS, RIGHT, strict=True) if town in halves[half])
        assert (told.right.n, told.right.mean, told.answered.n) == (right, 1.0, len(halves[half]))
    assert made.chosen.threshold <= 0.5
    assert "On the test questions with" in " ".join(lab.sentences(made))
    hesitant.declines = {}
    none = drain(lab.measure_refusal(bench, of_towns(**{"generation.max_tokens": 199}), 100, wished=1.0))
    assert none.chosen is None and none.on_test is None and "At no threshold are 100%" in " ".join(lab.sentences(none))


@pytest.mark.slow
def test_the_command_line_tells_the_curve(bench, hesitant, capsys):
    words = ["scores", "risk-coverage", "--by", "refusal", "--ask", "100", *bench.arguments(of_towns())]
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert len(record["curve"]) == len(lab.THRESHOLDS) and record["present"]["threshold"] == 0.25
    assert record["curve"][-1]["answered"] == len(TOWNS) / len(ASKED) and record["curve"][-1]["answered_low"] < 0.96
    assert main(words) == 0
    assert "The recipe's threshold, 0.25: " in capsys.readouterr().out


@pytest.mark.slow
def test_what_ask_tells_of_it(bench, hesitant):
    town = next(iter(DECLINES))
    abstained = drain(bench.ask(of_towns(**{lab.SETTING: 0.0}), f"When does {town} open?"))
    assert abstained.text == UNKNOWN
    assert "not recorded yet" in lab.about(bench, of_towns(**{lab.SETTING: 0.0}), abstained)
    drain(lab.measure_refusal(bench, of_towns(), 100))
    with_odds = of_towns(**{"generation.logprobs": 1})
    told = lab.about(bench, with_odds, drain(bench.ask(with_odds, f"When does {town} open?")))
    assert f"with a probability of {DECLINES[town]:.2f}." in told
    told = lab.about(bench, of_towns(), abstained)
    assert told.startswith("Abstaining from 0.25, ") and f"of {len(ASKED)} questions answered" in told
    assert lab.about(bench, of_towns(**{"generation.temperature": 0.5}), abstained) == ""


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"generation.part": "anthropic"}, "no threshold to abstain by"),
        ({"generation.json_schema": '{"type": "string"}'}, "JSON schema"),
        ({"context.template": "$passages $question"}, "does not ask for"),
        ({"answering.part": "quotes"}, "several prompts"),
        ({"generation.temperature": 0.5}, "sampled answer"),
    ],
)
def test_where_an_answer_tells_nothing_of_other_thresholds_it_is_refused(settings, words):
    with pytest.raises(WorkbenchError, match=words) as refused:
        lab.writing(with_settings(of_towns(), settings))
    assert refused.value.where == lab.SETTING and refused.value.todo
