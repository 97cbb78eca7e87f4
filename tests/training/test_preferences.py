"""Direct preference optimisation: its loss by TRL's own, that it learns, goes on where it was, and what it tells."""

import json

import pytest

from core.errors import WorkbenchError
from core.generation.torch_lm import Transformers
from core.models.adapters import RECORD, checked_adapter
from core.models.hub import adapters_home
from core.progress import Running, drain
from core.training.adapters import preferences
from core.training.adapters.preferences import PairMeasures, PreferenceLoop, TokenPair, both
from core.training.adapters.settings import PreferenceTraining
from core.training.adapters.training import plain_knobs
from core.training.heads.examples import Compared, divided
from core.training.log import read_log
from tests.generation.test_torch_lm import tiny_model

SMALL = {
    "rank": 2,
    "max_steps": 6,
    "batch_size": 4,
    "evaluate_every": 3,
    "checkpoint_every": 1,
    "samples": 0,
    "learning_rate": 0.01,
}
SMALL |= {"answer_tokens": 12, "validation_examples": 3, "test_examples": 4}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import torch

    torch.set_num_threads(1)
    folder = tiny_model(tmp_path_factory.getbasetemp() / "tiny")
    return Transformers(model=str(folder), dtype="float32", context_tokens=1024, own_process="no")


def pairs(n=40):
    return [Compared(f"What is number {i}?", f"yes {i}", f"no never {i}", str(i)) for i in range(n)]


def start(model, name="p", **settings):
    config = PreferenceTraining(**SMALL | settings)
    parts = divided([("", pair) for pair in pairs()], 0.2, 0.2, 0, "here")
    return preferences.train_preferences(config, parts, "here", model, adapters_home() / name)


def loop_of(model, beta=0.3):
    base = plain_knobs(model, 12).opens()[1]()
    loop = PreferenceLoop(PreferenceTraining(**SMALL | {"beta": beta}), base, model, [], [], [], adapters_home(), "")
    read = drain(preferences.tokenized(loop.config, {"train": pairs(3), "validation": [], "test": []}, base, 500))[0]["train"]
    return loop, drain(preferences.referred(loop, [pair for _, pair in read], plain_knobs(model, 12).opens()[0], "train"))


def shaken(loop):
    import torch

    torch.manual_seed(1)
    with torch.no_grad():
        for weight in loop._weights.values():
            weight.normal_(0, 0.1)


@pytest.mark.slow
def test_the_loss_is_that_of_trl(model, tmp_path):
    import torch
    from trl import DPOConfig, DPOTrainer

    from datasets import Dataset

    loop, some = loop_of(model)
    sequences = [pair.chosen for pair in some] + [pair.rejected for pair in some]
    width = max(len(each.ids) for each in sequences)
    inputs = {
        "input_ids": torch.tensor([each.ids + (0,) * (width - len(each.ids)) for each in sequences]),
        "attention_mask": torch.tensor([(1,) * len(each.ids) + (0,) * (width - len(each.ids)) for each in sequences]),
        "completion_mask": torch.tensor(
            [(0,) * (len(each.ids) - each.answer) + (1,) * each.answer + (0,) * (width - len(each.ids)) for each in sequences]
        ),
    }
    arguments = DPOConfig(str(tmp_path), beta=0.3, use_cpu=True, report_to=[], bf16=False, gradient_checkpointing=False)
    rows = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}] * 2)
    trainer = DPOTrainer(loop.tuned, args=arguments, train_dataset=rows, processing_class=loop.base.tokenizer)
    trainer.model.eval()  # what it keeps as its reference is the adapter as it was given: one that changes nothing
    shaken(loop)
    with torch.no_grad():
        theirs = float(trainer._compute_loss(trainer.model, inputs, False))
        ours = float(loop.loss(some)) / len(some)
    assert ours == pytest.approx(theirs, rel=1e-4) and abs(ours - 0.6931) > 0.01


def test_measures_of_a_pair_are_those_by_hand(model):
    import torch

    loop, some = loop_of(model)
    shaken(loop)
    [row] = loop.measures(some[:1])
    told = PairMeasures(*row)
    with torch.no_grad():
        chosen, rejected = loop.log_likelihoods(both(some[:1])).tolist()
    assert told.chosen == pytest.approx(chosen - some[0].reference[0], abs=1e-4)
    assert told.margin == pytest.approx(0.3 * (told.chosen - rejected + some[0].reference[1]), abs=1e-4)
    assert told.loss == pytest.approx(float(loop.loss(some[:1]).detach()), abs=1e-4) and told.kl > 0
    with torch.no_grad():
        for weight in loop._weights.values():
            weight.zero_()
    [row] = loop.measures(some[:1])
    assert (
        row[0] == pytest.approx(0.6931, abs=1e-4)
        and row[2] == pytest.approx(0, abs=1e-4)
        and row[5] == pytest.approx(0, abs=1e-6)
    )


@pytest.mark.slow
def test_it_learns_what_is_preferred_and_tells_how_far_it_went(model):
    result = drain(start(model, max_steps=12))
    record = json.loads((result.folder / RECORD).read_text())
    assert result.test["accuracy"]["value"] == 1.0 and result.test["loss"]["value"] < 0.65
    assert result.test["chosen"]["value"] > result.test["rejected"]["value"] and result.test["kl"]["value"] > 0
    assert record["answers"].keys() == {"before", "after"} and 0 <= record["by_likelihood"]["by_the_token"] <= 1
    assert record["tokens_per_s"] > 0 and record["trainable"] > 0  # as the page tells of every adapter
    assert record["data"]["examples"]["test"] == 4 and record["config"]["beta"] == 0.1
    assert checked_adapter("p", record["base"]["sha256"]) == result.folder


@pytest.mark.slow
def test_stopped_it_goes_on_to_the_same_end(model):
    whole = drain(start(model, "whole"))
    running = start(model, "cut")
    while not next(running).message.startswith("Step 4"):
        pass
    running.close()
    again = drain(start(model, "cut"))
    assert "resume" in {line["kind"] for line in read_log(again.folder)} and again.test == whole.test


def test_a_second_training_asks_the_model_before_it_nothing_again(model):
    def trained(name, **settings):
        running = Running(start(model, name, max_steps=2, evaluate_every=2, **settings))
        told = {progress.message.partition(" on the pairs")[0] for progress in running}
        return running.result, told

    (one, first), (other, second) = trained("one"), trained("other", beta=0.5)
    of_base = {"The reference", "Test: answers of the base"}
    assert of_base < first and not of_base & second and "Test: answers with the adapter" in second
    assert one.by_likelihood == other.by_likelihood and one.answers["before"] == other.answers["before"]
    assert one.comparison["f1"]["before"] == other.comparison["f1"]["before"]


@pytest.mark.slow
def test_the_last_weights_stay_where_they_are_asked_for(model):
    broken = {"learning_rate": 0.1, "max_steps": 9}
    ends = {keep: drain(start(model, keep, keep=keep, **broken)).best_step for keep in ("best", "last")}
    assert ends["last"] == 9
    curve = [line for line in read_log(adapters_home() / "best") if line["kind"] == "evaluation"]
    assert ends["best"] == max(curve, key=lambda line: line["likelihood"])["step"]


def test_prompts_are_shortened_to_what_is_nearest_to_the_question():
    pair = Compared("Who sings Bloom?\n\nIt rained all day. Troye Sivan sings Bloom. Nobody came.", "a", "b")
    assert preferences.shortened(pair, 1).prompt == "Who sings Bloom?\n\nTroye Sivan sings Bloom."
    assert preferences.shortened(pair, 0) == preferences.shortened(pair, 500) == pair
    assert preferences.said_again("so it is and so it is") == pytest.approx(1 / 5) and preferences.said_again("no") == 0.0


@pytest.mark.slow
def test_pairs_are_drawn_of_those_that_fit(model):
    result = drain(start(model, train_examples=5))
    assert result.data["examples"]["train"] == 5
    with pytest.raises(WorkbenchError, match="short enough"):
        drain(start(model, "none", max_tokens=16))


def test_long_pairs_are_left_out_and_counted(model):
    base = plain_knobs(model, 12).opens()[1]()
    long = Compared("q", "word " * 40, "no", "q")
    read, left_out = drain(
        preferences.tokenized(PreferenceTraining(**SMALL), {"train": [long, *pairs(2)], "validation": [], "test": []}, base, 500)
    )
    assert len(read["train"]) == 2 and list(left_out.values()) == [1]
    assert isinstance(read["train"][0][1], TokenPair)
