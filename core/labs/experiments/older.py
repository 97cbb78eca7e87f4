"""Documents from before a default was another: what they leave out is said in them, so that they mean what they meant.

A document holds its recipe as far as it differs from the defaults, and says by number by which. What people write has today's.
"""

from typing import Any

from core import registry
from core.config import PART_KINDS, TrialConfig, with_settings
from core.labs.experiments.experiment import part_named, part_of
from core.reranking.protocol import Reranker

DEFAULTS = 1  # of documents recorded now; those without a number are of 0
ALONE = 1.0  # the weight of every reranker then
FIELDS = [field for field, kind in PART_KINDS.items() if kind == "reranker"]


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """A document of the defaults 0, by today's: a reranker's score counted alone, and MaxSim's whatever the length."""
    made = document | {name: _recipe(document[name]) for name in ("base", "against") if document.get(name)}
    return made | {"factors": [_factor(factor) for factor in document.get("factors", [])]}


def _recipe(settings: dict[str, Any]) -> dict[str, Any]:
    whole, said = with_settings(TrialConfig(), settings), dict(settings)
    for field in FIELDS:
        named = settings.get(field) if isinstance(settings.get(field), dict) else {}
        unsaid = {f"{field}.{name}": value for name, value in _before(type(getattr(whole, field))).items() if name not in named}
        said = unsaid | said
    return said


def _factor(factor: dict[str, Any]) -> dict[str, Any]:
    if part_of(factor["setting"]) not in FIELDS:
        return factor
    return factor | {"values": [_part(value) for value in factor.get("values", [])]}


def _part(value: Any) -> Any:
    before = _before(registry.parts("reranker").get(part_named(value)))
    return {**before, **(value if isinstance(value, dict) else {"part": value})} if before else value


def _before(part: type | None) -> dict[str, Any]:
    if part is None or not issubclass(part, Reranker):
        return {}
    changed = part.model_fields["weight"].default != ALONE
    return ({"weight": ALONE} if changed else {}) | part.added
