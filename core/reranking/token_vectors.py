"""A vector for each token of a text: the last layer of a BERT encoder before it is pooled, each of length 1.

A text longer than the encoder reads is read in windows of equal size, none of it left out; tokens of one window do not see
those of another. The module stands apart from the encoder's own: a line changed there would encode every corpus anew.
"""

from collections.abc import Generator, Iterator
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.errors import WorkbenchError
from core.models.text import encodable

GIVING = ("minilm", "trained")  # parts whose model is a BERT of ours
TEXTS_AT_ONCE = 1024  # tokenised and sorted together: bounds memory
CPU_TOKENS, GPU_TOKENS = 4096, 65536  # of a batch


class TextTokens(NamedTuple):
    """Tokens of a text, specials included: of each the vector, and the characters [start, end) that it stands for."""

    vectors: np.ndarray  # [n, dim] float32, each of length 1
    spans: np.ndarray  # [n, 2] int32; a special token has none: start and end are equal


def token_encoder(part: Any) -> "TokenReader":
    """What gives the token vectors of an encoder part; WorkbenchError where it has none to give."""
    encoder = part.load()
    if not isinstance(part, tuple(registry.find("encoder", name) for name in GIVING)):
        raise WorkbenchError(
            f"The encoder {encoder.name} gives a text one vector, and none to each token.",
            where="embedding.part",
            todo=f"Choose one of {', '.join(GIVING)} for the embedding, or another reranker than maxsim.",
        )
    return TokenReader(encoder)


class TokenReader:
    """Reads with the model, tokenizer and length of a loaded encoder, and leaves its pooling out."""

    def __init__(self, encoder: Any) -> None:
        self._model, self._tokenizer, self.dim, self.most = encoder._model(), encoder._tokenizer, encoder.dim, encoder.max_tokens
        ids = self._tokenizer.encode("").ids
        first = len(ids) - encoder._closing
        self._opening, self._closing = ids[:first], ids[first:]

    def read(self, texts: list[str]) -> Generator[tuple[int, TextTokens], None, None]:
        """(place of the text, its tokens), each text once, in any order."""
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            yield from ((start + i, tokens) for i, tokens in self._block(texts[start : start + TEXTS_AT_ONCE]))

    def _block(self, texts: list[str]) -> Generator[tuple[int, TextTokens], None, None]:
        windows, waiting = [], {}  # (text, window of it, ids), and of each text the windows read so far
        read = self._tokenizer.encode_batch([encodable(text) for text in texts], add_special_tokens=False)
        for i, encoding in enumerate(read):
            pieces = self._windows(len(encoding.ids))
            spans = np.array(encoding.offsets, np.int32).reshape(-1, 2)
            waiting[i] = [(None, self._with_specials(spans[piece])) for piece in pieces]
            windows += [(i, w, [*self._opening, *encoding.ids[piece], *self._closing]) for w, piece in enumerate(pieces)]
        for places, vectors in self._vectors(windows):
            for (i, w), some in zip(places, vectors, strict=True):
                waiting[i][w] = (some, waiting[i][w][1])
                if all(made is not None for made, _ in waiting[i]):
                    yield i, TextTokens(*(np.concatenate(parts) for parts in zip(*waiting.pop(i), strict=True)))

    def _windows(self, tokens: int) -> list[slice]:
        """Of equal size, as few as there can be; a text without a token is one of specials alone."""
        most = self.most - len(self._opening) - len(self._closing)
        cuts = np.linspace(0, tokens, max(1, -(-tokens // most)) + 1).round().astype(int)
        return [slice(start, end) for start, end in pairwise(cuts.tolist())]

    def _with_specials(self, spans: np.ndarray) -> np.ndarray:
        first, last = (spans[0, 0], spans[-1, 1]) if len(spans) else (0, 0)
        opening, closing = np.full((len(self._opening), 2), first), np.full((len(self._closing), 2), last)
        return np.concatenate([opening, spans, closing]).astype(np.int32)

    def _vectors(self, windows: list) -> Iterator[tuple[list, list[np.ndarray]]]:
        most = CPU_TOKENS if self._model.device == "cpu" else GPU_TOKENS
        batches = self._batches(sorted(windows, key=lambda window: -len(window[2])), most)
        yield from ((places, last_layer(self._model, ids)) for places, ids in batches)

    def _batches(self, windows: list, most: int) -> Iterator[tuple[list, list[np.ndarray]]]:
        """((text, window) and ids of each), as many as there are tokens for: the longest first, those of one length together."""
        some, held = [], 0
        for text, window, ids in windows:
            if some and held + len(ids) > most:
                yield [place for place, _ in some], [ids for _, ids in some]
                some, held = [], 0
            some.append(((text, window), np.array(ids, np.int64)))
            held += len(ids)
        if some:
            yield [place for place, _ in some], [ids for _, ids in some]


def last_layer(model: Any, texts: list[np.ndarray]) -> list[np.ndarray]:
    """Of token ids, texts of one length adjacent, the vectors of all tokens [n, width] float32, each of length 1."""
    import torch

    with torch.inference_mode():
        groups = [(len(list(same)), length) for length, same in groupby(map(len, texts))]
        ids = torch.from_numpy(np.concatenate(texts)).to(model.device)
        places = torch.from_numpy(np.concatenate([np.arange(len(t)) for t in texts])).to(model.device)
        x = torch.nn.functional.normalize(model._forward(ids, places, groups).float(), dim=1).cpu().numpy()
    return np.split(x, np.cumsum([len(t) for t in texts])[:-1])
