"""What an annotator sees of an item: its answers in an order of their own, and no word of where they come from."""

from typing import NamedTuple

from core.annotation.assignment import assignment, dice
from core.annotation.study import Item, Passage, Study, sha256


class ScreenAnswer(NamedTuple):
    text: str
    sentences: tuple[tuple[int, int], ...]
    passages: tuple[Passage, ...]


class Screen(NamedTuple):
    """What an annotator sees of an item. order[place on the screen] = its place in item.responses."""

    item: str
    question: str
    responses: tuple[ScreenAnswer, ...]
    order: tuple[int, ...]
    hash: str


def shown(study: Study, item: Item, annotator: str) -> Screen:
    """The item as this annotator sees it: answers in random order, no word of where they come from."""
    order = (1, 0) if len(item.responses) == 2 and _turned(study, item, annotator) else tuple(range(len(item.responses)))
    seen = tuple(ScreenAnswer(*(getattr(item.responses[i], name) for name in ScreenAnswer._fields)) for i in order)
    plain = [[answer.text, answer.sentences, [passage.text for passage in answer.passages]] for answer in seen]
    return Screen(item.id, item.question, seen, order, sha256([item.question, plain, study.rubric.version]))


def _turned(study: Study, item: Item, annotator: str) -> bool:
    """Does the second answer stand first? It does on one of every two screens of an annotator, whichever of the two."""
    for round_name in (item.round or "main", *(("adjudication",) if item.id in study.disputed else ())):
        enough = round_name == "adjudication" or study.per_item <= len(study.people(round_name))
        mine = assignment(study, round_name).get(annotator, ()) if enough else ()
        if item.id in mine:
            place = [item_id for item_id in mine if len(study.item(item_id).responses) == 2].index(item.id)
            return bool(dice(study.seed, round_name, annotator, str(place // 2)).integers(2)) ^ bool(place % 2)
    return bool(dice(study.seed, item.id, annotator).integers(2))
