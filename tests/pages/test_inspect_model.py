"""The page Inside the model: known sizes, clear errors, the cache measured, shares of attention, tokenizers, experts."""

import json
import struct
from functools import partial

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui.inside.cache import fitted
from core.__main__ import parse
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.inside import architecture, attention, cache, model
from core.labs.inside.cache import fit
from core.progress import drain
from core.records import Progress
from core.training.tokenizers import tokenizer_files
from core.workbench import Workbench
from tests.support.screen import html, visit
from tests.support.small_corpora import MARKET, markets

TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork", "Brno", "Linz", "Nice", "Graz", "Oslo", "Riga")
TEXTS, QUESTIONS = markets(TOWNS, f"{MARKET} " * 12)
TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>\n{{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}<answer>\n{% endif %}"
ADDRESS = {"corpus.dataset": "towns", "fusion.part": "sparse_only"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    workbench = Workbench(tmp_path_factory.mktemp("home"))
    questions = ("questions.jsonl", "\n".join(map(json.dumps, QUESTIONS)).encode())
    files = [(name, text.encode()) for name, text in TEXTS.items()]
    for name, asked in (("towns", questions), ("silent", None)):
        drain(workbench.library.ingest(name, files, asked))
    return workbench


@pytest.fixture(scope="module")
def tools():
    """A model of the same make, small enough to run in milliseconds."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    from core.scratch.models.transformer import Shape, Transformer

    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        TEXTS.values(), trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    )
    shape = Shape(layers=3, heads=4, kv_heads=2, head_size=8, width=32, hidden=64, vocabulary=400, context=1024)
    return model.LoadedTransformer(Transformer(shape).eval(), tokenizer, TEMPLATE)


@pytest.fixture
def page(bench, tools, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(bench.home))
    monkeypatch.setattr(session, "workbench", lambda: bench)

    def load():
        yield Progress(0, 0, "Loading")
        return tools

    for module in (model, attention, cache):
        monkeypatch.setattr(module, "load", load)

    def start(view: str = "Architecture", **address: str) -> AppTest:
        app = visit("inspect_model", {**ADDRESS, **address}, view=view)
        assert not app.exception
        return app

    return start


def words(app: AppTest) -> str:
    return " ".join(one.value for one in [*app.markdown, *app.caption]).replace("\\", "")


def press(app: AppTest, key: str) -> AppTest:
    app = next(button for button in app.button if button.key == key).click().run()
    assert not app.exception and not app.error, [error.value for error in app.error]
    return app


def recipe() -> TrialConfig:
    return with_settings(TrialConfig(), ADDRESS)


# Architecture --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_bundled_model_is_read_and_the_known_answers_are_reached(page):
    app = page()
    assert "134,515,008" in html(app) and "3 (GQA)" in html(app) and ">97<" in html(app) and "MB" in html(app)
    known = [button for button in app.button if str(button.key).startswith("known/")]
    assert [button.label.rpartition(": ")[2] for button in known] == ["17.2 GB", "171.8 GB", "687.2 GB"]
    app = press(app, known[2].key)
    assert app.selectbox(key="model").value == "Llama 3.1 8B" and app.select_slider(key="context").value == 131_072
    assert ">687.2<" in html(app) and "8,030,261,248" in html(app)
    app = app.selectbox(key="attention").set_value("").run()
    assert ">171.8<" in html(app)
    app = app.selectbox(key="model").set_value("Mixtral 8x7B").run()
    assert "46,702,792,704" in html(app) and "2 of 8 experts" in html(app)
    found = architecture.read("Mixtral 8x7B")
    assert f">{found.active_parameters / 1e9:,.2f}<" in html(app) and found.active_parameters < 13e9


UNREADABLE = {
    "it is not UTF-8": b"no model at all \xff\xfe",
    "GGUF": b"GGUF" + struct.pack("<IQQ", 3, 5, 5),
    "invented": b'{"model_type": "invented"}',
    "leaves out": b'{"model_type": "llama"}',
}


@pytest.mark.slow
def test_what_cannot_be_read_is_told_and_the_page_lives(page, tmp_path):
    app = page().selectbox(key="model").set_value("A file of this machine").run()
    for number, (message, content) in enumerate(UNREADABLE.items()):
        file = tmp_path / f"model-{number}.bin"
        file.write_bytes(content)
        app = app.text_input(key="model_path").set_value(str(file)).run()
        assert not app.exception and message in app.error[0].value.replace("\\", ""), message
        assert "unexpected" not in app.error[0].value
        with pytest.raises(WorkbenchError) as error:
            architecture.read_upload("../given.gguf" if content[:4] == b"GGUF" else "given.json", content)
        assert "/tmp" not in error.value.where
    app = app.text_input(key="model_path").set_value(str(tmp_path / "none.gguf")).run()
    assert "cannot be read\\: No such file" in app.error[0].value
    app = app.selectbox(key="model").set_value("Qwen3 30B-A3B").run()
    assert not app.error and "30,532,122,624" in html(app)


def test_an_uploaded_config_is_read_under_its_own_name():
    config = {name: value for name, value in architecture.CONFIGS["Llama 3.1 8B"].items()}
    assert architecture.read_upload("my-llama.json", json.dumps(config).encode()).name == "my-llama"


# Key-value cache -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_cache_is_measured_with_and_without(page):
    app = page("KV cache")
    assert "Press Measure" in html(app) and "transformer written here" in words(app)
    app = app.select_slider(key="new_tokens").set_value(32).run()
    app = press(app, "measure")
    shown = html(app)
    assert "times</small>" in shown and "both gave the same tokens" in shown and "384 bytes a token" in shown
    assert words(app).count("Adjusted R²") == 2
    app = app.select_slider(key="new_tokens").set_value(64).run()  # what was measured stays until it is measured anew
    assert "last measurement" in words(app) and "384 bytes a token" in html(app)


@pytest.mark.parametrize(
    ("coefficients", "told"),
    [
        ((0, 1e-5, 1e-3), "the line explains as much"),
        ((1e-7, 0, 1e-3), "the square explains more"),
        ((0, 0, 1e-2), "no clear growth"),
        ((-1e-7, 0, 0.2), "no clear growth"),
    ],
)
def test_a_fit_is_told_in_words(coefficients, told):
    context = np.arange(32, 1000, 8)
    noise = np.random.default_rng(0).normal(0, 1e-4, len(context))
    seconds = np.polyval(coefficients, context) + noise
    assert told in fitted((fit(context, seconds, 1), fit(context, seconds, 2)), 1000)


# Attention -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_parts_of_the_prompt_have_all_the_attention(bench, tools):
    query = bench.corpus(recipe()).queries[0]
    hits = bench.search(recipe(), query.text)[:2]
    short = [attention._cut(hit, query, tools.tokenizer, 24) for hit in hits]
    looked = attention.look_at(tools, query.text, short)
    parts = {name: looked.text[looked.offsets[a][0] : looked.offsets[b - 1][1]] for name, (a, b) in looked.spans.items()}
    assert list(parts) == ["instructions", "[1]", "[2]", "question"]
    assert parts["question"].strip() == f"Question: {query.text}" and parts["[2]"].strip().startswith("[2] ")
    assert short[0].text in hits[0].text and hits[0].text[short[0].start - hits[0].start :].startswith(short[0].text)
    last = attention.attention_share(looked, len(looked.tokens) - 1)
    assert last.mass.shape == (3, 4, 6) and np.allclose(last.mass.sum(-1), 1, atol=2e-3)
    first = attention.attention_share(looked, 0)  # the first token sees itself alone
    assert np.allclose(first.mass[..., last.parts.index("first token")], 1) and np.allclose(first.entropy_bits, 0)


@pytest.mark.slow
def test_a_prompt_beyond_the_kept_maps_is_refused(bench, tools):
    query = bench.corpus(recipe()).queries[0]
    with pytest.raises(WorkbenchError, match="384"):
        attention.look_at(tools, query.text, bench.search(recipe(), query.text)[:5])


@pytest.mark.slow
def test_a_prompt_is_read_once_and_sliders_only_redraw(page, monkeypatch):
    app = press(page("Attention"), "do/attention")
    assert "Entropy of the heads" in html(app) and "<td>first token</td>" in html(app) and "layer 0, head 0" in html(app)
    monkeypatch.setattr(attention, "look_at", None)  # would fail if it were read again
    app = app.slider(key="layer").set_value(2).run()
    app = app.slider(key="head").set_value(3).run()
    assert not app.exception and not app.error and "layer 2, head 3" in html(app)
    app = app.segmented_control(key="head_colour").set_value("question").run()
    assert "Share on question" in html(app) and not app.error


@pytest.mark.slow
def test_without_questions_there_is_no_prompt(page):
    assert "no questions" in page("Attention", **{"corpus.dataset": "silent"}).info[0].value


# Tokenizers ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_tokenizers_are_trained_compared_and_reported(page, tmp_path, tools, monkeypatch):
    tools.tokenizer.save(str(tmp_path / "tokenizer.json"))
    theirs = tokenizer_files
    monkeypatch.setattr(
        "app.ui.inside.tokenizers.tokenizer_files",
        lambda: {"Towns": tmp_path / "tokenizer.json"} | {name: file for name, file in theirs().items() if name == "small one"},
    )
    app, own = page("Tokenizers"), f"vocabulary {tools.tokenizer.get_vocab_size()}"
    assert own in html(app) and "bytes a token" in html(app)
    app.text_input(key="tokenizer_name").set_value("small one")
    app.selectbox(key="tokenizer_kind").set_value("wordpiece")
    app.number_input(key="tokenizer_size").set_value(300)
    app = next(button for button in app.button if button.label == "Train").click().run()
    assert not app.exception and not app.error and app.multiselect(key="tokenizers").value == ["Towns", "small one"]
    app = press(app, "do/tokenizers")
    assert "Fertility" in html(app) and "Vocabulary use" in html(app) and "mean of 12 documents" in html(app)
    app = next(button for button in app.button if button.label == "Train").click().run()
    assert "already" in app.error[0].value  # the same name again
    app = app.text_input(key="tokenizer_path").set_value(str(tmp_path / "nothing")).run()
    assert "no tokenizer here" in " ".join(error.value for error in app.error) and own in html(app)


# Mixture of experts --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_experts_are_trained_in_a_job_with_and_without_the_balancing_loss_and_found_again(page, bench, monkeypatch):
    started = []
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label, *_: started.append((arguments, label)))
    app = page("Mixture of experts", moe_steps="20", moe_layers="1")
    assert "trained here" in html(app)
    app = press(app, next(button.key for button in app.button if button.label == "Train both"))
    [(arguments, label)] = started
    wanted = ["train-moe", "--both", "--train", "layers=1", "--train", "steps=20", "--dataset", "towns"]
    assert arguments == wanted and label == "Experts on towns"

    call = parse(arguments)
    rows = drain(call.work(bench))
    assert [row["balance"] for row in rows] == ["switch", "none"] and all(row["held_out_loss"] > 0 for row in rows)
    steps = list(call.work(bench))
    assert not any("loss" in step.message for step in steps), "what is trained is not trained again"
    shown = html(page("Mixture of experts", moe_steps="20", moe_layers="1"))
    assert shown.count("Held-out loss") == 2 and "Load of the experts" in shown and "Experts by part of speech" in shown
    other = page("Mixture of experts", moe_steps="50")  # not trained yet: the last ones are shown and named
    assert html(other).count("Held-out loss") == 2 and "1 layer, 20 steps" in words(other)


# Scaling


@pytest.mark.slow
def test_the_law_of_scaling_is_drawn_once_all_are_trained(page, bench, monkeypatch):
    from core.labs.inside import scaling as lab
    from core.statistics.scaling import ScalingLaw, scaling_law

    law, started = ScalingLaw(1.0, 60.0, 0.4, 200.0, 0.4), []
    monkeypatch.setattr(type(bench.jobs), "start", lambda self, arguments, label, *_: started.append(list(arguments)))
    app = page("Scaling")
    assert "9 small transformers of 9 still to train" in html(app)
    next(button for button in app.button if button.label == "Train 9").click().run()
    assert started[0][:3] == ["scaling", "--width", "32"]
    few = (
        app.multiselect(key="scaling_widths")
        .set_value([32, 64])
        .run()
        .multiselect(key="scaling_steps")
        .set_value([100, 200])
        .run()
    )
    assert "a law needs 6 trainings" in few.info[0].value and not any(b.label.startswith("Train") for b in few.button)

    def scaled(config):
        size, tokens = lab.parameters(config), config.steps * config.batch * config.context
        return lab.ScaledRun(config.width, size, tokens, 6.0 * size * tokens, float(law.loss(size, tokens)))

    monkeypatch.setattr(lab, "trained", lambda corpus, wanted: list(wanted))
    monkeypatch.setattr(lab, "scaled", scaled)
    monkeypatch.setattr(lab, "scaling_law", partial(scaling_law, resamples=10))  # of their intervals nothing is asked here
    app = page("Scaling")
    told = " ".join(caption.value for caption in app.caption)
    largest = scaled(lab.configs({}, [128], [400], [0])[0])
    assert f"measured: {largest.loss:.3f}" in told and f"{4 * largest.parameters:,} parameters" in told
    [table] = [frame.value for frame in app.dataframe if "Of the law" in frame.value]
    assert list(table["Of the law"]) == ["e", "a", "alpha", "b", "beta"]
