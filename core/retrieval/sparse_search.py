"""The retriever of words."""

from typing import ClassVar, Literal

from core.registry import part
from core.retrieval.retriever import Finder


@part("retriever")
class SparseSearch(Finder):
    """Chunks that share words with the question, by the recipe's sparse retriever. Choose it for names, numbers and rare words.

    Its settings are those of the stages query and sparse.
    """

    part: Literal["sparse"] = "sparse"
    row: ClassVar[str] = "sparse"
    order: ClassVar[int] = 10
