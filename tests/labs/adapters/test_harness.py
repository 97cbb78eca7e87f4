"""Tasks of lm-evaluation-harness: a task of our own by the library itself, and plain words where library or data is missing."""

import json
import sys

import pytest

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.generation.torch_lm import Transformers
from core.labs.adapters import harness as lab
from core.progress import drain
from tests.generation.test_torch_lm import tiny_model

TASK = """task: colours
dataset_path: json
dataset_kwargs: {data_files: {test: FILE}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
doc_to_choice: "{{choices}}"
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""


def test_without_the_library_it_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(WorkbenchError, match="not installed") as told:
        drain(lab.harness(TrialConfig(), [], ["arc_easy"]))
    assert lab.PACKAGE in told.value.todo


@pytest.fixture
def config(tmp_path):
    pytest.importorskip("lm_eval", reason=f"{lab.PACKAGE} is not installed")
    part = Transformers(model=str(tiny_model(tmp_path / "model")), dtype="float32", device="cpu", own_process="no")
    return TrialConfig(generation=part)


@pytest.mark.slow
def test_a_task_whose_data_lies_beside_it_is_asked(config, tmp_path):
    items = [{"question": f"{i} is", "answer": i % 2, "choices": [" a", " b"]} for i in range(6)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (tmp_path / "colours.yaml").write_text(TASK.replace("FILE", str(tmp_path / "items.jsonl")))
    [row] = lab.rows_of(drain(lab.harness(config, [], ["colours"], tmp_path, limit=4)))
    import torch

    model, right = config.generation.load(), []
    for item in items[:4]:
        nats = []
        for choice in item["choices"]:
            before, ids = (model.tokenizer(text)["input_ids"] for text in (item["question"], f"{item['question']} {choice}"))
            with torch.inference_mode():
                logits = model.model(torch.tensor([ids])).logits[0].log_softmax(-1)
            nats.append(sum(float(logits[place - 1, ids[place]]) for place in range(len(before), len(ids))))
        right.append(float(nats.index(max(nats)) == item["answer"]))
    assert (row["task"], row["measure"], row["n"], row["adapter"]) == ("colours", "acc", 4, "No adapter")
    assert row["score"] == pytest.approx(sum(right) / 4)


@pytest.mark.slow
def test_a_task_that_is_not_there_or_has_no_data_here_is_refused(config, tmp_path):
    with pytest.raises(WorkbenchError, match="no task 'nothing'"):
        drain(lab.harness(config, [], ["nothing"], tmp_path))
    hub = TASK.replace("dataset_path: json", "dataset_path: nobody/nothing").replace(
        "dataset_kwargs: {data_files: {test: FILE}}\n", ""
    )
    (tmp_path / "far.yaml").write_text(hub)
    with pytest.raises(WorkbenchError, match="not on this machine"):
        drain(lab.harness(config, [], ["colours"], tmp_path))
