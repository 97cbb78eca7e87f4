"""What an answer was made by, and whether it comes again: the determinism receipt.

The same file, engine, threads and seed give the same tokens on one machine. Where they do not, the comparison says from
which token on, and whether it matters: the conclusion is the answer after SQuAD's normalisation (Rajpurkar et al. 2016,
arXiv:1606.05250, section 6.1: case, punctuation, articles and white space aside) with the passages it cites.
"""

import hashlib
import json
import platform
import re
import string
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from core.config import PartConfig
from core.context.citations import BRACKETS, cited, pattern
from core.generation.protocol import Generated
from core.records import Answer, Hit, Receipt

Text = Generated | Answer  # what has a text and a finish reason


class Comparison(NamedTuple):
    """Two texts of one prompt."""

    unit: str  # "token", or "word" where the engine does not tell its tokens
    first: int  # length in units
    second: int
    same: int  # units at the same place
    first_difference: int | None  # place from 0; None where both are the same
    same_conclusion: bool | None  # normalised text and cited passages; None: both failed, and conclude nothing
    same_reason: bool
    changed: tuple[str, ...] = ()  # fields of the receipt that differ, so that a difference has a cause

    @property
    def share(self) -> float:
        """Units at the same place, of the longer text's. Two empty texts are the same."""
        return self.same / max(self.first, self.second, 1) if self.first or self.second else 1.0


def receipt(generator: PartConfig, generated: Generated, seed: int) -> Receipt:
    return Receipt(
        generator.part,
        _build(generator),
        f"{platform.system()} {platform.machine()}",
        generator.identity(),
        generated.model,
        generated.model_sha256,
        generator.threads_in_use(),
        generator.batch_tokens(),
        seed,
        generator.model_dump(mode="json"),
        _sha256(generated.prompt),
        _sha256(generated.text),
        generated.finish_reason,
    )


def compare(
    generator: PartConfig, first: Text, second: Text, passages: int | Sequence[Hit], *receipts: Receipt, style: str = BRACKETS
) -> Comparison:
    """`passages` and `style`: what the prompt gave and how that is cited, so that citations can be read."""
    tokens = [generator.pieces(answer.text) for answer in (first, second)]
    a, b = tokens if None not in tokens else (_words(answer.text) for answer in (first, second))
    same = [x == y for x, y in zip(a, b, strict=False)]
    difference = None if a == b else next((i for i, equal in enumerate(same) if not equal), len(same))
    none = all(answer.finish_reason.startswith("failed") for answer in (first, second))
    changed = tuple(name for name in Receipt._fields if len({json.dumps(getattr(r, name), sort_keys=True) for r in receipts}) > 1)
    return Comparison(
        "word" if None in tokens else "token",
        len(a),
        len(b),
        sum(same),
        difference,
        None if none else conclusion(first.text, passages, style) == conclusion(second.text, passages, style),
        first.finish_reason == second.finish_reason,
        changed,
    )


def conclusion(text: str, passages: int | Sequence[Hit], style: str = BRACKETS) -> tuple[str, tuple[int, ...]]:
    """(normalised words, cited passages)."""
    words = pattern(style).sub(" ", text).lower().translate(str.maketrans("", "", string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", words).split()), cited(text, passages, style)


def _build(part: PartConfig) -> str:
    try:
        package = part.package and f"{part.package} {version(part.package)}"
    except PackageNotFoundError:
        return ""
    return ", ".join(filter(None, (package, part.processor())))


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+", text.rstrip())  # behind the last word the search would begin at each space


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
