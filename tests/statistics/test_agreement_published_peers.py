"""Coefficients of agreement against published numbers."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from core.statistics.agreement.alpha import alpha
from core.statistics.agreement.chance import brennan_prediger, fleiss, gwet, percent
from core.statistics.agreement.coefficient import estimate
from core.statistics.agreement.icc import icc
from core.statistics.agreement.kappa import cohen, conger
from core.statistics.agreement.measures import paradox
from core.statistics.dawid_skene import dawid_skene, fit

QAGS = Path(os.environ.get("GROUNDWORK_DATASETS", "../shared/datasets")) / "qags" / "mturk_cnndm.jsonl"


def letters(*rows: str) -> np.ndarray:
    """Ratings [items, annotators] from a row of digits or letters for each annotator, "." = missing."""
    signs = sorted(set("".join(rows)) - {"."})
    return np.array([[np.nan if c == "." else signs.index(c) for c in row] for row in rows]).T


def value(coefficient) -> float:
    return estimate(coefficient, resamples=0).value


MISSING = letters("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def table(cells) -> np.ndarray:
    """Two annotators' ratings with the given cross table."""
    return np.array([[i, j] for i, row in enumerate(cells) for j, n in enumerate(row) for _ in range(n)], np.float64)


def from_counts(rows) -> np.ndarray:
    return np.array([[k for k, n in enumerate(row) for _ in range(n)] for row in rows], np.float64)


def test_krippendorff_2011_complete_data():
    assert value(alpha(letters("0100000010", "1110010000"))) == pytest.approx(0.0952, abs=5e-5)
    assert value(alpha(letters("aabbdcccedda", "babbbccceddd"))) == pytest.approx(0.692, abs=5e-4)


def test_krippendorff_2011_missing_labels_on_four_levels():
    assert value(alpha(MISSING)) == pytest.approx(904 / 1216, abs=1e-12)
    for level, expected in (("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)):
        # units 1 to 5, as published; the ratio scale depends on where 0 lies
        assert value(alpha(MISSING + 1, level)) == pytest.approx(expected, abs=5e-4), level


def test_the_same_data_with_the_other_coefficients():
    for make, expected in ((fleiss, 0.76117), (conger, 0.76207), (gwet, 0.77544), (brennan_prediger, 0.77273)):
        assert value(make(MISSING, 5)) == pytest.approx(expected, abs=5e-6), make.__name__
    assert value(gwet(MISSING, 5, "quadratic")) == pytest.approx(0.914, abs=5e-4)


def test_fleiss_1971_and_wikipedia():
    diagnoses = """00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031 00501 30012 51000
        02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006"""
    diagnoses = from_counts([[int(n) for n in row] for row in diagnoses.split()])
    assert diagnoses.shape == (30, 6) and value(fleiss(diagnoses, 5)) == pytest.approx(0.4302, abs=5e-5)
    wikipedia = from_counts(
        [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ]
    )
    assert value(fleiss(wikipedia, 5)) == pytest.approx(0.20993, abs=5e-6)


def test_cohen_with_its_published_interval():
    ratings = table([[20, 5], [10, 15]])
    found = estimate(cohen(ratings, 2))
    assert found.value == pytest.approx(0.4, abs=1e-12) and (found.items, found.labels) == (50, 100)
    assert (found.low, found.high) == pytest.approx((0.151, 0.649), abs=0.04)  # the bootstrap, on 50 items


def test_the_prevalence_paradox_is_pointed_out():
    ratings = table([[118, 5], [2, 0]])
    assert value(cohen(ratings, 2)) == pytest.approx(-0.0234, abs=5e-5)
    assert value(gwet(ratings, 2)) == pytest.approx(0.9408, abs=5e-5)
    found = paradox(ratings, 2)
    assert found.percent == pytest.approx(118 / 125) and found.prevalence == pytest.approx(243 / 250)
    assert "94.4%" in found.sentence and "-0.023" in found.sentence and "0.941" in found.sentence
    assert paradox(table([[20, 5], [10, 15]]), 2) is None


def test_shrout_and_fleiss_1979_table_4():
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], np.float64)
    for form, expected in (("1,1", 0.17), ("2,1", 0.29), ("3,1", 0.71), ("1,k", 0.44), ("2,k", 0.62), ("3,k", 0.91)):
        assert value(icc(ratings, form)) == pytest.approx(expected, abs=0.005), form


def test_dawid_and_skene_1979():
    """Table 1: 45 patients; the first observer saw each three times. Class shares and error rates as in their tables 2 and 4."""
    seen = """1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343 1111111 2223212
        1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111 1111111
        1121121 1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111 1111111 1212111 2322222 1211111
        2222222""".split()
    codes = np.array([[int(c) - 1 for c in row] for row in seen])  # [45, 7]
    observers = np.tile([0, 0, 0, 1, 2, 3, 4], 45)
    found = fit(np.repeat(np.arange(45), 7), observers, codes.ravel(), (45, 5, 4))
    assert found.converged and found.priors == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    assert found.confusion[0] == pytest.approx(
        np.array([[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]), abs=0.006
    )


@pytest.fixture(scope="module")
def qags():
    if not QAGS.exists():
        pytest.skip(f"QAGS is not at {QAGS}; GROUNDWORK_DATASETS names the folder of data sets")
    summaries = [json.loads(line) for line in QAGS.read_text("utf-8").splitlines()]
    sentences = [(row, sentence) for row, summary in enumerate(summaries) for sentence in summary["summary_sentences"]]
    workers = {}
    for _, sentence in sentences:
        for response in sentence["responses"]:
            workers.setdefault(response["worker_id"], len(workers))
    values = np.full((len(sentences), len(workers)), np.nan)
    for number, (_, sentence) in enumerate(sentences):
        for response in sentence["responses"]:
            values[number, workers[response["worker_id"]]] = response["response"] == "yes"
    return values, [row for row, _ in sentences]


def test_qags_cnn_dailymail(qags):
    labels, summaries = qags
    assert labels.shape == (714, 162)
    found = estimate(alpha(labels))
    assert found.value == pytest.approx(0.5135, abs=5e-5) and (found.items, found.labels) == (714, 2142)
    assert (found.low, found.high) == pytest.approx((0.459, 0.567), abs=0.006) and found.undefined == 0
    # by summaries, as the sentences of one depend on each other
    grouped = estimate(alpha(labels), groups=summaries)
    assert grouped.value == found.value and (found.drawn, grouped.drawn) == (714, 235)
    assert (grouped.low, grouped.high) == pytest.approx((0.4540, 0.5722), abs=0.002)
    assert value(percent(labels, 2)) == pytest.approx(0.8039, abs=5e-5)


def test_qags_by_dawid_and_skene(qags):
    labels, _ = qags
    found = dawid_skene(labels, 2)
    majority = np.nanmean(labels, axis=1) > 0.5
    assert (found.labels == majority).mean() > 0.85
    assert np.diff(found.log_likelihoods).min() > -1e-9 and found.ability.shape == (162,)
