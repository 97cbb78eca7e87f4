"""What training an adapter takes, told before it starts: by phase, from the trainings of this base that ran on this machine, also
from those that were stopped. Before its first test the answers are timed by whatever the same model wrote."""

from pathlib import Path
from typing import Any

from core.config import TrialConfig, valid
from core.corpus import library
from core.labs.adapters.speed import memory_bytes, speed_name, tokens_each
from core.labs.adapters.training import base_of
from core.labs.answers.answering import answer_time
from core.models.adapters import adapter_record
from core.pipeline.forecast import Forecast, Phase, one_phase
from core.pipeline.usual import ANSWER_TOKENS, tokens_time
from core.progress import counted
from core.training.adapters.settings import AdapterTraining, LoraTraining, PreferenceTraining
from core.workbench import Workbench

WAYS = 2  # a token is learnt from: forth and back, where only the adapter's weights are changed


def training_forecast(
    workbench: Workbench, config: TrialConfig, settings: dict[str, Any], file: Path | None = None, of_pairs: bool = False
) -> Forecast:
    """Of an adapter with these settings. The test is asked twice: without the adapter, and with it."""
    training = valid(PreferenceTraining if of_pairs else AdapterTraining, settings)
    base, speeds = base_of(config).model_copy(update={"adapter": ""}), workbench.pipeline.speeds
    name = speed_name(base.model, training)
    learnt = training.max_steps * training.batch_size * tokens_each(training)
    evaluations = 2 + (training.max_steps - 1) // training.evaluate_every
    tested, about = _tested(workbench, config, training, file)
    steps = f"{counted(training.max_steps, 'step')} of {counted(training.batch_size, 'pair' if of_pairs else 'example')}"
    phases = (
        Phase(steps, speeds.time(learnt, f"{name}-steps") or tokens_time(speeds, base.model, WAYS * learnt)),
        Phase(
            counted(evaluations, "evaluation"),
            speeds.time(evaluations * training.validation_examples, f"{name}-evaluations")
            or tokens_time(speeds, base.model, evaluations * training.validation_examples * tokens_each(training)),
        ),
        Phase(
            f"a test of {about}{counted(tested, 'question')}, each answered without the adapter and with it",
            speeds.time(2 * tested, f"{name}-answers") or answer_time(workbench, base, 2 * tested),
        ),
    )
    share = (speeds.record(f"{name}-steps") or {}).get("memory", 1.0)  # what was held, of what was expected
    return Forecast(phases, share * memory_bytes(base.model, training))


def test_forecast(workbench: Workbench, name: str) -> Forecast:
    """Of the test of an adapter that is trained."""
    record = adapter_record(name)
    training = valid(PreferenceTraining if "beta" in record["config"] else AdapterTraining, record["config"])
    answers, model, speeds = 2 * record["data"]["examples"]["test"], record["base"]["model"], workbench.pipeline.speeds
    seconds = speeds.time(answers, f"{speed_name(model, training)}-answers")
    return one_phase(
        f"{answers:,} answers at most", seconds or tokens_time(speeds, model, answers * ANSWER_TOKENS), units=answers
    )


def nothing_to_learn(workbench: Workbench, config: TrialConfig) -> bool:
    """Whether the corpus, where it is at hand, has no question with evidence."""
    run = workbench.pipeline.at_hand(TrialConfig(corpus={"dataset": config.corpus.dataset}))
    return run is not None and not run.corpus.measurable


def _tested(workbench: Workbench, config: TrialConfig, training: LoraTraining, file: Path | None) -> tuple[int, str]:
    """How many questions the test asks, and "at most " where that is known only once the data is made."""
    most = training.test_prompts if isinstance(training, PreferenceTraining) else training.test_examples
    run = workbench.pipeline.at_hand(TrialConfig(corpus={"dataset": config.corpus.dataset})) if file is None else None
    if run is None or training.source != "corpus":
        return most, "at most "
    there = library.split(run.corpus, "test").measurable
    return min(most, there), "" if there >= most else "at most "
