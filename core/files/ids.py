"""Names of records and jobs that sort by time, and names made from the words of a title."""

import re
import secrets
import threading
import time
from datetime import UTC, datetime
from hashlib import blake2b

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: sorts like the number, no letters to confuse
ID_LETTERS = 26
DAY_S = 86_400
_last = 0
_last_lock = threading.Lock()


def new_id(after: str = "") -> str:
    """26 characters: 48 bits of milliseconds, 80 random bits. Unique between processes, rising within one.

    after: an id that the new one has to follow, whatever the clock says: what replaces a record always sorts behind it.
    """
    global _last
    with _last_lock:
        value = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
        if value <= _last:  # the same millisecond, or the clock was set back
            value = _last + 1 + secrets.randbits(40)
        _last = value
    if well_formed(after) and value <= _number(after):  # made where the clock was ahead
        value = _number(after) + 1 + secrets.randbits(40)
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def id_time(record_id: str) -> datetime:
    """When the id was made (UTC)."""
    return datetime.fromtimestamp((_number(record_id) >> 80) / 1000, UTC)


def is_id(text: str) -> bool:
    """Whether this can be an id of ours: of its form, and not of a time to come (but for a clock a day ahead)."""
    return well_formed(text) and _number(text) >> 80 < (time.time() + DAY_S) * 1000


def well_formed(text: str) -> bool:
    """Whether it has the form of an id."""
    return len(text) == ID_LETTERS and set(text) <= set(ALPHABET)


def _number(record_id: str) -> int:
    return sum(ALPHABET.index(letter) << 5 * place for place, letter in enumerate(reversed(record_id)))


def slug(words: str, otherwise: str, most: int, letter_first: bool = False) -> str:
    """A name from words: small letters, digits and hyphens. Where that loses letters or digits of them, as of Greek or Chinese, it
    ends with a mark of the whole: titles that differ keep names that do. otherwise: of what has neither."""
    words = " ".join(words.lower().split())
    plain = re.sub(r"[^a-z0-9]+", "-", words).strip("-")
    name = plain.lstrip("-0123456789") if letter_first else plain
    if name == plain and len(name) <= most and not any(letter.isalnum() and not letter.isascii() for letter in words):
        return name or otherwise
    mark = blake2b(words.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()
    return f"{name[: most - 7].strip('-') or otherwise}-{mark}"
