"""No transform."""

from typing import ClassVar, Literal

from core.queries.protocol import QueryTransform
from core.registry import part


@part("query")
class AsAsked(QueryTransform):
    """The question as it stands. Choose it over every transform that does not measurably beat it: it costs nothing."""

    part: Literal["as_asked"] = "as_asked"
    order: ClassVar[int] = 0
    idle: ClassVar[bool] = True
