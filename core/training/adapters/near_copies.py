"""Texts that are nearly the same, among many: MinHash with bands, then the resemblance itself.

Broder 1997, "On the resemblance and containment of documents", section 2; bands: Leskovec, Rajaraman and Ullman 2014, "Mining of
Massive Datasets", section 3.4. With 32 bands of 4 a pair that resembles by 0.7 is missed once in some 6,000 times.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from core.context.passages import jaccard, shingles

BANDS, ROWS = 32, 4
COMMON, FEW = 0.2, 20  # a shingle of more than this share of so many texts is a form that all of them have


def near_copies(texts: Sequence[str], others: Sequence[str], alike: float) -> dict[int, int]:
    """Number of a text -> number of one of the others that it resembles by `alike` or more."""
    sets = _without_forms([shingles(text) for text in (*texts, *others)])
    signatures = [_signature(shingled) for shingled in sets]
    buckets: dict[bytes, list[int]] = defaultdict(list)
    for place in range(len(texts), len(sets)):
        for key in _keys(signatures[place]):
            buckets[key].append(place)
    copies = {}
    for place in range(len(texts)):
        near = dict.fromkeys(other for key in _keys(signatures[place]) for other in buckets.get(key, ()))
        match = next((other for other in near if jaccard(sets[place], sets[other]) >= alike), None)
        if match is not None:
            copies[place] = match - len(texts)
    return copies


def repeated(texts: Sequence[str], alike: float) -> set[int]:
    """Numbers of texts that resemble an earlier one by `alike` or more; the first of them stays."""
    sets = _without_forms([shingles(text) for text in texts])
    buckets: dict[bytes, list[int]] = defaultdict(list)
    copies = set()
    for place, shingled in enumerate(sets):
        keys = _keys(_signature(shingled))
        near = {other for key in keys for other in buckets[key]}
        if any(jaccard(shingled, sets[other]) >= alike for other in near):
            copies.add(place)
            continue
        for key in keys:
            buckets[key].append(place)
    return copies


def _without_forms(sets: list[frozenset]) -> list[frozenset]:
    """Instructions that stand in every prompt say nothing of what is alike."""
    if len(sets) < FEW:
        return sets
    counts = Counter(shingle for shingled in sets for shingle in shingled)
    forms = {shingle for shingle, count in counts.items() if count > COMMON * len(sets)}
    return [shingled - forms or shingled for shingled in sets]


_multipliers = np.random.default_rng(20).integers(1, 2**63, BANDS * ROWS, np.uint64) | np.uint64(1)
_additions = np.random.default_rng(21).integers(0, 2**63, BANDS * ROWS, np.uint64)


def _signature(shingled: frozenset) -> np.ndarray:
    """[BANDS, ROWS] uint64: the smallest hash of each of so many functions (multiply and shift: Dietzfelbinger et al. 1997)."""
    if not shingled:
        return np.zeros((0, ROWS), np.uint64)
    values = np.array([zlib.crc32("\x1f".join(words).encode("utf-8", "surrogatepass")) for words in shingled], np.uint64)
    hashes = values[:, None] * _multipliers + _additions  # modulo 2**64
    return (hashes >> np.uint64(32)).min(0).reshape(BANDS, ROWS)


def _keys(signature: np.ndarray) -> list[bytes]:
    return [bytes([band]) + row.tobytes() for band, row in enumerate(signature)]
