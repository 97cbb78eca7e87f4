"""The page Train an adapter: the data and its card, the command that follows the form, and adapters that are put to use."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.labs.adapters import AdapterEntry, in_use
from core.models.adapters import RECORD, SETTINGS, WEIGHTS
from tests.support.small_corpora import with_towns

MAIN = Path(__file__).parents[2] / "app" / "main.py"
WORDS = "amber birch cedar dune elm fjord grove heath inlet jetty knoll ledge marsh notch".split()
TEXTS = {f"{name}{n}.txt": f"The {name}{n} by {name}{n}a and {name}{n}b opens at {n * 3}." for n in range(8) for name in WORDS}
FEW = 84  # texts of this page's tests: each file is read in a process of its own
QUESTIONS = [
    {"id": str(i), "question": f"When does {name[:-4]} open?", "document": name, "answer": text.split(" opens ")[1].rstrip(".")}
    for i, (name, text) in enumerate(TEXTS.items())
]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with_towns(home, dict(list(TEXTS.items())[:FEW]), QUESTIONS[:FEW])
    return home


def start(**address: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=60)
    for key, value in {"corpus.dataset": "towns", **address}.items():
        app.query_params[key] = value
    app = app.run().switch_page("../pages/train_adapter.py").run()
    assert not app.exception and not app.error
    return app


def html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


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


def test_the_card_of_the_data_and_its_examples_are_shown(bench):
    app = start()
    app.button(key="adapter/look").click().run()
    assert not app.exception
    assert any("checksum" in caption.value for caption in app.caption)
    assert any("When does" in text.value for text in app.text)
    app.number_input(key="adapter/max_steps").set_value(8).run()  # another setting: the card is asked for again
    assert not any("checksum" in caption.value for caption in app.caption)


def test_the_command_follows_the_form_and_becomes_a_job(bench, started):
    app = start()
    app.number_input(key="adapter/max_steps").set_value(7).run()
    assert any("train-adapter towns-1 --train max_steps=7 --dataset towns" in code.value for code in app.code)
    app.button(key="adapter/start").click().run()
    assert started == [["train-adapter", "towns-1", "--train", "max_steps=7", "--dataset", "towns", *started[0][6:]]]


def test_a_file_is_asked_for_before_anything_can_start(bench):
    app = start()
    app.radio(key="adapter/source").set_value("A file").run()
    assert not app.exception and not [button for button in app.button if button.key == "adapter/start"]


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


def test_an_adapter_of_preferences_tells_how_it_ranks_pairs(bench):
    folder = bench.home / "adapters" / "liked"
    folder.mkdir(parents=True)
    for file in (WEIGHTS, SETTINGS):
        (folder / file).write_text("{}")
    (folder / RECORD).write_text(json.dumps(record() | {"test": {"accuracy": {"value": 0.7, "low": 0.6, "high": 0.8}}}))
    told = html(start())
    assert "0.700 (0.600 to 0.800) ranked as people did" in told and "Against the preferred answers" in told


def test_use_names_the_model_that_it_was_trained_on():
    assert in_use(AdapterEntry("a", record("/models/own")))["generation.model"] == "/models/own"
