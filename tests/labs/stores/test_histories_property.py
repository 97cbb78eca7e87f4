"""The checker finds what was planted in a history, all of it, and nothing in one that happened one by one."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from core.labs.stores.histories import Operation, appended, counted, replaced, skewed


def operation(agent, number, read, wrote, began, ended, acknowledged=True, key="k"):
    return Operation(agent, number, key, read, wrote, began, began + 0.1, ended, acknowledged)


def one_by_one(agents):
    """A list to which agents append in turn, each seeing all before; returns the operations and the list."""
    items, operations = [], []
    for number, agent in enumerate(agents):
        operations.append(operation(agent, number, tuple(items), f"{agent}:{number}", number, number + 0.5))
        items.append(f"{agent}:{number}")
    return operations, items


turns = st.lists(st.integers(0, 3), min_size=1, max_size=30)


@given(turns)
def test_a_serial_history_is_clean(agents):
    operations, items = one_by_one(agents)
    assert appended(operations, items) == (0, 0, 0, None, ())
    counts = [operation(a, n, (str(n),), str(n + 1), n, n + 0.5) for n, a in enumerate(agents)]
    assert counted(counts, 0, len(agents)) == (0, 0, None, None, ())
    before = ["0", *items]
    values = [operation(a, n, (before[n],), before[n + 1], n, n + 0.5) for n, a in enumerate(agents)]
    assert replaced(values, before[-1]) == (0, None, None, None, ())


@given(turns, st.data())
def test_lost_appends_are_those_that_were_planted(agents, data):
    operations, items = one_by_one(agents)
    lost = data.draw(st.sets(st.sampled_from(range(len(items)))))
    verdict = appended(operations, [item for place, item in enumerate(items) if place not in lost])
    assert verdict.lost == len(lost) and {number for _, number in verdict.lost_operations} == lost


@given(turns, st.data())
def test_elements_there_twice_are_counted(agents, data):
    operations, items = one_by_one(agents)
    twice = data.draw(st.lists(st.sampled_from(items)))
    verdict = appended(operations, items + twice)
    assert verdict.duplicated == sum(Counter(twice).values()) and verdict.lost == 0


@given(turns, st.data())
def test_stale_reads_are_those_that_miss_what_was_confirmed_before_they_began(agents, data):
    operations, items = one_by_one(agents)
    stale = data.draw(st.sets(st.sampled_from(range(len(items))))) - {0}  # the first has nothing to miss
    planted = [each._replace(read=each.read[:-1]) if place in stale else each for place, each in enumerate(operations)]
    assert appended(planted, items).stale == len(stale)


@given(turns, st.data())
def test_a_read_beside_a_write_is_not_stale(agents, data):
    operations, items = one_by_one(agents)
    beside = [each._replace(ended=each.ended + len(items)) for each in operations]  # none ends before another begins
    assert appended([each._replace(read=()) for each in beside], items).stale == 0


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 9))
def test_a_counter_tells_what_is_missing_and_what_is_too_much(acknowledged, refused, change):
    every = [operation(0, n, ("0",), "1", n, n + 1) for n in range(acknowledged)]
    every += [operation(0, n, ("0",), "1", n, n + 1, acknowledged=False) for n in range(refused)]
    assert counted(every, 5, 5 + acknowledged - change).lost == change
    assert counted(every, 5, 5 + acknowledged + change).duplicated == change


@given(st.lists(st.integers(1, 5), min_size=1, max_size=15))
def test_of_several_that_replaced_the_same_value_all_but_one_are_lost(crowds):
    """crowds: how many at once read a value and replace it; the last of each crowd is read by the next."""
    value, operations = "first", []
    for step, crowd in enumerate(crowds):
        operations += [operation(a, step, (value,), f"{a}:{step}", step, step + 0.5) for a in range(crowd)]
        value = f"{crowd - 1}:{step}"
    verdict = replaced(operations, value)
    assert verdict.lost == sum(crowds) - len(crowds)
    assert all(agent < crowds[step] - 1 for agent, step in verdict.lost_operations)


@given(st.lists(st.sampled_from(["left", "right", "both", "neither", "left twice"]), max_size=30))
def test_skew_is_where_both_sides_were_turned_off(pairs):
    sides = {"left": [0], "right": [1], "both": [0, 3], "neither": [], "left twice": [0, 2]}
    operations = [
        operation(a, n, ("0", "0"), "off", n, n + 1, key=f"pair{n}") for n, pair in enumerate(pairs) for a in sides[pair]
    ]
    operations += [operation(1, n, ("1", "0"), "", n, n + 1, acknowledged=False, key=f"pair{n}") for n in range(len(pairs))]
    assert skewed(operations).skewed == pairs.count("both")
