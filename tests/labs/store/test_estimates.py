"""Estimates of jobs held against what they took: which jobs count, by how much each was off, and the share that held."""

import json

import pytest

from core.jobs.jobs import Job, Jobs
from core.labs.store.estimates import estimate_rows, held, words


def job(took: float, expected=(10.0, 40.0), status="done", attempt=1):
    return Job("id", "A job", ("prepare",), status, 0.0, attempt, started=100.0, finished=100.0 + took, expected=expected)


def test_an_estimate_is_off_by_the_factor_between_its_middle_and_the_time_either_way():
    rows = estimate_rows([job(20), job(10), job(60), job(28)])
    assert [row["factor"] for row in rows] == pytest.approx([1, 2, 3, 1.4])
    assert [row["in the range"] for row in rows] == [True, True, False, True]
    assert held(rows).mean == 0.5 and words(rows).startswith("2 of 4 estimates were within a factor of 1.5")


def test_what_failed_was_run_again_or_had_no_estimate_does_not_count():
    assert estimate_rows([job(20, None), job(20, status="failed"), job(20, attempt=2)]) == []
    assert words([]) == "No finished job had an estimate yet."


def test_a_job_keeps_what_was_told_and_a_damaged_word_of_it_ends_nothing(tmp_path):
    jobs = Jobs(tmp_path, ("true",))
    one = jobs.start(["count"], "Counting", 3, (2.0, 8.0))
    assert jobs.get(one).expected == (2.0, 8.0)
    about = tmp_path / "jobs" / one / "job.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"expected": ["soon", -1]}))
    assert jobs.get(one).expected is None
