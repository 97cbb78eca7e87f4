"""The BPE written to be read against the `tokenizers` library: the same merges, the same tokens."""

import json
import random
from itertools import pairwise

import pytest

from core.errors import WorkbenchError
from core.progress import drain
from core.scratch.models import bpe

TEXTS = [
    "The for statement is used to iterate over the elements of a sequence (such as a string, tuple or list).",
    'for_stmt: \'for\' target_list "in" starred_list ":" suite ["else" ":" suite]\n\n   x = [1, 22, 333, 4444]\n',
    "The try statement specifies exception handlers and/or cleanup code for a group of statements; it's 10% of them.",
    "Größe, naïve café, 日本語のテキスト, ½ x², 🤗🤗, don't we'll  two  spaces\t\ttabs   ",
]


def library(texts, size, min_frequency=2):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=size, min_frequency=min_frequency, initial_alphabet=alphabet, show_progress=False)
    )
    return tokenizer, [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def compared(texts, size, min_frequency=2):
    mine = drain(bpe.train(texts, size, min_frequency))
    tokenizer, merges = library(texts, size, min_frequency)
    assert [(merge.left, merge.right) for merge in mine.merges] == merges
    assert mine.vocabulary == tokenizer.get_vocab()
    return mine, tokenizer


@pytest.mark.slow
def test_merges_vocabulary_and_tokens_equal_the_librarys_on_prose_code_and_other_scripts():
    from pydoc_data.topics import topics

    prose = [topics[name] for name in ("for", "try", "string-methods")]
    mine, tokenizer = compared(TEXTS + prose, 900)
    assert len(mine.vocabulary) == 900
    for text in [*TEXTS, *prose, "unseen: Ωmega zażółć 𝔘nicode \x00\x7f\u00a0 end", ""]:
        assert mine.encode(text) == tokenizer.encode(text).ids
        assert mine.decode(mine.encode(text)) == text


@pytest.mark.parametrize("seed", range(40))
def test_ties_and_repeated_letters_are_settled_as_the_library_settles_them(seed):
    """Few letters make ties, overlaps ("aaaa") and different merges that write the same token."""
    rng = random.Random(seed)
    letters = "ab" if seed % 2 else "abcé"
    texts = [" ".join("".join(rng.choices(letters, k=rng.randint(1, 9))) for _ in range(25)) for _ in range(4)]
    compared(texts, 300, min_frequency=rng.choice([1, 2, 4]))


def test_counts_never_rise_and_a_tie_goes_to_the_lowest_ids():
    mine = drain(bpe.train(TEXTS, 400))
    counts = [merge.count for merge in mine.merges]
    assert all(a >= b for a, b in pairwise(counts)) and counts[-1] >= 2
    assert [(m.left, m.right) for m in drain(bpe.train(["zy xw zy xw"], 258, 1)).merges] == [("x", "w"), ("z", "y")]


def test_a_vocabulary_below_the_bytes_is_refused_and_no_text_gives_no_merge():
    with pytest.raises(WorkbenchError, match="256 bytes"):
        next(bpe.train(TEXTS, 255))
    assert drain(bpe.train([], 300)).merges == ()
