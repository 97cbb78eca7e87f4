"""Chains of sampling steps, and searches, as lines of text.

A chain is written in one line, as the command line and the address of the page take it: "top_k=40 top_p=0.95
temperature=0.8", where a value without a name is the step's first setting.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from core import files
from core.config import PartConfig, valid
from core.errors import WorkbenchError
from core.sampling.filters import STEPS, Step, chain
from core.sampling.search import SEARCHES
from core.workbench import Workbench

EVERYTHING = "none"  # the chain without steps: the model's own distribution
PRESETS = {
    "Deterministic": "greedy",
    "Model itself": EVERYTHING,
    "llama.cpp defaults": "top_k=40 top_p=0.95 min_p=0.05 temperature=0.8",  # in its order
    "Cautious": "temperature=0.2 top_p=0.9",  # of SmolLM2's model card
    "Nucleus": "top_p=0.95",
    "Creative": "temperature=1.5 min_p=0.1",
    "Mirostat": "mirostat=3",
}
RANDOM = {
    "temperature": (0.3, 1.6),
    "top_k": (3, 200),
    "top_p": (0.5, 0.99),
    "min_p": (0.01, 0.3),
    "typical": (0.3, 0.99),
    "repetition": (1.05, 1.5),
    "frequency": (0.1, 1.0),
    "presence": (0.1, 1.0),
}


def read_chain(text: str) -> tuple[Step, ...]:
    """Steps from one line: "top_k=40 repetition=1.2,last_tokens=64 temperature=0.8"; "none" for no step."""
    words = [] if text.strip() in ("", EVERYTHING) else text.split()
    return chain([_step(word) for word in words])


def _step(word: str, parts: Mapping[str, type] = STEPS) -> dict[str, Any]:
    head, *rest = word.split(",")
    part, equals, value = head.partition("=")
    if part not in parts:
        raise WorkbenchError(f"There is no sampling step '{part}'.", where=word, todo=f"Steps: {', '.join(parts)}.")
    settings: dict[str, Any] = {"part": part}
    if equals:
        settings[next((name for name in parts[part].model_fields if name != "part"), "value")] = value
    return settings | dict(setting.partition("=")[::2] for setting in rest)


def read_search(text: str) -> PartConfig:
    """A search from its line, "beam=4,length_penalty=0.5" or "contrastive=4"; `write_chain` writes it."""
    settings = _step(text, SEARCHES)
    return valid(SEARCHES[settings["part"]], settings)


def write_chain(steps: Iterable[Step]) -> str:
    """The line that `read_chain` reads: the first setting of each step, and what differs from its defaults."""
    words = []
    for step in steps:
        first, *rest = [*(name for name in type(step).model_fields if name != "part"), ""]
        changed = [f"{k}={getattr(step, k)}" for k in rest if k and getattr(step, k) != type(step).model_fields[k].default]
        words.append(",".join([f"{step.part}={getattr(step, first)}" if first else step.part, *changed]))
    return " ".join(words) or EVERYTHING


def describe_chain(steps: Iterable[Step]) -> str:
    """For people: "top-k 40 › temperature 0.8"."""
    names = {"top_k": "top-k", "top_p": "top-p", "min_p": "min-p"}
    told = []
    for step in steps:
        first = next((name for name in type(step).model_fields if name != "part"), None)
        told.append(names.get(step.part, step.part) + (f" {getattr(step, first):g}" if first else ""))
    return " › ".join(told) or "the model itself"


def random_chain(seed: int) -> tuple[Step, ...]:
    """Two to four different steps in random order, with settings in ranges in which they do something."""
    rng = np.random.default_rng(seed)
    steps = []
    for part in rng.permutation(list(RANDOM))[: rng.integers(2, 5)].tolist():
        low, high = RANDOM[part]
        value = math.exp(rng.uniform(math.log(low), math.log(high)))
        steps.append(f"{part}={round(value) if part == 'top_k' else round(value, 2)}")
    return read_chain(" ".join(steps))


def presets(workbench: Workbench) -> dict[str, str]:
    """Name -> chain in one line: those above, then the saved ones."""
    path = workbench.home / "chains.json"
    try:
        saved = files.read_json(path, of=dict) if path.exists() else {}
        return PRESETS | {str(name): write_chain(read_chain(str(text))) for name, text in saved.items()}
    except WorkbenchError:
        raise WorkbenchError("The saved chains cannot be read.", where=str(path), todo="Mend the file, or remove it.") from None


def save_preset(workbench: Workbench, name: str, steps: Sequence[Step]) -> None:
    name = " ".join(name.split())
    if not name or name in (*PRESETS, "This chain"):
        raise WorkbenchError(
            f"'{name}' is the name of a preset." if name else "The chain needs a name.", todo="Choose another name."
        )
    with _saved(workbench) as chains:
        chains[name] = write_chain(steps)


def delete_preset(workbench: Workbench, name: str) -> None:
    """Forgets a saved chain."""
    with _saved(workbench) as chains:
        if name not in chains:
            raise WorkbenchError(f"There is no saved chain '{name}'.", todo="Those that came with Groundwork stay.")
        del chains[name]


@contextmanager
def _saved(workbench: Workbench) -> Iterator[dict[str, str]]:
    """The saved chains, written back as they are afterwards."""
    path = workbench.home / "chains.json"
    with files.changing(path):
        chains = {key: text for key, text in presets(workbench).items() if key not in PRESETS}
        yield chains
        files.write_whole(path, json.dumps(chains, ensure_ascii=False, indent=1), "The chain")
