"""`Remembered` asks for each text once. `WhitespaceTools` is what the tests of the chunkers use for an encoder."""

import re
import zlib

import numpy as np

from core.chunking.tools import Remembered, Tools


class WhitespaceTools(Tools):
    """Tokens are runs of up to four letters, or one sign; control characters have none, an emoji has three, a rocket twelve.

    Like real tokenizers it divides words, drops characters, and (byte-level ones) gives one character many tokens.
    """

    def __init__(self) -> None:
        self.calls = 0

    def token_offsets(self, text: str) -> np.ndarray:
        self.calls += 1
        spans = [m.span() for m in re.finditer(r"\w{1,4}|[^\w\s\x00-\x1f]", text)]
        times = [12 if text[start] == "\U0001f680" else 3 if ord(text[start]) > 0xFFFF else 1 for start, _ in spans]
        return np.repeat(np.array(spans, np.int32).reshape(-1, 2), times, axis=0)

    def embed(self, texts: list[str]) -> np.ndarray:
        self.calls += 1
        words = np.zeros((len(texts), 64), np.float32)
        for row, text in enumerate(texts):
            words[row, 0] = 1e-3
            for word in text.lower().split():
                words[row, zlib.crc32(word.encode("utf-8", "surrogatepass")) % 64] += 1
        return words / np.linalg.norm(words, axis=1, keepdims=True)


def test_each_text_is_tokenised_once():
    tools = WhitespaceTools()
    known = Remembered(tools)
    known.tokenize_ahead(["one two", "one two", "three"])
    assert tools.calls == 2
    assert known.token_offsets("three").tolist() == [[0, 4], [4, 5]]
    assert tools.calls == 2


def test_many_texts_are_tokenised_in_one_call_where_the_encoder_can():
    class Many(WhitespaceTools):
        def token_offsets_many(self, texts):
            self.many = list(texts)
            return [WhitespaceTools().token_offsets(text) for text in texts]

    tools = Many()
    Remembered(tools).tokenize_ahead(["b", "a", "b"])
    assert tools.many == ["b", "a"] and tools.calls == 0


def test_vectors_embedded_ahead_come_back_by_text():
    tools = WhitespaceTools()
    known = Remembered(tools)
    known.embed_ahead(["red fox", "blue sky", "red fox"])
    assert np.array_equal(known.embed(["blue sky", "red fox"]), WhitespaceTools().embed(["blue sky", "red fox"]))
    assert tools.calls == 1
    known.embed(["unseen"])
    assert tools.calls == 2
