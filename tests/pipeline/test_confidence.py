"""Answers held to a confidence: what was written stays recorded, another threshold asks no model, and no threshold is what it was."""

import math

import pytest

from core.config import ContextConfig, TrialConfig, build, difference, fingerprint, with_settings
from core.context.prompt import UNKNOWN
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.labs.answers import answering as lab
from core.labs.answers import to_judge
from core.pipeline.answers import LEAST, Asker, KeptAnswer, answers_of, held
from core.pipeline.confidence import UNTOLD, WITHHELD, as_written, doubt, writer
from core.progress import Running, drain
from core.records import Token
from tests.support.failing import QUESTIONS, prepared, read, recipe

LUND = QUESTIONS[0]["question"]
UNSURE = {"Lund": 0.4, "Kiel": 0.6}


template = prepared


@pytest.fixture
def reader(monkeypatch):
    reader = read(monkeypatch)
    reader.odds = UNSURE
    return reader


def sure_of(least: float, **settings: object) -> TrialConfig:
    return recipe(**{"context.confidence": least, **settings})


def answered(bench, config, count: int = 8) -> dict[str, KeptAnswer]:
    made = drain(lab.answer_questions(bench, config, count))
    return {query.id: said for query, said in zip(made.queries, made.answers, strict=True)}


def tokens(*probabilities: float) -> tuple[Token, ...]:
    return tuple(Token("a", math.log(each), ()) for each in probabilities)


def test_without_a_threshold_a_recipe_is_what_it_was_before_there_was_one():
    before = TrialConfig().model_dump(mode="json")
    assert "confidence" not in before["context"] and ContextConfig().confidence == 0.0
    explicit = build({"context": {**before["context"], "confidence": 0}})
    assert explicit == build(before) == TrialConfig() and explicit.model_dump(mode="json") == before
    assert fingerprint(explicit) == fingerprint(TrialConfig()) != fingerprint(sure_of(0.5))
    assert difference(with_settings(TrialConfig(), {"context.confidence": 0.5})) == {"context.confidence": 0.5}
    assert build(sure_of(0.5).model_dump(mode="json")) == sure_of(0.5)


def test_the_key_holds_the_confidence_behind_that_of_the_record(bench, reader):
    def key(config: TrialConfig) -> str:
        return Asker(bench.resolve(config)).over(LUND, bench.search(config, LUND)).key

    with_odds = {"generation.logprobs": 1}
    assert key(recipe()) == key(sure_of(0.0)) and LEAST not in key(recipe())
    assert key(recipe(**with_odds)) != key(recipe()), "an answer without log-probabilities does not serve who wants them"
    assert key(sure_of(0.5)).partition(LEAST) == (key(recipe(**with_odds)), LEAST, "0.5")
    assert key(sure_of(0.25, **with_odds)).partition(LEAST)[0] == key(recipe(**with_odds))


def test_a_moved_threshold_asks_no_model_and_the_answer_as_written_stays(bench, reader):
    first = answered(bench, sure_of(0.5))
    asked = len(reader.prompts)
    assert asked and first["answered"].text == UNKNOWN and first["answered"].finish_reason == "abstained"
    assert (
        first["answered"].withheld == "The market of Lund opens at five." and first["misjudged"].text == "The grade of Kiel is A."
    )
    higher, none = answered(bench, sure_of(0.7)), answered(bench, sure_of(0.1))
    assert higher["misjudged"].withheld == "The grade of Kiel is A." and not any(said.withheld for said in none.values())
    assert none == answered(bench, recipe(**{"generation.logprobs": 1})), "the same record"
    assert len(reader.prompts) == asked
    [row] = bench.store.query("SELECT DISTINCT text FROM set_answers WHERE question = ?", [LUND])
    assert row["text"] == "The market of Lund opens at five."


def test_ask_withholds_an_unsure_answer_and_says_what_it_would_have_been(bench, reader):
    pieces = list(running := Running(bench.ask(sure_of(0.5), LUND)))
    answer = running.result
    assert "".join(piece for piece in pieces if isinstance(piece, str)) == answer.text == UNKNOWN
    assert answer.finish_reason == "abstained" and not answer.cited
    [note] = [note for note in answer.notes if note.startswith(WITHHELD)]
    assert "0.400" in note and "0.5" in note and note.endswith("The market of Lund opens at five.")
    written = as_written(answer)
    assert (written.text, written.finish_reason) == ("The market of Lund opens at five.", "stop") and not written.notes
    assert drain(bench.ask(sure_of(0.3), LUND)).text == written.text
    text, comparison = drain(bench.ask_again(sure_of(0.5), LUND, answer))
    assert text == written.text and comparison.share == 1.0 and comparison.same_reason and not comparison.changed


def test_answers_for_people_to_judge_are_recorded_as_they_were_written(bench, reader):
    drain(to_judge.answer_questions(bench, sure_of(0.5), 8))
    asked = len(reader.prompts)
    assert answered(bench, sure_of(0.1))["answered"].text == "The market of Lund opens at five." and len(reader.prompts) == asked


def test_an_engine_that_tells_no_odds_is_refused_and_an_answer_without_them_stands(bench, reader, monkeypatch):
    remote = sure_of(0.5, **{"generation.part": "anthropic"})
    with pytest.raises(WorkbenchError, match="no probabilities") as refused:
        drain(bench.ask(remote, LUND))
    assert refused.value.where == "context.confidence"
    monkeypatch.setattr(type(reader), "tokens", lambda self, text: ())
    answer = drain(bench.ask(sure_of(0.5), LUND))
    assert answer.text == "The market of Lund opens at five." and UNTOLD in answer.notes
    assert answered(bench, sure_of(0.5))["answered"].text == answer.text


def test_only_what_is_surely_less_sure_is_withheld():
    assert doubt(tokens(0.25, 1.0), "stop", 0.6) == pytest.approx(0.5) and doubt(tokens(0.25, 1.0), "stop", 0.5) is None
    assert doubt((), "stop", 0.9) is doubt(tokens(0.1), "failed: no", 0.9) is doubt(tokens(0.1), "abstained", 0.9) is None
    assert doubt(tokens(0.1), "stop", 0.0) is None
    said = KeptAnswer("x", "length", tokens=tokens(0.1))
    assert held(said, 0.0) is said and held(held(said, 0.5), 0.5) == held(said, 0.5)


def test_the_engine_keeps_log_probabilities_where_the_recipe_needs_them():
    assert writer(TrialConfig()).logprobs == 0 and writer(with_settings(TrialConfig(), {"context.confidence": 0.5})).logprobs == 1
    own = with_settings(TrialConfig(generation=LlamaCpp(logprobs=4)), {"context.confidence": 0.5})
    assert writer(own).logprobs == 4


def test_unknown_keys_are_no_answers(bench):
    assert answers_of(bench.pipeline, ["nothing", f"nothing{LEAST}0.5"]) == {}
