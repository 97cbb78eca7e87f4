"""The retriever of vectors."""

from typing import ClassVar, Literal

from core.registry import part
from core.retrieval.retriever import Finder


@part("retriever")
class DenseSearch(Finder):
    """Chunks whose vectors are nearest to the question's, by the recipe's encoder and index. Choose it for what is said in other words.

    Its settings are those of the stages query, embedding, transform and index.
    """

    part: Literal["dense"] = "dense"
    row: ClassVar[str] = "dense"
    order: ClassVar[int] = 20
