"""ROUGE-L against the package rouge-score."""

import math
import random

import pytest

from core.judging.diversity import common
from core.judging.measures.rouge_l import RougeL
from tests.support.judging import judged, said, values

TEXTS = (
    "The Eiffel Tower was built in 1889 by Gustave Eiffel's company.",
    "Built in 1889, the tower is named after the engineer Gustave Eiffel, whose company designed and built it.",
    "It isn't the tallest; dying, lying and skies, happily proceeding — naïve café 3.5%.",
    "cat sat on mats, cats sitting",
    "",
)


@pytest.mark.parametrize("stemming", [False, True])
def test_it_is_that_of_rouge_score(stemming):
    from rouge_score.rouge_scorer import RougeScorer

    scorer, draw = RougeScorer(["rougeL"], use_stemmer=stemming), random.Random(0)
    words = " ".join(TEXTS).split()
    texts = [*TEXTS, *(" ".join(draw.choices(words, k=draw.randrange(1, 30))) for _ in range(200))]
    pairs = [(draw.choice(texts[:-1]) or "no", draw.choice([text for text in texts if text])) for _ in range(400)]
    theirs = [scorer.score(wanted, answer)["rougeL"].fmeasure for answer, wanted in pairs]
    ours = values(RougeL(stemming=stemming), *(said(answer, wanted) for answer, wanted in pairs))
    assert ours == pytest.approx(theirs, abs=1e-12) and 0.05 < sum(ours) / len(ours) < 0.9


def test_the_best_reference_counts():
    assert values(RougeL(), said("a b c [1]", "x y", "a b c")) == [1.0]


def test_the_longest_common_subsequence_of_long_texts_is_quick():
    draw = random.Random(1)
    a, b = ([draw.choice("abcdefgh") for _ in range(n)] for n in (60, 90))
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    assert common(a, b) == table[-1][-1]
    assert common(a * 200, a * 200) == 12000


def test_another_script_is_unmeasured():
    (score,) = judged(RougeL(), said("東京", "東京"))
    assert math.isnan(score.value) and "a to z" in score.reason
