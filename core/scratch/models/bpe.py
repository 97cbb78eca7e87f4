"""Byte-pair encoding written to be read: the merges learnt from texts, and a text split by them.

Choose it to see how a vocabulary comes about, merge by merge; `tokenizers_lab` trains the same one a hundred times as fast
with the `tokenizers` library. Both give the same merges in the same order.

Gage 1994, "A New Algorithm for Data Compression"; for words: Sennrich, Haddow and Birch 2016, "Neural Machine Translation of
Rare Words with Subword Units", section 3.2, algorithm 1. On bytes, with words cut by a pattern: Radford et al. 2019 (GPT-2),
section 2.2.

Ties, of which the paper says nothing: of the pairs that occur equally often, the one whose left token has the lowest id is
merged, then the one whose right token has; ids are given to the 256 bytes in the order of the characters that write them, then
to each merge. This is the library's rule.
"""

from collections import Counter, defaultdict
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import NamedTuple

from core.errors import WorkbenchError
from core.records import Progress

# GPT-2's: a word takes the one space before it along; letters, digits and other signs never share a token
PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
STEP = 50  # merges between two tellings of progress

Pair = tuple[str, str]


class Merge(NamedTuple):
    """The two tokens that became one, and how often they stood side by side at that moment."""

    left: str
    right: str
    count: int


@cache
def byte_characters() -> dict[int, str]:
    """A visible character for each byte: itself where it is one, else the next one from 256 on. A space is written Ġ."""
    shown = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = (byte for byte in range(256) if byte not in shown)
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


def words(text: str) -> list[str]:
    """The text cut into words, each written as its bytes' characters. No merge goes beyond a word."""
    import regex  # knows \p, the classes of Unicode

    return ["".join(map(byte_characters().get, word.encode("utf-8"))) for word in regex.findall(PATTERN, text)]


@dataclass(frozen=True)
class Bpe:
    merges: tuple[Merge, ...]

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """Token -> id. A merge may write a token that another one wrote before: it keeps that id."""
        tokens = [*sorted(byte_characters().values()), *(merge.left + merge.right for merge in self.merges)]
        return {token: i for i, token in enumerate(dict.fromkeys(tokens))}

    @cached_property
    def ranks(self) -> dict[Pair, int]:
        return {(merge.left, merge.right): rank for rank, merge in enumerate(self.merges)}

    def tokens(self, text: str) -> list[str]:
        """The text's tokens: in each word the merges are done again in the order in which they were learnt."""
        pieces = []
        for word in words(text):
            symbols = tuple(word)
            while len(symbols) > 1:
                pair = min(pairs(symbols), key=lambda pair: self.ranks.get(pair, len(self.ranks)))
                if pair not in self.ranks:
                    break
                symbols = merged(symbols, pair)
            pieces += symbols
        return pieces

    def encode(self, text: str) -> list[int]:
        return [self.vocabulary[token] for token in self.tokens(text)]

    def decode(self, ids: Iterable[int]) -> str:
        tokens, bytes_of = list(self.vocabulary), {shown: byte for byte, shown in byte_characters().items()}
        return bytes(bytes_of[shown] for i in ids for shown in tokens[i]).decode("utf-8", "replace")


def pairs(symbols: tuple[str, ...]) -> list[Pair]:
    return list(pairwise(symbols))


def merged(symbols: tuple[str, ...], pair: Pair) -> tuple[str, ...]:
    """The symbols with each occurrence of the pair, from the left, made one."""
    out, i = [], 0
    while i < len(symbols):
        step = 2 if symbols[i : i + 2] == pair else 1
        out.append("".join(symbols[i : i + step]))
        i += step
    return tuple(out)


def train(texts: Iterable[str], size: int, min_frequency: int = 2) -> Generator[Progress, None, Bpe]:
    """Learns merges until the vocabulary has `size` tokens or no pair occurs `min_frequency` times.

    Only the words that held the merged pair are counted again, which makes a merge cost what it changes.
    """
    if size < 256:
        raise WorkbenchError(f"A vocabulary of {size:,} tokens cannot hold the 256 bytes.", todo="Ask for 256 or more.")
    frequency = Counter(word for text in texts for word in words(text))
    split = {word: tuple(word) for word in frequency}
    counts: Counter[Pair] = Counter()
    holders: dict[Pair, set[str]] = defaultdict(set)  # the words in which a pair stands, or once stood

    def count(word: str, sign: int) -> None:
        for pair in pairs(split[word]):
            counts[pair] += sign * frequency[word]
            holders[pair].add(word)

    for word in split:
        count(word, 1)
    ids = {token: i for i, token in enumerate(sorted(byte_characters().values()))}
    merges: list[Merge] = []
    while len(ids) < size and counts:
        if len(merges) % STEP == 0:
            yield Progress(len(ids) - 256, size - 256, f"{len(merges):,} merges learnt")
        pair = max(counts, key=lambda pair: (counts[pair], -ids[pair[0]], -ids[pair[1]]))
        if counts[pair] < max(min_frequency, 1):
            break
        merges.append(Merge(*pair, counts[pair]))
        ids.setdefault("".join(pair), len(ids))
        for word in holders.pop(pair):
            count(word, -1)
            split[word] = merged(split[word], pair)
            count(word, 1)
        del counts[pair]
    yield Progress(len(ids) - 256, len(ids) - 256, f"{len(merges):,} merges learnt")
    return Bpe(tuple(merges))
