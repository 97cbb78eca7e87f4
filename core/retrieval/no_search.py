"""No retriever."""

from typing import ClassVar, Literal

from core.registry import part
from core.retrieval.retriever import Finder


@part("retriever")
class NoSearch(Finder):
    """Nobody is asked in this place. Choose it to leave a retriever out."""

    part: Literal["none"] = "none"
    order: ClassVar[int] = 0
    idle: ClassVar[bool] = True
