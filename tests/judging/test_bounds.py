"""Bounds on the work of one answer, and the evidence that is chosen in less of it: the very same as by the plain way."""

import math
from collections import Counter

import numpy as np
import pytest

from core import registry
from core.judging import evidence as choosing
from core.judging.claims import WORD
from core.judging.containment import PassageGrams, share
from core.judging.data_texts import readable, said
from core.judging.evidence import AGAIN, LONGEST, ROOM, _grams, best_sentence, evidence
from core.judging.measure import MOST_PAIRS, MOST_SENTENCES, AnswerCase, sentences_of, too_long
from tests.support.judging import judged

MEASURES = {name: part() for name, part in registry.parts("measure").items()}
BY_SENTENCE = {name: measure for name, measure in MEASURES.items() if measure.by_sentence}
WORDS = "the a of river town Lund Gent 1901 flows north, grew rich poor was is (see) old ; {x} mill".split()


def text(draw: np.random.Generator, sentences: int) -> str:
    return " ".join(
        " ".join(draw.choice(WORDS, draw.integers(1, 60))) + str(draw.choice([".", "?", ".\n", ""])) for _ in range(sentences)
    )


def plain_evidence(passages: tuple[str, ...], claim: str, room: int = ROOM) -> str:
    """As the definition has it: in each step the best of all that are left."""
    whole = " ".join(map(readable, passages))
    if len(whole) <= room:
        return whole
    texts = []
    for passage in passages:
        for _, _, part in said(passage):
            while len(part) > LONGEST:
                cut = part.rfind(" ", 1, LONGEST)
                cut = cut if cut > 0 else LONGEST
                texts.append(part[:cut])
                part = part[cut:].strip()
            if part:
                texts.append(part)
    grams = [_grams(part) for part in texts]
    counts = Counter(gram for some in grams for gram in some)
    wanted = {gram: math.log(1 + len(texts) / counts[gram]) for gram in _grams(claim) if gram in counts}
    taken, left, values = [], room, dict(wanted)
    ahead = [i for i in range(len(texts)) if grams[i] & wanted.keys()]
    while ahead and left > 0:
        best = max(
            ahead, key=lambda i: (sum(values[gram] for gram in grams[i] & values.keys()) / (len(texts[i]) + 100) ** 0.5, -i)
        )
        ahead.remove(best)
        if len(texts[best]) > left and taken:
            continue
        taken.append(best)
        left -= len(texts[best]) + 1
        values |= {gram: AGAIN * wanted[gram] for gram in grams[best] & values.keys()}
    for i in [*(beside for place in taken for beside in (place - 1, place + 1)), *range(len(texts))]:
        if 0 <= i < len(texts) and i not in taken and len(texts[i]) <= left:
            taken.append(i)
            left -= len(texts[i]) + 1
    return " ".join(texts[i] for i in sorted(taken))


def plain_best(passages: tuple[str, ...], claim: str):
    best, place = 0.0, None
    for number, passage in enumerate(passages, 1):
        for start, end, sentence in said(passage):
            grams = _grams(sentence)
            shared = len(grams & _grams(claim)) / (len(grams) + 10) ** 0.25
            if shared > best:
                best, place = shared, (number, (start, end))
    return place


@pytest.mark.parametrize("seed", range(40))
def test_evidence_and_places_are_those_of_the_plain_way(seed):
    draw = np.random.default_rng(seed)
    passages = tuple(text(draw, draw.integers(0, 30)) for _ in range(draw.integers(1, 6)))
    if seed % 5 == 0:
        passages += ('{"hours": {"Monday": "11:0-21:0"}, "WiFi": "no", "HasTV": true, "Music": null}' * 9,)
    for _ in range(6):
        claim = text(draw, 1)
        assert evidence(passages, claim) == plain_evidence(passages, claim)
        assert best_sentence(passages, claim) == plain_best(passages, claim)
        words = WORD.findall(claim.lower())
        for n in (1, 3) if words else ():
            assert PassageGrams(passages).shares(words, n) == [share(words, (passage,), n) for passage in passages]


def test_a_claim_is_weighed_against_those_sentences_only_that_share_a_word(monkeypatch):
    """Whatever their number: the others are never looked at."""
    passages = (" ".join(f"Alpha{i} beta{i}." for i in range(3000)),)
    evidence(passages, "Gamma.")
    looked = []
    monkeypatch.setattr(choosing.heapq, "heapify", lambda queue: looked.append(len(queue)))
    assert "Alpha7 beta7." in evidence(passages, "Alpha7 is here.") and looked == [1]
    assert best_sentence(passages, "It is alpha2999.") == (1, (passages[0].index("Alpha2999"), len(passages[0])))


SENTENCE = "The river of the old town flows north by the mill. "
LONG = {
    "sentences": AnswerCase("What?", SENTENCE * (MOST_SENTENCES + 1), (SENTENCE,), (SENTENCE,), True, 1, (frozenset({0}),)),
    "letters": AnswerCase("What?", "Ab. " * 30_000, ("Ab. " * 30_000,), ("Ab. " * 30_000,), True, 1, (frozenset({0}),)),
    "one word": AnswerCase("What?", "a" * 400_000, (SENTENCE,), (SENTENCE,), True, 1, (frozenset({0}),)),
    "pairs": AnswerCase("What?", SENTENCE * 900, (SENTENCE * 6_000,), (SENTENCE,), True, 1, (frozenset({0}),)),
}


@pytest.mark.parametrize("name", BY_SENTENCE)
@pytest.mark.parametrize("long", LONG)
def test_an_answer_of_too_much_work_is_unmeasured_and_says_why(name, long, monkeypatch):
    measure = BY_SENTENCE[name]
    monkeypatch.setattr(type(measure), "score", lambda self, cases, tools: iter_none(cases))
    [score] = judged(measure, LONG[long])
    assert math.isnan(score.value) and score.reason.startswith("over ")


def iter_none(cases):
    assert not cases, "nothing of it is begun"
    yield from ()
    return []


@pytest.mark.parametrize("name", ["context_use", "blame"])
@pytest.mark.parametrize("by", ["containment", "entailment"])
def test_decisions_of_statements_times_passages_are_bounded(name, by):
    measure = MEASURES[name].model_copy(update={"by": by})
    many = AnswerCase("What?", SENTENCE * 20, (SENTENCE,) * 20_000, (SENTENCE,), True, 1, (frozenset({0}),) * 20_000)
    assert "decisions by " + by in measure.unmeasurable(many)
    assert not measure.unmeasurable(many._replace(passages=many.passages[:500], covered=many.covered[:500]))


@pytest.mark.parametrize("case", [
    AnswerCase("What?", SENTENCE * 600, (SENTENCE * 100,) * 50, (SENTENCE * 100,)),  # a report of 24 pages
    AnswerCase("What?", SENTENCE * 60, (SENTENCE * 40_000,), (SENTENCE * 60,)),  # a summary of a book of 800 pages
    AnswerCase("What?", "- An item of a list\n" * 900, (SENTENCE * 1000,) * 2),
    AnswerCase("What?", "It costs 3.14 at www.example.org, e.g. v1.2.3 " * 500, (SENTENCE * 1000,)),
])  # fmt: skip
def test_answers_that_people_read_meet_no_bound(case):
    assert not too_long(case)
    assert all(
        "over " not in BY_SENTENCE[name].unmeasurable(case)
        for name in ("containment", "entailment", "faithfulness", "wrong_words")
    )


def test_sentences_are_counted_about_right():
    assert sentences_of(SENTENCE * 100) == 101 and sentences_of("") == 1 and sentences_of("3.14 e.g.") == 1
    assert sentences_of('{"a": 1, "b": 2, "c": 3}') == 3 and MOST_PAIRS >= 1000 * MOST_SENTENCES
