"""What a remote answer costs, by a dated table that the user can edit: prices.yaml here, then <data folder>/prices.yaml."""

import re
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, ValidationError

from core import files
from core.config import StageConfig
from core.errors import WorkbenchError


class Price(StageConfig):
    """USD per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_read: float | None = Field(None, ge=0)
    cache_write: float | None = Field(None, ge=0)
    prompt_tokens_at_most: int | None = None


class Usage(NamedTuple):
    """Tokens as the endpoint counted them; `prompt` leaves out those read from and written to its cache."""

    prompt: int
    answer: int
    cache_read: int = 0
    cache_write: int = 0


def table() -> dict[str, Price]:
    """Price by model; the user's own table goes before the one that is shipped."""
    return _read(Path(__file__).with_name("prices.yaml")) | own_table()


def own_table() -> dict[str, Price]:
    """The prices that the user has written."""
    own = files.home() / "prices.yaml"
    return _read(own) if own.exists() else {}


def own_text() -> str:
    """The user's own table as it was written, "" where there is none."""
    own = files.home() / "prices.yaml"
    return files.contents(own).decode("utf-8", "replace") if own.is_file() else ""


def save(text: str) -> None:
    """Makes it the user's own table, if it is one; blank text removes the table."""
    own = files.home() / "prices.yaml"
    if not text.strip():
        return own.unlink(missing_ok=True)
    _read(own, text)
    files.make_home()
    files.write_whole(own, text, "The price table")


def cost_usd(price: Price | None, usage: Usage | None) -> float | None:
    """None where it cannot be known: no price, no count of tokens, or a prompt that the price does not hold for."""
    if price is None or usage is None:
        return None
    kinds = [
        (usage.prompt, price.input),
        (usage.answer, price.output),
        (usage.cache_read, price.cache_read),
        (usage.cache_write, price.cache_write),
    ]
    longest = price.prompt_tokens_at_most
    if any(count and each is None for count, each in kinds) or longest and sum(usage) - usage.answer > longest:
        return None
    return sum(count * each for count, each in kinds if count) / 1e6


def price(model: str, prices: dict[str, Price]) -> Price | None:
    """Of a model, or of the one it is a dated version of."""
    return prices.get(model) or prices.get(re.sub(r"-(?:\d{8}|\d{4}-\d\d-\d\d)$", "", model))


def _read(path: Path, text: str | None = None) -> dict[str, Price]:
    """The prices in a text that is to stand in the file; None: in what stands there."""
    todo = "Correct it, or remove it to go back to the table that is shipped."
    table = files.read_yaml(path if text is None else text, "The price table", of=dict, where=str(path), todo=todo)
    try:
        return {str(name): Price.model_validate(entry) for name, entry in table["models"].items()}
    except (ValidationError, TypeError, KeyError, AttributeError) as error:
        said = str(error).partition("\n  For further")[0].replace("\n", " ")
        raise WorkbenchError(f"The price table cannot be read: {said}", where=str(path), todo=todo) from None
