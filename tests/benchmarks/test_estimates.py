"""Estimates against what jobs took, from what the browser tests' apps told."""

import json

import pytest

from benchmarks import estimates
from core.jobs.jobs import Job
from core.labs.store.estimates import estimate_rows


def job(verb: str, took: float, low: float, high: float) -> Job:
    return Job(verb, verb, (verb,), created=0, attempt=1, status="done", started=1.0, finished=1.0 + took, expected=(low, high))


def test_what_jobs_took_is_held_against_what_they_were_told(tmp_path):
    rows = estimate_rows([job("prepare", 2, 1, 4), job("prepare", 8, 1, 4), job("curve", 3, 1, 4)])
    path, lines = tmp_path / "told.jsonl", [json.dumps(row) for row in rows]
    path.write_text("\n".join([*lines, lines[0]]), "utf-8")  # an app was started again
    made = estimates.main(str(path), quick=False)
    assert made["jobs"] == 3 and made["in_range"]["value"] == pytest.approx(2 / 3)
    assert made["within"]["value"] == pytest.approx(2 / 3) and made["within"]["low"] < 2 / 3 < made["within"]["high"]
    assert made["verbs"]["prepare"]["factors"] == pytest.approx([1, 4]) and made["verbs"]["curve"]["in_range"] == 1
