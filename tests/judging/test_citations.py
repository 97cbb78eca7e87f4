"""Citation recall and precision on cases made by hand after ALCE's section 4.3, and against its script written again."""

import math
import random

import pytest

from core.judging.measures.citation_precision import CitationPrecision
from core.judging.measures.citation_recall import CitationRecall
from core.judging.measures.containment import Containment
from core.labs.scores.judging import told_together, usable
from tests.support.judging import judged, said, values

TOWER = "The tower was built in 1889 by the company of Gustave Eiffel."
TALL = "It is 330 metres tall."
PASSAGES = (TOWER, TALL, "Bread is made of flour and water.", f"{TOWER} {TALL}")
BUILT, HEIGHT = "The tower was built in 1889", "It is 330 metres tall"
BOTH = "Built in 1889 by the company of Gustave Eiffel. 330 metres tall".replace(".", ",")


def case(answer: str, **more):
    return said(answer, passages=PASSAGES, **{"asked_to_cite": True} | more)


@pytest.mark.parametrize(("answer", "recall", "precision"), [
    (f"{BUILT} [1]. {HEIGHT} [2].", 1.0, 1.0),
    (f"{BUILT} [1]. {HEIGHT}.", 0.5, 1.0),  # one is missing
    (f"{BUILT} [3]. {HEIGHT} [2].", 0.5, 0.5),  # one is wrong
    (f"{BUILT} [1, 3].", 1.0, 0.5),  # the second does not help, and is not needed
    (f"{BUILT} [1][4].", 1.0, 1.0),  # each bears it out alone
    (f"{BUILT} [9].", 0.0, 0.0),  # there is no such passage
    (f"{BUILT} [1]. {HEIGHT} [9].", 0.5, 1.0),  # not counted, as in the authors' script
    (f"{BUILT}. {HEIGHT}.", 0.0, 0.0),
    (f"{BUILT}. [1] {HEIGHT}. [2]", 1.0, 1.0),  # behind the full stop
    (f"{BUILT}.\n\n[2] {HEIGHT}.", 0.5, 1.0),  # before a paragraph
    (f"{BUILT} [1][1][1].", 1.0, 1.0),
    (f"{BUILT} [3][2][3][1].", 1.0, 1 / 3),
])  # fmt: skip
def test_hand_made_cases(answer, recall, precision):
    assert values(CitationRecall(), case(answer)) == [recall]
    assert values(CitationPrecision(), case(answer)) == [pytest.approx(precision)]


@pytest.mark.parametrize("measure", [CitationRecall(), CitationPrecision()])
def test_who_was_not_asked_to_cite_and_does_not_is_unmeasured(measure):
    for asked in (None, False):
        silent, citing = judged(measure, *(case(answer, asked_to_cite=asked) for answer in (f"{BUILT}.", f"{BUILT} [3].")))
        assert math.isnan(silent.value) and silent.reason == "it cites nothing, and was not asked to"
        assert citing.value == 0.0
    assert values(measure, case(f"{BUILT}.")) == [0.0]


def test_two_passages_that_bear_it_out_together_are_both_precise():
    answer = "The tower was built in 1889 by the company of Gustave Eiffel, it is 330 metres tall [1][2]."
    strict = {"threshold": 0.8}
    assert values(CitationRecall(**strict), case(answer)) == values(CitationPrecision(**strict), case(answer)) == [1.0]
    assert values(CitationRecall(**strict), case(answer.replace("[2]", ""))) == [0.0]


def test_missing_wrong_useless_and_invented_are_counted():
    (score,) = judged(CitationRecall(), case(f"{BUILT} [1, 3]. {HEIGHT} [3]. {HEIGHT}. {BUILT} [7]."))
    counts = {
        "statements": 4,
        "supported": 1,
        "citations": 3,
        "precise": 1,
        "missing": 1,
        "wrong": 1,
        "useless": 1,
        "invented": 1,
    }
    assert score.detail == counts
    first = score.claims[0]
    assert first.passage == 1 and PASSAGES[0][slice(*first.evidence)] == TOWER


def test_further_citations_than_count_are_left_out():
    answer = f"{BUILT} [3][2][3][1]."
    assert values(CitationRecall(most=1), case(answer)) == [0.0] and values(CitationRecall(most=3), case(answer)) == [1.0]


def test_other_forms_are_read_and_titles_are_not():
    assert values(CitationRecall(), case(f"{BUILT} (1).", citations="parentheses")) == [1.0]
    (score,) = judged(CitationRecall(), case(f"{BUILT} [Tower].", citations="titles"))
    assert math.isnan(score.value) and "title" in score.reason


def test_answers_that_cite_by_title_are_scored_by_the_other_measures():
    told = told_together([case(f"{BUILT} [Tower].", citations="titles", asked_to_cite=asked) for asked in (True, None)])
    assert [each.asked_to_cite for each in told] == [True, None]
    chosen, left = usable([CitationRecall(), Containment()], told)
    assert [measure.part for measure in chosen] == ["containment"] and "title" in left["citation_recall"]


def alce(sentences: list[tuple[str, list[int]]], passages, bears_out) -> tuple[float, float]:
    """compute_autoais of ALCE's eval.py, with another judge."""
    entail = precise = total = 0
    for sentence, refs in sentences:
        if not refs or any(ref >= len(passages) for ref in refs):
            continue
        refs = refs[:3]
        total += len(refs)
        joint = bears_out([passages[ref] for ref in refs], sentence)
        entail += joint
        if joint and len(refs) > 1:
            for ref in refs:
                if bears_out([passages[ref]], sentence):
                    precise += 1
                    continue
                rest = [each for each in refs if each != ref]
                precise += not bears_out([passages[each] for each in rest], sentence)
        else:
            precise += joint
    return entail / len(sentences), precise / total if total else 0.0


def test_it_counts_as_the_authors_script():
    def bears_out(texts, sentence):
        words = sentence.lower().replace(",", "").split()
        grams = {tuple(words[i : i + 3]) for i in range(len(words) - 2)}
        there = [text.lower().replace(".", "").replace(",", "").split() for text in texts]
        held = {tuple(some[i : i + 3]) for some in there for i in range(len(some) - 2)}
        return len(grams & held) / len(grams) >= 0.5

    draw, told = random.Random(3), (BUILT, HEIGHT, BOTH, "Bread is made of stone")
    for _ in range(200):
        rows = [(draw.choice(told), draw.sample(range(5), draw.randrange(4))) for _ in range(draw.randrange(1, 5))]
        answer = " ".join(f"{text} {''.join(f'[{ref + 1}]' for ref in refs)}." for text, refs in rows)
        recall, precision = alce(rows, PASSAGES, bears_out)
        assert values(CitationRecall(), case(answer)) == [pytest.approx(recall)], answer
        assert values(CitationPrecision(), case(answer)) == [pytest.approx(precision)], answer


OWN_WORDS = (
    ("Gustave Eiffel's company built the tower [1]. Its height is 330 metres [2].", 1.0, 1.0),
    (
        "The tower was not built in 1889 by the company of Gustave Eiffel [1]. Its height is 330 metres [2].",
        0.5,
        0.5,
    ),  # a lost "not" is no detail
    ("Flour and water make bread [3, 1].", 1.0, 0.5),
    ("The tower was built in 1889 and is 330 metres tall [1][2].", 1.0, 1.0),  # neither bears it out alone
    ("The tower was built in 1889 and is 330 metres tall [1].", 0.0, 0.0),
    ("Its height is 330 metres [9].", 0.0, 0.0),
)


@pytest.mark.parametrize(("answer", "recall", "precision"), OWN_WORDS)
def test_by_entailment_other_words_count_and_a_not_does(answer, recall, precision):
    passages = (TOWER, TALL, PASSAGES[2])
    told = said(answer, passages=passages)
    assert values(CitationRecall(by="entailment"), told) == [recall]
    assert values(CitationPrecision(by="entailment"), told) == [precision]


def test_by_entailment_a_long_statement_is_read_to_its_end():
    built = "The tower was built in 1889 by the company of Gustave Eiffel"
    passage = f"{built}, {', '.join(f'has a lift of steel on side {n} of its {n} sides' for n in range(2, 14))}."
    answers = (passage[:-1], f"{passage[:-1]}, and was pulled down by the Romans in the year 12")
    told = [said(f"{answer} [1].", passages=(passage,)) for answer in answers]
    assert values(CitationRecall(by="entailment"), *told) == [1.0, 0.0]


def test_containment_takes_other_words_for_unsupported_and_misses_a_not():
    answers = [said(answer, passages=(TOWER, TALL, PASSAGES[2])) for answer, *_ in OWN_WORDS[:2]]
    assert values(CitationRecall(), *answers) == [0.0, 0.5], "of the second it takes the wrong half"


def test_by_entailment_the_model_is_part_of_what_a_score_is_kept_by():
    assert CitationRecall().identity() == "" and CitationRecall(by="entailment").identity().startswith("judgement-")
