"""Balanced accuracy and F1 against counts by hand and scikit-learn, characters against pooled counts."""

import numpy as np
import pytest

from core.statistics.detection import detection, overlap


def test_values_are_those_of_scikit_learn():
    from sklearn.metrics import balanced_accuracy_score, f1_score

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 200).astype(float)
    said = np.where(rng.random(200) < 0.7, truth, 1 - truth)
    told = detection(said, truth, resamples=200)
    assert told.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(truth, said))
    assert told.f1.value == pytest.approx(f1_score(truth, said))
    assert told.f1_other.value == pytest.approx(f1_score(truth, said, pos_label=0))
    assert told.f1.low < told.f1.value < told.f1.high


def test_what_is_not_labelled_is_left_out_and_one_kind_is_undefined():
    said, truth = np.array([1, 0, 1, np.nan]), np.array([1, 1, np.nan, 1])
    told = detection(said, truth, resamples=50)
    assert told.f1.items == 2 and told.f1.value == pytest.approx(2 / 3)
    assert told.balanced_accuracy.value is None and told.balanced_accuracy.note
    assert detection(np.array([]), np.array([]), 50).f1.value is None


def test_rows_of_a_group_are_drawn_together():
    truth = np.tile([1.0, 1, 0, 0], 40)
    said = np.repeat(np.random.default_rng(1).random(16) < 0.5, 10).astype(float)
    alone = detection(said, truth, 500).balanced_accuracy
    together = detection(said, truth, 500, groups=np.repeat(np.arange(8), 20)).balanced_accuracy
    assert together.value == alone.value and together.drawn == 8 and alone.drawn == 160


def test_characters_are_pooled_over_texts():
    told = overlap(np.array([3, 0]), np.array([4, 2]), np.array([5, 1]), resamples=50)
    assert told.precision.value == pytest.approx(3 / 6) and told.recall.value == pytest.approx(3 / 6)
    assert told.f1.value == pytest.approx(2 * 3 / 12)
    assert overlap(np.zeros(2), np.zeros(2), np.ones(2), 50).precision.value is None
