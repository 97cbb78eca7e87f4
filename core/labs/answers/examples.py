"""The questions with which the page Ask begins."""

import heapq
import math

from core.labs.corpus.contents import cards
from core.records import Corpus, Query
from core.workbench import Workbench

MOST = 3
SHORT = ("what", "which", "who", "when", "how many")  # beginnings of questions that ask for a name or a number


def examples(workbench: Workbench, corpus: Corpus) -> list[Query]:
    """Those that the corpus' card names, which the bundled model answers; of another corpus those with the shortest answers."""
    card, by_id = cards(workbench).get(corpus.name), {query.id: query for query in corpus.queries}
    named = [by_id[each] for each in (card.examples if card else ()) if each in by_id]
    return named or heapq.nsmallest(MOST, (query for query in corpus.queries if query.answerable), key=_length)


def _length(query: Query) -> tuple[bool, float]:
    """Of its answer: a small model answers in a few words."""
    return not query.text.lower().startswith(SHORT), min(map(len, query.answers), default=math.inf)
