"""An adapter's training killed outright, again and again: it goes on from a whole checkpoint and ends with the very same weights."""

import os
import random
import subprocess
import sys
import time

import pytest

from core.models.adapters import WEIGHTS, is_tested
from core.models.hub import adapters_home
from core.training.log import read_log, work_folder
from tests.conftest import ROOT
from tests.generation.test_torch_lm import tiny_model

STEPS = 24
CHILD = """
import sys
import torch
from core.generation.torch_lm import Transformers
from core.models.hub import adapters_home
from core.progress import drain
from core.training.adapters import training
from core.training.adapters.examples import from_corpus
from core.training.adapters.settings import AdapterTraining
from tests.training.test_adapters import SMALL, towns
torch.set_num_threads(1)
config = AdapterTraining(**SMALL | {"max_steps": int(sys.argv[3]), "samples": 0, "evaluate_every": 6, "patience": 99})
model = Transformers(model=sys.argv[2], dtype="float32", context_tokens=1024, own_process="no")
drain(training.train(config, from_corpus(towns(), config), model, adapters_home() / sys.argv[1]))
"""


def started(name, model):
    command = [sys.executable, "-c", CHILD, name, str(model), str(STEPS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GROUNDWORK_HOME": str(adapters_home().parent)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def steps_of(name):
    return [line for line in read_log(adapters_home() / name) if line["kind"] == "step"]


def killed(name, model, step, seed):
    """Kills the training somewhere behind its first `step` steps, in whatever it does there; False where it was done before."""
    child, pause = started(name, model), random.Random(seed).uniform(0, 0.02)
    try:
        while child.poll() is None and len(steps_of(name)) < step:
            time.sleep(0.001)
        time.sleep(pause)
        return child.poll() is None
    finally:
        child.kill()
        child.wait()


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_as_if_it_never_was(tmp_path_factory):
    moments = 8
    model = tiny_model(tmp_path_factory.getbasetemp() / "tiny")
    whole = started("whole", model)
    assert whole.wait() == 0
    kills = sum(killed("broken", model, 1 + STEPS * number // moments, number) for number in range(moments))
    assert kills >= moments - 1  # the last may come too late
    if not is_tested("broken"):
        assert started("broken", model).wait() == 0
    losses = [[(line["step"], line["loss"]) for line in steps_of(name)] for name in ("whole", "broken")]
    assert losses[0] == losses[1] and len(losses[0]) == STEPS
    assert (adapters_home() / "whole" / WEIGHTS).read_bytes() == (adapters_home() / "broken" / WEIGHTS).read_bytes()
    assert not work_folder(adapters_home() / "broken").exists()  # nothing half-written is left behind
