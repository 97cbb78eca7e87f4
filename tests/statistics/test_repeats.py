"""Right k times in a row, and what more repeats would show."""

from itertools import combinations

import numpy as np
import pytest

from core.statistics.repeats import pass_all, repeat_plans


def test_pass_all_is_the_share_of_all_choices_of_k_repeats():
    right = np.array([[1, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1]], bool)
    for k in range(1, 5):
        every = [right[:, list(some)].all(axis=1) for some in combinations(range(4), k)]
        assert np.allclose(pass_all(right, k), np.mean(every, axis=0))
    with pytest.raises(ValueError, match=r"pass\^5"):
        pass_all(right, 5)


def test_power_is_that_of_simulated_studies_and_repeats_do_not_help_where_questions_differ():
    rng = np.random.default_rng(1)
    own, noise = rng.normal(0.1, 0.2, 400), rng.normal(0, 0.4, (400, 5))
    spread, plans = repeat_plans(own[:, None] + noise, np.zeros((400, 5)), 0.05, (1, 4))
    assert abs(spread.sd_items - 0.2) < 0.03 and abs(spread.sd_label - 0.4) < 0.02
    for plan in plans:
        drawn = rng.normal(0.05, np.hypot(spread.sd_items, spread.sd_label / np.sqrt(plan.repeats)), (2000, 400))
        t = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / 20)
        assert abs((np.abs(t) > 1.966).mean() - plan.power) < 0.04
    assert plans[0].power < plans[1].power and plans[0].least > plans[1].least
    _, still = repeat_plans(np.repeat(own[:, None], 2, 1), np.zeros((400, 2)), 0.05, (1, 64))
    assert still[0].power == pytest.approx(still[1].power)
