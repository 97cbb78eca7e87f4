"""What several agents did to one memory, checked: updates that were lost, elements twice, reads of what was no longer so, write skew.

An operation reads, decides and writes; it is acknowledged when the store has said so. What is checked is what a store that does one
operation after the other would give. Source: Adya et al. 2000, "Generalized isolation level definitions", sections 4 and 5; Kingsbury
and Alvaro 2020, "Elle: inferring isolation anomalies from experimental observations", for lists that tell the order of their appends.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class Operation(NamedTuple):
    """One of an agent; times in seconds of a clock that all agents share."""

    agent: int
    number: int
    key: str
    read: tuple[str, ...]  # of a list its elements, of anything else one value; of a pair both
    wrote: str  # the element appended, or the value set; "": it decided not to write
    began: float
    read_at: float
    ended: float
    acknowledged: bool
    retries: int = 0
    error: str = ""


class Anomalies(NamedTuple):
    """What is wrong with a history; 0 of each in one that could have happened one after the other. None: such a history cannot tell."""

    lost: int | None  # acknowledged, and no trace of it is left
    duplicated: int | None  # in the end more than was acknowledged
    stale: int | None  # reads that miss what was acknowledged before they began
    skewed: int | None  # pairs of which both were given up, each for the other's sake
    lost_operations: tuple[tuple[int, int], ...] = ()  # agent and number of each, where it can be told


def counted(operations: Sequence[Operation], first: int, last: int) -> Anomalies:
    """Of a counter that each acknowledged operation raised by 1."""
    missing = first + sum(each.acknowledged for each in operations) - last
    return Anomalies(max(0, missing), max(0, -missing), None, None)


def appended(operations: Sequence[Operation], last: Sequence[str]) -> Anomalies:
    """Of a list to which each operation appended an element of its own."""
    times, done = Counter(last), [each for each in operations if each.acknowledged]
    lost = [each for each in done if each.wrote not in times]
    there = sorted((each for each in done if each.wrote in times), key=lambda each: each.ended)
    ends = [each.ended for each in there]
    stale = 0
    for each in (each for each in operations if each.read_at):
        before = {other.wrote for other in there[: bisect_left(ends, each.began)]}
        stale += not before <= set(each.read)
    twice = sum(number - 1 for number in times.values())
    return Anomalies(len(lost), twice, stale, None, tuple((each.agent, each.number) for each in lost))


def replaced(operations: Sequence[Operation], last: str) -> Anomalies:
    """Of a value that each acknowledged operation replaced by one of its own, if it was still what it had read."""
    done = [each for each in operations if each.acknowledged and each.wrote]
    seen = {value for each in done for value in each.read} | {last}
    lost = [each for each in done if each.wrote not in seen]
    return Anomalies(len(lost), None, None, None, tuple((each.agent, each.number) for each in lost))


def skewed(operations: Sequence[Operation]) -> Anomalies:
    """Of pairs of which one has to stay on: agents of even number turn the left off, the others the right, if both are on."""
    sides: dict[str, set[int]] = {}
    for each in operations:
        if each.acknowledged and each.wrote == "off":
            sides.setdefault(each.key, set()).add(each.agent % 2)
    return Anomalies(None, None, None, sum(len(turned) == 2 for turned in sides.values()))
