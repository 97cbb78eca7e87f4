"""What a system is called: its model, and its recipe."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from core.annotation.drawing import Candidate
from core.config import TrialConfig, build, fingerprint
from core.errors import WorkbenchError
from core.pipeline.recipe_words import made_name

# settings of a generator; the name of the file that was loaded tells how its weights were kept
WRITES_NOTHING = {"threads", "gpu_layers", "own_process", "logprobs", "reuse_prefix", "retries", "weights"}
# how a file keeps its weights, at the end of its name: ".Q4_1.gguf", "-Q4_K_M.gguf", ".Q4_1-as-bf16.gguf"
KEPT_AS = re.compile(r"([-._](i?q\d\w*|b?f16|f32))?(-as-\w+)?(\.gguf)?$", re.IGNORECASE)


def recipe_of(config: dict[str, Any]) -> str:
    """What tells systems of one model apart."""
    return fingerprint(_that_writes(config))[:6]


def names_for(file: str, recipe: str, config: dict[str, Any]) -> Iterator[str]:
    """What to call a system, the shortest first: the model, and its recipe."""
    models = KEPT_AS.sub("", file), file
    try:
        called = recipe_name(build(config))
    except WorkbenchError:  # of an older version
        yield from (f"{model}, {recipe}" for model in models)
    else:
        yield from (f"{model}, {called}" for model in models)
        yield f"{file}, {called}, {recipe}"


def recipe_name(config: TrialConfig) -> str:
    """A recipe's name with what of it makes its answers, but for the model."""
    return made_name(_that_writes(config.model_dump(mode="json"), "model"), answers=True)


def _that_writes(config: dict[str, Any], *others: str) -> dict[str, Any]:
    """What of a recipe decides the words of an answer. others: settings of the generator that are left out as well."""
    stages = {name: stage for name, stage in config.items() if name not in ("seed", "corpus", "evaluation")}
    if "generation" in stages:
        out = {*WRITES_NOTHING, *others}
        stages["generation"] = {name: value for name, value in stages["generation"].items() if name not in out}
    return stages


def systems(answers: Iterable[Candidate]) -> dict[str, int]:
    """System -> how many answers."""
    return dict(Counter(answer.system for answer in answers).most_common())


def short_names(systems: Iterable[str]) -> dict[str, str]:
    """System -> what tells it from the others: of one model its recipe alone."""
    names = list(dict.fromkeys(systems))
    models = {name.partition(", ")[0] for name in names}
    return {name: name.partition(", ")[2] or name if len(models) == 1 < len(names) else name for name in names}
