"""Long verbs are looped over, run whole, or run within another; who leaves one cancels it."""

import pytest

from core.errors import WorkbenchError
from core.progress import PhaseClock, Running, counted_within, drain, duration, pace, within
from core.records import Progress

STEP = Progress(1, 2, "the outer step")


def verb(log, steps=2, error=None):
    try:
        for done in range(steps):
            yield Progress(done, steps, "an inner step")
        if error:
            raise error
        return "the result"
    finally:
        log.append("closed")


@pytest.mark.parametrize("steps", [0, 2])
def test_a_verb_that_is_looped_over_has_its_result_at_the_end(steps):
    running = Running(verb([], steps))
    seen = [step.done for step in running]
    assert (seen, running.result) == (list(range(steps)), "the result")
    assert drain(verb([], steps)) == "the result"


def test_leaving_the_loop_cancels_the_verb_and_leaves_no_result():
    log = []
    for _ in (running := Running(verb(log))):
        break
    assert log == ["closed"] and not hasattr(running, "result")


def test_what_a_verb_raises_comes_through():
    for run in (drain, lambda work: drain(within(work, STEP))):
        log = []
        with pytest.raises(WorkbenchError, match="no room"):
            run(verb(log, error=WorkbenchError("no room")))
        assert log == ["closed"]


def test_a_verb_within_another_shows_as_the_outer_step_and_is_cancelled_with_it():
    work = within(verb([]), STEP)
    assert list(work) == [STEP, STEP]
    log = []
    outer = within(verb(log), STEP)
    next(outer)
    outer.close()
    assert log == ["closed"]
    assert drain(within(verb([]), STEP)) == "the result"


def test_a_verb_that_counts_by_itself_is_told_by_its_own_count():
    steps = list(counted_within(verb([]), STEP))
    assert steps == [Progress(done, 2, "the outer step (1 of 2 done): an inner step") for done in (0, 1)]
    [step] = counted_within((Progress(0, 0, "loading") for _ in "x"), STEP)
    assert step == STEP._replace(message="the outer step: loading")


def told(*steps):
    """What is said of the last of these (seconds, step) at its moment."""
    clock = PhaseClock()
    for at, step in steps:
        clock.hear(step, at)
    return pace(step.done, step.total, clock.first, at - clock.began, at - clock.counted)


def test_a_rate_is_that_of_its_phase():
    """An hour of loading and training is no part of what an answer takes."""
    before = (0, Progress(0, 0, "Loading")), (3000, Progress(1, 3, "Step 1")), (3600, Progress(3, 3, "Step 3"))
    asked = [(3600 + 10 * n, Progress(n, 91, "Test: answers of the base")) for n in range(9)]
    assert told(*before, *asked) == "8 of 91 · 10 s each · 13:50 min left in this phase"
    again = [(3680 + 2 * n, Progress(n, 91, "Test: answers with the adapter")) for n in range(5)]
    assert told(*before, *asked, *again) == "4 of 91 · 2.0 s each · 2:54 min left in this phase"


def test_the_time_left_does_not_rise_while_the_next_one_is_under_way():
    """Of three trials the first took a minute; the second is under way for 20, then for 90 seconds."""
    clock = PhaseClock()
    clock.hear(Progress(0, 3, "trial"), 0)
    clock.hear(Progress(1, 3, "trial"), 60)
    at = lambda now: pace(1, 3, clock.first, now - clock.began, now - clock.counted)  # noqa: E731
    assert at(60) == "1 of 3 · 1:00 min each · 2:00 min left in this phase"
    assert at(80) == "1 of 3 · 1:00 min each · 1:40 min left in this phase"
    assert at(150) == "1 of 3 · 1:00 min each · 1:00 min left in this phase"
    assert at(300) == "1 of 3 · the next 4:00 min so far"  # which has to read all texts first, say


def test_a_model_that_is_loaded_before_the_first_count_is_no_part_of_the_rate():
    """Half a minute for the first ten, then five a second."""
    read = [(0, 0), (30, 10), (32, 20), (34, 30)]
    assert told(*((at, Progress(done, 100, "Reading")) for at, done in read)) == "30 of 100 · 5/s · 14 s left in this phase"


def test_what_was_done_when_a_phase_began_is_not_counted_as_fast():
    assert told((0, Progress(900, 1000, "Reading")), (10, Progress(910, 1000, "Reading"))).startswith("910 of 1,000 · 1/s")


def test_no_phase_has_nothing_left_before_its_end():
    assert told((0, Progress(0, 1000, "Reading")), (1, Progress(999, 1000, "Reading"))).endswith("1.0 s left in this phase")
    assert told((0, Progress(0, 3, "Step")), (9, Progress(3, 3, "Step"))) == "finishing"
    assert told((0, Progress(0, 0, "Loading")), (9, Progress(0, 0, "Loading"))) == "9.0 s so far"
    assert told((0, Progress(0, 0, "Loading")), (9, Progress(0, 0, "Validating"))) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "400 ms"), (5.2, "5.2 s"), (59.4, "59 s"), (61, "1:01 min"), (5999, "99:59 min"), (6000, "1:40 h"), (8268, "2:18 h")],
)
def test_a_time_is_told_in_the_unit_that_is_read_at_once(seconds, words):
    assert duration(seconds) == words
