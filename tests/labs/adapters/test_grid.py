"""What an adapter did: who follows the passage and who the memory is told, nothing is asked twice, and a wrong adapter is refused."""

import inspect
from itertools import product

import pytest

from core import registry
from core.answering.adaptive import AdaptiveRetrieval
from core.answering.react import React
from core.config import with_settings
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Generated
from core.generation.torch_lm import Transformers
from core.labs.adapters import grid as lab
from core.labs.adapters.grid import AdapterSide
from core.labs.answers.answering import CLOSED
from core.progress import drain
from core.records import Hit, Query
from core.workbench import Workbench
from tests.support.failing import recipe
from tests.support.small_corpora import with_towns

HOURS = {"Lund": "five", "Gent": "six", "Metz": "seven", "Bari": "eight", "Cork": "nine", "Brno": "ten"}
TEXTS = {f"{town}.txt": f"The market of {town} opens at {hour}." for town, hour in HOURS.items()}
QUESTIONS = [
    {"id": town, "question": f"When does the market of {town} open?", "document": f"{town}.txt", "answer": f"at {hour}"}
    for town, hour in HOURS.items()
]
BASE, TUNED = AdapterSide("", 1.0, "No adapter"), AdapterSide("a", 1.0, "a")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    drain(with_towns(home, TEXTS, QUESTIONS).prepare(recipe()))
    return home


@pytest.fixture
def prompts(monkeypatch):
    """Without the adapter the model knows two towns by heart and says so whatever the passage says; with it, it reads."""
    asked = []

    def said(self, prompt):
        asked.append((self.adapter, prompt))
        town = next(town for town in HOURS if town in prompt.rsplit("Question: ")[-1])
        if town in ("Lund", "Gent") and not (self.adapter and CLOSED not in prompt):
            return f"It opens at {HOURS[town]}."
        line = next((line for line in prompt.splitlines() if town in line and "opens" in line), "")
        return line or "I don't know."

    def generate(self, messages, seed=0, deadline_s=120.0):
        yield ""
        prompt = "\n".join(message["content"] for message in messages)
        return Generated(said(self, prompt), "stop", prompt, 9, 0, 9, 1.0, 2.0, "reader", "0")

    def generate_many(self, prompts, seeds=None, deadline_s=120.0, batch=8):
        made = []
        for messages in prompts:
            made.append((yield from generate(self, messages)))
        return made

    ways = {
        "load": lambda self: None,
        "identity": lambda self: f"reader {self.adapter} {self.adapter_scale}",
        "opens": lambda self: (("base",), None),
        "count_tokens": lambda self, text: len(text.split()),
        "generate": generate,
        "generate_many": generate_many,
        "holds": lambda self, messages: True,
        "_worn": lambda self: {},
    }
    for part, (name, instead) in product((LlamaCpp, Transformers), ways.items()):
        monkeypatch.setattr(part, name, instead, raising=False)
    monkeypatch.setattr(lab, "checked_adapter", lambda name, base: None)
    return asked


def mean(cells, side, context, measure="contains"):
    return cells.comparison.means[(side, context), measure]


@pytest.mark.slow
def test_gain_reliance_and_memory_are_told(bench, prompts):
    made = drain(lab.compare_adapters(bench, recipe(), ["a"], count=99))
    assert made.questions == 6 and made.memorised == 2 and made.conflicts == 6
    assert mean(made.cells, BASE, "none").mean == pytest.approx(2 / 6)
    assert mean(made.cells, TUNED, "gold").mean == 1.0
    assert mean(made.cells, BASE, "distractors", "abstained").mean == pytest.approx(4 / 6)
    plain, tuned = made.reliance
    assert (plain.context, plain.memory, plain.neither) == (4, 2, 0) and (tuned.context, tuned.memory) == (6, 0)
    assert tuned.against.difference == pytest.approx(2 / 6)
    assert [row["p (Holm)"] for row in lab.reliance_rows(made)] == [None, tuned.against.p]
    # over contradicting evidence the passage's answer is the right one
    gain = made.cells.comparison.of((TUNED, "contradicting"), "contains")
    assert mean(made.cells, TUNED, "contradicting").mean == 1.0 and gain.paired.difference == pytest.approx(2 / 6)
    assert gain.base == (BASE, "contradicting")
    assert mean(made.cells, TUNED, "contradicting", "containment").mean == 1.0
    assert made.cells.beyond[TUNED, "contradicting", "contains"].difference == pytest.approx(2 / 6)
    assert mean(made.fresh, TUNED, "gold", "em").n == 4
    told = " ".join(lab.sentences(made, 0.95))
    assert "follows the context over its memory in 100% of 6 conflicts, without it in 67% of 6" in told
    assert "2 of 6 questions are answered right without any passage" in told
    assert [row["system"] for row in lab.main_rows(made.cells)] == ["Neither", "Retrieval alone", "Fine-tuning alone", "Both"]
    assert made.items[0].keys() >= {"question", "possibly memorised", "No adapter, Closed book", "a, Gold evidence, f1"}


@pytest.mark.slow
def test_nothing_is_asked_twice_and_what_is_left_is_told(bench, prompts):
    assert lab.standing(bench, recipe(), ["a"], [1.0], 99)[1].answers > 0 and not prompts
    work = lab.compare_adapters(bench, recipe(), ["a"], count=99)
    while len(prompts) < 17:
        next(work)
    work.close()
    made = drain(lab.compare_adapters(Workbench(bench.home), recipe(), ["a"], count=99))
    assert len(prompts) - len(set(prompts)) <= 1, "what was under way when it was stopped"
    again, left = lab.standing(Workbench(bench.home), recipe(), ["a"], [1.0], 99)
    assert left.answers == 0 and lab.rows_of(again.cells) == lab.rows_of(made.cells)
    assert lab.standing(Workbench(bench.home), recipe(), ["a"], [0.5], 99)[1].answers > 0


def test_the_recipes_own_engine_answers_where_it_can_wear_the_adapters(bench, monkeypatch):
    monkeypatch.setattr("core.labs.adapters.training.is_plain", lambda name: name != "dora")
    bundled, elsewhere = recipe(), with_settings(recipe(), {"generation.model": "/models/own.gguf"})
    assert isinstance(lab.engine(bundled, ["a:0.5,b:0.5"]), LlamaCpp)
    assert all(isinstance(lab.engine(*each), Transformers) for each in ((bundled, ["a", "dora"]), (elsewhere, ["a"])))
    assert isinstance(lab.side_config(bundled, TUNED).generation, Transformers), "perplexities are torch's"


def test_answers_are_contradicted_by_ones_of_their_kind():
    queries = [
        Query(str(i), "?", (), answers) for i, answers in enumerate([("1912",), ("Rome",), ("in 1850",), ("the old king",)])
    ]
    evidence = [
        [Hit(1, 0.0, "d", "", 0, 9, text)] for text in ("built 1912 in 19123", "Rome is in rome", "it was 1850", "the old king")
    ]
    made = lab.contradicted(queries, evidence)
    assert made[0].hits[0].text == "built in 1850 in 19123" and made[0].other == "in 1850"
    assert made[1:] == [None, None, None], "no other name; its answer does not stand there; no other words"


@pytest.mark.parametrize(("settings", "words"), [
    ({}, ""),
    ({"context.hand_on": "neighbours"}, "taken from their documents again (context.hand_on)"),
    ({"context.hand_on": "document"}, "taken from their documents again (context.hand_on)"),
    ({"answering.part": "ircot"}, "ircot searches for passages again"),
    ({"answering.part": "react"}, "react searches for passages again"),
])  # fmt: skip
def test_evidence_is_not_contradicted_where_the_true_one_would_be_read(bench, prompts, settings, words):
    run = bench.resolve(recipe(**settings))
    grid = drain(lab._asked(bench, run, ["a"], [1.0], 99))
    notes = " ".join(lab._notes(run.config, [TUNED]))
    for context in ("distractors", "contradicting"):  # what was left out would be read as well
        asked = [each for side in (BASE, TUNED) for each in grid.arms[side, context].askings]
        assert len(asked) == 12 and [each is None for each in asked] == [bool(words)] * 12
    assert not any(grid.conflicts) if words else all(grid.conflicts)
    assert all(grid.arms[BASE, "gold"].askings) and words in notes and bool(notes) == bool(words)


def test_a_grid_without_contradicting_evidence_says_so(bench, prompts):
    made = drain(lab.compare_adapters(bench, recipe(**{"context.hand_on": "document"}), ["a"], count=2))
    assert made.conflicts == made.reliance[1].neither == 0 and made.reliance[1].follows.mean is None
    assert made.cells.comparison.means[(TUNED, "gold"), "f1"].n
    assert lab.sentences(made, 0.95)[0].startswith("Without evidence and contradicting evidence are not asked about:")


def test_ways_of_answering_that_search_again_are_known():
    searching = {
        name
        for name, part in registry.parts("answering").items()
        if issubclass(part, (React, AdaptiveRetrieval)) or "material.search" in inspect.getsource(inspect.getmodule(part))
    }
    assert searching == lab.SEARCHING


@pytest.mark.slow
def test_an_adapter_that_is_not_there_is_refused(bench):
    with pytest.raises(WorkbenchError, match="no adapter 'nothing'"):
        drain(lab.compare_adapters(bench, recipe(), ["nothing"]))


def test_questions_that_it_learnt_from_are_told(bench, prompts, monkeypatch):
    monkeypatch.setattr("core.labs.adapters.training.adapter_record", lambda name: {"data": {"source": "towns 123"}})
    made = drain(lab.compare_adapters(bench, recipe(), ["a"], count=2))
    assert "dev half" in made.notes[0]
    test_half = with_settings(recipe(), {"corpus.questions": "test"})
    assert not lab._notes(test_half, [TUNED])
