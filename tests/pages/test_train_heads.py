"""The tab of heads on the page Train an adapter: the command that follows the form, and what a trained head shows."""

import json

import pytest

from core.labs.heads import trained as lab
from core.records import Corpus, Query
from tests.pages.test_train_adapter import QUESTIONS, TEXTS, html, start
from tests.support.small_corpora import with_towns
from tests.support.small_reader import small_reader

TAB = {"view": "Heads of the encoder"}


def record(**changed):
    return {
        "task": "one label",
        "sizes": {"train": 30, "validation": 5, "test": 9, "labels": 2},
        "test": {"macro_f1": {"value": 0.8125, "low": 0.6, "high": 0.9}, "accuracy": {"value": 0.75, "low": None, "high": None}},
        "steps": 40,
        "best_step": 20,
        "stopped": "early",
        "seconds": {"training": 61.0, "testing": 0.1, "test_a_text": 0.0123},
        "notes": ["2 examples left out."],
        "created": "2026-01-01",
    } | changed


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with_towns(home, dict(list(TEXTS.items())[:2]), QUESTIONS[:2])
    return home


@pytest.fixture
def trained(bench):
    folder = bench.home / "heads" / "kinds"
    folder.mkdir(parents=True)
    (folder / "training.json").write_text(json.dumps(record()))
    lines = [
        {"read": "the red car", "truth": ["red"], "prediction": ["red"]},
        {"read": "the blue car", "truth": ["blue"], "prediction": ["red"]},
    ]
    (folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    log = [{"kind": "step", "step": 1, "loss": 0.7}, {"kind": "evaluation", "step": 0, "macro_f1": 0.2, "seconds": 1}]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    return folder


@pytest.mark.slow
def test_the_command_follows_the_form_and_becomes_a_job(bench, started):
    app = start(**TAB)
    assert not [button for button in app.button if button.key == "head/start"], "no question of this corpus has a type"
    app.radio(key="head/kind").set_value("train-reader").run()
    app.number_input(key="head/seed").set_value(2).run()
    app.button(key="head/start").click().run()
    assert not app.exception
    assert started == [["train-reader", "reader-1", "--dataset", "towns", "--train", "seed=2"]]


@pytest.mark.slow
def test_a_head_tells_its_measures_its_mistakes_first_and_its_export(bench, trained, started, monkeypatch):
    app = start(**TAB)
    shown = html(app)
    assert "Macro-F1" in shown and "0.812" in shown and "0.600 to 0.900" in shown and "12.3 ms" in shown
    assert shown.index("the blue car") < shown.index("the red car")
    app.button(key="start/export-onnx/kinds").click().run()
    assert started == [["export-onnx", "kinds"]] and not app.exception


@pytest.mark.slow
def test_a_reader_answers_at_a_press(bench):
    said = {"read": ["Where?", "It is in Rome."], "truth": [["Rome", 9]], "prediction": "Rome"}
    (small_reader("spans-1", **record()) / "predictions.jsonl").write_text(json.dumps(said) + "\n")
    app = start(**TAB)
    app.button(key="head/use/spans-1").click().run()
    assert not app.exception and app.button(key="head/use/spans-1").disabled
    assert app.session_state["recipes"]["current"].answering.model_dump(include={"part", "model"}) == {
        "part": "reader",
        "model": "spans-1",
    }


def test_a_file_is_kept_by_its_contents_under_its_own_ending(bench, tmp_path):
    first, again = lab.received(b"text,label\n", "../../etc/a.csv"), lab.received(b"text,label\n", "b.CSV")
    assert first == again and first.suffix == ".csv" and first.parent == bench.home / "heads" / ".files"
    assert lab.received(b"x", "data.json.gz").name.endswith(".json.gz") and lab.received(b"x", "a.exe").suffix == ""


@pytest.mark.parametrize(("types", "serves"), [(["", "city"], False), (["", ""], False), (["city", "sea", ""], True)])
def test_questions_without_a_type_are_no_label_to_learn(types, serves):
    corpus = Corpus("c", (), tuple(Query(str(n), "Where?", group=each) for n, each in enumerate(types)))
    assert lab.corpus_serves("train-classifier", corpus) == serves


def test_examples_of_every_task_are_told_in_words():
    told = [
        lab._example({"read": ["who", "passage"], "truth": [["Rome", 3], ["rome", 9]], "prediction": "Rome"}),
        lab._example({"read": ["who", "passage"], "truth": [], "prediction": ""}),
        lab._example({"read": ["in", "Rome"], "truth": ["O", "B-place"], "prediction": ["O", "O"]}),
        lab._example({"read": ["q", "a", "b"], "truth": "the first", "prediction": [0.5, 1.25]}),
    ]
    assert [each.right for each in told] == [True, True, False, False]
    assert told[0].truth == "Rome or rome" and told[1].prediction == "no answer" and told[2].read == "in Rome"
    assert told[3].prediction == "rewards 0.50 and 1.25"


def test_what_a_measure_counts_as_right_is_shown_as_right():
    told = [
        lab._example({"read": ["who", "passage"], "truth": [["Normans", 4]], "prediction": "The Normans"}),
        lab._example({"read": ["who", "passage"], "truth": [["Normans", 4]], "prediction": "Norman"}),
        lab._example({"read": ["who", "passage"], "truth": [], "prediction": "Normans"}),
        lab._example({"read": "a text", "truth": ["b", "a"], "prediction": ["a", "b"]}),
        lab._example({"read": "a text", "truth": ["b", "a"], "prediction": ["a"]}),
        lab._example({"read": ["a", "text"], "truth": ["O", "B-x"], "prediction": ["B-x", "O"]}),
    ]
    assert [each.right for each in told] == [True, False, False, True, False, False]
