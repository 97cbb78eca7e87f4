"""The risk-coverage curve of a recipe's answers: what is on it, the threshold chosen on dev, and what answers as sure were worth."""

import json

import numpy as np
import pytest

from core.__main__ import main
from core.config import with_settings
from core.corpus.library import split
from core.errors import WorkbenchError
from core.labs.answers.answering import answer_set
from core.labs.scores import confidence as lab
from core.progress import drain
from tests.support.failing import read, recipe
from tests.support.small_corpora import with_towns

TOWNS = "Bari Bonn Brno Cork Genk Gent Graz Hamm Kiel Linz Lodz Lund Lviv Metz Nice Oslo Oulu Pori Riga Rome Sion Turk Umea Vaud".split()
RIGHT = [number < 10 or number % 3 == 0 for number in range(len(TOWNS))]
SURE = {town: round(0.97 - 0.03 * number, 2) for number, town in enumerate(TOWNS)}
TEXTS = {f"{town}.txt": f"{town} opens at {number}." for number, town in enumerate(TOWNS)}
ASKED = [
    {
        "id": town,
        "question": f"When does {town} open?",
        "document": f"{town}.txt",
        "answer": TEXTS[f"{town}.txt"] if right else "never",
    }
    for town, right in zip(TOWNS, RIGHT, strict=True)
] + [{"id": "silent", "question": "When does it open there?", "answerable": False}]
RECIPE = {"context.passages": 4, "evaluation.resamples": 200}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    drain(with_towns(home, TEXTS, ASKED).prepare(recipe(**RECIPE)))
    return home


@pytest.fixture
def reader(monkeypatch):
    reader = read(monkeypatch)
    reader.odds = SURE
    return reader


def of_towns(**settings: object):
    return recipe(**RECIPE, **settings)


@pytest.mark.slow
def test_the_curve_is_that_of_the_answers_and_another_threshold_asks_nothing(bench, reader):
    made = drain(lab.measure_confidence(bench, of_towns(), 100, wished=0.9))
    asked = len(reader.prompts)
    assert made.questions == len(ASKED) and made.curve.area.n == len(TOWNS), "the one that declines is silent"
    assert made.curve.thresholds == pytest.approx(sorted(SURE.values(), reverse=True))
    assert made.curve.right == pytest.approx(np.cumsum(RIGHT) / np.arange(1, len(TOWNS) + 1))
    assert made.curve.coverage[-1] == len(TOWNS) / len(ASKED) == made.present.coverage.mean
    strict = drain(lab.measure_confidence(bench, of_towns(**{"context.confidence": 0.8}), 100, wished=0.9))
    above = [town for town in TOWNS if SURE[town] >= 0.8]
    assert strict.present.coverage.mean == len(above) / len(ASKED) and strict.present.right.mean == 1.0
    assert len(reader.prompts) == asked and (strict.curve.right == made.curve.right).all()


@pytest.mark.slow
def test_the_threshold_is_chosen_on_dev_and_told_on_test(bench, reader):
    made = drain(lab.measure_confidence(bench, of_towns(), 100, wished=0.9))
    corpus = bench.corpus(of_towns())
    halves = {half: {query.id for query in split(corpus, half).queries} for half in ("dev", "test")}
    for half, told in (("dev", made.chosen), ("test", made.on_test)):
        answered = [
            right for town, right in zip(TOWNS, RIGHT, strict=True) if town in halves[half] and SURE[town] >= told.threshold
        ]
        assert told.right.n == len(answered) and told.right.mean == pytest.approx(np.mean(answered))
        assert told.coverage.n == len(halves[half])
    assert made.chosen.right.mean >= 0.9
    on_half = drain(lab.measure_confidence(bench, of_towns(**{"corpus.questions": "dev"}), 100, wished=0.9))
    assert on_half.chosen == made.chosen and on_half.on_test == made.on_test
    text = " ".join(lab.sentences(made))
    assert "On the dev questions a threshold of" in text and "On the test questions" in text
    reader.odds = {}
    never = lab.confidence_of(bench, of_towns(), drained(bench), "em", 1.0)
    assert never.chosen is None or never.chosen.right.mean == 1.0


def drained(bench):
    return answer_set(bench, bench.evaluate(lab.writing(of_towns())), 100)


@pytest.mark.slow
def test_answers_as_sure_as_one_tell_what_it_is_worth(bench, reader):
    answer = drain(bench.ask(of_towns(**{"context.confidence": 0.01}), "When does Linz open?"))
    assert lab.as_sure(bench, of_towns(), answer) is None, "no answer is recorded"
    drain(lab.measure_confidence(bench, of_towns(), 100))
    sure, right = lab.as_sure(bench, of_towns(), answer)
    assert sure == pytest.approx(SURE["Linz"]) and (right.n, right.mean) == (TOWNS.index("Linz") + 1, 1.0)
    bare = drain(bench.ask(of_towns(), "When does Linz open?"))
    assert not bare.tokens and lab.as_sure(bench, of_towns(), bare) is None


@pytest.mark.slow
def test_the_command_line_tells_the_curve(bench, reader, capsys):
    words = ["scores", "risk-coverage", "--ask", "100", "--wished", "0.9", *bench.arguments(of_towns())]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "threshold" in told and "Area under the risk-coverage curve" in told
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert len(record["curve"]) == lab.MOST_POINTS and record["curve"][0]["answered"] == len(TOWNS) / len(ASKED)
    assert record["area"]["n"] == len(TOWNS) and record["chosen"]["threshold"] > 0


@pytest.mark.slow
def test_answers_without_odds_have_no_curve_and_an_engine_without_them_is_refused(bench, reader, monkeypatch):
    monkeypatch.setattr(type(reader), "tokens", lambda self, text: ())
    with pytest.raises(WorkbenchError, match="without log-probabilities"):
        drain(lab.measure_confidence(bench, of_towns(), 5))
    with pytest.raises(WorkbenchError) as refused:
        lab.writing(with_settings(of_towns(), {"generation.part": "anthropic"}))
    assert refused.value.where == "context.confidence"
