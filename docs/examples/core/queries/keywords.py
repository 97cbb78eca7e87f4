from collections.abc import Generator, Sequence
from typing import Literal

from core.generation.model_texts import TextTools
from core.queries.protocol import QueryTransform, Wording, as_it_stands
from core.records import Progress, Query
from core.registry import part


@part("query")
class Keywords(QueryTransform):
    """The long words of the question alone. Choose it to see what the short ones are worth."""

    part: Literal["keywords"] = "keywords"

    def texts(self, queries: Sequence[Query], tools: TextTools) -> Generator[Progress, None, list[Wording]]:
        yield from ()
        words = [" ".join(word for word in query.text.split() if len(word) > 3) for query in queries]
        return [Wording((w,), (w,)) if w else as_it_stands(q, "no long word") for q, w in zip(queries, words, strict=True)]
