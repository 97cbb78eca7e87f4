"""How the loss of the transformer written here falls with size and data: trainings on the corpus' texts, the law fitted to them,
how well it foretold the largest of them, and what it says of the next size.

Each training is the small mixture of experts with one expert, which is a plain transformer; the same settings are never trained twice.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from core.config import TrialConfig, fingerprint, valid
from core.errors import WorkbenchError
from core.labs.inside.experts import moe_folder, train_moe
from core.progress import counted_within
from core.records import Corpus, Progress
from core.report.table import Column, Table
from core.statistics.scaling import FittedScaling, check_determined, scaling_law
from core.training.experts import RUN, ExpertRun, MoeConfig, read_run
from core.workbench import Workbench

DENSE = {"experts": 1, "top_k": 1, "capacity_factor": 0.0, "balance": "none", "balance_weight": 0.0, "z_weight": 0.0}
WIDTHS, STEPS = (32, 64, 128), (100, 200, 400)
MEANS = {  # a parameter of the law -> in words
    "e": "Loss that no size or data takes away",
    "a": "Weight of the size",
    "alpha": "How fast size helps",
    "b": "Weight of the data",
    "beta": "How fast data helps",
}


class ScaledRun(NamedTuple):
    """A training. parameters: without the embedding; compute: 6 N D (Kaplan et al. 2020, section 2.1); passes: over the texts."""

    width: int
    parameters: int
    tokens: int
    compute: float
    loss: float  # held out, nats a token


class ScalingStudy(NamedTuple):
    """foretold: (loss, low, high) of the largest training by the law of the others; ahead: of a model twice as wide on twice the data."""

    runs: list[ScaledRun]
    fitted: FittedScaling
    largest: ScaledRun
    foretold: tuple[float, float, float] | None
    next_parameters: int
    next_tokens: int
    ahead: tuple[float, float, float]


def configs(settings: dict[str, Any], widths: Sequence[int], steps: Sequence[int], seeds: Sequence[int]) -> list[MoeConfig]:
    """Every size with every amount of data; the hidden part is twice the width."""
    if fixed := sorted(settings.keys() & {*DENSE, "width", "hidden", "steps", "seed"}):
        todo = "Say widths, steps and seeds by the options of that name; the other settings are those of a plain transformer."
        raise WorkbenchError(f"This study sets '{fixed[0]}' itself.", where="--train", todo=todo)
    return [
        valid(MoeConfig, {**settings, **DENSE, "width": width, "hidden": 2 * width, "steps": some, "seed": seed})
        for width, some, seed in product(widths, steps, seeds)
    ]


def check(wanted: Sequence[MoeConfig]) -> None:
    """Raises where no law could be fitted to these."""
    with _no_law():
        check_determined(np.array([(parameters(each), _tokens(each)) for each in wanted]))


def study(workbench: Workbench, config: TrialConfig, wanted: Sequence[MoeConfig]) -> Generator[Progress, None, ScalingStudy]:
    """Trains what is not trained yet, and fits the law; raises before, where no law could be fitted to these."""
    check(wanted)
    corpus = yield from workbench.read_corpus(config)
    for number, each in enumerate(wanted):
        step = Progress(number, len(wanted), f"Width {each.width}, {each.steps:,} steps")
        yield step
        yield from counted_within(train_moe(workbench, config, each, both=False), step)
    yield Progress(len(wanted), len(wanted), "Fitting the law")
    return fitted([scaled(run) for run in trained(corpus, wanted)], config)


def standing(workbench: Workbench, config: TrialConfig, corpus: Corpus, wanted: Sequence[MoeConfig]) -> ScalingStudy:
    """The law of trainings that are all there, fitted once."""
    runs = [scaled(run) for run in trained(corpus, wanted)]
    key = fingerprint(runs, config.evaluation, config.seed)
    return workbench.pipeline.remember("scaling law", key, lambda: fitted(runs, config))


def trained(corpus: Corpus, wanted: Sequence[MoeConfig]) -> list[ExpertRun]:
    """Those that are there."""
    folders = [moe_folder(corpus, each) for each in wanted]
    return [read_run(folder) for folder in folders if (folder / RUN).is_file()]


def parameters(config: MoeConfig) -> int:
    """Without the embedding, which is also the head: attention, one expert, its router and two norms a layer, and the last norm."""
    w = config.width
    return config.layers * (4 * w * w + 3 * w * config.hidden + 3 * w) + w


def _tokens(config: MoeConfig) -> int:
    return config.steps * config.batch * config.context


def scaled(run: ExpertRun) -> ScaledRun:
    size, tokens = parameters(run.config), _tokens(run.config)
    return ScaledRun(run.config.width, size, tokens, 6.0 * size * tokens, run.held_out_loss)


def fitted(runs: Sequence[ScaledRun], config: TrialConfig) -> ScalingStudy:
    rules = config.evaluation

    def law(some: Sequence[ScaledRun]) -> FittedScaling:
        table = np.array([(run.parameters, run.tokens, run.loss) for run in some]).T
        return scaling_law(*table, confidence=rules.confidence, seed=config.seed)

    largest = max(runs, key=lambda run: run.compute)
    rest = [run for run in runs if run.compute < largest.compute]
    with _no_law():
        whole = law(runs)
    try:
        foretold = law(rest).predicted(largest.parameters, largest.tokens, rules.confidence)
    except ValueError:
        foretold = None
    size, tokens = 4 * largest.parameters, 2 * largest.tokens  # twice the width is four times the parameters
    return ScalingStudy(list(runs), whole, largest, foretold, size, tokens, whole.predicted(size, tokens, rules.confidence))


@contextmanager
def _no_law() -> Iterator[None]:
    """What the law says against the trainings, in words."""
    try:
        yield
    except ValueError as error:
        raise WorkbenchError(
            f"No law can be fitted: {error}.", where="trainings", todo="Train more sizes and amounts of data."
        ) from None


def record(made: ScalingStudy) -> dict[str, Any]:
    """As the command shows it."""
    law, names = made.fitted.law, ("loss", "low", "high")
    rows = [
        {"parameter": name, "value": getattr(law, name), "low": low, "high": high}
        for name, (low, high) in made.fitted.intervals.items()
    ]
    foretold = made.foretold and dict(zip(names, made.foretold, strict=True))
    ahead = {"parameters": made.next_parameters, "tokens": made.next_tokens, **dict(zip(names, made.ahead, strict=True))}
    largest = {"loss": made.largest.loss, "foretold": foretold}
    return {"trainings": [run._asdict() for run in made.runs], "law": rows, "largest": largest, "next": ahead}


def law_table(made: ScalingStudy, command: str) -> Table:
    rows = [row | {"is": MEANS[row["parameter"]]} for row in record(made)["law"]]
    columns = (
        Column("parameter", "Of the law", width=90),
        Column("is", width=280),
        *(Column(name, "", "%.4g") for name in ("value", "low", "high")),
    )
    return Table("law_table", columns, rows, "The law of the loss", "Intervals over trainings drawn with replacement", command)
