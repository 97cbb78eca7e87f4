"""Texts as tokenizers take them."""

import re

_surrogates = re.compile("[\ud800-\udfff]")


def encodable(text: str) -> str:
    """The text with lone surrogates, which no tokenizer takes, replaced one for one: offsets stay."""
    return text if text.isascii() else _surrogates.sub("\ufffd", text)


def valid(text: str) -> str:
    """The text with its halves of characters joined, and lone ones replaced."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
