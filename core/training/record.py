"""What a training leaves: its steps, its seconds by phase, and one record, training.json."""

import time
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from core.config import StageConfig
from core.models import hardware
from core.training.log import read_log
from core.training.steps import TrainingSteps

PACKAGES = ("torch", "transformers", "peft", "tokenizers", "bm25s")


class PhaseSeconds(dict[str, float]):
    """Seconds of each phase of a training, in turn."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()

    def end(self, phase: str) -> None:
        """What went on since the last one ended was this phase."""
        now = time.monotonic()
        self[phase], self._began = round(now - self._began, 3), now


@dataclass(frozen=True)
class TrainingResult:
    """What every training tells of itself; each kind adds what its model is worth."""

    folder: Path
    best_step: int  # whose weights stay; 0: no step was better on validation than the start
    steps: int
    stopped: str  # "all steps" or "early"
    seconds: dict[str, float]

    @classmethod
    def by(cls, loop: TrainingSteps, folder: Path, seconds: dict[str, float], **worth: Any) -> Self:
        seconds = seconds | {"training": round(seconds["training"] + loop.seconds_before, 3)}
        return cls(folder, loop.best_step, loop.step, loop.stopped, seconds, **worth)

    def record(self, config: StageConfig, **more: Any) -> dict[str, Any]:
        """training.json: the settings, the result, the curve of its validation, and what it was made with."""
        return {
            "name": self.folder.name,
            "config": config.model_dump(),
            **{name: value for name, value in vars(self).items() if name != "folder"},
            "validation_curve": curve(self.folder, "evaluation"),
            "device": hardware.device(),
            "dtype": hardware.fast_dtype(),
            "created": datetime.now().isoformat(timespec="seconds"),
            "versions": {package: version(package) for package in PACKAGES},
            **more,
        }


def curve(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Lines of a kind in the log of the training of this folder."""
    return [{k: v for k, v in line.items() if k not in ("kind", "time")} for line in read_log(folder) if line["kind"] == kind]
