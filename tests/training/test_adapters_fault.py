"""An adapter's training killed outright, again and again: it goes on from a whole checkpoint and ends with the very same weights."""

import os
import random
import select
import signal
import subprocess
import sys
import time

import pytest

from core.models.adapters import WEIGHTS, is_tested
from core.models.hub import adapters_home
from core.training.log import read_log, work_folder
from tests.conftest import ROOT
from tests.generation.test_torch_lm import tiny_model

STEPS, KILLS = 18, 6
# the libraries are imported once: of each line a training of that name in a process of its own, whose id and end are told
TRAINER = """
import os, sys
import torch
from core.generation.torch_lm import Transformers
from core.models.hub import adapters_home
from core.progress import drain
from core.training.adapters import training
from core.training.adapters.examples import from_corpus
from core.training.adapters.settings import AdapterTraining
from tests.training.test_adapters import SMALL, towns
torch.set_num_threads(1)
config = AdapterTraining(**SMALL | {"max_steps": int(sys.argv[2]), "samples": 0, "evaluate_every": 6, "patience": 99})
model = Transformers(model=sys.argv[1], dtype="float32", context_tokens=1024, own_process="no")
for line in sys.stdin:
    child = os.fork()
    if not child:
        drain(training.train(config, from_corpus(towns(), config), model, adapters_home() / line.strip()))
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def trainer(tmp_path_factory):
    model = tiny_model(tmp_path_factory.getbasetemp() / "tiny")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GROUNDWORK_HOME": str(adapters_home().parent)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "bufsize": 0}
    command = [sys.executable, "-c", TRAINER, str(model), str(STEPS)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        yield process
        process.stdin.close()


def started(trainer, name: str) -> int:
    trainer.stdin.write(f"{name}\n".encode())
    return int(trainer.stdout.readline())


def ended(trainer) -> bool:
    return bool(select.select([trainer.stdout], [], [], 0)[0])


def steps_of(name):
    return [line for line in read_log(adapters_home() / name) if line["kind"] == "step"]


def killed(trainer, name, step, seed) -> bool:
    """Kills the training somewhere behind its first `step` steps, in whatever it does there; False where it was done before."""
    child, pause = started(trainer, name), random.Random(seed).uniform(0, 0.02)
    while not ended(trainer) and len(steps_of(name)) < step:
        time.sleep(0.001)
    time.sleep(pause)
    if not (done := ended(trainer)):
        os.kill(child, signal.SIGKILL)
    return int(trainer.stdout.readline()) == -signal.SIGKILL and not done


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_as_if_it_never_was(trainer):
    started(trainer, "whole")
    assert int(trainer.stdout.readline()) == 0
    kills = sum(killed(trainer, "broken", 1 + STEPS * number // KILLS, number) for number in range(KILLS))
    assert kills >= KILLS - 1  # the last may come too late
    if not is_tested("broken"):
        started(trainer, "broken")
        assert int(trainer.stdout.readline()) == 0
    losses = [[(line["step"], line["loss"]) for line in steps_of(name)] for name in ("whole", "broken")]
    assert losses[0] == losses[1] and len(losses[0]) == STEPS
    assert (adapters_home() / "whole" / WEIGHTS).read_bytes() == (adapters_home() / "broken" / WEIGHTS).read_bytes()
    assert not work_folder(adapters_home() / "broken").exists()  # nothing half-written is left behind
