"""The settings that trainings share, in the same words; each says its own default."""

from typing import Any

from core.config import StageConfig, knob, valid


class TrainingSettings(StageConfig):
    """What the steps of any training ask of its settings: those below, of which a subclass has learning_rate, warmup, evaluate_every,
    patience and seed, in the order of its form."""

    def peak(self) -> float:
        """The highest learning rate."""
        return self.learning_rate


def changed(kind: type[StageConfig], settings: dict[str, Any]) -> dict[str, Any]:
    """Of the settings of a training those that differ from the usual ones, checked."""
    usual, wanted = kind().model_dump(), valid(kind, settings).model_dump()
    return {name: value for name, value in wanted.items() if value != usual[name]}


def options(settings: dict[str, Any]) -> list[str]:
    """As the command line takes them."""
    return [word for name, value in settings.items() for word in ("--train", f"{name}={value}")]


def learning_rate(default: float, tip: str = "Step size at its peak. Too large diverges.") -> Any:
    return knob(default, tip, gt=0.0, le=0.1, step=0.00001)


def warmup(default: float = 0.1) -> Any:
    tip = "Share of the steps over which the learning rate rises; then it falls to 0."
    return knob(default, tip, ge=0.0, le=0.9, step=0.05)


def batch_size(default: int, of: str) -> Any:
    return knob(default, f"{of.capitalize()} of a step.", unit=of, ge=1, le=1024)


def epochs(default: int, of: str = "questions") -> Any:
    return knob(default, f"Passes over the training {of}, at most.", ge=1, le=1000)


def max_steps(default: int, tip: str = "Steps at most, whatever the epochs say. A step takes some seconds on two cores.") -> Any:
    return knob(default, tip, unit="steps", label="At most", ge=1, le=1_000_000)


def layers(default: int) -> Any:
    return knob(default, "Upper layers of the encoder that learn. More can learn more, slower.", unit="layers", ge=1, le=48)


def negatives_limit() -> Any:
    tip = (
        "Passages nearer to the question than this many times the evidence are dropped as likely evidence. Below 1 is safest, and "
        "also drops what the start encoder gets wrong."
    )
    return knob(1.2, tip, gt=0.0, le=2.0, step=0.05)


def validation_share(default: float) -> Any:
    tip = "Share of the dev half's questions kept for validation, with all their documents."
    return knob(default, tip, gt=0.0, lt=0.9, step=0.05)


def evaluate_every(default: int) -> Any:
    return knob(default, "Steps between evaluations; each also writes a checkpoint.", unit="steps", ge=1, le=100_000)


def patience(default: int) -> Any:
    tip = "Evaluations without a better one after which training stops. The best one is kept."
    return knob(default, tip, unit="evaluations", ge=1, le=1000)


def seed(of: str) -> Any:
    return knob(0, f"Seeds {of}.", ge=0, le=2**31 - 1)
