"""What reaches a terminal: text, of whomever, that steers nothing.

Names, titles, texts and errors come from other people's files, and a terminal obeys what it is sent: it sets its title, moves its
cursor, answers. So control characters are written out as JSON writes them, \\u001b: a person sees them, and a JSON document stays
the same one. Standard output is `inert_output` while a verb runs; what goes to standard error goes through `tell` and `tell_step`.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CONTROL = re.compile(r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # but for tabs and the ends of lines


def inert(text: str) -> str:
    return CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class InertOutput:
    """A stream as it is, but for what is written to it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """What the stream's encoding has no character for is written as JSON writes it, too."""
        return self._stream.write(_encodable(inert(text), self._stream.encoding or "utf-8"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _encodable(text: str, encoding: str) -> str:
    try:
        text.encode(encoding)
        return text
    except UnicodeEncodeError:
        if len(text) > 1:
            return "".join(_encodable(character, encoding) for character in text)
        return re.sub("(.{4})", r"\\u\1", text.encode("utf-16-be", "surrogatepass").hex())


@contextmanager
def inert_output() -> Iterator[None]:
    """Within, whatever is printed is inert."""
    before = sys.stdout
    sys.stdout = InertOutput(before)
    try:
        yield
    finally:
        sys.stdout = before


def tell(text: str) -> None:
    """On standard error."""
    print(inert(text), file=sys.stderr)


def tell_step(text: str) -> None:
    """In the place of the step before."""
    print(f"\r\x1b[K{inert(text.replace(chr(10), ' '))}", end="", file=sys.stderr, flush=True)
