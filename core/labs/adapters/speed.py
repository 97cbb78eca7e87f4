"""How fast trainings of adapters are on this machine: noted as far as each came, by its base and kind."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime

from core.config import fingerprint
from core.embedding.vectors import TOKEN_CHARACTERS
from core.errors import WorkbenchError
from core.labs.inside.architecture import bundled_file
from core.models import architecture
from core.models.hub import adapters_home
from core.pipeline.speed import Run
from core.training.adapters.settings import AdapterTraining, LoraTraining
from core.training.log import read_log
from core.workbench import Workbench

PROMPT_TOKENS = 120  # of a prompt beside its passages
LIBRARIES_BYTES = 6e8


@contextmanager
def timed(workbench: Workbench, model: str, name: str, training: LoraTraining) -> Generator[None, None, None]:
    """Notes how fast the training of this name was, as far as it came."""
    began = datetime.now().replace(microsecond=0).isoformat()
    try:
        yield
    finally:
        lines = [line for line in read_log(adapters_home() / name) if line["time"] >= began]
        steps, evaluations, answers = ([line for line in lines if line["kind"] == k] for k in ("step", "evaluation", "answers"))
        speeds, place = workbench.pipeline.speeds, speed_name(model, training)
        for kind, some, work in (
            ("steps", steps, len(steps) * training.batch_size * tokens_each(training)),
            ("evaluations", evaluations, len(evaluations) * training.validation_examples),
            ("answers", answers, sum(line["number"] for line in answers)),
        ):
            if some:
                speeds.note(f"{place}-{kind}", Run(len(some), work, sum(line["seconds"] for line in some), 0.0))
        if steps and (expected := memory_bytes(model, training)):
            share = {"memory": 1e6 * max(line["memory_mb"] for line in steps) / expected}
            speeds.keep(f"{place}-steps", speeds.record(f"{place}-steps") | share)


def speed_name(model: str, training: LoraTraining) -> str:
    """By which speeds are kept: what else is set changes them less than the base and the kind of training."""
    return fingerprint("adapter", model, type(training).__name__)


def memory_bytes(model: str, training: LoraTraining) -> float:
    """What a training holds on a CPU, about: the weights, the libraries, and of each token that is computed at once what every layer
    keeps for the way back. 0 where the model cannot be looked at."""
    try:
        shape = architecture.read(bundled_file() if model == "bundled" else model)
    except (WorkbenchError, OSError):
        return 0.0
    at_once = min((os.cpu_count() or 1) * training.at_once, training.batch_size * tokens_each(training))
    numbers = shape.layers * (12 * shape.width + 8 * shape.hidden)
    return architecture.weight_bytes(shape, "float32") + LIBRARIES_BYTES + 4 * numbers * at_once


def tokens_each(training: LoraTraining) -> float:
    """Of an example, about."""
    if isinstance(training, AdapterTraining):
        passages = (1 + training.distractors) * training.passage_characters / TOKEN_CHARACTERS
        return min(training.max_tokens, PROMPT_TOKENS + passages)
    return training.max_tokens
