"""Long verbs are looped over, run whole, or run within another; who leaves one cancels it."""

import pytest

from core.errors import WorkbenchError
from core.progress import Running, drain, within
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
