"""What jobs were told to take before they were started, held against what they took."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.jobs.jobs import Job
from core.pipeline.speed import Estimate
from core.progress import duration
from core.report.table import TWO, Column, Table
from core.statistics.bootstrap import Interval
from core.statistics.proportion import wilson
from core.workbench import Workbench, command_line

FACTOR = 1.5  # by so much an estimate may be off


def estimate_rows(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """A row a job that went through at the first attempt and had an estimate. An estimate is a range: its middle is the geometric one,
    and factor is how often the smaller of middle and seconds goes into the larger."""
    rows = []
    for job in jobs:
        if job.status != "done" or job.attempt > 1 or not job.expected or not job.started or not job.finished:
            continue
        took, told = max(job.finished - job.started, 1e-3), Estimate(*job.expected)
        middle = float(np.sqrt(max(told.low, 1e-3) * max(told.high, 1e-3)))
        rows.append(
            {
                "job": job.label,
                "verb": job.arguments[0],
                "told": told.words,
                "low_s": told.low,
                "high_s": told.high,
                "took": duration(took),
                "took_s": took,
                "factor": max(took / middle, middle / took),
                "in the range": told.low <= took <= told.high,
            }
        )
    return rows


def held(rows: Sequence[dict[str, Any]]) -> Interval:
    """Share of the jobs whose estimate was off by FACTOR at most, with Wilson's interval."""
    return wilson(sum(row["factor"] <= FACTOR for row in rows), len(rows))


def estimates(workbench: Workbench) -> Table:
    """Of the jobs that are still listed, the newest first."""
    rows = estimate_rows(workbench.jobs.list())
    columns = (
        Column("job"),
        Column("told", "Was told"),
        Column("took"),
        Column("factor", "Off by a factor of", TWO, "Ratio to the middle of the range, in either direction", direction=-1),
        Column("in the range", "In the range"),
    )
    return Table(
        "job_estimates", columns, rows, "Estimates of jobs and what they took", words(rows), command_line("jobs", "estimates")
    )


def words(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return "No finished job had an estimate yet."
    share = held(rows)
    within = sum(row["factor"] <= FACTOR for row in rows)
    ranged = sum(row["in the range"] for row in rows)
    return (
        f"{within:,} of {len(rows):,} estimates were within a factor of {FACTOR:g} of the measured time ({share.mean:.0%}, 95% interval "
        f"{share.low:.0%} to {share.high:.0%}); {ranged:,} of the times were within the estimated range"
    )
