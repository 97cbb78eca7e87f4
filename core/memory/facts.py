"""The nouns of memory: a fact as it is told, as it is remembered, as it is met again."""

import math
import re
import threading
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

from core.errors import WorkbenchError

# characters; a fact is a sentence, and a whole one stands on one page of the file, where a search of its bytes sees it
LONGEST = {"subject": 100, "attribute": 100, "value": 300, "text": 500, "source": 200, "document": 200}
SHORTEST = 8  # bytes of a text: so many are sought when it is forgotten
MOST_PARENTS = 32  # facts that one is derived from
CONTROL = "control of a forgetting"  # the subject of what is planted to prove one
WORD = re.compile(r"\w+")
_POWER = re.compile(r"(?<=\d)[⁻⁺]?[⁰¹²³⁴-⁹]")
_own = threading.local()  # a stemmer serves one thread
_UNSEEN = ("Cc", "Cs", "Cf")  # categories of characters that no sentence needs


class FactDraft(NamedTuple):
    """A fact as somebody tells it. A fact with an attribute says what it is for a subject, and a new value takes the place of the
    old one; one without is a note."""

    text: str
    subject: str = ""
    attribute: str = ""
    value: str = ""
    time: float | None = None  # seconds since 1970 from which it holds; None: now
    source: str = ""  # who said it, or where it was read
    confidence: float = 1.0  # 0 to 1: that it is true
    importance: float = 0.5  # 0 to 1: how much it would be missed
    derived_from: tuple[str, ...] = ()  # ids of the facts it follows from
    document: str = ""  # of the corpus, with the characters [start, end) that say it
    start: int = 0
    end: int = 0
    span: str = ""  # checksum of these characters, made by `sources.py`
    corpus: str = ""  # that has the document, told by `sources.py`; "": not known


class Fact(NamedTuple):
    """A fact as it is remembered."""

    id: str
    text: str
    subject: str
    attribute: str
    value: str
    time: float
    source: str
    confidence: float
    importance: float
    uses: int  # how often it was among what a question was given
    last_use: float | None
    said: int  # how often it was told
    ended: float | None  # since when it holds no more; None: it is current
    superseded_by: str  # id of what took its place; "": nothing did
    stale: str  # why it may hold no more: "changed", "ended", "forgotten" or "source", and what; "": it does
    document: str
    start: int
    end: int
    span: str
    corpus: str

    @property
    def current(self) -> bool:
        return self.ended is None


class WrittenFact(NamedTuple):
    """What became of a draft. outcome: new, duplicate (told before), update (another value, the older is superseded), or history
    (older than what is known). One that holds from a later time on is new, and supersedes what holds then."""

    id: str
    outcome: str
    superseded: str = ""  # id
    stale: tuple[str, ...] = ()  # ids of facts that are stale by it, since they were derived from what it superseded


class FactHit(NamedTuple):
    """A fact that was looked for. Parts of the score lie between 0 and 1 over all that were considered."""

    fact: Fact
    score: float
    relevance: float
    recency: float
    importance: float
    now: str = ""  # of a stale fact: its value by what is behind it today; "": that tells nothing


def read_draft(row: Mapping[str, Any], where: str = "") -> FactDraft:
    """A draft of fields that a person or a model wrote. Raises a WorkbenchError that names what is wrong."""
    own = [name for name in FactDraft._fields if name not in ("span", "corpus")]
    if unknown := set(row) - {*own}:
        what = f"A fact has no field {', '.join(sorted(map(str, unknown)))[:80]}; it has {', '.join(own)}."
        raise WorkbenchError(what, where=where)
    try:
        made = FactDraft(**{"text": "", **row})
        made = made._replace(derived_from=tuple(made.derived_from))
    except TypeError as error:
        raise WorkbenchError(f"This is no fact: {error}.", where=where) from None
    return checked(made, where)


def checked(draft: FactDraft, where: str = "") -> FactDraft:
    """The draft with its text, where it has only subject, attribute and value."""

    def wrong(what: str, todo: str = "") -> WorkbenchError:
        return WorkbenchError(what, where=where, todo=todo)

    for name, most in LONGEST.items():
        text = getattr(draft, name)
        if not isinstance(text, str):
            raise wrong(f"The {name} of a fact is text, not {type(text).__name__}.")
        if len(text) > most:
            raise wrong(f"The {name} has {len(text):,} characters, more than {most}.", "A fact is a sentence: tell several.")
        if any(unicodedata.category(character) in _UNSEEN for character in text):
            raise wrong(f"The {name} holds a character that is not seen.", "Give plain text on one line.")
    if draft.attribute.strip() and not (draft.subject.strip() and draft.value.strip()):
        raise wrong("A fact with an attribute has a subject and a value.", "Give all three, or a text alone.")
    for name in ("confidence", "importance"):
        number = getattr(draft, name)
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
            raise wrong(f"The {name} of a fact lies between 0 and 1.")
    if draft.time is not None and (not isinstance(draft.time, int | float) or not math.isfinite(draft.time)):
        raise wrong("The time of a fact is a number of seconds since 1970.")
    if not all(isinstance(place, int) for place in (draft.start, draft.end)) or not 0 <= draft.start <= draft.end:
        raise wrong("The characters of a source are [start, end), whole numbers.")
    if len(draft.derived_from) > MOST_PARENTS or not all(isinstance(parent, str) for parent in draft.derived_from):
        raise wrong(f"A fact is derived from the ids of up to {MOST_PARENTS} facts.")
    text = draft.text.strip() or f"The {draft.attribute.strip()} of {draft.subject.strip()} is {draft.value.strip()}."
    if not (draft.text.strip() or draft.attribute.strip()):
        raise wrong("A fact has a text, or a subject, an attribute and a value.")
    if not WORD.search(text) or len(text.encode()) < SHORTEST:
        raise wrong(
            f"The text of a fact is a sentence of {SHORTEST} bytes at least.", "A shorter one cannot be told from others."
        )
    if len(text) > LONGEST["text"]:
        raise wrong(f"Subject, attribute and value make a text of {len(text):,} characters, more than {LONGEST['text']}.")
    stripped = {name: getattr(draft, name).strip() for name in ("subject", "attribute", "value", "source")}
    return draft._replace(text=text, **stripped)


def folded(text: str) -> str:
    """What texts that a person takes for the same share: letters, without case and extra space. 10² is another number than 102."""
    return " ".join(unicodedata.normalize("NFKC", _POWER.sub(r"^\g<0>", text)).casefold().split())


def sought_words(text: str, subject: str, attribute: str) -> list[str]:
    """By which a fact is found: those of its text, and of what it says of what."""
    return words(f"{text} {subject} {attribute}")


def words(text: str) -> list[str]:
    """The distinct words of a text by their English stems, folded, in their order."""
    if not hasattr(_own, "stem"):
        import Stemmer

        _own.stem = Stemmer.Stemmer("english").stemWords
    return list(dict.fromkeys(_own.stem(WORD.findall(folded(text)))))
