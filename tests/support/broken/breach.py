"""Parts that break their contracts, each with the words in which its suite has to say so."""

BREACHES: list[tuple[str, type, str]] = []  # kind, part, words of the message


def breach(kind: str, words: str):
    """Class decorator: a part that has to fail the suite of its kind with these words."""

    def listed(cls: type) -> type:
        cls.__doc__ = "Choose it nowhere."
        BREACHES.append((kind, cls, words))
        return cls

    return listed
