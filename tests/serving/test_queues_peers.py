"""The driver against queueing theory: what it measures of one server behind one queue is what the formulas say.

Mean wait for service times of mean s at load r: M/M/1 s r / (1 - r), M/D/1 half of it (Pollaczek 1930; Khinchine 1932; in Kleinrock
1975, "Queueing systems", equation 5.71). 900 requests of any seed lie far off either: the seed is one whose own queue (Lindley 1952)
lies within 1%, which is asserted, so that what is left is the driver's. The load is high, so that a busy machine's delays are short
beside the waits.
"""

import numpy as np
import pytest

from core.progress import drain
from core.serving import load as lab
from core.serving.arrivals import moments
from core.workbench import Workbench
from tests.support.loaded import server

SERVICE_S, LOAD, SECONDS, SEED = 0.08, 0.9, 80.0, 2040


def services(law, n, seed=SEED):
    return np.random.default_rng([seed, 7]).exponential(SERVICE_S, n) if law == "M/M/1" else np.full(n, SERVICE_S)


def expected(law, load=LOAD):
    return SERVICE_S * load / (1 - load) / (1 if law == "M/M/1" else 2)


def mean_wait(at, times):
    free = waited = 0.0
    for moment, service in zip(at.tolist(), times.tolist(), strict=True):
        waited += max(0.0, free - moment)
        free = max(free, moment) + service
    return waited / len(at)


@pytest.mark.parametrize("law", ["M/M/1", "M/D/1"])
def test_moments_make_the_queue_of_the_formula(law):
    """Over 480,000 requests, without a network."""
    waits = []
    for seed in range(4):
        at = moments("poisson", 0.8 / SERVICE_S, 12_000, seed)
        waits.append(mean_wait(at, services(law, len(at), seed)))
    assert np.mean(waits) == pytest.approx(expected(law, 0.8), rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("law", ["M/M/1", "M/D/1"])
def test_waits_agree_with_the_formula_within_5_percent(law, tmp_path, monkeypatch):
    monkeypatch.setattr(lab, "LATE_MS", 300.0)  # a machine that runs tests is busy
    (questions := tmp_path / "questions.txt").write_text("Who?\n")
    at = moments("poisson", LOAD / SERVICE_S, SECONDS, SEED)
    times = services(law, len(at))
    own = mean_wait(at, times)
    assert own == pytest.approx(expected(law), rel=0.01)
    with server(lambda number: times[number - 1] if number else 0.0) as (url, queue):
        plan = lab.LoadPlan(url + "/search", str(questions), (LOAD / SERVICE_S,), SECONDS, seed=SEED)
        [row] = drain(lab.load(Workbench(tmp_path / "home"), plan))["points"]
    assert row["outcomes"] == {"200": len(at)} and len(queue.arrived) == len(at) + 1
    waited = row["mean_ms"] / 1000 - times.mean()
    assert waited == pytest.approx(expected(law), rel=0.05) and waited == pytest.approx(own, rel=0.05)
