"""Tokenizers compared: counted against counts made by hand."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.inside import tokenizers
from core.progress import drain
from core.records import Corpus, Document
from core.training.tokenizers import Reader, Split, TokenizerConfig, folder_of, opened, tokenizer_files, train_tokenizer

TEXTS = [
    "The for statement is used to iterate over the elements of a sequence; the else clause runs when it is exhausted.",
    "The while statement is used for repeated execution as long as an expression is true: while x < 10: x = x + 1",
    "Assignment statements are used to (re)bind names to values and to modify attributes or items of mutable objects.",
    "Größe und naïve Übung, read_lines(maxBytes=1234), 3.14 and 2024.",
] * 5


def train(kind, name, **settings):
    return drain(train_tokenizer(TEXTS, TokenizerConfig(kind=kind, size=300, **settings), folder_of(name)))


@pytest.fixture
def whole_words(tmp_path) -> Reader:
    """A tokenizer of known splits: ab and c are tokens, the rest is unknown."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "ab": 1, "##c": 2, ".": 3, "7": 4}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return opened(tmp_path, "by hand")


def test_counts_are_those_made_by_hand(whole_words):
    # abc.ab 7 xy → ab ##c . ab 7 [UNK]: five words, of which abc is continued and xy unknown
    found = drain(tokenizers.compare(["abc.ab 7 xy", "", "é xy"], [whole_words], chunk_tokens=(2,)))
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


@cache
def smollm2() -> Reader:
    return opened(tokenizer_files()["SmolLM2"])


def test_samples_come_from_the_corpus_and_the_report_holds_all():
    found = tokenizers.samples([*TEXTS, "日本語のテキストです"])
    assert found["Other letters of the corpus"] == "日本語のテキストです" and "2024" in found["Numbers of the corpus"]
    assert tokenizers.samples(["only plain words here"]) == {}
    readers = [opened(tokenizer_files()["MiniLM"]), opened(train("bpe", "re-port"))]
    comparison = drain(tokenizers.compare(TEXTS, readers, (16,)))
    report = tokenizers.comparison_report(comparison, readers, found, resamples=200)
    assert "| Fertility, tokens a word |" in report.markdown and "re-port, " in report.markdown and "日│本" in report.markdown
    assert len(report.document_rows) == len(TEXTS) * 2 * len(tokenizers.measures(comparison))
    row = next(r for r in report.rows if r["measure"] == "fertility" and r["tokenizer"] == "re-port")
    assert row["low"] <= row["mean"] <= row["high"] and row["difference_low"] > 0, "300 tokens split more than 30,522"


def test_an_unread_corpus_is_refused():
    with pytest.raises(WorkbenchError, match="Nothing to compare"):
        next(tokenizers.compare([], []))
    assert isinstance(tokenizer_files()["SmolLM2"], Path)


def test_another_tokenizer_of_the_same_name_and_size_has_numbers_of_its_own(workbench, whole_words):
    corpus = Corpus("c", tuple(Document(str(i), text) for i, text in enumerate(("abc.ab 7", "ab xy"))), (), fingerprint="c")
    letters = replace(whole_words, split_many=lambda texts: [_letters(text) for text in texts])
    texts = [document.text for document in corpus.documents]
    rows = []
    for reader in (whole_words, letters):
        made = drain(tokenizers.compare(texts, [reader], chunk_tokens=(2,)))
        rows.append(tokenizers.summary_on(workbench, TrialConfig(), corpus, made))
        assert rows[-1] == tokenizers.summary(made)
    assert rows[0] != rows[1]


def _letters(text: str) -> Split:
    places = np.array([(i, i + 1) for i, letter in enumerate(text) if not letter.isspace()], np.int32)
    return Split(np.ones(len(places), np.int32), places, np.zeros(len(places), bool))


def test_half_a_character_as_a_command_line_may_hand_it_over_is_counted_and_shown_as_unknown(whole_words):
    [row] = tokenizers.split_rows([whole_words], "ab \udce9")
    assert (row["tokens"], row["unknown"], row["split"].encode()) == (2, 1, "ab│\ufffd".encode())
    assert row["bytes_per_token"] == len("ab \ufffd".encode()) / 2
