"""The arithmetic of told times: from measured runs, weighed by length, as a range, with the loading of the model apart."""

import time

import numpy as np
import pytest

from core.embedding.vectors import embed, weights
from core.pipeline.forecast import Forecast, Phase, Usd, one_phase
from core.pipeline.speed import KEPT, ONCE, SPREAD, UNSURE, Estimate, Rough, Run, Speeds, estimate, noted
from core.pipeline.usual import usual
from core.store.cache import StageCache


def test_long_texts_cost_more_up_to_what_the_encoder_reads():
    short, long, longer = weights(["a" * 50, "a" * 500, "a" * 50_000], 256)
    assert (short, long, longer) == (20, 110, 266) and weights(["a" * 50_000], None)[0] == 10_010


def test_questions_say_little_of_chunks_and_the_estimate_knows_it():
    """1,000 short questions in 10 s: 100 chunks of full length are not 1 s."""
    asked, chunks = weights(["a" * 50] * 1000, 256).sum(), weights(["a" * 1300] * 100, 256).sum()
    found = estimate(noted(None, Run(1000, asked, 10.0, 0.0)), chunks)
    assert found.low <= 10 * chunks / asked <= found.high and found.low > 5


def test_the_range_holds_the_fastest_and_the_slowest_run_and_the_loading():
    record = noted(None, Run(100, 1000, 10.0, 4.0))
    assert estimate(record, 1000) == pytest.approx(Estimate(14 / ONCE, 14 * ONCE))
    record = noted(record, Run(100, 1000, 20.0, 0.0))
    assert record["loads"] == [4.0]  # the second run met a loaded model
    assert estimate(record, 1000) == pytest.approx(Estimate(14 / UNSURE, 24 * UNSURE))
    record = noted(record, Run(100, 1000, 15.0, 0.0))  # three runs say more
    assert estimate(record, 1000) == pytest.approx(Estimate(14 / SPREAD, 24 * SPREAD))


def test_only_the_last_runs_count():
    record = noted(None, Run(100, 1000, 1000.0, 0.0))
    for _ in range(KEPT):
        record = noted(record, Run(100, 1000, 10.0, 0.0))
    assert estimate(record, 1000).high < 20


def test_nothing_is_told_before_the_first_run_and_of_records_without_runs():
    assert (
        estimate(None, 100) is None and estimate({"texts_per_s": 30.0}, 100) is None and estimate({"runs": [[1, 1]]}, 0) is None
    )


class Slow:
    """An encoder that takes its time to load and as much for its first batch as for the others."""

    dim, max_tokens = 2, 256

    def identity(self):
        return "slow"

    def prefix(self, query):
        return ""

    def load(self):
        time.sleep(0.3)
        return self

    def encode(self, texts, query=False):
        for i in range(0, len(texts), 10):
            time.sleep(0.05)
            yield list(range(i, i + 10)), np.zeros((10, 2), np.float32)


def test_loading_is_told_apart_from_encoding(tmp_path):
    runs = []
    for _ in embed(
        Slow(), [f"text number {i}" for i in range(60)], tmp_path, weigh=weights, timed=lambda *run: runs.append(Run(*run))
    ):
        pass
    [run] = runs
    assert run.texts == 60 and run.work == pytest.approx(weights([f"text number {i}" for i in range(60)], 256).sum())
    assert run.seconds >= 0.25 and run.load_s >= 0.25  # on a busy machine sleeping takes longer, never shorter


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (Estimate(11.6, 20.2), "12 to 20 s"),
        (Estimate(0.2, 0.4), "about 1 s"),
        (Estimate(51, 88), "50 to 90 s"),
        (Estimate(125, 340), "2.1 to 5.7 min"),
        (Estimate(90, 240), "1.5 to 4 min"),
        (Estimate(25, 420), "25 s to 7 min"),
        (Estimate(3000, 8300), "50 min to 2.3 h"),
        (Estimate(330, 18_600), "5.5 min to 5.2 h"),
    ],
)
def test_a_range_is_told_in_words(seconds, told):
    assert seconds.words == told


def test_what_takes_about_as_long_is_asked_after_what_ran_itself(tmp_path):
    speeds = Speeds(StageCache(tmp_path, 10**6))
    assert speeds.time(10, "own", "alike") is None
    speeds.note("alike", Run(5, 5, 5.0, 0.0))
    assert speeds.time(10, "own", "alike") == pytest.approx(Estimate(10 / ONCE / UNSURE, 10 * ONCE * UNSURE))
    speeds.note("own", Run(5, 5, 10.0, 0.0))
    assert speeds.time(10, "own", "alike") == pytest.approx(Estimate(20 / ONCE, 20 * ONCE))


def test_a_single_batch_is_timed_too(tmp_path):
    runs = []
    for _ in embed(Slow(), [f"text {i}" for i in range(10)], tmp_path, timed=lambda *run: runs.append(Run(*run))):
        pass
    [run] = runs
    assert run.texts == 10 and run.seconds >= 0.05 and run.load_s >= 0.3


STEPS = Phase("3 steps of 8 examples", Estimate(60, 90))
ANSWERS = Phase("182 test answers", Estimate(600, 900))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Forecast((STEPS,)), "3 steps of 8 examples, 60 to 90 s"),
        (Forecast((STEPS, ANSWERS)), "In all 11 to 16 min: 3 steps of 8 examples, 60 to 90 s; "
         "182 test answers, 10 to 15 min"),
        (Forecast((STEPS._replace(seconds=None), ANSWERS), 3.9e9), "In all more than 10 min: 3 steps of 8 examples, not measured here "
         "yet; 182 test answers, 10 to 15 min; about 3.9 GB of memory"),
        (Forecast((STEPS._replace(seconds=None), ANSWERS), earlier=Estimate(60, 90)), "3 steps of 8 examples; 182 test answers, "
         "60 to 90 s by earlier runs"),
        (one_phase("converting the weights"), "Converting the weights, not measured here yet"),
    ],
)  # fmt: skip
def test_a_forecast_names_each_phase_with_its_time(told, words):
    assert told.words == words


def test_earlier_runs_of_a_verb_are_scaled_by_their_units():
    """40 answers took 20 and 30 s, so 80 take 40 to 60 s, and some to spare."""
    earlier = estimate({"runs": [(40, 20.0), (40, 30.0)]}, 80)
    assert earlier == pytest.approx(Estimate(40 / UNSURE, 60 * UNSURE)) and estimate({"runs": [(40, 20.0)]}, 0) is None
    grown = estimate({"runs": [(40, 20.0)]}, 80, whole=True)  # 8 of the 20 s may not grow
    assert grown == pytest.approx(Estimate(32 / ONCE, 40 * ONCE))


ROUGHLY = Phase("9 texts", Rough(2, 40))


def test_what_never_ran_here_is_told_roughly_and_makes_the_whole_rough():
    told = Forecast((STEPS, ROUGHLY))
    assert told.seconds == (62, 130) and not told.seconds.measured
    assert told.words == (
        "In all roughly 1 to 2.2 min: 3 steps of 8 examples, 60 to 90 s; 9 texts, roughly 2 to 40 s, not measured here yet"
    )


def test_what_the_verb_took_here_goes_before_its_phases_and_what_it_takes_elsewhere_after_them():
    earlier = Estimate(7, 8)
    assert Forecast((ROUGHLY,), earlier=earlier).words == "9 texts, 7 to 8 s by earlier runs"
    both = Forecast((STEPS, ANSWERS), earlier=earlier)
    assert both.seconds is earlier and both.words.startswith("In all 7 to 8 s by earlier runs: 3 steps of 8 examples, 60 to 90 s")
    assert Forecast((STEPS,), earlier=usual("export", 4)).seconds == STEPS.seconds
    assert Forecast(()).seconds is None


def test_a_forgetting_that_reads_half_a_gigabyte_is_a_matter_of_minutes_at_most():
    """It took 6 s."""
    told = usual("memory forget", 586)
    assert told.low < 6.1 < told.high < 300


@pytest.mark.parametrize(
    ("usd", "words"),
    [
        (Usd(0.0123, 0.5), "0.012 to 0.50 USD"),
        (Usd(0.2, 0.2), "0.20 USD"),
        (Usd(np.nan, np.nan), "price unknown, for the model is in no price table"),
    ],
)
def test_money_is_told_where_a_service_asks_for_it(usd, words):
    told = Forecast((ANSWERS._replace(usd=usd), STEPS)).words
    assert told.endswith(f"; {words}")
