"""Tokenizers: trained, opened from whatever file, and counted against counts made by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.labs.inside import tokenizers
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

TEXTS = [
    "The for statement is used to iterate over the elements of a sequence; the else clause runs when it is exhausted.",
    "The while statement is used for repeated execution as long as an expression is true: while x < 10: x = x + 1",
    "Assignment statements are used to (re)bind names to values and to modify attributes or items of mutable objects.",
    "Größe und naïve Übung, read_lines(maxBytes=1234), 3.14 and 2024.",
] * 5


def drained(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def train(kind, name, **settings):
    return drained(train_tokenizer(TEXTS, TokenizerConfig(kind=kind, size=300, **settings), folder_of(name)))


@pytest.fixture
def whole_words(tmp_path) -> Reader:
    """A tokenizer of known splits: ab and c are tokens, the rest is unknown."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "ab": 1, "##c": 2, ".": 3, "7": 4}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return opened(tmp_path, "by hand")


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
    steps = train_tokenizer(TEXTS, TokenizerConfig(size=300), folder_of("mine"))
    told = []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            path = end.value
            break
    assert told[-1].message == "A vocabulary of 300 tokens" and told[-1].done == told[-1].total == len(TEXTS)
    assert tokenizer_files()["mine"] == path and {"MiniLM", "SmolLM2"} <= tokenizer_files().keys()
    assert opened(path).name == "mine"


def test_a_closed_training_keeps_nothing():
    steps = train_tokenizer(TEXTS, TokenizerConfig(kind="unigram", size=300), folder_of("left"))
    next(steps)
    steps.close()
    assert not list(tokenizers_home().glob("*")) and "left" not in tokenizer_files()


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


def test_counts_are_those_made_by_hand(whole_words):
    # abc.ab 7 xy → ab ##c . ab 7 [UNK]: five words, of which abc is continued and xy unknown
    found = drained(tokenizers.compare(["abc.ab 7 xy", "", "é xy"], [whole_words], chunk_tokens=(2,)))
    assert tokenizers.values(found, "fertility")[:, 0].tolist()[::2] == [6 / 5, 1.0]
    assert np.isnan(tokenizers.values(found, "fertility")[1, 0]), "no word: unmeasured, not 0"
    assert tokenizers.values(found, "continued")[0, 0] == 1 / 5
    assert tokenizers.values(found, "unknown")[[0, 2], 0].tolist() == [1 / 6, 1.0]
    assert tokenizers.values(found, "lost")[[0, 2], 0].tolist() == [2 / 9, 1.0]
    assert tokenizers.values(found, "bytes_per_token")[2, 0] == 5 / 2
    assert tokenizers.values(found, "tokens: word")[0, 0] == 4 / 3 and tokenizers.values(found, "tokens: number")[0, 0] == 1
    # chunks of two tokens: "abc", ".ab", "7 xy"
    assert tokenizers.values(found, "chunk characters: 2")[0, 0] == (3 + 3 + 4) / 3
    assert tokenizers.values(found, "chunk words: 2")[0, 0] == (1 + 2 + 2) / 3
    assert tokenizers.vocabulary_use(found.tokenizers[0]) == 5 / 5
    rows = {row["measure"]: row for row in tokenizers.summary(found)}
    assert rows["fertility"]["whole"] == 8 / 7 and (rows["fertility"]["documents"], rows["fertility"]["of"]) == (2, 3)


def test_kinds_of_words():
    kinds = {
        "the": "word",
        "2024": "number",
        "read_lines": "name in code",
        "maxBytes": "name in code",
        "x1": "name in code",
        "naïve": "beyond ASCII",
        "语": "beyond ASCII",
        ";": "sign",
        "_": "name in code",
        "HTTP": "word",
    }
    assert {word: tokenizers.KINDS[tokenizers.kind_of_word(word)] for word in kinds} == kinds


@pytest.mark.parametrize("text", [*tokenizers.SAMPLES.values(), "", " a  b\n", "<|im_start|>x"])
def test_pieces_tile_the_text_and_name_every_token(text):
    bpe = opened(train("bpe", "tiling"))
    for reader in (bpe, opened(tokenizer_files()["MiniLM"]), smollm2()):
        split = reader.split(text)
        pieces = tokenizers.coloured(text, split)
        assert "".join(text[piece.start : piece.end] for piece in pieces) == text
        assert [i for piece in pieces for i in piece.tokens] == list(range(len(split.ids)))
    # a byte-level vocabulary covers every character, and the bytes of an emoji share it
    covered = {c for start, end in smollm2().split(text).offsets.tolist() for c in range(start, end)}
    assert covered == set(range(len(text)))


_smollm2 = []


def smollm2() -> Reader:
    if not _smollm2:
        _smollm2.append(opened(tokenizer_files()["SmolLM2"]))
    return _smollm2[0]


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


def test_samples_come_from_the_corpus_and_the_report_holds_all():
    found = tokenizers.samples([*TEXTS, "日本語のテキストです"])
    assert found["Other letters of the corpus"] == "日本語のテキストです" and "2024" in found["Numbers of the corpus"]
    assert tokenizers.samples(["only plain words here"]) == {}
    readers = [opened(tokenizer_files()["MiniLM"]), opened(train("bpe", "re-port"))]
    comparison = drained(tokenizers.compare(TEXTS, readers, (16,)))
    report = tokenizers.comparison_report(comparison, readers, found, resamples=200)
    assert "| Fertility, tokens a word |" in report.markdown and "re-port, " in report.markdown and "日│本" in report.markdown
    assert len(report.document_rows) == len(TEXTS) * 2 * len(tokenizers.measures(comparison))
    row = next(r for r in report.rows if r["measure"] == "fertility" and r["tokenizer"] == "re-port")
    assert row["low"] <= row["mean"] <= row["high"] and row["difference_low"] > 0, "300 tokens split more than 30,522"


def test_an_unread_corpus_is_refused():
    with pytest.raises(WorkbenchError, match="Nothing to compare"):
        next(tokenizers.compare([], []))
    assert isinstance(tokenizer_files()["SmolLM2"], Path)
