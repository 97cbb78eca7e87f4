"""When an index is to be rebuilt, read off lives whose decay is known."""

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.index.exact import Exact
from core.labs.index.churn import Churn, Round
from core.labs.index.life import schedule, schedule_words


def lived(decay: float, noise: float = 0.0, rounds: int = 5, questions: int = 400, seed: int = 0) -> Churn:
    """Each round churns 2%; recall falls by `decay` for all that is churned."""
    rng, made = np.random.default_rng(seed), []
    for number in range(rounds + 1):
        churned = 0.02 * number
        recall = 1 - decay * churned + noise * rng.normal(size=questions) * (number > 0)
        others = dict.fromkeys(Round._fields, 0.0) | {"during_errors": (), "rebuild_s": 3.0}
        made.append(Round(**others | {"round": number, "churned": churned, "recall": recall, "fresh_recall": np.ones(questions)}))
    return Churn(Exact(), 10, "each", 0.01, 0, tuple(made), "documents")


def test_a_decay_without_noise_tells_the_very_share_and_the_days():
    made = schedule(lived(0.5), 0.02)
    assert made.decay.mean == pytest.approx(0.005) and (made.share, made.soonest, made.latest) == pytest.approx((0.04,) * 3)
    assert made.tried == pytest.approx(0.1) and made.rebuild_s == 3.0
    words = schedule_words(made, 0.5)
    assert (
        words[1].startswith("By this slope, rebuild after 4.0% (8.0 days at 0.5% a day): 2 points are lost then")
        and len(words) == 2
    )
    assert ": 1 point is lost then" in schedule_words(schedule(lived(0.5), 0.01))[1]
    assert "beyond the 10% that were tried" in schedule_words(schedule(lived(0.5), 0.2))[-1]
    assert "measured up to 0.4%" in schedule_words(schedule(lived(0.5), 0.02)._replace(tried=0.004))[0]
    assert "2 points are not lost at any share tried" in schedule_words(schedule(lived(0.0), 0.02))[-1]
    assert "not shown" in schedule_words(schedule(lived(0.0, noise=0.1), 0.02))[1]


def test_the_interval_of_the_share_holds_the_true_one_about_as_often_as_it_says():
    made = [schedule(lived(0.5, 0.05, questions=60, seed=seed), 0.02) for seed in range(100)]
    held = np.mean([each.soonest <= 0.04 <= (each.latest or np.inf) for each in made])
    assert 0.88 <= held <= 1.0


def test_what_tells_no_decay_says_so():
    with pytest.raises(WorkbenchError, match="Without a round"):
        schedule(lived(0.5, rounds=0), 0.01)
    with pytest.raises(WorkbenchError, match="no loss to tolerate"):
        schedule(lived(0.5), 0.0)
    assert "no interval" in schedule_words(schedule(lived(0.5, questions=1), 0.01))[0]
