"""ColBERT's late interaction on the encoder's own token vectors."""

import os
import time
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core import files
from core.config import code_version, fingerprint, knob
from core.models.all_cores import on_all_cores, workers_alone
from core.models.loading import readable
from core.progress import Unready, drain
from core.records import Progress
from core.registry import part
from core.reranking import token_codes
from core.reranking.protocol import APART, Asked, Pairs, Reranker, share
from core.reranking.token_codes import Quantiser, product
from core.reranking.token_store import TokenStore, text_key, token_store
from core.reranking.token_vectors import TextTokens, token_encoder

SPECIALS = 2  # tokens around a window
TEXTS_FITTED = 256  # of the corpus, for the quantiser
SHARD_TOKENS = 200_000
SHARD_SECONDS = 5.0  # a killed process loses no more work than this
SAMPLES_HELD = 4  # corpora
BLOCK_TOKENS = 4096  # decoded at once: they stay in the cache of a core


@part("reranker")
class MaxSim(Reranker):
    """Each word piece of the question meets the one of the passage that it is most like; the score is the sum of those cosines.

    Choose it over `cross_encoder` where passages are searched again and again: their token vectors are kept, so a question
    costs milliseconds. It sees words that the one vector of a text blurs, names and numbers above all; it does not read the
    question and the passage together, and its encoder was not trained for it. Word pieces count, special tokens do not.

    Khattab & Zaharia 2020, "ColBERT", arXiv:2004.12832, section 3.2 (equation 3); kept as in Santhanam et al. 2022,
    "ColBERTv2", arXiv:2112.01488, section 3.3.
    """

    order: ClassVar[int] = 20
    added: ClassVar[dict[str, Any]] = {"length_penalty": 0.0}
    part: Literal["maxsim"] = "maxsim"
    weight: float = share(0.5)
    dimensions: int = knob(
        144,
        "Numbers of a token that are kept, after a projection fitted to the corpus. More rank more like the encoder's own, "
        "and take more bytes.",
        ge=16,
        le=1024,
        multiple_of=8,
    )
    bits: Literal[1, 2, 4] = knob(
        2, "Bits of each of those numbers, beside the centroid's 1 or 2 bytes. More rank more exactly, and take more bytes."
    )
    centroids: int = knob(
        256, "Points that a token's vector is told from; up to 256 take 1 byte of each token, more take 2.", ge=1, le=4096
    )
    length_penalty: float = knob(
        0.0,
        "What a word of the question loses for each doubling of the passage: in more words it finds a better match by chance. "
        "0 counts as ColBERT does, and favours long passages; 0.02 takes most of that away.",
        ge=0.0,
        le=0.1,
        step=0.005,
    )

    def longer(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> list[str]:
        most = asked.tools.encoder.load().max_tokens - SPECIALS
        windows = -(-asked.chunks.tokens[asked.pool.chunk[rows, columns]] // most)
        return [f"{count} windows, every word counts" if count > 1 else "" for count in windows.tolist()]

    def scores(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> Generator[Progress, None, np.ndarray]:
        tools, chunks = asked.tools, asked.pool.chunk[rows, columns]
        if not len(rows):
            return np.zeros(0, np.float32)
        matching = Matching(self, tools.encoder, tools.folder / "tokens")
        yield from matching.open(tools.texts, tools.most)
        distinct_chunks, place = np.unique(chunks, return_inverse=True)
        codes = yield from matching.codes([tools.texts[chunk] for chunk in distinct_chunks], tools.most)
        pairs = [f"{asked.queries[i].text}{APART}{tools.texts[j]}" for i, j in zip(rows.tolist(), chunks.tolist(), strict=True)]
        met = (yield from tools.embed(Pairs(matching), pairs))[:, 0]
        return met - self._by_length(asked, rows, np.array(list(map(len, codes)))[place])

    def _by_length(self, asked: Asked, rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """What each pair loses, [n] float32. The greatest of n draws grows about as log n, whatever they are drawn from."""
        if not self.length_penalty:
            return np.float32(0)
        questions, place = np.unique(rows, return_inverse=True)
        words = asked.tools.encoder.load().token_offsets([asked.queries[row].text for row in questions])
        asking = np.array(list(map(len, words)))[place]
        return (self.length_penalty * asking * np.log2(np.maximum(lengths, 1))).astype(np.float32)


class Matching:
    """The settings of the part with an encoder, and a folder for the codes of passages: what keeps scores by content asks it
    as it asks a pairwise reranker."""

    part = "maxsim"

    def __init__(self, settings: MaxSim, encoder: Any, folder: Path) -> None:
        self._settings, self._encoder, self._folder = settings, encoder, folder
        self.quantiser: Quantiser
        self.store: TokenStore

    def open(self, texts: Sequence[str], most: int | None = None) -> Generator[Progress, None, None]:
        """Fits the quantiser to a sample of the corpus' texts, or finds it where that was done before."""
        sample, name = sampled(texts)
        fitted = self._settings.dimensions, self._settings.bits, self._settings.centroids
        folder = self._folder / fingerprint(self._encoder.identity(), fitted, name, code_version(Matching))
        held, tokens = opened(folder / "quantiser.npz"), []
        if held is None:
            may_read(sample, most)
            tokens = yield from self._read(sample)
            held = token_codes.fit(np.concatenate([passage.vectors for passage in tokens]), *fitted)
            saved(held, folder / "quantiser.npz")
        self.quantiser, self.store = held, token_store(folder / held.digest())
        if tokens:
            coded = (held.encode(passage.vectors) for passage in tokens)
            self.store.write(dict(zip(map(text_key, sample), coded, strict=True)))
        with suppress(OSError):  # what was used longest ago is evicted first
            os.utime(folder)

    def identity(self) -> str:
        return f"maxsim-{self.store.folder.parent.name}-{self.store.folder.name}"

    def reads(self) -> int | None:
        return None

    def read(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(indices [b], scores [b] float32) until each pair of question and passage has its score."""
        (questions, row), (passages, column) = (distinct(texts) for texts in zip(*pairs, strict=True))
        codes = drain(self.codes(passages))
        pool, _ = workers_alone()
        vectors = [pool.submit(self.quantiser.questions, tokens.vectors).result() for tokens in drain(self._read(questions))]
        for cells, scores in maxsim(self.quantiser, vectors, codes, row, column):
            yield cells, np.round(scores, 5)  # what the shape of a matrix product rounds otherwise is a tie

    def codes(self, passages: Sequence[str], most: int | None = None) -> Generator[Progress, None, list[np.ndarray]]:
        """Codes [n, width] of each passage, in their order; reads those of which nothing is kept."""
        keys = [text_key(passage) for passage in passages]
        while True:
            absent = self.store.absent(keys)
            if absent:
                may_read(absent, most)
                yield from self._keep({key: text for key, text in zip(keys, passages, strict=True) if key in absent})
            if (codes := self.store.read(keys)) is not None:
                return codes

    def _keep(self, absent: dict[bytes, str]) -> Generator[Progress, None, None]:
        keys, fresh, saved_at = list(absent), {}, time.monotonic()
        with readable("The encoder failed"), closing(token_encoder(self._encoder).read(list(absent.values()))) as read:
            try:
                for done, (place, tokens) in enumerate(read):
                    fresh[keys[place]] = self.quantiser.encode(words(tokens).vectors)
                    full = sum(map(len, fresh.values())) > SHARD_TOKENS
                    if full or time.monotonic() - saved_at > SHARD_SECONDS:
                        self.store.write(fresh)
                        fresh, saved_at = {}, time.monotonic()
                    if done % 32 == 0:
                        yield Progress(done, len(keys), "Reading passages word by word")
            finally:  # also when cancelled
                if fresh:
                    self.store.write(fresh)

    def _read(self, texts: Sequence[str]) -> Generator[Progress, None, list[TextTokens]]:
        """Tokens of each text, in their order."""
        read = {}
        with readable("The encoder failed"):
            for place, tokens in token_encoder(self._encoder).read(texts):
                read[place] = words(tokens)
                if len(read) % 32 == 0:
                    yield Progress(len(read), len(texts), "Reading texts word by word")
        return [read[place] for place in range(len(texts))]


def may_read(texts: Collection, most: int | None) -> None:
    if most is not None and len(texts) > most:
        raise Unready(f"{len(texts):,} passages word by word", texts=list(texts))


def maxsim(
    quantiser: Quantiser, questions: list[np.ndarray], codes: list[np.ndarray], row: np.ndarray, column: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of pairs (questions[row], codes[column]) the places and scores, a passage after the other; each is decoded once."""
    order, begins = np.argsort(column, kind="stable"), np.cumsum([0, *map(len, codes[:-1])])
    cells = np.split(order, np.searchsorted(column[order], np.arange(1, len(codes))))

    def met(block: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
        vectors, starts = quantiser.decode(np.concatenate([codes[i] for i in block])), begins[block] - begins[block[0]]
        if len(questions) == 1:  # of all passages in one product
            best = np.maximum.reduceat(product(vectors, questions[0]), starts).sum(1)
            places = np.concatenate([cells[i] for i in block])
            return [(places, best[column[places] - block[0]])]
        made = []
        for i, passage in zip(block, np.split(vectors, starts[1:]), strict=True):
            if asking := [questions[q] for q in row[cells[i]]]:
                best = product(passage, np.concatenate(asking)).max(0)  # of each token of the questions
                made.append((cells[i], np.add.reduceat(best, np.cumsum([0, *map(len, asking[:-1])]))))
        return made

    pool, workers = workers_alone()
    for _, made in on_all_cores(pool, workers, met, ((None, block) for block in blocks([len(some) for some in codes]))):
        yield from made


def blocks(sizes: list[int]) -> Iterator[list[int]]:
    """Places one after the other, of about BLOCK_TOKENS together."""
    ends = np.cumsum(sizes) // BLOCK_TOKENS
    yield from (some.tolist() for some in np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(ends)) + 1) if len(some))


def distinct(texts: Iterable[str]) -> tuple[list[str], np.ndarray]:
    """Each text once, and of all of them the place among those."""
    places: dict[str, int] = {}
    index = np.array([places.setdefault(text, len(places)) for text in texts])
    return list(places), index


def words(tokens: TextTokens) -> TextTokens:
    """Without the special tokens; of a text without words, those alone."""
    held = tokens.spans[:, 0] < tokens.spans[:, 1]
    return TextTokens(tokens.vectors[held], tokens.spans[held]) if held.any() else tokens


def sampled(texts: Sequence[str]) -> tuple[list[str], str]:
    """Those of the smallest hashes, and a name of them: an edit elsewhere in the corpus leaves them, and with them all that is
    kept, as they are."""
    if not (held := _samples.get(id(texts))) or held[0] is not texts:
        by_key = {text_key(text): text for text in texts}
        keys = sorted(by_key)[:TEXTS_FITTED]
        held = _samples[id(texts)] = texts, [by_key[key] for key in keys], b"".join(keys).hex()
        while len(_samples) > SAMPLES_HELD:
            _samples.pop(next(iter(_samples)), None)
    return held[1:]


_samples: dict[int, tuple[Sequence[str], list[str], str]] = {}  # of the corpora asked last


def opened(path: Path) -> Quantiser | None:
    """None where there is none, or a damaged one: it is fitted anew."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Quantiser(*(arrays[name] for name in Quantiser._fields))
    except FileNotFoundError:
        return None
    except Exception as error:  # what a damaged zip archive raises has many kinds
        if files.errno_of(error) not in files.FORBIDDEN:
            files.discard(path)
            files.tell(f"The kept codes of tokens were damaged and are fitted anew: {path}.")
        return None


def saved(quantiser: Quantiser, path: Path) -> None:
    try:
        with files.disk_reported("The codes of tokens", path):
            path.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(path, lambda file: np.savez(file, **quantiser._asdict()), "The codes of tokens", sync=False)
    except files.DiskError as error:
        if not error.forbidden:
            raise
        files.tell(f"The codes of tokens may not be written, so they are not kept: {path.parent}.")
