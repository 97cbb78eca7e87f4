"""Exact match, F1 and substring against the official scripts of SQuAD 1.1, SQuAD 2.0 and TriviaQA, written again from them."""

import json
import math
import re
import string
from collections import Counter

import pytest

from core.judging.measures.contains import Contains
from core.judging.measures.em import ExactMatch
from core.judging.measures.f1 import TokenF1
from tests.support.judging import judged, said, values


def squad(text: str) -> str:
    """normalize_answer of evaluate-v1.1.py and evaluate-v2.0.py."""
    text = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def trivia(text: str) -> str:
    """normalize_answer of triviaqa_evaluation.py."""
    marks = set(string.punctuation + "".join(["‘", "’", "´", "`"]))
    text = "".join(letter if letter not in marks else " " for letter in text.replace("_", " ").lower())
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split()).strip()


def official_f1(prediction: str, gold: str, normalise, both_empty: float) -> float:
    said, wanted = normalise(prediction).split(), normalise(gold).split()
    if not said or not wanted:
        return both_empty * (said == wanted)
    common = Counter(said) & Counter(wanted)
    shared = sum(common.values())
    if shared == 0:
        return 0.0
    precision, recall = 1.0 * shared / len(said), 1.0 * shared / len(wanted)
    return (2 * precision * recall) / (precision + recall)


def predictions(datasets_root) -> list[tuple[str, list[str]]]:
    """A prediction for each question of XQuAD, right, cut, in a sentence, or another question's; and its answers."""
    data = json.loads((datasets_root / "xquad/xquad.en.json").read_text("utf-8"))["data"]
    asked = [qa for article in data for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
    golds = [[answer["text"] for answer in qa["answers"]] for qa in asked]
    forms = (
        lambda i: golds[i][0].upper() + ".",
        lambda i: " ".join(golds[i][0].split()[:2]),
        lambda i: f"It is the {golds[i][0]}, as the article says.",
        lambda i: golds[(i + 1) % len(golds)][0],
    )
    return [(forms[i % len(forms)](i), some) for i, some in enumerate(golds)]


@pytest.mark.parametrize(("rules", "normalise"), [("squad", squad), ("triviaqa", trivia)])
def test_xquad_predictions_score_to_the_last_digit(rules, normalise, datasets_root):
    told = predictions(datasets_root)
    cases = [said(prediction, *golds) for prediction, golds in told]
    exact = [max(float(normalise(p) == normalise(gold)) for gold in golds) for p, golds in told]
    f1 = [max(official_f1(p, gold, normalise, 0.0) for gold in golds) for p, golds in told]
    held = [float(any(normalise(gold) in normalise(p) for gold in golds)) for p, golds in told]
    assert len(told) == 1190 and 0.2 < sum(exact) / 1190 < 0.8
    assert values(ExactMatch(rules=rules), *cases) == exact
    assert values(TokenF1(rules=rules), *cases) == pytest.approx(f1, abs=1e-15)
    assert values(Contains(rules=rules, whole_words=False), *cases) == held


def test_the_two_rules_part_on_punctuation_within_words():
    case = said("U.S. Navy's", "US Navys")
    assert values(ExactMatch(), case) == [1.0] and values(ExactMatch(rules="triviaqa"), case) == [0.0]
    assert trivia("U.S. Navy’s") == "u s navy s" and squad("U.S. Navy's") == "us navys"
    assert values(ExactMatch(rules="triviaqa"), said("snow_white’s", "Snow White's")) == [1.0]


def test_a_reference_stands_in_the_answer_as_whole_words():
    assert values(Contains(), said("It was won by the Denver Broncos [1].", "Denver Broncos"), said("Carbondale", "carbon")) == [
        1,
        0,
    ]
    assert values(Contains(whole_words=False), said("Carbondale", "carbon")) == [1]
    assert values(Contains(), said("a list of 1 and 2 [12]", "12")) == [0], "a citation's number is no answer"


def test_without_words_there_is_no_substring_to_find():
    (score,) = judged(Contains(), said("anything", "The", "?!"))
    assert math.isnan(score.value) and "no word" in score.reason
