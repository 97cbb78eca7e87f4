"""Models that others hand over, or that a disk has harmed: adapters and their settings, checkpoints and logs of trainings."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from tests.faults import homes
from tests.faults.damage import damaged
from tests.faults.harness import Case, Lab, attack, forked, verb
from tests.support.hostile_texts import FILES, NO_FILES, lay

VALUES = ("pissa", "olora", "pissa_niter_4", "all", "../../x", "(a+)+$", "", True, False, None, 0, -1, 2, 0.5, 10**9, 10**30, float("nan"),
          [], ["lm_head"], [[0, 1], [0, 2]], [0], {}, {"q_proj": 3}, {"a": {"b": []}})  # fmt: skip
TRAINING = ("train-encoder", "own", *homes.DATASET, *homes.CHUNKS, "--train", "epochs=1", "--train", "patience=1")
LIMIT_S = 120.0


def adapted(place: Path) -> None:
    """A tiny model with an adapter."""
    place.mkdir()
    forked(lambda: _adapt(place), place, limit_s=LIMIT_S).well()


def _model(place: Path) -> Any:
    import torch

    from core.generation.torch_lm import Transformers

    torch.set_num_threads(1)
    return Transformers(model=str(place / "tiny"), dtype="float32", context_tokens=512, max_tokens=8, own_process="no")


def _adapt(place: Path) -> int:
    from tests.generation.test_torch_adapter import adapter
    from tests.generation.test_torch_lm import tiny_model

    tiny_model(place / "tiny")
    adapter("a", _model(place), 1)
    return 0


def worn(home: Path) -> None:
    """Put on, refused or taken off: the base computes what it computed before."""

    def work() -> int:
        import numpy as np

        from core.errors import WorkbenchError
        from tests.generation.test_torch_adapter import logits

        model = _model(home)
        base = logits(model)
        try:
            assert np.isfinite(logits(model, adapter="a")).all(), "no numbers come of it"
        except WorkbenchError as error:
            assert error.what and error.where and error.todo, f"no place or no remedy: {error.what}"
        assert np.array_equal(logits(model), base), "the base is another"
        return 0

    ran = forked(work, home)
    assert not ran.code, ran.err.strip().splitlines()[-1][:250]
    verb(home, "adapters").calm()


@attack("models", "every setting that the library of adapters knows, with values it would obey: the base stays what it is")
def settings(lab: Lab) -> Iterator[Case]:
    from dataclasses import fields

    from peft import LoraConfig

    homes.copy(lab, adapted, lab.folder / "settings")
    names = [*(field.name for field in fields(LoraConfig)), "peft_type", "of_tomorrow"]

    def check(name: str, number: int, rng: Random) -> None:
        home = homes.copy(lab, adapted, Path.cwd() / "home")
        file = home / "adapters" / "a" / "adapter_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), name: VALUES[number]}))
        try:
            worn(home)
        except AssertionError as error:
            raise AssertionError(f"{name} = {VALUES[number]!r}: {error}") from None

    return lab.swept("settings", dict.fromkeys(names, range(len(VALUES))), check, LIMIT_S, again=False)


@attack("models", "each file of an adapter: flipped, cut, foreign")
def adapters(lab: Lab) -> Iterator[Case]:
    def check(home: Path, file: Path, expected: Any) -> None:
        worn(home)

    return damaged(lab, "adapters", adapted, "adapters/a/*", check, lambda home: None, LIMIT_S)


@attack("models", "a hostile text, pipe, pickle or link in place of each file of an adapter")
def adapter_texts(lab: Lab) -> Iterator[Case]:
    home = homes.copy(lab, adapted, lab.folder / "texts")
    names = sorted(path.name for path in (home / "adapters" / "a").iterdir())

    def check(name: str, text: str, rng: Random) -> None:
        home = homes.copy(lab, adapted, Path.cwd() / "home")
        (home / "adapters" / "a" / name).unlink(missing_ok=True)
        lay(home / "adapters" / "a", text, name)
        try:
            worn(home)
        except AssertionError as error:
            raise AssertionError(f"{text} as {name}: {error}") from None

    doors = dict.fromkeys([*names, "adapter_model.bin"], (*FILES, *NO_FILES))
    return lab.swept("adapter_texts", doors, check, LIMIT_S, again=False)


def halted(place: Path) -> None:
    """A training of an encoder that was ended behind its first checkpoint."""
    homes.towns(place)

    def work() -> int:
        from core.__main__ import main
        from core.cli.frame import CANCELLED
        from core.training.steps import TrainingSteps

        save = TrainingSteps._save

        def ended(steps: TrainingSteps) -> None:
            save(steps)
            raise KeyboardInterrupt

        TrainingSteps._save = ended
        return main([*TRAINING]) - CANCELLED

    forked(work, place, limit_s=300).well()
    assert (place / "encoders" / ".training" / "own" / "checkpoint.pt").exists()


def weights(home: Path) -> str:
    from hashlib import sha256

    return sha256((home / "encoders" / "own" / "model.safetensors").read_bytes()).hexdigest()


@attack(
    "models", "a training's checkpoint and log, damaged between kill and restart: the same model, and told where it began anew"
)
def checkpoints(lab: Lab) -> Iterator[Case]:
    def undisturbed(home: Path) -> str:
        verb(home, *TRAINING, limit_s=300).well()
        return weights(home)

    def check(home: Path, file: Path, expected: str) -> None:
        ran = verb(home, *TRAINING, limit_s=LIMIT_S).well()
        assert weights(home) == expected, "another model than undisturbed"
        log = (home / "encoders" / "own" / "log.jsonl").read_text("utf-8", "replace")
        assert '"resume"' in log or "checkpoint was damaged" in ran.err, "it began anew without a word"

    return damaged(lab, "checkpoints", halted, "encoders/.training/own/[cl]*.*", check, undisturbed, LIMIT_S + 30)
