"""Tokenizers: trained, and opened from whatever file."""

import json
from functools import cache

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.files import DiskError
from core.labs.inside import tokenizers
from core.progress import Running, drain
from core.training.tokenizers import (
    FILE,
    Reader,
    TokenizerConfig,
    folder_of,
    opened,
    tokenizer_files,
    tokenizers_home,
    train_tokenizer,
)
from tests.support.small_disk import files_of_at_most

TEXTS = [
    "The for statement is used to iterate over the elements of a sequence; the else clause runs when it is exhausted.",
    "The while statement is used for repeated execution as long as an expression is true: while x < 10: x = x + 1",
    "Assignment statements are used to (re)bind names to values and to modify attributes or items of mutable objects.",
    "Größe und naïve Übung, read_lines(maxBytes=1234), 3.14 and 2024.",
] * 5


def train(kind, name, **settings):
    return drain(train_tokenizer(TEXTS, TokenizerConfig(kind=kind, size=300, **settings), folder_of(name)))


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_the_same_texts_train_the_same_tokenizer_to_the_last_byte(kind):
    first, second = (train(kind, name) for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()
    assert json.loads(first.with_name("training.json").read_text())["config"]["kind"] == kind


def test_unigram_trains_the_same_tokens_and_nearly_the_same_scores():
    one, two = (dict(json.loads(train("unigram", name).read_text())["model"]["vocab"]) for name in ("one", "two"))
    assert len(one.keys() & two.keys()) >= 0.98 * len(one)
    assert np.mean([abs(one[token] - two[token]) for token in one.keys() & two.keys()]) < 0.05


def test_wordpieces_letters_are_ordinary_tokens_that_text_cannot_call():
    reader = opened(train("wordpiece", "letters"))
    assert "added_tokens" in (settings := json.loads((folder_of("letters") / FILE).read_text()))
    assert settings["added_tokens"] == []
    assert [reader.token(i) for i in reader.split("##a").ids][:2] != ["##a"]


def test_trained_ones_are_known_beside_the_bundled_and_tell_of_every_stage():
    told = list(running := Running(train_tokenizer(TEXTS, TokenizerConfig(size=300), folder_of("mine"))))
    path = running.result
    assert told[-1].message == "A vocabulary of 300 tokens" and told[-1].done == told[-1].total == len(TEXTS)
    assert tokenizer_files()["mine"] == path and {"MiniLM", "SmolLM2"} <= tokenizer_files().keys()
    assert opened(path).name == "mine"


def test_a_closed_training_keeps_nothing():
    steps = train_tokenizer(TEXTS, TokenizerConfig(kind="unigram", size=300), folder_of("left"))
    next(steps)
    steps.close()
    assert not list(tokenizers_home().glob("*")) and "left" not in tokenizer_files()


def test_a_full_disk_is_told():
    full = files_of_at_most(1000)
    with pytest.raises(DiskError, match=r"The tokenizer could not be written: File too large"), full:
        train("bpe", "full")
    assert not folder_of("full").exists()


def test_one_that_is_not_as_it_was_written_is_refused():
    path = train("bpe", "damaged")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(WorkbenchError, match=r"The tokenizer is damaged: tokenizer\.json is not as it was written"):
        opened(path)


def test_what_cannot_be_trained_or_opened_is_said(tmp_path):
    with pytest.raises(WorkbenchError, match="no text"):
        next(train_tokenizer(["  ", ""], TokenizerConfig(), folder_of("empty")))
    train("bpe", "twice")
    with pytest.raises(WorkbenchError, match="already"):
        train("bpe", "twice")
    for name in ("../up", "", ".hidden", "a/b"):
        with pytest.raises(WorkbenchError, match="cannot be a name"):
            folder_of(name)
    with pytest.raises(WorkbenchError, match="no tokenizer here"):
        opened(tmp_path / "nothing")
    (tmp_path / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(WorkbenchError, match="cannot be read"):
        opened(tmp_path)
    (tmp_path / "bad.gguf").write_bytes(b"GGUFxx")
    with pytest.raises(WorkbenchError, match="GGUF"):
        opened(tmp_path / "bad.gguf")


@cache
def smollm2() -> Reader:
    return opened(tokenizer_files()["SmolLM2"])


@pytest.mark.slow
def test_smollm2_splits_numbers_into_digits_and_minilm_does_not():
    assert smollm2().vocabulary == 49152
    assert [smollm2().token(i) for i in smollm2().split("12345").ids] == list("12345")
    minilm = opened(tokenizer_files()["MiniLM"])
    assert len(minilm.split("12345").ids) < 5 and minilm.split("语言\u0e01\u0e33").unknown.any()


def test_offsets_within_a_character_point_at_it():
    split = smollm2().split("a🤗b")
    assert split.offsets[0].tolist() == [0, 1] and split.offsets[-1].tolist() == [2, 3]
    assert len(split.ids) > 3 and set(map(tuple, split.offsets[1:-1].tolist())) == {(1, 2)}
    assert tokenizers.coloured("a🤗b", split)[1][:2] == (1, 2)


def test_a_token_of_many_bytes_is_whole():
    text = "x" + " " * 80 + "=" * 70
    split = smollm2().split(text)
    assert max(len(smollm2().token(i)) for i in split.ids) > 32 and split.offsets[-1, 1] == len(text)
