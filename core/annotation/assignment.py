"""Who judges what: items shared out among annotators, each in an order of their own, and handed over by those who leave."""

from collections import Counter
from itertools import combinations
from typing import NamedTuple

import numpy as np

from core.annotation.study import LATE, Left, Study, plain, sha256
from core.errors import WorkbenchError


def assignment(study: Study, round: str) -> dict[str, tuple[str, ...]]:
    """Annotator -> the items to judge, in an order of their own.

    Each item goes to `per_item` annotators with the least to do so far, among these to the ones who have met least; so
    loads differ by at most one. Attention items go to all. A duplicate goes to those who have the original, and comes
    after it. In adjudication one person decides an item. What somebody who left had not labelled goes to others, after
    all that these had before.
    """
    if round not in study.assigned:
        study.assigned[round] = _assignment(study, round)
    return study.assigned[round]


def _assignment(study: Study, round: str) -> dict[str, tuple[str, ...]]:
    people, items = study.people(round), study.round_items(round)
    each = 1 if round == "adjudication" else study.per_item
    if not people or each > len(people):
        raise WorkbenchError(
            f"{each} annotators an item are asked for, and there are {len(people)}.",
            where=f"study '{study.id}'",
            todo="Add annotators, or ask for fewer an item.",
        )
    twins = {item.duplicate_of: item.id for item in items if item.duplicate_of and round != "adjudication"}
    single = [item for item in items if item.id not in twins.values() and not item.attention]
    rng = np.random.default_rng([study.seed, len(round), *round.encode()])
    single = [single[place] for place in rng.permutation(len(single))]
    single.sort(key=lambda item: item.id not in twins)  # the heavier ones first, so that the others even it out
    loads, met, given = Counter(), Counter(), {name: [] for name in people}
    for item in single:
        chosen: list[str] = []
        for _ in range(each):
            left = [name for name in people if name not in chosen]
            dice = dict(zip(left, rng.random(len(left)), strict=True))
            best = min(left, key=lambda name: (loads[name], sum(met[name, other] for other in chosen), dice[name]))
            for other in chosen:
                met[best, other] += 1
                met[other, best] += 1
            chosen.append(best)
        for name in chosen:
            loads[name] += 1 + (item.id in twins)
            given[name] += [item.id, twins[item.id]] if item.id in twins else [item.id]
    attention = [item.id for item in items if item.attention]
    late = {item.id for item in items if item.attention and item.responses[0].source == LATE}
    found = {name: _begun(_ordered(study.seed, round, name, [*mine, *attention], twins), late) for name, mine in given.items()}
    gone: set[str] = set()
    for one in study.left:
        if one.round == round and one.annotator in found:
            gone.add(one.annotator)
            _hand_over(study, one, found, gone, twins)
    return found


def _begun(mine: tuple[str, ...], late: set[str]) -> tuple[str, ...]:
    """The first of the others changes places with the one that opens the list, if that is one of the late ones."""
    place = next((at for at, id in enumerate(mine) if id not in late), 0)
    return (mine[place], *mine[1:place], mine[0], *mine[place + 1 :]) if place else mine


def _hand_over(study: Study, one: Left, given: dict[str, tuple[str, ...]], gone: set[str], twins: dict[str, str]) -> None:
    """Each open item goes, with its duplicate, to whoever has least to do among those who do not have it; to nobody where
    all have it. Duplicates of labelled items and attention items end with the one who left."""
    mine, kept, late = given[one.annotator], set(one.kept), set(twins.values())
    given[one.annotator] = tuple(id for id in mine if id in kept)
    taken: dict[str, list[str]] = {name: [] for name in given if name not in gone}
    has = {name: set(given[name]) for name in taken}
    rng = dice(study.seed, one.round, "left", one.annotator)
    for id in mine:
        if id in kept or id in late or study.item(id).attention:
            continue
        if able := {name: rng.random() for name in taken if id not in has[name]}:
            best = min(able, key=lambda name: (len(given[name]) + len(taken[name]), able[name]))
            taken[best] += [id, twins[id]] if id in twins else [id]
    for name, new in taken.items():
        given[name] += _ordered(study.seed, f"{one.round} after {one.annotator}", name, new, twins)


class HandOver(NamedTuple):
    """What becomes of the items of somebody who leaves a round; repeats and attention items are not counted."""

    annotator: str
    kept: int  # items that they labelled
    given: dict[str, int]  # who takes over -> items
    short: int  # items that nobody else can take: they are left with a label fewer


def handed_over(study: Study, one: Left) -> HandOver:
    """What changes when this person leaves as well."""
    after = study.model_copy(update={"left": (*study.left, one)})
    before, now = (_assignment(study, one.round), _assignment(after, one.round))  # copies share what `assignment` remembers

    def plain(ids: set[str]) -> int:
        return sum(study.item(id).plain for id in ids)

    more = {name: plain(set(ids) - set(before[name])) for name, ids in now.items()}
    given = {name: number for name, number in more.items() if number}
    kept = plain(set(now[one.annotator]))
    return HandOver(one.annotator, kept, given, plain(set(before[one.annotator])) - kept - sum(given.values()))


def _ordered(seed: int, round: str, name: str, items: list[str], twins: dict[str, str]) -> tuple[str, ...]:
    """A random order. Duplicates come late and as their originals came, at least a third of the list after them."""
    rng, number = dice(seed, round, name), len(items)
    mixed = [items[place] for place in rng.permutation(number)]
    twice = [id for id in mixed if id in twins and twins[id] in items]
    both = {*twice, *(twins[id] for id in twice)}
    first = max(min(number // 3 + len(twice) // 2, number // 2), len(twice))  # slots for originals; as many for duplicates
    slots = sorted(rng.permutation(first)[: len(twice)]), sorted(rng.permutation(first)[: len(twice)])
    at = {int(slot): id for slot, id in zip(slots[0], twice, strict=True)}
    at |= {number - first + int(slot): twins[id] for slot, id in zip(slots[1], twice, strict=True)}
    others = iter(id for id in mixed if id not in both)
    return tuple(at[place] if place in at else next(others) for place in range(number))


def dice(seed: int, *parts: str) -> np.random.Generator:
    return np.random.default_rng([seed, int(sha256(parts)[:16], 16)])


class Load(NamedTuple):
    """What one annotator has to do in a round."""

    annotator: str
    items: int
    repeats: int
    attention: int


def loads(study: Study, round: str) -> list[Load]:
    found = []
    for name, mine in assignment(study, round).items():
        items = [study.item(id) for id in mine]
        repeats, attention = sum(bool(one.duplicate_of) for one in items), sum(one.attention for one in items)
        found.append(Load(name, len(items) - repeats - attention, repeats, attention))
    return found


def apart(study: Study, round: str) -> int:
    """Fewest screens from an item to its repeat, of any annotator; 0: there are no repeats."""
    places = [{id: place for place, id in enumerate(mine)} for mine in assignment(study, round).values()]
    return min(
        (
            at[item.id] - at[item.duplicate_of]
            for at in places
            for item in study.items
            if item.duplicate_of in at and item.id in at
        ),
        default=0,
    )


def shared(study: Study, round: str) -> tuple[int, int]:
    """Fewest and most items that two annotators have in common, without repeats and attention items."""
    assigned = assignment(study, round)
    given = {name: {one.id for one in plain([study.item(id) for id in ids])} for name, ids in assigned.items()}
    common = [len(a & b) for a, b in combinations(given.values(), 2)]
    return (min(common), max(common)) if common else (0, 0)
