"""A vector for each token of a text: the last layer of a BERT encoder before it is pooled, each of length 1.

A text longer than the encoder reads is read in windows of equal size, none of it left out; tokens of one window do not see
those of another. The module stands apart from the encoder's own: a line changed there would encode every corpus anew.
"""

from collections.abc import Generator, Iterator
from functools import partial
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.errors import WorkbenchError
from core.models.all_cores import BATCH_TOKENS, FEWEST_TOKENS, on_all_cores, workers_alone
from core.models.text import encodable

GIVING = ("minilm", "trained")  # parts whose model is a BERT of ours
TEXTS_AT_ONCE = 1024  # tokenised and sorted together: bounds memory


class TextTokens(NamedTuple):
    """Tokens of a text, specials included: of each the vector, and the characters [start, end) that it stands for."""

    vectors: np.ndarray  # [n, dim] float32, each of length 1
    spans: np.ndarray  # [n, 2] int32; a special token has none: start and end are equal
    # [dim] float32 of length 1: the text's own vector, as the encoder gives it; None where that reads less of it
    pooled: np.ndarray | None = None


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
    """Reads with the model, tokenizer and length of a loaded encoder, once for the vectors of the tokens and for the text's."""

    def __init__(self, encoder: Any) -> None:
        self._model, self._tokenizer, self.dim, self.most = encoder._model(), encoder._tokenizer, encoder.dim, encoder.max_tokens
        self._pooling = encoder._pooling
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
        for places, made in self._vectors(windows):
            for (i, w), (some, pooled) in zip(places, made, strict=True):
                waiting[i][w] = (some, waiting[i][w][1])
                if all(vectors is not None for vectors, _ in waiting[i]):
                    parts = waiting.pop(i)
                    joined = (np.concatenate(each) for each in zip(*parts, strict=True))
                    yield i, TextTokens(*joined, pooled if len(parts) == 1 else None)

    def _windows(self, tokens: int) -> list[slice]:
        """Of equal size, as few as there can be; a text without a token is one of specials alone."""
        most = self.most - len(self._opening) - len(self._closing)
        cuts = np.linspace(0, tokens, max(1, -(-tokens // most)) + 1).round().astype(int)
        return [slice(start, end) for start, end in pairwise(cuts.tolist())]

    def _with_specials(self, spans: np.ndarray) -> np.ndarray:
        first, last = (spans[0, 0], spans[-1, 1]) if len(spans) else (0, 0)
        opening, closing = np.full((len(self._opening), 2), first), np.full((len(self._closing), 2), last)
        return np.concatenate([opening, spans, closing]).astype(np.int32)

    def _vectors(self, windows: list) -> Iterator[tuple[list, list[tuple[np.ndarray, np.ndarray]]]]:
        most, compute = BATCH_TOKENS[self._model.device], partial(last_layer, self._model, pooling=self._pooling)
        windows = sorted(windows, key=lambda window: -len(window[2]))
        if self._model.device == "cpu":
            pool, workers = workers_alone()
            yield from on_all_cores(pool, workers, compute, self._batches(windows, most, 2 * workers))
        else:
            yield from ((places, compute(ids)) for places, ids in self._batches(windows, most, 1))

    def _batches(self, windows: list, most: int, shares: int) -> Iterator[tuple[list, list[np.ndarray]]]:
        """((text, window) and ids of each): the longest first, those of one length together, as many as `most` tokens hold, and
        ever fewer towards the end, so that all cores finish together."""
        left, some, held = sum(len(ids) for *_, ids in windows), [], 0
        for text, window, ids in windows:
            if some and held + len(ids) > max(min(most, left // shares), FEWEST_TOKENS):
                yield [place for place, _ in some], [ids for _, ids in some]
                some, held, left = [], 0, left - held
            some.append(((text, window), np.array(ids, np.int64)))
            held += len(ids)
        if some:
            yield [place for place, _ in some], [ids for _, ids in some]


def last_layer(model: Any, texts: list[np.ndarray], pooling: str = "mean") -> list[tuple[np.ndarray, np.ndarray]]:
    """Of token ids, texts of one length adjacent, the vectors of all tokens [n, width] and the text's own [width], float32, each
    of length 1; pooled as `Bert.vectors` does."""
    import torch

    pool = {"mean": lambda x: x.mean(1, dtype=torch.float32), "cls": lambda x: x[:, 0], "max": lambda x: x.amax(1)}[pooling]
    with torch.inference_mode():
        groups = [(len(list(same)), length) for length, same in groupby(map(len, texts))]
        ids = torch.from_numpy(np.concatenate(texts)).to(model.device)
        places = torch.from_numpy(np.concatenate([np.arange(len(t)) for t in texts])).to(model.device)
        x = model._forward(ids, places, groups)
        pieces = zip(x.split([n * length for n, length in groups]), groups, strict=True)
        pooled = torch.cat([pool(piece.view(n, length, -1)) for piece, (n, length) in pieces])
        vectors, own = (torch.nn.functional.normalize(each.float(), dim=1).cpu().numpy() for each in (x, pooled))
    return list(zip(np.split(vectors, np.cumsum([len(t) for t in texts])[:-1]), own, strict=True))
