"""The page Train an adapter: the data and its card, the command that follows the form, and adapters that are put to use."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.__main__ import parse
from core.annotation.drawing import draw_pairs
from core.annotation.rounds import freeze
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.adapters.arguments import read_arguments, saved_arguments, stored_arguments
from core.labs.adapters.training import AdapterEntry, in_use
from core.models.adapters import RECORD, SETTINGS, WEIGHTS
from core.progress import drain
from core.workbench import Workbench
from tests.support.annotated import candidates, judge
from tests.support.annotated import pairs as pair_study
from tests.support.played_model import play
from tests.support.screen import html, visit

WORDS = "amber birch cedar dune elm fjord grove heath inlet jetty knoll ledge marsh notch".split()
TEXTS = {f"{name}{n}.txt": f"The {name}{n} by {name}{n}a and {name}{n}b opens at {n * 3}." for n in range(8) for name in WORDS}
FEW = 84  # texts of this page's tests
QUESTIONS = [
    {"id": str(i), "question": f"When does {name[:-4]} open?", "document": name, "answer": text.split(" opens ")[1].rstrip(".")}
    for i, (name, text) in enumerate(TEXTS.items())
]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    documents = "\n".join(json.dumps({"id": name, "text": text}) for name, text in list(TEXTS.items())[:FEW])
    asked = "\n".join(map(json.dumps, QUESTIONS[:FEW]))
    drain(Workbench(home).library.ingest("towns", [("towns.jsonl", documents.encode())], ("questions.jsonl", asked.encode())))
    return home


def start(**address: str) -> AppTest:
    app = visit("train_adapter", {"corpus.dataset": "towns", **address})
    assert not app.exception and not app.error
    return app


def test_settings_stay_as_they_were_while_another_page_is_looked_at(bench):
    app = start()
    app.number_input(key="adapter/max_steps").set_value(7)
    app.selectbox(key="adapter/targets").set_value("mlp").run()
    app.switch_page("../pages/browse_corpus.py").run()
    app.switch_page("../pages/train_adapter.py").run()
    assert not app.exception
    assert (app.number_input(key="adapter/max_steps").value, app.selectbox(key="adapter/targets").value) == (7, "mlp")


def test_a_corpus_without_questions_is_no_lesson(bench):
    drain(bench.library.ingest("silent", [("silent.jsonl", b'{"id": "a", "text": "The pass by the lake opens at nine."}')]))
    bench.resolve(TrialConfig(corpus={"dataset": "silent"}))
    app = start(**{"corpus.dataset": "silent"})
    assert any("no questions with evidence to learn from" in info.value for info in app.info)
    assert not [button for button in app.button if button.label == "Train"]


def record(base: str = "bundled") -> dict:
    compared = {"difference": 0.3, "low": 0.2, "high": 0.4, "p": 0.001, "exact": False, "effect_size": 1.0, "note": ""}
    compared |= {"before": 0.4, "after": 0.7, "wins": 5, "losses": 0, "ties": 1, "n": 6, "total": 6}
    answer = {"id": "1", "answer": "At three.", "em": 0.0, "f1": 0.5}
    return {
        "base": {"name": "SmolLM2", "model": base, "sha256": "0"},
        "config": {"rank": 8, "dora": False, "rslora": True, "targets": "all"},
        "comparison": {"em": compared, "f1": compared},
        "stopped": "early",
        "steps": 40,
        "best_step": 20,
        "trainable": 1200,
        "tokens_per_s": 300.0,
        "seconds": {"training": 60.0},
        "data": {
            "source": "towns",
            "examples": {"train": 3},
            "groups": {"train": 3},
            "left_out": {},
            "tokens": {},
            "checksum": "c",
        },
        "tested": [{"id": "1", "question": "When?", "references": ["At 3."], "before": answer, "after": answer}],
        "created": "2026-01-01",
    }


@pytest.mark.slow
def test_the_card_of_the_data_and_its_examples_are_shown(bench):
    app = start()
    app.button(key="adapter/look").click().run()
    assert not app.exception
    assert any("checksum" in caption.value for caption in app.caption)
    assert any("When does" in text.value for text in app.text)
    app.number_input(key="adapter/max_steps").set_value(8).run()  # another setting: the card is asked for again
    assert not any("checksum" in caption.value for caption in app.caption)


@pytest.mark.slow
def test_the_command_follows_the_form_and_becomes_a_job(bench, started):
    app = start()
    app.number_input(key="adapter/max_steps").set_value(7).run()
    assert app.number_input(key="adapter/max_steps").label == "Steps, at most"
    assert app.number_input(key="adapter/alpha").proto.format == "%g", "32, not 32.00"
    assert "Compare the adapter that comes with the model (answerer)" in [link.proto.label for link in app.get("page_link")]
    short = next(caption for caption in app.caption if "7 steps of 8 examples" in caption.proto.help)
    assert "GB of memory" in short.value and "steps" not in short.value, "the phases stand in its help"
    assert any("adapters train towns-1 --train max_steps=7 --dataset towns" in code.value for code in app.code)
    app.button(key="adapter/start").click().run()
    assert started == [["train-adapter", "towns-1", "--train", "max_steps=7", "--dataset", "towns", *started[0][6:]]]


@pytest.mark.slow
def test_a_file_is_asked_for_before_anything_can_start(bench):
    app = start()
    app.selectbox(key="learn_from").set_value("file").run()
    assert not app.exception and not [button for button in app.button if button.key == "adapter/start"]


@pytest.mark.slow
def test_an_adapter_tells_what_it_was_worth_and_is_put_to_use(bench, tmp_path):
    folder = bench.home / "adapters" / "mine"
    folder.mkdir(parents=True)
    for file in (WEIGHTS, SETTINGS):
        (folder / file).write_text("{}")
    (folder / RECORD).write_text(json.dumps(record()))
    app = start()
    assert "▲ +0.300" in html(app) and "rsLoRA rank 8" in html(app) and "stopped early" in html(app)
    app.button(key="adapter/use/mine").click().run()
    assert not app.exception and app.query_params["generation.adapter"] == "mine"
    assert [button.label for button in app.button if button.key == "adapter/use/mine"] == ["In use"]


@pytest.mark.slow
def test_an_adapter_of_preferences_tells_how_it_ranks_pairs(bench):
    folder = bench.home / "adapters" / "liked"
    folder.mkdir(parents=True)
    for file in (WEIGHTS, SETTINGS):
        (folder / file).write_text("{}")
    (folder / RECORD).write_text(json.dumps(record() | {"test": {"accuracy": {"value": 0.7, "low": 0.6, "high": 0.8}}}))
    told = html(start())
    assert "0.700 (0.600 to 0.800) ranked as people did" in told and "Against the preferred answers" in told


def test_use_names_the_model_that_it_was_trained_on_and_keeps_the_engine_that_can_wear_it():
    assert in_use(TrialConfig(), AdapterEntry("a", record("/models/own")))["generation.model"] == "/models/own"
    assert in_use(TrialConfig(), AdapterEntry("a", record())) == {"generation.adapter": "a", "generation.adapter_scale": 1.0}


def learn_from(app: AppTest, name: str) -> AppTest:
    app = app.selectbox(key="learn_from").set_value(name).run()
    assert not app.exception and not app.error
    return app


@pytest.mark.slow
def test_questions_about_documents_are_a_job_and_then_a_card_with_its_filters(bench, started, monkeypatch):
    played, rows = play(monkeypatch), []
    for number in range(30):
        word = WORDS[number % 14]
        hour = f"hour {number} of a {word}an day"
        text = (
            f"People of {word}{number} wake up at {hour}. In {word}{number} nobody knows who began that, or why it is {word}ish."
        )
        asked = f"Question: When do {word}{number}s get out of {word}y beds?"
        rows.append(json.dumps({"id": str(number), "text": text}))
        played.says |= {text: f"{asked}\nAnswer: {hour}", asked: hour}
    drain(bench.library.ingest("long", [("long.jsonl", "\n".join(rows).encode())], None))
    app = learn_from(start(**{"corpus.dataset": "long"}), "documents")
    app.selectbox(key="adapter/answers").set_value("written").run()
    app.number_input(key="adapter/questions").set_value(30).run()
    monkeypatch.setattr("app.ui.jobs.AT_ONCE_S", -1.0)  # a played model writes at once, which needs no price
    app.button(key="adapter/look").click().run()
    assert any("30 texts by the model" in caption.value for caption in app.caption) and not played.runs
    app.button(key="start/adapter-data/").click().run()
    words = ["adapter-data", "--train", "source=documents", "--train", "questions=30", "--train", "answers=written"]
    assert started[0][:7] == words
    drain(parse(started[0]).work(bench))
    app.button(key="adapter/look").click().run()
    assert not app.exception and not app.error
    assert any("written questions passed" in mark.value for mark in app.markdown) and "answerable from the passage" in html(app)
    assert len([text for text in app.text if text.value.startswith("user: ")]) == 3
    app.button(key="adapter/start").click().run()
    assert started[1][:4] == ["train-adapter", "long-1", "--train", "source=documents"]


@pytest.mark.slow
def test_preferences_of_people_become_pairs_and_a_training(bench, started):
    study = pair_study(items=draw_pairs(candidates(24), "system 0", "system 1", 24), annotators=("Ann",), per_item=1)
    frozen = freeze(bench, study, "main")
    for item in study.items:
        judge(bench, frozen, "Ann", item.id, preference="b")
    app = learn_from(start(), "preferences")
    app.slider(key="adapter/pairs/alike").set_value(1.0).run()
    app.button(key="adapter/look").click().run()
    shown = [text.value for text in app.text]
    assert shown[1].startswith("Answer") and "<b>1</b>" in shown[1] and "<b>0</b>" in shown[2]
    assert any("preferences of ab" in caption.value for caption in app.caption)
    app.button(key="adapter/start").click().run()
    assert started[0][:4] == ["train-dpo", "towns-1", "--train", "alike=1.0"]


@pytest.mark.slow
def test_arguments_are_saved_loaded_and_taken_by_the_command_line(bench, tmp_path):
    app = start()
    app.number_input(key="adapter/max_steps").set_value(7).run()
    app.selectbox(key="adapter/keep").set_value("last").run()
    app.text_input(key="adapter/arguments/name").set_value("short").run()
    app.button(key="adapter/arguments/save").click().run()
    assert not app.exception and saved_arguments(bench) == ["short"]
    told = {"max_steps": 7, "keep": "last"}
    assert stored_arguments(bench, "short").settings == told == read_arguments(bench, Path("short"), "train-adapter")
    app.number_input(key="adapter/max_steps").set_value(9).run()
    app = app.selectbox(key="learn_from").set_value("preferences").run()
    app.selectbox(key="adapter/arguments/of").set_value("short").run()
    app.button(key="adapter/arguments/load").click().run()
    assert not app.exception and app.selectbox(key="learn_from").value == "corpus"
    assert app.number_input(key="adapter/max_steps").value == 7 and app.selectbox(key="adapter/keep").value == "last"
    file = tmp_path / "own.yaml"
    file.write_text("verb: train-adapter\nsettings: {rank: 4}\n")
    assert read_arguments(bench, file, "train-adapter") == {"rank": 4}
    for text, words in (
        ("verb: train-adapter\nsettings: {ranks: 4}", "ranks"),
        ("verb: sweep", "no arguments"),
        ("verb: train-dpo", "not of train-adapter"),
        ("[", "YAML"),
    ):
        file.write_text(text)
        with pytest.raises(WorkbenchError) as raised:
            read_arguments(bench, file, "train-adapter")
        assert words in str(raised.value) + raised.value.todo and "own.yaml" in raised.value.where, text
