"""Whatever is told in whatever order: what is current is what holds since last, and what is stale is what hangs on a change."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as some

from core.memory.facts import FactDraft
from tests.support.remembered import memory

PLACES = some.tuples(some.sampled_from("ab"), some.sampled_from("xy"))


@settings(max_examples=25)
@example([(("a", "x"), 0, 1), (("a", "x"), 0, 3), (("a", "x"), 1, 2)])  # told again of a later time
@example([(("a", "x"), 1, 1), (("a", "x"), 1, 3), (("a", "x"), 0, 2), (("a", "x"), 0, 4)])  # and another value after that
@given(
    some.lists(
        some.tuples(PLACES, some.integers(0, 3), some.integers(1, 50)), max_size=15, unique_by=lambda told: (told[0], told[2])
    )
)
def test_the_current_value_is_that_which_holds_since_last(said):
    with TemporaryDirectory() as home:
        store = memory(Path(home), encode=None)
        latest: dict = {}
        for place, value, since in said:
            store.write(FactDraft("", f"subject {place[0]}", f"attribute {place[1]}", f"value {value}", time=float(since)))
            if since >= latest.get(place, (0, 0))[0]:
                latest[place] = since, f"value {value}"
        current = {(fact.subject[-1], fact.attribute[-1]): fact.value for fact in store.facts()}
        assert current == {place: value for place, (_, value) in latest.items()}
        store.close()


@settings(max_examples=25)
@example([(5, 0), (20, 1), (10, 2), (7, 0), (20, 1)], [10, 1, 1, 1, 1])  # told of later, told again, told of earlier
@given(
    some.lists(some.tuples(some.integers(1, 60), some.integers(0, 3)), min_size=1, max_size=10, unique_by=lambda told: told[0]),
    some.lists(some.integers(0, 10), min_size=10, max_size=10),
)
def test_at_any_time_the_current_value_is_the_latest_that_has_begun(said, waited):
    with TemporaryDirectory() as home:
        clock, told = [10.0], {}
        store, other = (memory(Path(home), encode=None, clock=lambda: clock[0]) for _ in range(2))
        for (since, value), wait in zip(said, waited, strict=False):
            clock[0] += wait
            store.write(FactDraft("", "subject a", "is", f"value {value}", time=float(since)))
            told[since] = f"value {value}"
            for at in (clock[0], clock[0] + 0.5):
                clock[0] = at
                begun = [each for each in told if each <= at]
                current = [told[max(begun)]] if begun else []
                assert [fact.value for fact in store.facts()] == current
                assert [hit.fact.value for hit in other.read("subject a is")] == current and other.counts().current == len(
                    current
                )
        store.close()
        other.close()


@settings(max_examples=25)
@given(some.lists(some.sets(some.integers(0, 8), max_size=3), min_size=2, max_size=9), some.integers(0, 8))
def test_what_is_below_a_change_is_stale_and_nothing_else(parents, changed):
    changed %= len(parents)
    with TemporaryDirectory() as home:
        store = memory(Path(home), encode=None)
        ids: list[str] = []
        for number, behind in enumerate(parents):
            derived = tuple(ids[parent] for parent in sorted(behind) if parent < number)
            ids.append(store.write(FactDraft("", f"subject {number}", "is", f"value {number}", derived_from=derived)).id)
        below: set[int] = set()
        for number, behind in enumerate(parents):
            if number > changed and (behind & (below | {changed})):
                below.add(number)
        written = store.write(FactDraft("", f"subject {changed}", "is", "another value"))
        assert set(written.stale) == {ids[number] for number in below}
        store.close()
