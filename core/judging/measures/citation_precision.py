from typing import ClassVar, Literal

from core.judging.cited import CitationMeasure, Tally
from core.registry import part


@part("measure")
class CitationPrecision(CitationMeasure):
    """Share of the answer's citations that help to support their statement. Choose it beside `citation_recall`: an answer that cites
    every passage everywhere has recall alone. Without a citation it is 0, as ALCE counts it."""

    part: Literal["citation_precision"] = "citation_precision"
    label: ClassVar[str] = "Citation precision"
    order: ClassVar[int] = 20
    headline: ClassVar[bool] = True

    def value(self, tally: Tally) -> float:
        return tally.precise / tally.citations if tally.citations else 0.0
