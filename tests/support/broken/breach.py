"""Parts that break their contracts, each with the words in which its suite has to say so."""

from typing import Any, Literal

BREACHES: list[tuple[str, type, str]] = []  # kind, part, words of the message


def broken(base: type, name: str, **members: Any) -> type:
    """The part under this name with other members; `__annotations__` are those of its knobs."""
    knobs = {"part": Literal[name], **members.pop("__annotations__", {})}
    fields = {"part": name, "__annotations__": knobs, "__module__": __name__, "__doc__": "Choose it nowhere."}
    return type(name.title().replace("_", ""), (base,), {**fields, **members})


def breach(kind: str, words: str, base: type, name: str, **members: Any) -> type:
    """The same, as a part that has to fail the suite of its kind with these words."""
    cls = broken(base, name, **members)
    BREACHES.append((kind, cls, words))
    return cls


def breaking(kind: str, words: str):
    """Class decorator: the same for a part that is written out."""

    def listed(cls: type) -> type:
        cls.__doc__ = "Choose it nowhere."
        BREACHES.append((kind, cls, words))
        return cls

    return listed
