"""What a system is called: its model, and what its recipe changes of the defaults."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from core.annotation.drawing import Candidate
from core.config import TrialConfig, build, difference, fingerprint
from core.errors import WorkbenchError
from core.pipeline.recipe_words import fusion_title

# settings of a generator; the name of the file that was loaded tells how its weights were kept
WRITES_NOTHING = ("threads", "gpu_layers", "own_process", "logprobs", "reuse_prefix", "retries", "weights")


def recipe_of(config: dict[str, Any]) -> str:
    """What tells systems of one model apart."""
    settings = {name: stage for name, stage in config.items() if name not in ("seed", "corpus", "evaluation")}
    if "generation" in settings:
        settings["generation"] = {key: value for key, value in settings["generation"].items() if key not in WRITES_NOTHING}
    return fingerprint(settings)[:6]


# how a file keeps its weights, at the end of its name: ".Q4_1.gguf", "-Q4_K_M.gguf", ".Q4_1-as-bf16.gguf"
KEPT_AS = re.compile(r"([-._](i?q\d\w*|b?f16|f32))?(-as-\w+)?(\.gguf)?$", re.IGNORECASE)
SETTINGS, LETTERS = 3, 24  # so many settings are in a system's name, and so many letters of each


def names_for(file: str, recipe: str, config: dict[str, Any]) -> Iterator[str]:
    """What to call a system, the shortest first: the model, and what its recipe changes of the defaults."""
    said, whole = _settings(config)
    yield from (", ".join([model, *said, *([] if whole else [recipe])]) for model in (KEPT_AS.sub("", file), file))
    yield ", ".join([file, *said, recipe])


def _settings(config: dict[str, Any]) -> tuple[list[str], bool]:
    """What a recipe changes of the defaults, in words, and whether that is all of it."""
    try:
        changed = difference(build(config))
    except WorkbenchError:  # of an older version
        return [], False
    silent, first = {"part", "model", *WRITES_NOTHING}, {"generation": 0, "context": 1}
    words = []
    for name in sorted(changed, key=lambda name: first.get(name.partition(".")[0], 2)):
        stage, _, what = name.partition(".")
        if stage not in ("seed", "corpus", "evaluation") and not (stage == "generation" and what in silent):
            words.append(_setting(stage, what.replace("_", " "), changed[name]))
    shown = [text[:LETTERS] for text in words[:SETTINGS]]
    return shown, shown == words


def recipe_words(config: TrialConfig) -> str:
    """What a recipe changes of the defaults, as its answers' system is called."""
    return ", ".join(_settings(config.model_dump(mode="json"))[0]) or "default settings"


def _setting(stage: str, what: str, value: Any) -> str:
    """As in "temperature 0.7", "2 passages", "BM25": in the words of the forms, a fusion by its preset's name."""
    if (stage, what) == ("fusion", "part"):
        return fusion_title(str(value))
    if what == "passages":
        return f"{value} {what if value != 1 else 'passage'}"
    if isinstance(value, bool | float):
        value = {True: "on", False: "off"}[value] if isinstance(value, bool) else f"{value:g}"
    elif what == "part":
        value = str(value).replace("_", " ")
    return f"{what if stage == 'generation' else stage if what == 'part' else f'{stage} {what}'} {value}"


def systems(answers: Iterable[Candidate]) -> dict[str, int]:
    """System -> how many answers."""
    return dict(Counter(answer.system for answer in answers).most_common())


def short_names(systems: Iterable[str]) -> dict[str, str]:
    """System -> what tells it from the others: of one model its settings alone."""
    names = list(dict.fromkeys(systems))
    models = {name.partition(", ")[0] for name in names}
    return {name: name.partition(", ")[2] or "default settings" if len(models) == 1 < len(names) else name for name in names}
