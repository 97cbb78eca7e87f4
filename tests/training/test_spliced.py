"""Claims made of pieces of a text's sentences."""

import numpy as np

from core.judging.claims import WORD
from core.training.faithfulness import spliced

FIRST = "The council of the town was sold to a bank in London after the long war."
SECOND = "A man from the north was hurt by a train in Wales before the first match."
TEXT = f"{FIRST} {SECOND}"


def test_a_splice_has_the_words_of_both_and_the_wrong_ones_are_the_second_sentences():
    for seed in range(30):
        made = spliced.spliced(FIRST, [FIRST, SECOND], TEXT, np.random.default_rng(seed))
        head, tail = made.text[: made.start], made.text[made.start : made.end]
        assert FIRST.startswith(head) and SECOND.endswith(tail) and made.text not in TEXT
        words = (head.split()[-1], tail.split()[0])
        kinds = [spliced.KIND.get(word) for word in (FIRST[len(head) :].split()[0], words[1])]
        assert kinds[0] == kinds[1] is not None


def test_nothing_is_spliced_of_one_sentence_or_of_too_few_words():
    draw = np.random.default_rng(0)
    assert spliced.spliced(FIRST, [FIRST], TEXT, draw) is None
    assert spliced.spliced("It was sold.", ["He was hurt."], "It was sold. He was hurt.", draw) is None


def test_a_sentence_without_its_middle_says_of_the_first_subject_what_the_second_did():
    sentence = "The judge was told that the driver of the red car had left the town."
    made = spliced.shortcut(sentence, sentence, np.random.default_rng(0))
    assert made.text == "The judge had left the town." or made is None
    assert spliced.shortcut("It rained for a whole week in the north.", "", np.random.default_rng(0)) is None


def test_who_says_it_is_left_out_and_two_sentences_are_joined_whole():
    assert spliced.without_attribution("The mill was closed in May, Anna said.") == "The mill was closed in May."
    assert spliced.without_attribution("The council said the mill was closed in May.") == "The mill was closed in May."
    joined = spliced.joined_rightly("The mill was sold.", "The house stood.", np.random.default_rng(0))
    assert joined.startswith("The mill was sold") and joined.endswith("the house stood.")


def test_a_shortened_sentence_keeps_its_order_and_loses_circumstances():
    sentence = "On Friday, the council (which met late) also sold the old mill in May 1994, and closed the house on the hill."
    for seed in range(20):
        draw = np.random.default_rng(seed)
        shorter = spliced.shortened(sentence, 1 + seed % 4, draw)
        left = iter(WORD.findall(sentence.lower()))
        assert len(shorter) < len(sentence) and shorter[0].isupper() and len(shorter.split()) >= 2 * spliced.FEWEST
        assert all(word in left for word in WORD.findall(shorter.lower()))
    assert spliced.shortened(sentence, 0, np.random.default_rng(0)) == sentence
    assert spliced.shortened("It rained.", 3, np.random.default_rng(0)) == "It rained."


def test_a_subject_takes_its_pronouns_place_and_anothers_is_wrong():
    assert spliced.named("She was born in Bath.", "Mary Anning found a skull.") == "Mary Anning was born in Bath."
    assert spliced.named("She was born in Bath.", "There it lay.") == spliced.named("Bath is old.", "Mary Anning found it.") == ""
    made = spliced.misnamed("She was born in Bath.", ["Mary Anning found a skull.", "There it lay."], np.random.default_rng(0))
    assert made.text == "Mary Anning was born in Bath." and made.text[made.start : made.end] == "Mary Anning"
    assert spliced.misnamed("Mary Anning was born.", ["Mary Anning found a skull."], np.random.default_rng(0)) is None
