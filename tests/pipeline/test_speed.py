"""The arithmetic of told times: from measured runs, weighed by length, as a range, with the loading of the model apart."""

import time

import numpy as np
import pytest

from app.ui import cards
from core.pipeline.speed import KEPT, SPREAD, UNSURE, Estimate, Run, estimate, noted, weights
from core.pipeline.vectors import embed


def test_long_texts_cost_more_up_to_what_the_encoder_reads():
    short, long, longer = weights(["a" * 50, "a" * 500, "a" * 50_000], 256)
    assert (short, long, longer) == (20, 110, 266) and weights(["a" * 50_000], None)[0] == 10_010


def test_questions_say_little_of_chunks_and_the_estimate_knows_it():
    """1,000 short questions in 10 s: 100 chunks of full length are not 1 s."""
    asked, chunks = weights(["a" * 50] * 1000, 256).sum(), weights(["a" * 1300] * 100, 256).sum()
    found = estimate(noted(None, Run(1000, asked, 10.0, 0.0)), chunks)
    assert found.low <= 10 * chunks / asked <= found.high and found.low > 5


def test_the_range_holds_the_fastest_and_the_slowest_run_and_the_loading():
    record = noted(noted(None, Run(100, 1000, 10.0, 4.0)), Run(100, 1000, 20.0, 0.0))
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
        (Estimate(11.6, 20.2), ", 12 to 20 s"),
        (Estimate(0.2, 0.4), ", about 1 s"),
        (Estimate(51, 88), ", 50 s to 1:30 min"),
        (Estimate(125, 340), ", 2:05 to 5:30 min"),
        (None, ""),
    ],
)
def test_a_range_is_told_in_words(seconds, told):
    assert cards.about(seconds) == told
