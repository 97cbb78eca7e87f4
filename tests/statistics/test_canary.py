"""Paired canaries: exact expectations, what is found and falsely alarmed in simulation, and the deployment that a loss began with."""

from itertools import product

import numpy as np
import pytest

from core.statistics.canary import ALPHA, e_process, first_bad_deployment, noise_floor, paired_canaries

FLOOR = 0.005


def lost(rate, runs: int, n: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((runs, n)) < rate) * 1.0


def alarmed(values: np.ndarray, starts=()) -> np.ndarray:
    return e_process(values, FLOOR, starts) >= np.log(1 / ALPHA)


def test_5_points_of_recall_are_found_within_200_canaries():
    reached = alarmed(lost(FLOOR + 0.05, 1000, 200))
    assert reached.any(axis=1).mean() >= 0.95
    assert np.median(reached.argmax(axis=1)[reached.any(axis=1)]) < 70


@pytest.mark.parametrize("starts", [(), range(0, 2000, 100)], ids=["one start", "20 deployments"])
def test_without_a_loss_at_most_one_service_in_100_is_ever_alarmed(starts):
    assert alarmed(lost(FLOOR, 2000, 2000), starts).any(axis=1).mean() <= ALPHA


def test_a_loss_after_ten_good_deployments_is_found_by_the_restarts_only():
    rate = np.where(np.arange(1200) >= 1000, FLOOR + 0.05, FLOOR)
    values = lost(rate, 1000, 1200)
    found = {len(starts): alarmed(values, starts)[:, 1000:].any(axis=1).mean() for starts in ((), range(0, 1200, 100))}
    assert found[0] < 0.4 and found[12] > 0.8


@pytest.mark.parametrize("starts", [(), (0,), (0, 3, 7)])
@pytest.mark.parametrize("rate", [0.1, 0.04])
def test_its_expectation_is_1_at_the_floor_and_less_below(starts, rate):
    """Over all 2^10 outcomes, after every canary."""
    every = np.array(list(product((0, 1), repeat=10)))
    chance = (rate**every * (1 - rate) ** (1 - every)).prod(axis=1)
    means = chance @ np.exp(e_process(every, 0.1, starts))
    assert means == pytest.approx(1.0) if rate == 0.1 else (np.diff(means) < 0).all() and means[0] < 1


def test_it_is_the_mean_of_likelihood_ratios():
    values = np.array([0, 1, 0, 0, 1])
    expected = np.mean([(p / 0.01) ** 2 * ((1 - p) / 0.99) ** 3 for p in (0.03, 0.06)])
    assert np.exp(e_process(values, 0.01, alternatives=(0.02, 0.05))[-1]) == pytest.approx(expected)
    restarts = [np.exp(e_process(values[start:], 0.01)[-1]) for start in (0, 2)]
    assert np.exp(e_process(values, 0.01, (0, 2))[-1]) == pytest.approx(restarts[0] / 2 + restarts[1] / 6 + 1 / 3)


def test_a_run_in_the_order_asked():
    values = np.zeros(400)
    values[[150, 160, 170, 175, 180]] = 1
    test = paired_canaries(values, FLOOR, starts=(0, 150))
    assert test.alarm in (160, 170, 175) and test.log_e.shape == (400,)
    assert test.log_e[test.alarm] >= np.log(100) > test.log_e[: test.alarm].max()
    assert test.rate.low < 5 / 400 < test.rate.high < 0.05
    assert paired_canaries(np.zeros(400), FLOOR).alarm is None


def test_the_floor_is_an_exact_upper_bound():
    assert noise_floor(np.zeros(1000)) == pytest.approx(1 - 0.01 ** (1 / 1000))
    assert noise_floor(np.ones(3)) == 1.0
    draws = [noise_floor(values) for values in lost(0.01, 400, 500)]
    assert 0.985 <= np.mean(np.array(draws) >= 0.01) <= 1.0


def rows(bad: int, size: int, points: float, seed: int, deployments: int = 10) -> tuple:
    """Each deployment asks `size` questions; one in ten was no hit at publication, and is none now."""
    rng, n = np.random.default_rng(seed), deployments * size
    place, before = np.repeat(np.arange(deployments), size), rng.random(n) < 0.9
    now = before & (rng.random(n) >= np.where(place >= bad, FLOOR + points, FLOOR / 2))
    return [f"d{each}" for each in place], [f"q{each}" for each in rng.integers(0, 300, n)], before, now


@pytest.mark.parametrize(
    "size, points, alarms, right", [(100, 0.10, 0.97, 0.95), (200, 0.05, 0.93, 0.93), (100, 0.05, 0.85, 0.83)]
)
def test_the_first_bad_deployment_is_named(size, points, alarms, right):
    """Planted at each of ten; the candidates hold it in 95 of 100 at least."""
    planted = [seed % 10 for seed in range(120)]
    told = [first_bad_deployment(*rows(bad, size, points, seed), FLOOR) for seed, bad in enumerate(planted)]
    pairs = [(one, f"d{bad}") for one, bad in zip(told, planted, strict=True) if one.deployment is not None]
    assert len(pairs) / len(planted) >= alarms
    assert np.mean([one.deployment == bad for one, bad in pairs]) >= right
    assert np.mean([bad in one.candidates for one, bad in pairs]) >= 0.95


def test_what_it_says_of_a_bad_deployment():
    deployments, questions, before, now = rows(6, 200, 0.2, seed=1)
    told = first_bad_deployment(deployments, questions, before, now, FLOOR)
    assert told.deployment == "d6" and told.candidates == ("d6",) and sum(told.probabilities.values()) == pytest.approx(1)
    assert list(told.probabilities) == [f"d{place}" for place in range(7)], "up to the alarm"
    missing = {q for d, q, a, b in zip(deployments, questions, before, now, strict=True) if d == "d6" and a and not b}
    assert set(told.questions) == missing and len(told.questions) == len(missing)
    silent = first_bad_deployment(deployments[:1200], questions[:1200], before[:1200], now[:1200], FLOOR)
    assert silent.deployment is None and silent.candidates == () and silent.test.alarm is None


def test_a_rollback_does_not_hide_what_was_bad():
    deployments, questions, before, now = rows(6, 200, 0.2, seed=2)
    now[7 * 200 :] = before[7 * 200 :]
    assert first_bad_deployment(deployments, questions, before, now, FLOOR).deployment == "d6"


@pytest.mark.parametrize("values, floor", [([], 0.01), ([0.5], 0.01), ([np.nan], 0.01), ([1], 0.0), ([1], 0.95), ([1], -0.1)])
def test_what_cannot_be_is_refused(values, floor):
    with pytest.raises(ValueError):
        paired_canaries(np.array(values), floor)


@pytest.mark.parametrize("deployments, before", [(["a", "b", "a"], [1, 1, 1]), (["a", "a", "a"], [0, 0, 0])])
def test_rows_that_tell_nothing_of_a_deployment_are_refused(deployments, before):
    with pytest.raises(ValueError):
        first_bad_deployment(deployments, "xyz", np.array(before), np.array([1, 0, 1]), FLOOR)
