from typing import ClassVar, Literal

from core.judging.cited import CitationMeasure, Tally
from core.registry import part


@part("measure")
class CitationRecall(CitationMeasure):
    """Share of the answer's statements that the passages they cite support. Choose it to see what a reader can check; a statement
    without a citation counts as unsupported, and is reported as missing one."""

    part: Literal["citation_recall"] = "citation_recall"
    label: ClassVar[str] = "Citation recall"
    order: ClassVar[int] = 10
    headline: ClassVar[bool] = True

    def value(self, tally: Tally) -> float:
        return tally.supported / tally.statements
