"""Who judges what: items shared out among annotators, each in an order of their own, and handed over by those who leave."""

from collections import Counter
from itertools import combinations
from typing import NamedTuple

import numpy as np

from core.annotation.study import LATE, Left, Study, plain, sha256
from core.errors import WorkbenchError


def assignment(study: Study, round_name: str) -> dict[str, tuple[str, ...]]:
    """Annotator -> the items to judge, in an order of their own.

    Each item goes to `per_item` annotators with the least to do so far, among these to the ones who have met least; so
    loads differ by at most one. Attention items go to all. A duplicate goes to those who have the original, and comes
    after it. In adjudication one person decides an item. What somebody who left had not labelled goes to others, after
    all that these had before.
    """
    if round_name not in study.assigned:
        study.assigned[round_name] = _assignment(study, round_name)
    return study.assigned[round_name]


def _assignment(study: Study, round_name: str) -> dict[str, tuple[str, ...]]:
    if study.elsewhere and round_name == "main":
        return study.elsewhere
    people, items = study.people(round_name), study.round_items(round_name)
    each = 1 if round_name == "adjudication" else study.per_item
    if not people or each > len(people):
        raise WorkbenchError(
            f"{each} annotators an item are asked for, and there are {len(people)}.",
            where=f"study '{study.id}'",
            todo="Add annotators, or ask for fewer an item.",
        )
    twins = {item.duplicate_of: item.id for item in items if item.duplicate_of and round_name != "adjudication"}
    single = [item for item in items if item.id not in twins.values() and not item.attention]
    rng = np.random.default_rng([study.seed, len(round_name), *round_name.encode()])
    single = [single[place] for place in rng.permutation(len(single))]
    single.sort(key=lambda item: item.id not in twins)  # the heavier ones first, so that the others even it out
    loads, met, shares = Counter(), Counter(), {name: [] for name in people}
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
            shares[name] += [item.id, twins[item.id]] if item.id in twins else [item.id]
    attention = [item.id for item in items if item.attention]
    late = {item.id for item in items if item.attention and item.responses[0].source == LATE}
    assigned = {
        name: _begun(_ordered(study.seed, round_name, name, [*mine, *attention], twins), late) for name, mine in shares.items()
    }
    gone: set[str] = set()
    for leaver in study.left:
        if leaver.round == round_name and leaver.annotator in assigned:
            gone.add(leaver.annotator)
            _hand_over(study, leaver, assigned, gone, twins)
    return assigned


def _begun(mine: tuple[str, ...], late: set[str]) -> tuple[str, ...]:
    """The first of the others changes places with the one that opens the list, if that is one of the late ones."""
    place = next((at for at, item_id in enumerate(mine) if item_id not in late), 0)
    return (mine[place], *mine[1:place], mine[0], *mine[place + 1 :]) if place else mine


def _hand_over(study: Study, leaver: Left, assigned: dict[str, tuple[str, ...]], gone: set[str], twins: dict[str, str]) -> None:
    """Each open item goes, with its duplicate, to whoever has least to do among those who do not have it; to nobody where
    all have it. Duplicates of labelled items and attention items end with the one who left."""
    mine, labelled, late = assigned[leaver.annotator], set(leaver.kept), set(twins.values())
    assigned[leaver.annotator] = tuple(item_id for item_id in mine if item_id in labelled)
    taken: dict[str, list[str]] = {name: [] for name in assigned if name not in gone}
    has = {name: set(assigned[name]) for name in taken}
    rng = dice(study.seed, leaver.round, "left", leaver.annotator)
    for item_id in mine:
        if item_id in labelled or item_id in late or study.item(item_id).attention:
            continue
        if able := {name: rng.random() for name in taken if item_id not in has[name]}:
            best = min(able, key=lambda name: (len(assigned[name]) + len(taken[name]), able[name]))
            taken[best] += [item_id, twins[item_id]] if item_id in twins else [item_id]
    for name, new in taken.items():
        assigned[name] += _ordered(study.seed, f"{leaver.round} after {leaver.annotator}", name, new, twins)


class HandOver(NamedTuple):
    """What becomes of the items of somebody who leaves a round; repeats and attention items are not counted."""

    annotator: str
    kept: int  # items that they labelled
    given: dict[str, int]  # who takes over -> items
    short: int  # items that nobody else can take: they are left with a label fewer


def handed_over(study: Study, leaver: Left) -> HandOver:
    """What changes when this person leaves as well."""
    after = study.model_copy(update={"left": (*study.left, leaver)})
    before, now = (_assignment(study, leaver.round), _assignment(after, leaver.round))  # copies share what `assignment` remembers

    def plain(ids: set[str]) -> int:
        return sum(study.item(item_id).plain for item_id in ids)

    more = {name: plain(set(ids) - set(before[name])) for name, ids in now.items()}
    takers = {name: number for name, number in more.items() if number}
    labelled = plain(set(now[leaver.annotator]))
    return HandOver(leaver.annotator, labelled, takers, plain(set(before[leaver.annotator])) - labelled - sum(takers.values()))


def _ordered(seed: int, round_name: str, name: str, items: list[str], twins: dict[str, str]) -> tuple[str, ...]:
    """A random order. Duplicates come late and as their originals came, at least a third of the list after them."""
    rng, number = dice(seed, round_name, name), len(items)
    mixed = [items[place] for place in rng.permutation(number)]
    twice = [item_id for item_id in mixed if item_id in twins and twins[item_id] in items]
    both = {*twice, *(twins[item_id] for item_id in twice)}
    first = max(min(number // 3 + len(twice) // 2, number // 2), len(twice))  # slots for originals; as many for duplicates
    slots = sorted(rng.permutation(first)[: len(twice)]), sorted(rng.permutation(first)[: len(twice)])
    at = {int(slot): item_id for slot, item_id in zip(slots[0], twice, strict=True)}
    at |= {number - first + int(slot): twins[item_id] for slot, item_id in zip(slots[1], twice, strict=True)}
    others = iter(item_id for item_id in mixed if item_id not in both)
    return tuple(at[place] if place in at else next(others) for place in range(number))


def dice(seed: int, *parts: str) -> np.random.Generator:
    return np.random.default_rng([seed, int(sha256(parts)[:16], 16)])


class Load(NamedTuple):
    """What one annotator has to do in a round."""

    annotator: str
    items: int
    repeats: int
    attention: int


def loads(study: Study, round_name: str) -> list[Load]:
    rows = []
    for name, mine in assignment(study, round_name).items():
        items = [study.item(item_id) for item_id in mine]
        repeats, attention = sum(bool(item.duplicate_of) for item in items), sum(item.attention for item in items)
        rows.append(Load(name, len(items) - repeats - attention, repeats, attention))
    return rows


def apart(study: Study, round_name: str) -> int:
    """Fewest screens from an item to its repeat, of any annotator; 0: there are no repeats."""
    places = [{item_id: place for place, item_id in enumerate(mine)} for mine in assignment(study, round_name).values()]
    return min(
        (
            at[item.id] - at[item.duplicate_of]
            for at in places
            for item in study.items
            if item.duplicate_of in at and item.id in at
        ),
        default=0,
    )


def shared(study: Study, round_name: str) -> tuple[int, int]:
    """Fewest and most items that two annotators have in common, without repeats and attention items."""
    assigned = assignment(study, round_name)
    lists = {name: {item.id for item in plain([study.item(item_id) for item_id in ids])} for name, ids in assigned.items()}
    common = [len(a & b) for a, b in combinations(lists.values(), 2)]
    return (min(common), max(common)) if common else (0, 0)
